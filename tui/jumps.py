"""What `:` understands: names of screens, and words with a host, a pair, a file or a transaction. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from netplan.problems import closest, quoted

# word -> what follows it, and what it does
WORDS: dict[str, tuple[str, str]] = {
    "pairs": ("[HOST]", "pairs, of hosts with these letters"),
    "node": ("HOST", "one host and its pairs"),
    "pair": ("HOST HOST", "one pair: SA, path, proof"),
    "files": ("[PATH]", "files, at the one with these letters"),
    "show": ("TX", "one transaction"),
    "trace": ("[SRC DST PATH...]", "the walk of one packet"),
    "top": ("", "what pairs send each other now"),
    "theme": ("[NAME]", "another theme"),
    "help": ("", "every key of this screen"),
    "q": ("", "leave"),
}


@dataclass(frozen=True, slots=True)
class Jump:
    """Where to go: ``word`` is a screen or a key of WORDS, ``rest`` what it is about."""

    word: str
    rest: tuple[str, ...] = ()


def read(text: str, screens: Iterable[str]) -> Jump | str:
    """Return where a line leads, or in words what is wrong with it. A beginning that only one word has is enough."""
    word, *rest = text.split()
    known = [*WORDS, *(name for name in screens if name not in WORDS)]
    fits = [name for name in known if name == word] or [name for name in known if name.startswith(word.lower())]
    if len(fits) != 1:
        near = closest(word, known)
        hint = f"did you mean {near}?" if near else f"known: {' '.join(known)}"
        return f"{quoted(word)} is {'short for ' + ' and '.join(fits) if fits else 'no command'}; {hint}"
    wanted = {"node": 1, "pair": 2, "show": 1}.get(fits[0], 0)
    if len(rest) < wanted:
        return f":{fits[0]} needs {WORDS[fits[0]][0]}"
    return Jump(fits[0], tuple(rest))


def proposals(screens: Iterable[str], hosts: Iterable[str]) -> Iterator[str]:
    """Generate whole lines to propose."""
    yield from screens
    for host in hosts:
        yield from (f"pairs {host}", f"node {host}")
    yield from WORDS
