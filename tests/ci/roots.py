"""A Debian root with the Python that this machine lacks: made once by mmdebstrap, kept, and entered by chroot.

The packages come from this machine's own mirror (`netplan.lab.sources`, as for the lab's nodes), and pip inside uses
this machine's settings for pip: index, proxy, certificates.
"""

from __future__ import annotations

import ast
import hashlib
import os
import platform
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from netplan.lab import sources
from netplan.lab.packages import find_program
from netplan.lab.paths import cache_home, locked, remove_tree

# The Debian release that has a version as its python3; sid moves on, which is found out when the root is made.
SUITES = {"3.11": "bookworm", "3.13": "trixie", "3.14": "sid"}
# python3-venv for the tests' environment, the rest is what the tests start
PACKAGES = (
    *("python3-venv", "ca-certificates", "git", "iproute2", "iputils-ping"),
    *("make", "mount", "nftables", "openssh-client", "procps", "tmux"),
)
AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
_PASSED_ON = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE")
# $1 root, then paths to have at the same place, then -- and the command; all mounts end with the process
_ENTER = """\
set -eu
root=$1; shift
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
mount -t tmpfs -o mode=0755 tmpfs "$root/run"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
while [ "$1" != -- ]; do
  if [ -d "$1" ]; then mkdir -p "$root$1"; else mkdir -p "$root${1%/*}"; [ -e "$root$1" ] || : >"$root$1"; fi
  mount --bind "$1" "$root$1"
  shift
done
shift
exec chroot "$root" "$@"
"""


class NoRootError(Exception):
    """The root can't be made; the message says why."""


def why_not(version: str) -> str:
    """Return why there can be no root with that Python here, or nothing."""
    if version not in SUITES:
        return "no release of Debian has it as its python3"
    return no_root(SUITES[version])


def no_root(suite: str) -> str:
    """Return why no root of that suite can be made here, or nothing."""
    if os.geteuid():
        return f"making a Debian {suite} root needs root"
    if find_program("mmdebstrap") is None:
        return f"making a Debian {suite} root needs mmdebstrap and debian-archive-keyring"
    return ""


def ensure(version: str) -> Path:
    """Return the root with that Python, made if there is none; raises NoRootError."""
    return root(SUITES[version], PACKAGES, f"usr/bin/python{version}", kind="pythons", words=(version,))


def root(suite: str, packages: Sequence[str], program: str, *, kind: str, words: Sequence[str] = ()) -> Path:
    """Return the one root of that kind and suite with ``packages``, made if there is none; raises NoRootError.

    ``program`` is a path in it that has to be there; ``words`` are further parts of its name.
    """
    key = hashlib.sha256(" ".join((suite, *words, platform.machine(), *packages)).encode()).hexdigest()[:12]
    home = cache_home().parent / kind
    folder = home / f"{suite}-{key}"
    home.mkdir(parents=True, exist_ok=True)
    with locked(home / "lock"):
        if not (folder / program).exists():
            for old in home.glob(f"{suite}-*"):
                remove_tree(old)
            make(suite, packages, program, folder)
    return folder


def make(suite: str, packages: Iterable[str], program: str, folder: Path) -> None:
    """Make a root of a suite at ``folder``, whole or not at all; it has to have ``program``. Raises NoRootError."""
    partial = folder.with_name(f"{folder.name}.part")
    log = folder.with_name(f"{suite}.log")
    remove_tree(partial)
    try:
        with tempfile.TemporaryDirectory(prefix="ipsecplan-root-") as scratch, log.open("wb") as out:
            work = Path(scratch)
            work.chmod(0o755)  # apt fetches as a user of its own
            found = sources.find(work, suite, variable=False)
            (work / "sources.list").write_text(found.lines, encoding="utf-8")
            (work / "apt.conf").write_text(sources.settings(), encoding="utf-8")
            command = [
                *(find_program("mmdebstrap") or "mmdebstrap", "--mode=root", "--variant=essential"),
                *(f"--include={','.join(packages)}", sources.keyrings(work), f"--aptopt={work / 'apt.conf'}"),
                *(suite, str(partial), str(work / "sources.list")),
            ]
            done = subprocess.run(
                command,
                check=False,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                timeout=1200,
                umask=0o022,
                env={**os.environ, "LC_ALL": "C.UTF-8", "PATH": os.environ.get("PATH", "") + ":/usr/sbin:/sbin"},
            )
        if done.returncode:
            raise NoRootError(f"mmdebstrap ended with {done.returncode}: {_tail(log)} (all of it: {log})")
        if not (partial / program).exists():
            names = sorted(path.name for path in partial.glob("usr/bin/python3.*[0-9]"))
            raise NoRootError(f"Debian {suite} has no /{program} any more; Python: {', '.join(names) or 'none'}")
        partial.rename(folder)
    except (OSError, subprocess.SubprocessError) as error:
        raise NoRootError(str(error)) from error
    finally:
        remove_tree(partial)


def _tail(log: Path) -> str:
    return "; ".join(log.read_text(errors="replace").splitlines()[-3:])


def enter(root: Path, checkout: Path, settings: Mapping[str, str]) -> list[str]:
    """Return the words before a command that is to run in the root, in the checkout, which is there at its own path.

    ``settings``: environment variables of pip's, of which the paths that exist here are there too.
    """
    own = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    variables = {
        "HOME": "/root",
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LANG": "C.UTF-8",
        "TERM": "xterm-256color",
        **own,
        **settings,
    }
    files = [AUTHORITIES, "/etc/resolv.conf", *_paths({**own, **settings}.values()), str(checkout)]
    shared = [path for path in dict.fromkeys(files) if Path(path).exists()]
    return [
        *("unshare", "--mount", "--propagation", "private", "sh", "-c", _ENTER, "sh", str(root), *shared, "--"),
        *("env", "-i", "-C", str(checkout), *(f"{name}={value}" for name, value in variables.items())),
    ]


def _paths(values: Iterable[str]) -> list[str]:
    words = [Path(word.removeprefix("file://")) for value in values for word in value.split()]
    # the pages of a local index, .../simple, have its files beside them
    return [str(word.parent if word.name == "simple" else word) for word in words if word.is_absolute()]


def pip_settings(listed: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Return what `pip config list` printed, and pip's variables of the environment, all as variables."""
    found: dict[str, str] = {}
    for line in listed.splitlines():
        name, _, value = line.partition("=")
        section, _, key = name.partition(".")
        if section in ("global", "install") and value:
            found[f"PIP_{key.upper().replace('-', '_')}"] = " ".join(str(ast.literal_eval(value)).split())
    return found | {name: value for name, value in environment.items() if name.startswith("PIP_")}
