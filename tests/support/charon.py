"""A real charon without a node: of this machine, or of a Debian root that is made once, in namespaces of its own.

It needs no ESP in the kernel: here it only reads connections, and logs what it made of them.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from tests.ci import roots

PACKAGES = (
    *("charon-systemd", "strongswan-swanctl", "libstrongswan-standard-plugins", "libstrongswan-extra-plugins"),
    *("libcharon-extra-plugins", "iproute2", "util-linux", "coreutils"),
)
HERE = Path("/")
# $1 root, $2 folder with what it reads, and for what it says; mounts and processes end with it
_RUN = """\
set -eu
root=${1%/}
mount --make-rprivate /
if [ -n "$root" ]; then
  mount --bind "$root" "$root"
  mount --rbind /dev "$root/dev"
  mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
fi
mount -t proc proc "$root/proc"
mkdir -p "$root/run"
mount -t tmpfs -o mode=0755 tmpfs "$root/run"
mkdir "$root/run/case"
mount --bind "$2" "$root/run/case"
ip link set lo up
export STRONGSWAN_CONF=/run/case/strongswan.conf
chroot "$root/" /usr/sbin/charon-systemd >"$2/charon" 2>&1 &
for _ in $(seq 100); do [ -S "$root/run/charon.vici" ] && break; sleep 0.1; done
chroot "$root/" swanctl --version --daemon >"$2/version"
chroot "$root/" swanctl --list-algs >"$2/algorithms"
chroot "$root/" swanctl --load-conns --file /run/case/swanctl.conf >"$2/said" 2>&1 || :
"""
_SETTINGS = """\
charon-systemd {
    load_modular = yes
    plugins {
        include /etc/strongswan.d/charon/*.conf
    }
    filelog {
        case {
            path = /run/case/log
            default = 0
            cfg = 2
        }
    }
}
swanctl {
    load = pem pkcs1 x509 pkcs8 openssl random
}
"""


class Said:
    """What a charon made of a file: its version, its algorithms, what was refused, the proposals of each connection."""

    def __init__(self, folder: Path) -> None:
        found = re.search(r"strongSwan ([0-9.]+)", (folder / "version").read_text())
        assert found, (folder / "charon").read_text()
        self.version = tuple(int(part) for part in found[1].split("."))
        self.algorithms = (folder / "algorithms").read_text()
        said = (folder / "said").read_text()
        self.refused = dict(re.findall(r"loading connection '([^']+)' failed: (.*)", said))
        self.proposals: dict[tuple[str, str], str] = {}  # (connection, ESP or IKE) -> its words
        name = ""
        for line in (folder / "log").read_text().splitlines():
            if begin := re.search(r" conn (\S+):", line):
                name = begin[1]
            elif words := re.search(r"proposals = (ESP|IKE):(\S*)", line):
                self.proposals[name, words[1]] = words[2]


def why_not() -> str:
    """Return why no charon can be started here, or nothing."""
    return "" if os.geteuid() == 0 and shutil.which("ip") and shutil.which("unshare") else "needs root and iproute2"


def root(suite: str) -> Path:
    """Return a root with the charon of a suite, made if there is none. Raises NoRootError."""
    return roots.root(suite, PACKAGES, "usr/sbin/charon-systemd", kind="charons")


def read(where: Path, connections: str, folder: Path) -> Said:
    """Have the charon of a root (``HERE``: this machine's) read a swanctl.conf; ``folder`` is an empty one."""
    (folder / "swanctl.conf").write_text(connections)
    (folder / "strongswan.conf").write_text(_SETTINGS)
    subprocess.run(
        ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", _RUN, "sh", where, folder],
        check=True,
        stdin=subprocess.DEVNULL,
        timeout=120,
    )
    return Said(folder)
