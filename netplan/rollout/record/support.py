"""What a report of a fault needs, packed without secrets: everything is redacted, then searched for what is secret.

Never read: keys, certificates' keys, pre-shared keys, the inventory's text. What is packed may still hold one, because
people put a password anywhere; so each text is redacted by form and by value, and the archive is made only if none of
the known values is found afterwards.
"""

from __future__ import annotations

import io
import json
import re
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from netplan.files import read_regular
from netplan.problems import ProblemError

HIDDEN = "[hidden]"
MOST_BYTES = 4 << 20  # of one file, beginning with the end
MOST_FILES = 200
LEAST = 4  # characters of a value that is looked for; shorter ones are in every text
SECRET_NAME = re.compile(
    r"(?i)(pass(word|phrase|wd)?|secret|token|credential|private[_-]?key|psk|api[_-]?key|become_pass|vault)"
)
_PEM = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,40}(PRIVATE KEY|CERTIFICATE)-----.*?(-----END [A-Z0-9 ]{0,60}-----|\Z)", re.DOTALL
)
_ASSIGNED = re.compile(
    r"(?i)(\b[\w.-]{0,60}(?:pass(?:word|phrase|wd)?|secret|token|private[_-]?key|psk|api[_-]?key)[\w.-]{0,40}"
    r"[\"']?\s{0,4}[:=]\s{0,4})(\"[^\"\n]{1,500}\"|'[^'\n]{1,500}'|[^\s,;}\]]{1,500})"
)
_IN_URL = re.compile(r"(://[^/\s:@]{1,100}:)[^@\s/]{1,200}@")


@dataclass(frozen=True, slots=True)
class Packed:
    """An archive (tar, gzip), what is in it, how many secrets were looked for, and in which files one was found."""

    archive: bytes
    names: tuple[str, ...]
    looked_for: int
    found: tuple[str, ...]


def secrets_of(variables: Iterable[Mapping[str, object]]) -> set[str]:
    """Return the values of hosts' variables whose names say that they are secret."""

    def inner(name: str, value: object) -> Iterator[str]:
        if isinstance(value, Mapping):
            for key, below in value.items():
                yield from inner(f"{name}.{key}", below)
        elif isinstance(value, (list, tuple)):
            for below in value:
                yield from inner(name, below)
        elif isinstance(value, str) and len(value) >= LEAST and SECRET_NAME.search(name):
            yield value

    return {found for one in variables for name, value in one.items() for found in inner(str(name), value)}


def redacted(text: str, secrets: Iterable[str]) -> str:
    """Return a text without keys, without what is assigned to a secret's name, and without known values."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    text = _PEM.sub(HIDDEN, text)
    text = _ASSIGNED.sub(lambda found: found[1] + HIDDEN, text)
    return _IN_URL.sub(lambda found: f"{found[1]}{HIDDEN}@", text)


def texts_below(folder: Path, wanted: Iterable[str], under: str) -> dict[str, str]:
    """Return name in the archive -> text of regular files below a folder; what can't be read is left out."""
    found: dict[str, str] = {}
    for pattern in wanted:
        for path in sorted(folder.glob(pattern))[-MOST_FILES:]:
            try:
                if path.is_symlink() or not path.is_file():
                    continue
                raw = read_regular(path, max(MOST_BYTES, path.stat().st_size))
            except (OSError, ProblemError):
                continue
            found[f"{under}/{path.relative_to(folder)}"] = raw[-MOST_BYTES:].decode("utf-8", "replace")
    return found


def pack(texts: Mapping[str, str], secrets: Iterable[str]) -> Packed:
    """Return the archive. A text in which a known secret is left is not in it, and its name is in ``found``."""
    plain = set(secrets)
    secrets = plain | {json.dumps(secret)[1:-1] for secret in plain}  # as JSON writes them
    out, names, bad = io.BytesIO(), [], []
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, text in sorted(texts.items()):
            clean = redacted(text, secrets)
            if any(secret in clean for secret in secrets) or _PEM.search(clean) or any(s in name for s in secrets):
                bad.append(name)
                continue
            data = clean.encode()
            about = tarfile.TarInfo(f"ipsecplan-report/{name}")
            about.size, about.mode = len(data), 0o600
            archive.addfile(about, io.BytesIO(data))
            names.append(name)
    return Packed(out.getvalue(), tuple(names), len(plain), tuple(bad))
