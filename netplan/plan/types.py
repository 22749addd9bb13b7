"""The frozen plan: every network between the hosts, and the numbers that follow for pods and overlay."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from netplan.model.cni_facts import NETWORKS
from netplan.model.node import Node
from netplan.model.planfile import PlanFile
from netplan.plan.classes import PairClass
from netplan.plan.fabric import Connection, Fabric, Pair
from netplan.stack import wire_size


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Every number and choice, ready to print. Bytes throughout.

    ``fabrics`` are the networks between the hosts; the first carries the overlay, on the others only packets between
    the hosts are planned. ``existing`` is what the container network's configuration says now: keys of ConfigMaps and
    files, with their texts.
    """

    file: PlanFile
    fabrics: tuple[Fabric, ...]
    existing: Mapping[str, str] = field(default_factory=dict)

    @property
    def main(self) -> Fabric:
        """The network that carries the overlay."""
        return self.fabrics[0]

    @property
    def additional(self) -> tuple[Fabric, ...]:
        """The additional networks between the hosts."""
        return self.fabrics[1:]

    @property
    def nodes(self) -> tuple[Node, ...]:
        """Every host of the plan, with its address on the network that carries the overlay."""
        return self.main.nodes

    @property
    def classes(self) -> tuple[PairClass, ...]:
        """The classes of host pairs on the network that carries the overlay."""
        return self.main.classes

    @property
    def limiting(self) -> PairClass:
        """The class that sets the pod MTU of the whole cluster."""
        return min(self.classes, key=lambda c: (c.inner_mtu, c.link_mtu))

    @property
    def pod_mtu(self) -> int:
        """IP MTU in bytes of every pod and every overlay device: the smallest of all classes, at most ``cni_limit``."""
        return min(self.limiting.inner_mtu, self.cni_limit)

    @property
    def cni_limit(self) -> int:
        """The largest pod MTU in bytes that the container network accepts on the smallest link, whatever would fit."""
        known = NETWORKS.get(self.file.cni.plugin)
        return min(c.link_mtu for c in self.classes) - (known.headroom if known else 0)

    def outer_packet(self, pair_class: PairClass) -> int:
        """Size in bytes of the outer IP packet that carries a full pod packet over a pair of this class, with the
        preferred proposal."""
        return wire_size(pair_class.preferred.overlay_stack, self.pod_mtu)

    def class_of(self, one: Node, other: Node) -> PairClass:
        """Return the class of a pair on the network that carries the overlay."""
        return self.main.class_of(one, other)

    def pairs(self) -> Iterator[Pair]:
        """Generate every pair on the network that carries the overlay, in a stable order."""
        return self.main.pairs()

    def pair(self, one: Node, other: Node) -> Pair:
        """Return the pair of two nodes on the network that carries the overlay."""
        return self.main.pair(one, other)

    def others(self, node: Node) -> Iterator[Node]:
        """Generate the other nodes, which are all peers in the overlay."""
        return self.main.others(node)

    def peers(self, node: Node) -> Iterator[tuple[Node, Pair]]:
        """Generate the IPsec peers of a node on the network that carries the overlay, as :meth:`Fabric.peers` does."""
        return self.main.peers(node)

    def connections(self, node: Node) -> Iterator[Connection]:
        """Generate the IPsec connections of a node over all networks, the one that carries the overlay first."""
        for fabric in self.fabrics:
            yield from fabric.connections(node)

    def connection_count(self, node: Node) -> int:
        """Return how many IPsec connections a node has over all networks."""
        here = ((fabric, fabric.at(node)) for fabric in self.fabrics)
        return sum(len(fabric.neighbours(local)) for fabric, local in here if local is not None)

    def as_json(self) -> dict[str, Any]:
        """Return the plan as a JSON object: classes with ledgers, nodes; pairs are derivable and not listed."""
        return {
            "cluster": self.file.name,
            "pod_mtu": self.pod_mtu,
            "limiting_class": self.limiting.name,
            "network": self.file.cni.plugin,
            "overlay": {
                "type": self.file.overlay.type,
                "port": self.file.overlay.udp_port,
                "vni": self.file.overlay.vni,
                "device_mtu": self.pod_mtu,
            },
            "classes": [
                {
                    "name": c.name,
                    "link_mtu": c.link_mtu,
                    "nat_t": c.nat_t,
                    "pairs": c.pairs,
                    "limited_by": c.limited_by,
                    "protected": c.protected,
                    "ike": list(c.offer.ike),
                    "downgrades": list(c.offer.downgrades),
                    "inner_mtu": c.inner_mtu,
                    "worst_proposal": c.worst.proposal.text,
                    "outer_packet_of_pod_mtu": self.outer_packet(c),
                    "proposals": [
                        {"proposal": s.proposal.text, "stack": s.stack.text, **s.solution.as_json()} for s in c.sized
                    ],
                }
                for c in self.classes
            ],
            "nodes": [
                {
                    "id": n.id,
                    "name": n.name,
                    "address": n.address,
                    "link_mtu": n.link_mtu,
                    "pod_cidr": n.pod_cidr,
                    "overlay_address": n.overlay_address,
                    "nat": n.nat,
                    "strongswan": n.capabilities.text,
                    "managed": n.managed,
                }
                for n in self.nodes
            ],
            **({"networks": [fabric.as_json() for fabric in self.additional]} if self.additional else {}),
        }
