"""FortiOS 7: phase 1 and phase 2 of IPsec, as commands of its CLI.

FortiOS 7.4 CLI reference: vpn ipsec phase1-interface, phase2-interface. A name of a phase 1 has at most 15 characters.
"""

from __future__ import annotations

import ipaddress

from netplan.ipsec.far_end.ends import CannotSay, FarEnd, Said, Selector, Suite, Tunnel, known, say
from netplan.templates.render import render

NAME = "fortios.conf"
_CBC = {"AES_CBC": "aes{bits}", "3DES_CBC": "3des"}
_HASHES = {
    "HMAC_SHA1_96": "sha1",
    "HMAC_SHA2_256_128": "sha256",
    "HMAC_SHA2_384_192": "sha384",
    "HMAC_SHA2_512_256": "sha512",
}
_PRF = {
    "PRF_HMAC_SHA1": "prfsha1",
    "PRF_HMAC_SHA2_256": "prfsha256",
    "PRF_HMAC_SHA2_384": "prfsha384",
    "PRF_HMAC_SHA2_512": "prfsha512",
}
_GROUPS = (14, 15, 16, 17, 18, 19, 20, 21, 27, 28, 29, 30, 31, 32)
_MOST = 10  # proposals of a phase


def text(end: FarEnd) -> str:
    """Return the commands. Raises CannotSay with what FortiOS has no word for."""
    if end.hosts and end.mode == "transport" and end.clear:
        raise CannotSay("services that stay clear between two hosts")
    rows, left_out = [], []
    for tunnel in end.tunnels:
        ike, esp = say(tunnel.ike, ike_word, "IKE"), say(tunnel.esp, esp_word, "ESP")
        left_out += [*ike.left_out, *esp.left_out]
        rows.append(
            {
                "tunnel": tunnel,
                "ike": " ".join(dict.fromkeys(ike.words[:_MOST])),
                "ike_groups": _groups(ike),
                "esp": " ".join(dict.fromkeys(esp.words[:_MOST])),
                "esp_groups": _groups(esp),
                "children": [_child(end, tunnel, selector) for selector in end.selectors],
            }
        )
    return render("far-end/fortios.conf.j2", end=end, rows=rows, left_out=list(dict.fromkeys(left_out)))


def ike_word(one: Suite) -> str:
    """Return a proposal for phase 1, such as ``aes256gcm-prfsha384``. Raises CannotSay."""
    _group(one)
    prf = known(_PRF, one.prf, "PRF")
    if not one.integrity:
        return f"{_aead(one)}-{prf}"
    if prf != f"prf{_hash(one)}":
        raise CannotSay(f"{one.integrity} with {one.prf}: its words name one hash for both")
    return f"{_cbc(one)}-{_hash(one)}"


def esp_word(one: Suite) -> str:
    """Return a proposal for phase 2, such as ``aes256gcm``. Raises CannotSay."""
    _group(one)
    if "esn" in one.esn and "noesn" not in one.esn:
        raise CannotSay("extended sequence numbers alone")
    return _aead(one) if not one.integrity else f"{_cbc(one)}-{_hash(one)}"


def _aead(one: Suite) -> str:
    if one.encryption == "CHACHA20_POLY1305":
        return "chacha20poly1305"
    if one.encryption == "AES_GCM_16" and one.bits in (128, 256):
        return f"aes{one.bits}gcm"
    raise CannotSay(f"cipher {one.encryption}-{one.bits}")


def _cbc(one: Suite) -> str:
    return known(_CBC, one.encryption, "cipher").format(bits=one.bits)


def _hash(one: Suite) -> str:
    return known(_HASHES, one.integrity, "integrity algorithm")


def _group(one: Suite) -> int:
    if one.number and one.number not in _GROUPS:
        raise CannotSay(f"key exchange {one.group} (group {one.number})")
    return one.number


def _groups(said: Said) -> str:
    """Return the groups of a phase; empty without a key exchange. It is one list for all its proposals."""
    return " ".join(dict.fromkeys(str(one.number) for one in said.suites if one.number))


def _child(end: FarEnd, tunnel: Tunnel, selector: Selector) -> dict[str, object]:
    """Return one phase 2; in transport mode its addresses are those of the gateways and can't be set."""
    nets: list[tuple[str, str]] = []
    if end.mode == "tunnel":
        nets = [(side, _subnet(address)) for side, address in (("src", tunnel.own), ("dst", tunnel.peer))]
    return {"name": f"{tunnel.short}-{selector.name}", "selector": selector, "nets": nets, "six": tunnel.ipv6}


def _subnet(address: str) -> str:
    """Return one address as a subnet: with a mask, as FortiOS writes IPv4, or with a length."""
    parsed = ipaddress.ip_address(address)
    return f"{parsed}/128" if parsed.version == 6 else f"{parsed} 255.255.255.255"
