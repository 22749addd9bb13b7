"""Where a number comes from: which usual packets have exactly this inner MTU, and who publishes it."""

from __future__ import annotations

from netplan.explain.claims import CLAIMS
from netplan.explain.presets import UNDERLAYS
from netplan.problems import ProblemError
from netplan.stack import parse, solve

# one keyword for each size a suite can have
SUITES = (
    *("aes256gcm16", "aes256gcm12", "aes256gcm8", "aes128-sha1", "aes128-sha256", "aes256-sha384", "aes256-sha512"),
    *("aes128ctr-sha256", "3des-md5", "null-sha256"),
)
SHAPES = (
    *("ip4/{}/ip4", "ip4/udp/{}/ip4", "ip6/{}/ip6", "ip6/udp/{}/ip6", "ip4/{}", "ip4/udp/{}"),
    *("ip4/{}/udp/vxlan/eth/ip4", "ip4/udp/{}/udp/vxlan/eth/ip4", "ip4/{}/ip4/udp/vxlan/eth/ip4"),
    *("ip6/{}/udp/vxlan/eth/ip4", "ip4/{}/udp/geneve:8/eth/ip4", "ip4/udp/{}/udp/geneve:8/eth/ip4", "ip4/{}/gre/ip4"),
)
PLAIN = (
    *("ip4/ip4", "ip6/ip6", "ip4/gre/ip4", "ip4/gre/eth/ip4", "ip4/udp/vxlan/eth/ip4", "ip6/udp/vxlan/eth/ip4"),
    *("ip4/udp/geneve:8/eth/ip4", "ip6/udp/geneve:8/eth/ip4", "ip4/udp/wireguard/ip4", "ip6/udp/wireguard/ip4"),
    *("pppoe/ip4", "macsec/ip4", "ip4/stt/eth/ip4"),
)
# asked for most, so named first
WELL_KNOWN = ("calico", "cilium", "flannel", "k3s", "rke2", "antrea", "kube-ovn", "ovn-kubernetes", "docker")
# numbers that everybody has heard, and that are an overhead rather than a size
KNOWN: dict[int, tuple[str, ...]] = {
    50: (
        "overhead of VXLAN over IPv4: IP 20, UDP 8, VXLAN 8, inner Ethernet 14 (RFC 7348 5); 70 over IPv6",
        "overhead of Geneve without options over IPv4: the same sum (RFC 8926 3.4)",
    ),
    58: ("overhead of Geneve with 8 bytes of options over IPv4, as OVN sends it",),
    60: ("overhead of WireGuard over IPv4: IP 20, UDP 8, WireGuard 32; 80 over IPv6",),
    70: ("overhead of VXLAN over IPv6: IP 40, UDP 8, VXLAN 8, inner Ethernet 14 (RFC 7348 5)",),
    77: (
        "what Cilium and flannel subtract for IPsec whatever the packet is; no packet has this overhead at every size",
        "ESP pads in steps, so the true overhead depends on the size: calc STACK --explain shows the step",
    ),
    80: ("overhead of WireGuard over IPv6: IP 40, UDP 8, WireGuard 32; also what is subtracted where IPv6 may be",),
}
LINKS = tuple(sorted({underlay.mtu for underlay in UNDERLAYS.values()}))


def packets_of(size: int, link: int | None = None) -> list[tuple[int, str]]:
    """Return (link MTU, stack) of the usual packets with this inner MTU; at the links of the presets, or one link."""
    stacks = [*PLAIN, *(shape.format(f"esp:{suite}") for shape in SHAPES for suite in SUITES)]
    found = []
    for at in LINKS if link is None else (link,):
        for text in stacks:
            try:
                if solve(parse(text), at).inner_mtu == size:
                    found.append((at, text))
            except ProblemError:
                continue
    return found


def number(size: int, link: int | None = None) -> list[str]:
    """Return what is known of a number: as a link MTU, as an inner MTU, as somebody's setting."""
    lines = [f"{size}"]
    lines += [f"  {line}" for line in KNOWN.get(size, ())]
    said = [c for c in CLAIMS if c.value(link or c.link) == size]
    said.sort(key=lambda c: WELL_KNOWN.index(c.system) if c.system in WELL_KNOWN else len(WELL_KNOWN))
    for claim in said:
        lines.append(
            f"  {claim.measure.upper()} by {claim.system} on {link or claim.link}: {claim.when} ({claim.source})"
        )
    lines += [f"  link MTU of {underlay.line()}" for underlay in UNDERLAYS.values() if underlay.mtu == size]
    found = packets_of(size, link)
    lines += [f"  largest inner packet of {text} on a link of {at}" for at, text in found[:MOST]]
    if len(found) > MOST:
        lines.append(f"  and of {len(found) - MOST} more; give --mtu to see those of one link")
    if len(lines) == 1:
        lines.append("  no usual packet has this size; give the stack: ipsecplan calc STACK --mtu N --explain")
    return lines


MOST = 12
