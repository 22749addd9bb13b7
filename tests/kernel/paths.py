"""Builds drawn topologies and sends packets through them: what passes, and what becomes of one byte more.

    python3 paths.py JOBS.json          one line "ROW {json}" a job on stdout, "END n" at the end

A job is what :mod:`topologies` draws: commands for four namespaces (pod p behind host a, pod q behind host b), and who
sends to whom. Nothing here knows how large a header is. The row has ``dump`` (what `ip` prints of host a), ``largest``
(the largest don't-fragment packet that left in one piece and arrived) and ``next`` (what became of one byte more).
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import select
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import wire as w
from wireguard import quick_file, set_device

Job = dict[str, Any]
NAMES = ("p", "a", "b", "q")
SERVICE = 7007
_OUTGOING = 4
_PROBE = 3  # IP_PMTUDISC_PROBE: don't-fragment, and no path MTU is remembered
_TRIES = 3
_HANDSHAKES = 60  # WireGuard asks again behind 5 s where its first message came before the other end was ready


class Bench:
    """The four namespaces of one job, with sockets in them."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.spaces: dict[str, w.Space] = {}
        self.ends: list[socket.socket] = []
        self.refused = True
        self._home = os.open("/proc/self/ns/net", os.O_RDONLY)

    def build(self) -> None:
        job = self.job
        for name in NAMES:
            space = self.spaces[name] = w.Space(f"path{name}")
            self.enter(name)
            for key, value in job["sysctl"].items():
                with contextlib.suppress(OSError):
                    Path("/proc/sys", *key.split(".")).write_text(str(value))
            space.ip("link set lo up")
        self.home()
        w.run(["ip", "-batch", "-"], "\n".join(job["cables"]) + "\n")
        for name in NAMES:
            self.spaces[name].ip(*job["commands"][name])
            self.spaces[name].try_ip(*job["attempts"].get(name, ()))
        for name, *ends in job["keyed"]:
            self.enter(name)
            set_device(*ends)
        self.home()

    def listen(self) -> None:
        family = self.job["inner"]
        kind = w.FAMILY[family]
        receiver, sender = ("b", "a") if self.job["entry"] == "socket" else ("q", "p")
        for host in "ab":  # WireGuard's handshake needs the way back
            self.enter(host)
            self.ends += map(w.natt_end, w.FAMILY)
        self.enter(receiver)
        self.far = socket.socket(kind, socket.SOCK_DGRAM)
        self.far.bind((self.job["dst"], SERVICE))
        self.far.setblocking(False)
        self.enter("a")
        self.sniff = [self._packets(device) for device in self.job["outside"]]
        self.enter(sender)
        self.icmp = None if sender == "a" else self._packets("eth0")
        self.near = socket.socket(kind, socket.SOCK_DGRAM)
        self.near.bind((self.job["src"], 0))
        level, option = (socket.IPPROTO_IP, 10) if family == 4 else (socket.IPPROTO_IPV6, 23)
        self.near.setsockopt(level, option, 2 if sender == "a" else _PROBE)
        if family == 6:
            self.near.setsockopt(socket.IPPROTO_IPV6, 62, 1)
        self.sender = sender
        self.ends += [self.far, self.near, *self.sniff, *([self.icmp] if self.icmp else [])]

    @staticmethod
    def _packets(device: str) -> socket.socket:
        end = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        end.bind((device, 3))
        end.setblocking(False)
        return end

    def enter(self, name: str) -> None:
        self.spaces[name].enter()

    def home(self) -> None:
        w._libc.setns(self._home, w._CLONE_NEWNET)

    def close(self) -> None:
        self.home()
        for end in self.ends:
            end.close()
        for space in self.spaces.values():
            space.close()
        os.close(self._home)

    def dump(self) -> dict[str, str]:
        name = self.spaces["a"].name
        found = {}
        for key, words in (
            ("addr.json", "-d -j addr"),
            ("route.json", "-j route show table all"),
            ("route6.json", "-6 -j route show table all"),
            ("xfrm-state.txt", "xfrm state"),
            ("xfrm-policy.txt", "xfrm policy"),
        ):
            found[key] = w.run(["ip", "-n", name, *words.split()])
        for host, device, *end in self.job["keyed"]:
            if host == "a":
                found[f"wireguard/{device}.conf"] = quick_file(*end)
        return found

    def forget(self) -> None:
        """Drop what host a remembers of path MTUs."""
        self.enter("a")
        Path("/proc/sys/net/ipv4/route/flush").write_text("1")
        if self.job["six"]:
            subprocess.run(["ip", "-6", "route", "flush", "cache"], capture_output=True)

    def probe(self, size: int) -> dict[str, Any]:
        """Send one packet of ``size`` and see what becomes of it."""
        overhead = 28 if self.job["inner"] == 4 else 48
        payload = bytes([size % 251]) * (size - overhead)
        if self.refused:
            self.forget()
        for end in (*self.sniff, self.far, *([self.icmp] if self.icmp else [])):
            w._drain(end)
        error, seen, arrived, reported = "", [], False, None
        self.enter(self.sender)
        try:
            self.near.sendto(payload, (self.job["dst"], SERVICE))
        except OSError as failure:
            error = errno.errorcode.get(failure.errno or 0, "?")
        deadline = time.monotonic() + 0.6
        while not error and time.monotonic() < deadline:
            waiting = [self.far, *self.sniff, *([self.icmp] if self.icmp else [])]
            ready, _, _ = select.select(waiting, [], [], 0.15)
            for end in ready:
                if end is self.far:
                    arrived = end.recv(70000) == payload or arrived
                elif end is self.icmp:
                    reported = _report(end) or reported
                else:
                    seen += _frames(end)
            if arrived or reported or not ready:
                break
        for end in self.sniff:
            seen += _frames(end)
        if self.sender == "a" and not arrived and not seen:
            told = self._told()  # at once with the error, or learned from a packet that was lost
            reported = told if told < size else None
        found = {"error": error, "frames": seen, "arrived": arrived, "reported": reported}
        self.refused = not _passed(found)  # what was refused may leave a path MTU behind
        return found

    def _told(self) -> int:
        """Return the path MTU that the kernel tells a socket of host a."""
        family = self.job["inner"]
        level, option, discover = (socket.IPPROTO_IP, 14, 10) if family == 4 else (socket.IPPROTO_IPV6, 24, 23)
        with socket.socket(w.FAMILY[family], socket.SOCK_DGRAM) as end:
            end.setsockopt(level, discover, 2)
            end.bind((self.job["src"], 0))
            end.connect((self.job["dst"], SERVICE))
            return end.getsockopt(level, option)

    def largest(self) -> tuple[int, dict[str, Any]]:
        """Return the largest packet that passes, and what became of the one after it."""
        low, high = self.job["low"], self.job["high"]
        # devices may still be coming up
        if not any(self.passes(low) for _ in range(_HANDSHAKES if self.job["keyed"] else _TRIES)):
            raise RuntimeError(f"not even {low} passes: {self.probe(low)}")
        after: dict[str, Any] = {}
        for _ in range(_TRIES):
            low = self._search(low, high)
            for _ in range(2):
                after = self.probe(low + 1)
            if not _passed(after):
                break  # else a busy machine lost the packet that decided
        return low, after

    def _search(self, low: int, high: int) -> int:
        while high - low > 1:
            middle = (low + high) // 2
            if self.passes(middle):
                low = middle
            else:
                high = middle
        return low

    def passes(self, size: int) -> bool:
        for _ in range(_TRIES):
            found = self.probe(size)
            if _passed(found):
                return True
            if found["error"] or found["reported"] or len(found["frames"]) > 1 or any(f for _, f in found["frames"]):
                return False
        return False


def _passed(found: dict[str, Any]) -> bool:
    frames = found["frames"]
    return found["arrived"] and len(frames) == 1 and not frames[0][1] and not found["error"]


def _frames(end: socket.socket) -> list[tuple[int, bool]]:
    """Return (bytes after the Ethernet header, is a fragment) of the frames with IP or MACsec that left by a device."""
    found = []
    while True:
        try:
            frame, address = end.recvfrom(70000)
        except BlockingIOError:
            return found
        kind, packet = struct.unpack("!H", frame[12:14])[0], frame[14:]
        if address[2] != _OUTGOING or kind not in (0x0800, 0x86DD, 0x88E5):
            continue
        if kind == 0x86DD and packet[6] == 58:
            continue  # the kernel's own neighbour discovery
        fragment = kind == 0x0800 and bool(struct.unpack("!H", packet[6:8])[0] & 0x3FFF)
        found.append((len(packet), fragment or (kind == 0x86DD and packet[6] == 44)))


def _report(end: socket.socket) -> int | None:
    """Return the MTU of an ICMP message that a packet is too big, None for any other packet."""
    try:
        frame = end.recv(70000)
    except BlockingIOError:
        return None
    kind, packet = struct.unpack("!H", frame[12:14])[0], frame[14:]
    if kind == 0x0800 and packet[9] == 1:
        icmp = packet[(packet[0] & 15) * 4 :]
        return struct.unpack("!H", icmp[6:8])[0] if icmp[:2] == b"\x03\x04" else None
    if kind == 0x86DD and packet[6] == 58 and packet[40] == 2:
        return struct.unpack("!I", packet[44:48])[0]
    return None


def main(path: str) -> None:
    jobs = json.loads(Path(path).read_text())
    for job in jobs:
        begun = time.monotonic()
        bench = Bench(job)
        row: dict[str, Any] = {"id": job["id"]}
        try:
            bench.build()
            row["dump"] = bench.dump()
            bench.listen()
            row["built"] = round(time.monotonic() - begun, 2)
            row["largest"], row["next"] = bench.largest()
            row["took"] = round(time.monotonic() - begun, 2)
        except w.Unsupported as error:
            row["missing"] = str(error)
        except (RuntimeError, OSError) as error:
            row["failed"] = f"{type(error).__name__}: {error}"
        finally:
            bench.close()
        print("ROW", json.dumps(row), flush=True)
    print("END", len(jobs), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
