"""The phases of a transaction as one line each: done, at work, to come; and how long the rest takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from netplan.agent import phase_table

SHOWN = 3  # phases to come that are named in the line above the nodes


def estimate(planned: Sequence[str], phase: str, took: Mapping[str, float], usual: Mapping[str, float]) -> float | None:
    """Return about how many seconds are left; None where nothing tells.

    ``took``: seconds of the phases of this run that ended; ``usual``: of each phase in an earlier run. A phase that
    neither knows is taken to last as long as the mean of this run's.
    """
    if phase not in planned or not (took or usual):
        return None
    mean = sum(took.values()) / len(took) if took else sum(usual.values()) / len(usual)
    begin = planned.index(phase) + (1 if phase in took else 0)
    return sum(usual.get(name, mean) for name in planned[begin:])


def position(planned: Sequence[str], phase: str) -> tuple[int, int]:
    """Return the number of a phase, from 1, and how many there are; 0 where it is not among them."""
    return (planned.index(phase) + 1 if phase in planned else 0), len(planned)


def lines(planned: Sequence[str], phase: str, done: Mapping[str, float], failed: frozenset[str]) -> list[str]:
    """Return every phase in order with a word and its title; ``done``: phase -> its seconds."""
    shown = []
    for number, name in enumerate(planned, 1):
        if name in failed:
            word = "FAILED"
        elif name in done:
            word = f"{done[name]:.1f} s"
        else:
            word = "at work" if name == phase else "to come"
        shown.append(f"{number:>2} {name:<14} {word:<8} {phase_table.title(name)}")
    return shown


def what_next(planned: Sequence[str], phase: str) -> str:
    """Return the next phases by name."""
    if phase not in planned:
        return ""
    rest = planned[planned.index(phase) + 1 :]
    return ", ".join(rest[:SHOWN]) + (f" and {len(rest) - SHOWN} more" if len(rest) > SHOWN else "")
