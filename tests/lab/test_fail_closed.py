"""Whatever happens to charon and to nftables after enforce, no overlay packet is clear on any wire."""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from netplan.lab.cluster import Lab

from .conftest import ClusterFactory
from .rollout_steps import Rollout
from .sink import Sunk, sink

pytestmark = pytest.mark.lab
POD = "ip netns exec pod1"
EVERY_S = 0.02


class Pinging:
    """A ping every 20 ms from the pod of n1 to that of n2 and back; when did the last gap end?"""

    def __init__(self, rollout: Rollout) -> None:
        self.rollout = rollout
        pods = {node.name: node.pod_address for node in rollout.lab.nodes}
        self.ways = {"n1": pods["n2"], "n2": pods["n1"]}

    def start(self, *nodes: str) -> None:
        for node in nodes or self.ways:
            out = f"systemd-run --quiet --collect --unit=p-{node} -p KillSignal=SIGINT"
            self.rollout.shell(node, "sh", "-c", f"{out} -p StandardOutput=truncate:/tmp/ping.txt {POD} "
                               f"ping -n -i {EVERY_S} {self.ways[node]}")  # fmt: skip

    def end(self, *nodes: str) -> tuple[int, int, float]:
        """Return (sent, lost, longest gap between two answers in seconds) over both directions."""
        sent = lost = 0
        longest = 0.0
        for node in nodes or self.ways:
            self.rollout.lab.exec(node, ["sh", "-c", f"systemctl stop p-{node}; sleep 0.5"])
            text = self.rollout.shell(node, "cat", "/tmp/ping.txt")
            counted = re.search(r"(\d+) packets transmitted, (\d+) received", text)
            assert counted, text[-300:]
            sent, lost = sent + int(counted[1]), lost + int(counted[1]) - int(counted[2])
            seen = [0, *(int(n) for n in re.findall(r"icmp_seq=(\d+) ttl", text)), int(counted[1]) + 1]
            longest = max([longest, *((b - a - 1) * EVERY_S for a, b in itertools.pairwise(seen))])
        return sent, lost, longest


def sigterm(lab: Lab) -> None:
    """What a package upgrade does."""
    lab.exec("n1", ["systemctl", "restart", "strongswan"], check=True)
    time.sleep(12)


def stopped(lab: Lab) -> None:
    lab.exec("n1", ["systemctl", "stop", "strongswan"], check=True)
    time.sleep(5)
    lab.exec("n1", ["systemctl", "start", "strongswan"], check=True)
    time.sleep(12)


def crash(lab: Lab) -> None:
    """kill -9, the new charon, then the peer's too: orphans of the first kept such a pair dark for an hour."""
    lab.exec("n1", ["systemctl", "kill", "--signal=SIGKILL", "strongswan"], check=True)
    time.sleep(3)
    lab.exec("n1", ["sh", "-c", "systemctl reset-failed strongswan; systemctl start strongswan"], check=True)
    time.sleep(8)
    lab.exec("n2", ["systemctl", "restart", "strongswan"], check=True)
    time.sleep(11)


def flush(lab: Lab) -> None:
    for _ in range(3):
        lab.exec("n1", ["nft", "flush", "ruleset"], check=True)
        time.sleep(2)


def flush_and_stop(lab: Lab) -> None:
    """Both at once, and nobody to put the guard back: the floor alone holds."""
    stop = "systemctl stop ipsecplan-watch; nft flush ruleset; systemctl stop strongswan"
    lab.exec("n1", ["sh", "-c", stop], check=True)
    time.sleep(5)
    lab.exec("n1", ["sh", "-c", "systemctl start strongswan ipsecplan-watch"], check=True)
    time.sleep(12)


def expiry(lab: Lab) -> None:
    """Every SA gone at once, as at their hard lifetime."""
    lab.exec("n1", ["ip", "xfrm", "state", "flush"], check=True)
    time.sleep(3)
    lab.exec("n1", ["swanctl", "--terminate", "--ike", "*", "--force"])
    lab.exec("n1", ["sh", "-c", "swanctl --list-conns | sed -n 's/^\\(pair-[^:]*\\):.*/\\1/p' | "
                    "while read -r p; do swanctl --terminate --ike $p --force; done"])  # fmt: skip
    time.sleep(12)


def masked(lab: Lab) -> None:
    """A boot without charon: guard and floor are there before the network, and nothing else."""
    lab.exec("n1", ["systemctl", "mask", "strongswan"], check=True)
    lab.power_cut("n1")
    lab.wait("n1")
    lab.exec("n1", ["sh", "-c", f"{POD} ping -n -c 20 -i 0.2 -W 1 10.244.2.2"])
    blocked = lab.exec("n1", ["grep", "XfrmOutPolBlock", "/proc/net/xfrm_stat"]).stdout
    assert int(blocked.split()[1]) > 0, "the pod tried nothing, or the floor was not there"
    lab.exec("n1", ["sh", "-c", "systemctl unmask strongswan; systemctl start strongswan"], check=True)
    time.sleep(12)


ALL: dict[str, Callable[[Lab], None]] = {
    "SIGTERM, restart": sigterm, "SIGTERM, 5 s, start": stopped, "kill -9, start, peer restarts": crash,
    "nft flush ruleset, 3 x": flush, "flush, no keeper, charon stopped": flush_and_stop, "all SAs gone": expiry,
    "boot with charon masked": masked,
}  # fmt: skip
SHORT = ("kill -9, start, peer restarts", "nft flush ruleset, 3 x")


def proven_sink(rollout: Rollout) -> Sunk:
    """``verify`` plants a clear packet a direction: a sink that doesn't see them proves nothing."""
    with sink(rollout.lab) as seen:
        rollout.run("verify", ok=True)
    return seen


@pytest.mark.parametrize("names", [SHORT, pytest.param(tuple(ALL), marks=pytest.mark.drill)], ids=["short", "all"])
def test_nothing_is_clear(clusters: ClusterFactory, tmp_path: Path, names: tuple[str, ...]) -> None:
    lab = clusters(nodes=2)
    rollout = Rollout(lab, tmp_path)
    assert rollout.apply("--timer", "180").returncode == 0
    node = rollout.status()["n1"]
    assert (node["differs"], node["floor"], node["guard"]["mode"]) == ([], 1, "drop")
    seen = proven_sink(rollout)
    assert sum(seen.planted.values()) >= 2, seen
    assert seen.leaked == 0, seen
    rows = [f"{'what':<34} {'clear':>5} {'ESP':>6} {'pings':>6} {'lost':>5} {'longest gap':>12}"]
    worst = {}
    for name in names:
        pings = Pinging(rollout)
        only = ("n2",) if name.startswith("boot") else ()  # what n1 ran before its boot is gone
        pings.start()
        with sink(lab) as sunk:
            ALL[name](lab)
        sent, lost, gap = pings.end(*only)
        worst[name] = (sunk.leaked, gap)
        esp = sum(sunk.esp.values())
        rows.append(f"{name:<34} {sunk.leaked:>5} {esp:>6} {sent:>6} {lost:>5} {gap:>10.1f} s")
        print(rows[-1], flush=True)
    print("\n".join(rows))
    assert all(leaked == 0 for leaked, _ in worst.values()), worst
    assert worst["kill -9, start, peer restarts"][1] <= 10, worst
    assert worst["nft flush ruleset, 3 x"][1] <= 1, worst
    assert rollout.status()["n1"]["differs"] == []
    assert lab.exec("n1", ["nft", "list", "table", "inet", "ipsecplan"]).returncode == 0
