"""A quicker emulator for the tests of the lab than Debian 12 has.

``python -m tests.ci.emulator`` unpacks QEMU from the backports of this machine's release into the environment, where
it is installed for nobody; tests/lab/conftest.py puts it into the PATH of the lab's tests. It says what it did, and
always ends with 0: where there is none, the tests take what is installed.

Measured with three emulated nodes on two processors (apply, verify, status, off): 10.0 takes 0.64 of the time of 7.2.
"""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from netplan.lab import sources
from netplan.lab.packages import find_program
from netplan.problems import ProblemError

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".venv" / "qemu"
PROGRAM = "usr/bin/qemu-system-x86_64"
BIN = str((FOLDER / PROGRAM).parent)
ENOUGH = 10  # major version that is not looked for in backports any more
# what apt would install beside them is there already, with the release's own QEMU
PACKAGES = ("qemu-system-x86", "qemu-system-common", "qemu-system-data", "seabios")
_FETCH_S = 900  # seconds for 15 MB


def major(program: str | Path) -> int:
    """Return the major version of a QEMU; 0 if it isn't there or doesn't run."""
    try:
        done = subprocess.run([program, "--version"], check=False, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return 0
    found = re.search(r"version (\d+)", done.stdout)
    return int(found[1]) if found and done.returncode == 0 else 0


def wanted(installed: int, release: dict[str, str]) -> str:
    """Return the suite in which a quicker QEMU is looked for; nothing where the installed one is new enough."""
    debian = release.get("ID") == "debian" and release.get("VERSION_CODENAME")
    return f"{debian}-backports" if debian and installed < ENOUGH and platform.machine() == "x86_64" else ""


def ensure(folder: Path = FOLDER) -> str:
    """Unpack the quicker QEMU into ``folder``, whole or not at all; return in words which one the tests will have."""
    installed = major(find_program("qemu-system-x86_64") or "")
    suite = wanted(installed, sources.os_release())
    if not suite:
        return f"QEMU {installed}, as installed"
    if major(folder / PROGRAM) < ENOUGH:
        partial = folder.with_name(f"{folder.name}.part")
        shutil.rmtree(partial, ignore_errors=True)
        try:
            _unpack(suite, partial)
            if major(partial / PROGRAM) < ENOUGH:
                return f"QEMU {installed}, as installed: that of {suite} doesn't run here, or is no newer"
            shutil.rmtree(folder, ignore_errors=True)
            partial.rename(folder)
        except (ProblemError, OSError, subprocess.SubprocessError) as error:
            return f"QEMU {installed}, as installed; none from {suite}: {error}"
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return f"QEMU {major(folder / PROGRAM)} of {suite}, unpacked for the tests alone"


def _unpack(suite: str, folder: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="ipsecplan-qemu-") as scratch:
        work = Path(scratch)
        work.chmod(0o755)  # apt fetches as a user of its own
        lines = sources.find(work, suite, variable=False).lines
        trust = sources.keyrings(work).removeprefix("--keyring=")
        config = ("-c", str(sources.private_apt(work / "apt", lines, trust, indexes=True)))
        said = sources.apt("apt-get", "-q", *config, "update", limit=_FETCH_S)
        packages = work / "packages"
        packages.mkdir()
        said += sources.apt("apt-get", "-q", *config, "download", *PACKAGES, limit=_FETCH_S, folder=packages)
        found = sorted(packages.glob("*.deb"))
        if len(found) != len(PACKAGES):
            raise OSError(said[-400:])
        folder.mkdir(parents=True)
        for package in found:
            subprocess.run(["dpkg-deb", "-x", package, folder], check=True, timeout=_FETCH_S)


if __name__ == "__main__":
    print(f"emulator for the lab's tests: {ensure()}")
