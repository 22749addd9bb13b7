"""The words of proposals other than ciphers: charon's name of each (`swanctl --list-algs`) and what the RFCs say.

libstrongswan/crypto/proposal/proposal_keywords_static.txt; RFC 8221 section 6 (ESP), RFC 8247 sections 2.2 to 2.4.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Grade = Literal["good", "aged", "refused"]


@dataclass(frozen=True, slots=True)
class Keyword:
    """What a keyword means: ``name`` as charon lists it, ``why`` when the grade is not good."""

    name: str
    grade: Grade = "good"
    why: str = ""


_SHA1_ESP = "SHA-1 is being phased out (RFC 8221 section 6: MUST-)"
_MD5 = "MD5 is broken (RFC 8221 section 6, RFC 8247 section 2.3: MUST NOT)"

INTEGRITY: dict[str, Keyword] = {
    "md5": Keyword("HMAC_MD5_96", "refused", _MD5),
    "md5_128": Keyword("HMAC_MD5_128", "refused", _MD5),
    "sha": Keyword("HMAC_SHA1_96", "aged", _SHA1_ESP),
    "sha1": Keyword("HMAC_SHA1_96", "aged", _SHA1_ESP),
    "sha256": Keyword("HMAC_SHA2_256_128"),
    "sha2_256": Keyword("HMAC_SHA2_256_128"),
    "sha256_96": Keyword(
        "HMAC_SHA2_256_96", "aged", "a truncation of an old kernel, in no standard (RFC 4868 has 128)"
    ),
    "sha384": Keyword("HMAC_SHA2_384_192"),
    "sha2_384": Keyword("HMAC_SHA2_384_192"),
    "sha512": Keyword("HMAC_SHA2_512_256"),
    "sha2_512": Keyword("HMAC_SHA2_512_256"),
    "aesxcbc": Keyword("AES_XCBC_96"),
    "aescmac": Keyword("AES_CMAC_96"),
}

PRF: dict[str, Keyword] = {
    "prfmd5": Keyword("PRF_HMAC_MD5", "refused", "MD5 is broken (RFC 8247 section 2.2: MUST NOT)"),
    "prfsha1": Keyword("PRF_HMAC_SHA1", "aged", "SHA-1 is being phased out (RFC 8247 section 2.2: MUST-)"),
    "prfsha256": Keyword("PRF_HMAC_SHA2_256"),
    "prfsha384": Keyword("PRF_HMAC_SHA2_384"),
    "prfsha512": Keyword("PRF_HMAC_SHA2_512"),
    "prfaesxcbc": Keyword("PRF_AES128_XCBC"),
    "prfaescmac": Keyword("PRF_AES128_CMAC"),
}

_WEAK_GROUP = "is too weak (RFC 8247 section 2.4)"
_SMALL_SUBGROUP = "has a subgroup of unexplained origin (RFC 8247 section 2.4: MUST NOT or SHOULD NOT)"
GROUPS: dict[str, Keyword] = {
    "modp768": Keyword("MODP_768", "refused", _WEAK_GROUP),
    "modp1024": Keyword("MODP_1024", "refused", _WEAK_GROUP),
    "modp1536": Keyword("MODP_1536", "refused", _WEAK_GROUP),
    "modp1024s160": Keyword("MODP_1024_160", "refused", _SMALL_SUBGROUP),
    "modp2048s224": Keyword("MODP_2048_224", "refused", _SMALL_SUBGROUP),
    "modp2048s256": Keyword("MODP_2048_256", "refused", _SMALL_SUBGROUP),
    "ecp192": Keyword("ECP_192", "refused", "has 96 bits of strength; 112 are the least (NIST SP 800-131A)"),
    "ecp224": Keyword("ECP_224", "aged", "has 112 bits of strength, the least that NIST SP 800-131A takes"),
    "modp2048": Keyword("MODP_2048", "aged", "has 112 bits of strength, the least that NIST SP 800-131A takes"),
    "ecp224bp": Keyword("ECP_224_BP", "aged", "has 112 bits of strength, below the 120 of BSI TR-02102"),
    "modp3072": Keyword("MODP_3072"),
    "modp4096": Keyword("MODP_4096"),
    "modp6144": Keyword("MODP_6144"),
    "modp8192": Keyword("MODP_8192"),
    "ecp256": Keyword("ECP_256"),
    "ecp384": Keyword("ECP_384"),
    "ecp521": Keyword("ECP_521"),
    "ecp256bp": Keyword("ECP_256_BP"),
    "ecp384bp": Keyword("ECP_384_BP"),
    "ecp512bp": Keyword("ECP_512_BP"),
    "x25519": Keyword("CURVE_25519"),
    "curve25519": Keyword("CURVE_25519"),
    "x448": Keyword("CURVE_448"),
    "curve448": Keyword("CURVE_448"),
    "mlkem512": Keyword("ML_KEM_512"),
    "mlkem768": Keyword("ML_KEM_768"),
    "mlkem1024": Keyword("ML_KEM_1024"),
}

SEQUENCE_NUMBERS = ("esn", "noesn")
_ADDITIONAL = re.compile(r"^ke(?P<number>[1-7])_(?P<group>[a-z0-9]+)\Z")
SHAPE = re.compile(r"^[a-z0-9_]{1,24}\Z")


def group(word: str) -> tuple[int, str] | None:
    """Return (0, group) of a key exchange, (1 to 7, group) of an additional one (RFC 9370), or None."""
    if word in GROUPS:
        return 0, word
    match = _ADDITIONAL.match(word)
    return (int(match["number"]), match["group"]) if match and match["group"] in GROUPS else None
