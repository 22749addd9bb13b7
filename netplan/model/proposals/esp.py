"""ESP proposals: the suite as the arithmetic takes it, charon's name of it once negotiated, and what speaks against it.

Names as `swanctl --list-sas` prints them; strongSwan 5.9.8 and 6.0, libstrongswan/crypto (keywords, crypters, signers).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from netplan.model.proposals.keywords import GROUPS, INTEGRITY, SEQUENCE_NUMBERS, SHAPE, Keyword, group

_AES = re.compile(r"^aes(?P<bits>128|192|256)?(?P<mode>gcm|ccm|ctr|gmac)?(?P<icv>8|12|16|64|96|128)?\Z")
_ICV_OCTETS = {"8": 8, "12": 12, "16": 16, "64": 8, "96": 12, "128": 16, None: 16}


@dataclass(frozen=True, slots=True)
class EspProposal:
    """An ESP proposal.

    ``suite`` is what the stack notation takes, ``negotiated`` what charon will report, ``weakness`` why it is refused,
    ``doubts`` what deserves a second look, ``needs`` charon's names of its algorithms, ``additional`` whether it has
    an additional key exchange, ``unknown`` its words that are none of ours.
    """

    text: str
    suite: str
    negotiated: str
    weakness: str | None
    key_exchange: bool
    doubts: tuple[str, ...] = ()
    needs: frozenset[str] = field(default_factory=frozenset)
    additional: bool = False
    unknown: tuple[str, ...] = ()

    @property
    def words(self) -> frozenset[str]:
        """Its keywords, additional key exchanges included."""
        return frozenset(self.text.split("-"))


def esp_proposal(text: str) -> EspProposal | None:
    """Read an ESP proposal in strongSwan's keywords; None when it isn't one."""
    words = text.split("-")
    if not all(SHAPE.match(word) for word in words):
        return None
    known = cipher(words[0])
    if known is None:
        return None
    name, aead = known
    rest = words[1:]
    suite = words[0]
    needs = {algorithm_name(name)}
    if not aead:
        integrity = next((word for word in rest if word in INTEGRITY), None)
        if integrity is None:
            return None
        rest = [word for word in rest if word != integrity]
        suite += f"-{integrity}"
        name += f"/{INTEGRITY[integrity].name}"
        needs.add(INTEGRITY[integrity].name)
    groups = [found for word in rest if (found := group(word))]
    needs |= {GROUPS[word].name for _, word in groups}
    meanings = [(w, m) for w in words[1:] if (m := INTEGRITY.get(w))] + [(w, GROUPS[w]) for _, w in groups]
    weak, doubts = judged(words[0], meanings)
    return EspProposal(
        text,
        suite,
        name,
        weak,
        bool(groups),
        doubts,
        frozenset(needs),
        any(n for n, _ in groups),
        tuple(w for w in rest if not group(w) and w not in SEQUENCE_NUMBERS),
    )


def cipher(word: str) -> tuple[str, bool] | None:
    """Return (charon's name with the key size, whether it is an AEAD) of a cipher's keyword."""
    fixed = {"chacha20poly1305": ("CHACHA20_POLY1305", True), "null": ("NULL", False), "3des": ("3DES_CBC", False)}
    if word in fixed:
        return fixed[word]
    camellia = re.match(r"^camellia(128|192|256)?\Z", word)
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


def algorithm_name(negotiated: str) -> str:
    """Return the name in `swanctl --list-algs` of a negotiated cipher, which is without the key size."""
    return re.sub(r"-(128|192|256)$", "", negotiated)


def judged(first: str, meanings: list[tuple[str, Keyword]]) -> tuple[str | None, tuple[str, ...]]:
    """Return why a proposal is refused, if it is, and what else can be said against it."""
    weak: list[str] = []
    doubts: list[str] = []
    if first == "null" or "gmac" in first:
        weak.append("it does not encrypt (RFC 8221 section 5: for authentication only)")
    elif first == "3des":
        weak.append("3DES has 64-bit blocks (RFC 8221 section 5: SHOULD NOT)")
    elif re.search(r"(gcm|ccm)(8|12|64|96)$", first):
        doubts.append("its integrity check value is shorter than the 16 bytes of AES-GCM in RFC 8221 section 5")
    for word, meaning in meanings:
        say = meaning.why if meaning.why[:3] in ("MD5", "SHA") else f"{word} {meaning.why}"
        if meaning.grade == "refused":
            weak.append(say)
        elif meaning.grade == "aged":
            doubts.append(say)
    return (weak[0] if weak else None), tuple(dict.fromkeys(doubts))
