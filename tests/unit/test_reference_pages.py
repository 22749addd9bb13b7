"""The pages of docs/reference/ are what the program's tables and types say. ``UPDATE_GOLDEN=1`` writes them anew."""

from __future__ import annotations

import json
from typing import Any

import pytest

from netplan.problems import ExitCode
from tests import index_docs, reference_docs
from tests.support.golden import check


@pytest.mark.parametrize("name", reference_docs.PAGES)
def test_page_is_current(name: str) -> None:
    check(reference_docs.DIRECTORY / f"{name}.md", reference_docs.PAGES[name]())


@pytest.mark.parametrize("name", reference_docs.schemas())
def test_schema_of_the_site_is_current(name: str) -> None:
    check(reference_docs.SCHEMAS / name, reference_docs.schemas()[name])


def test_the_site_has_no_schema_of_a_verb_that_is_gone() -> None:
    assert {path.name for path in reference_docs.SCHEMAS.iterdir()} == set(reference_docs.schemas())


def test_index_is_current() -> None:
    check(index_docs.DOC, index_docs.document())


def test_every_exit_code_has_a_meaning() -> None:
    assert set(reference_docs.EXIT_CODES) == set(ExitCode)


def test_every_key_of_the_schema_is_on_the_page() -> None:
    def keys(schema: Any) -> set[str]:
        return {k for part in [schema, *schema["$defs"].values()] for k in part.get("properties", {})}

    page = reference_docs.plan_file()
    assert all(f"| `{key}` |" in page for key in keys(json.loads(reference_docs.json_schema())))


def test_values_of_a_schema_in_words() -> None:
    for field, said in (
        ({"type": "integer", "minimum": 1, "maximum": 9}, "whole number, 1 to 9"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "text, or nothing"),
        ({"type": "array", "items": {"enum": ["a", "b"]}}, "list of `a`, `b`"),
        ({"$ref": "#/$defs/X"}, "true or false"),
    ):
        assert reference_docs.kind(field, {"X": {"type": "boolean"}}) == said
