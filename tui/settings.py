"""The planner's own settings: theme and keys, from ``ipsecplan/ui.toml`` in the user's configuration directory."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from netplan.files import read_regular
from netplan.problems import Location, Problem, ProblemError, closest, quoted

MAX_BYTES = 1 << 20  # of a file of settings


@dataclass(frozen=True, slots=True)
class Settings:
    """What the user set: a theme name or None, and keys by binding id."""

    theme: str | None = None
    keys: dict[str, str] = field(default_factory=dict)


def default_path() -> Path | None:
    """Return where the settings are looked for; None for a user without a home."""
    base = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    try:
        return Path(base).expanduser() / "ipsecplan" / "ui.toml"
    except RuntimeError:
        return None


def read(path: Path, known_keys: set[str], known_themes: set[str]) -> Settings:
    """Read settings; a missing file means defaults. Raises ProblemError for what is not understood."""
    import tomllib

    try:
        raw = read_regular(path, MAX_BYTES, follow=True).decode("utf-8")
        found = tomllib.loads(raw)
    except FileNotFoundError:
        return Settings()
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise _wrong(path, f"can't be read: {error}", None) from None
    problems: list[Problem] = []
    for key in found.keys() - {"theme", "keys"}:
        problems += _wrong(path, f"unknown key {quoted(key)}", "known keys: theme keys").problems
    theme = found.get("theme")
    if theme is not None and theme not in known_themes:
        problems += _wrong(path, f"unknown theme {quoted(theme)}", _near(str(theme), known_themes)).problems
    keys = found.get("keys", {})
    keys = keys if isinstance(keys, dict) else {"keys": keys}
    for name, key in keys.items():
        if name not in known_keys:
            problems += _wrong(path, f"unknown binding {quoted(name)}", _near(name, known_keys)).problems
        elif not isinstance(key, str) or not key:
            problems += _wrong(path, f"the key of {name} must be text", 'such as "ctrl+s" or "f2,s"').problems
    if problems:
        raise ProblemError(problems)
    return Settings(theme, {str(k): str(v) for k, v in keys.items()})


def _near(word: str, known: set[str]) -> str:
    near = closest(word, sorted(known))
    return f"did you mean {near}?" if near else "the help screen (?) lists them"


def _wrong(path: Path, message: str, hint: str | None) -> ProblemError:
    return ProblemError(Problem("IPP208", message, location=Location(str(path)), hint=hint))
