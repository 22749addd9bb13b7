"""The table of proposal words against real charons: what each makes of each word, in ESP and in IKE."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from netplan.model.proposals import capabilities
from netplan.model.proposals.words import SIX, WORDS, Meaning
from tests.ci.roots import NoRootError
from tests.support import charon

# what stands around a word, so that it is a proposal
_ESP = {
    "cipher": "{}-sha256",
    "aead": "{}",
    "integrity": "aes128-{}",
    "prf": "aes128gcm16-{}",
    "key exchange": "aes128gcm16-{}",
    "sequence numbers": "aes128gcm16-{}",
}
_IKE = {
    "cipher": "{}-sha256-ecp256",
    "aead": "{}-prfsha256-ecp256",
    "integrity": "aes128-{}-ecp256",
    "prf": "aes128gcm16-{}-ecp256",
    "key exchange": "aes128-sha256-{}",
    "sequence numbers": "aes128-sha256-ecp256-{}",
}
_MORE = {"ESP": "aes128gcm16-ecp256-ke1_{}", "IKE": "aes128-sha256-ecp256-ke1_{}"}
# a word without a meaning there is refused or, of these kinds, left out
LEFT_OUT = ("prf", "sequence numbers")


def proposals() -> list[tuple[str, str, str]]:
    """(word, ESP or IKE, proposal) of everything that is asked; a word with ``+`` is an additional key exchange."""
    found = []
    for word, meaning in WORDS.items():
        found += [(word, "ESP", _ESP[meaning.kind].format(word)), (word, "IKE", _IKE[meaning.kind].format(word))]
        if meaning.kind == "key exchange":
            found += [(word + "+", kind, text.format(word)) for kind, text in _MORE.items()]
    return [*found, ("camellia128ccm", "ESP", "camellia128ccm"), ("nonsense", "IKE", "aes128-sha256-nonsense")]


def connections(asked: list[tuple[str, str, str]]) -> str:
    """A swanctl.conf with a connection for each."""
    lines = ["connections {"]
    for number, (_, kind, text) in enumerate(asked):
        ike, esp = (text, "aes128gcm16") if kind == "IKE" else ("aes128-sha256-ecp256", text)
        lines += [f"c{number} {{", "remote_addrs = 192.0.2.1", f"proposals = {ike}"]
        lines += ["children {", "x {", f"esp_proposals = {esp}", "}", "}", "}"]
    return "\n".join([*lines, "}", ""])


def expected(word: str, kind: str, version: tuple[int, ...]) -> str | None:
    """The part of a proposal that a word is to become; None where the connection is to be refused."""
    meaning: Meaning | None = WORDS.get(word.rstrip("+"))
    if meaning is None or not meaning.known(version):
        return None
    if word.endswith("+"):
        return "KE1_" + meaning.name if version >= SIX else None
    if not (meaning.ike if kind == "IKE" else meaning.esp):
        return "" if meaning.kind in LEFT_OUT else None
    return meaning.name


def check(where: Path, folder: Path) -> charon.Said:
    asked = proposals()
    folder.mkdir()
    said = charon.read(where, connections(asked), folder)
    wrong = []
    for number, (word, kind, text) in enumerate(asked):
        name = f"c{number}"
        found = None if name in said.refused else said.proposals.get((name, kind), "")
        part = expected(word, kind, said.version)
        good = found is None if part is None else found is not None and (not part or part in found.split("/"))
        if not good:
            wrong.append(f"{text} in {kind}: charon says {found}, the table {part}")
    assert not wrong, "\n".join(wrong)
    # an algorithm that charon lists under another name than ours would count as lacking
    listed = set(capabilities.algorithms(said.algorithms))
    ours = {"AES_GCM_16", "HMAC_SHA2_256_128", "ECP_384", "CURVE_25519", "PRF_HMAC_SHA2_384"}
    assert ours <= listed
    return said


@pytest.mark.slow
@pytest.mark.skipif(bool(charon.why_not()), reason="needs root and iproute2")
def test_this_machines_charon(tmp_path: Path) -> None:
    if not os.access("/usr/sbin/charon-systemd", os.X_OK):
        pytest.skip("no charon-systemd here")
    check(charon.HERE, tmp_path / "case")


@pytest.mark.drill
@pytest.mark.skipif(bool(charon.why_not()), reason="needs root and iproute2")
@pytest.mark.parametrize("suite", ["bookworm", "trixie", "sid"])
def test_each_charon_of_debian(suite: str, tmp_path: Path) -> None:
    try:
        where = charon.root(suite)
    except NoRootError as error:
        pytest.skip(str(error))
    said = check(where, tmp_path / "case")
    kem = {name for name in capabilities.algorithms(said.algorithms) if name.startswith("ML_KEM")}
    assert bool(kem) == (said.version >= (6, 0, 2)), "6.0.1 knows the word, and has no plugin for it"
    known = capabilities.Capabilities(said.version, capabilities.algorithms(said.algorithms))
    assert known.key_exchanges >= {"CURVE_25519", "ECP_384"}
