"""Proposals and what came of them, against a policy: pure functions over words and charon's names."""

from __future__ import annotations

import functools

from netplan.assess.policies import Policy
from netplan.model.proposals import esp_proposal, ike_proposal
from netplan.model.proposals.esp import cipher
from netplan.model.proposals.keywords import INTEGRITY, group
from netplan.model.proposals.words import WORDS

_KIND = {
    "cipher": "encryption",
    "aead": "encryption",
    "integrity": "integrity",
    "prf": "prf",
    "key exchange": "key exchange",
}


def against_offer(policy: Policy, text: str, *, ike: bool) -> dict[str, str]:
    """Return kind of word -> what a proposal has that the policy doesn't allow; empty when all is allowed."""
    wrong: dict[str, str] = {}
    words = text.split("-")
    for word in words:
        bare = _bare(word)
        if bare not in WORDS:
            wrong["encryption"] = f"{word} is no word that is known here"
            continue
        kind = _KIND.get(WORDS[bare].kind)
        if kind and policy.allowed is not None and not {word, bare} & policy.allowed:
            wrong.setdefault(kind, f"{word} is not allowed")
    if policy.required and not policy.required & set(words):
        wrong.setdefault("key exchange", f"none of {', '.join(sorted(policy.required))}")
    if policy.pfs and not ike and not any(group(word) for word in words):
        wrong.setdefault("forward secrecy", "no key exchange of its own: without forward secrecy")
    weak = _weakness(text, ike=ike)
    if weak:
        wrong.setdefault("encryption", weak)
    return wrong


def doubts(text: str, *, ike: bool) -> tuple[str, ...]:
    """Return what the RFCs say against a proposal that they don't refuse."""
    found = ike_proposal(text) if ike else esp_proposal(text)
    return () if found is None or isinstance(found, str) else found.doubts


def _weakness(text: str, *, ike: bool) -> str | None:
    found = ike_proposal(text) if ike else esp_proposal(text)
    if found is None or isinstance(found, str):
        return f"not a proposal{f': {found}' if found else ''}"
    return found.weakness


def _bare(word: str) -> str:
    """Return a word without the number of an additional key exchange: ke1_mlkem768 -> mlkem768."""
    found = group(word)
    return found[1] if found and found[0] else word


def against_transform(policy: Policy, name: str) -> str | None:
    """Return why the policy doesn't allow what charon negotiated, such as ``AES_GCM_16-256``; None when it does."""
    parts = name.split("/")
    words = _words_of(parts[0])
    if not words:
        return f"{parts[0]} is not known here"
    if any(word in ("null", "3des") or "gmac" in word for word in words):
        return f"{parts[0]} does not encrypt, or has 64-bit blocks"
    if policy.allowed is not None and not words & policy.allowed:
        return f"{parts[0]} is not allowed"
    for part in parts[1:]:
        found = {word for word, meaning in INTEGRITY.items() if meaning.name == part}
        if any(INTEGRITY[word].grade == "refused" for word in found) or not found:
            return f"{part} is broken or not known here"
        if policy.allowed is not None and not found & policy.allowed:
            return f"{part} is not allowed"
    return None


@functools.cache
def _words_of(name: str) -> frozenset[str]:
    """Return the words that make a cipher, by charon's name of it once negotiated."""
    ciphers = (word for word, meaning in WORDS.items() if meaning.kind in ("cipher", "aead"))
    return frozenset(word for word in ciphers if (found := cipher(word)) and found[0] == name)
