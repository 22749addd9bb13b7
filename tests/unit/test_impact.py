"""Labels of a change: what a bare reload and what the rollout does to traffic."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from netplan.bundle import write
from netplan.cli.main import main
from netplan.pipeline import Planned
from tests.support.forged import forge
from tests.support.plans import make_planned

GCM: dict[str, object] = {"ipsec": {"esp": ["aes256gcm16-x25519"]}}


def _diff(one: Planned, other: Planned, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> list[dict[str, str]]:
    for name, planned in (("old", one), ("new", other)):
        write.write(tmp_path / name, planned.plan, planned.inventory)
    code = main(["diff", "--json", str(tmp_path / "old"), str(tmp_path / "new")])
    found: list[dict[str, str]] = json.loads(capsys.readouterr().out)["result"]["changes"]
    assert code == (4 if found else 0)
    return found


@pytest.mark.parametrize(
    ("file", "what", "reload", "apply"),
    [
        ({"ipsec": {"esp": ["chacha20poly1305-x25519"]}}, "ESP proposals", "would blackhole", "SA rebuilt"),
        (
            {"ipsec": {"esp": ["chacha20poly1305-x25519", "aes256gcm16-x25519"]}},
            "ESP proposals",
            "no effect",
            "SA rebuilt",
        ),
        ({"ipsec": {"mode": "tunnel"}}, "mode", "would blackhole", "SA rebuilt"),
        ({"ipsec": {"mode": "tunnel"}}, "pod MTU", "would blackhole", "no effect"),
        ({"ipsec": {"lifetimes": {"child": "30m"}}}, "child rekey_time", "no effect", "no effect"),
        ({"ipsec": {"lifetimes": {"ike": "2h"}}}, "IKE rekey_time", "no effect", "effective at rekey"),
        (
            {"ipsec": {"ike": ["aes256gcm16-prfsha384-x25519"]}},
            "IKE proposals",
            "would blackhole",
            "effective at rekey",
        ),
        ({"ipsec": {"nat_traversal": "always"}}, "UDP encapsulation", "no effect", "no effect"),
        ({"ipsec": {"topology": {"hub": "n1"}}}, "connection", "would leak", "would leak"),
        ({"overlay": {"port": 8472}}, "overlay port", "would blackhole", "would blackhole"),
    ],
)
def test_labels(
    file: dict[str, object], what: str, reload: str, apply: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = _diff(make_planned(3, **GCM), make_planned(3, **file), tmp_path, capsys)
    labels = {(c["reload"], c["apply"]) for c in found if c["what"] == what}
    assert labels == {(reload, apply)}
    assert all(c["reload_why"] and c["apply_why"] for c in found)


def test_no_change_no_label(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _diff(make_planned(3), make_planned(3), tmp_path, capsys) == []


def test_a_node_more_and_a_node_less(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    more = _diff(make_planned(2), make_planned(3), tmp_path, capsys)
    assert {(c["node"], c["peer"], c["what"]) for c in more} >= {("n3", "", "node"), ("n1", "n3", "connection")}
    less = _diff(make_planned(3), make_planned(2), tmp_path, capsys)
    gone = [c for c in less if c["what"] == "connection"]
    assert {c["apply"] for c in gone} == {"would blackhole"}
    assert "revert" in next(c["apply_why"] for c in less if c["what"] == "node")


def test_only_the_host_that_changes_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = make_planned(3, {3: {"strongswan_version": "6.0.4"}}, ipsec={"profile": "pq-hybrid"})
    new = make_planned(
        3, {3: {"strongswan_version": "6.0.4", "underlay_address": "10.77.9.9"}}, ipsec={"profile": "pq-hybrid"}
    )
    found = _diff(old, new, tmp_path, capsys)
    assert {(c["node"], c["peer"]) for c in found if c["what"] == "peer's address"} == {("n1", "n3"), ("n2", "n3")}
    assert {c["node"] for c in found if c["what"] == "own address"} == {"n3"}


def test_for_people(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, file in (("old", GCM), ("new", {"ipsec": {"esp": ["chacha20poly1305-x25519"]}})):
        planned = make_planned(4, **file)
        write.write(tmp_path / name, planned.plan, planned.inventory)
    assert main(["diff", str(tmp_path / "old"), str(tmp_path / "new")]) == 4
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("ESP proposals: aes256gcm16-x25519 -> chacha20poly1305-x25519   (n1 -> n2, n1 -> n3")
    assert "by apply: 12 x SA rebuilt" in said


def _bundle(folder: Path, planned: Planned) -> Path:
    return write.write(folder, planned.plan, planned.inventory).directory


def test_files_that_no_label_explains_are_a_difference(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Another way to the same MTU and cipher: no word about IPsec, but files come and go."""
    old = _bundle(tmp_path / "old", make_planned(3))
    new = _bundle(tmp_path / "new", make_planned(3, cni={"plugin": "calico"}))
    assert main(["diff", str(old), str(new)]) == 4
    said = capsys.readouterr().out
    assert "  gone    /etc/cni/net.d/10-ipsecplan.conflist 0644   (n1, n2, n3)" in said
    assert "  new     cluster/calico/installation.patch.yaml 0644" in said
    assert main(["diff", "--json", str(old), str(new)]) == 4
    files = json.loads(capsys.readouterr().out)["result"]["files"]
    assert {file["change"] for file in files} == {"new", "gone", "changed"}
    assert all(file["sha256_before"] != file["sha256_after"] for file in files)
    assert main(["diff", str(old), str(old)]) == 0


def test_each_entry_that_is_not_the_same_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A changed script, a file more: digests are right, and nothing about IPsec says so."""
    old, new = (_bundle(tmp_path / name, make_planned(2)) for name in ("old", "new"))
    node = make_planned(2).plan.nodes[0].id
    more = {"path": "cluster/x", "sha256": hashlib.sha256(b"x").hexdigest(), "mode": "0644", "owner": "root:root"}
    script = f"nodes/{node}/usr/local/lib/ipsecplan/revert.sh"
    forge(new, lambda document: document["files"].append(more), {script: b"#!/bin/sh\n", "cluster/x": b"x"})
    assert main(["diff", str(old), str(new)]) == 4
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "no difference that concerns IPsec or the MTU"
    assert said[2] == "2 files differ:"
    assert said[3] == "  new     cluster/x 0644"
    assert said[4].startswith("  changed /usr/local/lib/ipsecplan/revert.sh ")
    assert said[4].endswith("   (n1)")


def test_a_file_that_was_edited_is_no_no_difference(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The manifests are the same, and what apply would refuse gets no green light here."""
    planned = make_planned(3, **GCM)
    for name in ("old", "new"):
        write.write(tmp_path / name, planned.plan, planned.inventory)
    edited = next((tmp_path / "new").rglob("ipsecplan.conf"))
    edited.write_text(edited.read_text() + "# by hand\n")
    assert main(["diff", str(tmp_path / "old"), str(tmp_path / "new")]) == 3
    assert "IPP503: changed after it was rendered" in capsys.readouterr().err
