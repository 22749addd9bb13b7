"""Chooses the lab backend that works on this machine. Each is probed with a time limit."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from netplan.lab import namespaces_backend, qemu, uml, uml_kernel
from netplan.lab.image import Image
from netplan.lab.paths import cache_home, private_dir, remove_tree, write
from netplan.lab.process import Progress
from netplan.problems import ExitCode, fail

_EMULATE = "use --backend emulated"
BackendName = Literal["direct", "kvm", "emulated", "uml"]
UNSAVED: tuple[BackendName, ...] = ("direct", "uml")  # whose machine has no memory that could be written down
_KVM_LIMIT = 60.0  # seconds in which a guest under KVM has printed nothing new; a working one needs about one


@dataclass(frozen=True, slots=True)
class Backend:
    """The chosen backend and the reason, in words for people."""

    name: BackendName
    reason: str


def choose(wanted: str, image: Image, say: Callable[[str], None]) -> Backend:
    """Return the backend to use: the one asked for, or for "auto" the fastest that works."""
    if wanted == "emulated":
        return Backend("emulated", "asked for")
    if wanted == "uml":
        if (why := uml.refusal()) is not None:
            fail(
                "IPP804",
                f"a lab in User Mode Linux doesn't work here: {why}",
                hint=_EMULATE,
                exit_code=ExitCode.FAILURE,
            )
        uml_kernel.ensure(say)
        return Backend("uml", "asked for")
    not_direct = direct_refusal(image) if wanted in ("auto", "direct") else None
    if wanted == "direct" and not_direct is not None and not not_direct.startswith(namespaces_backend.LACKS):
        fail(
            "IPP804",
            f"a lab on the host's own kernel doesn't work here: {not_direct}",
            hint=_EMULATE,
            exit_code=ExitCode.FAILURE,
        )
    if wanted == "direct":
        return Backend("direct", "asked for" + (f", but {not_direct}" if not_direct else ""))
    if wanted == "auto" and not_direct is None:
        return Backend("direct", "the host's own kernel has all that is needed")
    not_kvm = kvm_refusal(image, say)
    if not_kvm is None:
        return Backend("kvm", "KVM boots the lab's own kernel" + (f"; not direct: {not_direct}" if not_direct else ""))
    if wanted == "kvm":
        fail("IPP804", f"KVM doesn't work here: {not_kvm}", hint=_EMULATE, exit_code=ExitCode.FAILURE)
    return Backend("emulated", f"not direct: {not_direct}; not kvm: {not_kvm}")


def machine(name: str, folder: Path) -> qemu.Machine | namespaces_backend.DirectMachine:
    """Return what runs a lab of that backend in a folder."""
    if name == "uml":
        return uml.UmlMachine(folder)
    return namespaces_backend.DirectMachine(folder) if name == "direct" else qemu.Machine(folder)


def kvm_refusal(image: Image, say: Callable[[str], None]) -> str | None:
    """Return why KVM can't be used, or None when it can: only a guest that really boots proves it."""
    if Path("/sys/module/kvm_pvm").exists():
        return "the host's KVM is the PVM variant, which doesn't boot stock kernels"
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "/dev/kvm is missing or not ours to use"

    def probe() -> str | None:
        say("trying KVM")
        return None if _boots(image) else f"a guest printed nothing in {_KVM_LIMIT:.0f} s"

    return _remembered("kvm", [*_kernel(), qemu.version(), image.key], probe)


def direct_refusal(image: Image) -> str | None:
    """Return why the host's own kernel can't be used, or None when it can."""
    if os.geteuid() != 0:
        return "it needs root"
    return _remembered("direct", [*_kernel(), image.key], lambda: namespaces_backend.refusal(image))


def _kernel() -> list[str | float]:
    """Return what changes when the kernel, its modules or the boot do."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    try:
        modules = Path(f"/lib/modules/{platform.release()}").stat().st_mtime
    except OSError:
        modules = 0.0
    return [platform.release(), boot, modules]


def _remembered(name: str, about: list[str | float], probe: Callable[[], str | None]) -> str | None:
    """Return what the probe said last time if all that it depends on is the same, else probe."""
    note = cache_home() / f"{name}.json"
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        known = json.loads(note.read_text(encoding="utf-8"))
        if known["about"] == about:
            return str(known["refusal"]) if known["refusal"] else None
    refusal = probe()
    private_dir(note.parent)
    write(note, json.dumps({"about": about, "refusal": refusal}))
    return refusal


def _boots(image: Image) -> bool:
    folder = Path(tempfile.mkdtemp(prefix="ipsecplan-kvm-"))
    try:
        write(folder / "config.tar", bytes(10240))
        guest = qemu.Machine(folder)
        guest.start(image, "kvm", memory=512, ports={}, addresses={})
        try:
            progress = Progress(_KVM_LIMIT)
            while guest.alive() and progress.goes_on(said := guest.console()):
                if "lab:" in said:
                    return True
                time.sleep(0.1)
            return False
        finally:
            guest.kill()
    finally:
        remove_tree(folder)
