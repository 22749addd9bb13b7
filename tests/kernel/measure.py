"""Measures jobs: for each, the largest packet that gets through, found by sending packets and nothing else.

    python3 measure.py JOBS.json        one line "ROW {json}" a job on stdout, "END n" at the end

A job is what :mod:`jobs` writes. The line has ``inner`` and ``link`` (bytes used of the link MTU) as measured, or
``missing`` with the kernel's complaint when it has no such device or algorithm.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import wire as w
from wireguard import set_device

Job = dict[str, Any]


class Bench:
    """The wire with whatever the last job put on it."""

    def __init__(self) -> None:
        self.wire = w.Wire()
        self._device = ""

    def prepare(self, job: Job) -> None:
        device = json.dumps(job["device"])
        if device != self._device:
            self._device = ""
            self._build(job["device"])
            self._device = device
        self._protect(job)

    def _build(self, device: Job | None) -> None:
        """Make the device ``over`` at both ends, or none."""
        for me, space in enumerate(self.wire.spaces):
            space.try_ip("link del over")
            space.ip(*self.wire.plain_routes(me))
        if not device:
            return
        family = device["family"]
        for me, space in enumerate(self.wire.spaces):
            you = 1 - me
            fill = {"local": w.LINK[family][me], "remote": w.LINK[family][you], "mac": w.MAC[you]}
            fill |= {"here": w.BEHIND[family][me], "behind": w.BEHIND[family][you]}
            if device["sysctl"]:
                space.sysctl(*device["sysctl"])
            space.try_ip(*device["once"])
            space.one_by_one(*(line.format(**fill) for line in device["before"]))
            if not device["link"]:
                continue
            over = "tagged" if device["tags"] else "over"
            address = f"address {w.INNER_MAC[me]} " if device["ether"] else ""
            space.ip(
                f"link add over {address}{device['link'].format(**fill)}",
                *(line.format(**fill) for line in device["after"]),
                *([f"link set over mtu {device['mtu']}"] if device["mtu"] else []),
                "link set over up",
                *(["link add link over name tagged type vlan id 7", "link set tagged up"] if device["tags"] else []),
                *(f"addr add {w.INSIDE[f][me]}/{w.NET[f]} dev {over}{' nodad' if f == 6 else ''}" for f in w.FAMILY),
            )
            if "macsec" in device["link"]:
                space.ip(
                    *(f"neigh replace {w.INSIDE[f][you]} dev over lladdr {w.MAC[you]} nud permanent" for f in w.FAMILY)
                )
            if device["wireguard"]:
                self.wire.within(me, lambda: set_device("over", me, w.WIREGUARD, w.LINK[family][you]))  # noqa: B023
        if device["tlv"]:
            ends = w.LINK[family]
            name = self.wire.a.name
            action = f"action tunnel_key set src_ip {ends[0]} dst_ip {ends[1]} id 42 dst_port 6081"
            w.run(["tc", "-n", name, "qdisc", "add", "dev", "over", "clsact"])
            w.run(f"tc -n {name} filter add dev over egress matchall {action} geneve_opts {device['tlv']}".split())

    def _protect(self, job: Job) -> None:
        """Put the states and policies of a job into both ends; the first template is the innermost transform."""
        out, into = ["xfrm state flush", "xfrm policy flush"], ["xfrm state flush", "xfrm policy flush"]
        source, target = w.LINK[job["outer"]]
        family, place, extra = job["select"]
        if job["protect"]:
            ends = w.BEHIND[family] if place == "behind" else w.LINK[family]
            selector = f"src {ends[0]}/{w.FULL[family]} dst {ends[1]}/{w.FULL[family]}"
            if extra:
                ends = w.INSIDE[family]
                selector = f"src {ends[0]}/{w.FULL[family]} dst {ends[1]}/{w.FULL[family]}"
            templates = ""
            for number, layer in enumerate(job["protect"], 1):
                mode = "tunnel" if job["tunnel"] and number == 1 else "transport"
                who = f"src {source} dst {target} proto {layer['proto']}"
                state = f"xfrm state add {who} spi {0x100 + number} reqid {number} mode {mode} {layer['args']}"
                if mode == "tunnel":
                    state += f" sel {selector}"
                out.append(state)
                into.append(state)
                templates += f" tmpl {who} reqid {number} mode {mode}"
            out.append(f"xfrm policy add {selector} dir out{extra}{templates}")
            into.append(f"xfrm policy add {selector} dir in{extra}{templates}")
        self.wire.a.ip(*out)
        self.wire.b.ip(*into)

    def probe(self, job: Job, size: int) -> w.Outcome:
        family, device = job["inner"], job["device"]
        if device and device["link"] and not device["routed"]:
            return self.wire.by_device("over", family, size, device["ether"], device["tags"])
        if device and device["wireguard"]:
            self.wire.a.ip(f"link set over mtu {size}")
        ends = {"link": w.LINK, "behind": w.BEHIND, "inside": w.INSIDE}[job["ends"]][family]
        return self.wire.by_socket(family, size, *ends)

    def surely(self, job: Job, size: int) -> w.Outcome:
        """Probe again when a packet was just not seen (a busy machine loses one now and then) or not alone.

        The kernel sends reports of its own into a tunnel at times. A refusal and a fragment are final.
        """
        for _ in range(3):
            outcome = self.probe(job, size)
            if outcome.passed or outcome.error or any(fragment for _, fragment in outcome.frames):
                break
            self.wire.forget_paths(job["outer"])
        return outcome

    def measure(self, job: Job) -> Job:
        """Return the largest packet: the one that passes while one byte more doesn't."""
        link = job["link"]
        self.wire.link_mtu(w.JUMBO)
        self.prepare(job)
        by_length = job["limit"] == "length"
        self.wire.link_mtu(w.JUMBO if by_length else link)
        self.wire.forget_paths(job["outer"])
        if job["device"] and job["device"]["wireguard"]:
            self.probe(job, link - job["reach"])  # so that the handshake is over
            time.sleep(0.5)
        best: dict[int, int] = {}
        last = None

        def fits(size: int) -> bool:
            nonlocal last
            last = self.surely(job, size)
            if by_length:
                if not last.passed:
                    raise RuntimeError(f"{size} on a jumbo link: {last}")
            elif not last.passed:
                if job["device"]:
                    self.wire.forget_paths(job["outer"])  # an oversized packet may leave a path MTU behind
                return False
            best[size] = last.frames[0][0]
            return best[size] <= link

        low = link - job["reach"]
        if not fits(low) and not fits(low):  # the first packet may meet what the stack before left
            raise RuntimeError(f"not even {low} passes: {last}")
        high = link + 1
        while high - low > 1:
            middle = (low + high) // 2
            if fits(middle):
                low = middle
            else:
                high = middle
        # what was refused may have met a path MTU that an earlier packet left behind a moment too late: ask once more
        self.wire.forget_paths(job["outer"])
        while low < link and fits(low + 1):
            low += 1
        return {"inner": low, "link": best[low]}


def main(path: str) -> None:
    jobs = json.loads(Path(path).read_text())
    bench = Bench()
    try:
        for job in jobs:
            try:
                found = bench.measure(job)
            except w.Unsupported as error:
                found = {"missing": str(error)}
                bench._device = "?"
            except (RuntimeError, OSError) as error:
                found = {"failed": f"{type(error).__name__}: {error}"}
                bench._device = "?"
            print(
                "ROW", json.dumps({"stack": job["stack"], "via": job["via"], "mtu": job["link"], **found}), flush=True
            )
    finally:
        bench.wire.close()
    print("END", len(jobs), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
