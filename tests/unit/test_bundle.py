"""The bundle: stable bytes, whole or not at all, and a reader that trusts nothing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from netplan.bundle import build, reader, write
from netplan.bundle.node_json import node_facts
from netplan.cli.diff import compare
from netplan.pipeline import Planned
from netplan.problems import ProblemError
from tests.support.plans import make_planned


def snapshot(directory: Path) -> dict[str, bytes]:
    return {str(p.relative_to(directory)): p.read_bytes() for p in sorted(directory.rglob("*")) if p.is_file()}


def test_same_input_same_bytes(planned: Planned, tmp_path: Path) -> None:
    one = write.write(tmp_path / "one", planned.plan, planned.inventory)
    two = write.write(tmp_path / "two", planned.plan, planned.inventory)
    assert snapshot(one.directory) == snapshot(two.directory)
    assert reader.read(one.directory).digest == two.digest


def test_only_the_nodes_that_change_get_a_new_digest(tmp_path: Path) -> None:
    before = make_planned(4)
    after = make_planned(4, {4: {"pod_cidr": "10.99.0.0/24"}})
    one = write.write(tmp_path / "one", before.plan, before.inventory).nodes
    two = write.write(tmp_path / "two", after.plan, after.inventory).nodes
    assert one.keys() == two.keys()
    assert all(one[n]["digest"] != two[n]["digest"] for n in one)  # every peer routes to it


@pytest.mark.parametrize("damage", ["change", "delete", "add", "symlink", "manifest", "digest"])
def test_a_damaged_bundle_is_refused(planned: Planned, tmp_path: Path, damage: str) -> None:
    directory = write.write(tmp_path / "b", planned.plan, planned.inventory).directory
    victim = next(directory.glob("nodes/*/etc/ipsecplan/guard-drop.nft"))
    manifest = directory / "manifest.json"
    if damage == "change":
        victim.write_text(victim.read_text().replace("drop", "accept"))
    elif damage == "delete":
        victim.unlink()
    elif damage == "add":
        (directory / "nodes" / "extra.conf").write_text("")
    elif damage == "symlink":
        copy = tmp_path / "copy"
        copy.write_bytes(victim.read_bytes())
        victim.unlink()
        victim.symlink_to(copy)
    elif damage == "manifest":
        manifest.write_text(manifest.read_text()[:-40])
    else:
        document = json.loads(manifest.read_text())
        document["files"][0]["mode"] = "0777"
        manifest.write_text(json.dumps(document))
    with pytest.raises(ProblemError) as raised:
        reader.read(directory)
    assert raised.value.problems[0].code in ("IPP502", "IPP503")


def test_an_earlier_bundle_is_replaced_whole(planned: Planned, tmp_path: Path) -> None:
    target = tmp_path / "b"
    other = make_planned(2)
    write.write(target, other.plan, other.inventory)
    written = write.write(target, planned.plan, planned.inventory)
    assert reader.read(target).digest == written.digest
    assert sorted(p.name for p in tmp_path.iterdir() if p.name.startswith(".")) == []


@pytest.mark.parametrize("there", ["directory", "symlink"])
def test_what_is_no_bundle_is_not_touched(planned: Planned, tmp_path: Path, there: str) -> None:
    target, precious = tmp_path / "b", tmp_path / "precious"
    precious.mkdir()
    (precious / "data").write_text("keep")
    if there == "symlink":
        target.symlink_to(precious)
    else:
        precious.rename(target)
    with pytest.raises(ProblemError) as raised:
        write.write(target, planned.plan, planned.inventory)
    assert raised.value.problems[0].code == "IPP501"
    assert (target / "data").read_text() == "keep"


def test_an_interrupted_write_leaves_the_old_one(
    planned: Planned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "b"
    before = write.write(target, planned.plan, planned.inventory)
    monkeypatch.setattr(write, "manifest_text", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        write.write(target, planned.plan, planned.inventory)
    assert reader.read(target).digest == before.digest
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".b")] == []


def test_no_user_string_becomes_a_name(tmp_path: Path) -> None:
    planned = make_planned(3)
    files = {f.path for f in build.build(planned.plan)}
    for name in ("n1", "n2", "n3", "demo"):
        assert not any(f"/{name}" in path for path in files)
    for file in build.build(planned.plan):
        if file.path.endswith((".conf", ".nft", ".service", ".network", ".netdev", ".sh")):
            assert "n1" not in file.text.replace("n1-", "")


def test_every_rendered_mtu_is_the_plans(planned: Planned) -> None:
    import re

    found = set()
    for file in build.build(planned.plan):
        if "/etc/" in file.path:
            found |= {int(m) for m in re.findall(r'(?:MTUBytes=|"mtu": )(\d+)', file.text)}
    assert found == {planned.plan.pod_mtu}


def test_no_selector_or_rule_names_anything_but_the_overlay_port(planned: Planned) -> None:
    """Self-lockout: a guard rule or traffic selector on SSH, IKE, ESP or everything would cut the node off."""
    import re

    for file in build.build(planned.plan):
        if file.path.endswith(".nft"):
            rules = [line for line in file.text.splitlines() if "ipsec missing" in line]
            assert len(rules) == 2
            assert all(line.strip().startswith("udp dport 4789 ") for line in rules)
            assert all("policy accept" in line for line in file.text.splitlines() if "hook" in line)
        if file.path.endswith("conf.d/ipsecplan.conf"):
            selectors = re.findall(r"_ts = (.*)", file.text)
            assert len(selectors) in (4, 8)  # one or both roles
            assert set(selectors) == {"dynamic[17]", "dynamic[17/4789]"}


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_with_hosts_protected_the_way_in_stays_open(family: str) -> None:
    """Self-lockout: rules and selectors name peers only; ESP, IKE, SSH and IPv6's neighbours pass before any drop."""
    plan = make_planned(3, underlay={"family": family}, ipsec={"protect": "hosts"}).plan
    node = plan.nodes[0]
    files = {f.path.removeprefix(f"nodes/{node.id}/"): f.text for f in build.build(plan)}
    guard = [line.strip() for line in files["etc/ipsecplan/guard-drop.nft"].splitlines()]
    rules = [line for line in guard if "ipsec missing" in line]
    assert all("@protected" in line for line in rules)
    assert [line.rsplit(" ", 1)[1] for line in rules] == ["allowed", "drop"] * 2
    for words in (
        "meta l4proto esp accept",
        "udp dport { 500, 4500 } accept",
        "tcp dport 22 accept",
        "tcp sport 22 accept",
    ):
        assert words in guard
    assert any("nd-neighbor-solicit" in line for line in guard) == (family == "ipv6")
    elements = next(line for line in guard if line.startswith("elements"))
    assert all((p.address in elements) == (p.id != node.id) for p in plan.nodes)
    conf = files["etc/swanctl/conf.d/ipsecplan.conf"]
    assert conf.count("mode = pass") == (2 if family == "ipv4" else 4)
    assert f"{node.address}/{'32' if family == 'ipv4' else '128'}[6/22]" in conf


@pytest.mark.parametrize("overlay", ["gre", "ipip"])
@pytest.mark.parametrize(("family", "mode"), [("ipv4", "transport"), ("ipv6", "tunnel"), ("ipv6", "transport")])
def test_tunnels_a_pair_have_a_device_and_an_mtu_of_their_own(overlay: str, family: str, mode: str) -> None:
    file = {"underlay": {"family": family}, "overlay": {"type": overlay}, "ipsec": {"protect": "hosts", "mode": mode}}
    plan = make_planned(3, **file).plan
    node, peer = plan.nodes[:2]
    # 1500 less outer IP, less 16 (SPI, number, IV) and 16 (ICV), padded to 4 with a trailer of 2; then what is inside
    outer = (20 if family == "ipv4" else 40) * (2 if mode == "tunnel" else 1)
    body = (1500 - (20 if family == "ipv4" else 40) - 16 - 16) // 4 * 4 - 2
    assert plan.pod_mtu == body - (outer - (20 if family == "ipv4" else 40)) - (4 if overlay == "gre" else 0)
    name = {"gre": "gr-", "ipip": "ip-"}[overlay] + peer.id[2:12]
    files = {f.path.removeprefix(f"nodes/{node.id}/etc/systemd/network/"): f.text for f in build.build(plan)}
    text = files[f"10-ipsecplan-{name}.netdev"]
    kind = overlay if family == "ipv4" else {"gre": "ip6gre", "ipip": "ip6tnl"}[overlay]
    for words in (f"Kind={kind}\n", f"Local={node.address}", f"Remote={peer.address}", f"MTUBytes={plan.pod_mtu}"):
        assert words in text
    assert ("EncapsulationLimit=none" in text) == (family == "ipv6")
    facts = node_facts(plan, node)["overlay"]
    assert (facts["kind"], facts["port"], facts["devices"][0]["peer"]) == (kind, 0, peer.id)


@pytest.mark.parametrize("esp", ["aes256gcm16-x25519", "aes256-sha384-x25519"])
def test_the_files_say_why_and_the_sum_is_right(esp: str) -> None:
    planned = make_planned(ipsec={"esp": [esp]})
    netdev = next(f.text for f in build.build(planned.plan) if f.path.endswith("10-ipsecplan-ov0.netdev"))
    line = next(line for line in netdev.splitlines() if " link - " in line)
    total, _, terms = line.removeprefix("# ").partition(" = ")
    numbers = [int(term.split()[0]) for term in terms.split(" - ")]
    assert int(total) == planned.plan.pod_mtu == numbers[0] - sum(numbers[1:])
    assert 1500 in numbers


def test_equal_bundles_are_compared_by_their_manifests(planned: Planned, tmp_path: Path) -> None:
    for name in ("one", "two"):
        directory = write.write(tmp_path / name, planned.plan, planned.inventory).directory
        shutil.rmtree(directory / "nodes")
    one, two = (reader.read(tmp_path / name, files=False) for name in ("one", "two"))
    assert compare(one, two) == []


def test_nodes_that_differ_are_checked_before_they_are_compared(planned: Planned, tmp_path: Path) -> None:
    other = make_planned(3, ipsec={"mode": "tunnel"})
    write.write(tmp_path / "one", planned.plan, planned.inventory)
    changed = write.write(tmp_path / "two", other.plan, other.inventory).directory
    one, two = (reader.read(tmp_path / name, files=False) for name in ("one", "two"))
    assert {change.what for change in compare(one, two)} >= {"mode"}
    victim = next(changed.glob("nodes/*/etc/swanctl/conf.d/ipsecplan.conf"))
    victim.write_text(victim.read_text().replace("tunnel", "transport"))
    one, two = (reader.read(tmp_path / name, files=False) for name in ("one", "two"))
    with pytest.raises(ProblemError) as raised:
        compare(one, two)
    assert raised.value.problems[0].code == "IPP503"


def test_rows_of_peers_are_put_together_as_they_were(planned: Planned, tmp_path: Path) -> None:
    made = write.write(tmp_path / "b", planned.plan, planned.inventory)
    for node in planned.plan.nodes:
        found = made.node(node.id)
        assert found == node_facts(planned.plan, node)
        assert {p["address"] for p in found["peers"]} == {p.address for p, _ in planned.plan.peers(node)}


def test_a_bundle_that_was_written_is_checked_when_it_is_used(planned: Planned, tmp_path: Path) -> None:
    made = write.write(tmp_path / "b", planned.plan, planned.inventory)
    node = planned.plan.nodes[0].id
    path = tmp_path / "b" / "nodes" / node / "node.json"
    path.write_text(path.read_text().replace("1,", "0,"))
    with pytest.raises(ProblemError) as raised:
        made.node(node)
    assert raised.value.problems[0].code == "IPP503"
