"""Whatever happens to charon and to nftables after enforce, no overlay packet is clear on any wire."""

from __future__ import annotations

import pytest

from tests.support.lab_checks import HELD_S, proven_sink

from .applied import Applied
from .breakages import ALL
from .pace import Pace
from .pings import both_ways, pinging
from .sink import sink

pytestmark = pytest.mark.lab
# The longest row of lost pings, in units beside what we held it: docs/rollout.md has the seconds of a quiet machine.
# A pair that only its peer's dead peer detection brings back takes 40 s more, one that nobody does an hour.
GAPS = {"kill -9, start, peer restarts": 25, "nft flush ruleset, 3 x": 4}


SHORT = tuple(GAPS)


@pytest.mark.weight(70)
@pytest.mark.parametrize("names", [SHORT, pytest.param(tuple(ALL), marks=pytest.mark.drill)], ids=["short", "all"])
def test_nothing_is_clear(applied: Applied, names: tuple[str, ...]) -> None:
    lab, rollout = applied.lab, applied.rollout
    node = rollout.status()["n1"]
    assert (node["differs"], node["floor"], node["guard"]["mode"]) == ([], 2, "drop")
    seen = proven_sink(rollout)
    assert sum(seen.planted.values()) >= 2, seen
    assert seen.leaked == 0, seen
    rows = [f"{'what':<34} {'clear':>5} {'ESP':>6} {'pings':>6} {'lost':>5} {'longest gap':>12} {'unit':>6}"]
    worst = {}
    for name in names:
        kept = {"n2"} if name.startswith("boot") else None  # what n1 ran before its boot is gone
        with sink(lab) as sunk, pinging(lab, both_ways(lab), kept) as pings:
            ALL[name](lab)
        unit = Pace.of(lab).unit
        worst[name] = (sunk.leaked, pings.longest, unit)
        esp = sum(sunk.esp.values())
        rows.append(
            f"{name:<34} {sunk.leaked:>5} {esp:>6} {pings.sent:>6} {pings.lost:>5} {pings.longest:>10.1f} s "
            f"{unit:>4.1f} s"
        )
        print(rows[-1], flush=True)
    print("\n".join(rows))
    assert all(leaked == 0 for leaked, _, _ in worst.values()), worst
    for name, units in GAPS.items():
        _, longest, unit = worst[name]
        assert longest <= HELD_S + units * unit, (name, worst[name])
    assert rollout.status()["n1"]["differs"] == []
    assert lab.exec("n1", ["nft", "list", "table", "inet", "ipsecplan"]).returncode == 0
