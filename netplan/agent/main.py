"""One request in, one line of JSON out. A request names phases; they run in order and stop at the first that fails."""

from __future__ import annotations

import contextlib
import errno
import importlib
import json
import os
import sys
import time
import zlib
from collections.abc import Callable, Iterator

from . import places
from .phase_table import PHASES, READ_ONLY, ROLL_BACK, Phase
from .system import core, memory
from .system.core import Stop, Waiting, counted, finding
from .transaction import lease, state

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .protocol.reply import Answer, Finding, Result
    from .protocol.request import Header, Request
    from .protocol.words import Json

SENTINEL = "IPSECPLAN-RESULT "
LACKS = '{"lacks": true}'  # the answer where something that was named by its digest is not here; nothing was done
MOST_WAITING = 50  # peers that an answer names


@contextlib.contextmanager
def _alone(seconds: float) -> Iterator[None]:
    """Hold the node's lock, waiting at most ``seconds`` for it; two controllers on one node never act at once."""
    busy = finding(
        "IPP602", f"another ipsecplan process is already running on this node, and did not end within {seconds:g} s"
    )
    with core.locked(state.RUN + "/lock", seconds, busy):
        core.write(state.RUN + "/agent", f"{os.getpid()}\n")
        try:
            yield
        finally:
            core.remove(state.RUN + "/agent")


def _harmless(request: Request) -> bool:
    """Tell whether a request can do nothing here, so that it needs neither the lock nor the lease.

    Such are a look, a measurement, and rolling back a transaction that never was here (another one may be at work).
    """
    if READ_ONLY.issuperset(request["phases"]):
        return not request["rearm"]
    if request.get("any") or not set(ROLL_BACK).issuperset(request["phases"]):
        return False
    now = state.load()
    return request["tx"] not in (now["tx"], now["last"].get("tx"))


def _check_files(request: Request) -> None:
    """Stop where the release has a file that may not be installed, before anything is written. Ways back have none."""
    wrong = None if set(ROLL_BACK).issuperset(request["phases"]) else places.first_refused(request.get("files", ()))
    if wrong:
        raise Stop(finding("IPP605", "the release is refused: " + wrong))


def function_of(phase: Phase) -> Callable[..., Json]:
    """Import the module of a phase and return the function that serves it."""
    found: Callable[..., Json] = getattr(importlib.import_module("." + phase.module, __package__), phase.function)
    return found


def perform(request: Request, archive: bytes | None) -> list[Result]:
    """Run the phases of a request; return one result for each that ran."""
    results: list[Result] = []
    for name in request["phases"]:
        begin = time.monotonic()
        try:
            phase = PHASES[name]
            if phase.needs_open:
                state.require_open(request["tx"])
            serve = function_of(phase)
            answer = serve(request, archive) if phase.archive else serve(request)
            about: Json = {"phase": name, "ok": True, "findings": answer.pop("notes", [])}
            result: Any = {**about, **answer, "seconds": round(time.monotonic() - begin, 2)}
        except Waiting as lacks:
            result = _waiting(name, lacks, round(time.monotonic() - begin, 2))
        except Stop as stop:
            result = _failed(name, stop.findings, round(time.monotonic() - begin, 2))
        except Exception as error:  # noqa: BLE001  a defect of ours must still come back as an answer
            result = _failed(name, [_broken(error)], round(time.monotonic() - begin, 2))
        results.append(result)
        if not result["ok"] or (name == "status" and request.get("stop_when_same") and not result["differs"]):
            break
    if "step" in request and len(results) == len(request["phases"]) and all(r["ok"] for r in results):
        try:
            state.reached(request["tx"], request["step"])
        except OSError as error:
            results[-1] = _failed(results[-1]["phase"], [_broken(error)], results[-1]["seconds"])
    return results


def _broken(error: Exception) -> Finding:
    """Return what a result says of an exception: a full disk, or else a defect of ours."""
    import traceback

    where = traceback.extract_tb(error.__traceback__)[-1]
    place = f"({os.path.basename(where.filename)}:{where.lineno})"
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        path = f" for {error.filename}" if error.filename else ""
        return finding("IPP635", f"{error.strerror}{path} {place}", "make room on this node")
    return finding("IPP609", f"{type(error).__name__}: {error} {place}", "this is a defect of ipsecplan")


def _failed(phase: str, findings: list[Finding], seconds: float = 0) -> Result:
    """Return the result of a phase that failed."""
    return {
        "phase": phase,
        "ok": False,
        "changed": False,
        "detail": findings[0]["message"] if findings else "",
        "findings": findings,
        "seconds": seconds,
    }


def _waiting(phase: str, lacks: Waiting, seconds: float) -> Result:
    """Return the result of a phase that has done its own part and lacks that of peers: not ok, and no failure yet."""
    result = _failed(phase, [], seconds)
    result["detail"] = f"waits for {counted(len(lacks.peers), 'peer')}"
    result["waiting_for"], result["lacking"] = lacks.peers[:MOST_WAITING], len(lacks.peers)
    return result


# the keys that every request has, and those of a lease, with what they are
_NUMBER = (int, float)
_REQUEST = {
    "phases": list,
    "tx": str,
    "node": dict,
    "release": str,
    "files": list,
    "timer": int,
    "rearm": bool,
    "time": _NUMBER,
    "patience": _NUMBER,
    "soak": _NUMBER,
    "kind": str,
}
_LEASE = {"owner": str, "who": str, "epoch": int, "seconds": int, "steal": bool}


def _whole(said: Any, keys: Json, what: str) -> None:
    """Stop unless ``said`` is an object that has these keys, each of its type."""
    if not isinstance(said, dict):
        raise Stop(finding("IPP601", f"{what} is no object"))
    for key, kind in keys.items():
        found = said.get(key)
        if not isinstance(found, kind) or (isinstance(found, bool) and kind is not bool):
            raise Stop(finding("IPP601", f"{what} has no usable `{key}`"))


def read_request(text: bytes, about: bytes = b"") -> Request:
    """Return a request that has what every request has; ``about`` is the part of it that is kept. Raises Stop."""
    try:
        request: Request = json.loads(text)
        if about and isinstance(request, dict):
            request = {**json.loads(about), **request}
    except (ValueError, RecursionError, TypeError):
        raise Stop(finding("IPP601", "the request is not JSON")) from None
    _whole(request, _REQUEST, "the request")
    phases = request["phases"]
    if not phases or not all(isinstance(name, str) and name in PHASES for name in phases):
        raise Stop(finding("IPP601", "the request names no phase, or one that is not known here"))
    if "lease" in request:
        _whole(request["lease"], _LEASE, "the lease of the request")
    request["skew"] = time.time() - request["time"]  # the way here included
    return request


def serve(request: Request, archive: bytes | None) -> list[Result]:
    """Run the phases of a request, alone and for the holder of the lease where they can change something."""
    if _harmless(request):
        return perform(request, archive)
    # who begins is told soon that another one is at work; who rolls back waits for a step that was given up
    with _alone(15 if "arm" in request["phases"] else 60):
        if not {*ROLL_BACK, "confirm"}.isdisjoint(request["phases"]):
            from .transaction import disk_reserve

            disk_reserve.release_if_full()
        lease.hold(request.get("lease"))
        if request["rearm"]:
            with state.deciding():
                state.require_open(request["tx"])
                state.arm(request["tx"], state.seconds_left(request))
        return perform(request, archive)


def _unpacked(stream: Any, size: int) -> bytes | None:
    """Return what so many compressed bytes of the stream are, None for none."""
    return zlib.decompress(stream.read(size)) if size else None


def _about(header: Header, stream: Any) -> bytes | None:
    """Return the kept part of a request, b"" where it has none; None where it is not here and was not sent."""
    digest, size = header.get("about_digest", ""), header.get("about", 0)
    sent = _unpacked(stream, size)
    if not digest:
        return b""
    from .system import kept

    return kept.part(state.RUN, digest, sent)


def main(header: Header, stream: Any) -> None:
    """Serve one request: ``header`` says how many bytes of JSON and of archive follow on ``stream``.

    Whatever is wrong with it, or with this node, is an answer.
    """
    memory.hide()
    with contextlib.suppress(OSError):
        os.setsid()
    os.umask(0o077)
    first = ""
    try:
        about = _about(header, stream)
        if about is None:
            sys.stdout.write("\n" + SENTINEL + LACKS + "\n")
            sys.stdout.flush()
            return
        text = stream.read(header["request"])
        request = read_request(zlib.decompress(text) if header.get("packed") else text, about)
        first = request["phases"][0]
        _check_files(request)
        results = serve(request, _unpacked(stream, header["archive"]))
    except Stop as stop:
        results = [_failed(first, stop.findings)]
    except Exception as error:  # noqa: BLE001  a defect of ours must still come back as an answer
        results = [_failed(first, [_broken(error)])]
    answer: Answer = {"results": results, "clock": time.monotonic(), "wall": time.time()}
    sys.stdout.write("\n" + SENTINEL + json.dumps(answer) + "\n")
    sys.stdout.flush()
