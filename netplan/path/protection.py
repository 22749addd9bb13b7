"""Which IPsec a packet gets: selectors against addresses, ports, marks and interface ids, and ESP in the notation.

An address that is not known matches every selector that could be meant; a known one decides. That is the cautious
side: protection costs bytes.
"""

from __future__ import annotations

from collections.abc import Iterable

from netplan.path.model import OUTER, Host, NotKnown, Packet, Protection
from netplan.path.routing import contains

_PROTOCOLS = {"ip4": 4, "udp": 17, "ip6": 41, "gre": 47, "erspan": 47, "esp": 50}


def protocol(stack: str) -> int | None:
    """Return the protocol in the outermost IP header of a packet, None where the stack does not say it."""
    inside = [header.partition(":")[0] for header in stack.split("/")[1:]]
    # a selector sees what is behind the options
    return _PROTOCOLS.get(next((header for header in inside if header != "dstopts"), ""))


def of_packet(host: Host, packet: Packet, *, if_id: int | None = None, mark: int | None = None) -> list[Protection]:
    """Return the IPsec that can apply to a packet, one of each kind; of an interface's own where an id is given."""
    found = [p for p in host.protections if _applies(p, packet, if_id, mark)]
    if mark is not None:
        # a VTI's own, else what has no mark and could be meant
        found = [p for p in found if p.mark == mark] or [p for p in found if p.networks or not p.src]
    certain = [p for p in found if _certain(p, packet)]
    return _distinct(certain or found)


def between(host: Host, local: str, remote: str) -> list[Protection]:
    """Return the IPsec in tunnel mode between two addresses, one of each kind: what a VTI between them can mean."""
    if not local or not remote:
        return []
    return _distinct([p for p in host.protections if p.mode == "tunnel" and set(p.ends) == {local, remote}])


def of_interfaces(host: Host) -> list[int]:
    """Return the ids of XFRM interfaces whose IPsec may get a packet, where no route says what goes into them."""
    return [] if host.routes else sorted({p.if_id for p in host.protections if p.if_id})


def _applies(p: Protection, packet: Packet, if_id: int | None, mark: int | None) -> bool:
    if (p.if_id or None) != (if_id or None):
        return False
    if if_id is None and p.mark and (mark if mark is not None else packet.mark) != p.mark:
        return False
    if p.family and p.mode != "tunnel" and p.family != packet.family:
        return False
    if p.ports is not None and (packet.port is None or packet.port not in p.ports):
        return False
    if p.protocols and packet.protocol is not None and packet.protocol not in p.protocols:
        return False
    if if_id is not None or mark is not None:
        return True
    if packet.sender == "host":
        if p.networks and not (packet.src or packet.dst):
            return False  # between networks behind the hosts; whether the packet's ends are in them is not known
    elif p.ports is not None or (p.mode == "transport" and (p.networks or packet.sender == "pod")):
        return False
    return _meets(p.src, packet.src) and _meets(p.dst, packet.dst)


def _meets(selector: tuple[str, ...], address: str) -> bool:
    return not selector or not address or any(contains(each, address) for each in selector)


def _certain(p: Protection, packet: Packet) -> bool:
    return bool(p.dst and packet.dst and p.src and packet.src)


def _distinct(found: Iterable[Protection]) -> list[Protection]:
    """One of all that cost the same: a mesh of a thousand hosts has a thousand connections of one kind."""
    alike: dict[tuple[object, ...], Protection] = {}
    for each in found:
        alike.setdefault((each.suite, each.mode, each.nat_t, each.family, each.live), each)
    return list(alike.values())


def missed(host: Host, packet: Packet) -> list[Protection]:
    """Return the IPsec that would cover the packet but for its UDP port."""
    return [
        p
        for p in host.protections
        if p.ports is not None
        and p.mark is None
        and packet.port not in p.ports
        and not (p.protocols and packet.protocol is not None and packet.protocol not in p.protocols)
        and (p.family is None or p.family == packet.family)
        and _meets(p.src, packet.src)
        and _meets(p.dst, packet.dst)
    ]


def with_esp(p: Protection, packet: Packet, stack: str) -> tuple[str, Packet]:
    """Return stack and packet with ESP put on. Raises NotKnown for a mode that the arithmetic does not have."""
    if p.mode not in ("transport", "tunnel"):
        what = "IP-TFS" if p.mode == "iptfs" else "BEET" if p.mode == "beet" else "its mode"
        raise NotKnown(f"the IPsec that covers it uses {what}, whose size is not judged here: give --stack")
    esp = f"udp/esp:{p.suite}" if p.nat_t else f"esp:{p.suite}"
    if p.mode == "transport":
        outer, _, rest = stack.partition("/")
        # the encapsulation limit stays in clear, before ESP
        limit, _, behind = rest.partition("/")
        if limit.startswith("dstopts"):
            return "/".join(part for part in (outer, limit, esp, behind) if part), packet
        return "/".join(part for part in (outer, esp, rest) if part), packet
    family = p.family or packet.family
    outer_packet = Packet(family=family, src=p.ends[0], dst=p.ends[1], wireguard=packet.wireguard)
    return f"{OUTER[family]}/{esp}/{stack}", outer_packet
