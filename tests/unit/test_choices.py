"""What `apply` and `try` let an operator choose is one list, and all of it arrives at the engine."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from netplan.cli import apply as apply_verb
from netplan.cli import resume as resume_verb
from netplan.cli import try_
from netplan.cli.group import cli
from netplan.cli.main import main
from netplan.cli.options import NODE_SELECTION
from netplan.problems import ExitCode
from netplan.rollout.outcome import Options, Outcome
from netplan.rollout.verbs.resume import resume
from tests.support.fake_nodes import STEPS, Cluster, closed, engine, mesh, opened, phases_sent

WORDS = [
    "--wave-size",
    "3",
    "--limit",
    "a*",
    "--exclude",
    "ab",
    "--skip-unreachable",
    "--raise-mtu",
    "--replace",
    "x",
    "--hold-mtu",
]
CHOSEN = {"batch": 3, "limit": "a*", "exclude": "ab", "defer_away": True, "lift": True, "replace": "x", "hold": True}


@pytest.fixture
def options(monkeypatch: pytest.MonkeyPatch) -> list[Options]:
    """The options with which the verbs open their engine; nothing is carried out."""
    seen: list[Options] = []

    @contextlib.contextmanager
    def played(_: Path, __: Any, ___: Any, chosen: Options, *, quiet: bool) -> Iterator[Any]:
        del quiet
        seen.append(chosen)
        yield type("Engine", (), {"cancelled": None})

    done = Outcome("declined", ExitCode.OK)
    for verb in (apply_verb, try_, resume_verb):
        monkeypatch.setattr(verb, "opened", played)
    monkeypatch.setattr(apply_verb, "apply", lambda *_: done)
    monkeypatch.setattr(try_, "apply", lambda *_, **__: done)
    monkeypatch.setattr(resume_verb, "resume", lambda *_: done)
    return seen


def test_try_takes_what_apply_takes(options: list[Options], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    for verb in ("apply", "try"):
        assert main([verb, "bundle", "--yes", *WORDS]) == 0
    for chosen in options:
        assert {name: getattr(chosen, name) for name in CHOSEN} == CHOSEN
    names = [{name for p in cli.get_command(None, verb).params for name in p.opts} for verb in ("apply", "try")]  # type: ignore[arg-type,union-attr]
    assert names[0] <= names[1]
    assert {"--wave-size", "--limit", "--exclude", "--skip-unreachable", "--raise-mtu"} <= names[0]
    assert len(NODE_SELECTION) == len(CHOSEN)


def test_a_detached_try_can_raise_nothing(options: list[Options], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["try", "bundle", "--yes", "--detach", "--raise-mtu"]) == 2
    assert "ipsecplan apply --raise-mtu" in capsys.readouterr().err
    assert not options
    assert main(["try", "bundle", "--yes", "--detach", "--limit", "a*"]) == 0


def test_resume_takes_the_raise_and_no_other_nodes(options: list[Options]) -> None:
    assert main(["resume", "bundle", "--yes", "--raise-mtu"]) == 0
    assert options[0].lift
    assert main(["resume", "bundle", "--yes", "--limit", "a"]) == 2


@pytest.mark.parametrize("lift", [True, False])
@pytest.mark.parametrize("how", ["open", "half confirmed"])
def test_resume_raises_when_all_have_confirmed(tmp_path: Path, lift: bool, how: str) -> None:
    nodes, targets = Cluster(to_raise=1316), mesh(3)
    for found in targets:
        state, progress = opened([*STEPS, "await-confirm"])
        nodes.nodes[found.id] = state, {**progress, "release": found.digest}
    if how == "half confirmed":
        nodes.nodes[targets[0].id] = closed("confirmed", "confirmed")
    outcome = resume(engine(tmp_path, targets, nodes, lift=lift), lambda *_: True, lambda *_: None)
    assert outcome.outcome == "confirmed"
    assert (outcome.raised, outcome.to_raise) == ((1316, 1416) if lift else None, None if lift else (1316, 1416))
    tail = ["raise-devices", "raise-senders", "probe", "release-lease"]
    assert (phases_sent(nodes)[-len(tail) :] == tail) is lift
