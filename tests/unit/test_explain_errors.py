"""Every error code has an answer: true to the command line, to the pages that it names, and more than its title."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from netplan.cli.main import main
from netplan.codes import CODES
from netplan.explain.errors import CODE_HELP, PARTS
from netplan.explain.topics import explain
from netplan.problems import Problem, error_page
from tests import errors_doc
from tests.support.our_commands import in_backquotes, in_blocks, wrong_with

DOCS = Path(__file__).parents[2] / "docs"


def anchors(page: Path) -> set[str]:
    """Return the anchors that code hosts give the headings of a Markdown page."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_code_has_one_entry_and_every_entry_a_code() -> None:
    assert set(CODE_HELP) == set(CODES)
    assert sum(len(part.HELP) for part in PARTS) == len(CODES), "a code is in two files"


@pytest.mark.parametrize("code", CODES)
def test_an_entry_says_more_than_its_title(code: str) -> None:
    about = CODE_HELP[code]
    lines, _ = explain(code)
    assert len([line for line in lines[1:] if line]) >= 3
    for text in (about.means, about.state, about.remedy):
        assert len(text.lower().replace(CODES[code].lower(), "")) > 25, "the title, and no more"
        assert "  " not in text, "two blanks"
    assert len({about.means, about.state, about.remedy}) == 3
    assert about.look


@pytest.mark.parametrize("code", CODES)
def test_commands_in_an_entry_exist(code: str) -> None:
    about = CODE_HELP[code]
    ours = [*(c for c in about.look if c.startswith("ipsecplan")), *in_backquotes(f"{about.remedy} {about.state}")]
    assert [wrong for command in ours if (wrong := wrong_with(command))] == []
    assert all(len(command) < 130 for command in about.look)


@pytest.mark.parametrize(
    "command",
    ["ipsecplan statuss bundle", "ipsecplan apply bundle --confirm-timeout 5", "ipsecplan ca show", "ipsecplan ca x"],
)
def test_a_command_that_does_not_exist_is_seen(command: str) -> None:
    assert wrong_with(command)


@pytest.mark.parametrize("code", CODES)
def test_the_page_of_an_entry_exists(code: str) -> None:
    name, _, anchor = CODE_HELP[code].page.partition("#")
    assert (DOCS / name).is_file()
    assert not anchor or anchor in anchors(DOCS / name)


def test_the_reference_is_what_the_entries_say() -> None:
    if os.environ.get("UPDATE_GOLDEN"):
        errors_doc.DOC.write_text(errors_doc.document(), encoding="utf-8")
    assert errors_doc.DOC.read_text(encoding="utf-8") == errors_doc.document(), "python -m tests.errors_doc"
    assert {f"docs/errors.md#{anchor}" for anchor in anchors(errors_doc.DOC)} >= {error_page(code) for code in CODES}


def test_explain_prints_meaning_state_commands_remedy_and_page(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "ipp614"]) == 0
    shown = capsys.readouterr().out
    for word in ("IPP614: no IKE_SA with a peer", "means", "state", "look", "remedy", "page", "docs/rollout.md#"):
        assert word in shown
    about = CODE_HELP["IPP614"]
    assert all(command in shown for command in about.look), "a command is one line, to be copied"
    assert main(["explain", "IPP614", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["result"]
    assert found["look"] == list(about.look)
    assert (found["title"], found["url"]) == (CODES["IPP614"], "docs/errors.md#ipp614")


def test_a_problem_in_json_has_the_address_of_its_page() -> None:
    assert Problem("IPP661", "n1 can't be reached").as_json()["url"] == "docs/errors.md#ipp661"


def test_commands_of_the_runbook_exist() -> None:
    page = "".join(
        (DOCS / name).read_text(encoding="utf-8") for name in ("runbook.md", "runbook-situations.md", "runbook-sas.md")
    )
    ours = [*in_blocks(page), *in_backquotes(page.replace("\n", " "))]
    assert len(ours) > 25
    assert [wrong for command in ours if (wrong := wrong_with(command))] == []
