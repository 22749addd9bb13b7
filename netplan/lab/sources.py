"""Debian package sources for the image, taken from this machine's own apt configuration at run time.

So a local mirror, a proxy and relaxed date checks that hold for this machine hold for the image too, and no host name
has to be written here. On a machine without sources for our suite, IPSECPLAN_LAB_APT_SOURCES names a sources.list file.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
from pathlib import Path

from netplan.lab.packages import KERNEL_PACKAGE, SUITE
from netplan.lab.paths import cache_home, private_dir, write
from netplan.problems import ExitCode, Problem, ProblemError

# What of the host's apt settings matters for fetching packages; the rest is about the host's own system.
_SETTINGS = re.compile(r"^Acquire::(http|https|Check-Valid-Until|Check-Date|Retries|ForceIPv[46])\b", re.IGNORECASE)
_KEYRINGS = ("/usr/share/keyrings", "/etc/apt/keyrings", "/etc/apt/trusted.gpg.d")
_LISTS = ("/etc/apt/sources.list", "/etc/apt/sources.list.d", "/var/lib/apt/lists")


def source_lines() -> str:
    """Return the lines of a sources.list for the image's suite."""
    own = os.environ.get("IPSECPLAN_LAB_APT_SOURCES")
    if own:
        return Path(own).read_text(encoding="utf-8")
    wanted = "deb $(REPO_URI) $(RELEASE) $(COMPONENT)"
    text = _apt("apt-get", "indextargets", "--format", wanted, "Created-By: Packages")
    lines = sorted({line for line in text.splitlines() if _is_ours(line)})
    if not lines:
        raise ProblemError(
            Problem(
                code="IPP803",
                message=f"this machine's apt has no source for Debian {SUITE}, which the lab's nodes run",
                hint="put some into a file, name it in IPSECPLAN_LAB_APT_SOURCES, and install debian-archive-keyring",
            ),
            ExitCode.FAILURE,
        )
    return "\n".join(lines) + "\n"


def _is_ours(line: str) -> bool:
    words = line.split()
    return len(words) == 4 and words[2] in (SUITE, f"{SUITE}-updates", f"{SUITE}-security") and words[3] == "main"


def settings() -> str:
    """Return this machine's apt settings for fetching (proxy, certificates, credentials file), in apt.conf form."""
    lines = [line for line in _apt("apt-config", "dump").splitlines() if _SETTINGS.match(line)]
    lines.append('Dir::Etc::netrc "/etc/apt/auth.conf";')
    lines.append('Dir::Etc::netrcparts "/etc/apt/auth.conf.d";')
    lines.append('Apt::Install-Recommends "false";')
    return "\n".join(lines) + "\n"


def keyrings() -> list[str]:
    """Return the folders of this machine's archive keys, as options of mmdebstrap."""
    return [f"--keyring={folder}" for folder in _KEYRINGS if Path(folder).is_dir()]


def kernel_version() -> str:
    """Return "PACKAGE VERSION" of the kernel that apt would install now, or "unknown" where apt doesn't list it.

    Asking apt takes over half a second, so the answer is kept until the package lists change.
    """
    stamp = hashlib.sha256(json.dumps([_stamp(path) for path in _LISTS]).encode()).hexdigest()[:16]
    note = cache_home() / "kernel.json"
    try:
        known = json.loads(note.read_text(encoding="utf-8"))
        if known["stamp"] == stamp:
            return str(known["kernel"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    text = _apt("apt-cache", "show", "--no-all-versions", KERNEL_PACKAGE)
    found = re.search(r"^Depends:.*?(linux-image-\S+)\s+\(=\s*([^)\s]+)\)", text, re.MULTILINE)
    kernel = f"{found[1]} {found[2]}" if found and found[1].startswith("linux-image-6.1.") else "unknown"
    private_dir(note.parent)
    write(note, json.dumps({"stamp": stamp, "kernel": kernel}))
    return kernel


def _stamp(path: str) -> list[float]:
    try:
        return [Path(path).stat().st_mtime]
    except OSError:
        return []


def _apt(*argv: str) -> str:
    try:
        done = subprocess.run(argv, check=False, capture_output=True, encoding="utf-8", timeout=60)
    except FileNotFoundError:
        return ""
    return done.stdout
