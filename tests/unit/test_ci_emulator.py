"""Which emulator the tests of the lab take."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from netplan.lab import sources
from tests.ci import emulator

BOOKWORM = {"ID": "debian", "VERSION_CODENAME": "bookworm"}


def program(at: Path, version: str) -> Path:
    """Make a program that says it is that version of QEMU."""
    at.parent.mkdir(parents=True, exist_ok=True)
    at.write_text(f"#!/bin/sh\necho 'QEMU emulator version {version} (Debian 1:{version})'\n")
    at.chmod(0o755)
    return at


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return where the quicker one would be, on a Debian 12 with its own QEMU."""
    monkeypatch.setattr(emulator, "find_program", lambda _: str(program(tmp_path / "bin" / "qemu", "7.2.22")))
    monkeypatch.setattr(sources, "os_release", lambda: BOOKWORM)
    return tmp_path / "quicker"


def test_version(tmp_path: Path) -> None:
    assert emulator.major(program(tmp_path / "qemu", "10.0.2")) == 10
    assert emulator.major(tmp_path / "none") == 0
    assert emulator.major("/bin/false") == 0


@pytest.mark.parametrize(
    ("installed", "release", "suite"),
    [
        (7, BOOKWORM, "bookworm-backports"),
        (0, BOOKWORM, "bookworm-backports"),
        (10, {"ID": "debian", "VERSION_CODENAME": "trixie"}, ""),
        (8, {"ID": "ubuntu", "VERSION_CODENAME": "noble"}, ""),
        (7, {"ID": "debian"}, ""),  # sid before a release's name
        (7, {}, ""),
    ],
)
def test_where_it_is_looked_for(
    installed: int, release: dict[str, str], suite: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(emulator.platform, "machine", lambda: "x86_64")
    assert emulator.wanted(installed, release) == suite


def test_it_is_unpacked_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def unpack(suite: str, into: Path) -> None:
        asked.append(suite)
        program(into / emulator.PROGRAM, "10.0.2")

    monkeypatch.setattr(emulator, "_unpack", unpack)
    assert emulator.ensure(folder) == "QEMU 10 of bookworm-backports, unpacked for the tests alone"
    assert emulator.ensure(folder) == "QEMU 10 of bookworm-backports, unpacked for the tests alone"
    assert asked == ["bookworm-backports"]


@pytest.mark.parametrize("how", ["error", "older", "broken"])
def test_without_it_the_installed_one_is_taken(how: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unpack(suite: str, into: Path) -> None:
        if how == "older":
            program(into / emulator.PROGRAM, "8.2.1")
        if how == "error":
            into.mkdir()
            raise subprocess.CalledProcessError(2, "dpkg-deb")

    monkeypatch.setattr(emulator, "_unpack", unpack)
    assert emulator.ensure(folder).startswith("QEMU 7, as installed")
    assert sorted(p.name for p in folder.parent.iterdir()) == ["bin"]
