"""A container network that makes its own overlay: its devices and pods are read and judged, and never changed.

Its MTU was lowered by its own configuration, before anything is encrypted; here that is proven, not assumed.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from ..system import addresses, links
from ..system.core import Stop, counted, finding, run_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..protocol.node_json import NodeJson, Peer
    from ..protocol.reply import Finding, LiveMtu, PodPort, Work


def made_by(node: NodeJson) -> str:
    """Return the name of the network that makes the overlay; empty when the overlay is ours."""
    return str(node["overlay"].get("made_by") or "")


def _on_routes(prefix: Sequence[str], *selector: str) -> list[int]:
    """Return the MTUs that stand on routes."""
    found: list[int] = []
    for family in ("-4", "-6"):
        found += map(addresses.route_mtu, run_json(*prefix, "ip", "-j", family, "route", "show", *selector))
    return [mtu for mtu in found if mtu]


def sizes(node: NodeJson) -> dict[str, int | None]:
    """Return the MTU of each device of the network that pods are bound by (None: missing), from link or routes."""
    here, found = links.links(), {}
    for device in node["overlay"]["devices"]:
        name = device["name"]
        link = here.get(name, {}).get("mtu")
        on_routes = _on_routes((), "dev", name) if link and node["overlay"]["mtu_on"] == "route" else []
        found[name] = max(on_routes) if on_routes else link
    return found


def pods(node: NodeJson) -> list[PodPort]:
    """Return the running pods: the host's end of each veth, and what a pod sends at most (its default route's MTU)."""
    found: list[PodPort] = []
    for pod in links.pods(node["overlay"]["pods_on"] or None)[0]:
        routed = _on_routes(pod.enter, "default", "dev", pod.device)
        found.append({"port": pod.port, "mtu": min([*routed, pod.mtu]), "port_mtu": pod.port_mtu})
    return found


def live(node: NodeJson) -> LiveMtu:
    """Return the live MTUs, in the same form as for an overlay of ours."""
    return {"devices": sizes(node), "bridge": None, "pods": pods(node), "unknown_ports": []}


def findings(node: NodeJson) -> list[Finding]:
    """Return what is not as planned: a device that is missing or of another size, pods that send too much."""
    overlay, name, wanted = node["overlay"], made_by(node), node["mtu"]["pod"]
    wrong = _tunnel(node)
    for device, found in sizes(node).items():
        if found is None:
            wrong.append(finding("IPP638", f"{device} of {name} is missing", f"is {name} running on this node?"))
        elif found > wanted:
            text = f"{device} of {name} has MTU {found}, and under encryption {wanted} fit"
            hint = "take the steps of cluster/STEPS.md first"
            if overlay["mtu_on"] == "link":
                hint += f"; the last one here: ip link set dev {device} mtu {wanted}"
            wrong.append(finding("IPP643", text, hint))
        elif found < wanted:
            text = f"{device} of {name} has MTU {found}, the plan says {wanted}: "
            text += "verification requires exactly the planned MTU"
            wrong.append(finding("IPP643", text, "the steps of cluster/STEPS.md set it"))
    large = sorted(pod["port"] for pod in pods(node) if pod["mtu"] > wanted)
    if large:
        what = f"more than {wanted} bytes from {counted(len(large), 'running pod')}, the first at {large[0]}"
        if overlay["routed"]:
            text = f"{what}; the host tells them so, packet by packet"
            wrong.append(finding("IPP643", text, "recreate them: cluster/STEPS.md", severity="warning"))
        else:
            wrong.append(finding("IPP643", f"{what}, which the switch drops in silence", "recreate them first"))
    return wrong


def _tunnel(node: NodeJson) -> list[Finding]:
    overlay, name = node["overlay"], made_by(node)
    if not overlay["tunnel"]:
        return []
    found = run_json("ip", "-d", "-j", "link", "show", "dev", overlay["tunnel"])
    if not found:
        text = f"the tunnel device {overlay['tunnel']} of {name} is missing"
        return [finding("IPP638", text, f"is {name} running on this node, with {overlay['type']}?")]
    info = found[0].get("linkinfo", {})
    data, wrong = info.get("info_data", {}), []
    if info.get("info_kind") != overlay["type"]:
        wrong.append(finding("IPP638", f"{overlay['tunnel']} exists and is no {overlay['type']} device"))
    for key, said, planned in (("port", "UDP port", overlay["port"]), ("id", "VNI", overlay["vni"])):
        if planned is not None and data.get(key) not in (None, planned):
            text = f"{overlay['tunnel']} has {said} {data[key]}, the plan says {planned}"
            word = {"port": "port", "id": "vni"}[key]
            wrong.append(finding("IPP638", text, f"set overlay.{word} in the plan to what {name} uses"))
    return wrong


def require(node: NodeJson) -> Work:
    """Phases ``lower-senders`` and ``lower-devices``: nothing to change here, but everything must be as planned."""
    found = findings(node)
    if any(f["severity"] == "error" for f in found):
        raise Stop(*found)
    now = live(node)
    detail = (
        f"{counted(len(now['pods']), 'pod')} and {counted(len(now['devices']), 'device')} "
        f"of {made_by(node)} read, none changed"
    )
    return {"changed": False, "detail": detail, "notes": found}


def target(node: NodeJson, peer: Peer) -> str | None:
    """Return the address of a peer in the overlay: told by the plan, or the gateway of the route to its pods."""
    if peer["overlay_address"] or not made_by(node):
        return str(peer["overlay_address"]) or None
    if not peer["pod_cidr"]:
        return None
    first = str(ipaddress.ip_network(peer["pod_cidr"])[1])
    names = {device["name"] for device in node["overlay"]["devices"]}
    for route in run_json("ip", "-j", "route", "get", first):
        if route.get("dev") in names and route.get("gateway"):
            return str(route["gateway"])
    return None
