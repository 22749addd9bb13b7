"""Words that more than one shape uses."""

from __future__ import annotations

from typing import Any, Dict, Literal  # noqa: UP035  nodes may have Python 3.8

Json = Dict[str, Any]  # noqa: UP006  a JSON object of somebody else: of `ip -j`, of charon, of a CNI plugin

StateWord = Literal["none", "open", "confirmed"]
Severity = Literal["error", "warning"]
# of a feature that was tried with a packet: it arrived; it was lost in silence; the kernel said no; nobody could try
Tried = Literal["works", "drops", "refused", "untried"]
Role = Literal["underlay", "overlay", "bridge", "xfrm"]  # of a device that the plan is about
