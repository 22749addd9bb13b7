"""How many packets of preflights came to this node.

They look like ESP and no SA has their security parameter index, so the kernel counts each as an error
(XfrmInNoStates). This count tells them from packets of an SA that is gone. It begins at 0 at boot, like the kernel's.

/run/ipsecplan/preflight-packets           the sum of talks that are over
/run/ipsecplan/preflight-packets-<number>  those of a talk that goes on
"""

from __future__ import annotations

import os

from . import core
from .paths import RUN

NAME = "preflight-packets"


def came() -> int:
    """Return the number of packets since boot."""
    return sum(_number(path) for path in _files())


def add_up() -> None:
    """Make one file of all; a talk that goes on and finds its own gone has no more to say (:func:`tell`)."""
    files, number = _files(), came()
    if files != [f"{RUN}/{NAME}"]:
        core.write(f"{RUN}/{NAME}", f"{number}\n")
        for path in files:
            if path != f"{RUN}/{NAME}":
                core.remove(path)


def begin(number: int) -> str:
    """Return the file of talk ``number`` of a preflight, which says 0."""
    path = f"{RUN}/{NAME}-{number}"
    core.write(path, "0\n")
    return path


def tell(path: str, number: int) -> bool:
    """Write how many packets a talk has counted. False when nobody wants to know any more."""
    if not os.path.exists(path):
        return False
    core.write(path, f"{number}\n")
    return True


def _files() -> list[str]:
    names = sorted(os.listdir(RUN)) if os.path.isdir(RUN) else []
    return [f"{RUN}/{name}" for name in names if name == NAME or name.startswith(NAME + "-")]


def _number(path: str) -> int:
    text = (core.read(path) or "").strip()
    return int(text) if text.isdigit() else 0
