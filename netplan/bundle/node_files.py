"""The files of one node: connections, guard, sysctls, overlay devices, firewall openings."""

from __future__ import annotations

from netplan.bundle.manifest import File, dump_lines
from netplan.bundle.node_json import node_facts
from netplan.bundle.overlay import endpoint, overlay_of
from netplan.cni.adapters import bridge
from netplan.host import firewall, guard, sysctl
from netplan.host.overlay import networkd_files
from netplan.ipsec import charon, swanctl, trap_any, unmanaged_peer
from netplan.ipsec.xfrm_interfaces import interfaces, routes_file
from netplan.model.node import Node
from netplan.plan.types import Plan


def managed_files(plan: Plan, node: Node) -> list[File]:
    under = f"nodes/{node.id}/"
    peers = [endpoint(peer) for peer in plan.others(node)]
    overlay: list[File] = []
    if plan.file.overlay_facts is None:
        networkd = networkd_files(overlay_of(plan), endpoint(node), peers)
        conflist = bridge.conflist(pod_cidr=node.pod_cidr, mtu=plan.pod_mtu, bridge=plan.file.overlay.bridge)
        overlay = [File(f"etc/systemd/network/{name}", text) for name, text in networkd.items()]
        overlay.append(File("etc/cni/net.d/10-ipsecplan.conflist", conflist))
    files = [
        File("node.json", dump_lines(node_facts(plan, node))),
        *_connections(plan, node),
        File("etc/strongswan.d/ipsecplan.conf", charon.settings_file(plan, node)),
        *(File(f"etc/ipsecplan/start-{a}.conf", swanctl.start_file(a)) for a in swanctl.START_ACTIONS),
        File("etc/ipsecplan/guard-count.nft", _guard(plan, node, drop=False)),
        File("etc/ipsecplan/guard-drop.nft", _guard(plan, node, drop=True)),
        File("etc/ipsecplan/floor-all", _floor(plan, node)),
        File("etc/ipsecplan/peers", _peers(plan, node)),
        *(File(path, text) for path, text in guard.units().items()),
        *overlay,
        File("etc/sysctl.d/90-ipsecplan.conf", sysctl.text()),
        *(File(f"usr/local/lib/ipsecplan/{name}", guard.script(name), "0755") for name in guard.SCRIPTS),
        *_xfrm_interfaces(plan, node),
    ]
    return [File(under + f.path, f.text, f.mode, f.owner) for f in files]


def _peers(plan: Plan, node: Node) -> str:
    return "".join(f"{c.local.address} {c.remote.address} {c.pair.id}\n" for c in plan.connections(node))


def _xfrm_interfaces(plan: Plan, node: Node) -> list[File]:
    """With ``xfrm_interface``: the interfaces, what leads into them, and the script that makes both."""
    if not plan.file.ipsec.xfrm_interface:
        return []
    name = guard.ROUTE_SCRIPT
    return [
        File("etc/ipsecplan/routes-all", routes_file(plan, node)),
        File(f"usr/local/lib/ipsecplan/{name}", guard.script(name), "0755"),
    ]


def _connections(plan: Plan, node: Node) -> list[File]:
    """charon's connections; with a wildcard two files for one place, of which the rollout chooses."""
    if not trap_any.planned(plan):
        return [File("etc/swanctl/conf.d/ipsecplan.conf", swanctl.connection_file(plan, node), "0640")]
    return [
        File("etc/ipsecplan/pairs.conf", trap_any.rehearsal(plan, node), "0640"),
        File("etc/ipsecplan/any.conf", trap_any.connection_file(plan, node), "0640"),
    ]


def firewall_files(plan: Plan, node: Node) -> list[File]:
    """Return what a host's own firewall has to allow. Its administrator applies it; a rollout does not."""
    files, commands = firewall.of_node(plan, node)
    under = f"cluster/firewall/{node.id}"
    made = [File(f"{under}/{path}", text) for path, text in files.items()]
    return [*made, File(f"{under}/COMMANDS", "\n".join(commands) + "\n")] if made else []


def unmanaged_files(plan: Plan, node: Node) -> list[File]:
    """Return what the administrator of an unmanaged host needs."""
    return [File(f"unmanaged-peers/{node.id}/{name}", text) for name, text in unmanaged_peer.files(plan, node).items()]


def _guard(plan: Plan, node: Node, *, drop: bool) -> str:
    ipsec = plan.file.ipsec
    hosts = ipsec.protect == "hosts"
    peers = [peer.address for peer, _ in plan.peers(node)] if ipsec.topology.partial or hosts else None
    return guard.ruleset(
        plan.file.overlay.udp_port,
        drop=drop,
        family=plan.file.underlay.carrier,
        peers=peers,
        clear=ipsec.clear if hosts else None,
        address=node.address,
        networks=[
            (local.address, [peer.address for peer, _ in fabric.peers(local)])
            for fabric in plan.additional
            if (local := fabric.at(node)) is not None
        ],
        inside=[(i.remote, i.name) for i in interfaces(plan, node).values()],
    )


def _floor(plan: Plan, node: Node) -> str:
    if plan.file.ipsec.xfrm_interface:  # it would block what is led into an interface, too; see route.sh
        return ""
    peers = [peer.address for peer, _ in plan.peers(node)]
    overlay = plan.file.overlay
    return guard.floor(overlay.type, overlay.udp_port, family=plan.file.underlay.carrier, peers=peers)
