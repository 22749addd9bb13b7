"""What an adapter is: facts about one container network as data, and two functions, ``render`` and ``audit``.

"MTU" means three things in these systems: the pod's own, the underlay's (the program subtracts from it by itself) or
that of a tunnel device. Every adapter says which, and what its program takes away, so that one plan puts the right
number in the right field. Sizes are IP MTUs in bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from netplan.cni.yaml_document import Piece, Place
from netplan.plan.types import Plan
from netplan.problems import Problem

Encap = Literal["none", "vxlan", "geneve", "geneve:8", "ipip", "gre", "stt", "wireguard", "udp"]
Family = Literal["ipv4", "ipv6"]
Semantics = Literal["pod", "underlay", "device"]
Change = Literal["lower", "raise"]

# the part of a packet between the outer IP (and ESP) header and the pod's own packet, in the stack notation
OVERLAY: Mapping[str, str] = {
    "none": "",
    "vxlan": "udp/vxlan/eth",
    "geneve": "udp/geneve/eth",
    "geneve:8": "udp/geneve:8/eth",
    "ipip": "",
    "gre": "gre",
    "gre+key": "gre:key",
    "gretap": "gre/eth",
    "gretap+key": "gre:key/eth",
    "stt": "stt/eth",
    "wireguard": "udp/wireguard",
    "udp": "udp",
}
PORTS: Mapping[str, int] = {"vxlan": 4789, "geneve": 6081, "geneve:8": 6081, "wireguard": 51820, "stt": 7471}
BOTH: tuple[Family, ...] = ("ipv4", "ipv6")


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """What a plan asks of a container network.

    ``pod_mtu`` is what pods must end with; ``host_ipsec`` whether the hosts' own IPsec lies under the network;
    ``own_ipsec`` whether the network is asked to encrypt by itself; ``options`` hold what only one adapter knows
    (``chart``, ``master``, ``name``, ``subnet``, ``from``); ``existing`` maps a key of a ConfigMap, or a file, to
    the text it has now, so that a patch keeps what it doesn't own.
    """

    pod_mtu: int
    link_mtu: int
    encap: Encap = "vxlan"
    family: Family = "ipv4"
    port: int | None = None
    vni: int | None = None
    pod_cidrs: tuple[str, ...] = ("10.42.0.0/16",)
    pod_families: tuple[Family, ...] = ("ipv4",)
    host_ipsec: bool = True
    own_ipsec: bool = False
    options: Mapping[str, str] = field(default_factory=dict)
    existing: Mapping[str, str] = field(default_factory=dict)


def network_of(plan: Plan) -> Network:
    """Return what a plan asks of its container network."""
    overlay = plan.file.overlay
    cidrs = tuple(node.pod_cidr for node in plan.nodes if node.pod_cidr)
    return Network(
        pod_mtu=plan.pod_mtu,
        link_mtu=plan.limiting.link_mtu,
        encap=overlay.type,
        family=plan.file.underlay.carrier,
        port=overlay.udp_port or None,
        vni=overlay.vni,
        pod_cidrs=cidrs or ("10.42.0.0/16",),
        pod_families=tuple(f for f in BOTH if any((":" in cidr) == (f == "ipv6") for cidr in cidrs)) or ("ipv4",),
        own_ipsec=plan.file.cni.encryption,
        options={"bridge": overlay.bridge},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """One file for review. ``target`` names the object it patches (``kind/namespace/name``; no namespace: ``kind//x``).

    ``patch`` is how: ``merge`` (a JSON merge patch of the target), ``strategic`` (a strategic merge patch), ``file``
    (a file on every node), ``values`` (Helm values to add) or ``object`` (created when absent). ``schema`` names what
    it is validated against; ``by_step`` is set where a step of the adapter applies it, at its own time.
    """

    path: str
    text: str
    patch: Literal["merge", "strategic", "file", "values", "object"] = "file"
    target: str = ""
    schema: str = ""
    by_step: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step on the way to a live value. ``command`` is for a shell; without one ``text`` says what to do."""

    stage: Literal["config", "restart", "devices", "pods", "check"]
    text: str
    command: str = ""
    where: Literal["cluster", "node"] = "cluster"


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """IPsec that the network brings by itself: its ESP suite and how its packets are built."""

    suite: str
    mode: Literal["transport", "tunnel", "inside"] = "transport"
    nat_t: bool = False


# a size of one kind, the encapsulation and the underlay family to a size of another kind
Sizes = Callable[[int, str, str], "int | None"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint:
    """What a piece tells about a network beside its numbers: its encapsulation, family, port and own IPsec.

    ``refuse`` is why nobody should put host IPsec under it.
    """

    system: str
    place: Place
    encap: str = ""
    family: Family | None = None
    own: Own | None = None
    port: int | None = None
    refuse: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A number that audit found, or the lack of one.

    ``value`` None means the program chooses by itself; ``ends`` maps link MTU, encapsulation and underlay family to
    the size that comes out (a pod MTU, or a TCP MSS where ``measure`` says so), ``wanted`` an exact size back to a
    value of the field; None where the program's choice or the field is not known. An empty ``encap`` or ``family``
    is one that another piece tells. ``running`` marks a live value in contrast to configuration, ``link`` is the MTU
    of the device that it stands on.
    """

    system: str
    field: str
    place: Place
    value: int | None
    semantics: Semantics
    encap: str
    ends: Sizes
    wanted: Sizes
    change: str
    family: Family | None = None
    own: Own | None = None
    port: int | None = None
    measure: Literal["mtu", "mss"] = "mtu"
    running: bool = False
    link: int | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter:
    """One container network: facts, and the functions that write and read its configuration.

    ``takes`` is what the program subtracts from the value of its field to get the pod MTU, by encapsulation and
    underlay family; a pair that is absent is one that the program can't do. ``automatic`` is what it subtracts from
    the link when the field is left empty (None: it does not look at the link). ``headroom`` is how many bytes the
    program insists on between link and pod MTU, more than the packet needs.
    """

    name: str
    title: str
    checked_against: str
    semantics: Semantics
    field: str
    takes: Mapping[tuple[Encap, Family], int]
    automatic: Mapping[tuple[Encap, Family], int] | None
    goes_live: str
    pods_keep: bool
    ports: tuple[str, ...]
    render: Callable[[Network], list[Artifact]]
    steps: Callable[[Network], list[Step]]
    audit: Callable[[Piece], list[Setting | Hint]]
    brings_ipsec: str = ""
    largest: int = 65535
    headroom: int = 0
    unverified: str = ""
    rules: Callable[[Network], list[Problem]] | None = None

    def field_value(self, network: Network) -> int:
        """Return the number for the program's field that makes pods end with the planned MTU."""
        return network.pod_mtu + self.takes[network.encap, network.family]

    def ends_with(self, value: int, network: Network) -> int:
        """Return the pod MTU that the program makes of a value of its field."""
        return value - self.takes[network.encap, network.family]

    def supports(self, network: Network) -> list[Problem]:
        """Return what stands against this network, empty when nothing does."""
        found: list[Problem] = []
        if (network.encap, network.family) not in self.takes:
            known = sorted({f"{e} over {f}" for e, f in self.takes})
            found.append(
                Problem(
                    code="IPP901",
                    message=f"{self.title} has no {network.encap} over {network.family}",
                    hint="it has " + ", ".join(known),
                )
            )
            return found
        if network.own_ipsec and not self.brings_ipsec:
            found.append(Problem(code="IPP901", message=f"{self.title} brings no IPsec of its own"))
        elif network.own_ipsec and network.host_ipsec:
            found.append(
                Problem(
                    code="IPP902",
                    message=f"{self.title} with its own IPsec on top of host IPsec: {self.brings_ipsec}",
                    hint="switch one of the two off; both would also encrypt every byte twice",
                )
            )
        found += self._range(network)
        if self.rules:
            found += self.rules(network)
        return found

    def _range(self, network: Network) -> list[Problem]:
        low = 1280 if "ipv6" in network.pod_families else 576
        value = self.field_value(network)
        if network.pod_mtu < low:
            why = (
                "an IPv6 link has at least 1280 bytes (RFC 8200 5)" if low == 1280 else "IPv4 hosts expect 576 or more"
            )
            return [Problem(code="IPP903", message=f"a pod MTU of {network.pod_mtu} is below {low}: {why}")]
        if value > self.largest:
            return [Problem(code="IPP903", message=f"{self.field} is at most {self.largest}, not {value}")]
        if network.pod_mtu + self.headroom > network.link_mtu:
            return [
                Problem(
                    code="IPP905",
                    message=f"{self.title} refuses a pod MTU of {network.pod_mtu} on a link of {network.link_mtu}: "
                    f"it insists on {self.headroom} bytes between the two",
                    hint=f"plan at most {network.link_mtu - self.headroom}",
                )
            ]
        if network.encap == "none" and not network.host_ipsec and network.pod_mtu > network.link_mtu:
            return [Problem(code="IPP905", message=f"a pod MTU of {network.pod_mtu} on a link of {network.link_mtu}")]
        return []


def same(pairs: tuple[Encap, ...], takes: int = 0) -> dict[tuple[Encap, Family], int]:
    """Return a ``takes`` table with one number for these encapsulations over both families."""
    return {(encap, family): takes for encap in pairs for family in BOTH}


def whole(value: Any) -> int | None:
    """Return a whole number that a configuration holds as a number or as text, else None."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value if -(1 << 31) <= value <= 1 << 32 else None
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit() and len(value) < 10:
        return int(value.strip())
    return None


def minus(takes: int) -> Sizes:
    """Return "so many bytes less"."""
    return lambda size, _encap, _family: size - takes


def plus(takes: int = 0) -> Sizes:
    """Return "so many bytes more": the way back from an exact size to a field that the program subtracts from."""
    return lambda size, _encap, _family: size + takes


def less(table: Mapping[tuple[Encap, Family], int], own: int = 0) -> Sizes:
    """Return "less what the table says for the encapsulation and family", and ``own`` for the program's IPsec."""

    def sizes(size: int, encap: str, family: str) -> int | None:
        takes = next((t for (e, f), t in table.items() if e == encap and f == family), None)
        return None if takes is None else size - takes - own

    return sizes


def more(table: Mapping[tuple[Encap, Family], int], own: int = 0) -> Sizes:
    """Return the inverse of :func:`less`."""

    def sizes(size: int, encap: str, family: str) -> int | None:
        smaller = less(table, own)(size, encap, family)
        return None if smaller is None else 2 * size - smaller

    return sizes


def fixed(size: int | None) -> Sizes:
    """Return "this size, whatever the link"; None: not known."""
    return lambda _size, _encap, _family: size


def containers(piece: Piece) -> list[Piece]:
    """Return the containers of a workload object, init containers included."""
    spec = piece.sub("spec", "template", "spec") if piece.get("spec", "template") is not None else piece.sub("spec")
    return spec.items("containers") + spec.items("initContainers")


def environment(container: Piece, name: str) -> Piece | None:
    """Return the piece of an environment variable's value, or None."""
    for entry in container.items("env"):
        if entry.text("name") == name and "value" in (entry.data or {}):
            return entry.sub("value")
    return None


def argument(container: Piece, flag: str) -> tuple[str, Piece] | None:
    """Return the value of ``--flag=value`` among a container's command and arguments, with its piece."""
    for key in ("args", "command"):
        for word in container.items(key):
            if isinstance(word.data, str) and word.data.startswith(f"{flag}="):
                return word.data.partition("=")[2], word
    return None
