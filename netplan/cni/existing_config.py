"""What a container network's configuration says now: the texts that patches must keep what they don't own of."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from netplan.cni.yaml_document import Piece, parse
from netplan.problems import Location, fail
from netplan.refusals import read_named

MAX_BYTES = 16 << 20  # of one file: a dump of many objects


def texts(paths: Sequence[Path]) -> dict[str, str]:
    """Return the texts that are patched: a file under its name, the texts of a ConfigMap under their keys.

    Raises ProblemError: IPP201 for a file that can't be read, IPP904 for one that can't be understood.
    """
    found: dict[str, str] = {}
    for path in paths:
        data = read_named(path, MAX_BYTES)
        try:
            text = data.decode("utf-8")
            documents = list(parse(text, str(path)))
        except UnicodeDecodeError:
            fail("IPP201", "can't be read as text", location=Location(str(path)))
        found[path.name] = text
        for document in documents:
            root = Piece(document, (), document.data)
            for piece in root.items("items") or [root]:
                for key in ("data", "spec"):
                    texts = piece.get(key)
                    if isinstance(texts, dict):
                        found |= {k: v for k, v in texts.items() if isinstance(k, str) and isinstance(v, str)}
    return found
