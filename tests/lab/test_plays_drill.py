"""Nothing but ansible-playbook on real nodes: on, measured, a smaller MTU, new certificates, off; killed, and gone on
with by the command line; begun by the one and confirmed by the other."""

from __future__ import annotations

import os
import re
import resource
import signal
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.support.playing import play_argv, recap

from .conftest import ClusterFactory
from .pace import HANG_S
from .rollout_steps import Rollout, ending, is_new, is_old

pytestmark = [pytest.mark.lab, pytest.mark.drill]
NARROW = [{"between": ["k8s_nodes", "k8s_nodes"], "mtu": 1400}]
SOAK = ("-e", "node_soak=2")


class Playing:
    """Plays for one rollout's bundle and state."""

    def __init__(self, rollout: Rollout) -> None:
        self.rollout = rollout
        kept = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
        self.environment = {**kept, "IPSECPLAN_STATE": str(rollout.state), "ANSIBLE_NOCOLOR": "1"}

    def argv(self, name: str, *words: str, bundle: Path | None = None) -> list[str]:
        return play_argv(name, self.rollout.lab.inventory, bundle or self.rollout.bundle, *words)

    def __call__(self, name: str, *words: str, bundle: Path | None = None) -> str:
        """Run a playbook; it must succeed on every host. Returns what it said, and prints what it cost."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            self.argv(name, *words, bundle=bundle),
            env=self.environment,
            cwd=self.rollout.folder,
            capture_output=True,
            text=True,
            timeout=HANG_S,
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        print(done.stdout, done.stderr, sep="\n")
        print(f"{name}: {after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime:.1f} s of processor")
        assert done.returncode == 0, done.stdout + done.stderr
        assert sorted(recap(done.stdout)) == sorted(self.rollout.names)
        return done.stdout

    def killed_at(self, task: str, name: str, *words: str) -> None:
        """Begin a play and kill ansible-playbook, alone, when it names a task."""
        process = subprocess.Popen(
            self.argv(name, *words),
            env=self.environment,
            cwd=self.rollout.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        with ending(process):
            assert process.stdout
            for line in process.stdout:
                print(line, end="")
                if f": {task}: " in line:
                    process.send_signal(signal.SIGKILL)
                    break
            process.wait()
        assert process.returncode == -signal.SIGKILL, f"the play ended before {task}"


def proofs(said: str, size: int, nodes: int) -> None:
    lines = re.findall(rf"n\d -> n\d  DF {size} passes, {size + 1} refused, ESP seen", said)
    assert len(lines) == nodes * (nodes - 1), said


@pytest.mark.weight(600)
def test_on_measured_smaller_renewed_and_off(clusters: ClusterFactory, tmp_path: Path) -> None:
    rollout = Rollout(clusters(nodes=3), tmp_path)
    play = Playing(rollout)
    proofs(play("apply", *SOAK), 1416, 3)
    assert all(is_new(node) for node in rollout.status().values())
    assert {counts["changed"] for counts in recap(play("apply", *SOAK)).values()} == {0}
    proofs(play("verify"), 1416, 3)

    document = yaml.safe_load(rollout.lab.plan.read_text())
    document["inventory"] = str(rollout.lab.inventory)
    document["underlay"]["paths"] = NARROW
    (tmp_path / "narrow.yaml").write_text(yaml.safe_dump(document))
    narrow = tmp_path / "narrow"
    rollout.run("render", str(tmp_path / "narrow.yaml"), "--to", str(narrow), bundle=False, ok=True)
    proofs(play("try", *SOAK, bundle=narrow), 1316, 3)
    rollout.bundle = narrow
    assert "confirmed on 3 nodes" in rollout.run("confirm", ok=True).stdout

    key = rollout.shell("n1", "sha256sum", "/etc/swanctl/private/ipsecplan.pem")
    assert "rotated: all 3 nodes" in play("rotate")
    assert rollout.shell("n1", "sha256sum", "/etc/swanctl/private/ipsecplan.pem") != key
    assert "removed: 3 nodes are as before ipsecplan" in play("revert")
    assert all(is_old(node) for node in rollout.status().values())


@pytest.mark.weight(500)
def test_killed_and_gone_on_with(clusters: ClusterFactory, tmp_path: Path) -> None:
    rollout = Rollout(clusters(nodes=2), tmp_path)
    play = Playing(rollout)
    play.killed_at("Permissive", "try", *SOAK)
    rollout.settled()  # nobody goes on: the nodes are back by themselves
    assert all(is_old(node) for node in rollout.status().values())
    assert {node["state"]["last"]["by"] for node in rollout.status().values()} == {"timer"}

    play.killed_at("Permissive", "try", *SOAK)
    assert {node["state"]["state"] for node in rollout.status().values()} == {"open"}
    resumed = rollout.run("resume", "--yes", "--detach", "--soak", "2", ok=True)
    assert "run `ipsecplan confirm` before" in resumed.stdout
    proofs(play("confirm"), 1416, 2)
    assert all(is_new(node) for node in rollout.status().values())
