"""Two real charons on a real kernel, and what the collection of metrics makes of them; runs where measure.py runs.

A job is that of rekey_on_charon.py, with the guard, the block policies and a certificate that ends soon. For each act a
ROW has the file that each end would hand to node_exporter, and what swanctl, ip, nft and /proc show at that moment.

The acts on a tunnel with policies of our own (``forwarded`` and so on) are the kernel's alone: what counts an MTU drop.

Without systemd there is no journal and no unit: the log is charon's file, and the watchdog is a mark of ours. The
kernel of User Mode Linux has nftables for bridges alone, so the guard is a table of that family here: its listing and
counters are nft's, but no packet meets it, and what it counted is written into it. The lab tries the guard itself.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from netplan.agent.phases import counters, guard, reachability
from netplan.agent.system import core, preflight_packets, vici, xfrm
from netplan.agent.textfile import main as collecting
from netplan.agent.textfile.memory import Memory
from netplan.agent.transaction import state
from tests.kernel.rekey_on_charon import End, main, run

SEND = """
import socket, sys
link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
link.bind((sys.argv[1], 0))
for _ in range(int(sys.argv[4])):
    try: link.sendto(b"x" * int(sys.argv[3]), (sys.argv[2], 4789))
    except OSError: pass
"""
TOO_BIG = """
import socket, sys
link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
link.setsockopt(socket.IPPROTO_IP, 10, int(sys.argv[2]))  # IP_MTU_DISCOVER
link.bind((sys.argv[1], 0))
try: link.sendto(b"x" * 1472, ("10.8.0.1", 9))
except OSError as e: print(e.errno)
"""
STRANGER = """connections {{
 stranger-1 {{
  remote_addrs = {far}
  proposals = aes128-sha256-modp2048
  {auth}
 }}
 stranger-2 {{
  remote_addrs = {far}
  proposals = aes256gcm16-prfsha384-ecp384
  {auth}
 }}
}}
secrets {{
 ike-stranger {{
  id-1 = stranger@example.org
  secret = "of nobody here"
 }}
}}
"""
AUTH = "local { auth = psk\n id = stranger@example.org\n }\n remote { auth = psk\n id = %any\n }"
GUARD = """table bridge ipsecplan {{
    counter clear_out {{ packets {0} bytes 84 }}
    counter clear_in {{ packets 0 bytes 0 }}
    chain output {{
        type filter hook output priority 0; policy accept;
        ether type 0x88b5 counter name "clear_out" drop
    }}
}}
"""
LINE = re.compile(r"<([^|>]+)\|\d+> (.*)")


def talk(home: Path) -> None:
    """Take part in a preflight, in the network namespace of this process, until nothing of it comes any more."""
    preflight_packets.RUN = str(home / "state")
    node = json.loads((home / "node.json").read_text())
    reachability.Talk(node, "tx-1", str(home / "state/reach-tx-1"), preflight_packets.begin(0)).go()
    sys.exit()


def collect(home: Path) -> None:
    """Run the collection once, in the network namespace of this process, with the places of one end below ``home``."""
    core.ENV["GLIBC_TUNABLES"] = os.environ.get("GLIBC_TUNABLES", "")  # see guest.sh
    vici.SOCKETS = (str(home / "run/charon.vici"),)
    for module, name, place in (
        (collecting, "NODE", "node.json"),
        (collecting, "KEPT", "metrics.json"),
        (collecting, "FILE", "metrics.prom"),
        (guard, "FILE", "floor"),
        (guard, "DEAF", "deaf"),
        (state, "ROOT", "state"),
        (state, "OPEN", "state/open"),
        (state, "STATE", "state/state.json"),
        (state, "RUN", "state"),
        (preflight_packets, "RUN", "state"),
    ):
        setattr(module, name, str(home / place))
    collecting.CERTIFICATES = {"leaf": str(home / "leaf.pem")}
    guard.running = lambda: (home / "watching").exists()
    as_is = xfrm.run
    xfrm.run = lambda *words, **more: as_is(*("bridge" if word == "inet" else word for word in words), **more)
    Memory.listen = _hear(home / "run/log")  # type: ignore[method-assign]
    sys.exit(collecting.main())


def _hear(path: Path) -> Any:
    def listen(memory: Memory) -> None:
        lines = path.read_text(errors="replace").splitlines() if path.exists() else []
        for line in lines[int(memory.cursor or 0) :]:
            found = LINE.search(line)
            memory.hear(found[2] if found else line, found[1] if found else None)
        memory.cursor = str(len(lines))

    return listen


class Watched(End):
    """One end with guard, block policies, an overlay device and what a confirmed node remembers."""

    def dress(self) -> None:
        home, about = self.home, self.about
        (home / "state").mkdir()
        (home / "node.json").write_text(json.dumps(about["node"]))
        now = {"schema": 1, "state": "confirmed", "tx": "tx-1", "release": "ab" * 32, "at": "", "last": {}}
        (home / "state/state.json").write_text(json.dumps(now))
        (home / "leaf.pem").write_text(about["leaf"])
        (home / "watching").touch()
        peers = [line.split()[1] for line in about["peers"].splitlines()]
        (home / "floor").write_text("".join(about["floor"].replace("@", peer) for peer in peers))
        self.guard(0)
        self.inside("ip", "-force", "-batch", str(home / "floor"))
        self.inside(
            "ip", "link", "add", "ov0", "type", "vxlan", "id", "4096", "dstport", "4789", "local", about["address"]
        )
        self.inside("ip", "link", "set", "ov0", "mtu", str(about["node"]["mtu"]["pod"]), "up")

    def guard(self, packets: int) -> None:
        self.inside("nft", "delete", "table", "bridge", "ipsecplan", check=False)
        (self.home / "guard.nft").write_text(GUARD.format(packets))
        self.inside("nft", "-f", str(self.home / "guard.nft"))

    def inside(self, *words: str, check: bool = True) -> str:
        return run("ip", "netns", "exec", self.name, *words, check=check)

    def python(self, source: str, *words: str) -> str:
        return self.inside(sys.executable, "-B", "-c", source, *words)

    def begin(self, what: str) -> subprocess.Popen[bytes]:
        """Begin a part of this file inside."""
        return subprocess.Popen(
            ["ip", "netns", "exec", self.name, sys.executable, "-B", __file__, what, str(self.home)]
        )

    def file(self) -> str:
        """Return what the collection writes now."""
        done = self.inside(sys.executable, "-B", __file__, "--collect", str(self.home))
        assert not done, done
        return (self.home / "metrics.prom").read_text()

    def shows(self) -> dict[str, Any]:
        """Return what swanctl, ip, nft and /proc say at this moment."""
        swanctl = ""
        if self.process.poll() is None:
            inside = ["nsenter", "-t", str(self.process.pid), "-m", "-n", "chroot", self.root]
            swanctl = run(*inside, "swanctl", "--list-sas")
        return {
            "swanctl": swanctl,
            "nft": self.inside("nft", "list", "table", "bridge", "ipsecplan", check=False),
            "policies": self.inside("ip", "xfrm", "policy", "list", "nosock"),
            "xfrm_stat": self.inside("cat", "/proc/net/xfrm_stat"),
            "snmp": self.inside("cat", "/proc/net/snmp"),
            "links": self.inside("ip", "-j", "link", "show"),
            "cache": self.inside("ip", "route", "show", "cache"),
            "keys": self.inside("ip", "xfrm", "state"),
        }


def refused() -> dict[str, dict[str, int]]:
    """Return by which of our counters a packet of 1500 bytes shows that doesn't fit a tunnel with policies."""
    for name in ("p", "f", "t"):
        run("ip", "netns", "add", name)
        run("ip", "-n", name, "link", "set", "lo", "up")
    for near, far, network in (("p", "f", "10.9.0"), ("f", "t", "10.7.0")):
        link = (f"{near}-{far}", f"{far}-{near}")
        run("ip", "link", "add", link[0], "netns", near, "type", "veth", "peer", "name", link[1], "netns", far)
        for name, device, last in ((near, link[0], 1), (far, link[1], 2)):
            run("ip", "-n", name, "address", "add", f"{network}.{last}/24", "dev", device)
            run("ip", "-n", name, "link", "set", device, "up")
    run("ip", "-n", "p", "route", "add", "default", "via", "10.9.0.2")
    run("ip", "-n", "f", "route", "add", "10.8.0.0/24", "via", "10.7.0.2")
    run("ip", "netns", "exec", "f", "sysctl", "-qw", "net.ipv4.ip_forward=1")
    ends = ["src", "10.7.0.1", "dst", "10.7.0.2", "proto", "esp"]
    key = ["spi", "1", "mode", "tunnel", "reqid", "1", "aead", "rfc4106(gcm(aes))", "0x" + "11" * 20, "128"]
    inner = ["src", "10.9.0.0/24", "dst", "10.8.0.0/24", "dir", "out"]
    run("ip", "-n", "f", "xfrm", "state", "add", *ends, *key)
    run("ip", "-n", "f", "xfrm", "policy", "add", *inner, "tmpl", *ends, "mode", "tunnel", "reqid", "1")

    def counted() -> dict[str, int]:
        said = run("ip", "netns", "exec", "f", sys.executable, "-B", __file__, "--count")
        return json.loads(said)  # type: ignore[no-any-return]

    found = {}
    for what, where, source, way in (
        ("forwarded", "p", "10.9.0.1", "2"),
        ("own", "f", "10.9.0.2", "2"),
        ("own, probing", "f", "10.9.0.2", "3"),
    ):
        before = counted()
        run("ip", "netns", "exec", where, sys.executable, "-B", "-c", TOO_BIG, source, way)
        after = counted()
        found[what] = {name: after[name] - before[name] for name in after if after[name] != before[name]}
    return found


def act(job: dict[str, Any]) -> None:
    run("modprobe", "-d", "/mnt", "-a", "vxlan", "nf_tables_bridge", "nf_tables", check=False)
    for name in ("a", "b"):
        run("ip", "netns", "add", name)
    run("ip", "link", "add", "a0", "netns", "a", "type", "veth", "peer", "name", "b0", "netns", "b")
    for name in ("a", "b"):
        run("ip", "-n", name, "address", "add", job[name]["address"] + "/16", "dev", name + "0")
        run("ip", "-n", name, "link", "set", name + "0", "up")
    a, b = (Watched(name, root, job[name]) for name, root in zip(("a", "b"), job["roots"], strict=True))
    for end in (a, b):
        end.load(end.about["conf"])
        end.dress()
    (peer,) = job["a"]["node"]["peers"]
    near, far = job["a"]["address"], job["b"]["address"]

    def say(what: str, *, shows: bool = False) -> None:
        for end in (a, b):
            row: dict[str, Any] = {"act": what, "end": end.name, "file": end.file()}
            row["again"] = len(re.findall(rf"<{peer['pair']}\|\d+> retransmit \d+ of request", end.log))
            if shows:
                row["shows"] = end.shows()
            print("ROW", json.dumps(row), flush=True)

    a.call("initiate", ike=peer["pair"], timeout=20000)
    a.call("initiate", ike=peer["pair"], child=peer["children"][0], timeout=20000)
    b.call("initiate", ike=peer["pair"], child=job["b"]["node"]["peers"][0]["children"][0], timeout=20000)
    a.python(SEND, near, far, "100", "10")
    say("quiet", shows=True)
    a.call("rekey", child=peer["children"][0])
    time.sleep(1)
    a.python(SEND, near, far, "100", "10")
    say("rekeyed", shows=True)
    time.sleep(6)
    a.python(SEND, near, far, "100", "10")
    say("after the rekey", shows=True)
    (a.home / "swanctl/conf.d/stranger.conf").write_text(STRANGER.format(far=far, auth=AUTH))
    a.load(a.about["conf"])
    for name in ("stranger-1", "stranger-2"):
        said = a.call("initiate", ike=name, timeout=20000)
        if said["success"] != "no":
            raise RuntimeError(f"{name} was let in: {said}")
    say("stranger", shows=True)
    (a.home / "swanctl/conf.d/stranger.conf").unlink()
    a.load(a.about["conf"])
    b.python(job["learn"], far, near)
    a.inside("ping", "-q", "-c", "1", far)  # what no packet has met is in no list of the kernel's
    say("path-mtu", shows=True)
    a.inside("ip", "route", "flush", "cache")
    b.process.send_signal(signal.SIGSTOP)
    began = time.monotonic()
    held = b.file()
    took = time.monotonic() - began
    b.process.send_signal(signal.SIGCONT)
    print("ROW", json.dumps({"act": "held", "end": "b", "file": held, "seconds": took}), flush=True)
    print("ROW", json.dumps({"act": "refused", "end": "f", "file": "", "counted": refused()}), flush=True)
    b.inside("ip", "link", "set", "ov0", "mtu", "1300")
    say("device-mtu", shows=True)
    b.inside("ip", "link", "set", "ov0", "mtu", str(job["b"]["node"]["mtu"]["pod"]))
    a.inside("ping", "-c", "3", "-i", "0.3", "-s", "3000", "-M", "dont", far)
    say("fragments", shows=True)
    a.guard(3)
    say("clear-packet", shows=True)
    b.inside("nft", "delete", "table", "bridge", "ipsecplan")
    say("guard-flushed", shows=True)
    b.guard(0)
    (b.home / "watching").unlink()
    say("watchdog-stopped")
    (b.home / "watching").touch()
    b.inside("ip", "xfrm", "policy", "deleteall", "dir", "out", "action", "block")
    say("block-policies", shows=True)
    b.inside("ip", "-force", "-batch", str(b.home / "floor"))
    (b.home / "leaf.pem").write_text(job["soon"])
    say("certificate")
    (b.home / "leaf.pem").write_text(job["b"]["leaf"])
    (a.home / "state/tx/tx-2").mkdir(parents=True)
    (a.home / "state/open").write_text("tx-2\n")
    say("transaction-open")
    (a.home / "state/open").unlink()
    say("quiet again", shows=True)
    early = a.begin("--talk")
    time.sleep(3)
    late = b.begin("--talk")
    if early.wait(120) or late.wait(120):
        raise RuntimeError("a preflight failed")
    say("preflight", shows=True)
    b.process.kill()
    b.process.wait()
    (b.home / "run/charon.vici").unlink(missing_ok=True)
    a.call("rekey", ike=peer["pair"])
    time.sleep(25)  # charon asks again after 4, 7.2 and 13 s
    say("rekey-fails")
    a.call("terminate", ike=peer["pair"], force="yes", timeout=1000)
    time.sleep(1)
    say("charon-stopped")
    a.process.terminate()


if __name__ == "__main__":
    if sys.argv[1] == "--count":
        print(json.dumps({**counters.ip_counters(), **counters.xfrm_counters()}))
        sys.exit()
    if sys.argv[1] == "--talk":
        talk(Path(sys.argv[2]))
    if sys.argv[1] == "--collect":
        collect(Path(sys.argv[2]))
    main(sys.argv[1], act)
