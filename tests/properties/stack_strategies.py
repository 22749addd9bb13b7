"""Draws packet stacks by walking the grammar itself, so a header added to the table is drawn from then on."""

from __future__ import annotations

from hypothesis import strategies as st

from netplan.stack import Token, fitting, parse
from netplan.stack.headers import HEADERS
from netplan.stack.transforms import CIPHERS, INTEGRITY

LONGEST = 12
ENDS = [name for name, row in HEADERS.items() if row.ends] + ["esp", "ah"]
AEAD = sorted(name for name, cipher in CIPHERS.items() if cipher.icv is not None)
PLAIN = sorted(name for name, cipher in CIPHERS.items() if cipher.icv is None)
TAILS = ["", "-x25519", "-ecp384", "-modp2048-esn", "-ke1_mlkem768", "-noesn", "-prfsha256"]


@st.composite
def proposals(draw: st.DrawFn) -> str:
    if draw(st.booleans()):
        return draw(st.sampled_from(AEAD)) + draw(st.sampled_from(TAILS))
    cipher, integrity = draw(st.sampled_from(PLAIN)), draw(st.sampled_from(sorted(INTEGRITY)))
    return f"{cipher}-{integrity}{draw(st.sampled_from(TAILS))}"


@st.composite
def tokens(draw: st.DrawFn, name: str) -> str:
    if name == "esp":
        return f"esp:{draw(proposals())}{draw(st.sampled_from(['', '', ':tfc']))}"
    if name == "ah":
        return f"ah:{draw(st.sampled_from(sorted(INTEGRITY)))}{draw(st.sampled_from(['', ':align8']))}"
    row = HEADERS[name]
    options = draw(st.lists(st.sampled_from(sorted(row.flags)), unique=True, max_size=3)) if row.flags else []
    if row.number and draw(st.booleans()):
        number = row.number
        amount = draw(st.integers(number.low // number.step, number.high // number.step)) * number.step
        options.insert(draw(st.integers(0, len(options))), str(amount))
    return ":".join([name, *options])


@st.composite
def stacks(draw: st.DrawFn) -> str:
    """Return the text of a stack that the grammar admits."""
    names: list[str] = []
    words: list[str] = []
    while True:
        fits = fitting([_bare(name) for name in names])
        ended = bool(names) and names[-1] in ENDS
        if not fits or (ended and (len(names) >= LONGEST or draw(st.integers(0, 3)) == 0)):
            return "/".join(words)
        if len(names) >= LONGEST:  # the shortest way out
            fits = tuple(name for name in fits if name in ("ip4", "eth")) or fits
        name = draw(st.sampled_from(fits))
        names.append(name)
        words.append(draw(tokens(name)))


def _bare(name: str) -> Token:
    return Token(text=name, name=name, kind="", column=1, width=1, head=())


def test_every_token_can_be_drawn() -> None:
    seen: set[str] = set()
    todo = [[name] for name in fitting([])]
    while todo:
        path = todo.pop()
        if path[-1] not in seen:
            seen.add(path[-1])
            todo += [[*path, name] for name in fitting([_bare(name) for name in path])]
    assert seen == {*HEADERS, "esp", "ah"}
    assert parse("ip4")
