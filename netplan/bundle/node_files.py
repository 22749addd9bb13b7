"""The files of one node: connections, guard, sysctls, overlay devices, firewall openings."""

from __future__ import annotations

from collections.abc import Callable, Hashable

from netplan.bundle.manifest import File
from netplan.bundle.node_json import node_text
from netplan.bundle.overlay import endpoint, overlay_of
from netplan.cni.adapters import bridge
from netplan.host import firewall, guard, monitoring, overlay, sysctl
from netplan.host.overlay import OverlayFiles
from netplan.ipsec import charon, swanctl, trap_any, unmanaged_peer
from netplan.ipsec.connections import ConnectionFiles
from netplan.ipsec.xfrm_interfaces import interfaces, routes_file
from netplan.model.node import Node
from netplan.plan.types import Plan


class NodeFiles:
    """Makes the files of the nodes of one plan, one node after the other; what nodes have in common is made once.

    Texts that several nodes share are the same object in their files, marked as ``common``.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._connections = ConnectionFiles(plan)
        self._texts: dict[Hashable, str] = {}
        self._overlay: OverlayFiles | None = None
        if plan.file.overlay_facts is None:
            self._overlay = OverlayFiles(overlay_of(plan), [endpoint(node) for node in plan.nodes])
        per_cpu = plan.file.ipsec.per_cpu_sas
        self.always = [  # on every managed node, below its folder
            *self._overlay_files(),
            *(
                File(f"etc/ipsecplan/start-{a}.conf", swanctl.start_file(a, per_cpu=per_cpu), common=True)
                for a in swanctl.START_ACTIONS
            ),
            File("etc/ipsecplan/floor-all", self._floor(), common=True),
            *(File(path, text, common=True) for path, text in guard.units().items()),
            File(
                "etc/sysctl.d/90-ipsecplan.conf", sysctl.text(len(plan.nodes), plan.file.underlay.carrier), common=True
            ),
            *(
                File(f"usr/local/lib/ipsecplan/{name}", guard.script(name), "0755", common=True)
                for name in (*guard.SCRIPTS, *([guard.ROUTE_SCRIPT] if plan.file.ipsec.xfrm_interface else []))
            ),
            *self._monitoring(),
        ]

    def of(self, node: Node) -> list[File]:
        """Return the files of one host. For an unmanaged host: what its administrator needs to configure it."""
        if not node.managed:
            return [
                File(f"unmanaged-peers/{node.id}/{name}", text)
                for name, text in unmanaged_peer.files(self._plan, node, self._connections).items()
            ]
        under = f"nodes/{node.id}/"
        return [
            *(File(under + f.path, f.text, f.mode, f.owner, f.common) for f in self._managed(node)),
            *self._firewall(node),
        ]

    def _overlay_files(self) -> list[File]:
        """Return the files of the overlay that all nodes have."""
        common = self._overlay.common if self._overlay is not None else {}
        return [
            File(path, text, "0755" if path == overlay.SCRIPT else "0644", common=True) for path, text in common.items()
        ]

    def _monitoring(self) -> list[File]:
        """Return the timer that collects metrics and its script; nothing where the plan has no ``monitoring``."""
        asked = self._plan.file.monitoring
        made = monitoring.files(asked.interval) if asked else {}
        return [
            File(path, text, "0755" if path == monitoring.SCRIPT else "0644", common=True)
            for path, text in made.items()
        ]

    def _common(self, key: Hashable, make: Callable[[], str]) -> str:
        """Return a text that all nodes with the same ``key`` have."""
        found = self._texts.get(key)
        if found is None:
            found = self._texts[key] = make()
        return found

    def _managed(self, node: Node) -> list[File]:
        plan = self._plan
        settings = self._common(
            ("charon", plan.connection_count(node), node.capabilities), lambda: charon.settings_file(plan, node)
        )
        files = [
            File("node.json", node_text(plan, node)),
            *self._connection_files(node),
            File("etc/strongswan.d/ipsecplan.conf", settings, common=True),
            *self._guards(node),
            File("etc/ipsecplan/peers", self._peers(node)),
            *self.always,
        ]
        if self._overlay is not None:
            files += [File(path, text) for path, text in self._overlay.of(node.id).items()]
            conflist = bridge.conflist(pod_cidr=node.pod_cidr, mtu=plan.pod_mtu, bridge=plan.file.overlay.bridge)
            files.append(File("etc/cni/net.d/10-ipsecplan.conflist", conflist))
        if plan.file.ipsec.xfrm_interface:
            files.append(File("etc/ipsecplan/routes-all", routes_file(plan, node)))
        return files

    def _connection_files(self, node: Node) -> list[File]:
        """charon's connections; with a wildcard two files for one place, of which the rollout chooses."""
        text = self._connections.text(node)
        if not trap_any.planned(self._plan):
            return [File("etc/swanctl/conf.d/ipsecplan.conf", text, "0640")]
        return [
            File("etc/ipsecplan/pairs.conf", text, "0640"),
            File("etc/ipsecplan/any.conf", trap_any.connection_file(self._plan, node), "0640"),
        ]

    def _peers(self, node: Node) -> str:
        lines: list[str] = []
        for fabric in self._plan.fabrics:
            if (local := fabric.at(node)) is not None:
                near, own = fabric.neighbours(local), local.address
                lines += [f"{own} {peer.address} {pair}\n" for peer, pair in zip(near.peers, near.pairs, strict=True)]
        return "".join(lines)

    def _guards(self, node: Node) -> list[File]:
        plan, ipsec = self._plan, self._plan.file.ipsec
        named = ipsec.topology.partial or ipsec.protect == "hosts" or ipsec.xfrm_interface
        texts = []
        for word, drop in (("count", False), ("drop", True)):

            def make(drop: bool = drop) -> str:
                return _guard(plan, node, drop=drop)

            text = make() if named else self._common(("guard", drop), make)
            texts.append(File(f"etc/ipsecplan/guard-{word}.nft", text, common=not named))
        return texts

    def _floor(self) -> str:
        planned = self._plan.file.overlay
        if self._plan.file.ipsec.xfrm_interface:  # it would block what is led into an interface, too; see route.sh
            return ""
        return guard.floor(planned.type, planned.udp_port, family=self._plan.file.underlay.carrier)

    def _firewall(self, node: Node) -> list[File]:
        """Return what a host's own firewall has to allow. Its administrator applies it; a rollout does not."""
        files, commands = firewall.of_node(self._plan, node)
        under = f"cluster/firewall/{node.id}"
        made = [File(f"{under}/{path}", text) for path, text in files.items()]
        return [*made, File(f"{under}/COMMANDS", "\n".join(commands) + "\n")] if made else []


def _guard(plan: Plan, node: Node, *, drop: bool) -> str:
    ipsec = plan.file.ipsec
    hosts = ipsec.protect == "hosts"
    named = ipsec.topology.partial or hosts
    return guard.ruleset(
        plan.file.overlay.udp_port,
        drop=drop,
        family=plan.file.underlay.carrier,
        peers=[peer.address for peer in plan.main.neighbours(node).peers] if named else None,
        clear=ipsec.clear if hosts else None,
        address=node.address,
        networks=[
            (local.address, [peer.address for peer in fabric.neighbours(local).peers])
            for fabric in plan.additional
            if (local := fabric.at(node)) is not None
        ],
        inside=[(i.remote, i.name) for i in interfaces(plan, node).values()],
    )
