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
from collections.abc import Callable, Iterator
from typing import Any

from . import core, lease, state
from .core import Node, Stop, finding

SENTINEL = "IPSECPLAN-RESULT "
READ_ONLY = ("status", "preflight", "reach", "probe", "facts")


def _arm(stage: Any, request: Node, archive: bytes | None) -> Node:
    if archive is None:
        raise Stop(finding("IPP601", "no archive in the request"))
    from . import reach, replaced, room

    reach.stop()
    stage.tools(request["files"], archive)
    fresh = state.load()["state"] != "open"
    seconds = state.seconds_left(request)
    about = f"{'try' if request.get('kind') == 'try' else 'apply'} {request['release']}"
    everyone = [*request["node"]["peers"], *request.get("deferred", ())]
    with state.deciding():
        state.begin(request["tx"], {**request["node"], "peers": everyone}, seconds, about)
        replaced.remember(request["tx"], request["node"]["peers"], request.get("deferred", ()))
    room.hold()
    state.enable(stage.BOOT_UNIT, request["tx"])
    return {"changed": fresh, "detail": f"reverts by itself in {seconds} s unless confirmed"}


def _stage(stage: Any, request: Node, archive: bytes | None) -> Node:
    if request.get("replaced"):
        from . import replaced

        replaced.meet(request["tx"], request["node"], request["replaced"])
    done: Node = stage.stage(
        request["tx"], request["release"], request["node"], request["files"], archive, request.get("deferred", ())
    )
    return done


def _devices(mtu: Any, request: Node, _: Any) -> Node:
    from . import neighbours, stage

    tx, release = request["tx"], request["release"]
    done: Node = mtu.devices(request["node"], request.get("hold"), lambda: stage.install(tx, release, ("mtu",)))
    met = neighbours.add(release)
    if met:
        done.update(changed=True, detail=f"{done['detail']}, {met} entries for new peers")
    return done


def _hold(_: Any, request: Node, __: Any) -> Node:
    """Phase ``hold``: proven; the timer, armed anew just now, gives people time to say yes."""
    seconds = state.seconds_left(request)
    return {"changed": False, "detail": f"proven; taken back in {seconds} s unless confirmed"}


SCRIPT_S = 600  # nothing is worse than a way back that is cut short; its own commands have limits, and pairs are many


def _script(word: str, timeout: float = SCRIPT_S, *, may_lack: bool = False) -> bool:
    """Run revert.sh. ``may_lack``: one of an earlier release does not know the word, which returns False."""
    done = core.run(state.SCRIPT, word, timeout=timeout)
    if done.code != 0 and not (may_lack and done.code == 2):
        raise Stop(finding("IPP604", f"revert.sh {word} failed (exit {done.code}): {done.said}"))
    return done.code == 0


def _ours(request: Node, now: Node) -> bool:
    """Tell whether a request may take back what is here: its own transaction, or what an operator's revert names.

    Its own transaction may be confirmed already, where another node could not confirm: then it is opened again.
    """
    own = now["tx"] == request["tx"]
    if now["state"] == "confirmed" and own and not request.get("off"):
        core.write(state.OPEN, now["tx"] + "\n")
        return True
    if now["state"] == "open":
        return own or bool(request.get("any"))
    return now["state"] == "confirmed" and bool(request.get("off"))


def _relax(_: Any, request: Node, __: Any) -> Node:
    """Undo, first part, on all nodes before any node goes on: clear and ESP are both accepted, nothing is trapped."""
    now = state.load()
    if not os.path.exists(state.SCRIPT) or not _ours(request, now):
        return {"changed": False, "detail": "nothing to take back"}
    if state.load()["state"] == "open":
        state.arm(now["tx"], request["timer"])
    _script("relax")
    return {"changed": True, "detail": "accepts clear and ESP"}


def _plain(_: Any, request: Node, __: Any) -> Node:
    """Undo, second part, on all nodes again: packets leave in clear, so that no SA carries any when SAs end."""
    if not os.path.exists(state.SCRIPT) or not _ours(request, state.load()):
        return {"changed": False, "detail": "nothing to take back"}
    known = _script("plain", may_lack=True)
    return {"changed": known, "detail": "no packet leaves by an SA that will end" if known else "a step it has not"}


def _back(_: Any, request: Node, __: Any) -> Node:
    """Undo, last part: this transaction away (to the release before it, if there was one)."""
    now = state.load()
    if not _ours(request, now):
        return {"changed": False, "detail": "nothing to take back"}
    if state.load()["state"] == "open":
        _script("operator")
        if state.load()["state"] == "confirmed" and _ours(request, state.load()):
            _script("operator")  # its timer was faster and its witness still said yes; it is taken back elsewhere
        state.disarm()
    else:
        _script("off")
    lease.release()
    return {"changed": True, "detail": state.load()["state"]}


def _forget(mtu: Any, request: Node, _: Any) -> Node:
    """Off, the end: senders free, our own files and memory gone."""
    done = mtu.raise_senders(request["node"])
    last, epoch = state.load()["last"], core.read(state.ROOT + lease.PATH)
    state.restore(state.BASE, "tool")
    import shutil

    shutil.rmtree(state.ROOT, ignore_errors=True)
    state.save(state="none", tx="", release="", last=last)
    if epoch:
        core.write(state.ROOT + lease.PATH, epoch, 0o600)
        lease.release()
    for folder in ("/etc/ipsecplan", "/usr/local/lib/ipsecplan", "/etc/systemd/system/strongswan.service.d"):
        with contextlib.suppress(OSError):
            os.rmdir(folder)
    core.run("systemctl", "daemon-reload")
    return dict(done)


# phase -> (module that is imported for it, its call)
PHASES: dict[str, tuple[str, Callable[[Any, Node, Any], Node]]] = {
    "status": ("status", lambda m, r, _: m.status(r["node"], r["release"], r["files"], bool(r.get("texts")))),
    "preflight": ("preflight", lambda m, r, _: m.preflight(r)),
    "reach": ("preflight", lambda m, r, _: m.collect(r)),
    "facts": ("facts", lambda m, *_: m.facts()),
    "arm": ("stage", _arm),
    "senders": ("mtu", lambda m, r, _: m.senders(r["node"])),
    "stage": ("stage", _stage),
    "mtu": ("mtu", _devices),
    "credentials": (
        "stage",
        lambda m, r, _: m.credentials(
            r["tx"], r["node"], r.get("certificate"), r.get("authority"), r.get("secrets"), r.get("publics")
        ),
    ),
    "secrets": ("renewal", lambda m, r, _: m.secrets(r["release"], r["secrets"])),
    "renew": ("renewal", lambda m, r, _: m.renew(r["release"], r["node"])),
    "adopt": ("renewal", lambda m, r, _: m.adopt(r["release"], r["certificate"])),
    "trust": ("renewal", lambda m, r, _: m.trust(r["release"], r["authorities"])),
    "prove": ("ike", lambda m, r, _: m.prove(r["node"], r["tx"], r["patience"])),
    "permissive": ("ike", lambda m, r, _: m.permissive(r["node"], r["tx"])),
    "switch": ("ike", lambda m, r, _: m.switch(r["node"], set(r["pairs"]), set(r.get("alone", ())), r["patience"])),
    "trap": ("ike", lambda m, r, _: m.trap(r["node"], r["tx"])),
    "soak": ("ike", lambda m, r, _: m.soak(r["soak"])),
    "enforce": ("ike", lambda m, r, _: m.enforce(r["node"], r["tx"], r["release"], r.get("deferred", ()))),
    "probe": ("probe", lambda m, r, _: m.probe(r["node"], r["nonce"], max(r["patience"], r["timer"] // 2))),
    "hold": ("state", _hold),
    "prepare": ("commit", lambda m, r, _: m.prepare(r["tx"], r["release"], r["node"], r.get("witness"))),
    "confirm": ("commit", lambda m, r, _: m.confirm(r["tx"], r["release"], r["node"])),
    "leave": ("lease", lambda m, *_: m.leave()),
    "relax": ("state", _relax),
    "plain": ("state", _plain),
    "back": ("state", _back),
    "widen": ("raising", lambda m, r, _: m.widen(r["node"], r["release"])),
    "lift": ("raising", lambda m, r, _: m.lift(r["node"], r["release"])),
    "narrow": ("raising", lambda m, r, _: m.narrow(r["node"], r["release"], r["size"])),
    "shrink": ("raising", lambda m, r, _: m.shrink(r["node"], r["release"], r["size"])),
    "raise": ("mtu", lambda m, r, _: m.raise_devices(r["node"])),
    "forget": ("mtu", _forget),
}
RAISES = ("widen", "lift", "narrow", "shrink")
UNDO = ("relax", "plain", "back")
FREE = (*READ_ONLY, *RAISES, *UNDO, "confirm", "raise", "forget", "arm", "secrets", "renew", "adopt", "trust",
        "leave")  # fmt: skip


@contextlib.contextmanager
def _alone(seconds: float) -> Iterator[None]:
    """Hold the node's lock, waiting at most ``seconds`` for it; two controllers on one node never act at once."""
    busy = finding("IPP602", f"another ipsecplan works on this node at this moment, and went on for {seconds:g} s")
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
                    from . import room

                    room.keep_some()
                lease.hold(request.get("lease"))
                if request.get("rearm"):
                    with state.deciding():
                        state.require_open(request["tx"])
                        state.arm(request["tx"], state.seconds_left(request))
                results = perform(request, archive)
    except Stop as stop:
        results = [{"phase": request["phases"][0], "ok": False, "changed": False, "findings": stop.findings,
                    "detail": stop.findings[0]["message"], "seconds": 0}]  # fmt: skip
    except OSError as error:
        results = [{"phase": request["phases"][0], "changed": False, "seconds": 0, **_broken(error)}]
    clocks = {"clock": time.monotonic(), "wall": time.time()}
    sys.stdout.write("\n" + SENTINEL + json.dumps({"results": results, **clocks}) + "\n")
    sys.stdout.flush()
