"""A node's wrong clock is found from both ends of a request, and a slow way is no wrong clock."""

from __future__ import annotations

from typing import Any

import pytest

from netplan.agent.phases import preflight
from netplan.rollout.answers import SKEW_S, clock_is_ahead
from netplan.rollout.transport.reply import Answer

NOW = 1_800_000_000.0


def answered(wall: float | None, phase: str = "preflight", ok: bool = True) -> dict[str, Any]:
    result = {"phase": phase, "ok": ok, "detail": "ready", "findings": [] if ok else [{"code": "IPP634"}]}
    clock_is_ahead(Answer(results=[result], wall=wall), NOW)
    return result


@pytest.mark.parametrize("wall", [NOW + SKEW_S, NOW, NOW - 3600, None])
def test_an_answer_that_took_an_hour_is_no_clock_that_is_ahead(wall: float | None) -> None:
    assert answered(wall) == {"phase": "preflight", "ok": True, "detail": "ready", "findings": []}


def test_a_clock_that_is_ahead_fails_preflight() -> None:
    result = answered(NOW + 86400)
    assert (result["ok"], result["detail"]) == (False, "the clock is +86400 s off the controller's")
    assert [found["code"] for found in result["findings"]] == ["IPP632"]
    assert [found["code"] for found in answered(NOW + 86400, ok=False)["findings"]] == ["IPP634", "IPP632"]
    assert answered(NOW + 86400, phase="status")["ok"]


@pytest.mark.parametrize(
    ("skew", "said"),
    [(0.0, []), (3600.0, []), (-60.0, []), (-61.0, ["the clock is -61 s off the controller's"])],
)
def test_a_request_that_took_an_hour_is_no_clock_that_is_behind(skew: float, said: list[str]) -> None:
    assert preflight.SKEW_S == SKEW_S
    assert [found["message"] for found in preflight._clock(skew)] == said
