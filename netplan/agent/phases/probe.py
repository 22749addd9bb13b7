"""Proof on the wire: a probe pod made by the real CNI plugins, DF pings of N and N+1, a capture on the underlay NIC.

Only packets that leave this node count: what goes out is what the wire carries. A leak probe that can't see proves
nothing, so one plaintext packet is planted in every run, harmless because its overlay header is invalid.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Sequence

from ..protocol.limits import AGAIN_AT_ONCE, MOST_AGAIN, PEERS_AT_ONCE
from ..system import links, vici, xfrm
from ..system.core import COMMAND_S, ENV, Stop, counted, each, finding, locked, read, run
from ..system.links import underlay_device
from ..transaction import state
from . import cni_mtu, ike, overlay_mtu, trap_any

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..protocol.node_json import NodeJson, Peer
    from ..protocol.reply import PingedRow, ProbeRow, ProbeWork
    from ..protocol.request import Request
    from ..protocol.words import Json
    from ..system.capture import Capture, Packet

PLUGINS = "/opt/cni/bin:/usr/lib/cni:/usr/libexec/cni"
PREFIX = "ipsecplan-probe-"


class ProbePod:
    """A pod made by the plugins of our own conflist, and taken away by them."""

    def __init__(self, netns: str, address: str | None = None) -> None:
        self.netns, self.address = netns, address
        self.list = json.loads(read(overlay_mtu.CONFLIST) or "{}")
        if not self.list.get("plugins"):
            raise Stop(finding("IPP701", f"{overlay_mtu.CONFLIST} is missing: nothing was applied here"))

    def call(self, command: str) -> Json:
        """Run the chain of plugins once; return the last result."""
        result = None
        chain = self.list["plugins"] if command == "ADD" else list(reversed(self.list["plugins"]))
        for plugin in chain:
            program = next(
                (p + "/" + plugin["type"] for p in PLUGINS.split(":") if os.access(p + "/" + plugin["type"], os.X_OK)),
                None,
            )
            if program is None:
                raise Stop(finding("IPP701", f"the CNI plugin {plugin['type']} is not installed"))
            config = {**plugin, "name": self.list["name"], "cniVersion": self.list["cniVersion"]}
            if result:
                config["prevResult"] = result
            env = {
                "CNI_COMMAND": command,
                "CNI_CONTAINERID": self.netns,
                "CNI_NETNS": "/run/netns/" + self.netns,
                "CNI_IFNAME": "eth0",
                "CNI_PATH": PLUGINS,
                "CNI_ARGS": "IgnoreUnknown=1" + (";IP=" + self.address if self.address else ""),
            }
            done = run(program, stdin=json.dumps(config).encode(), env=env)
            if done.code != 0 and command == "ADD":
                said = done.out or done.said
                with contextlib.suppress(ValueError):
                    said = json.loads(done.out).get("msg", said)
                raise Stop(finding("IPP701", f"the CNI plugin {plugin['type']} made no probe pod: {said[:200]}"))
            if command == "ADD":
                result = json.loads(done.out)
        return result or {}

    def add(self) -> None:
        """Make the pod."""
        run("ip", "netns", "add", self.netns)
        self.call("ADD")

    def remove(self) -> None:
        """Take the pod away."""
        self.call("DEL")
        run("ip", "netns", "delete", self.netns)


REPLACED = frozenset(("XfrmOutNoStates", "XfrmInNoStates"))  # what rises when a peer replaces its SAs


def _addresses_of_pods(bridge: str | None) -> set[str]:
    """Return the addresses that running pods hold: another network's allocator may not know of ours."""
    found = set()
    for pod in links.pods(bridge)[0]:
        found.update(re.findall(r"inet6? ([0-9a-f.:]+)/", run(*pod.enter, "ip", "addr", "show", "dev", pod.device).out))
    return found


def _make_pod(node: NodeJson, nonce: str) -> ProbePod:
    """Make the probe pod at an address that no pod has: another network's allocator may not know of ours."""
    taken = _addresses_of_pods(node["overlay"]["bridge"])
    subnet = ipaddress.ip_network(node["overlay"]["pod_cidr"] or "")
    free = (str(subnet[-2 - n]) for n in range(min(subnet.num_addresses - 4, 250)))
    address = next((a for a in free if a not in taken), None)
    if address is None:
        raise Stop(finding("IPP701", "no free pod address for the probe"))
    pod = ProbePod(PREFIX + nonce, address)
    try:
        pod.add()
    except BaseException:
        pod.remove()
        raise
    return pod


def _clean() -> None:
    """Take away what an interrupted probe left."""
    for name in os.listdir("/run/netns") if os.path.isdir("/run/netns") else ():
        if name.startswith(PREFIX):
            with contextlib.suppress(Stop):
                ProbePod(name).remove()


class Flow:
    """A ping every 0.2 s to a peer's overlay address while the measurement runs."""

    def __init__(self, pod: Sequence[str], address: str) -> None:
        self.process = subprocess.Popen(
            [*pod, "ping", "-n", "-i", "0.2", "-w", "120", address],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
            env=ENV,
        )

    def end(self) -> tuple[int, int]:
        """Return how many were sent, and how many were lost in a row at most; the last one may be on its way."""
        self.process.send_signal(signal.SIGINT)
        text = self.process.communicate(timeout=COMMAND_S)[0].decode("utf-8", "replace")
        sent = int((re.search(r"(\d+) packets transmitted", text) or [0, 0])[1])
        seen = sorted({int(n) for n in re.findall(r"icmp_seq=(\d+) ttl", text)})
        ends = [0, *seen, max(sent, *seen, 1) if seen else sent + 1]
        gaps = [ends[n + 1] - ends[n] - 1 for n in range(len(ends) - 1)]
        return sent, max(0, *gaps)


def _one_peer(pod: Sequence[str], node: NodeJson, peer: Peer) -> PingedRow:
    if peer.get("network"):
        return _between_hosts(peer)
    address = cni_mtu.target(node, peer)
    if address is None:
        return _sizes(pod, node, peer)
    flow = Flow(pod, address)
    try:
        row = _sizes(pod, node, peer)
    finally:
        sent, gap = flow.end()
    return {**row, "flow_sent": sent, "flow_gap": gap}


def _sizes(pod: Sequence[str], node: NodeJson, peer: Peer) -> PingedRow:
    row = _overlay_of(pod, node, peer)
    if "host_mtu" in peer:  # the hosts themselves
        host = _between_hosts(peer, count=2)
        row["host"] = {"passes": host["passes"], "said": host["said"], "refused": host["refused"]}
    return row


def _between_hosts(peer: Peer, count: int = 3) -> PingedRow:
    """Send ``count`` full packets between the hosts, and one byte more only where the kernel refuses it.

    On a network there are no others: enough of them, so that the capture has some.
    """
    answers, refused_n, said = links.ping((), peer["address"], peer["host_mtu"], count, 4)
    row: PingedRow = {
        "passes": answers > 0 and not refused_n,
        "said": said,
        "refused": False,
        "over_answers": 0,
        "said_over": "",
    }
    if "host_over" in peer:
        more, refused, said_over = links.ping((), peer["address"], peer["host_over"], 1, 1)
        row.update({"refused": refused and more == 0, "over_answers": more, "said_over": said_over})
    return row


def _overlay_of(pod: Sequence[str], node: NodeJson, peer: Peer) -> PingedRow:
    address = cni_mtu.target(node, peer)
    if address is None:
        said = f"{cni_mtu.made_by(node)} has no route to pods of {peer['name']}: set its host variable overlay_address"
        return {"passes": False, "said": said, "refused": False, "over_answers": 0, "said_over": said}
    count, refused_n, said = links.ping(pod, address, peer["inner_mtu"], 3, 4)
    more, refused, said_more = links.ping(pod, address, peer["inner_mtu"] + 1, 1, 1)
    return {
        "passes": count > 0 and not refused_n,
        "said": said,
        "refused": refused and more == 0,
        "over_answers": more,
        "said_over": said_more,
    }


def probe(request: Request) -> ProbeWork:
    """Phase ``probe``: measure every peer from this node; returns the rows, judged by the controller.

    One at a time: two would take away each other's pod, and count each other's packets. Waits for a measurement
    that is under way.
    """
    busy = finding("IPP602", "another measurement is under way on this node", "measure again when it has ended")
    patience = max(request["patience"], request["timer"] // 2)
    with locked(state.RUN + "/measuring", patience, busy):
        return _alone(request["node"], request["nonce"])


def _alone(node: NodeJson, nonce: str) -> ProbeWork:
    _clean()
    if cni_mtu.made_by(node):  # only its own runtime can add pods to it, so the host itself sends into its device
        return _measure(node, nonce, ())
    pod = _make_pod(node, nonce)
    try:
        return _measure(node, nonce, ("nsenter", "--net=/run/netns/" + pod.netns))
    finally:
        pod.remove()


def _by_destination(captures: Sequence[Capture]) -> dict[str, list[Packet]]:
    """End captures; return the packets to each address, so that many peers do not each look at all of them."""
    found: dict[str, list[Packet]] = {}
    for capture in captures:
        for packet in capture.stop():
            found.setdefault(packet.destination, []).append(packet)
    return found


def _measure(node: NodeJson, nonce: str, enter: Sequence[str]) -> ProbeWork:
    """Measure all peers; a second time where a peer replaced its SAs meanwhile, as one does that was started again.

    It is the first packet to such a peer that finds no SA; a fault shows in the second measurement, too. One that saw
    clear packets stands.
    """
    peers = node["peers"]
    trap_any.trigger_sas(node, lambda peer: links.ping(enter, cni_mtu.target(node, peer) or peer["address"], 500, 2, 2))
    rows, rising = _once(node, nonce, enter)
    if rising and REPLACED.issuperset(rising) and not any(row["plaintext"] for row in rows):
        rows, rising = _once(node, nonce, enter)
    return {
        "changed": False,
        "rows": rows,
        "family": 6 if ":" in node["underlay"]["address"] else 4,
        "xfrm": rising,
        "detail": f"{counted(len(peers), 'peer')} measured",
    }


def _once(node: NodeJson, nonce: str, enter: Sequence[str]) -> tuple[list[ProbeRow], dict[str, int]]:
    """Return a row for each peer, and what rose; those of whom a busy node missed something are measured once more."""
    peers, errors = node["peers"], xfrm.errors()
    rows = _rows(node, peers, nonce, enter, PEERS_AT_ONCE)
    left = [n for n, row in enumerate(rows) if _missed(row)]
    if 0 < len(left) <= MOST_AGAIN:
        again = _rows(node, [peers[n] for n in left], nonce, enter, AGAIN_AT_ONCE)
        for n, row in zip(left, again):  # noqa: B905  needs Python 3.10
            rows[n] = row
    return rows, {name: n - errors.get(name, 0) for name, n in xfrm.errors().items() if n > errors.get(name, 0)}


def _missed(row: ProbeRow) -> bool:
    """Tell whether packets were answered that the capture has not: nothing was sent wrong, something was not seen.

    Packets in clear, fragments and refusals are no such case: they stay as they were measured.
    """
    if not row["passes"] or row["plaintext"] or row["fragments"]:
        return False
    unseen = not row["esp_full"] or row["planted_seen"] < row["planted"]
    return unseen or row.get("flow_sent", 1) == 0


def _rows(node: NodeJson, peers: list[Peer], nonce: str, enter: Sequence[str], at_once: int) -> list[ProbeRow]:
    from ..system.capture import Capture, allowed, plant

    routes = {peer["pair"]: underlay_device(peer["address"]) for peer in peers}
    port = node["overlay"]["port"]
    with contextlib.ExitStack() as stack:
        kind = "rest" if xfrm.hosts(node) else "clear"
        clear = [stack.enter_context(Capture(dev, kind, port)) for dev in {d for d, _ in routes.values()}]
        crypt = [stack.enter_context(Capture(dev, "esp", port)) for dev in {d for d, _ in routes.values()}]
        pinged: list[PingedRow] = each(lambda peer: _one_peer(enter, node, peer), peers, at_once)
        planted = {}
        for peer in peers:
            device, hop = routes[peer["pair"]]
            planted[peer["pair"]] = plant(node, peer, device, hop, nonce)
        time.sleep(0.3)
        clear_packets, esp_packets = _by_destination(clear), _by_destination(crypt)
    sas = ike.child_sas(node)
    rows: list[ProbeRow] = []
    for peer, row in zip(peers, pinged):  # noqa: B905  needs Python 3.10
        mine, sent = clear_packets.get(peer["address"], []), esp_packets.get(peer["address"], [])
        if xfrm.hosts(node):
            mine = [p for p in mine if p.planted or not allowed(p, node["clear"])]
        lengths = [p.length for p in sent]
        children = [child for name in peer["children"] for child in sas[(peer["pair"], name)]]
        rows.append(
            {
                "peer": peer["id"],
                "network": peer.get("network", ""),
                "n": peer["inner_mtu"],
                **row,
                "esp": len(lengths),
                "esp_full": lengths.count(peer["outer_packet"]),
                "outer": max(lengths, default=0),
                "outer_planned": peer["outer_packet"],
                "fragments": sum(p.fragment for p in sent),
                "plaintext": sum(not p.planted for p in mine),
                "planted": planted[peer["pair"]],
                "planted_seen": sum(p.planted == nonce for p in mine),
                "algorithms": sorted({vici.algorithm(child) for child in children}),
                "unlike": sorted(
                    {
                        w
                        for name in peer["children"]
                        for child in sas[(peer["pair"], name)]
                        if (w := ike.wrong_with(node, peer, name, child))
                    }
                ),
                "modes": sorted({child.get("mode", "") for child in children}),
            }
        )
    return rows
