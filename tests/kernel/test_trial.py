"""The node's own trial on a running kernel: what it says is what that kernel is known to do."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from .boot import NoKernel, measure

pytestmark = pytest.mark.kernel
PLAIN: list[dict[str, Any]] = [
    {"mode": "tunnel", "algorithm": "AES_GCM_16-128"},
    {"mode": "transport", "algorithm": "AES_CBC-256/HMAC_SHA2_256_128", "six": True},
]
RARE: list[dict[str, Any]] = [
    {"mode": "iptfs", "algorithm": "AES_GCM_16-256"},
    {"mode": "tunnel", "algorithm": "AES_GCM_16-256", "per_cpu": True},
]


def test_a_packet_tells_what_a_kernel_can(tmp_path: Path) -> None:
    try:
        where, rows = measure([*PLAIN, *RARE], tmp_path / "run", "trial.py")
    except NoKernel as error:
        pytest.skip(str(error))
    assert [row["became"] for row in rows[:2]] == ["works", "works"], rows
    iptfs, per_cpu = (row["became"] for row in rows[2:])
    version = tuple(int(part) for part in re.findall(r"\d+", where)[:2])
    if version < (6, 12):
        assert (iptfs, per_cpu) == ("refused", "refused"), "6.1 takes an SA for one processor and forgets it"
    elif version >= (6, 14):
        assert per_cpu == "works"
        assert iptfs in ("works", "drops"), "accepted, with or without CONFIG_XFRM_IPTFS"
