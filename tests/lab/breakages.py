"""What happens to charon and to nftables on a node in force: each breaks one thing, waits, and mends it."""

from __future__ import annotations

import time
from collections.abc import Callable

from netplan.lab.cluster import Lab
from tests.support.lab_checks import HELD_S, back

from .pace import until
from .pings import POD


def sigterm(lab: Lab) -> None:
    """What a package upgrade does."""
    lab.exec("n1", ["systemctl", "restart", "strongswan"], check=True)
    back(lab)


def stopped(lab: Lab) -> None:
    lab.exec("n1", ["systemctl", "stop", "strongswan"], check=True)
    time.sleep(HELD_S)
    lab.exec("n1", ["systemctl", "start", "strongswan"], check=True)
    back(lab)


def crash(lab: Lab) -> None:
    """kill -9, the new charon, then the peer's too: orphans of the first kept such a pair dark for an hour."""
    lab.exec("n1", ["systemctl", "kill", "--signal=SIGKILL", "strongswan"], check=True)
    time.sleep(HELD_S)
    lab.exec("n1", ["sh", "-c", "systemctl reset-failed strongswan; systemctl start strongswan"], check=True)
    back(lab)
    lab.exec("n2", ["systemctl", "restart", "strongswan"], check=True)
    back(lab)


def flush(lab: Lab) -> None:
    there = ["nft", "list", "table", "inet", "ipsecplan"]
    for _ in range(3):
        lab.exec("n1", ["nft", "flush", "ruleset"], check=True)
        until("the watchdog reloads the guard", lambda: lab.exec("n1", there).returncode == 0)
    back(lab)


def flush_and_stop(lab: Lab) -> None:
    """Both at once, and no watchdog: the block policies alone hold."""
    stop = "systemctl stop ipsecplan-watch; nft flush ruleset; systemctl stop strongswan"
    lab.exec("n1", ["sh", "-c", stop], check=True)
    time.sleep(HELD_S)
    lab.exec("n1", ["sh", "-c", "systemctl start strongswan ipsecplan-watch"], check=True)
    back(lab)


def expiry(lab: Lab) -> None:
    """Every SA gone at once, as at their hard lifetime."""
    lab.exec("n1", ["ip", "xfrm", "state", "flush"], check=True)
    time.sleep(HELD_S)
    lab.exec("n1", ["swanctl", "--terminate", "--ike", "*", "--force"])
    lab.exec(
        "n1",
        [
            "sh",
            "-c",
            "swanctl --list-conns | sed -n 's/^\\(pair-[^:]*\\):.*/\\1/p' | "
            "while read -r p; do swanctl --terminate --ike $p --force; done",
        ],
    )
    back(lab)


def masked(lab: Lab) -> None:
    """A boot without charon: guard and block policies are there before the network, and nothing else."""
    lab.exec("n1", ["systemctl", "mask", "strongswan"], check=True)
    lab.power_cut("n1")
    lab.wait("n1")
    lab.exec("n1", ["sh", "-c", f"{POD} ping -n -c 20 -i 0.2 -W 1 10.244.2.2"])
    blocked = lab.exec("n1", ["grep", "XfrmOutPolBlock", "/proc/net/xfrm_stat"]).stdout
    assert int(blocked.split()[1]) > 0, "the pod tried nothing, or the block policies were not there"
    lab.exec("n1", ["sh", "-c", "systemctl unmask strongswan; systemctl start strongswan"], check=True)
    back(lab)


ALL: dict[str, Callable[[Lab], None]] = {
    "SIGTERM, restart": sigterm,
    "SIGTERM, 3 s, start": stopped,
    "kill -9, start, peer restarts": crash,
    "nft flush ruleset, 3 x": flush,
    "flush, no watchdog, charon stopped": flush_and_stop,
    "all SAs gone": expiry,
    "boot with charon masked": masked,
}
REBOOTED = {"boot with charon masked": "n1"}  # what was counted there is gone
