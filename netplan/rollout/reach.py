"""Before the first change: what the nodes heard of each other, and once more where some began late."""

from __future__ import annotations

from netplan.problems import Problem
from netplan.rollout.engine import Engine
from netplan.rollout.phases import Step
from netplan.verify.reach import judge

AGAIN = Step(phases=("reach",), rearm=False)


def settle(engine: Engine) -> list[Problem]:
    """Return what does not pass between nodes whose preflight was run.

    A node that heard less than everything is asked again: with many nodes, some begin when others have answered.
    """
    heard = {i: r["heard"] for i, r in engine.results.get("preflight", {}).items() if r.get("heard")}
    nodes = [engine.facts(engine.targets[i]) for i in heard]
    if judge(nodes, heard):
        late = [i for i in heard if judge(nodes, {i: heard[i]})]
        engine.step(AGAIN, only=late)
        heard.update({i: r["heard"] for i, r in engine.results["reach"].items() if r.get("heard")})
    return judge(nodes, heard)
