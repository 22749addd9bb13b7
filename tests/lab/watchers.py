"""What watches a lab while something changes: a ping every 20 ms, one TCP connection, a capture of clear packets."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from netplan.lab.cluster import Lab

from .pings import Pings, pinging

FLOW = """
import json, signal, socket, sys, time
if sys.argv[1] == "server":
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("0.0.0.0", 5999))
    s.listen(8)
    while True:
        c, _ = s.accept()
        while True:
            try:
                d = c.recv(65536)
                if not d:
                    break
                c.sendall(d)
            except OSError:
                break
else:
    stop = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
    while True:
        try:
            c = socket.create_connection((sys.argv[2], 5999), timeout=600)
            break
        except ConnectionRefusedError:  # the server is about to start
            time.sleep(0.2)
    n, worst, error, block = 0, 0.0, None, b"x" * 4000
    try:
        while not stop:
            t, got = time.monotonic(), 0
            c.sendall(block)
            while got < len(block):
                d = c.recv(65536)
                if not d:
                    raise OSError("closed")
                got += len(d)
            n, worst = n + got, max(worst, time.monotonic() - t)
            time.sleep(0.1)
    except OSError as e:
        error = str(e)
    open("/tmp/flow.json", "w").write(json.dumps({"bytes": n, "worst": round(worst, 2), "error": error}))
"""


@dataclass
class Seen:
    """What the watchers saw. ``clear`` are overlay packets that left n1 unencrypted, without those planted by us.

    ``pings``: lost ones are those without an answer before the last answer.
    """

    pings: Pings = field(default_factory=Pings)
    clear: int = 0
    planted: int = 0
    flow: dict[str, object] = field(default_factory=dict)

    @property
    def lost(self) -> int:
        return self.pings.lost

    def __str__(self) -> str:
        return (
            f"lost {self.lost} of {self.pings.sent} pings, {self.clear} clear packets ({self.planted} planted, seen), "
            f"TCP {self.flow}"
        )


@contextmanager
def watched(lab: Lab) -> Iterator[Seen]:
    """Watch pod traffic from n1 to n2 while the block runs; the result is filled in at its end."""
    pod = next(n.pod_address for n in lab.nodes if n.name == "n2")
    for node in ("n1", "n2"):
        lab.exec(node, ["sh", "-c", "cat >/tmp/flow.py"], stdin=FLOW, check=True)
    pods = "ip netns exec pod1"
    run = "systemd-run --quiet --collect"
    lab.exec("n2", ["sh", "-c", f"{run} --unit=d-server {pods} python3 /tmp/flow.py server"], check=True)
    script = f"""set -e
        rm -f /tmp/flow.json
        {run} --unit=d-dump -p StandardOutput=truncate:/tmp/dump.txt -p StandardError=truncate:/tmp/dump.said \
            tcpdump -l -n -p -x --immediate-mode -i eth0 -Q out udp port 4789
        {run} --unit=d-flow {pods} python3 /tmp/flow.py client {pod}
        until grep -q 'listening on' /tmp/dump.said; do sleep 0.1; done"""
    lab.exec("n1", ["sh", "-c", script], check=True)
    seen = Seen()
    try:
        with pinging(lab, {"n1": pod}) as seen.pings:
            yield seen
    finally:
        lab.exec("n1", ["systemctl", "stop", "d-dump", "d-flow"])
        lab.exec("n2", ["systemctl", "stop", "d-server"])
    dump = lab.exec("n1", ["cat", "/tmp/dump.txt"]).stdout
    packets = re.split(r"(?m)^(?=\d\d:)", dump)[1:]
    mark = b"leak probe".hex()
    words = re.compile(r"(?<= )[0-9a-f]{2,4}(?= |$)", re.MULTILINE)
    planted = [packet for packet in packets if mark in "".join(words.findall(packet))]
    seen.planted, seen.clear = len(planted), len(packets) - len(planted)
    seen.flow = json.loads(lab.exec("n1", ["cat", "/tmp/flow.json"]).stdout or "{}")
