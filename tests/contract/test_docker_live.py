"""dockerd for real, in namespaces of its own: containers on the default bridge, on a bridge network, on a swarm
overlay and on an encrypted one end with the MTU that the adapters say.

Needs root, docker.io and busybox. Nothing of the machine's own network is touched.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import uuid
from pathlib import Path

import pytest
import yaml

from netplan.cni import ADAPTERS
from netplan.cni.adapter import CniRequest
from netplan.cni.adapters.docker import ENCRYPTED_OVERLAY, OPTION
from netplan.stack import parse, solve

SCRIPT = Path(__file__).with_name("docker_live.sh")
PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
PROGRAMS = ("dockerd", "docker", "runc", "containerd", "busybox", "unshare", "ip")
LACKING = [name for name in PROGRAMS if not shutil.which(name, path=PATH)]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0 or bool(LACKING), reason=f"needs root and {' '.join(LACKING) or 'nothing'}"),
]
LINK = 1500


@pytest.fixture
def group():
    """A cgroup of our own, away afterwards."""
    name = f"ipsecplan-test-{uuid.uuid4().hex[:8]}"
    yield name
    for folder in Path("/sys/fs/cgroup").glob(f"**/{name}"):
        for inner in sorted((f for f in folder.glob("**/*") if f.is_dir()), reverse=True):
            with contextlib.suppress(OSError):
                inner.rmdir()
        with contextlib.suppress(OSError):
            folder.rmdir()


def test_containers_end_with_the_planned_mtu(tmp_path, group):
    pod = solve(parse("ip4/esp:aes256gcm16/udp/vxlan/eth/ip4"), LINK).inner_mtu
    network = CniRequest(pod_mtu=pod, link_mtu=LINK, encap="vxlan", options={"version": "20.10", "name": "over"})
    daemon = next(a for a in ADAPTERS["docker"].render(network) if a.path.endswith("daemon.json"))
    (stack,) = ADAPTERS["docker-overlay"].render(network)
    option = yaml.safe_load(stack.text)["networks"]["over"]["driver_opts"][OPTION]
    (tmp_path / "daemon.json").write_text(daemon.text)
    for name, value in (("bridge", pod), ("overlay", option), ("encrypted", LINK)):
        (tmp_path / name).write_text(str(value))
    run = subprocess.run(
        [
            "unshare",
            "--net",
            "--mount",
            "--pid",
            "--fork",
            "--mount-proc",
            "--kill-child",
            "sh",
            str(SCRIPT),
            str(tmp_path),
            group,
        ],
        capture_output=True,
        text=True,
        timeout=240,
        env={**os.environ, "PATH": PATH},
        check=False,
    )
    log = tmp_path / "dockerd.log"
    assert run.returncode == 0, run.stderr + (log.read_text()[-3000:] if log.exists() else "")
    found = {row["network"]: row["mtu"] for row in map(json.loads, run.stdout.splitlines())}
    assert found == {
        "default": pod,
        "own": pod,
        "overlay": pod,
        "encrypted": ENCRYPTED_OVERLAY.pod_mtu(LINK, "vxlan", "ipv4"),
    }
    assert (pod, found["encrypted"]) == (1416, 1424)
