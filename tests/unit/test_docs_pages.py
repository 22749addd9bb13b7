"""The pages of docs/ and README: sessions print what they show, links lead somewhere, commands exist, none is too long.

``UPDATE_GOLDEN=1`` writes the sessions anew; read the difference before you commit it.
"""

from __future__ import annotations

import functools
import os
import re
import runpy
import shutil
import subprocess
from pathlib import Path

import pytest

from netplan.cni import ADAPTERS
from netplan.codes import CODES
from tests.docs_count import line
from tests.support.doc_anchors import anchors
from tests.support.doc_blocks import BLOCK, CODE, DOCS, ROOT, commands, counted, fits, pages, prose, rewritten
from tests.support.golden import check
from tests.support.in_process import run
from tests.support.our_commands import in_backquotes, in_blocks, wrong_with

MAX_WORDS = 1500
DATA = ROOT / "tests" / "data" / "docs"
# commands that stand for others, that click can't read without running them, or whose words are a shell's
UNCHECKED = re.compile(r"\.\.\.|VERB|--version| lab exec ")
DECISIONS = sorted(DOCS.glob("decisions/*.md"))
PAGES = pages()
# long because they list: looked up, not read
REFERENCES = {
    *(DOCS / f"{name}.md" for name in ("errors", "protocol", "networks", "strongswan", "rollout", "audit", "lab")),
    *(DOCS / f"{name}.md" for name in ("stack-notation", "calc", "planner", "architecture")),
    *DOCS.glob("reference/*.md"),
}


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


@functools.cache
def anchors_of(page: Path) -> set[str]:
    return anchors(page.read_text(encoding="utf-8"))


def links(text: str) -> list[str]:
    bare = re.sub(r"`[^`]*`", "", BLOCK.sub("", text))
    return re.findall(r"\]\(([^)\s]+)\)", bare)


@pytest.mark.parametrize("page", [page for page in PAGES if counted(page.read_text())[0]], ids=name_of)
def test_a_session_prints_what_the_page_shows(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "IPSECPLAN_STATE"):
        monkeypatch.setenv(name, str(tmp_path / ".home"))
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "118")
    if (DATA / page.stem).is_dir():  # dumps that are too long for the page
        shutil.copytree(DATA / page.stem, tmp_path, dirs_exist_ok=True)
    check(page, rewritten(page.read_text(encoding="utf-8"), tmp_path, run))


@pytest.mark.parametrize("page", [*PAGES, *DECISIONS, ROOT / "SECURITY.md"], ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    wrong = []
    for link in links(page.read_text(encoding="utf-8")):
        target, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", link):
            continue
        at = (page.parent / target).resolve() if target else page
        if not at.exists() or (anchor and anchor not in anchors_of(at)):
            wrong.append(link)
    assert wrong == []


@pytest.mark.parametrize("page", [page for page in PAGES if page not in REFERENCES], ids=name_of)
def test_a_page_that_is_read_is_short(page: Path) -> None:
    assert len(prose(page.read_text(encoding="utf-8")).split()) <= MAX_WORDS


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_and_codes_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    ours = [c.line for b in BLOCK.finditer(text) if b["kind"] == "console" for c in commands(b["text"])]
    ours += [*in_blocks(text), *in_backquotes(prose(text).replace("\n", " "))]
    ours = [part for one in ours for part in re.split(r" \| | > | && |  # ", one.replace("\\\n", ""))]
    ours = [one.removesuffix(CODE) for one in ours if one.startswith("ipsecplan ") and not UNCHECKED.search(one)]
    wrong = [said for one in ours if (said := wrong_with(one))]
    # a verb that is only named has no arguments
    assert [said for said in wrong if "Missing argument" not in said and "requires an argument" not in said] == []
    assert set(re.findall(r"\bIPP\d{3}\b", text)) <= set(CODES)


def test_every_page_is_in_the_navigation_once() -> None:
    navigation = runpy.run_path(str(DOCS / "conf.py"))["NAVIGATION"]
    listed = [page for below in navigation.values() for page in below]
    below = [str(page.relative_to(DOCS).with_suffix("")) for page in PAGES if page.is_relative_to(DOCS)]
    assert sorted([*listed, "index"]) == sorted([*below, "decisions/README"])


def test_every_page_that_people_enter_by_is_linked_from_the_index() -> None:
    navigation = runpy.run_path(str(DOCS / "conf.py"))["NAVIGATION"]
    index = links((DOCS / "index.md").read_text(encoding="utf-8"))
    wanted = {f"{page}.md" for below in navigation.values() for page in below}
    assert wanted - {link.partition("#")[0] for link in index} == set()


def test_a_false_session_would_be_noticed(tmp_path: Path) -> None:
    def false(_: list[str]) -> tuple[int, str]:
        return 3, "one 17 two\nthree\nfour\n"

    page = "```console\n$ ipsecplan lint{}\n{}```\n"
    true = page.format('; echo "exit $?"', "one ... two\n...\nfour\nexit 3\n")
    assert rewritten(true, tmp_path, false) == true
    wrong = page.format('; echo "exit $?"', "one ... three\n...\nfour\nexit 3\n")
    assert rewritten(wrong, tmp_path, false) != wrong
    with pytest.raises(AssertionError, match="exit 3"):
        rewritten(page.format("", ""), tmp_path, false)


def test_elided_text_fits_what_it_stands_for() -> None:
    assert fits("a\n...\nb\n", "a\n1\n2\nb\n")
    assert fits("took ... s\n", "took 3.5 s\n")
    assert not fits("took ... s\n", "took 3.5\n")
    assert not fits("a\n", "a\nb\n")


def test_the_count_is_not_empty() -> None:
    here, lab = (int(n) for n in re.findall(r"(\d+) (?:commands|more)", line()))
    assert here >= 100
    assert lab >= 10


def test_pages_that_count_the_networks_count_right() -> None:
    for name, said in (
        ("README.md", "{} container networks"),
        ("README.zh-CN.md", "{} 种容器网络"),
        ("docs/index.md", "all {},"),
    ):
        assert said.format(len(ADAPTERS)) in (ROOT / name).read_text(encoding="utf-8")


def install_lines(page: str) -> list[str]:
    """Return the lines below the heading that installs."""
    below = re.split(r"^## (?:Install|安装)$", page, flags=re.MULTILINE)[1].partition("\n## ")[0]
    return [line.strip() for line in below.splitlines() if line.startswith("    ")]


def test_every_page_installs_in_the_same_five_lines() -> None:
    texts = [(ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.zh-CN.md", "docs/index.md")]
    first, *others = map(install_lines, texts)
    assert len(first) == 5
    assert "--require-hashes" in first[1]
    assert all(other == first for other in others)


def test_both_languages_have_the_same_commands_links_and_verbs() -> None:
    english, chinese = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.zh-CN.md"))
    indented = r"^    (\S.*?)(?: +#.*)?$"
    verbs = r"^\| (`.*?`) \|"
    blocks = r"^```.*?^```"
    for what in (indented, verbs, blocks):
        found = [
            re.findall(what, page, re.MULTILINE | re.DOTALL if what == blocks else re.MULTILINE)
            for page in (english, chinese)
        ]
        assert found[0] == found[1] != []
    assert set(links(english)) - {"README.zh-CN.md"} == set(links(chinese)) - {"README.md"}


@pytest.mark.drill
def test_the_five_lines_install_as_typed(tmp_path: Path) -> None:
    """Fetches the locked packages; in a copy of the checkout, so that nothing is left in it."""
    copy = tmp_path / "checkout"
    names = ("netplan", "tui", "playbooks", "requirements", "pyproject.toml", "README.md", "LICENSE", "NOTICE")
    copy.mkdir()
    for name in names:
        take = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        take(ROOT / name, copy / name)
    (tmp_path / "home").mkdir()
    script = "set -e\n" + "\n".join(install_lines((ROOT / "README.md").read_text(encoding="utf-8")))
    environment = {**os.environ, "HOME": str(tmp_path / "home")}
    environment.pop("PYTHONPATH", None)
    done = subprocess.run(["sh", "-c", script], cwd=copy, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("ipsecplan")
