"""IKE proposals: shape, what the RFCs say against them, and the algorithms that a node needs for them."""

from __future__ import annotations

from dataclasses import dataclass

from netplan.model.proposals.esp import algorithm_name, cipher, judged
from netplan.model.proposals.keywords import GROUPS, INTEGRITY, PRF, SHAPE, group
from netplan.model.proposals.words import WORDS


@dataclass(frozen=True, slots=True)
class IkeProposal:
    """An IKE proposal; fields as in :class:`netplan.model.proposals.esp.EspProposal`."""

    text: str
    weakness: str | None
    doubts: tuple[str, ...]
    needs: frozenset[str]
    additional: bool

    @property
    def words(self) -> frozenset[str]:
        """Its keywords, additional key exchanges included."""
        return frozenset(self.text.split("-"))


def ike_proposal(text: str) -> IkeProposal | str:
    """Read an IKE proposal: one cipher, integrity or PRF as the cipher needs, a key exchange, more of those.

    Returns the reason in words when it isn't one.
    """
    words = text.split("-")
    if not all(SHAPE.match(word) for word in words):
        return "it is not keywords joined by '-'"
    found = cipher(words[0])
    if found is None:
        return f"it does not begin with a cipher, but with {words[0]}"
    name, aead = found
    rest = words[1:]
    integrity = [word for word in rest if word in INTEGRITY]
    prf = [word for word in rest if word in PRF]
    groups = [g for word in rest if (g := group(word))]
    strange = [word for word in rest if word not in INTEGRITY and word not in PRF and not group(word)]
    if strange:
        return f"{strange[0]} is no integrity algorithm, PRF or key exchange"
    other = [word for word in rest if word in WORDS and not WORDS[word].ike]
    if other:
        return f"{other[0]} has a meaning in ESP proposals alone"
    if aead and not prf:
        return f"{words[0]} is an AEAD and needs a PRF, such as prfsha384"
    if aead and integrity:
        return f"{words[0]} is an AEAD and excludes {integrity[0]} (prf{integrity[0]} would be the PRF)"
    if not aead and not integrity:
        return f"{words[0]} is no AEAD and needs integrity, such as sha256"
    numbers = [number for number, _ in groups]
    if numbers.count(0) != 1:
        return "it needs one key exchange, such as ecp384" if not numbers.count(0) else "it has two key exchanges"
    if len(set(numbers)) != len(numbers):
        return "it has the same additional key exchange twice"
    if len(prf) > 1 or len(integrity) > 1:
        return "it has two algorithms of one kind; write two proposals"
    needs = {algorithm_name(name), *(INTEGRITY[w].name for w in integrity), *(PRF[w].name for w in prf)}
    needs |= {GROUPS[word].name for _, word in groups}
    if not prf:  # charon takes the PRF of the integrity algorithm's hash
        needs.add("PRF_" + INTEGRITY[integrity[0]].name.rsplit("_", 1)[0])
    meanings = [(w, INTEGRITY[w]) for w in integrity] + [(w, PRF[w]) for w in prf]
    weak, doubts = judged(words[0], meanings + [(w, GROUPS[w]) for _, w in groups])
    return IkeProposal(text, weak, doubts, frozenset(needs), any(numbers))
