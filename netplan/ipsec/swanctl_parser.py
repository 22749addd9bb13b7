"""An independent reader of strongSwan's settings grammar: sections, references, quoting, as charon understands them.

It shares nothing with the renderer, so that a mistake in a template or in quoting shows as a difference. What charon
accepts by surprise (a section opened twice is merged, the last value wins, ``a:b`` is inheritance) it accepts the
same way. Source: settings_lexer.l and settings_parser.y of strongSwan 5.9.8.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

DEEPEST = 50  # sections in sections, references to references; charon's own configuration has five


class SettingsError(ValueError):
    """The text is not in the settings grammar; the message holds the line number."""


@dataclass(slots=True)
class Settings:
    """One section: its own values and sub-sections, and the absolute names of the sections it refers to.

    ``whole``: these references are resolved, here and in every sub-section; many connections share such a section.
    """

    values: dict[str, str] = field(default_factory=dict)
    sections: dict[str, Settings] = field(default_factory=dict)
    parents: list[str] = field(default_factory=list)
    whole: bool = field(default=False, compare=False)

    def get(self, key: str, default: str) -> str:
        """Return a value, or the default when it is absent or was cleared."""
        return self.values.get(key) or default

    def section(self, name: str) -> Settings:
        """Return a sub-section; an empty one when it is absent."""
        return self.sections.get(name) or Settings()


def read(text: str) -> Settings:
    """Parse a settings file and resolve every reference. Raises SettingsError."""
    root = Settings()
    tokens = _Tokens(text)
    _body(tokens, root, top=True)
    return _resolved(root, root, (), {})


# (one of { } = : , name string newline end; text; line): a plain tuple, since a file of 1,000 peers has 40,000 of them
_Token = tuple[str, str, int]


class _Tokens:
    def __init__(self, text: str) -> None:
        self.all = list(_lex(text))
        self.at = 0
        self.depth = 0

    def peek(self) -> _Token:
        return self.all[self.at]

    def next(self) -> _Token:
        token = self.all[self.at]
        self.at += token[0] != "end"
        return token

    def skip_newlines(self) -> None:
        while self.all[self.at][0] == "newline":
            self.at += 1


# One alternative a token; an unquoted value (everything to the end of the line but comments, braces and quotes) is
# only looked for behind "=". Compiled once: a mesh of 1,000 nodes is a million connections to read back.
_LEXEME = re.compile(
    r"""(?P<newline>\n)
    | (?P<blank>[ \t\r]+ | \#[^\n]*)
    | "(?P<string>(?:[^"\\] | \\.)*)"
    | (?P<mark>[{}=:,])
    | (?P<name>[^{}=\#"\n:,\s]+)
    | (?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
_VALUE = re.compile(r"[ \t\r]*([^\n#{}\"= \t\r][^\n#{}\"=]*)")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "\n": ""}


def _lex(text: str) -> Iterator[_Token]:
    at, line = 0, 1
    while at < len(text):
        match = _LEXEME.match(text, at)
        if match is None:  # never: the last alternative takes anything
            raise SettingsError(f"line {line}: nothing that can be read")
        at, kind = match.end(), match.lastgroup
        if kind == "blank":
            continue
        if kind == "newline":
            yield "newline", "\n", line
            line += 1
        elif kind == "string":
            raw = match["string"]
            yield "string", _ESCAPE.sub(_unescape, raw) if "\\" in raw else raw, line
            line += raw.count("\n")
        elif kind == "mark":
            yield match["mark"], match["mark"], line
            value = _VALUE.match(text, at) if match["mark"] == "=" else None
            if value is not None:
                at = value.end()
                yield "string", value[1].rstrip(), line
        elif kind == "name":
            yield "name", match["name"], line
        else:
            raise SettingsError(f"line {line}: unterminated string")
    yield "newline", "\n", line
    yield "end", "", line


def _unescape(match: re.Match[str]) -> str:
    return _ESCAPES.get(match[1], match[1])


def _body(tokens: _Tokens, into: Settings, *, top: bool) -> None:
    while True:
        tokens.skip_newlines()
        kind, text, line = tokens.next()
        if kind == "end":
            if not top:
                raise SettingsError(f"line {line}: missing '}}'")
            return
        if kind == "}":
            if top:
                raise SettingsError(f"line {line}: '}}' without '{{'")
            return
        if kind != "name":
            raise SettingsError(f"line {line}: expected a name, found {text!r}")
        _statement(tokens, into, text, line)


def _statement(tokens: _Tokens, into: Settings, name: str, line: int) -> None:
    follower = tokens.peek()[0]
    if follower == "=":
        tokens.next()
        value = []
        while tokens.peek()[0] == "string":
            value.append(tokens.next()[1])
        kind, text, _ = tokens.peek()
        if kind not in ("newline", "}", "end"):
            raise SettingsError(f"line {line}: unexpected {text!r} after a value")
        into.values[name] = " ".join(value)
        return
    parents: list[str] = []
    if follower == ":":
        tokens.next()
        while tokens.peek()[0] in ("name", ","):
            kind, text, _ = tokens.next()
            if kind == "name":
                parents.append(text)
    tokens.skip_newlines()
    if tokens.next()[0] != "{":
        raise SettingsError(f"line {line}: expected '{{' after section {name!r}")
    if "." in name:
        raise SettingsError(f"line {line}: a section name can't hold '.'")
    section = into.sections.setdefault(name, Settings())
    section.parents += parents
    tokens.depth += 1
    if tokens.depth > DEEPEST:
        raise SettingsError(f"line {line}: more than {DEEPEST} sections in each other")
    _body(tokens, section, top=False)
    tokens.depth -= 1


def _resolved(section: Settings, root: Settings, trail: tuple[str, ...], known: dict[str, Settings]) -> Settings:
    """Return the section with what it inherits; its own values win, inherited sub-sections come after its own.

    ``known``: sections that were referred to, resolved.
    """
    if section.whole:
        return section
    if len(trail) > DEEPEST:
        raise SettingsError(f"more than {DEEPEST} references to each other, from {trail[0]!r} on")
    merged = Settings(dict(section.values), dict(section.sections))
    for parent in section.parents:
        if parent in trail:
            raise SettingsError(f"section {parent!r} refers to itself")
        if parent not in known:
            found: Settings | None = root
            for step in parent.split("."):
                found = found.sections.get(step) if found else None
            if found is None:
                continue  # charon ignores a reference to nothing
            known[parent] = _resolved(found, root, (*trail, parent), known)
        _merge(merged, known[parent])
    merged.sections = {name: _resolved(child, root, trail, known) for name, child in merged.sections.items()}
    merged.whole = True
    return merged


def _merge(into: Settings, other: Settings) -> None:
    for key, value in other.values.items():
        into.values.setdefault(key, value)
    for name, child in other.sections.items():
        if name in into.sections:
            own = into.sections[name]
            copy = Settings(dict(own.values), dict(own.sections), list(own.parents))
            _merge(copy, child)
            into.sections[name] = copy
        else:
            into.sections[name] = child
