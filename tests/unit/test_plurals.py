"""A number and its noun agree: whatever prints a count of things has the noun from ``counted``."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from netplan.agent.system import core
from netplan.problems import counted

ROOT = Path(__file__).parents[2]
NOUNS = (  # as a regular expression
    "algorithm|change|channel|class|connection|day|device|difference|direction|event|file|finding|host|input|interface|"
    "key|line|member|network|node|packet|pair|peer|ping|pod|route|row|SA|state|step|transaction|trap|zone"
)
# what a verb or a preposition follows is a sentence of its own, which was written for several
FOLLOWS = r"(?! (?:are|have|send|need|use|stay|were|with|offer|would|here)\b)"
COUNT = re.compile(rf" (?:(?!with )[a-z-]+ )?(?:{NOUNS})e?s\b{FOLLOWS}")
# these are no counts, or of a constant that is above 1
TEXTS = (" networks)", " numbers its networks", " packets", " pings lost in a row", " pods ")


def bare_counts(source: str) -> Iterator[str]:
    """Yield what a module prints as ``{number} things``."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.JoinedStr):
            for value, text in zip(node.values, node.values[1:], strict=False):
                said = str(text.value) if isinstance(text, ast.Constant) else ""
                if isinstance(value, ast.FormattedValue) and COUNT.match(said) and not said.startswith(TEXTS):
                    yield f"{{{ast.unparse(value.value)}}}{said}"


@pytest.mark.parametrize("room", ["netplan", "tui"])
def test_no_count_is_printed_with_a_fixed_plural(room: str) -> None:
    modules = sorted((ROOT / room).rglob("*.py"))
    assert modules
    found = [f"{m.relative_to(ROOT)}: {said}" for m in modules for said in bare_counts(m.read_text(encoding="utf-8"))]
    assert found == []


def test_a_fixed_plural_is_found() -> None:
    assert list(bare_counts('f"{len(pairs)} pairs encrypted"')) == ["{len(pairs)} pairs encrypted"]
    assert list(bare_counts('f"{n} kernel states, {m}"')) == ["{n} kernel states, "]
    assert list(bare_counts('f"{n} pairs are new"')) == []


@pytest.mark.parametrize(
    ("number", "words", "said"),
    [
        (0, ("pair",), "0 pairs"),
        (1, ("pair",), "1 pair"),
        (2, ("pair",), "2 pairs"),
        (1, ("policy", "policies"), "1 policy"),
        (3, ("policy", "policies"), "3 policies"),
    ],
)
def test_the_agent_counts_as_the_controller_does(number: int, words: tuple[str, ...], said: str) -> None:
    assert counted(number, *words) == core.counted(number, *words) == said
