"""Proposals in strongSwan's keywords: what they mean, what is weak, which profile they fit, which node knows them."""

from __future__ import annotations

from netplan.model.proposals.esp import EspProposal as EspProposal
from netplan.model.proposals.esp import esp_proposal as esp_proposal
from netplan.model.proposals.ike import IkeProposal as IkeProposal
from netplan.model.proposals.ike import ike_proposal as ike_proposal
