"""The wheel carries what it needs at run time, and nothing else."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_one_wheel_has_everything(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=120,
    )
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        archive.extractall(tmp_path / "site")
    packaged = {f"netplan/_playbooks/{p.relative_to(ROOT / 'playbooks')}" for p in files("playbooks/**/*")}
    packaged |= {str(p.relative_to(ROOT)) for p in files("netplan/templates/**/*")}
    packaged |= {str(p.relative_to(ROOT)) for p in files("netplan/lab/guest/*")}
    collection = ROOT / "playbooks" / "collections" / "ansible_collections"
    packaged |= {str(p.relative_to(collection.parent)) for p in files(f"{collection.relative_to(ROOT)}/**/*")}
    assert packaged
    assert packaged - names == set()
    assert not [n for n in names if n.startswith(("tests/", "inventories/", "docs/", "benchmarks/"))]
    done = subprocess.run(
        [sys.executable, "-m", "netplan", "calc", "ip4/esp:aes256gcm16/udp/vxlan/eth/ip4"],
        cwd=tmp_path / "site",
        env={"PYTHONPATH": str(tmp_path / "site")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "1416" in done.stdout


def files(pattern: str) -> list[Path]:
    """Return the files that a pattern finds in the checkout, without caches."""
    return [p for p in ROOT.glob(pattern) if p.is_file() and "__pycache__" not in p.parts]
