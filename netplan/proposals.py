"""Proposal keywords: what charon calls them once they are negotiated, and which of them we refuse to plan.

Names as `swanctl --list-sas` prints them; strongSwan 5.9.8 and 6.0, libstrongswan/crypto (keywords, crypters, signers).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_AES = re.compile(r"^aes(?P<bits>128|192|256)?(?P<mode>gcm|ccm|ctr|gmac)?(?P<icv>8|12|16|64|96|128)?$")
_INTEGRITY = {
    "md5": "HMAC_MD5_96",
    "sha": "HMAC_SHA1_96",
    "sha1": "HMAC_SHA1_96",
    "sha256": "HMAC_SHA2_256_128",
    "sha2_256": "HMAC_SHA2_256_128",
    "sha256_96": "HMAC_SHA2_256_96",
    "sha384": "HMAC_SHA2_384_192",
    "sha2_384": "HMAC_SHA2_384_192",
    "sha512": "HMAC_SHA2_512_256",
    "sha2_512": "HMAC_SHA2_512_256",
    "aesxcbc": "AES_XCBC_96",
    "aescmac": "AES_CMAC_96",
}
_ICV_OCTETS = {"8": 8, "12": 12, "16": 16, "64": 8, "96": 12, "128": 16, None: 16}
_WORD = re.compile(r"^[a-z0-9_]+$")


@dataclass(frozen=True, slots=True)
class EspProposal:
    """An ESP proposal: ``suite`` is what the stack notation takes, ``negotiated`` what charon will report."""

    text: str
    suite: str
    negotiated: str
    weakness: str | None
    key_exchange: bool


def esp_proposal(text: str) -> EspProposal | None:
    """Read an ESP proposal in strongSwan's keywords; None when it isn't one."""
    words = text.split("-")
    if not all(_WORD.match(word) for word in words):
        return None
    cipher = _cipher(words[0])
    if cipher is None:
        return None
    name, aead = cipher
    rest = words[1:]
    suite = words[0]
    if not aead:
        integrity = next((word for word in rest if word in _INTEGRITY), None)
        if integrity is None:
            return None
        rest = [word for word in rest if word != integrity]
        suite += f"-{integrity}"
        name += f"/{_INTEGRITY[integrity]}"
    exchange = any(re.match(r"^(modp|ecp|x25519|x448|curve|ke\d_|mlkem)", word) for word in rest)
    return EspProposal(text, suite, name, _weakness(words), exchange)


def _cipher(word: str) -> tuple[str, bool] | None:
    fixed = {"chacha20poly1305": ("CHACHA20_POLY1305", True), "null": ("NULL", False), "3des": ("3DES_CBC", False)}
    if word in fixed:
        return fixed[word]
    camellia = re.match(r"^camellia(128|192|256)?$", word)
    if camellia:
        return f"CAMELLIA_CBC-{camellia[1] or 128}", False
    aes = _AES.match(word)
    if not aes:
        return None
    bits, mode, icv = aes["bits"] or "128", aes["mode"], aes["icv"]
    if mode in ("gcm", "ccm"):
        return f"AES_{mode.upper()}_{_ICV_OCTETS[icv]}-{bits}", True
    if icv is not None:
        return None
    if mode == "gmac":
        return f"NULL_AES_GMAC-{bits}", True
    return f"AES_{'CTR' if mode else 'CBC'}-{bits}", False


def _weakness(words: list[str]) -> str | None:
    if words[0] == "null" or "gmac" in words[0]:
        return "it does not encrypt (RFC 8221 section 5: for authentication only)"
    if words[0] == "3des":
        return "3DES has 64-bit blocks (RFC 8221 section 5: SHOULD NOT)"
    if "md5" in words:
        return "MD5 is broken (RFC 8221 section 6: MUST NOT)"
    for word in words[1:]:
        if word in ("modp768", "modp1024", "modp1536", "modp1024s160", "modp2048s224", "modp2048s256"):
            return f"{word} is too weak (RFC 8247 section 2.4)"
    return None
