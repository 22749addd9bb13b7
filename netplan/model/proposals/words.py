"""Every word of a proposal: what charon makes of it, in ESP and in IKE, and from which version to which.

A test has each real charon read each word, and compares what it logs. A charon that doesn't know a word discards the
whole connection, so a word that one end lacks is worse than an algorithm that it lacks.
Sources: charon 5.9.8, 6.0.1 and 6.1.0 of Debian, `cfg = 2` in their log; NEWS of 6.0.0 for the versions between.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from netplan.model.proposals.keywords import GROUPS, INTEGRITY, PRF

Kind = Literal["cipher", "aead", "integrity", "prf", "key exchange", "sequence numbers"]
Version = tuple[int, ...]
SIX: Version = (6, 0, 0)


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a word means.

    ``name``: as charon logs a proposal, the key's length in bits included. ``since``: the first version that knows the
    word, () for all that we render for; ``until``: the first that does not any more. ``ike``, ``esp``: whether it may
    stand in such a proposal (as an additional key exchange every one may).
    """

    kind: Kind
    name: str
    since: Version = ()
    until: Version | None = None
    ike: bool = True
    esp: bool = True

    def known(self, version: Version) -> bool:
        """Tell whether a version of charon knows the word."""
        return self.since <= version and (self.until is None or version < self.until)


def _ciphers() -> dict[str, Meaning]:
    table = {
        "null": Meaning("cipher", "NULL"),
        "des": Meaning("cipher", "DES_CBC"),
        "3des": Meaning("cipher", "3DES_CBC"),
        "cast128": Meaning("cipher", "CAST_CBC_128"),
        "chacha20poly1305": Meaning("aead", "CHACHA20_POLY1305"),
        "chacha20poly1305compat": Meaning("aead", "CHACHA20_POLY1305_256"),
    }
    for family in ("aes", "camellia", "serpent", "twofish", "blowfish"):
        for bits in ("", "128", "192", "256"):
            table[family + bits] = Meaning("cipher", f"{family.upper()}_CBC_{bits or 128}")
    for bits in ("128", "192", "256"):
        table[f"aes{bits}gmac"] = Meaning("aead", f"NULL_AES_GMAC_{bits}")
        for family, modes in (("aes", ("gcm", "ccm")), ("camellia", ("ccm",))):
            table[f"{family}{bits}ctr"] = Meaning("cipher", f"{family.upper()}_CTR_{bits}")
            for mode in modes:
                for icv, lengths in ((8, ("8", "64")), (12, ("12", "96")), (16, ("16", "128"))):
                    meaning = Meaning("aead", f"{family.upper()}_{mode.upper()}_{icv}_{bits}")
                    table |= {f"{family}{bits}{mode}{length}": meaning for length in lengths}
                if family == "aes":  # camellia128ccm alone is no word
                    table[f"{family}{bits}{mode}"] = meaning
    return table


def _key_exchanges() -> dict[str, Meaning]:
    table = {word: Meaning("key exchange", keyword.name) for word, keyword in GROUPS.items()}
    table |= {word: replace(table[word], since=SIX) for word in table if word.startswith("mlkem")}
    table |= {f"gost{bits}": Meaning("key exchange", f"GOST3410_{bits}", since=SIX) for bits in (256, 512)}
    table |= {f"ntru{n}": Meaning("key exchange", f"NTRU_{n}", until=SIX) for n in (112, 128, 192, 256)}
    table["newhope128"] = Meaning("key exchange", "NEWHOPE_128", until=SIX)
    table["modpnull"] = Meaning("key exchange", "MODP_NULL")
    # IKE can't do without one
    return table | {word: Meaning("key exchange", "KE_NONE", ike=False) for word in ("none", "modpnone")}


def _integrity() -> dict[str, Meaning]:
    table = {word: Meaning("integrity", keyword.name) for word, keyword in INTEGRITY.items()}
    table |= {word: Meaning("integrity", "HMAC_SHA2_256_96", ike=False) for word in ("sha256_96", "sha2_256_96")}
    table["sha1_160"] = Meaning("integrity", "HMAC_SHA1_160")
    return table | {"camelliaxcbc": Meaning("integrity", "CAMELLIA_XCBC_96")}


WORDS: dict[str, Meaning] = {
    **_ciphers(),
    **_integrity(),
    **{word: Meaning("prf", keyword.name, esp=False) for word, keyword in PRF.items()},
    "prfcamelliaxcbc": Meaning("prf", "PRF_CAMELLIA128_XCBC", esp=False),
    **_key_exchanges(),
    "esn": Meaning("sequence numbers", "EXT_SEQ", ike=False),
    "noesn": Meaning("sequence numbers", "NO_EXT_SEQ", ike=False),
}


def unknown_to(version: Version, words: frozenset[str]) -> str | None:
    """Return the first of some words (additional key exchanges aside) that a version doesn't know, None without one."""
    strange = (word for word in sorted(words) if word in WORDS and not WORDS[word].known(version))
    return next(strange, None) if version else None
