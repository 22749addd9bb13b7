"""The node's checks, as far as they can run without being a node: drift, room, advisories, names of algorithms."""

from __future__ import annotations

import datetime
import json
import os
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from netplan.agent import main
from netplan.agent.phases import advisories, drift, kernel_trial, reachability
from netplan.agent.phases import guard as guard_here
from netplan.agent.system import core, preflight_packets, validity, xfrm
from netplan.agent.system.core import Done
from netplan.agent.transaction import deferred_pairs, disk_reserve, state
from netplan.host import guard
from netplan.model.proposals.esp import esp_proposal
from netplan.model.proposals.profiles import PROFILES

YEAR = 365 * 86400.0


# algorithms


def test_every_proposal_that_a_plan_may_have_can_be_tried_on_the_kernel() -> None:
    texts = {text for profile in PROFILES.values() for text in profile.esp} | {
        "aes128ccm12-x25519",
        "aes256ccm16",
        "chacha20poly1305",
        "aes192-sha384",
        "aes256-sha512",
        "aes128-aesxcbc",
    }
    for text in sorted(texts):
        proposal = esp_proposal(text)
        assert proposal, text
        assert kernel_trial.words(proposal.negotiated), (text, proposal.negotiated)
    assert kernel_trial.words("SERPENT_CBC-256/HMAC_SHA2_256_128") is None
    assert kernel_trial.words("AES_GCM_16-256") == ["aead", "rfc4106(gcm(aes))", "0x" + "00" * 36, "128"]
    assert kernel_trial.words("AES_CBC-128/HMAC_SHA2_256_128") == [
        "enc",
        "cbc(aes)",
        "0x" + "00" * 16,
        "auth-trunc",
        "hmac(sha256)",
        "0x" + "00" * 32,
        "128",
    ]


# advisories


@pytest.mark.parametrize(
    ("running", "plugins", "numbers"),
    [
        ("5.9.8", ["revocation", "openssl"], []),
        ("5.9.7", ["revocation", "openssl"], ["CVE-2022-40617"]),
        ("5.9.8", ["eap-mschapv2", "eap-tls"], ["CVE-2023-26463", "CVE-2025-62291"]),
        ("5.9.3", [], ["CVE-2021-41991"]),
        ("5.9.4", ["eap-md5"], ["CVE-2021-45079"]),
        ("6.0.3", ["revocation", "eap-mschapv2", "gmp"], []),
        ("6.0.2dr1", ["eap-mschapv2"], ["CVE-2025-62291"]),
        ("", ["eap-mschapv2"], []),
        ("unknown", ["gmp"], []),
        ("6.0.4", ["eap-ttls", "x509"], ["CVE-2026-25075"]),
    ],
)
def test_advisories_are_for_a_version_and_the_plugins_loaded(
    running: str, plugins: list[str], numbers: list[str]
) -> None:
    assert sorted(advisories.against(running, plugins, quiet=False)) == numbers
    found = advisories.warnings(running, plugins)
    assert [f["severity"] for f in found] == (["warning"] if numbers else [])


# room


def test_room_is_asked_of_every_file_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk_reserve, "ALWAYS", (str(tmp_path),))
    monkeypatch.setattr(disk_reserve, "BASE", 4096)
    monkeypatch.setattr(disk_reserve, "INODES", 0)
    assert disk_reserve.check([str(tmp_path / "not" / "there" / "file")], 100) == []
    assert list(tmp_path.iterdir()) == [], "the trial was not given back"
    assert len(disk_reserve.places(["/proc/self/x", "/usr/x"])) >= 2
    (wrong,) = disk_reserve.check([], 2**60)
    assert (wrong["code"], str(tmp_path) in wrong["message"]) == ("IPP635", True)


def test_no_room_though_the_numbers_say_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A quota, or blocks that a file system keeps for root, show only when blocks are asked for."""
    monkeypatch.setattr(disk_reserve, "ALWAYS", (str(tmp_path),))

    def refuse(*_: object) -> None:
        raise OSError(122, "Disk quota exceeded")

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    (wrong,) = disk_reserve.check([], 0)
    assert "Disk quota exceeded" in wrong["message"]
    assert list(tmp_path.iterdir()) == []


def test_what_is_held_for_a_revert_is_really_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "lib" / "reserve"
    monkeypatch.setattr(state, "ROOT", str(tmp_path / "lib"))
    monkeypatch.setattr(disk_reserve, "ETC", str(tmp_path / "etc"))
    disk_reserve.reserve()
    assert path.stat().st_blocks * 512 >= disk_reserve.RESERVE
    disk_reserve.release()
    disk_reserve.release()
    assert not path.exists()
    script = guard.script("revert.sh")
    assert 'rm -f "${ROOT}/reserve" /etc/ipsecplan/reserve' in script, "revert.sh frees what we hold"


@pytest.mark.parametrize(("free", "kept"), [(0, False), (2**20, True)])
def test_an_undo_on_a_full_disk_takes_what_was_held_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, kept: bool
) -> None:
    monkeypatch.setattr(state, "ROOT", str(tmp_path / "lib"))
    monkeypatch.setattr(disk_reserve, "ETC", str(tmp_path / "etc"))
    disk_reserve.release_if_full()  # nothing is held, nothing is freed
    disk_reserve.reserve()
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_bavail=free // 4096, f_frsize=4096))
    disk_reserve.release_if_full()
    assert [Path(path).exists() for path in disk_reserve.reserves()] == [kept, kept]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OSError(28, "No space left on device", "/x"), "IPP635"),
        (OSError(5, "I/O error"), "IPP609"),
        (ValueError("x"), "IPP609"),
    ],
)
def test_a_full_disk_is_no_defect(monkeypatch: pytest.MonkeyPatch, error: Exception, code: str) -> None:

    def fails(*_: object) -> None:
        raise error

    monkeypatch.setattr(main, "function_of", lambda _: fails)
    (said,) = main.perform({"phases": ["facts"]}, None)
    assert (said["ok"], said["findings"][0]["code"]) == (False, code)
    assert "test_node_checks.py" in said["detail"]
    # writing down how far it came may fail as well
    monkeypatch.setattr(main, "function_of", lambda _: lambda *_: {})
    monkeypatch.setattr(main.state, "reached", fails)
    if isinstance(error, OSError):
        (said,) = main.perform({"phases": ["facts"], "tx": "tx", "step": 1}, None)
        assert (said["ok"], said["findings"][0]["code"]) == (False, code)


def test_the_script_passes_its_own_self_test(tmp_path: Path) -> None:
    script = tmp_path / "revert.sh"
    text = guard.script("revert.sh")
    script.write_text(text)
    mark = tmp_path / "mark"
    done = subprocess.run(["sh", str(script), "self-test", str(mark)], capture_output=True, text=True)
    have = all(shutil.which(p, path="/usr/sbin:/usr/bin:/sbin:/bin") for p in ("nft", "ip", "swanctl", "systemctl"))
    assert (done.returncode == 0) is have, done.stdout
    assert not have or mark.read_text() == "passed\n"
    mark.unlink(missing_ok=True)
    script.write_text(text.replace("for program in nft", "for program in is-not-there"))
    done = subprocess.run(["sh", str(script), "self-test", str(mark)], capture_output=True, text=True)
    assert (done.returncode, "is-not-there is missing" in done.stdout, mark.exists()) == (1, True, False)


# certificates


def certificate(begin: int, end: int) -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "n-1")])
    times = [datetime.datetime(year, 1, 1, tzinfo=datetime.UTC) for year in (begin, end)]
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, *times).sign(key, hashes.SHA256())
    return made.public_bytes(serialization.Encoding.PEM).decode()


def test_the_age_of_a_certificate(monkeypatch: pytest.MonkeyPatch) -> None:
    begin, end = validity.lifetime(certificate(2026, 2027))
    assert (begin, end - begin) == (1767225600.0, YEAR)
    assert validity.lifetime(certificate(2049, 2051)) == (
        2493072000.0,
        2493072000.0 + 2 * YEAR,
    )  # the other kind of time
    for rubbish in ("", "rubbish", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n", "\u00e4"):
        assert validity.lifetime(rubbish) is None
    monkeypatch.setattr(drift, "read", lambda _: certificate(2026, 2027))
    for part, said, severity in [
        (0.5, None, ""),
        (0.66, None, ""),
        (0.67, "67% of its life, 120 days left", "warning"),
        (1.01, "expired", "error"),
        (-0.01, "not valid yet", "error"),
    ]:
        monkeypatch.setattr("time.time", lambda part=part: begin + part * YEAR)
        found, seen = drift.certificates({"auth": "raw-keys"})
        assert set(seen) == {"certificate", "CA"}
        assert len(found) == (2 if said else 0), part
        assert not said or (said in found[0]["message"] and found[0]["severity"] == severity)
        assert all(any(word in f["hint"] for word in ("ipsecplan rotate", "clock", "runbook")) for f in found)
    assert drift.certificates({"auth": "psk"}) == ([], {})


# MTU, SAs, guard


def test_mtus_of_links_routes_and_paths(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = {
        "underlay": {"address": "10.0.0.1", "mtu": 1500},
        "overlay": {"devices": [{"name": "ov0", "mtu": 1416}]},
        "peers": [{"id": "n-2", "name": "n2", "address": "10.0.0.2", "link_mtu": 1500}],
    }
    answers: dict[str, Any] = {
        "addr": [{"ifname": "eth0", "mtu": 1500, "addr_info": [{}]}],
        "show": [{"dst": "10.244.2.0/24"}],
        "get": [{}],
    }

    def run(*argv: str) -> Any:
        key = "addr" if "addr" in argv else "get" if "get" in argv else "show"
        return Done(0, json.dumps(answers[key]), "")

    monkeypatch.setattr(core, "run", run)
    monkeypatch.setattr(drift.overlay_mtu, "differences", lambda _: [])
    assert drift.mtus(facts) == []
    answers["addr"][0]["mtu"] = 1400
    answers["show"] = [{"dst": "10.244.2.0/24", "metrics": [{"mtu": 1300}]}]
    answers["get"] = [{"dst": "10.0.0.2", "metrics": [{"mtu": 1450}]}]
    found = drift.mtus(facts)
    assert [f["message"] for f in found] == [
        "the underlay link eth0 has MTU 1400, planned 1500",
        "the route to 10.244.2.0/24 has MTU 1300, planned 1416",
        "the path to n2 has MTU 1450, planned 1500",
    ]
    assert [(f["found"], f["planned"]) for f in found] == [("1400", "1500"), ("1300", "1416"), ("1450", "1500")]
    assert all(f["hint"] for f in found)


def test_the_guard_in_the_kernel_is_compared_with_its_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    listing = guard.ruleset(4789, drop=True)
    live = {"text": listing}

    def run(*argv: Any, **_: object) -> Any:
        if argv[0] == "nft":
            return Done(0 if live["text"] else 1, live["text"], "")
        return Done(0, listing, "")

    monkeypatch.setattr(guard_here, "run", run)
    assert guard_here.guard_difference() is None
    live["text"] = listing.replace(" drop\n", " drop\n        udp dport 4789 accept\n", 1)
    assert guard_here.guard_difference() == "the guard in the kernel has 'udp dport 4789 accept'"
    live["text"] = listing.replace(" drop\n", "\n")
    assert "has 'udp dport 4789 meta ipsec missing counter name \"clear_in\"'" in guard_here.guard_difference()
    live["text"] = ""
    assert guard_here.guard_difference() == "the guard is not loaded"


def floors(overlay: str, port: int, family: str, peers: list[str]) -> str:
    """The block policies that a node makes of those of a release; its own address is "own"."""
    listed = "".join(f"own {peer} pair-{number}\n" for number, peer in enumerate(peers))
    return deferred_pairs.floor(guard.floor(overlay, port, family=family), listed, "own")


def test_the_floor_that_a_release_wants(monkeypatch: pytest.MonkeyPatch) -> None:
    text = floors("vxlan", 4789, "ipv4", ["10.0.0.2", "10.0.0.3"])
    assert guard.FLOOR_PRIORITY == xfrm.FLOOR_PRIORITY
    assert f"priority {guard.FLOOR_PRIORITY} " in guard.script("revert.sh")
    monkeypatch.setattr(guard_here, "read", lambda *_: text)
    assert set(guard_here.planned_policies()) == {"10.0.0.2/32", "10.0.0.3/32"}
    block = {"dir": "out", "action": "block", "priority": guard.FLOOR_PRIORITY, "sport": 0, "dport": 4789}
    listed = [{**block, "dst": "10.0.0.2/32"}, {**block, "dst": "10.0.0.9/32"}, {**block, "dst": "x", "priority": 9}]
    monkeypatch.setattr(xfrm, "policies", lambda: listed)
    monkeypatch.setattr(guard_here, "guard_difference", lambda: None)
    monkeypatch.setattr(guard_here, "running", lambda: True)
    assert guard_here.gaps() == [
        "1 of 2 block policies are missing, first 10.0.0.3/32",
        "1 block policies are for addresses that are no peers, first 10.0.0.9/32",
    ]
    monkeypatch.setattr(guard_here, "DEAF", "/dev/null")  # is there
    assert guard_here.gaps()[2].startswith("`nft monitor` ends by itself")
    assert xfrm.ours(listed[0], {"protect": "hosts"}), "preflight must not take it for somebody else's"
    assert floors("geneve", 6081, "ipv6", ["fd00::2"]).startswith(
        "xfrm policy update dir out src ::/0 dst fd00::2/128 proto udp dport 6081 action block"
    )


@pytest.mark.parametrize(("watching", "restarts"), [("new\n", 0), ("old\n", 1), (None, 1)])
def test_a_watchdog_of_an_earlier_file_is_started_anew(
    monkeypatch: pytest.MonkeyPatch, watching: str | None, restarts: int
) -> None:
    texts = {guard_here.SCRIPT: "new\n", guard_here.WATCHING: watching}
    started: list[object] = []
    monkeypatch.setattr(guard_here, "read", texts.get)
    monkeypatch.setattr(guard_here, "installed", set)
    monkeypatch.setattr(guard_here, "running", lambda: True)
    monkeypatch.setattr(guard_here, "guard_difference", lambda: None)
    monkeypatch.setattr(guard_here.xfrm, "guard", lambda: {"mode": "drop"})
    monkeypatch.setattr(guard_here.core, "remove", lambda _: None)
    monkeypatch.setattr(guard_here.subprocess, "Popen", lambda argv, **_: started.append(argv))
    assert guard_here.close() is bool(restarts)
    assert len(started) == restarts


def test_an_nft_that_the_watchdog_would_not_hear_is_an_error_of_preflight(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[tuple[Any, ...]] = []

    def run(*argv: Any, **options: Any) -> Any:
        ran.append((argv, options.get("stdin")))
        return Done(1, "Error: syntax error\n", "") if "hears" in argv else Done(0, "", "")

    monkeypatch.setattr(kernel_trial, "run", run)
    monkeypatch.setattr(kernel_trial.xfrm_interfaces, "kernel_supports", lambda *_: [])
    monkeypatch.setattr(kernel_trial.addresses, "addresses", lambda _: [])
    node: Any = {"esp": {"negotiated": [], "mode": "TRANSPORT"}, "peers": []}
    assert kernel_trial.trial(node) == []
    (found,) = kernel_trial.trial(node, "#!/bin/sh\n")
    assert (found["code"], found["severity"]) == ("IPP636", "error")
    assert "Error: syntax error" in found["message"]
    assert [stdin for argv, stdin in ran if "hears" in argv] == [b"#!/bin/sh\n"], "the script that will be installed"
    assert ran[-1][0][:3] == ("ip", "netns", "delete")


def test_the_counters_are_those_that_the_kernel_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "XfrmInError             \t0\nXfrmInIptfsError        \t3\nXfrmOutNoQueueSpace     \t1\nXfrmNew x\n\n"
    monkeypatch.setattr(xfrm, "read", lambda path: text if path == "/proc/net/xfrm_stat" else None)
    assert xfrm.errors() == {"XfrmInIptfsError": 3, "XfrmOutNoQueueSpace": 1}


def test_packets_of_preflights_are_no_errors(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(preflight_packets, "RUN", str(tmp_path / "run"))
    text = "XfrmInError \t3\nXfrmInNoStates \t421\n"
    monkeypatch.setattr(xfrm, "read", lambda path: text if path == "/proc/net/xfrm_stat" else None)
    assert xfrm.errors() == {"XfrmInError": 3, "XfrmInNoStates": 421}
    monkeypatch.setattr(core.write, "__defaults__", (0o600, os.getuid(), os.getgid()))
    first, second = (preflight_packets.begin(number) for number in (0, 1))
    assert preflight_packets.tell(first, 400)
    assert preflight_packets.tell(second, 20)
    assert xfrm.errors() == {"XfrmInError": 3, "XfrmInNoStates": 1}
    preflight_packets.add_up()
    preflight_packets.add_up()
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["preflight-packets"]
    assert not preflight_packets.tell(first, 500), "a talk of an earlier preflight that is still there"
    third = preflight_packets.begin(0)
    assert preflight_packets.tell(third, 9)
    assert xfrm.errors() == {"XfrmInError": 3}, "packets that were lost on the way are taken off, too"
    Path(third).write_text("nonsense\n", encoding="utf-8")
    assert preflight_packets.came() == 420


# what preflight says over the wire


@pytest.mark.parametrize(("source", "destination"), [("10.0.0.1", "10.0.0.2"), ("fd00::1", "fd00::2")])
def test_packets_of_preflight_have_their_size_and_come_back(source: str, destination: str) -> None:
    header = 40 if ":" in source else 20
    for kind in reachability.KINDS:
        size = 1500 if kind.endswith("full") else reachability.SMALL
        data = reachability.payload("tx-1", "n-abc", kind, 5, size, source, destination, 7)
        assert len(data) == size - header
        assert reachability.heard(b"\0" * header + data, "tx-1") == ("n-abc", kind, 5, 7)
        assert reachability.heard(data, "tx-2") is None
        if kind.startswith("udp"):
            from scapy.layers.inet import IP, UDP
            from scapy.layers.inet6 import IPv6

            base = IPv6(src=source, dst=destination) if ":" in source else IP(src=source, dst=destination)
            parsed = UDP(data)
            total, parsed.chksum = parsed.chksum, None
            again = (IPv6 if ":" in source else IP)(bytes(base / parsed))
            assert (again[UDP].chksum, again[UDP].dport) == (total, 4500)
    for tail in (b"", b"tx-1 n esp zz\n", b"tx-1 n other 1\n"):
        assert reachability.heard(b"\0" * 8 + reachability.MAGIC + tail, "tx-1") is None
    assert reachability.heard(reachability.MAGIC + b"tx-1 n esp 1\n", "tx-1") is None, "no room for a number"
    for noise in (b"", b"x" * 100):
        assert reachability.heard(noise, "tx-1") is None


def test_block_policies_of_a_release_become_lines_without_the_peers_that_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    policy = guard.floor("vxlan", 4789, family="ipv4")
    whole = "".join(policy.replace("@", address) for address in ("10.0.0.2", "10.0.0.3"))
    peers = "10.0.0.1 10.0.0.2 pair-1\n10.0.0.1 10.0.0.3 pair-2\n10.7.0.1 10.7.0.2 pair-3\n# by hand\n\n"
    releases = {"of today": (policy, peers), "of before": (policy + "10.0.0.2\n10.0.0.3\n", peers), "old": (whole, "")}
    monkeypatch.setattr(deferred_pairs, "current", dict)
    for text, listed in releases.values():
        assert deferred_pairs.floor(text, listed, "10.0.0.1") == whole, "no policy for peers on another network"
    monkeypatch.setattr(deferred_pairs, "current", lambda: {"pair-1": ("n-1", "10.0.0.2", "a")})
    for text, listed in releases.values():
        assert deferred_pairs.floor(text, listed, "10.0.0.1") == whole.splitlines(keepends=True)[1]
    assert deferred_pairs.floor("", peers, "10.0.0.1") == "", "with XFRM interfaces there are none"
    assert deferred_pairs.floor(policy, "", "10.0.0.1") == "", "a node without peers"
