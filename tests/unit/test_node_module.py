"""The pure parts of the node's half: it runs here as it runs there, on the standard library alone."""

from __future__ import annotations

import hashlib
import io
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import IPv6

from netplan import agent
from netplan.agent import main as agent_main
from netplan.agent.phases import ike, overlay_mtu
from netplan.agent.system import capture, core, vici, xfrm
from netplan.agent.system.core import Stop
from netplan.agent.transaction import release, state

AGENT = Path(agent.__file__).parent


def write(path: Path, data: str, mode: int = 0o600) -> bool:
    at = path.parent.stat()
    return core.write(str(path), data, mode, at.st_uid, at.st_gid)


def test_it_needs_no_package_of_others(tmp_path: Path) -> None:
    """As on a node: under another name, in a folder of its own, by an interpreter that knows no other package."""
    package = tmp_path / "ipsecplan_node"
    shutil.copytree(AGENT, package, ignore=shutil.ignore_patterns("__pycache__"))
    files = [path.relative_to(tmp_path) for path in package.rglob("*.py") if path.stem != "__init__"]
    names = [".".join(path.with_suffix("").parts) for path in files]
    assert {"ipsecplan_node.main", "ipsecplan_node.phases.ike", "ipsecplan_node.system.core"} <= set(names)
    code = "import importlib, sys; sys.path.insert(0, sys.argv[1]); [importlib.import_module(n) for n in sys.argv[2:]]"
    argv = [sys.executable, "-I", "-S", "-B", "-c", code, str(tmp_path), *names]
    done = subprocess.run(argv, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_file_is_replaced_whole_and_only_when_it_differs(tmp_path: Path) -> None:
    path = tmp_path / "a.conf"
    assert write(path, "one")
    assert not write(path, "one")
    first = path.stat().st_ino
    assert write(path, "two", 0o640)
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("two", 0o640)
    assert path.stat().st_ino != first, "the old file was truncated, not replaced"
    assert write(path, "two", 0o600), "another mode is another file"
    assert list(tmp_path.iterdir()) == [path]


def test_a_symlink_is_replaced_and_not_followed(tmp_path: Path) -> None:
    victim, path = tmp_path / "victim", tmp_path / "a.conf"
    victim.write_text("precious")
    path.symlink_to(victim)
    write(path, "ours")
    assert victim.read_text() == "precious"
    assert not path.is_symlink()


def test_a_snapshot_brings_every_file_back(tmp_path: Path) -> None:
    folder = str(tmp_path / "snap")
    (tmp_path / "snap" / "tree").mkdir(parents=True)
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_text("before")
    old.chmod(0o640)
    for path in (old, new):
        state.record(folder, "ipsec", str(path))
    old.write_text("after")
    new.write_text("after")
    state.record(folder, "ipsec", str(old))  # only the first look counts
    assert state.listed(folder, "ipsec") == {str(old): "present", str(new): "absent"}
    state.restore(folder, "ipsec")
    assert (old.read_text(), old.stat().st_mode & 0o777, new.exists()) == ("before", 0o640, False)


@pytest.mark.parametrize("path", ["relative", "/etc/../root/x", "/a b", "/a;reboot", "/a\nb", "//a", ""])
def test_no_strange_path_enters_a_snapshot(tmp_path: Path, path: str) -> None:
    with pytest.raises(Stop):
        state.record(str(tmp_path), "ipsec", path)


@pytest.mark.parametrize("tx", ["", "../x", "tx-../..", "tx-A", "tx-1\n", "other"])
def test_no_strange_transaction(tx: str) -> None:
    with pytest.raises(Stop):
        state.tx_folder(tx)


def test_state_and_the_open_marker(home: Path) -> None:
    home.mkdir()
    assert state.load()["state"] == "none"
    (home / "open").write_text("tx-1\n")
    assert (state.load()["state"], state.load()["tx"]) == ("open", "tx-1")
    state.require_open("tx-1")
    with pytest.raises(Stop, match="not open"):
        state.require_open("tx-2")
    (home / "open").unlink()
    (home / "state.json").write_text(
        '{"schema": 1, "state": "none", "tx": "", "release": "", "at": "x",'
        ' "last": {"tx": "tx-1", "result": "reverted", "by": "timer", "at": "y"}}'
    )
    with pytest.raises(Stop, match="reverted by timer at y"):
        state.require_open("tx-1")
    (home / "state.json").write_text("half a fi")
    assert state.load()["state"] == "none"


def test_the_timer_loses_the_time_on_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.monotonic", lambda: 1000.0)
    left = state.seconds_left
    assert left({"timer": 20}) == 20
    assert left({"timer": 20, "sent": 996.0}) == 16
    assert left({"timer": 20, "sent": 1003.0}) == 20, "a clock that runs backwards wins nothing"
    assert left({"timer": 20, "sent": 982.0}) == 5, "never so short that it fires under our hands"


def archive(*files: tuple[str, bytes], link: bool = False) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in files:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            if link:
                member.type, member.linkname, member.size = tarfile.SYMTYPE, "/etc/shadow", 0
            tar.addfile(member, io.BytesIO(data))
    return out.getvalue()


def entry(path: str, data: bytes, owner: str = "root:root") -> dict[str, str]:
    return {"path": path, "sha256": hashlib.sha256(data).hexdigest(), "mode": "0644", "owner": owner}


def members(raw: bytes, *entries: dict[str, str]) -> list[Any]:
    return list(release._members(raw, {e["path"]: e for e in entries}))


def test_an_archive_is_exactly_what_the_manifest_says() -> None:
    name = "etc/ipsecplan/peers"
    good = entry("/" + name, b"1")
    assert members(archive((name, b"1")), good) == [(good, b"1")]
    for raw, entries in [
        (archive((name, b"2")), [good]),
        (archive((name, b"1"), ("etc/b", b"1")), [good]),
        (archive((name, b"1"), (name, b"1")), [good]),
        (archive(), [good]),
        (archive(("../" + name, b"1")), [good]),
        (archive((name, b"1"), link=True), [good]),
        (archive((name, b"1")), [entry("/" + name, b"1", "mallory:root")]),
    ]:
        with pytest.raises(Stop) as caught:
            members(raw, *entries)
        assert caught.value.findings[0]["code"] == "IPP605"


def test_which_files_a_revert_brings_back() -> None:
    kind = release.kind
    assert kind("/etc/swanctl/conf.d/ipsecplan.conf") == "ipsec"
    assert kind("/etc/systemd/system/ipsecplan-guard.service") == "ipsec"
    assert kind("/etc/systemd/network/10-ipsecplan-ov0.netdev") == "mtu"
    assert kind("/etc/cni/net.d/10-ipsecplan.conflist") == "mtu"
    assert kind(state.SCRIPT) == "tool"


def test_vici_messages_round_trip() -> None:
    message = {"ike": "pair-1", "child": {"timeout": "-1", "ts": ["10.0.0.1/32[udp]", ""]}, "empty": {}, "list": []}
    assert vici.decode(vici._encode(message)) == message
    with pytest.raises(ValueError, match="unknown element"):
        vici.decode(b"\x09")


def interpret(program: list[tuple[int, int, int, int]], packet: bytes, kind: int = capture.PACKET_OUTGOING) -> int:
    """Run the few instructions of classic BPF that we use; packets begin with the IP header, ``kind`` is which way."""
    accumulator = index = at = 0
    while True:
        code, yes, no, k = program[at]
        at += 1
        if code == 0x06:
            return k
        if code == 0x15:
            at += yes if accumulator == k else no
        elif code == 0x74:
            accumulator >>= k
        elif code == 0xB1:
            index = 4 * (packet[k] & 15)
        elif k == capture.PACKET_TYPE:
            accumulator = kind
        else:
            offset, size = (k + index if code == 0x48 else k), 1 if code == 0x30 else 2
            if offset + size > len(packet):
                return 0
            accumulator = int.from_bytes(packet[offset : offset + size], "big")


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize(
    ("protocol", "port", "esp", "clear"),
    [
        (50, 0, True, False),
        (17, 4789, False, True),
        (17, 4500, True, False),
        (17, 53, False, False),
        (6, 22, False, False),
    ],
)
def test_the_captures_take_what_they_should(version: int, protocol: int, port: int, esp: bool, clear: bool) -> None:
    payload = bytes(UDP(sport=4789, dport=port)) + b"x" * 20 if protocol == 17 else b"\0" * 40
    header: Any = (
        IP(dst="10.0.0.2", proto=protocol, options=b"\1\1\1\1") if version == 4 else IPv6(dst="fd00::2", nh=protocol)
    )
    packet = bytes(header / payload)
    assert bool(interpret(capture.program("esp", 4789), packet)) is esp
    assert bool(interpret(capture.program("clear", 4789), packet)) is clear
    assert bool(interpret(capture.program("rest", 4789), packet)) is not esp
    assert not any(interpret(capture.program(kind, 4789), packet, 0) for kind in ("esp", "clear", "rest")), "it came in"


@pytest.mark.parametrize("overlay", ["vxlan", "geneve"])
@pytest.mark.parametrize(("source", "destination"), [("10.0.0.1", "10.0.0.2"), ("fd00::1", "fd00::2")])
def test_the_planted_packet_is_seen_and_harmless(overlay: str, source: str, destination: str) -> None:
    raw = capture.plaintext(source, destination, 4789, overlay, "abcd")
    packet: Any = (IPv6 if ":" in source else IP)(raw)
    again: Any = (IPv6 if ":" in source else IP)(raw)
    del again[UDP].chksum
    if ":" not in source:
        del again.chksum
    assert bytes(again) == raw, "a checksum is wrong"
    assert (packet.dst, packet[UDP].dport) == (destination, 4789)
    header = raw[(40 if ":" in source else 20) + 8 :]
    assert header[0] & 0x08 == 0 if overlay == "vxlan" else header[0] >> 6 != 0, "a receiver would take it"
    assert interpret(capture.program("clear", 4789), raw)
    seen = capture.Packet(raw)
    assert (seen.destination, seen.length, seen.planted, seen.fragment) == (destination, len(raw), "abcd", False)
    assert capture.Packet(bytes(IP(dst="10.0.0.2", flags="MF", frag=0) / b"x")).fragment
    assert capture.Packet(bytes(IP(dst="10.0.0.2", flags="DF") / b"x")).planted is None


POLICIES = """src 10.77.0.11/32 dst 10.77.0.13/32 proto udp sport 4789
\tdir out priority 366911 ptype main
\ttmpl src 0.0.0.0 dst 0.0.0.0
\t\tproto esp spi 0xc8b008ec reqid 4 mode transport
src 0.0.0.0/0 dst 10.77.0.11/32 proto udp dport 4789
\tdir in priority 1 ptype main
src fd00::1/128 dst fd00::2/128
\tdir fwd action block priority 9 ptype main
"""


def test_policies_and_states_are_read_as_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xfrm, "run", lambda *_: core.Done(0, POLICIES, ""))
    one, two, three = xfrm.policies()
    assert (one["dir"], one["sport"], one["template"], one["priority"]) == ("out", 4789, True, 366911)
    assert (two["dir"], two["dport"], two["template"]) == ("in", 4789, False)
    assert (three["action"], xfrm.ours(three, {"overlay": {"port": 4789}, "protect": "overlay"})) == ("block", False)
    facts = {"underlay": {"address": "10.77.0.11"}, "overlay": {"port": 4789}, "protect": "overlay"}
    assert xfrm.permissive(facts)
    assert xfrm.selector({"underlay": {"address": "fd00::1"}, "overlay": {"port": 6081}, "protect": "overlay"}) == [
        "src",
        "::/0",
        "dst",
        "fd00::1/128",
        "proto",
        "udp",
        "dport",
        "6081",
    ]
    states = "src 10.0.0.1 dst 10.0.0.2\n\tproto esp spi 0xc1 reqid 1 mode transport\n\treplay-window 0\n"
    monkeypatch.setattr(xfrm, "run", lambda *_: core.Done(0, states, ""))
    assert xfrm.states() == [("10.0.0.1", "10.0.0.2", "0xc1")]


HOST_POLICIES = """src 10.0.0.1/32 dst 10.0.0.2/32
\tdir out priority 367231 ptype main
\ttmpl src 0.0.0.0 dst 0.0.0.0
\t\tproto esp reqid 1 mode transport
src 10.0.0.1/32 dst 0.0.0.0/0 proto tcp sport 22
\tdir out priority 175423 ptype main
src ::/0 dst ::/0 proto ipv6-icmp type 135
\tdir out priority 134463 ptype main
src 10.0.0.1/32 dst 10.9.9.9/32
\tdir out priority 367231 ptype main
\ttmpl src 0.0.0.0 dst 0.0.0.0
src 0.0.0.0/0 dst 10.0.0.1/32
\tdir in priority 1 ptype main
"""


def test_with_hosts_protected_a_policy_is_ours_by_its_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = {
        "protect": "hosts",
        "clear": ["tcp/22"],
        "underlay": {"address": "10.0.0.1"},
        "overlay": {"port": 4789},
        "peers": [{"address": "10.0.0.2"}],
        "esp": {"mode": "TRANSPORT", "negotiated": ["AES_GCM_16-256"]},
    }
    monkeypatch.setattr(xfrm, "run", lambda *_: core.Done(0, HOST_POLICIES, ""))
    assert [xfrm.ours(p, facts) for p in xfrm.policies()] == [True, True, True, False, False]
    assert xfrm.selector(facts) == ["src", "0.0.0.0/0", "dst", "10.0.0.1/32"]
    assert xfrm.permissive(facts)
    monkeypatch.setattr(xfrm, "run", lambda *_: core.Done(0, HOST_POLICIES.rsplit("src", 1)[0], ""))
    assert not xfrm.permissive(facts)
    child = {
        "state": "INSTALLED",
        "mode": "TRANSPORT",
        "encr-alg": "AES_GCM_16",
        "encr-keysize": "256",
        "local-ts": ["10.0.0.1/32"],
        "remote-ts": ["10.0.0.2/32"],
    }
    peer = {"address": "10.0.0.2", "children": ["p-all"]}
    assert ike.wrong_with(facts, peer, "p-all", child) is None
    narrow = {**child, "remote-ts": ["10.0.0.2/32[udp/4789]"]}
    assert "protects" in str(ike.wrong_with(facts, peer, "p-all", narrow))


@pytest.mark.parametrize(
    ("layer", "fine"),
    [
        (UDP(sport=4500, dport=9), True),
        (UDP(dport=500), True),
        (UDP(dport=4789), False),
        (TCP(dport=22), True),
        (TCP(sport=22, dport=40000), True),
        (TCP(dport=80), False),
        (ICMP(), False),
    ],
)
def test_what_may_be_clear_between_hosts(layer: Any, fine: bool) -> None:
    raw = bytes(IP(src="10.0.0.1", dst="10.0.0.2") / layer)
    assert capture.allowed(capture.Packet(raw), ["tcp/22"]) is fine
    assert interpret(capture.program("rest", 4789), raw) is not interpret(capture.program("esp", 4789), raw)


@pytest.mark.parametrize(("kind", "fine"), [(135, True), (136, True), (128, False)])
def test_neighbours_of_ipv6_may_be_found_in_clear(kind: int, fine: bool) -> None:
    raw = bytes(IPv6(src="fd00::1", dst="fd00::2", nh=58)) + bytes([kind, 0, 0, 0]) + b"\0" * 20
    assert capture.allowed(capture.Packet(raw), []) is fine


def test_the_negotiated_state_is_the_truth() -> None:
    facts = {
        "underlay": {"address": "10.0.0.1"},
        "overlay": {"port": 4789},
        "protect": "overlay",
        "esp": {"mode": "TRANSPORT", "negotiated": ["AES_GCM_16-256"]},
    }
    peer = {"address": "10.0.0.2", "children": ["p-out", "p-in"]}
    good = {
        "name": "p-out",
        "state": "INSTALLED",
        "mode": "TRANSPORT",
        "encr-alg": "AES_GCM_16",
        "encr-keysize": "256",
        "local-ts": ["10.0.0.1/32[udp]"],
        "remote-ts": ["10.0.0.2/32[udp/4789]"],
    }
    assert ike.wrong_with(facts, peer, "p-out", good) is None
    for change, words in [
        ({"state": "CREATED"}, "CREATED"),
        ({"mode": "TUNNEL"}, "TUNNEL"),
        ({"encr-keysize": "128"}, "AES_GCM_16-128"),
        ({"remote-ts": ["10.0.0.2/32"]}, "protects 10.0.0.2/32"),
        ({"remote-ts": ["10.0.0.9/32[udp/4789]"]}, "0.9"),
    ]:
        assert words in str(ike.wrong_with(facts, peer, "p-out", {**good, **change}))
    cbc = {"encr-alg": "AES_CBC", "encr-keysize": "128", "integ-alg": "HMAC_SHA2_256_128"}
    assert vici.algorithm(cbc) == "AES_CBC-128/HMAC_SHA2_256_128"


def test_work_is_spread_and_a_failure_comes_through() -> None:
    assert core.each(lambda n: n * n, range(30), threads=5) == [n * n for n in range(30)]
    assert core.each(str, []) == []
    with pytest.raises(ZeroDivisionError):
        core.each(lambda n: 1 // n, [3, 2, 1, 0])


def test_route_words() -> None:
    bare = overlay_mtu._without_mtu
    assert bare(["default", "via", "10.0.0.1", "mtu", "1400", "dev", "e"]) == ["default", "via", "10.0.0.1", "dev", "e"]
    assert bare(["default", "mtu", "lock", "1400", "dev", "e"]) == ["default", "dev", "e"]
    assert bare(["default", "dev", "e"]) == ["default", "dev", "e"]


def test_commands_are_words_and_never_raise() -> None:
    run = core.run
    assert run("/bin/echo", "a; b", "$(c)").out == "a; b $(c)\n"
    assert run("/nonexistent").code == 127
    assert run("/bin/sleep", "5", timeout=0.2).code == 124
    assert run("/bin/cat", stdin=b"x").out == "x"
    assert core.must("/bin/true").code == 0
    with pytest.raises(Stop, match=r"/bin/false failed \(exit 1\)"):
        core.must("/bin/false")


@pytest.mark.parametrize(
    ("entry_", "said"),
    [
        (entry("/etc/cron.d/x", b""), "no place"),
        (entry("/etc/ipsecplan/../cron.d/x", b""), "no place"),
        (entry("/root/.ssh/authorized_keys", b""), "no place"),
        ({**entry("/etc/ipsecplan/peers", b""), "mode": "4755"}, "another mode"),
        (entry("/etc/ipsecplan/peers", b"", "mallory:root"), "another owner"),
        ({**entry("/etc/ipsecplan/peers", b""), "sha256": "../x"}, "no SHA-256"),
        ({"path": 5}, "no place"),
    ],
)
def test_a_node_refuses_a_release_before_it_writes_anything(entry_: dict[str, Any], said: str) -> None:
    good = entry("/etc/ipsecplan/floor-all", b"")
    with pytest.raises(Stop, match=said):
        agent_main._check_files({"phases": ["arm"], "files": [good, entry_]})
    with pytest.raises(Stop, match=said):
        release.unpack("0" * 64, [good, entry_], b"")
    with pytest.raises(Stop, match="twice"):
        agent_main._check_files({"phases": ["arm"], "files": [good, good]})
    agent_main._check_files({"phases": ["roll-back"], "files": [entry_]})
