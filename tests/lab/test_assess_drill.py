"""Planted weaknesses are found by ``assess``, explained, and gone after repair; ``top`` shows what charon counts."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from .conftest import ClusterFactory
from .rollout_steps import Rollout

pytestmark = [pytest.mark.lab, pytest.mark.drill]
CONF = "/etc/swanctl/conf.d/ipsecplan.conf"
PAIR = "p=$(swanctl --list-conns | grep -o '^pair-[0-9a-f]*')"
# name -> (node, how somebody weakens it)
WEAK = {
    "guard": ("n1", "systemctl stop ipsecplan-watch; nft delete table inet ipsecplan"),
    "block policies": ("n2", "systemctl stop ipsecplan-watch; ip xfrm policy deleteall dir out action block"),
}
# a rekey keeps what an SA was made by, so the weak proposal needs new SAs
CIPHER = f"sed -i s/aes256gcm16-x25519/aes128-sha256-x25519/ {CONF}; swanctl --load-conns"
AGAIN = f"{PAIR}; swanctl --terminate --ike $p; sleep 2; swanctl --initiate --child $p-out; true"


def _assess(rollout: Rollout, *words: str) -> tuple[int, dict[str, Any]]:
    done = rollout.run("assess", "--live", "--json", *words)
    return done.returncode, json.loads(done.stdout)["result"]


def _bad(result: dict[str, Any]) -> dict[str, tuple[str, list[str]]]:
    rows = [row for topic in result["topics"] for row in topic["rows"] if row["verdict"] == "bad"]
    assert all(row["code"] and row["said"] and row["change"] for row in rows), "each is explained"
    return {row["check"]: (row["said"], row["subjects"]) for row in rows}


def test_three_weaknesses_are_found_and_gone_after_repair(clusters: ClusterFactory, tmp_path: Path) -> None:
    lab = clusters(nodes=2)
    rollout = Rollout(lab, tmp_path)
    assert rollout.apply().returncode == 0
    code, clean = _assess(rollout)
    assert (code, clean["counts"]["bad"], clean["verdicts"]["drift"]) == (9, 0, "good")
    (tmp_path / "clean.json").write_text(json.dumps(clean))

    for node, command in WEAK.values():
        rollout.shell(node, "sh", "-c", command)
    for node in ("n1", "n2"):
        rollout.shell(node, "sh", "-c", f"cp -p {CONF} /root/kept; {CIPHER}")
    for node in ("n1", "n2"):
        rollout.shell(node, "sh", "-c", AGAIN)
    code, weak = _assess(rollout, "--against", str(tmp_path / "clean.json"))
    (tmp_path / "weak.json").write_text(json.dumps(weak))
    found = _bad(weak)
    assert code == 5
    assert {"guard", "block policies", "in use", "drift IPP680", "drift IPP683"} <= found.keys()
    assert found["guard"] == ("the guard is not loaded", ["n1"])
    assert found["block policies"][1] == ["n2"]
    assert "AES_CBC-128/HMAC_SHA2_256_128 is in use, and is not what the bundle offers" in found["in use"][0]
    assert {c["change"] for c in weak["changes"]} <= {"new", "worse", "not judged"}

    for node in ("n1", "n2"):
        rollout.shell(node, "sh", "-c", f"cp -p /root/kept {CONF}; swanctl --load-conns")
    for node in ("n1", "n2"):
        rollout.shell(node, "sh", "-c", AGAIN)
        rollout.shell(node, "sh", "-c", "sh /usr/local/lib/ipsecplan/guard.sh load; systemctl start ipsecplan-watch")
    code, mended = _assess(rollout, "--against", str(tmp_path / "weak.json"))
    assert (code, _bad(mended)) == (9, {})
    gone = {(c["check"], c["subject"]) for c in mended["changes"] if c["change"] == "mended"}
    assert {("guard", "n1"), ("block policies", "n2"), ("drift IPP680", "n1"), ("drift IPP680", "n2")} <= gone

    # measured now, and with what a cluster says of its namespaces
    namespaces = [{"kind": "Namespace", "metadata": {"name": name}} for name in ("shut", "open")]
    closed = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    policy = {"kind": "NetworkPolicy", "metadata": {"name": "all", "namespace": "shut"}, "spec": closed}
    (tmp_path / "objects.json").write_text(json.dumps({"items": [*namespaces, policy]}))
    code, measured = _assess(rollout, "--measure", "--objects", str(tmp_path / "objects.json"))
    assert (code, list(_bad(measured))) == (5, ["namespaces"])
    assert _bad(measured)["namespaces"][1] == ["open"]
    assert measured["verdicts"]["proof"] == "good"
    before, after = (_proof(one) for one in (mended, measured))
    assert before["seen"] != after["seen"], "another time of measurement"

    # top against charon's own words
    rollout.shell(
        "n1", "ip", "netns", "exec", "pod1", "ping", "-c", "50", "-i", "0.05", "-s", "1000", _other_pod(rollout)
    )
    shown = json.loads(rollout.run("top", "--once", "--interval", "1", "--json").stdout)["result"]
    for flow in shown["pairs"]:
        listed = rollout.shell(flow["from"], "swanctl", "--list-sas")
        sent = [(int(b), int(p)) for b, p in re.findall(r"out \S+,\s+(\d+) bytes,\s+(\d+) packets", listed)]
        assert flow["packets"] <= sum(p for _, p in sent) <= flow["packets"] + 20
        assert flow["bytes"] <= sum(b for b, _ in sent) <= flow["bytes"] + 20 * 1500
        assert (flow["installed"], flow["wanted"], flow["lost"]) == (2, 2, 0)
    assert max(flow["packets"] for flow in shown["pairs"]) >= 40


def _proof(result: dict[str, Any]) -> dict[str, Any]:
    (row,) = (row for topic in result["topics"] for row in topic["rows"] if row["check"] == "measured")
    return dict(row)


def _other_pod(rollout: Rollout) -> str:
    listed = rollout.shell("n2", "ip", "netns", "exec", "pod1", "ip", "-4", "-j", "addr", "show", "eth0")
    return str(json.loads(listed)[0]["addr_info"][0]["local"])
