"""The overlay of many hosts: its files, and what a rollout does with them on a node that lives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from netplan.agent.phases import fdb_and_routes, ike, leftovers, undo
from netplan.agent.system import vici
from netplan.agent.system.core import Done, Stop
from netplan.agent.transaction import release, sysctl
from netplan.host import sysctl as settings
from netplan.host.overlay import FLOODED, Endpoint, Overlay, OverlayFiles

VXLAN = Overlay(type="vxlan", vni=4096, port=4789, device="ov0", mtu=1416)


def hosts(count: int) -> list[Endpoint]:
    nets = [f"10.{64 + (i >> 8)}.{i & 255}.0" for i in range(1, count + 1)]
    return [
        Endpoint(id=f"n-{i:012x}", address=f"10.20.{i >> 8}.{i & 255}", overlay_address=net, pod_cidr=f"{net}/24")
        for i, net in enumerate(nets, 1)
    ]


@pytest.mark.parametrize("count", [2, FLOODED + 1])
def test_few_hosts_are_listed_for_networkd_without_the_own(count: int) -> None:
    made = OverlayFiles(VXLAN, hosts(count))
    text = made.of(hosts(2)[0].id)["etc/systemd/network/10-ipsecplan-ov0.network"]
    assert made.common == {}
    assert text.count("[BridgeFDB]") == count - 1 < 1024
    assert text.count("[Route]") == 2 * (count - 1)
    assert "Destination=10.20.0.1\n" not in text
    assert "Destination=10.20.0.2\n" in text
    assert text.index("[BridgeFDB]") < text.index("[Route]")


def test_many_hosts_are_in_a_table_that_all_nodes_share() -> None:
    made, ends = OverlayFiles(VXLAN, hosts(FLOODED + 2)), hosts(FLOODED + 2)
    one, other = (made.of(end.id) for end in ends[:2])
    assert "[BridgeFDB]" not in "".join(one.values())
    assert "Unmanaged=yes" in one["etc/systemd/network/10-ipsecplan-ov0.network"]
    assert "MACAddress=02:1e:0a:40:01:00\n" in one["etc/systemd/network/10-ipsecplan-ov0.netdev"]
    assert one["etc/ipsecplan/overlay/device"] == "ov0 10.64.1.0\n"
    assert one.keys() == other.keys()
    assert made.common["etc/ipsecplan/overlay/hosts"].splitlines()[1] == "10.20.0.2 10.64.2.0/24"


def test_the_files_of_the_overlay_stay_after_a_rollback() -> None:
    made = OverlayFiles(VXLAN, hosts(FLOODED + 2))
    paths = {*made.common, *made.of(hosts(1)[0].id)}
    assert {release.kind(f"/{path}") for path in paths} == {"mtu"}
    assert release.kind("/etc/ipsecplan/peers") == "ipsec"


@pytest.fixture
def ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Releases ``few`` and ``many`` on a node; the words of scripts that were run."""
    for name, count in (("few", 3), ("many", FLOODED + 2)):
        made = OverlayFiles(VXLAN, hosts(count))
        for path, text in {**made.common, **made.of(hosts(1)[0].id)}.items():
            target = tmp_path / name / "files" / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
    words: list[str] = []

    def run(*argv: str, **_: object) -> Done:
        if argv[0] != "/bin/sh":
            words.append(" ".join(argv[:4]))
            return Done(0, "", "")
        words.append(argv[2])
        return Done(1 if argv[2] == "check" and "add" not in words and "load" not in words else 0, "", "")

    monkeypatch.setattr(release, "folder", lambda name: str(tmp_path / name))
    monkeypatch.setattr(fdb_and_routes, "run", run)
    monkeypatch.setattr(fdb_and_routes.links, "links", lambda: {"ov0": {}})
    return words


def test_a_table_is_added_before_the_switch_and_cleared_after_it(
    ran: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    few, many = (fdb_and_routes._of_release(name)["ov0"] for name in ("few", "many"))
    routes = {entry for entry in few if entry[0] == "route"}
    assert routes < many, "what networkd has routed is routed by the table, too"
    monkeypatch.setattr(fdb_and_routes, "_live", lambda _: few | many)
    assert fdb_and_routes.add("many") == 1
    assert ran == ["check", "add", "check"]
    ran.clear()
    assert fdb_and_routes.remove("few", "many") == 2, "the flood entries of two peers"
    assert ran == ["load", "check", *["bridge fdb delete 00:00:00:00:00:00"] * 2]
    ran.clear()
    fdb_and_routes.remove("many", "few")
    assert ran[0] == "leave"


def test_a_table_that_is_not_taken_stops_the_phase(ran: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fdb_and_routes, "run", lambda *_, **__: Done(1, "", "no device"))
    with pytest.raises(Stop):
        fdb_and_routes.add("many")
    assert ran == []


@pytest.mark.parametrize(
    ("count", "family", "least"), [(3, "ipv4", None), (256, "ipv4", None), (257, "ipv4", 2048), (1000, "ipv6", 4096)]
)
def test_limits_of_the_neighbour_table_follow_the_hosts(count: int, family: str, least: int | None) -> None:
    text = settings.text(count, family)
    if least is None:
        assert "gc_thresh" not in text
        return
    assert f"net.ipv4.neigh.default.gc_thresh1 = {least}\n" in text
    assert f"net.ipv4.neigh.default.gc_thresh3 = {4 * least}\n" in text
    assert ("net.ipv6.neigh.default.gc_thresh2" in text) == (family == "ipv6")


def test_a_larger_limit_of_the_neighbour_table_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sysctl, "read", lambda _: "65536\n")
    assert not sysctl.sysctl("tx-1", "net.ipv4.neigh.default.gc_thresh3", "4096")


@pytest.mark.parametrize("epoch", ["", "7\n"])
def test_clean_up_stops_the_unit_of_the_table_while_its_file_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, epoch: str
) -> None:
    """Then it frees senders, puts back what was before the tool, and forgets all but the last end and the epoch."""
    unit = tmp_path / "ipsecplan-overlay.service"
    root = tmp_path / "root"
    (root / "base").mkdir(parents=True)
    unit.touch()
    lease = Path(f"{root}{undo.lease.PATH}")
    lease.write_text(epoch)
    did: list[tuple[object, ...]] = []
    monkeypatch.setattr(undo.paths, "OVERLAY_UNIT", str(unit))
    monkeypatch.setattr(undo.state, "ROOT", str(root))
    monkeypatch.setattr(undo.state, "BASE", str(root / "base"))
    monkeypatch.setattr(undo.state, "load", lambda: {"last": {"tx": "tx-9"}})
    monkeypatch.setattr(undo.state, "save", lambda **words: (root.mkdir(exist_ok=True), did.append(("save", words))))
    monkeypatch.setattr(undo.state, "restore", lambda *words: did.append(("restore", *words)))
    monkeypatch.setattr(undo.lease, "release", lambda: did.append(("release",)))
    monkeypatch.setattr(undo.core, "run", lambda *argv, **_: did.append(argv))

    real = undo.os.rmdir

    def rmdir(folder: str, **words: int) -> None:
        if words or folder.startswith(str(tmp_path)):  # rmtree at work
            return real(folder, **words)
        did.append(("rmdir", folder))
        raise OSError("not empty")

    monkeypatch.setattr(undo.os, "rmdir", rmdir)

    def restore(node: object) -> dict[str, object]:
        did.append(("senders", node))
        return {"changed": True, "detail": "freed"}

    monkeypatch.setattr(undo.overlay_mtu, "restore_senders", restore)
    request: Any = {"node": {"name": "n1"}}
    assert undo.clean_up(request) == {"changed": True, "detail": "freed"}
    assert did == [
        ("systemctl", "stop", "ipsecplan-overlay.service"),
        ("senders", {"name": "n1"}),
        ("restore", str(root / "base"), "tool"),
        ("save", {"state": "none", "tx": "", "release": "", "last": {"tx": "tx-9"}}),
        *([("release",)] if epoch else []),
        ("rmdir", "/etc/ipsecplan/overlay"),
        ("rmdir", "/etc/ipsecplan"),
        ("rmdir", "/usr/local/lib/ipsecplan"),
        ("rmdir", "/etc/systemd/system/strongswan.service.d"),
        ("rmdir", "/etc/systemd/system/systemd-networkd.service.d"),
        ("systemctl", "daemon-reload"),
    ]
    assert list(root.iterdir()) == ([lease] if epoch else [])
    if epoch:
        assert (lease.read_text(), lease.stat().st_mode & 0o777) == (epoch, 0o600)


def test_the_unit_of_the_table_is_looked_for_after_everything_was_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unit = tmp_path / "ipsecplan-overlay.service"
    unit.touch()
    monkeypatch.setattr(leftovers.paths, "OVERLAY_UNIT", str(unit))
    monkeypatch.setattr(leftovers.state, "BASE", str(tmp_path / "none"))
    assert f"{unit} is still there" in list(leftovers._files("tx-none"))


@pytest.mark.parametrize(("port", "right"), [("udp/4789", True), ("17/4789", True), ("6/4789", False), ("17/1", False)])
def test_a_selector_may_name_its_protocol_by_number(port: str, right: bool) -> None:
    """charon says it so on a system without /etc/protocols."""
    child = {"state": "INSTALLED", "mode": "TRANSPORT", "encr-alg": "AES_GCM_16", "encr-keysize": "256"}
    node: Any = {
        "esp": {"mode": "TRANSPORT", "negotiated": [vici.algorithm(child)]},
        "overlay": {"port": 4789},
        "protect": "overlay",
    }
    peer: Any = {"address": "192.0.2.2", "children": ["pair-0123456789ab-out"]}
    found = ike.wrong_with(node, peer, peer["children"][0], {**child, "remote-ts": [f"192.0.2.2/32[{port}]"]})
    assert (found is None) == right
