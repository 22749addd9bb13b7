"""No node's private key leaves it, and no secret is in a bundle, an artifact, a journal or an argument."""

from __future__ import annotations

import re
import subprocess
import threading
import time
from pathlib import Path

import pytest

from .conftest import ClusterFactory
from .rollout_steps import Rollout

pytestmark = pytest.mark.lab
PRIVATE = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----")
KEY_MATERIAL = re.compile(rb"BEGIN [A-Z ]*PRIVATE KEY|aead rfc4106\S* 0x(?!0+\b)[0-9a-f]{40}")


class Sampler(threading.Thread):
    """Collects the command lines of all processes of this machine, and of a node, while an apply runs."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.seen: set[bytes] = set()
        self.running = True

    def run(self) -> None:
        while self.running:
            for entry in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    self.seen.add(entry.read_bytes())
                except OSError:
                    continue
            time.sleep(0.05)


def test_no_secret_leaves_its_home(clusters: ClusterFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = clusters(nodes=2)
    runs = tmp_path / "runs"  # the private directories of the runs, copied aside while they exist
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    rollout = Rollout(lab, tmp_path)
    watch = "while :; do cat /proc/[0-9]*/cmdline; echo; done > /run/cmdlines 2>/dev/null"
    rollout.shell("n1", "systemd-run", "--quiet", "--unit=watch", "sh", "-c", watch)
    sampler = Sampler()
    sampler.start()
    copier = subprocess.Popen(
        ["sh", "-c", f"mkdir {runs}; while :; do cp -a --no-clobber {temporary}/. {runs}/ 2>/dev/null; sleep 0.1; done"]
    )
    try:
        done = rollout.apply()
    finally:
        copier.terminate()
        copier.wait()
        sampler.running = False
        sampler.join()
    assert done.returncode == 0
    rollout.shell("n1", "systemctl", "stop", "watch")

    keys = {}
    for name in rollout.names:
        mode = rollout.shell(name, "stat", "--format=%a %U", "/etc/swanctl/private/ipsecplan.pem").split()
        assert mode == ["600", "root"]
        keys[name] = rollout.shell(name, "cat", "/etc/swanctl/private/ipsecplan.pem").encode()
        assert PRIVATE.search(keys[name])
    assert len(set(keys.values())) == len(keys)
    lines = [key.splitlines()[1] for key in keys.values()]  # the first line of each key's own base64

    # the control machine: whole state, bundle, everything that ever lay in a run's private directory
    looked = 0
    for folder in (rollout.state, rollout.bundle, runs):
        for path in folder.rglob("*"):
            if not path.is_file() or path.is_symlink():
                continue
            data = path.read_bytes()
            looked += 1
            for line in lines:
                assert line not in data, f"a node's key is in {path}"
            if path.name != "ca-key.pem":
                assert not PRIVATE.search(data), path
    assert any(path.name.startswith("job_events") or "artifacts" in str(path) for path in runs.rglob("*")), "saw no run"
    assert looked > 60

    ca = rollout.state / "clusters" / "lab" / "ca" / "ca-key.pem"
    assert (ca.stat().st_mode & 0o777, ca.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert list(temporary.glob("ipsecplan-run-*")) == [], "a run left its private directory"
    for journal in (rollout.state / "clusters" / "lab" / "journal").iterdir():
        assert journal.stat().st_mode & 0o777 == 0o600

    # arguments: on this machine and on a node
    ca_line = ca.read_bytes().splitlines()[1]
    on_node = rollout.shell("n1", "cat", "/run/cmdlines").encode()
    assert b"swanctl" in on_node, "the sampler on the node saw nothing"
    assert any(b"ansible-playbook" in line for line in sampler.seen), "the sampler saw nothing"
    for text in [*sampler.seen, on_node]:
        assert not KEY_MATERIAL.search(text)
        for line in [*lines, ca_line]:
            assert line not in text
    # the certificate's owner is the node's id, and nothing that the node asked for
    listed = rollout.shell("n1", "swanctl", "--list-certs")
    assert re.search(r"subject: +\"CN=n-[0-9a-f]{12}\"", listed), listed
