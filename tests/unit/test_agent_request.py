"""A node answers whatever its controller sends: a request that lacks something is refused by name."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from netplan.agent import main
from netplan.agent.transaction import state
from tests.support.agent_requests import WHOLE


def ask(text: bytes, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setattr(main.os, "setsid", lambda: None)
    monkeypatch.setattr(main.os, "umask", lambda _: 0)
    out = io.StringIO()
    monkeypatch.setattr("sys.stdout", out)
    main.main({"digest": "", "code": 0, "request": len(text), "archive": 0}, io.BytesIO(text))
    said = json.loads(out.getvalue().partition(main.SENTINEL)[2])
    (result,) = said["results"]
    return result


def without(*path: str) -> dict[str, Any]:
    request = json.loads(json.dumps(WHOLE))
    inside = request
    for key in path[:-1]:
        inside = inside[key]
    del inside[path[-1]]
    return request


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (b"", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "no object"),
        (b"null", "no object"),
        *((json.dumps(without(key)).encode(), f"`{key}`") for key in WHOLE if key != "lease"),
        *((json.dumps(without("lease", key)).encode(), f"`{key}`") for key in WHOLE["lease"]),
        (json.dumps({**WHOLE, "phases": []}).encode(), "no phase"),
        (json.dumps({**WHOLE, "phases": ["zzz"]}).encode(), "no phase"),
        (json.dumps({**WHOLE, "phases": [1]}).encode(), "no phase"),
        (json.dumps({**WHOLE, "timer": True}).encode(), "`timer`"),
        (json.dumps({**WHOLE, "lease": 1}).encode(), "the lease of the request is no object"),
        (json.dumps({**WHOLE, "lease": {**WHOLE["lease"], "epoch": 2**53 + 1}}).encode(), "not a lease"),
    ],
)
def test_a_request_that_lacks_something_is_refused_by_name(
    home: Any, request_: bytes, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state, "RUN", str(home / "run"))
    result = ask(request_, monkeypatch)
    assert (result["ok"], result["findings"][0]["code"]) == (False, "IPP601")
    assert said in result["detail"]


def test_a_whole_request_is_served(home: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "RUN", str(home / "run"))
    assert ask(json.dumps(WHOLE).encode(), monkeypatch)["ok"]


def test_a_defect_outside_the_phases_is_an_answer(home: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "RUN", str(home / "run"))
    monkeypatch.setattr(main, "serve", lambda *_: {}["x"])
    assert ask(json.dumps(WHOLE).encode(), monkeypatch)["findings"][0]["code"] == "IPP609"
