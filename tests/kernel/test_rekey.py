"""The proof of a rekey between two real charons: a key exchange that one end changed is found, and nothing else is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from netplan.bundle.node_json import node_facts
from netplan.ipsec import connections
from tests.ci import roots
from tests.kernel import boot
from tests.support.plans import make_planned

from .ends import CHARON, CHARON_PACKAGES

pytestmark = [pytest.mark.kernel, pytest.mark.slow, pytest.mark.drill]
ALL = ["first release", "same release again", "changed at one end, live SA rekeyed", "changed at one end"]
ALL += ["changed at both ends", "rolled back, IKE_SA ended"]


def job(one: str, other: str) -> dict[str, Any]:
    """Return what the guest is to do with the strongSwan of these two roots."""
    ike = ["aes256gcm16-prfsha384-ecp384"]
    plans = [
        make_planned(2, ipsec={"auth": "psk", "esp": [f"aes256gcm16-{group}"], "ike": ike}).plan
        for group in ("x25519", "ecp384")
    ]
    nodes = sorted(plans[0].nodes, key=lambda node: not next(iter(plans[0].connections(node))).initiates)
    ids = "".join(f' id-{n} = "{node.id}"\n' for n, node in enumerate(nodes))
    made: dict[str, Any] = {"roots": [one, other]}
    for name, node in zip("ab", nodes, strict=True):
        files = [connections.connection_file(plan, next(n for n in plan.nodes if n.id == node.id)) for plan in plans]
        made[name] = {
            "address": node.address,
            "node": node_facts(plans[0], node),
            "secret": f'secrets {{\n ike-1 {{\n{ids} secret = "a secret of a test"\n }}\n}}\n',
            "conf": files[0],
            "changed": files[1],
        }
    return made


def judge(rows: list[dict[str, Any]]) -> None:
    """Hold what every act came to."""
    first, *acts = rows
    assert first.get("act") == "up", first
    assert [(row["act"], row["end"]) for row in acts] == [(act, end) for act in ALL for end in "ab"]
    for row in acts:
        found = row["said"]
        if (row["act"], row["end"]) == ("changed at one end", "b"):
            assert found.startswith("IPP623"), row
            assert "NO_PROPOSAL_CHOSEN" in found
        else:
            assert found == "1 pair rekeyed", row
        assert len(set(row["live"])) == 2, "both directions have an SA all the time"


@pytest.mark.parametrize(("one", "other"), [("trixie", "trixie"), ("bookworm", "trixie")])
def test_a_key_exchange_that_one_end_changed_is_found(tmp_path: Path, one: str, other: str) -> None:
    make = getattr(roots, "root", None)
    if make is None:
        pytest.skip("no Debian root with packages of one's own can be made")
    ends = [str(make(suite, CHARON_PACKAGES, CHARON, kind="charon")) for suite in (one, other)]
    where, rows = boot.measure([job(*ends)], tmp_path, "rekey_on_charon.py")
    print(where)
    judge(rows)
