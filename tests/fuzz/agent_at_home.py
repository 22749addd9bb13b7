"""The agent's way of a request without a node: it reads and writes as there, but does nothing to this system."""

from __future__ import annotations

import io
import os
import shutil
from pathlib import Path
from typing import Any
from unittest import mock

from netplan.agent import main
from netplan.agent.system import core
from netplan.agent.transaction import state


def ask_agent(data: bytes, home: Path) -> None:
    """Give a request to the agent, which remembers in ``home``; its answer goes to standard output."""
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    places = {"ROOT": "", "STATE": "state.json", "OPEN": "open", "LAST": "last", "BASE": "base", "RUN": "run"}
    patches: list[Any] = [
        mock.patch.object(state, name, f"{home}/{place}".rstrip("/")) for name, place in places.items()
    ]
    patches += [
        mock.patch.object(core, "run", _nothing),
        mock.patch.object(state, "run", _nothing),
        mock.patch.object(state, "must", _nothing),
        mock.patch.object(main, "function_of", return_value=_served),
        mock.patch.object(os, "setsid"),
        mock.patch.object(os, "umask"),
        mock.patch.object(os, "fchown"),
        mock.patch("resource.setrlimit"),
    ]
    for patch in patches:
        patch.start()
    try:
        main.main({"digest": "", "code": 0, "request": len(data), "archive": 0}, io.BytesIO(data))
    finally:
        for patch in reversed(patches):
            patch.stop()


def _nothing(*_: object, **__: object) -> core.Done:
    return core.Done(1, "", "")


def _served(request: Any, *_: object) -> dict[str, Any]:
    return {"changed": False, "detail": str(request["node"]["id"])}
