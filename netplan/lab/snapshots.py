"""Saved clusters: the memory of a running machine, and the keys and configuration to connect to it again.

A saved cluster is a folder: state.zst (memory), config.tar (second disk), id_ed25519 (the key of that moment) and
saved.json. In the cache the folder's name is its key; a file that a user asks for is a tar archive of the same four.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netplan.lab import guest_config, qemu
from netplan.lab.config import LabConfig
from netplan.lab.image import Image
from netplan.lab.paths import private_dir, remove_tree, write
from netplan.lab.ssh import KEY_FILE
from netplan.lab.state import State
from netplan.problems import ExitCode, fail, quoted

MEMORY = "state.zst"
DISK = "config.tar"
ABOUT = "saved.json"
_MEMBERS = (ABOUT, DISK, KEY_FILE, MEMORY)


@dataclass(frozen=True, slots=True)
class Saved:
    """One saved cluster, complete, in ``folder``."""

    folder: Path
    config: LabConfig
    backend: str
    image: str
    others: dict[str, str]
    host_keys: dict[str, str]

    @property
    def memory(self) -> Path:
        return self.folder / MEMORY


def state_key(image: Image, backend: str, config: LabConfig) -> str:
    """Return the key of the clean cluster of a configuration: it loads only where all of this is the same."""
    digest = hashlib.sha256()
    parts: list[Any] = [image.key, image.keys, qemu.version(), qemu.processors(), qemu.hardware(backend)]
    parts += [backend, config.as_dict(), config.memory]
    parts.append(guest_config.cluster_files(config))
    digest.update(json.dumps(parts, sort_keys=True).encode())
    return digest.hexdigest()[:16]


def clean_folder(image: Image, backend: str, config: LabConfig) -> Path:
    """Return where the cache keeps the clean cluster of a configuration."""
    return image.saved / state_key(image, backend, config)


def describe(state: State) -> dict[str, Any]:
    """Return the content of saved.json."""
    return {
        "config": state.config.as_dict(),
        "backend": state.backend,
        "image": state.image,
        "others": state.others,
        "qemu": qemu.version(),
        "processors": qemu.processors(),
        "hardware": qemu.hardware(state.backend),
        "host_keys": state.host_keys,
    }


def finish(folder: Path, lab: Path, about: dict[str, Any]) -> None:
    """Complete a folder that already has the memory: the description comes last and makes it valid."""
    for name in (DISK, KEY_FILE):
        shutil.copyfile(lab / name, folder / name)
        (folder / name).chmod(0o600)
    write(folder / ABOUT, json.dumps(about, indent=2) + "\n")


def load(folder: Path) -> Saved | None:
    """Return the saved cluster in a folder, or None when there is none that this QEMU can load."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        data = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        machine = (qemu.version(), qemu.processors(), qemu.hardware(str(data["backend"])))
        if (data["qemu"], data["processors"], data["hardware"]) != machine:
            return None
        if all((folder / name).exists() for name in _MEMBERS):
            config = LabConfig.from_dict(data["config"])
            images = (str(data["image"]), dict(data["others"]))
            return Saved(folder, config, str(data["backend"]), *images, dict(data["host_keys"]))
    return None


def pack(folder: Path, file: Path) -> None:
    """Put a saved cluster into one file (readable by its owner only: it has the keys in it)."""
    partial = file.with_name(f".{file.name}.{os.getpid()}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as out, tarfile.open(fileobj=out, mode="w") as archive:
            for name in _MEMBERS:
                archive.add(folder / name, arcname=name)
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)


@contextlib.contextmanager
def unpacked(file: Path, scratch: Path) -> Iterator[Saved]:
    """Give the saved cluster in a file, unpacked into ``scratch`` for as long as the block runs."""
    useless = f"{quoted(file)} is no saved cluster that can be restored here"
    try:
        private_dir(scratch)
        try:
            with tarfile.open(file) as archive:
                for name in _MEMBERS:
                    member = archive.getmember(name)
                    content = archive.extractfile(member)
                    if content is None:
                        raise KeyError(name)
                    with content, (scratch / name).open("wb") as out:
                        (scratch / name).chmod(0o600)
                        shutil.copyfileobj(content, out, 1 << 20)
        except (OSError, KeyError, tarfile.TarError) as error:
            fail("IPP808", f"{useless}: {error}", exit_code=ExitCode.FAILURE, cause=error)
        saved = load(scratch)
        if saved is None:
            why = "it was made by another version of QEMU or of ipsecplan, or on another kind of machine"
            fail("IPP808", f"{useless}: {why}", exit_code=ExitCode.FAILURE)
        yield saved
    finally:
        remove_tree(scratch)
