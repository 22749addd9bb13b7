"""Rollbacks under load and against faults: nothing is left, or what is left is named until it is gone."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from netplan.lab.cluster import Lab

from .conftest import ClusterFactory
from .injections import VICTIM, on
from .pace import Pace, until
from .rollout_steps import Rollout, is_old

pytestmark = [pytest.mark.lab, pytest.mark.drill]
RUNS = 50
PART = 10  # runs on one lab
LOAD = 15  # endless loops beside everything, on two processors
# everything of ours that a rollback must not leave, asked of the node itself and not of our program
LEFT = """swanctl --list-conns | grep -E '^(pair-|ipsecplan-)'; swanctl --list-sas | grep -E '^(pair-|ipsecplan-)'
ip xfrm policy list nosock; ip xfrm state list nokeys; nft list table inet ipsecplan 2>/dev/null
systemctl list-units --plain --no-legend --state=active,activating 'ipsecplan-revert-*' ipsecplan-watch.service
ls /etc/swanctl/conf.d/ipsecplan* /etc/ipsecplan/*.nft /run/ipsecplan/reverting 2>/dev/null; true"""


@contextmanager
def loaded(lab: Lab) -> Iterator[None]:
    """Let the processors that the nodes run on have :data:`LOAD` more processes that compute."""
    loops = f"for i in $(seq {LOAD}); do (while :; do :; done) & done; wait"
    if lab.state.backend == "uml":  # its nodes are processes of this machine
        busy = subprocess.Popen(["sh", "-c", loops], start_new_session=True)
        try:
            yield
        finally:
            os.killpg(busy.pid, signal.SIGKILL)
            busy.wait()
        return
    on(f"systemd-run --quiet --unit=drill-load sh -c '{loops}'", "guest")(lab)
    try:
        yield
    finally:
        on("systemctl stop drill-load", "guest")(lab)


def left(rollout: Rollout) -> dict[str, str]:
    found = {name: rollout.shell(name, "sh", "-c", LEFT).strip() for name in rollout.names}
    return {name: text for name, text in found.items() if text}


@pytest.mark.weight(1800)
@pytest.mark.parametrize("first", range(0, RUNS, PART))
def test_timers_fire_while_the_controller_rolls_back(clusters: ClusterFactory, tmp_path: Path, first: int) -> None:
    """The control process dies and the machine gets busy; a revert comes before, while or after the timers fire."""
    lab = clusters(nodes=2)
    rollout = Rollout(lab, tmp_path)
    ended: list[int] = []
    for run in range(first, first + PART):
        dice = random.Random(run)
        phase = dice.choice(("permissive", "trap", "enforce"))
        timer = rollout.kill_at(phase, 0, Pace.of(lab).timer)
        assert timer
        began = time.monotonic()
        with loaded(lab):
            time.sleep(max(0.0, timer * dice.uniform(0.7, 1.05)))
            waited = time.monotonic() - began
            ended.append(rollout.run("revert", "--yes").returncode)
            rollout.settled()
            stays = left(rollout)
        print(f"run {run}: {phase}, timer {timer} s, revert after {waited:.0f} s ended with {ended[-1]}", flush=True)
        assert stays == {}, f"run {run}, killed in {phase}, revert ended with {ended[-1]}"
    print(f"{PART} runs, 0 with anything left; exit codes of the reverts: {sorted(set(ended))}")


NFT = """cp /usr/sbin/nft /root/nft.real; cat >/root/nft.no <<'E'
#!/bin/sh
case "$*" in "delete table inet ipsecplan" | "flush table inet ipsecplan") exit 1 ;; esac
exec /root/nft.real "$@"
E
chmod 755 /root/nft.no; mount --bind /root/nft.no /usr/sbin/nft"""
PLANTED = "connections { pair-0123456789ab { remote_addrs = 192.0.2.9 } }"
ROOM = "rm -f {0}/reserve; head -c 50M /dev/zero >{0}/fill; true"  # what was kept free for this moment, too
# what is done to a node in the middle of an apply, how it ends, and what the node has to say meanwhile
FAULTS: dict[str, tuple[Callable[[Lab], None], Callable[[Lab], None], str]] = {
    "charon-hangs": (
        on("kill -STOP $(pidof charon-systemd)"),
        on("kill -CONT $(pidof charon-systemd)"),
        "charon does not answer",
    ),
    "guard-stays": (on(NFT), on("umount /usr/sbin/nft"), "the guard (nft table inet ipsecplan) can't be deleted"),
    "read-only": (
        on("for d in /etc /var/lib/ipsecplan; do mount --bind $d $d; mount -o remount,ro,bind $d; done"),
        on("umount /etc /var/lib/ipsecplan"),
        "is still there",
    ),
    "state-disk-full": (
        on(ROOM.format("/var/lib/ipsecplan")),
        on("rm -f /var/lib/ipsecplan/fill"),
        "the state can't be written",
    ),
    "connection-planted": (
        on(f"echo '{PLANTED}' >/etc/swanctl/conf.d/zz.conf"),
        on("rm /etc/swanctl/conf.d/zz.conf"),
        "charon has the connection pair-0123456789ab",
    ),
}


@pytest.fixture
def rollout(clusters: ClusterFactory, tmp_path: Path) -> Rollout:
    return Rollout(clusters(nodes=2), tmp_path)


@pytest.mark.weight(200)
@pytest.mark.parametrize("name", list(FAULTS))
def test_what_a_rollback_can_not_take_away_is_named_until_it_is_gone(rollout: Rollout, name: str) -> None:
    inject, heal, words = FAULTS[name]
    lab = rollout.lab
    if name == "state-disk-full":
        folder = "/var/lib/ipsecplan"
        on(f"mkdir -p {folder} && mount -t tmpfs -o size=24m,mode=700 drill {folder}")(lab)
    rollout.kill_at("trap", 0, Pace.of(lab).timer)
    inject(lab)
    try:
        reverting = lambda: lab.exec(VICTIM, ["cat", "/run/ipsecplan/reverting"]).stdout  # noqa: E731
        until(f"{VICTIM} says what is left", lambda: words in reverting(), 1.0)
        said = rollout.run("status", "--json")
        node = json.loads(said.stdout)["result"]["nodes"][VICTIM]
        assert node["state"]["state"] == "open", "a rollback that is not complete is not closed"
        assert any(words in text for text in node["transaction"]["left"]), node["transaction"]
    finally:
        heal(lab)
    rollout.settled()
    assert left(rollout) == {}
    assert all(is_old(node) for node in rollout.status().values())
