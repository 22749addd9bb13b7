"""Network links of the node and of its pods, and pings with DF set."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence

from . import core
from .core import Stop, finding, run, run_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..protocol.words import Json


def links(prefix: Sequence[str] = (), extra: Sequence[str] = ()) -> dict[str, Json]:
    """Return name -> link (as ``ip -j link`` prints it), in this namespace or in the one ``prefix`` enters."""
    found = run_json(*prefix, "ip", "-j", "link", "show", *extra)
    return {link["ifname"]: link for link in found if link.get("ifname")}


def at(address: str) -> list[Json]:
    """Return the links that have an address, as ``ip -j addr`` prints them."""
    return [link for link in run_json("ip", "-j", "addr", "show", "to", address) if link.get("addr_info")]


def carries(link: Json, address: str) -> tuple[int, str]:
    """Return the largest packet in bytes that the kernel sends by a link, of the family of an address, and its name.

    IPv6 has an MTU of its own on each link, which a router's advertisement lowers. ``ip`` shows it on the default route
    alone, and not on the way to a neighbour (measured, Linux 6.18). The name says so where it is the smaller one.
    """
    name, mtu = str(link["ifname"]), int(link["mtu"])
    own = (core.read(f"/proc/sys/net/ipv6/conf/{name}/mtu") or "").strip() if ":" in address else ""
    return (int(own), f"IPv6 on {name}") if own.isdigit() and int(own) < mtu else (mtu, name)


def _namespaces() -> Iterator[str]:
    """Yield a path for every other network namespace: named ones first, then those of running processes."""
    seen = {os.stat("/proc/self/ns/net").st_ino}
    named = ["/run/netns/" + name for name in sorted(os.listdir("/run/netns"))] if os.path.isdir("/run/netns") else []
    running = [f"/proc/{pid}/ns/net" for pid in os.listdir("/proc") if pid.isdigit()]
    for path in named + running:
        try:
            inode = os.stat(path).st_ino
        except OSError:
            continue
        if inode not in seen:
            seen.add(inode)
            yield path


class Pod:
    """A running pod on the bridge: its namespace, its interface and the host's end of the pair."""

    def __init__(self, netns: str, device: str, mtu: int, port: str, port_mtu: int) -> None:
        self.netns, self.device, self.mtu, self.port, self.port_mtu = netns, device, mtu, port, port_mtu
        self.enter = ("nsenter", "--net=" + netns)


def pods(bridge: str | None) -> tuple[list[Pod], list[str]]:
    """Return (pods found, ports whose other end was not found): on a bridge, or behind any pair of this host.

    A pair is veth, or netkit where the network uses that (Cilium's bpf.datapathMode, Calico's linuxPodInterfaceType).
    """
    if bridge:
        ours = links(extra=("master", bridge))
    else:
        ours = {**links(extra=("type", "veth")), **links(extra=("type", "netkit"))}
    ports = {link["ifindex"]: link for link in ours.values() if "link_index" in link}
    found = []
    for netns in _namespaces():
        if not ports:
            break
        for link in links(("nsenter", "--net=" + netns)).values():
            port = ports.get(link.get("link_index"))
            if port and port["link_index"] == link["ifindex"]:
                found.append(Pod(netns, link["ifname"], link["mtu"], port["ifname"], port["mtu"]))
                del ports[port["ifindex"]]
    return found, sorted(port["ifname"] for port in ports.values())


def ping(prefix: Sequence[str], address: str, size: int, count: int, wait: int) -> tuple[int, bool, str]:
    """Send DF pings of ``size`` bytes (whole IP packet). Return (answers, refused here, what ping said)."""
    payload = size - (48 if ":" in address else 28)
    done = run(
        *prefix,
        "ping",
        "-n",
        "-M",
        "do",
        "-c",
        str(count),
        "-i",
        "0.3",
        "-W",
        str(wait),
        "-s",
        str(payload),
        address,
        timeout=count + wait + core.COMMAND_S,
    )
    received = re.search(r"(\d+) received", done.out)
    text = done.out + done.err
    refused = "too long" in text or "Frag needed" in text or "Packet too big" in text
    return int(received[1]) if received else 0, refused, done.said


def underlay_device(peer_address: str) -> tuple[str, str]:
    """Return (device, gateway or peer) of the route to a peer."""
    routes = run_json("ip", "-j", "route", "get", peer_address)
    if not routes:
        raise Stop(finding("IPP702", f"no route to {peer_address}"))
    return routes[0]["dev"], routes[0].get("gateway", peer_address)
