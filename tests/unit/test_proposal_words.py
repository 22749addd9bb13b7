"""The table of proposal words beside the tables that size and judge them; real charons: tests/contract."""

from __future__ import annotations

import pytest

from netplan.model.proposals import esp_proposal, ike_proposal
from netplan.model.proposals.capabilities import Capabilities
from netplan.model.proposals.words import WORDS, unknown_to
from netplan.stack import transforms


def test_the_arithmetic_knows_the_same_words() -> None:
    sized = {*transforms.CIPHERS, *transforms.INTEGRITY}
    assert sized == {word for word, meaning in WORDS.items() if meaning.kind in ("cipher", "aead", "integrity")}
    assert all(transforms.sizeless(word) for word in WORDS.keys() - sized)
    assert {word for word, m in WORDS.items() if m.kind == "aead"} == {
        word for word, cipher in transforms.CIPHERS.items() if cipher.icv is not None
    }


@pytest.mark.parametrize("word", sorted(word for word, m in WORDS.items() if m.kind in ("cipher", "aead")))
def test_what_is_negotiated_is_what_charon_logs(word: str) -> None:
    meaning = WORDS[word]
    found = esp_proposal(word if meaning.kind == "aead" else f"{word}-sha256")
    if found is not None:  # the plan takes fewer ciphers than charon
        assert found.negotiated.split("/")[0].replace("-", "_") == meaning.name


@pytest.mark.parametrize(
    ("version", "word"),
    [((5, 9, 8), "mlkem768"), ((6, 0, 1), None), ((6, 1, 0), "ntru128"), ((5, 9, 8), None), ((), None)],
)
def test_a_word_that_a_version_does_not_know(version: tuple[int, ...], word: str | None) -> None:
    words = {(5, 9, 8): {"aes256gcm16", "ntru128"}, (6, 1, 0): {"aes256gcm16", "mlkem768"}}.get(version, {"mlkem768"})
    assert unknown_to(version, frozenset({*words, *([word] if word else [])})) == word


def test_a_node_lacks_a_proposal_whose_word_its_charon_does_not_know() -> None:
    proposal = esp_proposal("aes256gcm16-mlkem768")
    assert proposal
    listed = tuple(sorted(proposal.needs))
    assert Capabilities((6, 0, 2), listed).lacks(proposal) is None
    said = Capabilities((5, 9, 8), listed).lacks(proposal)
    assert said == "strongSwan 5.9.8 does not know the word mlkem768, and would discard the whole connection"


@pytest.mark.parametrize("text", ["aes256-sha256_96-ecp384", "aes256-sha256-none"])
def test_words_of_esp_alone_are_no_ike_proposal(text: str) -> None:
    assert isinstance(ike_proposal(text), str)
