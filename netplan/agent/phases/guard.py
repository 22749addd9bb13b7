"""What keeps a node closed besides charon: the guard as it is loaded, the block policies, and the guard watchdog.

A block policy stops overlay packets to one peer, behind every policy of charon. Block policies hold while the guard's
table is missing, and the guard holds when policies are flushed. ``floor`` in names means these policies.
"""

from __future__ import annotations

import os
import subprocess

from ..system import core, paths, xfrm
from ..system.core import Stop, finding, read, run
from ..transaction import deferred_pairs, state

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..protocol.node_json import NodeJson

FILE = paths.ETC + "/floor"
ALL = paths.ETC + "/floor-all"  # of the release; ``FILE`` is what of it is in force
PEERS = paths.ETC + "/peers"
SCRIPT = "/usr/local/lib/ipsecplan/guard.sh"
WATCH = "ipsecplan-watch.service"
WATCH_S = 90  # systemd reads all its units anew before it starts it
WATCH_UNIT = "/etc/systemd/system/" + WATCH
WATCHING = state.RUN + "/watching"  # the file that the running watchdog was started from
DEAF = state.RUN + "/deaf"  # while it exists, the watchdog only looks now and then
RELAXED = state.RUN + "/relaxed"  # while it exists, the watchdog doesn't reload the guard


def installed() -> set[str]:
    """Return the destinations (address/width) of the block policies in the kernel."""
    return {p["dst"] for p in xfrm.policies() if xfrm.is_floor(p)}


def of_release(node: NodeJson) -> str | None:
    """Return what ``FILE`` is to have by the release's files: no policy of pairs that wait. None where it has none."""
    policies = read(ALL)
    if policies is None:
        return None
    return deferred_pairs.floor(policies, read(PEERS) or "", node["underlay"]["address"])


def planned_policies() -> dict[str, str]:
    """Return destination -> selector of every policy that the release wants."""
    found = {}
    for line in (read(FILE) or "").splitlines():
        words = line.split()
        if words[:5] == ["xfrm", "policy", "update", "dir", "out"]:
            found[words[words.index("dst") + 1]] = " ".join(words[5 : words.index("action")])
    return found


def close() -> bool:
    """Load guard and block policies from their files and start the watchdog. True when anything changed.

    Policies of peers that are no peers any more go; between old and new there is no moment without the others. The
    watchdog is started in the background, because systemd takes its time to read units anew:
    :func:`require_watchdog` waits for it.
    """
    before, wants = installed(), set(planned_policies())
    same = before == wants and xfrm.guard()["mode"] == "drop" and guard_difference() is None
    core.remove(RELAXED)
    if not same:
        done = run("/bin/sh", SCRIPT, "load")
        if done.code != 0:
            raise Stop(finding("IPP612", f"nft refused the guard {paths.GUARD}: {done.said}"))
        for destination in before - wants:
            run(
                "ip",
                "xfrm",
                "policy",
                "deleteall",
                "dir",
                "out",
                "dst",
                destination,
                "action",
                "block",
                "priority",
                xfrm.FLOOR_PRIORITY,
            )
        lacking = wants - installed()
        if lacking:
            raise Stop(finding("IPP612", f"the kernel did not accept the block policy to {sorted(lacking)[0]}"))
    was = running() and read(SCRIPT) == read(WATCHING)  # one that was started from an earlier file goes on with it
    if not was:
        reread = f"systemctl daemon-reload; systemctl restart {WATCH}"  # the drop-in of strongswan.service too
        none = subprocess.DEVNULL
        argv = ["/bin/sh", "-c", reread]
        subprocess.Popen(argv, stdin=none, stdout=none, stderr=none, env=core.ENV, start_new_session=True)
    return not same or not was


def require_watchdog() -> None:
    """Raise Stop unless ipsecplan-watch.service is running."""
    if not core.wait(running, WATCH_S):
        text = f"{WATCH} does not run, {WATCH_S} s after it was started: nothing would reload the guard"
        raise Stop(finding("IPP612", text, "journalctl -u " + WATCH))


def running() -> bool:
    """Tell whether the watchdog runs; asks systemd only where its control group isn't seen."""
    if any(os.path.isdir(f"{root}/system.slice/{WATCH}") for root in ("/sys/fs/cgroup", "/sys/fs/cgroup/systemd")):
        return True
    return run("systemctl", "is-active", WATCH).out.strip() == "active"


def gaps() -> list[str]:
    """Return what is missing of guard, block policies and watchdog, in words."""
    words = []
    different = guard_difference()
    if different:
        words.append(different)
    lacking = sorted(set(planned_policies()) - installed())
    if lacking:
        words.append(f"{len(lacking)} of {len(planned_policies())} block policies are missing, first {lacking[0]}")
    more = sorted(installed() - set(planned_policies()))
    if more:
        words.append(f"{len(more)} block policies are for addresses that are no peers, first {more[0]}")
    if not running():
        words.append("ipsecplan-watch.service is not running: nothing reloads the guard")
    elif os.path.exists(DEAF):
        words.append(f"`nft monitor` ends by itself: a removed guard comes back late; `journalctl -u {WATCH}` says why")
    return words


def guard_difference() -> str | None:
    """Return how the table in the kernel differs from the guard's file, in words; the file is loaded in a throwaway
    namespace, so that both are read in nft's own words."""
    listing = ("nft", "-s", "list", "table", "inet", "ipsecplan")
    live = run(*listing)
    if live.code != 0:
        return "the guard is not loaded"
    script = 'nft -f "$1" && nft -s list table inet ipsecplan'
    planned = run("unshare", "--net", "/bin/sh", "-c", script, "sh", paths.GUARD)
    if planned.code != 0:
        return f"nft refuses {paths.GUARD}: {planned.said}"
    theirs, ours = set(live.out.splitlines()), set(planned.out.splitlines())
    if live.out == planned.out:
        return None
    odd = sorted(theirs - ours) or sorted(ours - theirs) or ["the order of its rules"]
    word = "has" if theirs - ours else "lacks"
    return f"the guard in the kernel {word} {odd[0].strip()!r}"[:200]
