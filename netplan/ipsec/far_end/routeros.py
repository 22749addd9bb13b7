"""RouterOS 7: profile, peer, identity, proposal and policies of ``/ip ipsec``, as commands.

MikroTik's RouterOS manual, page IPsec: properties of profile, peer, identity, proposal and policy.
"""

from __future__ import annotations

from netplan.ipsec.far_end.ends import CannotSay, FarEnd, Said, Selector, Suite, Tunnel, known, say
from netplan.templates.render import render

NAME = "routeros.rsc"
_IKE = {"AES_CBC": "aes-{bits}", "CAMELLIA_CBC": "camellia-{bits}", "3DES_CBC": "3des"}
_ESP = {
    "AES_CBC": "aes-{bits}-cbc",
    "AES_CTR": "aes-{bits}-ctr",
    "AES_GCM_16": "aes-{bits}-gcm",
    "CAMELLIA_CBC": "camellia-{bits}",
    "3DES_CBC": "3des",
}
_IKE_HASHES = {
    "HMAC_SHA1_96": "sha1",
    "HMAC_SHA2_256_128": "sha256",
    "HMAC_SHA2_384_192": "sha384",
    "HMAC_SHA2_512_256": "sha512",
}
_ESP_HASHES = {"HMAC_SHA1_96": "sha1", "HMAC_SHA2_256_128": "sha256", "HMAC_SHA2_512_256": "sha512"}
_PRF = {
    "PRF_HMAC_SHA1": "sha1",
    "PRF_HMAC_SHA2_256": "sha256",
    "PRF_HMAC_SHA2_384": "sha384",
    "PRF_HMAC_SHA2_512": "sha512",
}
_GROUPS = {
    "MODP_2048": "modp2048",
    "MODP_3072": "modp3072",
    "MODP_4096": "modp4096",
    "MODP_6144": "modp6144",
    "MODP_8192": "modp8192",
    "ECP_256": "ecp256",
    "ECP_384": "ecp384",
    "ECP_521": "ecp521",
}


def text(end: FarEnd) -> str:
    """Return the commands. Raises CannotSay with what RouterOS has no word for."""
    profiles: dict[tuple[str, ...], str] = {}
    proposals: dict[tuple[str, ...], str] = {}
    rows, left_out = [], []
    for tunnel in end.tunnels:
        ike, esp = _one(say(tunnel.ike, _ike_word, "IKE")), _one(say(tunnel.esp, _esp_word, "ESP"))
        left_out += [*ike.left_out, *esp.left_out]
        profile = (*ike.words[0].split(), "yes" if tunnel.nat_t else "no")
        proposal = tuple(esp.words[0].split())
        rows.append(
            {
                "tunnel": tunnel,
                "profile": profiles.setdefault(profile, f"ipsecplan-{len(profiles) + 1}"),
                "proposal": proposals.setdefault(proposal, f"ipsecplan-{len(proposals) + 1}"),
                "policies": [_policy(tunnel, selector) for selector in end.selectors],
            }
        )
    return render(
        "far-end/routeros.rsc.j2",
        end=end,
        rows=rows,
        profiles=[(name, *words) for words, name in profiles.items()],
        proposals=[(name, *words) for words, name in proposals.items()],
        clear=[service.partition("/")[::2] for service in end.clear],
        own=list(dict.fromkeys((tunnel.own, 128 if tunnel.ipv6 else 32) for tunnel in end.tunnels)),
        left_out=list(dict.fromkeys(left_out)),
    )


def _one(said: Said) -> Said:
    """Return the first proposal alone: RouterOS has lists of algorithms, of which every combination is offered."""
    more = tuple(f"{one.text}: one proposal is enough" for one in said.suites[1:])
    return Said(said.words[:1], said.suites[:1], (*said.left_out, *more))


def _ike_word(one: Suite) -> str:
    """Return cipher, hash, PRF and group of a profile, or raise CannotSay."""
    if not one.integrity:
        raise CannotSay(f"{one.encryption} for IKE: a profile has a cipher and a hash")
    return " ".join(
        (
            known(_IKE, one.encryption, "cipher").format(bits=one.bits),
            known(_IKE_HASHES, one.integrity, "integrity algorithm"),
            known(_PRF, one.prf, "PRF"),
            known(_GROUPS, one.group, "key exchange"),
        )
    )


def _esp_word(one: Suite) -> str:
    """Return cipher, hash and group of a proposal, or raise CannotSay."""
    if "esn" in one.esn and "noesn" not in one.esn:
        raise CannotSay("extended sequence numbers")
    return " ".join(
        (
            known(_ESP, one.encryption, "cipher").format(bits=one.bits),
            known(_ESP_HASHES, one.integrity, "integrity algorithm") if one.integrity else "null",
            known(_GROUPS, one.group, "key exchange") if one.groups else "none",
        )
    )


def _policy(tunnel: Tunnel, selector: Selector) -> dict[str, object]:
    width = 128 if tunnel.ipv6 else 32
    return {
        "name": selector.name,
        "protocol": "udp" if selector.protocol else "all",
        "own": f"{tunnel.own}/{width}",
        "peer": f"{tunnel.peer}/{width}",
        "own_port": selector.own_port or "any",
        "peer_port": selector.peer_port or "any",
        "ports": bool(selector.protocol),
    }
