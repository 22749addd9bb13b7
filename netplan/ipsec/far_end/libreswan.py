"""``ipsec.conf`` of libreswan 5: one conn a child, because a conn has one pair of selectors.

ipsec.conf(5) of libreswan 5.2; the algorithm names are those that its parser takes. What is written is what pluto of
Debian 13 was seen to load and to negotiate with strongSwan (tests/kernel/test_libreswan.py, tests/lab).
"""

from __future__ import annotations

from netplan.ipsec.far_end.ends import CannotSay, FarEnd, Said, Selector, Suite, known, say
from netplan.templates.render import render

NAME = "libreswan.conf"
_ENCRYPTION = {
    "AES_GCM_16": "aes_gcm{bits}",
    "AES_GCM_12": "aes_gcm_b{bits}",
    "AES_GCM_8": "aes_gcm_a{bits}",
    "AES_CCM_16": "aes_ccm{bits}",
    "AES_CCM_12": "aes_ccm_b{bits}",
    "AES_CCM_8": "aes_ccm_a{bits}",
    "CHACHA20_POLY1305": "chacha20_poly1305",
    "AES_CBC": "aes{bits}",
    "AES_CTR": "aes_ctr{bits}",
    "CAMELLIA_CBC": "camellia{bits}",
    "3DES_CBC": "3des",
}
_ESP_ONLY = ("AES_CCM_16", "AES_CCM_12", "AES_CCM_8")
_INTEGRITY = {
    "HMAC_SHA1_96": "sha1",
    "HMAC_SHA2_256_128": "sha2_256",
    "HMAC_SHA2_384_192": "sha2_384",
    "HMAC_SHA2_512_256": "sha2_512",
    "AES_XCBC_96": "aes_xcbc",
    "AES_CMAC_96": "aes_cmac",
}
_PRF = {
    "PRF_HMAC_SHA1": "sha1",
    "PRF_HMAC_SHA2_256": "sha2_256",
    "PRF_HMAC_SHA2_384": "sha2_384",
    "PRF_HMAC_SHA2_512": "sha2_512",
    "PRF_AES128_XCBC": "aes_xcbc",
}
_GROUPS = (14, 15, 16, 17, 18, 19, 20, 21, 31)


def text(end: FarEnd) -> str:
    """Return the file. Raises CannotSay with what libreswan has no word for."""
    bases: dict[tuple[object, ...], dict[str, object]] = {}
    conns = []
    left_out: list[str] = []
    for tunnel in end.tunnels:
        ike, esp = say(tunnel.ike, ike_word, "IKE"), esp_words(tunnel.esp)
        left_out += [*ike.left_out, *esp.left_out]
        pfs = any(one.groups for one in esp.suites)
        base = bases.setdefault(
            (ike.words, esp.words, tunnel.nat_t),
            {
                "name": f"ipsecplan-{len(bases) + 1}",
                "ike": ",".join(ike.words),
                "esp": ",".join(esp.words),
                "pfs": pfs,
                "esn": _esn(esp),
                "nat_t": tunnel.nat_t,
            },
        )
        conns.append({"tunnel": tunnel, "base": base["name"], "children": [_child(s) for s in end.selectors]})
    margin = end.child_life - end.child_rekey
    return render(
        "far-end/libreswan.conf.j2",
        end=end,
        bases=list(bases.values()),
        conns=conns,
        left_out=list(dict.fromkeys(left_out)),
        margin=margin,
        ike_life=end.ike_rekey + margin,
        clear=[_passthrough(service) for service in end.clear],
        ipv6=any(tunnel.ipv6 for tunnel in end.tunnels),
        own=list(dict.fromkeys(tunnel.own for tunnel in end.tunnels)),
    )


def ike_word(one: Suite) -> str:
    """Return a proposal for IKE, such as ``aes_gcm256-sha2_384-dh20``. Raises CannotSay."""
    if one.encryption in _ESP_ONLY:
        raise CannotSay(f"{one.encryption} for IKE")
    cipher, prf = _cipher(one), known(_PRF, one.prf, "PRF")
    if one.integrity and known(_INTEGRITY, one.integrity, "integrity algorithm") != prf:
        raise CannotSay(f"{one.integrity} with {one.prf}: its words name one hash for both")
    return f"{cipher}-{prf}-{_group(one)}"


def esp_words(suites: tuple[Suite, ...]) -> Said:
    """Return the proposals for ESP that go into one line: those with the group of the first. Raises CannotSay.

    ``pfs`` is a setting of the conn, and pluto refuses a line with several groups.
    """
    first: list[str] = []

    def word(one: Suite) -> str:
        found = esp_word(one)
        first.append(one.group)
        if one.group != first[0]:
            raise CannotSay(f"second PFS group ({one.group or 'none'} beside {first[0] or 'none'})")
        return found

    return say(suites, word, "ESP")


def esp_word(one: Suite) -> str:
    """Return a proposal for ESP, such as ``aes_gcm256;dh31`` or ``aes256-sha2_256;dh20``. Raises CannotSay.

    The group stands behind a semicolon: behind a hyphen it would be read as an integrity algorithm.
    """
    integrity = f"-{known(_INTEGRITY, one.integrity, 'integrity algorithm')}" if one.integrity else ""
    return f"{_cipher(one)}{integrity}" + (f";{_group(one)}" if one.groups else "")


def _cipher(one: Suite) -> str:
    return known(_ENCRYPTION, one.encryption, "cipher").format(bits=one.bits)


def _group(one: Suite) -> str:
    if one.number not in _GROUPS:
        raise CannotSay(f"key exchange {one.group} (group {one.number})")
    return f"dh{one.number}"


def _esn(said: Said) -> str:
    words = {word for one in said.suites for word in one.esn or ("noesn",)}
    return "either" if len(words) > 1 else "yes" if words == {"esn"} else "no"


def _child(selector: Selector) -> dict[str, str]:
    """Return a conn's name and ports. ``udp`` alone is any port; ``udp/%any`` would make a conn that only answers."""
    return {
        "name": selector.name,
        "own": _protoport(selector.protocol, selector.own_port),
        "peer": _protoport(selector.protocol, selector.peer_port),
    }


def _protoport(protocol: int, port: int) -> str:
    if not protocol:
        return ""
    return f"udp/{port}" if port else "udp"


def _passthrough(service: str) -> dict[str, str]:
    protocol, _, port = service.partition("/")
    return {"name": f"{protocol}-{port}", "protocol": protocol, "port": port}


def conn_names(end: FarEnd) -> list[str]:
    """Return the names of the conns that carry traffic, in the file's order."""
    return [f"{tunnel.pair}-{selector.name}" for tunnel in end.tunnels for selector in end.selectors]
