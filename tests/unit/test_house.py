"""Rules of the house that no linter knows."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from jinja2 import StrictUndefined

from netplan.codes import CODES
from netplan.templates.render import environment
from tests.ci import graph

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted([*ROOT.glob("netplan/**/*.py"), *ROOT.glob("tui/**/*.py"), *ROOT.glob("playbooks/**/*.py")])
TEMPLATES = sorted(ROOT.glob("netplan/templates/**/*.j2"))

# a file that may be longer, and why
LONG = {"netplan/agent/protocol/reply.py": "every shape of what a node says, each used by others"}
# modules of no room: every room may use them, but for the two that begin everything
AT_ROOT = ["__main__", "codes", "files", "pipeline", "problems", "refusals"]


def test_the_globs_find_something() -> None:
    assert len(SOURCES) > 30
    assert len(TEMPLATES) >= 7


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda p: p.name)
def test_templates_compile(path: Path) -> None:
    env = environment().overlay()
    env.filters = {**env.filters, "q": str, "cell": str, "y": str}  # the formats' own quoting functions
    name = str(path.relative_to(ROOT / "netplan" / "templates"))
    assert env.get_template(name).name == name
    assert env.undefined is StrictUndefined, "a name that nobody gives is an error, not an empty text"


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda p: p.name)
def test_templates_print_and_do_not_compute(path: Path) -> None:
    text = re.sub(r"\{#.*?#\}", "", path.read_text(), flags=re.DOTALL)
    for expression in re.findall(r"\{\{(.*?)\}\}", text, flags=re.DOTALL):
        bare = re.sub(r"\"[^\"]*\"", "", expression)
        assert not re.search(r"[-+*/%]\s*\d|\d\s*[-+*/%]", bare), expression


def test_no_file_hides_a_second_subject() -> None:
    long = {str(p.relative_to(ROOT)): len(p.read_text().splitlines()) for p in SOURCES}
    over = {name: lines for name, lines in long.items() if lines > 400 and name not in LONG}
    assert over == {}, "over 400 lines: split it, or say in LONG why it is one subject"


def test_every_code_is_known_and_every_known_code_is_used() -> None:
    used = {code for p in SOURCES if p.name != "codes.py" for code in re.findall(r"IPP\d{3}", p.read_text())}
    assert used - CODES.keys() == set(), "not in netplan/codes.py"
    assert CODES.keys() - used == set(), "no module reports it"


@pytest.fixture(scope="module")
def parts() -> dict[str, graph.Part]:
    """The import graph, by part of the program."""
    return {part.name: part for part in graph.parts()}


@pytest.mark.parametrize("name", ["core", "tui", "agent", "all"])
def test_imports_go_down_and_in_no_circle(parts: dict[str, graph.Part], name: str) -> None:
    part = parts[name]
    assert part.upward == ()
    assert part.file_cycles == ()
    assert part.room_cycles == ()
    assert len(part.arrows) >= len(part.rooms) > 3, "there is something to count"


def test_at_the_root_lies_what_every_room_uses(parts: dict[str, graph.Part]) -> None:
    assert [name.removeprefix("netplan.") for name in parts["core"].at_root] == AT_ROOT


NUMBERS = re.findall(
    r"^\| (core|tui|agent|all) \| before .*\n\| \| now \|(.*)\|$",
    (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8"),
    flags=re.MULTILINE,
)
GROWTH = 0.15  # of a number, after which the page is written anew


def test_the_page_has_the_numbers_of_the_graph(parts: dict[str, graph.Part]) -> None:
    assert [name for name, _ in NUMBERS] == ["core", "tui", "agent", "all"]
    for name, row in NUMBERS:
        part = parts[name]
        said = [int(word) for word in row.split("|")]
        found = [len(part.files), len(part.at_root), len(part.rooms), len(part.arrows), 0, 0, 0]
        assert len(said) == len(found)
        for one, other in zip(said, found, strict=True):
            assert abs(one - other) <= max(2, GROWTH * other) * (other > 0), f"{name}: `make graph`, {found}"


def test_graph_names_an_upward_import_and_a_circle() -> None:
    layers = [frozenset({"top"}), frozenset({"a", "b"}), frozenset({"low"})]
    assert graph.goes_up(layers, "low.x", "top")
    assert graph.goes_up(layers, "a.x", "b"), "beside each other"
    assert not graph.goes_up(layers, "top", "low.x")
    assert not graph.goes_up(layers, "a.x", "a")
    assert not graph.goes_up(layers, "low", "elsewhere")
    assert graph.cycles([("a", "b"), ("b", "c"), ("c", "a"), ("c", "d"), ("e", "e")]) == (("a", "b", "c"), ("e",))


# named in docs/architecture.md, but made when the program runs
MADE = {"cluster/"}


def test_every_file_that_the_architecture_page_names_exists() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    named = set(re.findall(r"(?<![\w/.~-])(?:[\w.-]+/)*[\w-]+(?:\.(?:py|toml|sh)\b|/(?![\w*]))", text)) - MADE
    missing = [name for name in sorted(named) if not any((at / name).exists() for at in (ROOT, ROOT / "netplan"))]
    assert missing == []
    assert len(named) > 50, "the walks name their files"


def _without_encoding(path: Path) -> list[int]:
    """Return the lines on which a file opens text, or starts a process in text mode, in the locale's encoding."""
    found = []
    for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(call, ast.Call):
            continue
        given = {word.arg for word in call.keywords}
        name = ast.unparse(call.func)
        last = name.rpartition(".")[2]
        words = [a.value for a in call.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
        mode = next((k.value.value for k in call.keywords if k.arg == "mode" and isinstance(k.value, ast.Constant)), "")
        binary = any("b" in word and len(word) < 4 for word in [*words, str(mode)])
        opens = last in ("open", "fdopen") and name not in ("os.open", "tarfile.open", "archive.open") and not binary
        text = last in ("run", "Popen", "check_output") and given & {"text", "universal_newlines"}
        if (opens or text or last in ("read_text", "write_text")) and "encoding" not in given:
            found.append(call.lineno)
    return found


def test_no_text_depends_on_the_locale() -> None:
    """Of a machine or of a node: with LC_ALL=de_DE.ISO-8859-1, or an older Python under LC_ALL=C, it would."""
    assert {str(path): lines for path in SOURCES if (lines := _without_encoding(path))} == {}


def test_no_guarantee_is_an_assert() -> None:
    """``python -O`` drops them: what must hold raises DefectError."""
    found = {
        str(path): lines
        for path in SOURCES
        if (lines := [at.lineno for at in ast.walk(ast.parse(path.read_text())) if isinstance(at, ast.Assert)])
    }
    assert found == {}


def test_no_shell_runs_a_string() -> None:
    for path in SOURCES:
        text = path.read_text()
        assert "shell=True" not in text, path
        assert "os.system(" not in text, path
