"""Whatever happens to charon and to nftables after enforce, no overlay packet is clear on any wire."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from netplan.lab.cluster import Lab
from tests.support.lab_checks import HELD_S, back, proven_sink

from .applied import Applied
from .pace import Pace, until
from .pings import POD, both_ways, pinging
from .sink import sink

pytestmark = pytest.mark.lab
# The longest row of lost pings, in units beside what we held it: docs/rollout.md has the seconds of a quiet machine.
# A pair that only its peer's dead peer detection brings back takes 40 s more, one that nobody does an hour.
GAPS = {"kill -9, start, peer restarts": 25, "nft flush ruleset, 3 x": 4}


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
SHORT = tuple(GAPS)


@pytest.mark.weight(70)
@pytest.mark.parametrize("names", [SHORT, pytest.param(tuple(ALL), marks=pytest.mark.drill)], ids=["short", "all"])
def test_nothing_is_clear(applied: Applied, names: tuple[str, ...]) -> None:
    lab, rollout = applied.lab, applied.rollout
    node = rollout.status()["n1"]
    assert (node["differs"], node["floor"], node["guard"]["mode"]) == ([], 2, "drop")
    seen = proven_sink(rollout)
    assert sum(seen.planted.values()) >= 2, seen
    assert seen.leaked == 0, seen
    rows = [f"{'what':<34} {'clear':>5} {'ESP':>6} {'pings':>6} {'lost':>5} {'longest gap':>12} {'unit':>6}"]
    worst = {}
    for name in names:
        kept = {"n2"} if name.startswith("boot") else None  # what n1 ran before its boot is gone
        with sink(lab) as sunk, pinging(lab, both_ways(lab), kept) as pings:
            ALL[name](lab)
        unit = Pace.of(lab).unit
        worst[name] = (sunk.leaked, pings.longest, unit)
        esp = sum(sunk.esp.values())
        rows.append(
            f"{name:<34} {sunk.leaked:>5} {esp:>6} {pings.sent:>6} {pings.lost:>5} {pings.longest:>10.1f} s "
            f"{unit:>4.1f} s"
        )
        print(rows[-1], flush=True)
    print("\n".join(rows))
    assert all(leaked == 0 for leaked, _, _ in worst.values()), worst
    for name, units in GAPS.items():
        _, longest, unit = worst[name]
        assert longest <= HELD_S + units * unit, (name, worst[name])
    assert rollout.status()["n1"]["differs"] == []
    assert lab.exec("n1", ["nft", "list", "table", "inet", "ipsecplan"]).returncode == 0
