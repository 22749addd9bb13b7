"""Packages that the lab needs, here and in its image. ``python -m netplan.lab.packages`` prints the former."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from netplan.problems import ExitCode, fail

# program -> Debian package that has it
PROGRAMS = {
    "qemu-system-x86_64": "qemu-system-x86",
    "mmdebstrap": "mmdebstrap",
    "mke2fs": "e2fsprogs",
    "busybox": "busybox-static",
    "cpio": "cpio",
    "modprobe": "kmod",
    "mount": "mount",
    "zstd": "zstd",
    "ssh": "openssh-client",
}
# The keys of Debian's releases, older and newer than this machine's: the name in new releases and the one in old ones.
ARCHIVE_KEYRINGS = (
    "/usr/share/keyrings/debian-archive-keyring.pgp",
    "/usr/share/keyrings/debian-archive-keyring.gpg",
)
_KEYRING_PACKAGE = "debian-archive-keyring"
HOST_PACKAGES = tuple(sorted({*PROGRAMS.values(), _KEYRING_PACKAGE}))  # packages.txt says the same, for the Makefile
# program -> Debian package, to build the kernel of the backend "uml" and to start it
KERNEL_PROGRAMS = {
    "gcc": "gcc libc6-dev",
    "ld": "binutils",
    "make": "make",
    "flex": "flex",
    "bison": "bison",
    "bc": "bc",
    "xz": "xz-utils",
    "ip": "iproute2",
    "unshare": "util-linux",
}
# needed to build an image, not to start one
BUILD_ONLY = frozenset({"mmdebstrap", "mke2fs", "busybox", "cpio", "modprobe"})

# No recommended packages come with these; "essential" packages of Debian are there anyway, and apt is not.
IMAGE_PACKAGES = (
    "charon-systemd",
    "containernetworking-plugins",
    "dbus",
    "ethtool",
    "iproute2",
    "iputils-ping",
    "kmod",
    "libstrongswan-standard-plugins",
    "mount",
    "nftables",
    "opendoas",
    "openssh-server",
    "passwd",
    "procps",
    "python3",
    "strongswan-pki",
    "strongswan-swanctl",
    "sudo",
    "systemd",
    "systemd-container",
    "systemd-sysv",
    "tcpdump",
)
# An unmanaged peer has another IPsec daemon in place of strongSwan.
OF_STRONGSWAN = frozenset({"charon-systemd", "libstrongswan-standard-plugins", "strongswan-pki", "strongswan-swanctl"})
OF_PEERS = {"libreswan": ("libreswan",)}
# The metapackage follows Debian's security updates; its dependency is the kernel itself.
KERNEL_PACKAGE = "linux-image-cloud-amd64"
# A new version of one of these is a new image: they decide what a node does.
VERSIONED = ("charon-systemd", "iproute2", "nftables", "openssh-server", "systemd")
VERSIONED_PEERS = tuple(name for names in OF_PEERS.values() for name in names)

_SBIN = ("/usr/local/sbin", "/usr/sbin", "/sbin")


def image_packages(peer: str) -> tuple[str, ...]:
    """Return the packages of an image; ``peer`` is the IPsec daemon of an unmanaged peer, "" strongSwan."""
    if not peer:
        return IMAGE_PACKAGES
    return tuple(sorted({*IMAGE_PACKAGES, *OF_PEERS[peer]} - OF_STRONGSWAN))


def find_program(name: str) -> str | None:
    """Return the path of a program, looked for in PATH and in the folders a plain user's PATH lacks."""
    return shutil.which(name) or shutil.which(name, path=os.pathsep.join(_SBIN))


def require_programs(*, build: bool) -> None:
    """Raise a Problem with the line that installs whatever is missing; ``build`` asks for the image builder's too."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        fail(
            "IPP804",
            f"the lab needs Linux on x86_64; this is {platform.system()} on {platform.machine()}",
            hint="run it in a virtual machine with Debian; everything else of ipsecplan works here",
            exit_code=ExitCode.FAILURE,
        )
    _require({p: package for p, package in PROGRAMS.items() if build or p not in BUILD_ONLY}, keys=build)


def require_kernel_programs() -> None:
    """Raise a Problem with the line that installs what building and starting the kernel of the backend "uml" needs."""
    _require(KERNEL_PROGRAMS | {"mmdebstrap": PROGRAMS["mmdebstrap"], "modprobe": PROGRAMS["modprobe"]}, keys=True)


def _require(programs: Mapping[str, str], *, keys: bool) -> None:
    missing = {program: package for program, package in programs.items() if find_program(program) is None}
    if keys and not any(Path(path).exists() for path in ARCHIVE_KEYRINGS):
        missing["Debian's archive keys"] = _KEYRING_PACKAGE
    if not missing:
        return
    names = sorted({name for packages in missing.values() for name in packages.split()})
    line = f"apt-get install --no-install-recommends {' '.join(names)}"
    elsewhere = "run the lab on Debian 12 or later (a virtual machine will do); everything else of ipsecplan works here"
    fail(
        "IPP802",
        f"the lab needs what isn't installed here: {', '.join(missing)}",
        hint=line if find_program("apt-get") else elsewhere,
        exit_code=ExitCode.FAILURE,
    )


if __name__ == "__main__":
    print(" ".join(HOST_PACKAGES))  # noqa: T201
