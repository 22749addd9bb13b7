"""What is done for each node, host or packet takes no longer with more of them; the option for how many at a time."""

from __future__ import annotations

import cProfile
import json
import pstats
import zlib
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from netplan.agent.phases.probe import _by_destination
from netplan.cli import rotate, status, verify
from netplan.cli.main import main
from netplan.inputs import path_kinds, yaml_source
from netplan.problems import ProblemError
from netplan.rollout.nodes.replaced import nodes_without_state
from netplan.rollout.outcome import Options
from netplan.rollout.transport.parts import Parts
from tests.support.many_nodes import ring
from tests.unit.test_agent_bootstrap import loaded
from tests.unit.test_parts import ID, asked


def calls(act: Callable[[], object]) -> int:
    profile = cProfile.Profile()
    profile.runcall(act)
    return int(pstats.Stats(profile).total_calls)  # type: ignore[attr-defined]


def nothing_applied(number: int, held: str = "") -> tuple[Any, Any]:
    targets = {target.id: target for target in ring(number, 2)}
    state = {"state": {"state": "none", "last": {}}, "held": [held]}
    return targets, dict.fromkeys(targets, state)


def test_replaced_machines_are_looked_for_along_pairs() -> None:
    few, many = (nothing_applied(number) for number in (50, 200))
    assert calls(lambda: nodes_without_state(*many)) < 5 * calls(lambda: nodes_without_state(*few))


def test_who_keeps_a_pair_is_told_in_the_order_of_the_nodes() -> None:
    targets, found = nothing_applied(6)
    new, *others = targets
    pairs = {peer["id"]: peer["pair"] for peer in targets[new].node["peers"]}
    found = {i: {**node, "held": [pairs[i]] if i in pairs else []} for i, node in found.items()}
    assert nodes_without_state(targets, found)[new] == [targets[i].name for i in others if i in pairs]


def test_captured_packets_are_sorted_once() -> None:
    packets = [SimpleNamespace(destination=f"10.0.0.{n % 3}", number=n) for n in range(9)]
    stopped: list[int] = []
    captures = [SimpleNamespace(stop=lambda at=at: (stopped.append(at), packets[at::2])[1]) for at in (0, 1)]
    found = _by_destination(captures)  # type: ignore[arg-type]
    assert stopped == [0, 1]
    assert {address: sorted(p.number for p in mine) for address, mine in found.items()} == {  # type: ignore[attr-defined]
        f"10.0.0.{n}": [n, n + 3, n + 6] for n in range(3)
    }


def test_an_inventory_is_not_parsed_to_see_that_it_is_none_of_our_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hosts.yml").write_text("all: {hosts: {h1: {}}}\n")
    (tmp_path / "plan.yaml").write_text("name: c\ninventory: hosts.yml\n")
    with pytest.raises(ProblemError, match="a plan file"):
        path_kinds.wanted("inventory", tmp_path / "plan.yaml")
    monkeypatch.setattr(yaml_source, "parse", lambda *_: pytest.fail("it was parsed"))
    path_kinds.wanted("inventory", tmp_path / "hosts.yml")


def test_all_but_the_header_is_compressed(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    rest, about = Parts(tmp_path).split(ID, asked())
    (tmp_path / "in" / f"{ID}.parts").write_text(json.dumps(about))
    text, archive = json.dumps(rest).encode(), b"tar" * 9000
    line, _, body = loaded().message(tmp_path, ID, text, archive).partition(b"\n")
    header = json.loads(line)
    pieces = []
    for name in ("code", "about", "request", "archive"):
        pieces.append(zlib.decompress(body[: header[name]]))
        body = body[header[name] :]
    assert not body
    assert header["packed"] is True
    assert pieces[2:] == [text, archive]
    assert json.loads(pieces[1])["node"]["id"] == ID
    assert header["archive"] < len(archive) / 50


class ReachedError(Exception):
    """As far as this goes."""


@pytest.mark.parametrize(("module", "words"), [(status, ["status"]), (verify, ["verify"]), (rotate, ["rotate", "ca"])])
def test_how_many_at_a_time_is_said_where_nodes_are_asked(
    module: Any, words: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    given: list[Options] = []

    def opened(_bundle: Path, _inventory: object, _state: object, options: Options, **_: object) -> Any:
        given.append(options)
        raise ReachedError

    monkeypatch.setattr(module, "opened", opened)
    monkeypatch.setattr(rotate, "need_yes", lambda *_: None)
    with pytest.raises(ReachedError):
        module.command.main([*words[1:], str(tmp_path), "--forks", "7"], standalone_mode=False)
    assert [options.forks for options in given] == [7]
    assert main([*words, str(tmp_path), "--forks", "0"]) == 2
