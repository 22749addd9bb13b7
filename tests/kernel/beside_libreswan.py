"""charon with our files beside pluto with the far end's: VXLAN through both, rekeyed from both ends, measured.

    python3 beside_libreswan.py JOBS.json       one line "ROW {json}" a job on stdout, "END n" at the end

Each end is a Debian root entered by chroot in a network namespace of its own, joined by a cable of 1500 bytes. A job
says who asks for the SAs, and where the files of both ends are; sizes are measured here and judged by who asked.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import select
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import wire as w

HERE = Path(__file__).resolve().parent
OWN = ("--mount", "--pid", "--fork", "--kill-child")  # whoever ends the shell ends the daemons
PATIENCE = 90.0  # seconds for what a daemon was asked to do
INSIDE = ("10.9.0.1", "10.9.0.2")
LEAST, MOST = 1200, 1500
# A guest may not let programs use wide registers (boot.py), and these two libraries would
NARROW = {
    "OPENSSL_ia32cap": "0x17bfbffd:0x0",
    "NSS_DISABLE_AVX": "1",
    "NSS_DISABLE_AVX2": "1",
    "NSS_DISABLE_HW_AES": "1",
}
NARROW |= {"NSS_DISABLE_PCLMUL": "1", "NSS_DISABLE_HW_SHA1": "1", "NSS_DISABLE_HW_SHA2": "1", "NSS_DISABLE_SSE4_1": "1"}

Job = dict[str, Any]


class End:
    """A shell inside a root in a network namespace; every command's output comes back, and how it ended."""

    def __init__(self, space: str, root: str, given: str, places: list[str]) -> None:
        enter = ["ip", "netns", "exec", space, "unshare", *OWN, "sh", str(HERE / "end.sh"), root, given, *places]
        self.shell = subprocess.Popen(
            enter,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, **NARROW},
            bufsize=0,
        )

    def __call__(self, command: str, patience: float = PATIENCE) -> tuple[int, str]:
        mark = secrets.token_hex(8)
        assert self.shell.stdin
        assert self.shell.stdout
        self.shell.stdin.write(f"{{ {command}\n}} </dev/null 2>&1; echo {mark} $?\n".encode())
        said, until = b"", time.monotonic() + patience
        while not (found := re.search(rf"{mark} (\d+)\n".encode(), said)):
            ready, _, _ = select.select([self.shell.stdout], [], [], max(until - time.monotonic(), 0))
            if not ready:
                raise TimeoutError(f"{command}: no answer in {patience:.0f} s; {said.decode(errors='replace')[-400:]}")
            part = os.read(self.shell.stdout.fileno(), 65536)
            if not part:
                raise RuntimeError(f"{command}: the shell ended; {said.decode(errors='replace')[-400:]}")
            said += part
        return int(found[1]), said[: found.start()].decode(errors="replace")

    def must(self, command: str) -> str:
        code, said = self(command)
        if code:
            raise RuntimeError(f"{command} ended with {code}: {said[-600:]}")
        return said

    def until(self, command: str, wanted: str) -> str:
        """Ask until the output has ``wanted``, a pattern."""
        end = time.monotonic() + PATIENCE
        said = ""
        while time.monotonic() < end:
            said = self(command)[1]
            if re.search(wanted, said):
                return said
            time.sleep(0.2)
        raise TimeoutError(f"{command}: never {wanted}; {said[-600:]}")

    def close(self) -> None:
        self.shell.kill()
        self.shell.wait()


class Bench:
    """Both ends with their daemons, and an overlay between them."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.spaces = (w.Space(f"ours{os.getpid()}"), w.Space(f"far{os.getpid()}"))
        ours, far = self.spaces
        ours.ip(f"link add eth0 type veth peer name eth0 netns {far.name}")
        for me, space in enumerate(self.spaces):
            address, other = job["addresses"][me], job["addresses"][1 - me]
            overlay = f"type vxlan id 4096 dstport 4789 local {address} remote {other} df set"
            space.ip("link set lo up", "link set eth0 up", f"address add {address}/24 dev eth0")
            space.one_by_one(
                f"link add ov0 mtu {MOST} {overlay}", f"address add {INSIDE[me]}/24 dev ov0", "link set ov0 up"
            )
        self.ours = End(ours.name, job["charon"], job["given"] + "/ours", ["/etc/swanctl"])
        self.far = End(far.name, job["pluto"], job["given"] + "/far", ["/var/lib/ipsec"])

    def start(self) -> None:
        """Start both daemons and load both ends' files."""
        self.ours.must("cp -r /run/given/swanctl/. /etc/swanctl/")
        self.ours.must("export STRONGSWAN_CONF=/run/given/strongswan.conf")
        self.ours.must("charon-systemd >/run/charon.log 2>&1 & sleep 0.1")
        self.ours.until("swanctl --stats", "uptime")
        self.ours.must("swanctl --load-all --noprompt")
        self.far.must("mkdir -p /var/lib/ipsec/nss /run/pluto; : >/run/none.conf")
        database = "sql:/var/lib/ipsec/nss"
        self.far.must(f"certutil -N -d {database} --empty-password")
        self.far.must(f"pk12util -i /run/given/far-end.p12 -d {database} -w /run/given/passphrase")
        self.far.must(f"certutil -M -d {database} -n ipsecplan -t CT,,")
        self.far.must("ipsec pluto --config /run/none.conf --nofork --logfile /run/pluto.log & sleep 0.1")
        self.far.until("ipsec whack --status && echo answers", "answers")
        self.far.must("ipsec whack --listen")
        for conn in self.job["conns"]:
            said = self.far(f"ipsec addconn --config /run/given/libreswan.conf {conn}")[1]
            if "added IKEv2 connection" not in said:
                raise RuntimeError(said)

    def connect(self) -> None:
        """Have one end ask for both children."""
        for child, conn in zip(self.job["children"], self.job["conns"]):  # noqa: B905  any Python 3
            if self.job["asks"] != "far":
                self.ours.must(f"timeout 45 swanctl --initiate --child {child}")
            else:
                self.far(f"timeout 60 ipsec whack --initiate --name {conn}")
            self.ours.until("swanctl --list-sas", rf"{child}: #\d+.* INSTALLED")
        self.ours.must("cp /run/given/start-trap.conf /etc/swanctl/conf.d/ipsecplan-start.conf; swanctl --load-conns")

    def spis(self) -> set[str]:
        return set(re.findall(r"spi (0x[0-9a-f]+)", self.ours("ip xfrm state")[1]))

    def rekey(self, turn: int) -> None:
        """Rekey both children and wait until each has another SPI: by our end, by the other, by ours again."""
        for child, conn in zip(self.job["children"], self.job["conns"]):  # noqa: B905  any Python 3
            before = self.installed(child)
            if turn % 2 == 0:
                self.ours.must(f"swanctl --rekey --child {child}")
            else:
                self.far.must(f"ipsec whack --rekey-child --name {conn}")
            end = time.monotonic() + PATIENCE
            while not self.installed(child) - before:
                if time.monotonic() > end:
                    raise TimeoutError(f"rekey {turn} of {child}: {self.logs()}")
                time.sleep(0.2)

    def installed(self, child: str) -> set[str]:
        """Return the SPIs of a child's SAs that are installed."""
        said = self.ours("swanctl --list-sas")[1]
        found = re.findall(rf"{child}: #\d+, reqid \d+, INSTALLED.*?\n(.*?)(?=\n  \S|\Z)", said, re.S)
        return {spi for body in found for spi in re.findall(r"in\s+([0-9a-f]{8})", body)}

    def passes(self, size: int) -> tuple[bool, list[int], int]:
        """Send packets of ``size`` bytes with DF through the overlay: answered, lengths of ESP outside, clear ones."""
        watch = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0003))
        try:
            watch.bind(("eth0", 0))
            said = self.ours(f"ping -n -M do -c 3 -i 0.2 -W 2 -s {size - 28} {INSIDE[1]}")[1]
            answers = len(re.findall(r"bytes from", said))
            watch.setblocking(False)
            esp, clear = [], 0
            while True:
                try:
                    packet, about = watch.recvfrom(65536)
                except BlockingIOError:
                    break
                if packet[:1] != b"\x45" or about[2] != socket.PACKET_OUTGOING:
                    continue
                clear += packet[9] == 17 and 4789 in (
                    int.from_bytes(packet[20:22], "big"),
                    int.from_bytes(packet[22:24], "big"),
                )
                esp += [int.from_bytes(packet[2:4], "big")] if packet[9] == 50 else []
            return answers >= 2, esp, clear
        finally:
            watch.close()

    def lost(self, *, routed: bool = False) -> Job:
        """End the IKE_SA; then the far end sends: what of it comes in clear, what as ESP. ``routed``: as traps."""
        for conn in self.job["conns"] if routed else ():
            self.far.must(f"ipsec route {conn}")
        pair = self.job["children"][0].rpartition("-")[0]
        self.ours(f"swanctl --terminate --ike {pair} --force --timeout 10")
        time.sleep(3)
        ours, far = self.spaces
        watch = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0003))
        far.enter()
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        ours.enter()
        try:
            watch.bind(("eth0", 0))
            for _ in range(80 if routed else 20):  # an SA is made within these 40 s
                with contextlib.suppress(OSError):
                    sender.sendto(b"through the overlay's port", (self.job["addresses"][0], 4789))
                time.sleep(0.5)
            watch.setblocking(False)
            found = {"clear": 0, "esp": 0}
            while True:
                try:
                    packet, about = watch.recvfrom(65536)
                except BlockingIOError:
                    return found
                if about[2] != socket.PACKET_OUTGOING and packet[:1] == b"\x45":
                    found["esp"] += packet[9] == 50
                    found["clear"] += packet[9] == 17 and int.from_bytes(packet[22:24], "big") == 4789
        finally:
            watch.close()
            sender.close()

    def largest(self) -> Job:
        """Find the size that passes while one byte more doesn't."""
        low, high = LEAST, MOST
        if not self.passes(low)[0]:
            raise RuntimeError(f"nothing passes: {self.logs()}")
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self.passes(middle)[0] else (low, middle)
        answered, esp, clear = self.passes(low)
        refused = not self.passes(low + 1)[0]
        return {"n": low, "passes": answered, "refused": refused, "outer": max(esp, default=0), "clear": clear}

    def logs(self) -> dict[str, list[str]]:
        """Return what each side logged of negotiation."""
        words = "selected proposal|proposal|established|rekey|NO_PROP|fail|error|unable"
        return {
            "charon": self.ours(f"grep -E -i '{words}' /run/charon.log | tail -n 25")[1].splitlines(),
            "pluto": self.far(f"grep -E -i '{words}|initiator|responder' /run/pluto.log | tail -n 25")[1].splitlines(),
        }

    def close(self) -> None:
        for each in (self.ours, self.far, *self.spaces):
            each.close()


def measure(job: Job) -> Job:
    """Bring both ends up, rekey three times, and measure before and after."""
    began = time.monotonic()
    bench = Bench(job)
    try:
        bench.spaces[0].enter()
        bench.start()
        if job["asks"] == "nobody":  # the far end was given another group: what becomes of it?
            asked = [bench.ours(f"timeout 60 swanctl --initiate --child {child}")[0] for child in job["children"]]
            return {"first": asked[0], "second": asked[1], "logs": bench.logs()}
        bench.connect()
        if job["asks"] == "lost":
            return {"add": bench.lost(), "ondemand": bench.lost(routed=True), "logs": bench.logs()}
        row: Job = {"first": bench.largest(), "rekeys": []}
        seen = bench.spis()
        for turn in range(3):
            bench.rekey(turn)
            row["rekeys"].append(len(bench.spis() - seen))
            seen |= bench.spis()
        row |= {"last": bench.largest(), "logs": bench.logs(), "seconds": round(time.monotonic() - began, 1)}
        row["states"] = bench.ours(
            "ip xfrm state | grep -o -E 'mode [a-z]+|replay_window [0-9]+|rfc4106[^ ]*|flag .*'"
        )[1]
        row["errors"] = {name: n for name, n in errors().items() if n}
        return row
    except (RuntimeError, TimeoutError) as error:
        try:
            said = {
                "ours": bench.ours("tail -n 40 /run/charon.log", 10)[1],
                "far": bench.far("tail -n 40 /run/pluto.log", 10)[1],
            }
        except (RuntimeError, TimeoutError) as another:
            said = {"logs": str(another)}
        return {"failed": str(error)[:3000], **said}
    finally:
        bench.close()


def errors() -> dict[str, int]:
    """Return the XFRM error counters of this namespace."""
    lines = Path("/proc/self/net/xfrm_stat").read_text().splitlines()
    return {name: int(number) for name, number in (line.split() for line in lines)}


def main() -> None:
    """Measure every job of a file."""
    jobs = json.loads(Path(sys.argv[1]).read_text())
    home = os.open("/proc/self/ns/net", os.O_RDONLY)
    for job in jobs:
        print("ROW " + json.dumps(measure(job)), flush=True)
        w._libc.setns(home, w._CLONE_NEWNET)
    print(f"END {len(jobs)}", flush=True)


if __name__ == "__main__":
    main()
