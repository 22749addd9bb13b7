"""Who may change this node: one control process at a time, from whatever machine.

/var/lib/ipsecplan/lease   0600: owner (a random id of a state directory), who (user@host), epoch, turn, until, boot

A lease lives until ``until`` on the monotonic clock of the boot it was taken in, or until its owner gives it back. The
epoch only grows: a request of a control process that is dead, still on its way when another took over, is refused. So
is one of an older turn: the control process gave up who carried it, and asked by another way since.
"""

from __future__ import annotations

import contextlib
import json
import re
import time

from ..protocol.limits import MOST_EPOCH
from ..system.core import Stop, finding, read, write
from . import state

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..protocol.reply import Lease, Work
    from ..protocol.request import LeaseRequest, Request

PATH = "/lease"
LONGEST_S = 90000  # a day, and what a controller that comes back needs
_OWNER = re.compile(r"[0-9a-f]{16}")
_WHO = re.compile(r"[A-Za-z0-9._@-]{1,80}")


def _boot() -> str:
    return str(read("/proc/sys/kernel/random/boot_id") or "").strip()


def load() -> Lease:
    """Return the lease; ``left_s`` is 0 when nobody holds it. A node that was never touched has epoch 0."""
    with contextlib.suppress(ValueError, TypeError, KeyError, OverflowError):  # a damaged file is nobody's lease
        said = json.loads(read(state.ROOT + PATH) or "{}")
        until, boot = float(said["until"]), str(said["boot"])
        left = min(LONGEST_S, max(0, round(until - time.monotonic()))) if boot == _boot() else 0
        owner, who, epoch = str(said["owner"]), str(said["who"]), int(said["epoch"])
        return {"owner": owner, "who": who, "epoch": epoch, "until": until, "boot": boot, "left_s": left}
    return {"owner": "", "who": "", "epoch": 0, "until": 0.0, "boot": "", "left_s": 0}


def hold(asked: LeaseRequest | None) -> None:
    """Take or renew the lease for who asks. Stops when another holds it, or when the request is of an older time."""
    if not asked:
        raise Stop(finding("IPP601", "a request for a change without a lease"))
    owner, who, epoch = str(asked["owner"]), str(asked["who"]), int(asked["epoch"])
    turn = asked.get("turn", 0)
    if not _OWNER.fullmatch(owner) or not _WHO.fullmatch(who) or not 0 <= epoch <= MOST_EPOCH or type(turn) is not int:
        raise Stop(finding("IPP601", "not a lease"))
    now = load()
    same = now["owner"] == owner
    if now["left_s"] and not same and not asked["steal"]:
        hint = "wait for it to end; or, when it is dead, `ipsecplan resume --take-over` or `revert --take-over`"
        raise Stop(finding("IPP671", f"{now['who']} holds this node for {now['left_s']} s yet", hint))
    if epoch < now["epoch"] or (epoch == now["epoch"] and not same):
        raise Stop(finding("IPP671", f"this request is of epoch {epoch}, older than {now['who']}'s ({now['epoch']})"))
    if same and epoch == now["epoch"] and turn < _turn():
        raise Stop(finding("IPP671", f"this request is of turn {turn}, and was sent again by another way since"))
    until = time.monotonic() + min(LONGEST_S, max(15, int(asked["seconds"])))
    _put(owner, who, epoch, turn, round(until, 1), _boot())


def release() -> None:
    """Give the lease back; the epoch stays."""
    now = load()
    if now["epoch"]:
        _put(now["owner"], now["who"], now["epoch"], _turn(), 0.0, now["boot"])


def release_lease(_request: Request) -> Work:
    """Phase ``release-lease``: the end of a run that opened no transaction."""
    release()
    return {"changed": False, "detail": "free for others"}


def _turn() -> int:
    """Return the turn of the newest request of this epoch; 0 in a file that knows of none."""
    with contextlib.suppress(ValueError, TypeError, AttributeError):
        return int(json.loads(read(state.ROOT + PATH) or "{}").get("turn", 0))
    return 0


def _put(owner: str, who: str, epoch: int, turn: int, until: float, boot: str) -> None:
    lease = {"owner": owner, "who": who, "epoch": epoch, "turn": turn, "until": until, "boot": boot}
    state.private(state.ROOT)
    write(state.ROOT + PATH, json.dumps(lease, sort_keys=True) + "\n", 0o600)
