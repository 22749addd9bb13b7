"""Which way of running the lab works on this machine: probed with time limits, never assumed."""

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

from netplan.lab import qemu
from netplan.lab.image import Image
from netplan.lab.paths import cache_home, private_dir, remove_tree, write
from netplan.problems import ExitCode, Problem, ProblemError

BackendName = Literal["kvm", "emulated"]
_KVM_LIMIT = 20.0  # seconds for a guest under KVM to print its first line; a working one needs about one


@dataclass(frozen=True, slots=True)
class Backend:
    """The chosen backend and the reason, in words for people."""

    name: BackendName
    reason: str


def choose(wanted: str, image: Image, say: Callable[[str], None]) -> Backend:
    """Return the backend to use: the one asked for, or for "auto" the fastest that works."""
    if wanted == "emulated":
        return Backend("emulated", "asked for")
    why_not = kvm_refusal(image, say)
    if why_not is None:
        return Backend("kvm", "KVM boots the lab's own kernel")
    if wanted == "kvm":
        raise ProblemError(
            Problem(code="IPP804", message=f"KVM doesn't work here: {why_not}", hint="use --backend emulated"),
            ExitCode.FAILURE,
        )
    return Backend("emulated", f"KVM doesn't work here: {why_not}")


def kvm_refusal(image: Image, say: Callable[[str], None]) -> str | None:
    """Return why KVM can't be used, or None when it can: only a guest that really boots proves it."""
    if Path("/sys/module/kvm_pvm").exists():
        return "the host's KVM is the PVM variant, which doesn't boot stock kernels"
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "/dev/kvm is missing or not ours to use"
    note = cache_home() / "kvm.json"
    about = [platform.release(), platform.version(), qemu.version(), image.key, os.geteuid()]
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        known = json.loads(note.read_text(encoding="utf-8"))
        if known["about"] == about:
            return str(known["refusal"]) if known["refusal"] else None
    say("trying KVM")
    refusal = None if _boots(image) else f"a guest printed nothing in {_KVM_LIMIT:.0f} s"
    private_dir(note.parent)
    write(note, json.dumps({"about": about, "refusal": refusal}))
    return refusal


def _boots(image: Image) -> bool:
    folder = Path(tempfile.mkdtemp(prefix="ipsecplan-kvm-"))
    try:
        write(folder / "config.tar", bytes(10240))
        machine = qemu.Machine(folder)
        machine.start(image, "kvm", memory=512, ports={}, addresses={})
        try:
            deadline = time.monotonic() + _KVM_LIMIT
            while time.monotonic() < deadline and machine.alive():
                if "lab:" in machine.console():
                    return True
                time.sleep(0.1)
            return False
        finally:
            machine.kill()
    finally:
        remove_tree(folder)
