"""Cisco IOS XE: IKEv2 and a crypto map, whose access list makes one child SA a line.

Cisco IOS XE security command reference: crypto ikev2 proposal, crypto ipsec transform-set, crypto map (IPsec IPv4).
"""

from __future__ import annotations

from netplan.ipsec.far_end.ends import CannotSay, FarEnd, Suite, Tunnel, known, say
from netplan.templates.render import render

NAME = "cisco-ios-xe.cfg"
_HASHES = {
    "HMAC_SHA1_96": ("sha1", "esp-sha-hmac"),
    "HMAC_SHA2_256_128": ("sha256", "esp-sha256-hmac"),
    "HMAC_SHA2_384_192": ("sha384", "esp-sha384-hmac"),
    "HMAC_SHA2_512_256": ("sha512", "esp-sha512-hmac"),
}
_PRF = {
    "PRF_HMAC_SHA1": "sha1",
    "PRF_HMAC_SHA2_256": "sha256",
    "PRF_HMAC_SHA2_384": "sha384",
    "PRF_HMAC_SHA2_512": "sha512",
}
_GROUPS = (14, 15, 16, 19, 20, 21)


def text(end: FarEnd) -> str:
    """Return the configuration. Raises CannotSay with what IOS XE has no word for."""
    if end.clear:
        raise CannotSay("services that stay clear, which would be lines of every access list")
    rows: list[dict[str, object]] = []
    left_out: list[str] = []
    ikes: dict[tuple[tuple[str, ...], str, str], int] = {}
    sets: dict[tuple[str, ...], int] = {}
    for tunnel in end.tunnels:
        if tunnel.ipv6:
            raise CannotSay("a crypto map between IPv6 addresses with ports")
        ike, esp = say(tunnel.ike, ike_word, "IKE"), say(tunnel.esp, esp_word, "ESP")
        groups = list(dict.fromkeys(one.number for one in esp.suites))
        if len(groups) > 1:
            raise CannotSay("several PFS groups: a crypto map has one")
        left_out += [*ike.left_out, *esp.left_out]
        for one in ike.suites:
            ikes.setdefault((_ike(one), known(_PRF, one.prf, "PRF"), f"{_group(one)}"), len(ikes) + 1)
        for one in esp.suites:
            sets.setdefault(_transform(one), len(sets) + 1)
        rows.append(
            {
                "tunnel": tunnel,
                "sequence": 10 * len(rows) + 10,
                "sets": [f"IPSECPLAN-{sets[_transform(one)]}" for one in esp.suites],
                "pfs": groups[0],
                "lines": [_line(tunnel, s.protocol, s.own_port, s.peer_port) for s in end.selectors],
            }
        )
    return render(
        "far-end/cisco-ios-xe.cfg.j2",
        end=end,
        rows=rows,
        ikes=[(number, *key) for key, number in ikes.items()],
        sets=[(number, " ".join(words)) for words, number in sets.items()],
        left_out=list(dict.fromkeys(left_out)),
    )


def ike_word(one: Suite) -> str:
    """Return a proposal for IKE in one line, to see whether it can be said. Raises CannotSay."""
    return " ".join((*_ike(one), known(_PRF, one.prf, "PRF"), str(_group(one))))


def esp_word(one: Suite) -> str:
    """Return a transform set's words, such as ``esp-gcm 256``. Raises CannotSay."""
    if one.groups:
        _group(one)
    if "esn" in one.esn and "noesn" not in one.esn:
        raise CannotSay("extended sequence numbers")
    return " ".join(_transform(one))


def _ike(one: Suite) -> tuple[str, ...]:
    """Return the lines of a proposal for encryption and integrity."""
    if one.encryption == "AES_GCM_16" and one.bits in (128, 256):
        return (f"encryption aes-gcm-{one.bits}",)
    if one.encryption == "AES_CBC":
        return (f"encryption aes-cbc-{one.bits}", f"integrity {_hash(one)[0]}")
    raise CannotSay(f"cipher {one.encryption}")


def _transform(one: Suite) -> tuple[str, ...]:
    if one.encryption == "AES_GCM_16":
        return ("esp-gcm", str(one.bits))
    if one.encryption == "AES_CBC":
        return ("esp-aes", str(one.bits), _hash(one)[1])
    raise CannotSay(f"cipher {one.encryption}")


def _hash(one: Suite) -> tuple[str, str]:
    if one.integrity not in _HASHES:
        raise CannotSay(f"integrity algorithm {one.integrity}")
    return _HASHES[one.integrity]


def _group(one: Suite) -> int:
    if one.number not in _GROUPS:
        raise CannotSay(f"key exchange {one.group or 'none'} (group {one.number})")
    return one.number


def _line(tunnel: Tunnel, protocol: int, own_port: int, peer_port: int) -> str:
    """Return a line of the access list: ``permit udp host A eq PORT host B``."""
    own, peer = (f" eq {port}" if port else "" for port in (own_port, peer_port))
    return f"permit {'udp' if protocol else 'ip'} host {tunnel.own}{own} host {tunnel.peer}{peer}"
