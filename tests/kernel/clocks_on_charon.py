"""One end of a pair in a guest of its own, whose clock is set back or forth: what charon, the kernel and our agent say.

The other end is in another guest with a clock of its own; a Unix socket joins them. A job has this end's files, how
many seconds its clock goes (``step``), and whether it asks for the SAs. Then, in seconds after both SAs are there: the
clock is set at STEP_S and right again at RIGHT_S, what our hint says is done at REPAIR_S, the end is at END_S. Every
look is a ROW.
"""

from __future__ import annotations

import json
import socket
import struct
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from netplan.agent.phases import ike, live_sas
from netplan.agent.system import vici
from tests.kernel import wire
from tests.kernel.rekey_on_charon import End, main, run

STEP_S, RIGHT_S, REPAIR_S, END_S = 5, 200, 300, 390
LOOK_S, PAUSE_S = 5, 0.05


class Packets:
    """Numbered packets to the other end, and those that came from it."""

    def __init__(self, near: str, far: str) -> None:
        self.out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.out.bind((near, 0))
        self.inbox = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.inbox.bind((near, 4789))
        self.inbox.setblocking(False)
        self.far = (far, 4789)
        self.sent = self.refused = 0
        self.came: set[int] = set()

    def turn(self) -> None:
        try:
            self.out.sendto(struct.pack("!Q", self.sent), self.far)
        except OSError:
            self.refused += 1
        self.sent += 1
        try:
            while True:
                self.came.add(struct.unpack("!Q", self.inbox.recv(64))[0])
        except BlockingIOError:
            return

    def counts(self) -> dict[str, int]:
        """Return what was sent and refused here, and what is missing between the numbers that came."""
        missing = max(self.came) - min(self.came) + 1 - len(self.came) if self.came else 0
        return {"sent": self.sent, "refused": self.refused, "came": len(self.came), "lost": missing}


def children(end: End) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for _, sa in end.sas():
        for child in sa["child-sas"].values():
            if child["state"] == "INSTALLED":
                times = {key: vici.seconds(child.get(key)) for key in ("rekey-time", "life-time")}
                found.setdefault(child["name"], []).append({"spi": child["spi-in"], **times})
    return found


def together(end: End, asks: bool, pair: str, names: list[str]) -> None:
    """Have both children up."""
    until = time.monotonic() + 180
    while time.monotonic() < until:
        if set(children(end)) >= set(names):
            return
        try:
            for name in names if asks else ():
                if name not in children(end):
                    end.call("initiate", ike=pair, child=name, timeout=8000)
        except Exception as error:  # noqa: BLE001  the other guest may not be there yet
            print("AGAIN", error, flush=True)
        time.sleep(1)
    raise RuntimeError(f"no SAs: {end.log[-1500:]}")


def act(job: dict[str, Any]) -> None:
    space = wire.Space("end")
    run("ip", "link", "set", "vec0", "netns", "end")
    space.ip("link set lo up", f"address add {job['address']}/24 dev vec0", "link set vec0 up")
    space.enter()
    end = End("end", job["root"], job)
    end.load(job["conf"])
    vici.SOCKETS = (str(end.home / "run/charon.vici"),)
    node = job["node"]
    (peer,) = node["peers"]
    together(end, job["asks"], peer["pair"], peer["children"])
    began, right = time.monotonic(), time.time() - time.monotonic()
    packets = Packets(job["address"], peer["address"])
    done: set[str] = set()
    look = began

    def at(what: str, seconds: float) -> bool:
        """Tell, once, that the time for something has come."""
        if what in done or time.monotonic() < began + seconds:
            return False
        done.add(what)
        return True

    def set_clock(step: float) -> None:
        time.clock_settime(time.CLOCK_REALTIME, right + time.monotonic() + step)

    print("ROW", json.dumps({"at": -1, "clock": 0, "children": children(end), "said": []}), flush=True)
    while time.monotonic() < began + END_S:
        packets.turn()
        if at("step", STEP_S) and job["step"]:
            set_clock(job["step"])
        if at("right", RIGHT_S) and job["step"]:
            set_clock(0)
        if at("repair", REPAIR_S):
            for name, sas in children(end).items():
                if any((sa["rekey-time"] or 0) < 0 for sa in sas):  # as the hint says
                    end.call("rekey", child=name)
        if time.monotonic() >= look:
            look += LOOK_S
            rows = live_sas.overdue(node, ike.child_sas(node)) + live_sas.unlike_the_kernel(node)
            row = {
                "at": round(time.monotonic() - began, 1),
                "clock": round(time.time() - time.monotonic() - right),
                "children": children(end),
                "said": [(found["code"], found["message"], found["hint"]) for found in rows],
            }
            print("ROW", json.dumps({**row, **packets.counts()}), flush=True)
        time.sleep(PAUSE_S)
    words = ("rekey", "expire", "collision", "retransmit", "NO_PROP")
    log = [line for line in end.log.splitlines() if any(word in line for word in words)]
    print("ROW", json.dumps({"log": log[-60:]}), flush=True)
    end.process.terminate()


if __name__ == "__main__":
    main(sys.argv[1], act)
