"""What a Linux kernel does with a packet that is too large for a hop: by device, by how it got there, by DF.

Every rule is what was measured on running kernels (6.1 and 7.2). Those for packets with don't-fragment are measured
anew by tests/kernel in every run; those without it were measured once. Values that a host reports include ESP: it knows
what its own policies leave, but not what lies behind a UDP tunnel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from netplan.path.model import Hop
from netplan.path.trace import Trace
from netplan.stack.headers import MIN_MTU

Kind = Literal["passes", "fragmented outside", "fragmented inside", "icmp", "error", "dropped silently"]
_UDP_TUNNELS = ("vxlan", "geneve", "vxlan-gpe", "wireguard")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What becomes of a packet. ``hop`` is the place (None: everywhere it fits), ``value`` the MTU that is reported."""

    kind: Kind
    hop: Hop | None = None
    value: int | None = None
    text: str = ""

    @property
    def arrives(self) -> bool:
        """Whether the far end gets the packet, whole or put together from fragments."""
        return self.kind in ("passes", "fragmented outside", "fragmented inside")


def fate(found: Trace, size: int, *, df: bool = True) -> Fate:
    """Return what happens to an IP packet of ``size`` bytes; ``df`` whether it must not be fragmented (IPv6 never is).

    The first hop that it is too large for decides.
    """
    df = df or found.family == "ipv6"
    carrier: Hop | None = None  # the device whose own packet is looked at: the last one that put an IP header on
    for index, hop in enumerate(found.hops):
        if size > hop.passes:
            return _too_large(found, index, carrier, df, size)
        if _sends(hop):
            carrier = hop
    return Fate(kind="passes", text="it arrives in one piece")


def _too_large(found: Trace, index: int, carrier: Hop | None, df: bool, size: int) -> Fate:
    hop = found.hops[index]
    if hop.kind == "path":
        return _at_the_far_end(hop)
    if index == 0 and hop.role in ("pod", "bridge"):
        return _refused_to_the_sender(found, hop, df)
    above = _makers(found, hop)
    maker = above[-2] if len(above) > 1 else None  # of the packet that the carrier looks at
    if maker and above[-1].role == "policy" and tunnel_kind(found, maker) not in _UDP_TUNNELS:
        text = f"{above[-1].device} reports {hop.inner} to {maker.device}, whose packet it was: nothing leaves"
        return Fate(kind="dropped silently", hop=hop, text=text)
    tunnels = [h for h in above if h.role == "tunnel"]
    if carrier is None or not tunnels:
        return _own_packet(found, hop, df)
    return _outer_packet(found, hop, tunnels[-1], df, size)


def _sends(hop: Hop) -> bool:
    """Tell whether what goes on from here is the device's own packet, with another IP header."""
    return hop.role in ("tunnel", "policy") and hop.kind != "path"


def _at_the_far_end(hop: Hop) -> Fate:
    text = f"{hop.device or 'the path'} carries {hop.mtu}: what is larger is dropped there, and the sender is not told"
    return Fate(kind="dropped silently", hop=hop, text=text)


def _refused_to_the_sender(found: Trace, hop: Hop, df: bool) -> Fate:
    if not df and found.family == "ipv4":
        return Fate(kind="fragmented inside", hop=hop, text=f"the pod's own device has {hop.mtu}: the pod fragments it")
    return Fate(
        kind="error", hop=hop, value=hop.mtu, text=f"the pod's own device has {hop.mtu}: its kernel refuses (EMSGSIZE)"
    )


def _own_packet(found: Trace, hop: Hop, df: bool) -> Fate:
    """The packet itself is too large for the device or route that it is sent to, or for ESP on the way there."""
    protected = "/esp:" in hop.stack or "/ah:" in hop.stack
    value = hop.inner
    if found.entry == "bridged":
        return Fate(
            kind="dropped silently", hop=hop, text=f"the bridge forwards no frame larger than {hop.device} takes"
        )
    if not df:
        if protected and hop.stack.startswith("ip4/") and found.family == "ipv4":
            return Fate(kind="fragmented outside", hop=hop, text="ESP is put on first, then its packet is fragmented")
        return Fate(kind="fragmented inside", hop=hop, text="the packet is fragmented before anything is put on")
    if found.entry == "socket":
        return Fate(
            kind="error", hop=hop, value=value, text=f"the host's kernel refuses it (EMSGSIZE) and says {value}"
        )
    return Fate(kind="icmp", hop=hop, value=value, text=f"the host drops it and reports {value} to the pod")


def _outer_packet(found: Trace, hop: Hop, carrier: Hop, df: bool, size: int) -> Fate:
    """The packet fits its device, but what the device sends does not fit below it."""
    kind, outer = tunnel_kind(found, carrier), _added(found, carrier)[:1]
    above = _makers(found, carrier)
    if kind in _UDP_TUNNELS:
        return _udp_tunnel(found, hop, carrier, df, outer == ["ip6"])
    if above and found.entry != "bridged" and not _relays(found, above[-1]):
        text = f"{carrier.device} reports {hop.inner} to {above[-1].device}, whose packet it was: nothing leaves"
        return Fate(kind="dropped silently", hop=hop, text=text)
    if df and found.entry != "bridged":
        # a tunnel reports no less than IPv6 may have, and what is in between is lost
        value = max(hop.inner, MIN_MTU["ip6"]) if found.family == "ipv6" else hop.inner
        if size <= value and not above:  # what ip6tnl is told of its own packets it passes on, whatever their size
            text = f"{carrier.device} may report no less than {value} for IPv6, and the packet is no larger: it is lost"
            return Fate(kind="dropped silently", hop=hop, text=text)
        text = f"{carrier.device} looks at the path below it, drops the packet and reports {value}"
        return Fate(kind="icmp", hop=hop, value=value, text=text)
    why = "can't fragment it and tells nobody" if df else "sends it with don't-fragment"
    return Fate(kind="dropped silently", hop=hop, text=f"{carrier.device} {why}")


def _udp_tunnel(found: Trace, hop: Hop, carrier: Hop, df: bool, six: bool) -> Fate:
    """VXLAN, Geneve and WireGuard. ``six``: what it sends is IPv6."""
    if tunnel_kind(found, carrier) != "wireguard":
        # nobody hears of another tunnel's packet, or of what an interface of IPsec hides; none is told less than IPv6's
        told = _makers(found, hop) == [carrier] and (found.family == "ipv4" or hop.inner >= MIN_MTU["ip6"])
        if found.entry == "bridged" and df and told:
            text = f"the host drops the frame and reports {hop.inner} in the name of the far pod"
            return Fate(kind="icmp", hop=hop, value=hop.inner, text=text)
        why = ""
        if six:
            why = "sends over IPv6, which nobody fragments for it"
        elif carrier.df == "set" or (carrier.df == "inherit" and _forbids(found, carrier, df)):
            why = "forbids to fragment what it sends (df)"
        if why and found.entry == "socket" and df and told:
            text = f"{carrier.device} {why}: it is lost, and from then on the host's kernel says {hop.inner} (EMSGSIZE)"
            return Fate(kind="error", hop=hop, value=hop.inner, text=text)
        if why:
            text = f"{carrier.device} {why}: nothing leaves, and nobody is told"
            return Fate(kind="dropped silently", hop=hop, text=text)
    text = f"{carrier.device} sends it in two outer fragments, and nobody is told"
    return Fate(kind="fragmented outside", hop=hop, text=text)


def _makers(found: Trace, hop: Hop) -> list[Hop]:
    """Return the devices whose own packets come to a hop, innermost first: the last made the one that comes."""
    return [h for h in found.hops[: found.hops.index(hop)] if _sends(h)]


def _forbids(found: Trace, carrier: Hop, df: bool) -> bool:
    """Tell whether the packet that comes to a device must not be fragmented; ``df``: the innermost one must not."""
    makers = _makers(found, carrier)
    if not makers:
        return df
    maker = makers[-1]
    kind = tunnel_kind(found, maker)
    if _added(found, maker)[:1] == ["ip6"] or maker.df == "set":
        return True
    if kind in _UDP_TUNNELS and maker.df != "inherit":
        return False
    # of other tunnels `pmtudisc` is what devices have by default; ESP in tunnel mode takes DF over
    return (kind not in _UDP_TUNNELS and maker.role == "tunnel") or _forbids(found, maker, df)


def _relays(found: Trace, carrier: Hop) -> bool:
    """Tell whether a device passes on to the sender what it is told of its own packets: ip6tnl does."""
    added = {name.partition(":")[0] for name in _added(found, carrier)}
    return carrier.role == "tunnel" and added <= {"ip6", "dstopts"}


def tunnel_kind(found: Trace, carrier: Hop) -> str:
    """Return the tunnel token that a device puts on, empty for plain IP in IP."""
    names = (part.partition(":")[0] for part in _added(found, carrier))
    return next((n for n in names if n in (*_UDP_TUNNELS, "gre", "erspan")), "")


def _added(found: Trace, carrier: Hop) -> list[str]:
    """Return the headers that a device puts on, outermost first, without those of IPsec around them."""
    after = found.hops[found.hops.index(carrier) + 1 :]
    if not after:
        return []
    tokens = after[0].stack.removesuffix(carrier.stack).strip("/").split("/")
    protected = [i for i, token in enumerate(tokens) if token.startswith(("esp:", "ah:"))]
    if protected and tokens[protected[-1] + 1 : protected[-1] + 2] in (["ip4"], ["ip6"]):
        return tokens[protected[-1] + 1 :]
    return [t for t in tokens if not t.startswith(("esp:", "ah:"))]
