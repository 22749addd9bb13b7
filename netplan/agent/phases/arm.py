"""Phases ``arm`` and ``await-confirm``: the rollback timer, before the first change and for a confirmation."""

from __future__ import annotations

from ..system import core, paths
from ..system.core import Stop, finding
from ..transaction import beacon, disk_reserve, release, replaced, state
from . import leftovers, reachability

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..protocol.reply import Work
    from ..protocol.request import Request


def arm(request: Request, archive: bytes | None) -> Work:
    """Phase ``arm``: open the transaction, with tools, timer, reserve and boot unit. Raises Stop without an archive."""
    if archive is None:
        raise Stop(finding("IPP601", "no archive in the request"))
    reachability.stop()
    release.tools(request["files"], archive)
    _self_test()
    now = state.load()
    gone = leftovers.clean(request["node"]) if now["state"] != "open" else []
    seconds = state.seconds_left(request)
    about = f"{'try' if request['kind'] == 'try' else 'apply'} {request['release']}"
    everyone = [*request["node"]["peers"], *request.get("deferred", ())]
    with state.deciding():
        state.begin(request["tx"], {**request["node"], "peers": everyone}, seconds, about, beacon.withdraw)
        replaced.remember(request["tx"], request["node"]["peers"], request.get("deferred", ()))
    disk_reserve.reserve()
    state.enable(paths.BOOT_UNIT, request["tx"])
    detail = f"reverts by itself in {seconds} s unless confirmed"
    answer: Work = {
        "changed": now["state"] != "open",
        "detail": "; ".join(filter(None, (detail, leftovers.words(gone)))),
    }
    if gone:
        answer["notes"] = [finding("IPP686", leftovers.words(gone), severity="warning")]
    return answer


def _self_test() -> None:
    """Run the script as the timer will, in the place where the timer will. Raises Stop."""
    mark = f"{state.RUN}/self-test"
    done = core.run("/bin/sh", state.SCRIPT, "self-test", mark)
    passed = (core.read(mark) or "").strip() == "passed"
    core.remove(mark)
    if done.code != 0 or not passed:
        hint = "no rollback timer could roll this node back, so nothing was changed"
        raise Stop(finding("IPP633", f"the installed {state.SCRIPT} fails its self-test: {done.said}", hint))


def hold(request: Request) -> Work:
    """Phase ``hold``: nothing but the timer, armed anew just now: a controller that is alive is busy with others."""
    return {"changed": False, "detail": f"rolls back in {state.seconds_left(request)} s unless it hears more"}


def await_confirm(request: Request) -> Work:
    """Phase ``await-confirm``: proven; the timer, armed anew just now, gives people time to confirm."""
    seconds = state.seconds_left(request)
    return {"changed": False, "detail": f"verified; rolls back in {seconds} s unless confirmed"}
