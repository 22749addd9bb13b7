"""What ``ipsec.topology: trap-any`` can't be together with: each refusal with its reason (measured: decision 73)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from netplan.inputs.inventory import Inventory
from netplan.inputs.load import LoadedPlan
from netplan.model.node import Node
from netplan.model.planfile import PlanFile
from netplan.model.proposals import EspProposal, IkeProposal
from netplan.model.topology import common, esp_of, ike_of
from netplan.problems import Problem, quoted

PAIRS = "topology: full-mesh, which has a connection for each peer"
WITHOUT: dict[tuple[str, str], tuple[str, str]] = {
    ("mode", "tunnel"): (
        "a trap without a peer's address can't be a tunnel: charon installs none",
        f"mode: transport, or {PAIRS}",
    ),
    ("mode", "iptfs"): (
        "a trap without a peer's address can't be a tunnel, which IP-TFS is",
        f"mode: transport, or {PAIRS}",
    ),
    ("protect", "hosts"): (
        "its selector is one subnet, and every host in it would be cut off, gateways and name servers too",
        f"protect: overlay, or {PAIRS}",
    ),
    ("auth", "psk"): (
        "the initiator must select the PSK before it knows the peer's identity",
        f"auth: certificates, or {PAIRS}",
    ),
    ("auth", "raw-keys"): (
        "a peer is known by its key alone, and a wildcard has no room for each of them",
        f"auth: certificates, or {PAIRS}",
    ),
    ("nat_traversal", "always"): (
        "behind NAT a peer's address is not the one that the plan knows it by",
        f"nat_traversal: never, or {PAIRS}",
    ),
}


def rule(loaded: LoadedPlan) -> Iterator[Problem]:
    """What the plan file asks for beside the wildcard."""
    ipsec = loaded.plan.ipsec
    if ipsec.topology.shape != "trap-any":
        return
    if loaded.plan.underlay.carrier == "ipv6":
        given = loaded.source.values.get(("underlay", "family")) is not None
        yield loaded.source.problem(
            "IPP402",
            "underlay.family ipv6 does not go with topology trap-any in this version: charon makes an IPv4 "
            "wildcard of a subnet alone, and no other way was tried",
            ("underlay", "family") if given else ("ipsec", "topology"),
            hint=f"family: ipv4, or {PAIRS}",
        )
    for (key, value), (why, hint) in WITHOUT.items():
        if getattr(ipsec, key) == value:
            given = loaded.source.values.get(("ipsec", key)) is not None
            yield loaded.source.problem(
                "IPP402",
                f"ipsec.{key} {value} does not go with topology trap-any: {why}",
                ("ipsec", key if given else "topology"),
                hint=hint,
            )


def hosts(plan: PlanFile, inventory: Inventory, found: Sequence[Node]) -> Iterator[Problem]:
    """What a host is that no wildcard can take, and proposals that not every host knows."""
    if plan.ipsec.topology.shape != "trap-any" or not found:
        return
    for node in found:
        if not node.managed:
            yield inventory.problem(
                "IPP402",
                f"host {quoted(node.name)} is not managed: with topology trap-any every certificate of the "
                "cluster is good for every address, and somebody else would hold one",
                node.name,
                "ipsecplan_managed",
                PAIRS,
            )
        if node.nat and plan.ipsec.nat_traversal != "never":
            yield inventory.problem(
                "IPP402",
                f"host {quoted(node.name)} is behind NAT: with topology trap-any a peer is known by its address",
                node.name,
                "behind_nat",
                PAIRS,
            )
    agreed = common(plan, {node.capabilities for node in found})
    kinds: tuple[tuple[str, tuple[str, ...], Sequence[EspProposal | IkeProposal]], ...] = (
        ("ESP", agreed.esp, esp_of(plan)),
        ("IKE", agreed.ike, ike_of(plan)),
    )
    for what, left, offered in kinds:
        if left or not offered:  # a proposal that is none was refused before
            continue
        best = offered[0]
        lacking = next(n for n in found if n.capabilities.lacks(best))
        yield inventory.problem(
            "IPP408",
            f"no {what} proposal of the plan is known to every host, and topology trap-any has one for all: "
            f"{best.text}: {lacking.capabilities.lacks(best)}",
            lacking.name,
            "strongswan_version",
            "offer one more that all know, upgrade strongSwan there, or take topology: full-mesh, where each pair has "
            "its own",
        )
