"""Which stacks are measured: every transform, mode, family and overlay, and the links where steps show."""

from __future__ import annotations

SUITES = (
    *("aes128gcm16", "aes256gcm16", "aes128gcm12", "aes128gcm8", "aes128ccm16", "aes256ccm12", "aes128ccm8"),
    *("chacha20poly1305", "aes128gmac", "aes128-sha1", "aes128-sha256", "aes192-sha256_96", "aes256-sha384"),
    *("aes256-sha512", "aes128-aesxcbc", "aes128-aescmac", "aes128-md5", "3des-md5", "3des-sha1"),
    *("camellia128-sha256", "aes128ctr-sha256", "null-sha256", "null-sha1"),
)
MODES = ("ip4/{}", "ip6/{}", "ip4/{}/ip4", "ip4/{}/ip6", "ip6/{}/ip4", "ip6/{}/ip6")
AUTHS = ("md5", "sha1", "sha256", "sha256:align8", "sha384", "sha384:align8", "sha512", "sha512:align8")
OVERLAYS = (
    *("ip4/{}udp/vxlan/eth/ip4", "ip4/{}udp/vxlan/eth/ip6", "ip4/{}udp/vxlan/eth/vlan/ip4"),
    *("ip6/{}udp/vxlan/eth/ip4", "ip6/{}udp/vxlan/eth/vlan/ip6"),
    *("ip4/{}udp/geneve/eth/ip4", "ip4/{}udp/geneve:8/eth/ip4", "ip4/{}udp/geneve:64/eth/ip6"),
    *("ip6/{}udp/geneve/eth/ip4", "ip6/{}udp/geneve:12/eth/ip6"),
    *("ip4/{}gre/ip4", "ip4/{}gre:key/ip6", "ip4/{}gre/eth/ip4", "ip4/{}gre:key/eth/ip4"),
    *("ip6/{}gre/ip4", "ip6/{}gre/eth/ip6", "ip4/{}ip4", "ip4/{}ip6", "ip6/{}ip6"),
)
GCM, CBC = "esp:aes128gcm16", "esp:aes128-sha256"
SINGLE = (
    # headers that are seldom met
    *("ip4/gre:csum/ip4", "ip4/gre:key:csum:seq/ip4", "ip4/erspan:2/eth/ip4", "ip4/erspan:3/eth/ip4"),
    *("ip4/udp/geneve:128/eth/ip4", "ip4/udp/geneve:ovn/eth/vlan/ip4", "macsec/ip4", "macsec/ip6"),
    *("mpls/ip4", "mpls:2/ip4", "mpls/ip6"),
    # the kernel's encapsulation limit option
    *("ip6/dstopts:8/ip4", "ip6/dstopts:8/gre/ip4", "ip6/dstopts:8/gre/eth/ip6"),
    *(f"ip6/dstopts:8/{GCM}/ip6", f"ip6/dstopts:8/{CBC}/gre/ip6", f"ip6/dstopts:8/udp/{CBC}/ip4"),
    *(f"ip6/dstopts:8/{CBC}/{inside}" for inside in ("ip4", "ip6", "gre/ip4", "gre/eth/ip4", "gre/eth/ip6")),
    *(f"ip6/{CBC}/ip6/dstopts:8/gre/eth/ip4",),
    # AH around ESP
    *(
        f"ip4/ah:sha256:align8/{CBC}/ip4",
        f"ip4/ah:sha256/{GCM}/ip4",
        f"ip6/ah:sha256/{GCM}",
        f"ip6/ah:sha512/{CBC}/ip6",
    ),
)
# measured where the kernel has them (modules wireguard, xfrm_interface, and fou for ipip);
# (stack, through which device)
WHERE_PRESENT = (
    ("ip4/udp/ip4", ""),
    *(("ip4/udp/wireguard/ip4", ""), ("ip6/udp/wireguard/ip4", ""), ("ip4/udp/wireguard/ip6", "")),
    *((f"ip4/{GCM}/ip4", "xfrm"), (f"ip6/{CBC}/ip6", "xfrm")),
)
LINKS = (1280, 1400, 1450, 1460, 1492, 8500, 8900, 9000, 9001)


def matrix() -> list[tuple[str, int, str]]:
    """Return (stack, link MTU, device it goes through unseen) for all measurements."""
    rows: list[tuple[str, int, str]] = []
    for number, suite in enumerate(SUITES):
        for place, mode in enumerate(MODES):
            rows.append((mode.format(f"esp:{suite}"), 1500, ""))
            if (number + place) % 3 == 0:
                rows.append((mode.replace("/{}", "/udp/{}").format(f"esp:{suite}"), 1500, ""))
    for number, auth in enumerate(AUTHS):
        for place, mode in enumerate(MODES):
            if (number + place) % 2 == 0 and not ("align8" in auth and mode.startswith("ip6")):
                rows.append((mode.format(f"ah:{auth}"), 1500, ""))
    for number, overlay in enumerate(OVERLAYS):
        outer = overlay[:3]
        protections = ("", f"{GCM}/", f"{CBC}/", f"udp/{CBC}/", f"{GCM}/{outer}/", f"udp/{CBC}/{outer}/")
        chosen = protections if number < 4 else ("", protections[1 + number % 3], protections[4 + number % 2])
        rows += [(overlay.format(protection), 1500, "") for protection in chosen]
    rows += [(stack, 1500, "") for stack in SINGLE]
    for link in LINKS:
        rows += [(f"ip4/udp/{CBC}/ip4", link, ""), (f"ip6/{GCM}", link, ""), (f"ip4/{CBC}/udp/vxlan/eth/ip4", link, "")]
    rows += [(stack, 1500, via) for stack, via in WHERE_PRESENT]
    return list(dict.fromkeys(rows))
