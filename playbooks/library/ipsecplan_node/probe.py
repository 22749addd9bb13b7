"""Proof on the wire: a probe pod made by the real CNI plugins, DF pings of N and N+1, a capture on the underlay NIC.

Only packets that leave this node count: what goes out is what the wire carries. A leak probe that can't see proves
nothing, so one plaintext packet is planted in every run, harmless because its overlay header is invalid.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from concurrent.futures import ThreadPoolExecutor

from . import ike, mtu
from .capture import Capture, plant
from .core import Stop, finding, read, run

PLUGINS = "/opt/cni/bin:/usr/lib/cni:/usr/libexec/cni"
CONFLIST = "/etc/cni/net.d/10-ipsecplan.conflist"
PREFIX = "ipsecplan-probe-"


class ProbePod:
    """A pod made by the plugins of our own conflist, and taken away by them."""

    def __init__(self, netns):
        self.netns, self.addresses = netns, []
        self.list = json.loads(read(CONFLIST) or "{}")
        if not self.list.get("plugins"):
            raise Stop(finding("IPP701", "%s is missing: nothing was applied here" % CONFLIST))

    def call(self, command):
        """Run the chain of plugins once; return the last result."""
        result = None
        chain = self.list["plugins"] if command == "ADD" else list(reversed(self.list["plugins"]))
        for plugin in chain:
            program = next((p + "/" + plugin["type"] for p in PLUGINS.split(":")
                            if os.access(p + "/" + plugin["type"], os.X_OK)), None)  # fmt: skip
            if program is None:
                raise Stop(finding("IPP701", "the CNI plugin %s is not installed" % plugin["type"]))
            config = {**plugin, "name": self.list["name"], "cniVersion": self.list["cniVersion"]}
            if result:
                config["prevResult"] = result
            env = {
                "CNI_COMMAND": command, "CNI_CONTAINERID": self.netns, "CNI_NETNS": "/run/netns/" + self.netns,
                "CNI_IFNAME": "eth0", "CNI_PATH": PLUGINS,
            }  # fmt: skip
            done = run(program, stdin=json.dumps(config).encode(), env=env, timeout=30)
            if done.code != 0 and command == "ADD":
                said = done.out
                with contextlib.suppress(ValueError):
                    said = json.loads(done.out).get("msg", done.out)
                raise Stop(finding("IPP701", "the CNI plugin %s made no probe pod: %s" % (plugin["type"], said[:200])))
            if command == "ADD":
                result = json.loads(done.out)
        return result or {}

    def add(self):
        """Make the pod."""
        run("ip", "netns", "add", self.netns)
        result = self.call("ADD")
        self.addresses = [ip["address"].split("/")[0] for ip in result.get("ips", [])]

    def remove(self):
        """Take the pod away."""
        self.call("DEL")
        run("ip", "netns", "delete", self.netns)


def _addresses_of_pods(bridge):
    """Return the addresses that running pods hold: another network's allocator may not know of ours."""
    found = set()
    for pod in mtu.pods(bridge)[0]:
        found.update(re.findall(r"inet6? ([0-9a-f.:]+)/", run(*pod.enter, "ip", "addr", "show", "dev", pod.device).out))
    return found


def _make_pod(node, nonce):
    taken = _addresses_of_pods(node["overlay"]["bridge"])
    refused = []
    try:
        for number in range(12):
            pod = ProbePod("%s%s-%d" % (PREFIX, nonce, number))
            refused.append(pod)
            pod.add()
            if not taken.intersection(pod.addresses):
                refused.remove(pod)
                return pod
    finally:
        for pod in refused:
            pod.remove()
    raise Stop(finding("IPP701", "no free pod address for the probe"))


def _clean():
    """Take away what an interrupted probe left."""
    for name in os.listdir("/run/netns") if os.path.isdir("/run/netns") else ():
        if name.startswith(PREFIX):
            with contextlib.suppress(Stop):
                ProbePod(name).remove()


def ping(prefix, address, size, count, wait):
    """Send DF pings of ``size`` bytes (whole IP packet). Return (answers, refused here, what ping said)."""
    payload = size - (48 if ":" in address else 28)
    done = run(
        *prefix, "ping", "-n", "-M", "do", "-c", str(count), "-i", "0.3", "-W", str(wait), "-s", str(payload), address,
        timeout=count + wait + 10,
    )  # fmt: skip
    received = re.search(r"(\d+) received", done.out)
    text = done.out + done.err
    refused = "too long" in text or "Frag needed" in text or "Packet too big" in text
    return int(received[1]) if received else 0, refused, done.said


def underlay_device(peer_address):
    """Return (device, gateway or peer) of the route to a peer."""
    routes = json.loads(run("ip", "-j", "route", "get", peer_address).out or "[]")
    if not routes:
        raise Stop(finding("IPP702", "no route to %s" % peer_address))
    return routes[0]["dev"], routes[0].get("gateway", peer_address)


def _one_peer(pod, peer):
    count, refused_n, said = ping(pod, peer["overlay_address"], peer["inner_mtu"], 3, 4)
    more, refused, said_more = ping(pod, peer["overlay_address"], peer["inner_mtu"] + 1, 1, 1)
    return {
        "passes": count > 0 and not refused_n, "said": said,
        "refused": refused and more == 0, "over_answers": more, "said_over": said_more,
    }  # fmt: skip


def probe(node, nonce):
    """Measure every peer from this node; returns the rows, judged by the controller."""
    _clean()
    pod = _make_pod(node, nonce)
    try:
        return _measure(node, nonce, pod)
    finally:
        pod.remove()


def _measure(node, nonce, pod):
    enter = ("nsenter", "--net=/run/netns/" + pod.netns)
    peers = node["peers"]
    routes = {peer["id"]: underlay_device(peer["address"]) for peer in peers}
    port, family = node["overlay"]["port"], 6 if ":" in node["underlay"]["address"] else 4
    with contextlib.ExitStack() as stack:
        clear = [stack.enter_context(Capture(dev, "clear", port)) for dev in {d for d, _ in routes.values()}]
        crypt = [stack.enter_context(Capture(dev, "esp", port)) for dev in {d for d, _ in routes.values()}]
        with ThreadPoolExecutor(max_workers=8) as pool:
            pinged = list(pool.map(lambda peer: _one_peer(enter, peer), peers))
        planted = {}
        for peer in peers:
            device, hop = routes[peer["id"]]
            planted[peer["id"]] = plant(node, peer, device, hop, nonce)
        time.sleep(0.3)
        clear_packets = [packet for capture in clear for packet in capture.stop()]
        esp_packets = [packet for capture in crypt for packet in capture.stop()]
    sas = ike.child_sas(node)
    rows = []
    for peer, row in zip(peers, pinged):
        mine = [p for p in clear_packets if p.destination == peer["address"]]
        lengths = [p.length for p in esp_packets if p.destination == peer["address"]]
        children = [child for name in peer["children"] for child in sas[(peer["pair"], name)]]
        rows.append(
            {
                "peer": peer["id"], "n": peer["inner_mtu"], **row,
                "esp": len(lengths), "esp_full": lengths.count(peer["outer_packet"]),
                "outer": max(lengths, default=0), "outer_planned": peer["outer_packet"],
                "fragments": sum(p.fragment for p in esp_packets if p.destination == peer["address"]),
                "plaintext": sum(not p.planted for p in mine),
                "planted": planted[peer["id"]], "planted_seen": sum(p.planted == nonce for p in mine),
                "algorithms": sorted({ike.algorithm(child) for child in children}),
                "modes": sorted({child.get("mode", "") for child in children}),
            }
        )  # fmt: skip
    return {"changed": False, "rows": rows, "family": family, "detail": "%d peers measured" % len(rows)}
