"""What a plan's lives of SAs come to: sequence numbers that are used up, replay windows, dead peer detection. Pure."""

from __future__ import annotations

from netplan.model.lifetimes import REKEY_PACKETS, duration, longest, seconds
from netplan.plan.classes import PairClass
from netplan.plan.types import Plan
from netplan.problems import Problem, counted, present

KEPT = 200  # bytes of charon's memory
WINDOW = 256  # packets; replay_window of every child


def problems(plan: Plan) -> list[Problem]:
    """Return a warning where the packets that the plan expects use an SA up before its time.

    Without extended sequence numbers 2^32 packets are its end: every send fails with EOVERFLOW then, and charon hears
    nothing of it. ``rekey_packets`` comes first, at half of that; so the rate decides how often an SA is rekeyed.
    """
    rate, child = plan.file.ipsec.lifetimes.packets, plan.file.ipsec.lifetimes.child
    life = present(seconds(child), "the lifetime of child")
    if rate is None or rate * longest(life) < REKEY_PACKETS:
        return []
    without = [c for c in _classes(plan) if not _esn(c)]
    if not without:
        return []
    pairs = sum(c.pairs for c in without)
    text = (
        f"{rate} packets/s use up the 2^32 sequence numbers of an SA in {2**32 // rate} s, and its life may be "
        f"{duration(longest(life))}: {counted(pairs, 'pair')} without ESN are rekeyed "
        f"by packets, every {REKEY_PACKETS // rate} s"
    )
    hint = (
        "`-esn-noesn` behind each ESP proposal; it is added by itself where `ipsecplan facts` knows the strongSwan of "
        "both ends"
    )
    return [Problem(code="IPP405", message=text, hint=hint, severity="warning")]


def sentences(plan: Plan) -> list[str]:
    """Return what is worth saying of sequence numbers, replay windows, and what rekeys leave in charon's memory."""
    found = _classes(plan)
    extended = sum(c.pairs for c in found if _esn(c))
    every = sum(c.pairs for c in found)
    if not extended:
        return _memory(plan)
    return [
        *_memory(plan),
        f"{extended} of {every} pairs offer extended sequence numbers, the normal ones behind them; "
        f"replay window {WINDOW} packets",
    ]


def _memory(plan: Plan) -> list[str]:
    """charon keeps a little of each rekey, on and on (measured up to 1,500 rekeys of one SA, 5.9.8 and 6.1.0)."""
    life = present(seconds(plan.file.ipsec.lifetimes.child), "the lifetime of child")
    children = 1 if plan.file.ipsec.protect == "hosts" else 2
    peers = 2 * sum(c.pairs for c in _classes(plan)) // len(plan.nodes)  # of a node, on the average
    year = peers * children * (365 * 86400 // life) * KEPT
    if year < 2**30:
        return []
    return [
        f"charon keeps about {KEPT} bytes of each rekey: {year / 2**30:.1f} GiB a "
        f"year with {counted(peers, 'peer')}; a longer "
        "lifetimes.child, or a restart before that, is the way out"
    ]


def _classes(plan: Plan) -> list[PairClass]:
    return [c for fabric in plan.fabrics for c in fabric.classes if c.protected]


def _esn(found: PairClass) -> bool:
    """Tell whether all that a class offers has extended sequence numbers."""
    return all("esn" in sized.proposal.words for sized in found.sized)
