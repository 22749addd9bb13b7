"""Which host an input belongs to, by where it lies."""

from __future__ import annotations

import functools
import re

_ROOTS = re.compile(r"(^|/)(etc|run|var|usr)/")
_DROP_INS = re.compile(r"\.(network|netdev|link)\.d\Z")


@functools.lru_cache(maxsize=1 << 14)
def host_of(path: str | None) -> str:
    """Return the key of the host of an input: the node of ``ssh://``, what stands before ``etc/``, else its folder.

    Everything in one folder is one host's; the empty text is the folder of a bare name.
    """
    text = path or ""
    if text.startswith("ssh://"):
        return "/".join(text.split("/")[:3])
    root = _ROOTS.search(text)
    if root:
        return text[: root.start()]
    folder = text.rpartition("/")[0]
    return folder.rpartition("/")[0] if _DROP_INS.search(folder) else folder
