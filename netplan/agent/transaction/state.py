"""What the node remembers: the open transaction, its snapshot, the releases, the rollback timer.

/var/lib/ipsecplan/state.json          none | open | confirmed, and how the last transaction ended
/var/lib/ipsecplan/open                the id of the unconfirmed transaction; exists only while there is one
/var/lib/ipsecplan/last                the id of the newest transaction, for revert.sh
/var/lib/ipsecplan/tx/<tx>/            snapshot and facts that revert.sh needs, as plain words
/var/lib/ipsecplan/base/               the world before the first transaction: files, live MTUs
/var/lib/ipsecplan/releases/<digest>/  the files of a release
/run/ipsecplan/reverting               the transaction whose rollback has begun, then a line for what is left of it
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import stat
import time
from collections.abc import Callable, Collection, Iterator

from ..system import addresses, core, paths, xfrm
from ..system.core import Stop, finding, must, read, run, write

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..protocol.node_json import NodeJson
    from ..protocol.reply import Progress, State
    from ..protocol.request import Request

ROOT = "/var/lib/ipsecplan"
RUN = paths.RUN
SCRIPT = "/usr/local/lib/ipsecplan/revert.sh"
STATE = ROOT + "/state.json"
OPEN = ROOT + "/open"
LAST = ROOT + "/last"
BASE = ROOT + "/base"
_PATH = re.compile(r"^/[A-Za-z0-9._@+-]+(/[A-Za-z0-9._@+-]+)*$")
_STEP = re.compile(r"^[a-z+/0-9-]{1,120}$")
_TX = re.compile(r"^tx-[0-9a-z-]{1,40}$")


def tx_folder(tx: str) -> str:
    """Return the folder of one transaction."""
    if not _TX.fullmatch(tx):
        raise Stop(finding("IPP601", "not a transaction id"))
    return f"{ROOT}/tx/{tx}"


def load() -> State:
    """Return the node's state; a node that was never touched is ``none``."""
    text = read(STATE)
    state: State = {"schema": 1, "state": "none", "tx": "", "release": "", "at": "", "last": {}}
    if text:
        with contextlib.suppress(ValueError):
            state.update(json.loads(text))
    opened = (read(OPEN) or "").strip()
    if opened:
        state["state"], state["tx"] = "open", opened
    return state


def former_peers(now: State) -> list[str]:
    """Return the addresses of the peers of the release that a node has; a new release may have fewer."""
    lines = (read(tx_folder(now["tx"]) + "/peers") or "").splitlines() if now["tx"] else []
    return [line.split()[1] for line in lines]


def private(folder: str) -> None:
    """Make a directory of ours; one that is there already, whoever made it, is closed to others."""
    os.makedirs(folder, mode=0o700, exist_ok=True)
    os.chmod(folder, 0o700)


def save(**changes: Any) -> None:
    """Change fields of the state file in one step."""
    state = {**load(), **changes, "at": core.now()}
    private(ROOT)
    write(STATE, json.dumps(state, sort_keys=True) + "\n", 0o600)


def require_open(tx: str) -> None:
    """Stop unless ``tx`` is the open transaction: it may have been reverted by its timer meanwhile."""
    state = load()
    begun, left = rolling_back(tx)
    if begun and state["state"] == "open" and state["tx"] == tx:
        said = f"; still there: {left[0]}" if left else ""
        raise Stop(finding("IPP603", f"the transaction is being rolled back on this node{said}"))
    if state["state"] != "open" or state["tx"] != tx:
        last = state["last"]
        ended = f": it was reverted by {last.get('by')} at {last.get('at')}" if last.get("tx") == tx else ""
        told = finding("IPP603", f"the transaction is not open on this node any more{ended}")
        raise Stop({**told, "ended": last if ended else {}})


def rolling_back(tx: str) -> tuple[bool, list[str]]:
    """Return (whether the rollback of a transaction has begun here, what revert.sh found that is left of it)."""
    lines = (read(RUN + "/reverting") or "").splitlines()
    return (True, [line for line in lines[1:] if line]) if lines and lines[0] == tx else (False, [])


def reached(tx: str, step: str) -> None:
    """Remember that this node has done a step of the open transaction; a controller that died is replaced by it."""
    if not _STEP.fullmatch(step):
        raise Stop(finding("IPP601", "not the name of a step"))
    path = tx_folder(tx) + "/steps"
    done = read(path) or ""
    if step not in done.splitlines():
        write(path, f"{done}{step}\n")


def progress(now: State) -> Progress:
    """Return how far the open transaction is; ``left_s``: seconds until this node rolls it back by itself."""
    if now["state"] != "open":
        nothing: Progress = {"kind": "", "release": "", "steps": [], "proven": False, "prepared": False, "left_s": None}
        return nothing
    folder = tx_folder(now["tx"])
    steps = (read(folder + "/steps") or "").splitlines()
    kind, release = (read(folder + "/about") or "apply ").split(" ")[:2]
    release = release.strip()
    deadline = (read(RUN + "/deadline") or "").strip()
    left = round(float(deadline) - time.monotonic(), 1) if deadline else None
    prepared = os.path.exists(folder + "/confirmed.json")
    undoing, rest = rolling_back(now["tx"])
    return {
        "kind": kind,
        "release": release,
        "steps": steps,
        "proven": "await-confirm" in steps,
        "prepared": prepared,
        "left_s": left,
        "rolling_back": undoing,
        "left": rest,
    }


def begin(tx: str, node: NodeJson, seconds: int, about: str, ended: Callable[[str], None]) -> None:
    """Open a transaction: snapshot folder with what revert.sh needs, then the timer, then the marker.

    ``about``: its kind (apply or try) and the digest of its release, as two words. ``ended`` is called with the
    transaction that this one follows.
    """
    folder = tx_folder(tx)
    state = load()
    if state["state"] == "open" and state["tx"] != tx:
        raise Stop(finding("IPP602", f"another transaction is open on this node: {state['tx']}"))
    if rolling_back(tx)[0]:
        require_open(tx)
    if state["state"] != "open" and state["last"].get("tx") == tx:
        raise Stop(finding("IPP603", f"the transaction has ended here: {state['last'].get('result')}"))
    if state["tx"] not in ("", tx):
        ended(state["tx"])
    os.makedirs(folder + "/tree", mode=0o700, exist_ok=True)
    os.makedirs(BASE + "/tree", mode=0o700, exist_ok=True)
    if not os.path.exists(folder + "/before"):
        prune({tx, state["tx"], state["release"]})
        confirmed = state["state"] == "confirmed"
        before = f"confirmed {state['tx']} {state['release']}" if confirmed else "none - -"
        overlay, own = node["overlay"], addresses.addresses(node)
        write(folder + "/about", about + "\n")
        write(folder + "/pairs", "".join(p["pair"] + "\n" for p in node["peers"]))
        ends = [f"{addresses.local(node, p)} {p['address']} {p.get('if_id', '')}".rstrip() for p in node["peers"]]
        write(folder + "/peers", "".join(line + "\n" for line in ends))
        write(folder + "/port", "any\n" if xfrm.hosts(node) else f"{overlay['port']}\n")

        write(folder + "/policy", "".join(" ".join(xfrm.selector(node, at)) + "\n" for at in own))
        write(folder + "/both", "".join(" ".join(xfrm.both(node, at)) + "\n" for at in own))
        if "wildcard" in node:
            address = node["underlay"]["address"]
            width = 128 if ":" in address else 32
            write(folder + "/wildcard", f"{address}/{width} {node['wildcard']}\n")
        write(folder + "/before", before + "\n")  # the last one: a snapshot that has it is whole
    arm(tx, seconds)
    write(OPEN, tx + "\n")
    write(LAST, tx + "\n")


def arm(tx: str, seconds: int) -> None:
    """Arm the rollback timer anew: the new one first, then the old one away. Monotonic, so no clock can move it."""
    private(RUN)
    unit = f"ipsecplan-revert-{tx}-{time.monotonic_ns()}"  # a name that no agent that was killed here has taken
    must(
        "systemd-run",
        "--quiet",
        "--collect",
        "--unit=" + unit,
        f"--on-active={seconds}s",
        "--timer-property=AccuracySec=100ms",
        "/bin/sh",  # as in the self-test and at boot: a file system may be mounted noexec
        SCRIPT,
        "timer",
        tx,
        unit,
    )
    write(RUN + "/timer", unit + "\n")
    write(RUN + "/deadline", f"{time.monotonic() + seconds:.1f}\n")
    core.remove(tx_folder(tx) + "/witness")  # only `prepare` arms in the order that asking a witness needs
    _stop(*(name for name in armed() if name != unit + ".timer"))


def _stop(*timers: str) -> None:
    if timers:
        run("systemctl", "stop", *timers)


@contextlib.contextmanager
def deciding(seconds: float = 60) -> Iterator[None]:
    """Keep revert.sh out while it is decided whether a transaction is open, and in which way it ends.

    ``seconds``: the longest wait for one that is at work. Raises Stop after it.
    """
    busy = finding("IPP603", "the node is rolling its transaction back at this moment")
    with core.locked(RUN + "/revert.lock", seconds, busy):
        yield


def seconds_left(request: Request) -> int:
    """Return the seconds to arm: the timer counts from when the controller sent the request, not from its arrival.

    A request may still be on its way when its controller dies; it must not win time. ``sent`` is on this node's
    monotonic clock, as the controller knows it from an earlier answer.
    """
    age = time.monotonic() - request["sent"] if request.get("sent") is not None else 0.0
    return max(5, int(request["timer"] - (age if 0 <= age < request["timer"] else 0)))


def disarm() -> None:
    """Stop the rollback timer, and one that an agent that was killed left beside it."""
    _stop(*armed())
    core.remove(RUN + "/timer")
    core.remove(RUN + "/deadline")


def armed() -> list[str]:
    """Return the names of armed rollback timers."""
    done = run("systemctl", "list-units", "--plain", "--no-legend", "--type=timer", "ipsecplan-revert-*")
    return [line.split()[0] for line in done.out.splitlines() if line.strip()]


def listed(folder: str, kind: str) -> dict[str, str]:
    """Return path -> present|absent of one list of a snapshot."""
    lines = (read(f"{folder}/{kind}.list") or "").splitlines()
    return {path: was for was, _, path in (line.partition(" ") for line in lines)}


def record(folder: str, kind: str, path: str) -> None:
    """Remember how ``path`` was before we touch it, once; the copy is on disk before the path enters the list."""
    if not _PATH.fullmatch(path) or ".." in path.split("/"):
        raise Stop(finding("IPP601", "not a path that we install"))
    known = listed(folder, kind)
    if path in known:
        return
    was = "absent"
    if os.path.lexists(path):
        at = os.lstat(path)
        if not stat.S_ISREG(at.st_mode):
            raise Stop(finding("IPP604", f"{path} exists and is not a regular file"))
        with open(path, "rb") as file:
            copy = folder + "/tree" + path
            os.makedirs(os.path.dirname(copy), mode=0o700, exist_ok=True)
            write(copy, file.read(), at.st_mode & 0o7777, at.st_uid, at.st_gid)
        was = "present"
    old = read(f"{folder}/{kind}.list") or ""
    write(f"{folder}/{kind}.list", f"{old}{was} {path}\n")


def restore(folder: str, kind: str) -> None:
    """Put every path of a list back as it was."""
    for path, was in listed(folder, kind).items():
        if was == "absent":
            core.remove(path)
            continue
        copy = folder + "/tree" + path
        at = os.lstat(copy)
        with open(copy, "rb") as file:
            write(path, file.read(), at.st_mode & 0o7777, at.st_uid, at.st_gid)


def enable(unit_path: str, tx: str) -> None:
    """Enable a unit of ours by the links that its [Install] section names; systemd reads them at the next boot."""
    text = read(unit_path) or ""
    name = os.path.basename(unit_path)
    for target in re.findall(r"^WantedBy=([A-Za-z0-9.@-]+)\s*$", text, re.MULTILINE):
        link = f"/etc/systemd/system/{target}.wants/{name}"
        if os.path.islink(link):
            continue
        for folder in (tx_folder(tx), BASE):
            record(folder, "ipsec" if folder != BASE else "tool", link)
        os.makedirs(os.path.dirname(link), exist_ok=True)
        os.symlink(unit_path, link)
        core.sync_folder(os.path.dirname(link))


def prune(keep: Collection[str]) -> None:
    """Remove releases and transactions that nothing can go back to any more. ``keep`` holds their names."""
    for kind in ("releases", "tx"):
        folder = f"{ROOT}/{kind}"
        for name in os.listdir(folder) if os.path.isdir(folder) else ():
            if name not in keep:
                import shutil  # brings bz2 and lzma: a tenth of the imports of a request

                shutil.rmtree(f"{folder}/{name}")
