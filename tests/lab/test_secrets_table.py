"""Canaries of every kind of secret, looked for in every channel, after success, failure, SIGKILL and at -vvv."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
import yaml

from .conftest import ClusterFactory
from .rollout_steps import Rollout, until

pytestmark = [pytest.mark.lab, pytest.mark.drill]
PASSPHRASE = "canary-passphrase-7d1f0c"
VAULT_PASSWORD, VAULTED = "canary-vault-password-90ab", "canary-vaulted-value-55e1"
CHANNELS = (
    "artifacts", "events", "left in temp", "journal", "bundle", "stdout, stderr", "arguments", "environment", "log",
    "node: arguments", "node: environment", "node: journal", "node: temp, run",
)  # fmt: skip
SITUATIONS = ("success", "failure", "SIGKILL", "-vvv")
FAIL_ONCE = (
    '#!/bin/sh\\nif [ "$1" = --load-creds ] && [ ! -e /run/failed ]; then touch /run/failed; '
    'echo broken >&2; exit 1; fi\\nexec /run/swanctl "$@"\\n'
)


BREAK = (
    f"cp /usr/sbin/swanctl /run/swanctl; rm -f /run/failed; printf '{FAIL_ONCE}' >/run/broken; "
    "chmod 755 /run/broken /run/swanctl; mount --bind /run/broken /usr/sbin/swanctl"
)


class Watch(threading.Thread):
    """Collects arguments and environments of all processes of this machine, and all files of private directories."""

    def __init__(self, temporary: Path) -> None:
        super().__init__(daemon=True)
        self.temporary, self.running = temporary, True
        self.seen: dict[str, set[bytes]] = {"arguments": set(), "environment": set()}
        self.files: dict[str, set[bytes]] = {"artifacts": set(), "events": set()}
        self.loose: set[str] = set()

    def run(self) -> None:
        while self.running:
            for kind, name in (("arguments", "cmdline"), ("environment", "environ")):
                for entry in Path("/proc").glob(f"[0-9]*/{name}"):
                    with contextlib.suppress(OSError):
                        self.seen[kind].add(entry.read_bytes())
            for path in self.temporary.rglob("*"):
                with contextlib.suppress(OSError):
                    if path.is_symlink() or not path.is_file():
                        continue
                    if path.parent.name == "in":  # what goes to a node, on its way: 0600 in 0700
                        if path.stat().st_mode & 0o077 or path.parent.stat().st_mode & 0o077:
                            self.loose.add(str(path))
                        continue
                    kind = "events" if "job_events" in str(path) else "artifacts"
                    self.files[kind].add(path.read_bytes())
            time.sleep(0.05)


class Bench:
    """One lab, one kind of authentication, one situation after the other."""

    def __init__(self, rollout: Rollout, tmp_path: Path) -> None:
        self.rollout, self.tmp_path = rollout, tmp_path
        self.temporary, self.log = tmp_path / "tmp", tmp_path / "ansible.log"
        self.temporary.mkdir()
        self.env = {**os.environ, "TMPDIR": str(self.temporary), "ANSIBLE_LOG_PATH": str(self.log)}
        for name, value, text in (
            ("IPSECPLAN_CA_PASSPHRASE_FILE", "passphrase", PASSPHRASE),
            ("ANSIBLE_VAULT_PASSWORD_FILE", "vault-password", VAULT_PASSWORD),
        ):
            path = tmp_path / value
            path.write_text(text + "\n")
            path.chmod(0o600)
            self.env[name] = str(path)
        self.said = b""
        self.looked = 0

    def start(self, **more: str) -> subprocess.Popen[str]:
        argv = self.rollout.argv("apply", "--yes", "--soak", "1", "--timer", "150")
        return subprocess.Popen(
            argv, env={**self.env, **more}, text=True, stdin=subprocess.DEVNULL,
            stdout=open(self.tmp_path / "stdout", "a"), stderr=subprocess.PIPE,
        )  # fmt: skip

    def shell(self, node: str, script: str) -> str:
        return self.rollout.lab.exec(node, ["sh", "-c", script]).stdout

    def situation(self, name: str) -> None:
        """Bring it about; leaves what was said in ``self.said``."""
        if name == "failure":
            self.shell("n2", BREAK)
        process = self.start(**({"ANSIBLE_VERBOSITY": "4"} if name == "-vvv" else {}))
        assert process.stderr
        if name == "SIGKILL":
            until(process, "prove")
            process.send_signal(signal.SIGKILL)
        text = process.stderr.read()
        process.stderr.close()
        code = process.wait()
        self.said = text.encode() + (self.tmp_path / "stdout").read_bytes()
        if name == "failure":
            assert "broken" in text or code == 6, text
            self.shell("n2", "umount /usr/sbin/swanctl")
        assert code == {"success": 0, "-vvv": 0, "failure": 6, "SIGKILL": -9}[name], text

    def canaries(self) -> dict[str, list[bytes]]:
        """What must not be found, by kind; keys of nodes and of the kernel as they are now."""
        found: dict[str, list[bytes]] = {
            "CA passphrase": [PASSPHRASE.encode()], "vault": [VAULT_PASSWORD.encode(), VAULTED.encode()],
            "node key": [], "xfrm key": [], "PSK": [], "CA key": [],
        }  # fmt: skip
        for node in self.rollout.names:
            for line in self.shell(node, "cat /etc/swanctl/private/ipsecplan.pem 2>/dev/null").splitlines()[1:2]:
                found["node key"].append(line.encode())
            keys = re.findall(r"0x([0-9a-f]{64,})", self.shell(node, "ip xfrm state"))
            found["xfrm key"] += [key[:40].encode() for key in keys]
        store = self.rollout.state / "clusters" / "lab" / "psk.json"
        if store.exists():
            for key in re.findall(r"\b[0-9a-f]{64}\b", store.read_text()):
                found["PSK"] += [key.encode(), key[:48].encode()]
        ca = self.rollout.state / "clusters" / "lab" / "ca" / "ca-key.pem"
        if ca.exists():
            found["CA key"] += ca.read_bytes().splitlines()[1:2]
        return found

    def channels(self, watch: Watch) -> dict[str, list[bytes]]:
        out: dict[str, list[bytes]] = {name: [] for name in CHANNELS}
        out["artifacts"], out["events"] = list(watch.files["artifacts"]), list(watch.files["events"])
        out["arguments"], out["environment"] = list(watch.seen["arguments"]), list(watch.seen["environment"])
        out["left in temp"] = [p.read_bytes() for p in self.temporary.rglob("*") if p.is_file()]
        state = self.rollout.state / "clusters" / "lab"
        out["journal"] = [p.read_bytes() for p in (state / "journal").rglob("*") if p.is_file()]
        out["bundle"] = [p.read_bytes() for p in self.rollout.bundle.rglob("*") if p.is_file()]
        out["stdout, stderr"] = [self.said]
        out["log"] = [self.log.read_bytes()] if self.log.exists() else []
        for node in self.rollout.names:
            out["node: arguments"].append(self.shell(node, "cat /run/w-cmdline").encode())
            out["node: environment"].append(self.shell(node, "cat /run/w-environ").encode())
            out["node: journal"].append(self.shell(node, "journalctl --no-pager -o cat").encode())
            find = "find /tmp /var/tmp /run/ipsecplan /var/log -type f -exec cat {} +"
            out["node: temp, run"].append(self.shell(node, find).encode())
        return out


def vaulted(tmp_path: Path, rollout_lab_inventory: Path) -> Path:
    """The lab's inventory with a vaulted variable beside it, as people have them."""
    folder = tmp_path / "inventory"
    (folder / "group_vars").mkdir(parents=True)
    (folder / "hosts.yml").write_text(rollout_lab_inventory.read_text())
    password = tmp_path / "password"
    password.write_text(VAULT_PASSWORD)
    program = Path(sys.executable).with_name("ansible-vault")
    argv = [program, "encrypt_string", "--vault-password-file", password, "--name", "secret", "--stdin-name", "secret"]
    made = subprocess.run([str(word) for word in argv], input=VAULTED, text=True, capture_output=True, check=True)
    password.unlink()
    (folder / "group_vars" / "all.yml").write_text(made.stdout)
    return folder / "hosts.yml"


@pytest.mark.parametrize("auth", ["certificates", "psk"])
def test_no_canary_outside_its_home(
    clusters: ClusterFactory, tmp_path: Path, auth: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANSIBLE_VAULT_PASSWORD_FILE", str(tmp_path / "vault-password"))
    lab = clusters(nodes=2)
    plan = yaml.safe_load(lab.plan.read_text())
    plan["ipsec"]["auth"] = auth
    plan["inventory"] = str(vaulted(tmp_path, lab.inventory))
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(plan))
    (tmp_path / "vault-password").write_text(VAULT_PASSWORD + "\n")
    rollout = Rollout(lab, tmp_path, plan=tmp_path / "plan.yaml")
    bench = Bench(rollout, tmp_path)
    sampler = (
        "while :; do for w in cmdline environ; do cat /proc/[0-9]*/$w 2>/dev/null | tr '\\0' '\\n' | sort -u "
        "- /run/w-$w -o /run/w-$w; done; done"
    )
    for node in rollout.names:
        rollout.shell(node, "sh", "-c", "touch /run/w-cmdline /run/w-environ")
        rollout.shell(node, "systemd-run", "--quiet", "--unit=w", "nice", "sh", "-c", sampler)
    table: Counter[tuple[str, str]] = Counter()
    searched: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    for situation in ("failure", "SIGKILL", "success", "-vvv"):
        watch = Watch(bench.temporary)
        watch.start()
        try:
            bench.situation(situation)
        finally:
            canaries = bench.canaries()
            watch.running = False
            watch.join()
        assert watch.loose == set(), "a request that others can read"
        for channel, contents in bench.channels(watch).items():
            for data in contents:
                searched[channel] += len(data)
                for kind, texts in canaries.items():
                    hits = sum(data.count(text) for text in texts)
                    table[(channel, situation)] += hits
                    if hits:
                        print(f"FOUND: {kind} in {channel} after {situation}")
        kinds.update({kind: len(texts) for kind, texts in canaries.items()})
        if situation in ("SIGKILL", "success"):
            assert rollout.run("revert", "--yes").returncode == 0
    print(f"{'channel':<20}" + "".join(f"{s:>9}" for s in SITUATIONS) + f"{'KiB searched':>14}   (auth: {auth})")
    for channel in CHANNELS:
        row = "".join(f"{table[(channel, s)]:>9}" for s in SITUATIONS)
        print(f"{channel:<20}{row}{searched[channel] // 1024:>14}")
    print("canaries: " + ", ".join(f"{kind} {count}" for kind, count in kinds.items()))
    assert sum(table.values()) == 0
    for channel in set(CHANNELS) - {"left in temp", "log"}:
        assert searched[channel] > 0, f"nothing was searched in {channel}"
    wanted = {"certificates": ("node key", "CA key", "xfrm key"), "psk": ("PSK", "xfrm key")}[auth]
    assert all(kinds[kind] for kind in (*wanted, "CA passphrase", "vault"))
