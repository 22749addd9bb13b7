"""The confirmation beacon: an address that a node has once it has confirmed a transaction."""

from __future__ import annotations

from ..system import core
from ..system.core import read, run
from . import state

BENCHMARK_4 = (198 << 24) + (18 << 16)  # 198.18.0.0/15, RFC 2544; 2001:2::/48, RFC 5180: addresses that nobody routes
LIFE_S = 7200  # of the address; revert.sh says the same


def token(tx: str, overlay_address: str) -> str:
    """Return the address that says "confirmed" of a transaction, in the family of the overlay."""
    number = int(core.sha256(tx.encode())[:12], 16)
    if ":" in overlay_address:
        return f"2001:2:0:{number & 0xFFFF:x}::{(number >> 16) & 0xFFFF:x}:1"
    whole = BENCHMARK_4 + 1 + number % ((1 << 17) - 2)
    return ".".join(str(whole >> shift & 255) for shift in (24, 16, 8, 0))


def announce(tx: str) -> None:
    """Answer those who ask whether this transaction was confirmed, for longer than any timer runs."""
    address = (read(state.tx_folder(tx) + "/token") or "").strip()
    if address:
        run(
            "ip",
            "addr",
            "replace",
            address + ("/128" if ":" in address else "/32"),
            "dev",
            "lo",
            "valid_lft",
            LIFE_S,
            "preferred_lft",
            0,
        )


def withdraw(tx: str) -> None:
    """Answer no longer."""
    address = (read(state.tx_folder(tx) + "/token") or "").strip()
    if address:
        run("ip", "addr", "delete", address + ("/128" if ":" in address else "/32"), "dev", "lo")
