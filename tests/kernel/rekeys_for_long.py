"""Many pairs of daemons at once, rekeyed by their own timers for long, with numbered packets of full size between them.

    python3 rekeys_for_long.py JOBS.json       lines "ROW {json}", one a pair, and "END n"

A job has pairs, how many seconds, packets a second, and bytes of a payload. Each end is a daemon in a root and a
network namespace of its own. A packet is refused here (sendto says why) or lost on the way (it was taken and never
arrived); around each gap stand the words of both ends' logs.
"""

from __future__ import annotations

import errno
import itertools
import json
import os
import re
import socket
import struct
import sys
import time
from array import array
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import wire as w
from beside_libreswan import End, errors

PORT = 4789
CLEAR = 10  # packets without an SA that are planted before the daemons start: the watcher has to see them
RATE = 100  # turns a second, with a processor that has nothing else to do
NEAR_S, MOST_GAPS, MOST_LINES = 1.5, 40, 30
# of a charon's log: what tells how a rekey went
WORDS = re.compile(
    r"rekey job|establishing CHILD_SA|CHILD_SA \S+ established with|collision|redundant|ignoring request|retransmit"
    r"|rekeying failed|hard|EXPIRE|NO_PROPOSAL|TEMPORARY|CHILD_SA_NOT_FOUND|acquire|closing CHILD_SA|giving up|unable"
    r"|initiat|rekey|negotiated|replac|expire|delet",
    re.I,
)
Gap = dict[str, Any]


class Side:
    """One end of a pair: its daemon, its socket, and a watcher for overlay packets that leave in clear."""

    def __init__(self, space: w.Space, about: dict[str, Any], address: str, far: str, size: int) -> None:
        self.space, self.about, self.size = space, about, size
        self.pluto = about["program"] == "pluto"
        self.end = End(space.name, about["root"], about["given"], ["/var/lib/ipsec" if self.pluto else "/etc/swanctl"])
        space.enter()
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.IPPROTO_IP, 10, 2)  # IP_MTU_DISCOVER, IP_PMTUDISC_DO: DF
        self.socket.bind((address, 0))
        self.inbox = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.inbox.setsockopt(socket.SOL_SOCKET, 33, 4 << 20)  # SO_RCVBUFFORCE: nothing is lost here
        self.inbox.bind((address, PORT))
        self.inbox.setblocking(False)
        self.far = (far, PORT)
        self.watch = leaving_in_clear()
        self.refused: dict[int, int] = {}  # number of a packet -> errno
        self.arrived = bytearray(size)
        self.odd = 0  # packets of another length, or of no number that was sent
        self.before: dict[str, int] = {}
        self.rss = 0

    def start(self) -> None:
        if not self.pluto:
            self.end.must("cp -r /run/given/swanctl/. /etc/swanctl/")
            self.end.must("export STRONGSWAN_CONF=/run/given/strongswan.conf")
            self.end.must("charon-systemd >/run/out.log 2>&1 & sleep 0.1")
            self.end.until("swanctl --stats", "uptime")
            self.end.must("swanctl --load-all --noprompt")
            return
        self.end.must("mkdir -p /var/lib/ipsec/nss /run/pluto; : >/run/none.conf")
        database = "sql:/var/lib/ipsec/nss"
        self.end.must(f"certutil -N -d {database} --empty-password")
        self.end.must(f"pk12util -i /run/given/far-end.p12 -d {database} -w /run/given/passphrase")
        self.end.must(f"certutil -M -d {database} -n ipsecplan -t CT,,")
        self.end.must("ipsec pluto --config /run/none.conf --nofork --logfile /run/log & sleep 0.1")
        self.end.until("ipsec whack --status && echo answers", "answers")
        self.end.must("ipsec whack --listen")
        for conn in self.about["conns"]:
            said = self.end(f"ipsec addconn --config /run/given/libreswan.conf {conn}")[1]
            if "added IKEv2 connection" not in said:
                raise RuntimeError(said)

    def send(self, number: int, payload: bytearray) -> None:
        struct.pack_into("!Q", payload, 0, number)
        try:
            self.socket.sendto(payload, self.far)
        except OSError as error:
            self.refused[number] = error.errno or 0

    def receive(self, length: int, head: bytearray) -> None:
        try:
            for _ in range(8):
                got = self.inbox.recv_into(head, 8, socket.MSG_TRUNC)
                (number,) = struct.unpack("!Q", head)
                if got == length and number < self.size:
                    self.arrived[number] += 1
                else:
                    self.odd += 1
        except BlockingIOError:
            return

    def counters(self) -> dict[str, int]:
        """Return XFRM's error counters of this end, and packets that no room was left for in our socket."""
        self.space.enter()
        udp = [line.split() for line in Path("/proc/self/net/snmp").read_text().splitlines() if line[:4] == "Udp:"]
        named = dict(zip(udp[0], udp[1]))  # noqa: B905  any Python 3
        return {**errors(), "RcvbufErrors": int(named["RcvbufErrors"])}

    def memory(self) -> int:
        """Return how much memory the daemon has, in KiB."""
        name = "pluto" if self.pluto else "charon-systemd"
        found = re.search(r"VmRSS:\s+(\d+)", self.end(f"cat /proc/$(pidof {name})/status")[1])
        return int(found[1]) if found else 0

    def clear(self) -> int:
        """Return how many overlay packets left in clear since this was asked last."""
        packets, _ = struct.unpack("II", self.watch.getsockopt(263, 6, 8))  # SOL_PACKET, PACKET_STATISTICS
        return int(packets)

    def log(self) -> list[tuple[float, str]]:
        """Return the log, each line with its time (seconds since the epoch; the times are UTC's)."""
        found = []
        for line in self.end.must("cat /run/log").splitlines():
            stamp, _, text = line.partition(" ")
            if self.pluto:
                stamp, text = line[:22], line[22:].lstrip(": ")
            try:
                found.append((pluto_time(stamp) if self.pluto else float(stamp), text.strip()))
            except ValueError:
                continue  # the second line of a message
        return found

    def close(self) -> None:
        for each in (self.socket, self.inbox, self.watch, self.end):
            each.close()


def pluto_time(stamp: str) -> float:
    """`Nov 30 19:17:32.123456`, without a year."""
    at = datetime.strptime(f"{time.gmtime().tm_year} {stamp}", "%Y %b %d %H:%M:%S.%f")
    return at.replace(tzinfo=UTC).timestamp()


def leaving_in_clear() -> socket.socket:
    """A socket in this namespace that counts packets for the overlay's port which leave eth0 without ESP."""
    steps = [  # BPF over the IP header: leaves here, is UDP, is for our port
        *((0x28, 0, 0, 0xFFFFF004), (0x15, 0, 6, 4), (0x30, 0, 0, 9), (0x15, 0, 4, 17)),
        *((0xB1, 0, 0, 0), (0x48, 0, 0, 2), (0x15, 0, 1, PORT), (0x06, 0, 0, 64), (0x06, 0, 0, 0)),
    ]
    code = b"".join(struct.pack("HBBI", *step) for step in steps)
    buffer = w.ctypes.create_string_buffer(code)
    found = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
    found.setsockopt(socket.SOL_SOCKET, 26, struct.pack("HL", len(steps), w.ctypes.addressof(buffer)))
    found.bind(("eth0", 3))
    return found


class Pair:
    """Two ends on one cable."""

    def __init__(self, about: dict[str, Any], number: int, size: int) -> None:
        self.about = about
        spaces = [w.Space(f"p{number}{name}") for name in "ab"]
        spaces[0].ip(f"link add eth0 type veth peer name eth0 netns {spaces[1].name}")
        for space, address in zip(spaces, about["addresses"]):  # noqa: B905
            space.ip("link set lo up", "link set eth0 up", f"address add {address}/24 dev eth0")
        one, other = about["addresses"]
        self.a = Side(spaces[0], about["ends"][0], one, other, size)
        self.b = Side(spaces[1], about["ends"][1], other, one, size)
        self.sides = (self.a, self.b)

    def start(self) -> None:
        for side in self.sides:
            for _ in range(CLEAR // 2):
                side.socket.sendto(b"planted", side.far)
        time.sleep(0.5)  # the other end's hardware address is asked for first
        self.planted = sum(side.clear() for side in self.sides)
        for side in self.sides:
            side.receive(0, bytearray(8))
            side.odd = 0
            side.start()
        for child in self.about["children"]:
            self.a.end.must(f"timeout 60 swanctl --initiate --child {child}")
        for side in self.sides:
            for conn in side.about.get("conns", ()):
                side.end.must(f"ipsec route {conn}")
            if not side.pluto:
                side.end.must("cp /run/given/start-trap.conf /etc/swanctl/conf.d/ipsecplan-start.conf")
                side.end.must("swanctl --load-conns")

    def begin(self) -> None:
        for side in self.sides:
            side.clear()
            side.before, side.rss = side.counters(), side.memory()
        self.began = time.time()

    def row(self, times: array[float]) -> dict[str, Any]:
        """Return what came of it."""
        logs = [side.log() for side in self.sides]
        ways = {}
        for name, side, far in (("a to b", self.a, self.b), ("b to a", self.b, self.a)):
            sent = len(times)
            missing = [n for n in range(sent) if not far.arrived[n]]
            lost = [n for n in missing if n not in side.refused]
            ways[name] = {
                "sent": sent - len(side.refused),
                "refused": dict(Counter(errno.errorcode.get(code, str(code)) for code in side.refused.values())),
                "lost": len(lost),
                "twice": sum(n > 1 for n in far.arrived[:sent]),
                "odd": far.odd,
                "gaps": [self._gap(part, side, times, logs) for part in together(missing)[:MOST_GAPS]],
            }
        ends = {}
        for name, side, log in zip("ab", self.sides, logs):  # noqa: B905
            after = side.counters()
            ends[name] = {
                **self._rekeys(side, [text for at, text in log if at >= self.began]),
                "counters": {key: n - side.before[key] for key, n in after.items() if n - side.before[key]},
                "rss": [side.rss, side.memory()],
                "states": len(re.findall(r"^src ", side.end.must("ip xfrm state"), re.M)),
                "clear": side.clear(),
                "version": side.end.must("ipsec --version" if side.pluto else "swanctl --version")
                .strip()
                .splitlines()[0],
            }
        seconds = round(times[-1] - times[0]) if times else 0
        return {"pair": self.about["pair"], "kind": self.about["kind"], "seconds": seconds, "planted": self.planted} | {
            "ways": ways,
            "ends": ends,
        }

    def _gap(self, numbers: list[int], side: Side, times: array[float], logs: list[list[tuple[float, str]]]) -> Gap:
        first, last = times[numbers[0]], times[numbers[-1]]
        said = [
            f"{at - first:+.3f} {name}: {text}"
            for name, log in zip("ab", logs)  # noqa: B905
            for at, text in log
            if first - NEAR_S <= at <= last + NEAR_S and WORDS.search(text)
        ]
        refused = Counter(errno.errorcode.get(side.refused[n], "?") for n in numbers if n in side.refused)
        return {
            "at": round(first - times[0], 2),
            "for": round(last - first + 0.01, 2),
            "lost": sum(n not in side.refused for n in numbers),
            "refused": dict(refused),
            "slow": slow(times, numbers[0]),
            "said": sorted(said, key=lambda line: float(line.split()[0]))[:MOST_LINES],
        }

    def _rekeys(self, side: Side, log: list[str]) -> dict[str, Any]:
        def count(pattern: str) -> int:
            return sum(bool(re.search(pattern, text)) for text in log)

        if side.pluto:
            return {
                "begun": count(r"initiating .*rekey"),
                "new": count(r"(?:initiator|responder) rekeyed Child SA"),
                "failed": count(r"NO_PROPOSAL|TEMPORARY|expired|fail|unexpected|ignor|retransmi"),
            }
        return {
            "begun": count(r"establishing CHILD_SA"),
            "new": len({spi for text in log for spi in re.findall(r"SPIs ([0-9a-f]{8})_i", text)}),
            "collisions": count(r"collision"),
            "ignored": count(r"ignoring request with ID"),
            "sent again": count(r"retransmit \d+ of request"),
            "failed": count(r"rekeying failed|NO_PROPOSAL_CHOSEN|TEMPORARY_FAILURE|CHILD_SA_NOT_FOUND"),
            "expired": count(r"closing expired CHILD_SA|closing CHILD_SA .* after .*expire"),
        }


def slow(times: array[float], number: int) -> bool:
    """Tell whether this program had less than half of its turns in the 20 s before a packet: so had the daemons."""
    span = min(20.0, times[number] - times[0])
    had = sum(at >= times[number] - span for at in times[max(number - 20 * RATE, 0) : number])
    return had < span * RATE / 2


def together(numbers: list[int], near: int = 100) -> list[list[int]]:
    """Return numbers in order as lists without a step of more than ``near``."""
    found: list[list[int]] = []
    for n in numbers:
        if found and n - found[-1][-1] <= near:
            found[-1].append(n)
        else:
            found.append([n])
    return found


def traffic(pairs: list[Pair], job: dict[str, Any]) -> array[float]:
    """Send a packet from each end each turn; return when each turn was."""
    payload, head = bytearray(job["payload"]), bytearray(8)
    sides = [(pair, side, far) for pair in pairs for side, far in (pair.sides, pair.sides[::-1])]
    pause, times, said = 1 / job["rate"], array("d"), 0.0
    until = time.monotonic() + job["seconds"]
    turn = time.monotonic()
    for number in itertools.count():
        now = time.monotonic()
        if now >= until:
            break
        times.append(time.time())
        for _, side, far in sides:
            side.send(number, payload)
            far.receive(len(payload), head)
        if now - said > 60:
            said = now
            refused = sum(len(side.refused) for _, side, _ in sides)
            print(f"AT {now - until + job['seconds']:.0f} s: {number} turns, {refused} refused", flush=True)
        turn = max(turn + pause, time.monotonic() - 0.5)  # what was late for more than that is not made up for
        time.sleep(max(turn - time.monotonic(), 0))
    time.sleep(2)
    for _, side, _ in sides:
        for _ in range(40):
            side.receive(len(payload), head)
    return times


def too_large(pairs: list[Pair], length: int) -> list[str]:
    """Return what one byte more says in each direction."""
    found = []
    for side in (side for pair in pairs for side in pair.sides):
        try:
            side.socket.sendto(bytes(length + 1), side.far)
            found.append("sent")
        except OSError as error:
            found.append(errno.errorcode.get(error.errno or 0, str(error.errno)))
    return found


def main() -> None:
    """Do every job of a file."""
    jobs = json.loads(Path(sys.argv[1]).read_text())
    for job in jobs:
        size = int(job["seconds"] * job["rate"] * 1.1) + 1000
        pairs: list[Pair] = []
        try:
            for number, about in enumerate(job["pairs"]):
                pairs.append(Pair(about, number, size))
                pairs[-1].start()
                print(f"UP {about['pair']} {time.monotonic():.0f}", flush=True)
            for pair in pairs:
                pair.begin()
            print("LARGER", too_large(pairs, job["payload"]), flush=True)
            times = traffic(pairs, job)
            larger = too_large(pairs, job["payload"])
            for number, pair in enumerate(pairs):
                about = {"kernel": os.uname().release, "larger": larger[2 * number : 2 * number + 2]}
                print("ROW " + json.dumps({**pair.row(times), **about}), flush=True)
        except (RuntimeError, TimeoutError, OSError) as error:
            print("ROW " + json.dumps({"failed": f"{type(error).__name__}: {error}"[:3000]}), flush=True)
            for side in (side for pair in pairs[-1:] for side in pair.sides):
                print(side.end("tail -n 30 /run/log /run/out.log", 20)[1], flush=True)
        finally:
            for pair in pairs:
                for side in pair.sides:
                    side.close()
    print(f"END {len(jobs)}", flush=True)


if __name__ == "__main__":
    main()
