"""What the lab needs installed: here, and in its image. ``python -m netplan.lab.packages`` prints the former."""

from __future__ import annotations

import os
import shutil

from netplan.problems import ExitCode, Problem, ProblemError

# program -> Debian package that has it
PROGRAMS = {
    "qemu-system-x86_64": "qemu-system-x86",
    "mmdebstrap": "mmdebstrap",
    "mke2fs": "e2fsprogs",
    "busybox": "busybox-static",
    "cpio": "cpio",
    "modprobe": "kmod",
    "zstd": "zstd",
    "ssh": "openssh-client",
}
HOST_PACKAGES = tuple(sorted(set(PROGRAMS.values())))  # packages.txt says the same, for the Makefile
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
    "openssh-server",
    "passwd",
    "procps",
    "python3",
    "strongswan-pki",
    "strongswan-swanctl",
    "systemd",
    "systemd-container",
    "systemd-sysv",
    "tcpdump",
)
# The metapackage follows Debian's security updates; its dependency is the kernel itself.
KERNEL_PACKAGE = "linux-image-cloud-amd64"
SUITE = "bookworm"

_SBIN = ("/usr/local/sbin", "/usr/sbin", "/sbin")


def find_program(name: str) -> str | None:
    """Return the path of a program, looked for in PATH and in the folders a plain user's PATH lacks."""
    return shutil.which(name) or shutil.which(name, path=os.pathsep.join(_SBIN))


def require_programs(*, build: bool) -> None:
    """Raise a Problem with the line that installs whatever is missing; ``build`` asks for the image builder's too."""
    missing = [p for p in PROGRAMS if (build or p not in BUILD_ONLY) and find_program(p) is None]
    if missing:
        packages = " ".join(sorted({PROGRAMS[p] for p in missing}))
        raise ProblemError(
            Problem(
                code="IPP802",
                message=f"the lab needs programs that aren't installed here: {', '.join(missing)}",
                hint=f"apt-get install --no-install-recommends {packages}",
            ),
            ExitCode.FAILURE,
        )


if __name__ == "__main__":
    print(" ".join(HOST_PACKAGES))  # noqa: T201
