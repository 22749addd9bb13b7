"""The one Jinja2 environment: templates print what they are given; they never compute and never see user code."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from jinja2 import PackageLoader, StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment, SandboxedEnvironment
from markupsafe import Markup


@functools.cache
def environment() -> SandboxedEnvironment:
    """Return the environment: sandboxed, undefined names are errors, templates only from the package."""
    env = ImmutableSandboxedEnvironment(
        loader=PackageLoader("netplan", "templates"),
        undefined=StrictUndefined,
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    env.filters["comment"] = comment
    return env


def render(template: str, filters: dict[str, Callable[[Any], str]] | None = None, **context: Any) -> str:
    """Render ``templates/<template>``; ``filters`` are the quoting functions of the format at hand."""
    env = _with_filters(tuple(filters.items())) if filters else environment()
    return env.get_template(template).render(**context)


def render_html(template: str, **context: Any) -> str:
    """Render ``templates/<template>`` as HTML or SVG: every value is escaped, and what is not to be seen replaced."""
    return _html().get_template(template).render(**context)


@functools.cache
def _html() -> SandboxedEnvironment:
    env = environment().overlay(autoescape=True)
    env.finalize = _seen
    return env


def _seen(value: object) -> object:
    """Return a value of a page as it is printed: control and direction characters of a text become a replacement."""
    if isinstance(value, str) and not isinstance(value, Markup) and not value.isprintable():
        return "".join(c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in value)
    return value


@functools.cache
def _with_filters(filters: tuple[tuple[str, Callable[[Any], str]], ...]) -> SandboxedEnvironment:
    env = environment().overlay()  # keeps its own cache of compiled templates, hence made once a format
    env.filters = {**env.filters, **dict(filters)}
    return env


def comment(value: object) -> str:
    """Return text that is safe inside a one-line comment of any of our formats."""
    return "".join(c if c.isprintable() else "?" for c in str(value))


def markdown_cell(value: object) -> str:
    """Return text that can't break a Markdown table or start markup in it."""
    text = comment(value)
    for c in "\\|`*_<>[]":
        text = text.replace(c, "\\" + c)
    return text
