"""From a packet stack to what a kernel must be told to send it. Knows names of devices and algorithms, no sizes."""

from __future__ import annotations

from typing import Any

from netplan.stack import Stack, Token, parse

Job = dict[str, Any]

AEAD = {
    "gcm": ("rfc4106(gcm(aes))", 4),
    "ccm": ("rfc4309(ccm(aes))", 3),
    "gmac": ("rfc4543(gcm(aes))", 4),
    "poly1305": ("rfc7539esp(chacha20,poly1305)", 4),
}
CIPHER = {
    "3des": ("cbc(des3_ede)", 24),
    "null": ("ecb(cipher_null)", 0),
    "aes128": ("cbc(aes)", 16),
    "aes192": ("cbc(aes)", 24),
    "aes256": ("cbc(aes)", 32),
    "aes128ctr": ("rfc3686(ctr(aes))", 20),
    "aes256ctr": ("rfc3686(ctr(aes))", 36),
    "camellia128": ("cbc(camellia)", 16),
    "camellia256": ("cbc(camellia)", 32),
}
AUTH = {
    "md5": ("hmac(md5)", 16, 96),
    "sha1": ("hmac(sha1)", 20, 96),
    "sha256": ("hmac(sha256)", 32, 128),
    "sha256_96": ("hmac(sha256)", 32, 96),
    "sha384": ("hmac(sha384)", 48, 192),
    "sha512": ("hmac(sha512)", 64, 256),
    "aesxcbc": ("xcbc(aes)", 16, 96),
    "aescmac": ("cmac(aes)", 16, 96),
}

# the tokens of an overlay -> (`ip link` type, whether it carries Ethernet frames)
OVERLAYS: dict[str, tuple[str, bool]] = {
    "udp/vxlan/eth": ("type vxlan id 42 dstport 4789 local {local} remote {remote}", True),
    "udp/geneve/eth": ("type geneve id 42 remote {remote}", True),
    "gre": ("type gre local {local} remote {remote}", False),
    "gre/eth": ("type gretap local {local} remote {remote}", True),
    "erspan:2/eth": ("type erspan seq key 7 local {local} remote {remote} erspan_ver 1 erspan 9", True),
    "erspan:3/eth": (
        "type erspan seq key 7 local {local} remote {remote} erspan_ver 2 erspan_dir egress erspan_hwid 4",
        True,
    ),
    "udp": ("type ipip local {local} remote {remote} encap fou encap-sport 5555 encap-dport 5555", False),
    "": ("type ipip local {local} remote {remote}", False),
}
OVERLAYS6: dict[str, tuple[str, bool]] = {
    "gre": ("type ip6gre local {local} remote {remote} encaplimit none", False),
    "gre/eth": ("type ip6gretap local {local} remote {remote} encaplimit none", True),
    "": ("type ip6tnl mode any local {local} remote {remote} encaplimit none", False),
}


def job(text: str, link: int, via: str = "") -> Job:
    """Return the job that measures a stack on a link; ``via`` names a device the packet goes through unseen (xfrm)."""
    stack = parse(text)
    names = [token.name for token in stack.tokens]
    secure = [i for i, name in enumerate(names) if name in ("esp", "ah")]
    first = stack.outer
    outer, inner = _number(names[first]), _number(stack.family)
    limit_option = "dstopts" in names
    behind = (secure[-1] if secure else first) + 1
    # with the kernel's encapsulation limit option before ESP, the IP header behind ESP is that of an ip6tnl device
    device_option = bool(secure) and "dstopts" in names[: secure[0]]
    tunnel = bool(secure) and names[behind:][:1] in (["ip4"], ["ip6"]) and not device_option
    carrier = _number(names[behind]) if tunnel else outer
    middle = [t for t in stack.tokens[behind + tunnel : stack.inner] if t.name != "dstopts"]
    device, ends = None, "behind" if tunnel else "link"
    if names[0] == "macsec":
        device = _macsec(stack.tokens[0].text.endswith("nosci"))
    elif names[0] == "mpls":
        device, ends = _mpls(int(stack.tokens[0].text.partition(":")[2] or 1), inner), "behind"
    elif "wireguard" in names:
        device = _wireguard(outer)
    elif via == "xfrm":
        device = {**_blank(outer), "link": "type xfrm dev cable if_id 5", "routed": True}
    elif stack.inner != first and not (tunnel and stack.inner == behind):
        device = _overlay(stack, middle, carrier, limit_option)
    if device and device["link"]:
        ends = "inside"
    return {
        "stack": text,
        "via": via,
        "link": link,
        "outer": outer,
        "inner": inner,
        # whose addresses a policy selects: of the tunnelled packet, or of what carries the overlay
        "select": [carrier, "behind" if tunnel and not device else "link", " if_id 5" if via == "xfrm" else ""],
        "ends": ends,
        "tunnel": tunnel,
        "protect": [_layer(stack, i, via) for i in reversed(secure)],
        "device": device,
        # with the option before ESP and IPv6 inside, the kernel's own limit can be lower than what fits: calc says so
        "limit": "length" if device_option and inner == 6 and "eth" not in names else "pass",
        # how far below the link the search begins; a device with less than 1280 loses its IPv6 addresses
        "reach": 200 if "wireguard" in names else 440,
    }


def _number(name: str) -> int:
    return 4 if name == "ip4" else 6


def _layer(stack: Stack, index: int, via: str) -> Job:
    token = stack.tokens[index]
    keyword = token.text.split(":")[1].split("-")
    args = ""
    if token.name == "ah":
        args = ("" if token.text.endswith(":align8") else "flag align4 ") + _auth(keyword[0])
    else:
        if stack.tokens[index - 1].name == "udp":
            args = "encap espinudp 4500 4500 0.0.0.0 "
        aead = next((name for name in AEAD if name in keyword[0]), None)
        if aead:
            kernel, salt = AEAD[aead]
            bits = 256 if aead == "poly1305" else int(keyword[0][3:6])
            icv = int(keyword[0].split(aead)[1] or 16) * 8 if aead in ("gcm", "ccm") else 128
            args += f"aead {kernel} {_key(bits // 8 + salt)} {icv}"
        else:
            kernel, size = CIPHER[keyword[0]]
            args += f"enc {kernel} {_key(size) if size else chr(34) * 2} {_auth(keyword[1])}"
    if via == "xfrm":
        args += " if_id 5"
    return {"proto": token.name, "args": args}


def _auth(keyword: str) -> str:
    kernel, size, bits = AUTH[keyword]
    return f"auth-trunc {kernel} {_key(size)} {bits}"


def _key(size: int) -> str:
    return "0x" + bytes((7 * i + 3) % 256 for i in range(size)).hex()


def _blank(family: int) -> Job:
    """Return a device description that does nothing yet."""
    return {
        "family": family,  # of the addresses at the ends of the cable that the device uses
        "once": [],  # `ip` commands that may have been given before
        "before": [],
        "sysctl": [],
        "link": "",  # `ip link add over ...`
        "after": [],  # `ip` commands once it is there
        "ether": False,
        "mtu": 0,
        "tags": 0,
        "tlv": "",
        "routed": False,  # packets go in by a socket, not straight to the device
        "wireguard": False,
    }


def _overlay(stack: Stack, middle: list[Token], carrier: int, limit_option: bool) -> Job:
    """Return the overlay device for the tokens between the carrying IP header and the innermost one."""
    bare = [token.text if token.name == "erspan" else token.name for token in middle if token.name != "vlan"]
    shape = "/".join(bare)
    options = [option for token in middle if token.name != "erspan" for option in token.text.split(":")[1:]]
    if carrier == 6 and shape in OVERLAYS6:
        link, ether = OVERLAYS6[shape]
    elif not shape and stack.family == "ip6":
        link, ether = "type sit local {local} remote {remote}", False
    else:
        link, ether = OVERLAYS[shape]
    result = _blank(carrier)
    result.update(link=link, ether=ether, mtu=11000, tags=sum(token.name == "vlan" for token in middle))
    if limit_option:
        result["link"] = link.replace(" encaplimit none", "")
    if shape.startswith("gre"):
        result["link"] += "".join(f" {option} 7" if option == "key" else f" {option}" for option in options)
    if shape == "udp/geneve/eth" and options:
        result["link"] = "type geneve external"
        result["tlv"] = _tlvs({"ovn": 8}.get(options[0]) or int(options[0]))
    if shape == "udp":
        result["once"] = ["fou add port 5555 ipproto 4"]
    return result


def _tlvs(length: int) -> str:
    """Return Geneve options of ``length`` bytes in all; one of them has at most 124 bytes of data behind its 4."""
    parts = []
    while length:
        this = min(length, 128)
        parts.append("0102:80:" + "5a" * (this - 4))
        length -= this
    return ",".join(parts)


def _macsec(nosci: bool) -> Job:
    key = "on key 01 00112233445566778899aabbccddeeff"
    sci = "send_sci off end_station on" if nosci else "send_sci on"
    peer = "macsec add over rx port 1 address {mac}"
    return {
        **_blank(4),
        "link": f"link cable type macsec port 1 encrypt on {sci}",
        "after": [f"macsec add over tx sa 0 pn 1 {key}", peer, f"{peer} sa 0 pn 1 {key}"],
        "routed": True,
    }


def _mpls(labels: int, family: int) -> Job:
    numbers = [100 + n for n in range(labels)]
    labelled = "/".join(map(str, numbers))
    out = f"route replace {{behind}} encap mpls {labelled} via {{remote}} dev cable src {{here}}"
    return {
        **_blank(family),
        "before": [*(f"-f mpls route replace {n} dev lo" for n in numbers), out],
        "sysctl": ["net.mpls.platform_labels=1000", "net.mpls.conf.cable.input=1", "net.mpls.conf.lo.input=1"],
    }


def _wireguard(outer: int) -> Job:
    # padding stops at the device's MTU, so that has to follow the size of each probe
    return {**_blank(outer), "link": "type wireguard", "routed": True, "wireguard": True}
