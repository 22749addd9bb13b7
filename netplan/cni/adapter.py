"""What an adapter is: one container network as data, and functions that write and read its configuration.

"MTU" means three things in these systems: the pod's own, the underlay's (the program subtracts from it by itself) or
that of a tunnel device. Every adapter says which, and what its program takes away, so that one plan puts the right
number in the right field. Sizes are IP MTUs in bytes. What a plan has to know of a network before anything is
computed (ports, devices, headroom, versions) is in :mod:`netplan.model.cni_facts`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from netplan.cni.yaml_document import Piece
from netplan.model.cni_facts import NETWORKS, CniFacts
from netplan.problems import Location, Problem

Encap = Literal["none", "vxlan", "geneve", "geneve:8", "ipip", "gre", "stt", "wireguard", "udp"]
Family = Literal["ipv4", "ipv6"]
Semantics = Literal["pod", "underlay", "device", "route"]
Change = Literal["lower", "raise"]
OverheadTable = dict[tuple[str, str], int]  # (encapsulation, underlay family) -> bytes

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
    "gue": "udp/gue",
}
BOTH: tuple[Family, ...] = ("ipv4", "ipv6")


@dataclass(frozen=True, slots=True, kw_only=True)
class CniRequest:
    """What is asked of a container network, for a plan or for a packet stack."""

    pod_mtu: int  # what pods must end with
    link_mtu: int
    encap: Encap = "vxlan"
    family: Family = "ipv4"  # of the underlay
    port: int | None = None
    vni: int | None = None
    pod_cidrs: tuple[str, ...] = ("10.42.0.0/16",)
    pod_families: tuple[Family, ...] = ("ipv4",)
    host_ipsec: bool = True  # the hosts' own IPsec lies under the network
    own_ipsec: bool = False  # the network is asked to encrypt by itself
    # what only one adapter knows: chart, master, name, subnet, from
    options: Mapping[str, str] = field(default_factory=dict)
    # key of a ConfigMap, or file name -> the text that it has now, so that a patch keeps what it doesn't own
    existing: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Overhead:
    """Bytes that a program takes away from a size, by encapsulation and underlay family."""

    by: Mapping[tuple[str, str], int] = field(default_factory=dict)
    otherwise: int | None = None  # for a pair that ``by`` lacks; None: the program can't do it, or it is not known
    extra: int = 0  # in addition, for the program's own encryption
    multiple: int = 1  # of which the program cuts the result

    def size(self, encap: str, family: str) -> int | None:
        """Return the bytes for an encapsulation over a family, or None."""
        found = self.by.get((encap, family), self.otherwise)
        return None if found is None else found + self.extra

    def pod_mtu(self, value: int, encap: str, family: str) -> int | None:
        """Return what the program leaves of a size."""
        size = self.size(encap, family)
        return None if size is None else (value - size) // self.multiple * self.multiple

    def field_value(self, pod_mtu: int, encap: str, family: str) -> int | None:
        """Return the size of which the program leaves ``pod_mtu``: the inverse of :meth:`pod_mtu`."""
        size = self.size(encap, family)
        return None if size is None else pod_mtu + size


EXACT = Overhead(otherwise=0)


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
    six: bool = False  # its pods have IPv6 addresses, so it can't be below what IPv6 needs
    target: str = ""
    schema: str = ""
    by_step: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ManualStep:
    """One step on the way to a live value. ``command`` is for a shell; without one ``text`` says what to do."""

    stage: Literal["config", "restart", "devices", "pods", "check"]
    text: str
    command: str = ""
    where: Literal["cluster", "node"] = "cluster"


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltinIpsec:
    """IPsec that the network brings by itself: its ESP suite and how its packets are built."""

    suite: str
    mode: Literal["transport", "tunnel", "inside"] = "transport"
    nat_t: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Clue:
    """What a piece tells about a network beside its numbers."""

    system: str
    location: Location
    encap: str = ""
    family: Family | None = None
    own: BuiltinIpsec | None = None
    port: int | None = None
    bearer: str = ""  # the device that carries the network between hosts, where the configuration names it
    refuse: str = ""  # why nobody should put host IPsec under it


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A number that audit found, or the lack of one."""

    system: str
    field: str
    location: Location
    value: int | None  # None: the program chooses by itself
    semantics: Semantics
    encap: str  # empty: another piece tells
    change: str
    overhead: Overhead = EXACT  # between a value of the field and what comes out
    automatic: Overhead | None = None  # between the link and what the program chooses by itself; None: not known
    default: int | None = None  # what the program chooses by itself whatever the link is
    may_be_set: bool = True  # False: the program ignores the field
    family: Family | None = None  # None: another piece tells
    own: BuiltinIpsec | None = None
    port: int | None = None
    measure: Literal["mtu", "mss"] = "mtu"  # what comes out: a pod MTU, or a TCP MSS
    running: bool = False  # a live value in contrast to configuration
    device: str = ""  # the network device whose MTU it is, by its name on the host
    six: bool = False  # its pods have IPv6 addresses, so it can't be below what IPv6 needs
    target: str = ""  # of a route: where it leads
    inside: bool = False  # its packets stay where the host's own link counts, whatever path was given
    bearer: str = ""  # the device that carries the network between hosts, where the configuration names it
    source: str = ""  # outer address of this host's end, where the configuration names it
    far: tuple[str, ...] = ()  # outer addresses of the tunnel's ends, its own among them
    assumes: str = ""  # what is assumed where the path between the hosts was not given
    unjudged: str = ""  # why it can't be judged, and what to give
    needs_link: str = ""  # why no link MTU is assumed for it, and what to give
    other_end: int | None = None  # MTU of the other end of its veth, where the configuration gives it a smaller one
    note: str = ""

    def resulting_mtu(self, link: int, encap: str, family: str) -> int | None:
        """Return the size that comes out on a link; None where the program's choice is not known."""
        if self.value is not None:
            return self.overhead.pod_mtu(self.value, encap, family)
        if self.default is not None:
            return self.default
        return self.automatic.pod_mtu(link, encap, family) if self.automatic else None

    def required_value(self, size: int, encap: str, family: str) -> int | None:
        """Return the value of the field of which ``size`` comes out; None where no value does that."""
        return self.overhead.field_value(size, encap, family) if self.may_be_set else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter:
    """One container network: its fields, and the functions that write and read its configuration."""

    name: str  # in NETWORKS
    title: str
    semantics: Semantics
    field: str
    overhead: Overhead  # between a value of the field and the pod MTU; a pair it lacks is one the program can't do
    automatic: Overhead | None  # between the link and the pod MTU with an empty field; None: it ignores the link
    goes_live: str
    pods_keep: bool  # running pods keep the MTU that they were created with
    render: Callable[[CniRequest], list[Artifact]]
    steps: Callable[[CniRequest], list[ManualStep]]
    audit: Callable[[Piece], list[Setting | Clue]]
    brings_ipsec: str = ""  # why its own IPsec and that of the hosts exclude each other; empty: it has none
    largest: int = 65535
    unverified: str = ""
    writes_backend: bool = False  # it compares port and VNI with what there is by itself, and writes them where new
    rules: Callable[[CniRequest], list[Problem]] | None = None
    # the number in a patch of what was given, and the MTU of pods that it makes; None: as without anything given
    written: Callable[[CniRequest], tuple[int, int]] | None = None

    @property
    def facts(self) -> CniFacts:
        """What a plan knows of the network."""
        return NETWORKS[self.name]

    def device(self, request: CniRequest) -> str:
        """Return the device whose MTU bounds the pods; empty where the network makes none for this encapsulation."""
        made = self.facts.overlays.get(request.encap.partition(":")[0])
        if made is None:
            return ""
        return made.names(request.family, request.vni or made.vni or 0, request.port or made.port)[1]

    def field_value(self, request: CniRequest) -> int:
        """Return the number for the program's field that makes pods end with the planned MTU.

        Raises ValueError for an encapsulation that the network does not have.
        """
        value = self.overhead.field_value(request.pod_mtu, request.encap, request.family)
        if value is None:
            raise ValueError(f"{self.title} has no {request.encap} over {request.family}")
        return value

    def numbers(self, request: CniRequest) -> tuple[int, int]:
        """Return the number that is written, and the MTU with which pods end."""
        return self.written(request) if self.written else (self.field_value(request), request.pod_mtu)

    def pod_mtu_for(self, value: int, request: CniRequest) -> int | None:
        """Return the pod MTU that the program makes of a value of its field."""
        return self.overhead.pod_mtu(value, request.encap, request.family)

    def supports(self, request: CniRequest) -> list[Problem]:
        """Return what stands against this network, empty when nothing does."""
        found: list[Problem] = []
        if self.overhead.size(request.encap, request.family) is None:
            known = sorted({f"{e} over {f}" for e, f in self.overhead.by})
            found.append(
                Problem(
                    code="IPP901",
                    message=f"{self.title} has no {request.encap} over {request.family}",
                    hint="it has " + ", ".join(known),
                )
            )
            return found
        if request.own_ipsec and not self.brings_ipsec:
            found.append(Problem(code="IPP901", message=f"{self.title} brings no IPsec of its own"))
        elif request.own_ipsec and request.host_ipsec:
            found.append(
                Problem(
                    code="IPP902",
                    message=f"{self.title} with its own IPsec on top of host IPsec: {self.brings_ipsec}",
                    hint="switch one of the two off; both would also encrypt every byte twice",
                )
            )
        found += self._range(request)
        if self.rules:
            found += self.rules(request)
        return found

    def _range(self, request: CniRequest) -> list[Problem]:
        low = 1280 if "ipv6" in request.pod_families else 576
        value = self.field_value(request)
        if request.pod_mtu < low:
            why = (
                "an IPv6 link has at least 1280 bytes (RFC 8200 5)" if low == 1280 else "IPv4 hosts expect 576 or more"
            )
            return [Problem(code="IPP903", message=f"a pod MTU of {request.pod_mtu} is below {low}: {why}")]
        if value > self.largest:
            return [Problem(code="IPP903", message=f"{self.field} is at most {self.largest}, not {value}")]
        headroom = self.facts.headroom
        if request.pod_mtu + headroom > request.link_mtu:
            return [
                Problem(
                    code="IPP905",
                    message=f"{self.title} refuses a pod MTU of {request.pod_mtu} on a link of {request.link_mtu}: "
                    f"it insists on {headroom} bytes between the two",
                    hint=f"plan at most {request.link_mtu - headroom}",
                )
            ]
        if request.encap == "none" and not request.host_ipsec and request.pod_mtu > request.link_mtu:
            return [Problem(code="IPP905", message=f"a pod MTU of {request.pod_mtu} on a link of {request.link_mtu}")]
        return []


def same(encaps: tuple[Encap, ...], size: int = 0) -> OverheadTable:
    """Return a table with one number for these encapsulations over both families."""
    return {(encap, family): size for encap in encaps for family in BOTH}


def whole(value: Any) -> int | None:
    """Return a whole number that a configuration holds as a number or as text, else None."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value if -(1 << 31) <= value <= 1 << 32 else None
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit() and len(value) < 10:
        return int(value.strip())
    return None


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
