"""Live MTUs of the overlay: senders (routes in pods) first, then devices; raised in the exact reverse, receivers first.

The underlay link is never touched. networkd is not told to reload while the devices exist, because that would make
them flap: the files take effect at the next boot, the live values are set by hand and read back.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from ..protocol.limits import least_mtu
from ..system import core
from ..system.core import Stop, counted, finding, read, run, write
from ..system.links import Pod, links, pods
from ..transaction import state
from ..transaction.release import install
from . import cni_mtu, fdb_and_routes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..protocol.node_json import Device, NodeJson
    from ..protocol.reply import LiveMtu, Work
    from ..protocol.request import Request

MADE_S = 60  # for systemd-networkd to read its files and make a device
RAISE = state.ROOT + "/raise"  # the size that this node keeps while the one of its release waits to be raised to
CONFLIST = "/etc/cni/net.d/10-ipsecplan.conflist"


def live(node: NodeJson) -> LiveMtu:
    """Return the live MTUs: devices (None when missing), bridge, pods; for status and for comparisons."""
    if cni_mtu.made_by(node):
        return cni_mtu.live(node)
    here = links()
    running, lost = pods(node["overlay"]["bridge"])
    bridge = here.get(node["overlay"]["bridge"] or "")
    return {
        "devices": {d["name"]: here.get(d["name"], {}).get("mtu") for d in node["overlay"]["devices"]},
        "bridge": bridge["mtu"] if bridge else None,
        "pods": [{"port": p.port, "mtu": p.mtu, "port_mtu": p.port_mtu} for p in running],
        "unknown_ports": lost,
    }


def to_raise(node: NodeJson) -> int:
    """Return the size in bytes that pods and devices have while a raise to the planned one waits; 0: none waits."""
    words = (read(RAISE) or "").split()
    return int(words[0]) if words and int(words[0]) < node["mtu"]["pod"] else 0


def at_size(node: NodeJson, size: int) -> NodeJson:
    """Return ``node.json`` as if ``size`` bytes were planned for pods and devices."""
    devices_there: list[Device] = [{**device, "mtu": size} for device in node["overlay"]["devices"]]
    return {**node, "mtu": {"pod": size}, "overlay": {**node["overlay"], "devices": devices_there}}


def differences(node: NodeJson) -> list[str]:
    """Return what differs from the planned MTUs, or from those that a raise waits at, in words."""
    if cni_mtu.made_by(node):
        return [f["message"] for f in cni_mtu.findings(node) if f["severity"] == "error"]
    if to_raise(node):
        node = at_size(node, to_raise(node))
    now, words = live(node), []
    for device in node["overlay"]["devices"]:
        mtu = now["devices"][device["name"]]
        if mtu != device["mtu"]:
            words.append(f"{device['name']} has MTU {(mtu or '(missing)')}, planned {device['mtu']}")
    wanted = node["mtu"]["pod"]
    if now["bridge"] not in (None, wanted):
        words.append(f"{node['overlay']['bridge']} has MTU {now['bridge']}, planned {wanted}")
    for pod in now["pods"]:
        if max(pod["mtu"], pod["port_mtu"]) > wanted:  # one that wants to be smaller hinders nobody
            words.append(f"the pod at {pod['port']} has MTU {pod['mtu']}, planned {wanted}")
    return words


def _routes(pod: Pod, family: str) -> list[list[str]]:
    lines = run(*pod.enter, "ip", family, "route", "show", "dev", pod.device).out.splitlines()
    return [[*line.split(), "dev", pod.device] for line in lines if line.strip() and "expires" not in line]


def _without_mtu(words: list[str]) -> list[str]:
    out = list(words)
    if "mtu" in out:
        at = out.index("mtu")
        del out[at : at + (3 if out[at + 1] == "lock" else 2)]
    return out


def route_mtu(pod: Pod, mtu: int | None) -> int:
    """Give every route of a pod the MTU ``mtu`` (bytes), or take the MTU off with None. Returns routes changed."""
    changed = 0
    for family in ("-4", "-6"):
        lines = []
        for words in _routes(pod, family):
            if words[0].startswith(("fe80", "ff00")) or words[0] in ("anycast", "multicast", "local", "broadcast"):
                continue
            target = _without_mtu(words) + (["mtu", str(mtu)] if mtu else [])
            if sorted(target) != sorted(words):
                lines.append("route replace " + " ".join(target))
        if lines:
            done = run(*pod.enter, "ip", family, "-batch", "-", stdin=("\n".join(lines) + "\n").encode())
            if done.code != 0:
                raise Stop(finding("IPP620", f"a route in the pod at {pod.port}: {done.said}"))
            changed += len(lines)
    return changed


def remember(node: NodeJson) -> None:
    """Write down the live MTUs of the world before ipsecplan, once."""
    path = state.BASE + "/mtu"
    if os.path.exists(path):
        return
    now = live(node)
    lines = [f"{name} {(mtu if mtu else 'absent')}" for name, mtu in now["devices"].items()]
    if now["bridge"]:
        lines.append(f"{node['overlay']['bridge']} {now['bridge']}")
    pod = max([p["mtu"] for p in now["pods"]] + ([now["bridge"]] if now["bridge"] else []), default=0)
    lines.append(f"pods {pod}")
    write(path, "\n".join(lines) + "\n")


def remembered() -> dict[str, int | None]:
    """Return name -> MTU as it was before ipsecplan (None when the device did not exist)."""
    lines = (read(state.BASE + "/mtu") or "").splitlines()
    return {name: int(was) if was.isdigit() else None for name, was in (line.split() for line in lines)}


def lower_senders(request: Request) -> Work:
    """Phase ``lower-senders``: pods send no more than the planned MTU; every device still takes the old one."""
    node = request["node"]
    if cni_mtu.made_by(node):
        return cni_mtu.require(node)
    remember(node)
    running, lost = pods(node["overlay"]["bridge"])
    changed = lower_routes(running, node["mtu"]["pod"])
    notes = [
        finding("IPP621", f"the pod behind {port} was not found, its MTU stays", severity="warning") for port in lost
    ]
    return {
        "changed": bool(changed),
        "detail": f"{counted(len(running), 'pod')}, {counted(changed, 'route')} lowered",
        "notes": notes,
    }


def lower_routes(running: Sequence[Pod], mtu: int) -> int:
    """Let pods send no more than ``mtu`` bytes. Returns how many routes changed."""
    return sum(route_mtu(pod, mtu) for pod in running if pod.mtu > mtu)


def _set(prefix: Sequence[str], name: str, mtu: int) -> None:
    done = run(*prefix, "ip", "link", "set", "dev", name, "mtu", str(mtu))
    if done.code != 0:
        raise Stop(finding("IPP620", f"{name} refused MTU {mtu}: {done.said}"))


def lower(node: NodeJson) -> tuple[bool, str]:
    """Set every live device and pod to the planned size where it is larger; read back. Returns (changed, words)."""
    wanted, here, changed = node["mtu"]["pod"], links(), False
    running, _ = pods(node["overlay"]["bridge"])
    for pod in running:
        if pod.mtu > wanted:
            _set(pod.enter, pod.device, wanted)
        if pod.port_mtu > wanted:
            _set((), pod.port, wanted)
        changed = changed or max(pod.mtu, pod.port_mtu) > wanted
    planned = [(node["overlay"]["bridge"] or "", wanted)] + [(d["name"], d["mtu"]) for d in node["overlay"]["devices"]]
    for name, mtu in planned:
        if name in here and here[name]["mtu"] > mtu:
            _set((), name, mtu)
            changed = True
    wrong = differences(node)
    if wrong:
        raise Stop(*[finding("IPP620", "after setting it, " + text) for text in wrong])
    return changed, f"{counted(len(running), 'pod')} and {counted(len(planned), 'device')} at {wanted}"


def lower_devices(request: Request) -> Work:
    """Phase ``lower-devices``: files for the next boot, then the live devices, read back; entries for new peers.

    ``held_mtu`` in the request: the size in bytes that the node has here instead of the release's, because some device
    of the cluster is smaller than that and nothing is raised by the way; the files wait with it for ``raise-senders``.
    """
    node, release, hold = request["node"], request["release"], request.get("held_mtu")
    changed = False
    if hold and hold < least_mtu(node):
        raise Stop(finding("IPP639", f"no cluster is held at {hold} bytes: {least_mtu(node)} is the least"))
    if hold:
        write(RAISE, f"{hold}\n")
    else:
        core.remove(RAISE)
        changed = install(request["tx"], release, ("mtu",))
    if cni_mtu.made_by(node):
        answer: Work = {**cni_mtu.require(node), "changed": changed}
    else:
        made = _make(node)
        lowered, words = lower(node)
        answer = {"changed": changed or made or lowered, "detail": words + (", to be raised later" if hold else "")}
    met = fdb_and_routes.add(release)
    if met:
        answer.update({"changed": True, "detail": f"{answer['detail']}, {met} entries for new peers"})
    return answer


def _make(node: NodeJson) -> bool:
    """Let networkd make the devices that are missing. Returns whether any was. Raises Stop when it doesn't."""
    here = links()
    missing = [d["name"] for d in node["overlay"]["devices"] if d["name"] not in here]
    if not missing:
        return False
    run("networkctl", "reload")
    if not core.wait(lambda: all(name in links() for name in missing), MADE_S):
        raise Stop(finding("IPP622", f"systemd-networkd did not make {', '.join(missing)} in {MADE_S} s"))
    return True


def restore_devices(request: Request) -> Work:
    """Phase ``restore-devices``: devices and pods can receive the old size again; pods go on sending the small one."""
    node = request["node"]
    if cni_mtu.made_by(node):
        return {"changed": False, "detail": f"the MTU is {cni_mtu.made_by(node)}'s"}
    return raise_to(node, remembered())


def raise_to(node: NodeJson, before: dict[str, int | None]) -> Work:
    """Raise live devices, the bridge and pods to the sizes in ``before``; what pods send stays pinned to the old."""
    here = links()
    running, _ = pods(node["overlay"]["bridge"])
    old = before.get("pods") or 0
    changed = 0
    for pod in running:
        if pod.mtu < old:
            route_mtu(pod, pod.mtu)
            _set((), pod.port, old)
            _set(pod.enter, pod.device, old)
            changed += 1
    for name, mtu in before.items():
        if name in here and mtu and here[name]["mtu"] < mtu:
            _set((), name, mtu)
            changed += 1
    return {"changed": bool(changed), "detail": f"{counted(changed, 'device')} raised"}


def restore_senders(node: NodeJson) -> Work:
    """Off, second half: pods send the old size again; files and devices that we made go."""
    if cni_mtu.made_by(node):
        state.restore(state.BASE, "mtu")
        return {"changed": False, "detail": f"the MTU is {cni_mtu.made_by(node)}'s"}
    before = remembered()
    running, _ = pods(node["overlay"]["bridge"])
    changed = sum(route_mtu(pod, None) for pod in running)
    state.restore(state.BASE, "mtu")
    made = [name for name, mtu in before.items() if name != "pods" and mtu is None]
    here = links()
    for name in made:
        if name in here:
            run("ip", "link", "delete", name)
    if made:
        run("networkctl", "reload")
    return {
        "changed": bool(changed or made),
        "detail": f"{counted(changed, 'route')} freed, {counted(len(made), 'device')} removed",
    }
