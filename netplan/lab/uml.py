"""The lab in a kernel that is a program (User Mode Linux): dozens of nodes at nearly this machine's own speed.

Its network card is one end of a cable in namespaces of its own, from which ports are forwarded as those of a lab on the
host's own kernel are. It needs root and no virtualization; there is nothing to save or restore.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping
from pathlib import Path

from netplan.lab.config import NETWORK, LabConfig
from netplan.lab.image import Image
from netplan.lab.namespaces_backend import DirectMachine
from netplan.lab.paths import write
from netplan.lab.qemu import processors
from netplan.lab.uml_kernel import FILES, current

_CABLE = "lab0"
_INIT = "/usr/lib/ipsecplan-lab/init.sh"
_DISKS = "/dev/ubd"
_FILTER = "card.bpf"
# The card reads what it has written itself, and the switch behind it would learn that the nodes are outside: a filter
# (struct sock_filter, linux/filter.h) drops frames of the type PACKET_OUTGOING and takes all others.
_INCOMING = b"".join(
    struct.pack("=HBBI", *line)
    for line in ((0x20, 0, 0, 0xFFFFF004), (0x15, 0, 1, 4), (0x06, 0, 0, 0), (0x06, 0, 0, 0x40000))
)


class UmlMachine(DirectMachine):
    """One lab's kernel and its files in ``folder``, with the methods of :class:`netplan.lab.qemu.Machine`."""

    _mark = "lab.uml"

    def launch(
        self, image: Image, config: LabConfig, *, ports: Mapping[str, int], addresses: Mapping[str, str]
    ) -> None:
        """Start the kernel; ``ports`` and ``addresses`` are forwarded as a virtual machine's are."""
        write(self.folder / _FILTER, _INCOMING)
        argv = ["unshare", "--mount", "--net", "--ipc", "--pid", "--fork", "--kill-child=KILL", "--"]
        script = ["sh", str(FILES / "boot.sh"), str(current().program), _CABLE, f"{NETWORK}.1/24", str(config.mtu)]
        argv += [*script, self._marker, *arguments(self.folder, image, config)]
        self._begin(argv, ports, addresses)

    def _clean(self) -> None:
        """Nothing is left: namespaces and the kernel's memory end with its processes."""


def arguments(folder: Path, image: Image, config: LabConfig) -> list[str]:
    """Return the kernel's command line. Words with a small first letter are its own, the others reach ``init.sh``."""
    disks = [image.root, folder / "config.tar", *(other.root for _, other in image.others)]
    return [
        f"mem={config.memory}M",
        f"ncpus={processors()}",
        "seccomp=on",  # without it every system call of the guest is traced, three times as slow
        # c: shared, so without a lock that would keep a virtual machine of the same image out
        *(f"ubd{number}rc={path}" for number, path in enumerate(disks)),
        *("root=/dev/ubda", "rootfstype=ext4", "ro", f"init={_INIT}"),
        # not "tap": with several processors the driver's locks are in queues that only "raw" has
        f"vec0:transport=raw,ifname={_CABLE},depth=128,mac=02:77:00:00:00:fe,bpffile={folder / _FILTER},"
        f"mtu={config.mtu}",
        *("con=null", "con0=fd:0,fd:1", "quiet", "loglevel=3", "panic=-1", f"uml_dir={folder}"),
        *(f"LAB_DISKS={_DISKS}", "LAB_CONSOLE=/dev/tty0", "LAB_CARD=vec0"),
    ]


def refusal() -> str | None:
    """Return why this machine can't run it, or None when it can."""
    return None if os.geteuid() == 0 else "it needs root"
