"""What a container network's configuration says now: the texts that patches must keep what they don't own of."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from netplan.cni.yaml_document import Piece, parse
from netplan.problems import Location, ProblemError, fail
from netplan.refusals import refused


def texts(paths: Sequence[Path]) -> dict[str, str]:
    """Return the texts that are patched: a file under its name, the texts of a ConfigMap under their keys.

    Raises ProblemError: IPP201 for a file that can't be read, IPP904 for one that can't be understood.
    """
    found: dict[str, str] = {}
    for path in paths:
        try:
            text = path.read_text(encoding="utf-8")
            documents = list(parse(text, str(path)))
        except OSError as error:
            raise ProblemError(refused(error, path, "read", "IPP201")) from None
        except ValueError:  # not UTF-8, or a name that no file can have
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
