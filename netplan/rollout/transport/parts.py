"""What a node is sent once a run and named by its digest afterwards: the agent's code, node.json, the list of files.

A node that has lost it (a boot, a full /run) says so, and is sent it with the same request. One that has lost it
twice has no room for it, and is always sent all.
"""

from __future__ import annotations

import functools
import hashlib
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from netplan.agent.protocol.request import Request
from netplan.rollout.transport.bare_source import bare

AGENT = Path(__file__).resolve().parents[2] / "agent"
ABOUT = ("node", "files")  # keys of a request that are alike in every request of a run
TWICE = 2
# of the agent's files: what a timer runs, which has it in a file of the release; what only a type checker imports
NOT_SENT = ("textfile/", *(f"protocol/{name}.py" for name in ("node_json", "reply", "request", "words")))


def agent_files(folder: Path = AGENT) -> dict[str, str]:
    """Return path inside the agent's package -> source without docstrings and comments, of every file that runs in a
    run. Line numbers are those of the file here."""
    found = {p.relative_to(folder).as_posix(): p for p in sorted(folder.rglob("*.py"))}
    return {name: bare(p.read_text(encoding="utf-8")) for name, p in found.items() if not name.startswith(NOT_SENT)}


def packed(files: Mapping[str, str]) -> tuple[str, bytes]:
    """Return (SHA-256, what is sent) of the agent's code; a node finds the same digest in the files it unpacked."""
    text = json.dumps(files, sort_keys=True).encode()
    return hashlib.sha256(text).hexdigest(), zlib.compress(text)


@functools.cache
def agent_code() -> tuple[str, bytes]:
    """Return (SHA-256, what is sent) of the agent's code as it is installed here."""
    return packed(agent_files())


@dataclass(frozen=True, slots=True)
class _About:
    node: object  # of which this was made: kept, so that nothing else gets its id()
    files: object
    digest: str
    size: int


@dataclass
class Parts:
    """Puts what is sent once into files of ``folder``, and remembers which node has got what."""

    folder: Path
    _about: dict[str, _About] = field(default_factory=dict)
    _has: dict[str, set[str]] = field(default_factory=dict)
    _again: dict[str, int] = field(default_factory=dict)
    _code: str = ""

    def split(self, node_id: str, request: Request) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return what is left of a request, and the document that says what goes with it. Raises OSError."""
        rest: dict[str, Any] = {key: value for key, value in request.items() if key not in ABOUT}
        about = self._about_of(node_id, request) if "node" in request else None
        digest, code = agent_code()
        if not self._code:
            self._code = self._file("agent", code)
        known = self._has.get(node_id, set()) if self._again.get(node_id, 0) < TWICE else set()
        parts = {
            "digest": digest,
            "code": self._code,
            "about_digest": about.digest if about else "",
            "about": str(self.folder / node_id) if about else "",
            "send": [
                name
                for name, of in (("code", digest), ("about", about.digest if about else ""))
                if of and of not in known
            ],
        }
        return rest, parts

    def _about_of(self, node_id: str, request: Request) -> _About:
        """Return the part of a request that is sent once. It is written anew only where it is another object."""
        now, node, files = self._about.get(node_id), request["node"], request.get("files", ())
        if now is None or now.node is not node or not _same(now.files, files):
            text = json.dumps({key: request[key] for key in ABOUT if key in request}, sort_keys=True).encode()  # type: ignore[literal-required]
            now = _About(node, files, hashlib.sha256(text).hexdigest(), len(text))
            self._file(node_id, text)
            self._about[node_id] = now
        return now

    def _file(self, name: str, data: bytes) -> str:
        path = self.folder / name
        path.unlink(missing_ok=True)
        path.touch(mode=0o600)
        path.write_bytes(data)
        return str(path)

    def answered(self, node_id: str, parts: Mapping[str, Any], *, again: bool) -> None:
        """Remember that a node has answered to a request that went with ``parts``; ``again``: it had to be sent all."""
        self._again[node_id] = self._again.get(node_id, 0) + again
        self._has[node_id] = {parts["digest"], parts["about_digest"]} - {""}


def _same(before: object, now: object) -> bool:
    return before is now or before == now
