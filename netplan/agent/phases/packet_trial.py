"""What this kernel does with a packet in an SA of a rarer kind."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..protocol.reply import KernelTrials


def kernel() -> KernelTrials:
    """Return what became of a packet in each kind of SA."""
    return {"iptfs": "untried", "per_cpu_sas": "untried"}
