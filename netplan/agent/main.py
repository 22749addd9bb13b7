"""One request in, one line of JSON out. A request names phases; they run in order and stop at the first that fails."""

from __future__ import annotations

import contextlib
import errno
import importlib
import json
import os
import resource
import sys
import time
from collections.abc import Iterator
from typing import Any

from .phases.table import FREE, PHASES, READ_ONLY, UNDO
from .system import core
from .system.core import Node, Stop, finding
from .transaction import lease, state

SENTINEL = "IPSECPLAN-RESULT "


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


def _harmless(request: Node) -> bool:
    """Tell whether a request can do nothing here, so that it needs neither the lock nor the lease.

    Such are a look, a measurement, and taking back a transaction that is not here (another one may be at work).
    """
    if all(name in READ_ONLY for name in request["phases"]):
        return not request.get("rearm")
    if request.get("any") or not set(UNDO).issuperset(request["phases"]):
        return False
    return bool(state.load()["tx"] != request["tx"])


def perform(request: Node, archive: bytes | None) -> list[Node]:
    """Run the phases of a request; return one result for each that ran."""
    results = []
    for name in request["phases"]:
        begin = time.monotonic()
        result = {"phase": name, "ok": True, "changed": False, "detail": "", "findings": []}
        try:
            if name not in FREE:
                state.require_open(request["tx"])
            module, call = PHASES[name]
            answer = call(importlib.import_module("." + module, __package__), request, archive)
            result.update(answer)
            result["findings"] = answer.pop("notes", [])
        except Stop as stop:
            result.update(ok=False, findings=stop.findings, detail=stop.findings[0]["message"])
        except Exception as error:  # noqa: BLE001  a defect of ours must still come back as an answer
            result.update(_broken(error))
        result["seconds"] = round(time.monotonic() - begin, 2)
        results.append(result)
        if not result["ok"] or (name == "status" and request.get("stop_when_same") and not result["differs"]):
            break
    if request.get("step") and len(results) == len(request["phases"]) and all(r["ok"] for r in results):
        try:
            state.reached(request["tx"], request["step"])
        except OSError as error:
            results[-1].update(_broken(error))
    return results


def _broken(error: Exception) -> Node:
    """Return what a result says of an exception: a full disk, or else a defect of ours."""
    import traceback

    where = traceback.extract_tb(error.__traceback__)[-1]
    place = f"({os.path.basename(where.filename)}:{where.lineno})"
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        path = f" for {error.filename}" if error.filename else ""
        said = finding("IPP635", f"{error.strerror}{path} {place}", "make room on this node")
    else:
        said = finding("IPP609", f"{type(error).__name__}: {error} {place}", "this is a defect of ipsecplan")
    return {"ok": False, "findings": [said], "detail": said["message"]}


def main(header: Node, stream: Any) -> None:
    """Serve one request: ``header`` says how many bytes of JSON and of archive follow on ``stream``."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold the keys that a request may have
    request = json.loads(stream.read(header["request"]))
    request["skew"] = time.time() - request["time"]  # the way here included
    archive = stream.read(header["archive"]) if header["archive"] else None
    with contextlib.suppress(OSError):
        os.setsid()
    os.umask(0o077)
    try:
        if _harmless(request):
            results = perform(request, archive)
        else:
            # who begins is told soon that another one is at work; who takes back waits for a step that was given up
            with _alone(15 if "arm" in request["phases"] else 60):
                if not {*UNDO, "confirm"}.isdisjoint(request["phases"]):
                    from .transaction import disk_reserve

                    disk_reserve.keep_some()
                lease.hold(request.get("lease"))
                if request.get("rearm"):
                    with state.deciding():
                        state.require_open(request["tx"])
                        state.arm(request["tx"], state.seconds_left(request))
                results = perform(request, archive)
    except Stop as stop:
        results = [
            {
                "phase": request["phases"][0],
                "ok": False,
                "changed": False,
                "findings": stop.findings,
                "detail": stop.findings[0]["message"],
                "seconds": 0,
            }
        ]
    except OSError as error:
        results = [{"phase": request["phases"][0], "changed": False, "seconds": 0, **_broken(error)}]
    clocks = {"clock": time.monotonic(), "wall": time.time()}
    sys.stdout.write("\n" + SENTINEL + json.dumps({"results": results, **clocks}) + "\n")
    sys.stdout.flush()
