"""The phases that undo a transaction: accept both, send clear, roll back, clean up."""

from __future__ import annotations

import contextlib
import os
import shutil

from ..system import core, paths
from ..system.core import Stop, finding
from ..transaction import lease, state
from . import leftovers, overlay_mtu

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..protocol.reply import State, Work
    from ..protocol.request import Request

SCRIPT_S = 600  # nothing is worse than a way back that is cut short; its own commands have limits, and pairs are many


def _script(word: str, timeout: float = SCRIPT_S, *, may_lack: bool = False) -> bool:
    """Run revert.sh. ``may_lack``: one of an earlier release does not know the word, which returns False."""
    done = core.run("/bin/sh", state.SCRIPT, word, timeout=timeout)
    if done.code != 0 and not (may_lack and done.code == 2):
        raise Stop(finding("IPP604", f"revert.sh {word} failed (exit {done.code}): {done.said}"))
    return done.code == 0


def _ours(request: Request, now: State) -> bool:
    """Tell whether a request may roll back what is here: its own transaction, or what an operator's revert names.

    Its own transaction may be confirmed already, where another node could not confirm: then it is opened again.
    """
    own = now["tx"] == request["tx"]
    if now["state"] == "confirmed" and own and not request.get("off"):
        core.write(state.OPEN, now["tx"] + "\n")
        return True
    if now["state"] == "open":
        return own or bool(request.get("any"))
    return now["state"] == "confirmed" and bool(request.get("off"))


def accept_both(request: Request) -> Work:
    """Phase ``accept-both``, on all nodes before any goes on: clear and ESP are both accepted, nothing is trapped."""
    now = state.load()
    if not os.path.exists(state.SCRIPT) or not _ours(request, now):
        return {"changed": False, "detail": "nothing to roll back"}
    # a timer may be at work, or be faster: what is closed meanwhile is armed no more
    with state.deciding(SCRIPT_S):
        if state.load()["state"] == "open":
            state.arm(now["tx"], request["timer"])
    _script("relax")
    return {"changed": True, "detail": "accepts clear and ESP"}


def send_clear(request: Request) -> Work:
    """Phase ``send-clear``, on all nodes again: packets leave in clear, so that no SA carries any when SAs end."""
    if not os.path.exists(state.SCRIPT) or not _ours(request, state.load()):
        return {"changed": False, "detail": "nothing to roll back"}
    known = _script("plain", may_lack=True)
    return {"changed": known, "detail": "no packet leaves by an SA that will end" if known else "a step it has not"}


def roll_back(request: Request) -> Work:
    """Phase ``roll-back``: this transaction away (to the release before it, if there was one)."""
    now = state.load()
    if not _ours(request, now):
        gone = leftovers.clean(request["node"]) if now["state"] == "none" else []
        return {"changed": bool(gone), "detail": leftovers.words(gone) or "nothing to roll back"}
    if state.load()["state"] == "open":
        _script("operator")
        if state.load()["state"] == "confirmed" and _ours(request, state.load()):
            _script("operator")  # its timer was faster and its witness still said yes; it is rolled back elsewhere
        state.disarm()
    else:
        _script("off")
    lease.release()
    gone = leftovers.clean(request["node"]) if state.load()["state"] == "none" else []
    return {"changed": True, "detail": leftovers.words(gone) or state.load()["state"]}


def read_back(request: Request) -> Work:
    """Phase ``read-back``: what is left of a rollback, looked at once more; over a new connection."""
    now = state.load()
    wrong = leftovers.after_rollback(request, now)
    if wrong:
        raise Stop(*[finding("IPP686", f"left by the rollback: {text}", leftovers.HINT) for text in wrong])
    return {"changed": False, "detail": f"{now['state']}; nothing is left of it"}


def clean_up(request: Request) -> Work:
    """Phase ``clean-up``: senders free, our own files and memory gone."""
    if os.path.exists(paths.OVERLAY_UNIT):  # while systemd knows its file; it stays active without a process
        core.run("systemctl", "stop", os.path.basename(paths.OVERLAY_UNIT))
    done = overlay_mtu.restore_senders(request["node"])
    last, epoch = state.load()["last"], core.read(state.ROOT + lease.PATH)
    state.restore(state.BASE, "tool")
    shutil.rmtree(state.ROOT, ignore_errors=True)
    state.save(state="none", tx="", release="", last=last)
    if epoch:
        core.write(state.ROOT + lease.PATH, epoch, 0o600)
        lease.release()
    systemd = "/etc/systemd/system"
    for folder in (
        "/etc/ipsecplan/overlay",
        "/etc/ipsecplan",
        "/usr/local/lib/ipsecplan",
        f"{systemd}/strongswan.service.d",
        f"{systemd}/systemd-networkd.service.d",
    ):
        with contextlib.suppress(OSError):
            os.rmdir(folder)
    core.run("systemctl", "daemon-reload")
    return done
