"""The parameters of a lab cluster and every address that follows from them."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any, Literal, cast

from netplan.lab.releases import KERNEL_VERSION, PEERS, RELEASES, STABLE, by_age, peer_root
from netplan.model.cni_facts import PORTS
from netplan.problems import Problem, ProblemError, counted, fail, quoted

Family = Literal["ipv4", "ipv6"]
OverlayType = Literal["vxlan", "geneve"]

NAME = re.compile(r"[a-z0-9-]{1,32}")
NODE = re.compile(r"n[1-9][0-9]?")
GUEST = "guest"
PLAN_NAME = "lab"  # the same for every lab: device names follow from it, and a saved cluster must fit any lab
VNI = 4096
DEVICE = "ov0"
MAX_NODES = 64
# Smallest underlay MTU that leaves a pod 1280 bytes minus ESP; largest Ethernet jumbo frame in use
MTU_RANGE = (1280, 9216)
NETWORK = "10.77.0"
NETWORK6 = "fd00:77::"


def check_name(name: str) -> str:
    """Return ``name`` if it may become a folder and process name, else raise a Problem."""
    if not NAME.fullmatch(name):
        fail("IPP801", f"{quoted(name)} is no name for a lab: use 1 to 32 of a-z, 0-9 and '-'")
    return name


@dataclass(frozen=True, slots=True, kw_only=True)
class LabNode:
    """One node: ``number`` counts from 1; addresses are literals without a prefix length, ``pod_cidr`` has one."""

    number: int
    family: Family

    @property
    def name(self) -> str:
        return f"n{self.number}"

    @property
    def management_address(self) -> str:
        return f"{NETWORK}.{10 + self.number}"

    @property
    def underlay_address(self) -> str:
        return self.management_address if self.family == "ipv4" else f"{NETWORK6}{10 + self.number}"

    @property
    def pod_cidr(self) -> str:
        return f"10.244.{self.number}.0/24"

    @property
    def overlay_address(self) -> str:
        return f"10.244.{self.number}.0"

    @property
    def pod_address(self) -> str:
        """Address of the pod ``pod1`` that every node starts with."""
        return f"10.244.{self.number}.2"


@dataclass(frozen=True, slots=True, kw_only=True)
class LabConfig:
    """What a lab is made of. ``mtu`` is the underlay's IP MTU in bytes.

    Nodes run Debian ``release``, those in ``mix`` (name -> release) another one. ``kernel`` is the version of the
    kernel that they share, such as ``6.12``; "" means that of the newest release among them. With ``peer`` the last
    node is an unmanaged host with that IPsec daemon (one of PEERS) in place of strongSwan; "" means that there is none.
    """

    nodes: int = 3
    family: Family = "ipv4"
    mtu: int = 1500
    overlay: OverlayType = "vxlan"
    release: str = STABLE
    mix: tuple[tuple[str, str], ...] = ()
    kernel: str = ""
    peer: str = ""

    def __post_init__(self) -> None:
        problems = []
        if not 1 <= self.nodes <= MAX_NODES:
            problems.append(f"a lab has 1 to {counted(MAX_NODES, 'node')}, not {self.nodes}")
        if not MTU_RANGE[0] <= self.mtu <= MTU_RANGE[1]:
            problems.append(f"the lab's MTU is {MTU_RANGE[0]} to {MTU_RANGE[1]}, not {self.mtu}")
        if self.family not in ("ipv4", "ipv6"):
            problems.append(f"the lab's family is ipv4 or ipv6, not {quoted(self.family)}")
        if self.overlay not in ("vxlan", "geneve"):
            problems.append(f"the lab's overlay is vxlan or geneve, not {quoted(self.overlay)}")
        for release in dict.fromkeys((self.release, *dict(self.mix).values())):
            if release not in RELEASES:
                problems.append(f"a release is one of {', '.join(RELEASES)}, not {quoted(release)}")
        strangers = [name for name, _ in self.mix if not NODE.fullmatch(name) or int(name[1:]) > self.nodes]
        if strangers:
            problems.append(
                f"the mix names {quoted(strangers[0])}, which is none of the lab's {counted(self.nodes, 'node')}"
            )
        if self.kernel and not KERNEL_VERSION.fullmatch(self.kernel):
            problems.append(f"a kernel is a version such as 6.12 or 6.12.118, not {quoted(self.kernel)}")
        if self.peer and self.peer not in PEERS:
            problems.append(f"a peer is one of {', '.join(PEERS)}, not {quoted(self.peer)}")
        elif self.peer and self.nodes < 3:
            problems.append(f"a lab with a peer has 3 nodes or more, of which the peer is the last: not {self.nodes}")
        elif self.peer and self.names[-1] in dict(self.mix):
            problems.append(f"the mix names {self.names[-1]}, which is the peer: it has a release of its own")
        if problems:
            raise ProblemError([Problem(code="IPP801", message=text) for text in problems])

    @property
    def members(self) -> tuple[LabNode, ...]:
        return tuple(LabNode(number=n, family=self.family) for n in range(1, self.nodes + 1))

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(node.name for node in self.members)

    @property
    def releases(self) -> dict[str, str]:
        """Name of a node -> root that it runs: a release, with the peer's daemon behind it on the peer."""
        last = {self.names[-1]: peer_root(self.peer)} if self.peer else {}
        return dict.fromkeys(self.names, self.release) | dict(self.mix) | last

    @property
    def peer_name(self) -> str | None:
        """Name of the node that is an unmanaged peer; None where there is none."""
        return self.names[-1] if self.peer else None

    @property
    def guest_release(self) -> str:
        """Release of the machine around the nodes, the newest of theirs: its kernel has what all of them ask for."""
        return by_age(self.releases.values())[-1]

    @property
    def overlay_mtu(self) -> int:
        """IP MTU in bytes of overlay and pods before IPsec: outer IP, UDP, VXLAN or Geneve, Ethernet taken off."""
        return self.mtu - (50 if self.family == "ipv4" else 70)

    @property
    def overlay_port(self) -> int:
        return PORTS[self.overlay]

    @property
    def memory(self) -> int:
        """Memory of the virtual machine in MiB (3 nodes use about 170; files they write live in it too)."""
        return 1024 + 96 * max(0, self.nodes - 6)

    @property
    def words(self) -> str:
        """What the lab is made of, in a line."""
        systems = ", ".join(f"{name} {release}" for name, release in self.mix)
        systems = (
            self.release + (f" ({systems})" if systems else "") + (f", kernel {self.kernel}" if self.kernel else "")
        )
        systems += f", {self.peer_name} with {self.peer}" if self.peer else ""
        return f"{counted(self.nodes, 'node')}, {self.overlay} over {self.family}, MTU {self.mtu}, Debian {systems}"

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"mix": dict(self.mix)}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> LabConfig:
        return cls(
            nodes=int(data["nodes"]),
            family=cast(Family, str(data["family"])),
            mtu=int(data["mtu"]),
            overlay=cast(OverlayType, str(data["overlay"])),
            release=str(data["release"]),
            mix=tuple(sorted((str(name), str(release)) for name, release in dict(data["mix"]).items())),
            kernel=str(data["kernel"]),
            peer=str(data.get("peer", "")),
        )
