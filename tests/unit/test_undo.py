"""The phases that undo: what a node rolls back, by which word of revert.sh, and what it leaves alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from netplan.agent.phases import leftovers, undo
from netplan.agent.system import core
from netplan.agent.system.core import Done, Stop
from netplan.agent.transaction import lease, state

TX, OTHER = "tx-20260102030405-abcd", "tx-20260102030406-ef01"
NODE: Any = {"name": "n1"}
NOTHING = {"changed": False, "detail": "nothing to roll back"}


class Node:
    """A node whose revert.sh says what it is told, and does what ``does`` does."""

    def __init__(self, patch: pytest.MonkeyPatch, home: Path) -> None:
        self.did: list[Any] = []
        self.code, self.does, self.gone = 0, lambda _: None, list[str]()
        script = home / "revert.sh"
        script.touch()
        patch.setattr(state, "SCRIPT", str(script))
        patch.setattr(core, "run", self.run)
        patch.setattr(state, "arm", lambda *words: self.did.append(("arm", *words)))
        patch.setattr(state, "disarm", lambda: self.did.append("disarm"))
        patch.setattr(lease, "release", lambda: self.did.append("release"))
        patch.setattr(leftovers, "clean", self.clean)
        patch.setattr(leftovers, "words", lambda found: ", ".join(found))

    def run(self, *argv: str, timeout: float) -> Done:
        assert argv[:2] == ("/bin/sh", state.SCRIPT)
        assert timeout == 600, "no way back is cut short"
        self.did.append(argv[2])
        self.does(argv[2])
        return Done(self.code, "", "no such device")

    def clean(self, node: object) -> list[str]:
        assert node is NODE
        self.did.append("clean")
        return self.gone

    def ask(self, phase: Callable[[Any], Any], **more: Any) -> Any:
        return phase({"tx": TX, "timer": 90, "node": NODE, **more})


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch, home: Path) -> Node:
    home.mkdir()
    (home / "run").mkdir()
    return Node(monkeypatch, home)


def becomes(word: str, tx: str = "") -> Callable[[str], None]:
    """What revert.sh does: the transaction is closed."""

    def does(_: str) -> None:
        Path(state.OPEN).unlink(missing_ok=True)
        state.save(state=word, tx=tx)

    return does


def opened(tx: str = TX) -> None:
    state.save(state="none", tx="")
    Path(state.OPEN).write_text(f"{tx}\n")


@pytest.mark.parametrize(
    ("is_open", "words", "goes"),
    [
        (TX, {}, True),
        (OTHER, {}, False),
        (OTHER, {"any": True}, True),
        (OTHER, {"off": True}, False),
    ],
)
def test_open_transaction_is_rolled_back_by_its_own_run_or_by_an_operator(
    node: Node, is_open: str, words: dict[str, bool], goes: bool
) -> None:
    opened(is_open)
    accepted = {"changed": True, "detail": "accepts clear and ESP"}
    assert node.ask(undo.accept_both, **words) == (accepted if goes else NOTHING)
    assert node.did == ([("arm", is_open, 90), "relax"] if goes else [])
    node.did.clear()
    clear = {"changed": True, "detail": "no packet leaves by an SA that will end"}
    assert node.ask(undo.send_clear, **words) == (clear if goes else NOTHING)
    assert node.did == (["plain"] if goes else [])
    node.did.clear()
    node.does = becomes("none")
    back = {"changed": True, "detail": "none"}
    assert node.ask(undo.roll_back, **words) == (back if goes else NOTHING)
    assert node.did == (["operator", "disarm", "release", "clean"] if goes else [])


@pytest.mark.parametrize(
    ("has", "words", "goes"),
    [
        (OTHER, {}, False),
        (OTHER, {"any": True}, False),
        (OTHER, {"off": True}, True),
        (TX, {"off": True}, True),
    ],
)
def test_confirmed_transaction_goes_only_when_all_is_turned_off(
    node: Node, has: str, words: dict[str, bool], goes: bool
) -> None:
    state.save(state="confirmed", tx=has)
    assert (node.ask(undo.accept_both, **words) != NOTHING) is goes
    assert (node.ask(undo.send_clear, **words) != NOTHING) is goes
    assert node.did == (["relax", "plain"] if goes else [])
    node.did.clear()
    node.does = becomes("none")
    assert node.ask(undo.roll_back, **words) == ({"changed": True, "detail": "none"} if goes else NOTHING)
    assert node.did == (["off", "release", "clean"] if goes else [])
    assert not Path(state.OPEN).exists()


def test_what_this_node_alone_confirmed_is_opened_again(node: Node) -> None:
    """Another node could not confirm, so all go back."""
    state.save(state="confirmed", tx=TX)
    assert node.ask(undo.accept_both) == {"changed": True, "detail": "accepts clear and ESP"}
    assert Path(state.OPEN).read_text() == f"{TX}\n"
    assert node.did == [("arm", TX, 90), "relax"]


def test_a_node_without_a_transaction_loses_what_an_earlier_rollback_left(node: Node) -> None:
    state.save(state="none", tx="")
    assert node.ask(undo.roll_back) == NOTHING
    node.gone = ["a trap", "an SA"]
    assert node.ask(undo.roll_back) == {"changed": True, "detail": "a trap, an SA"}
    assert node.did == ["clean", "clean"]
    assert node.ask(undo.accept_both) == node.ask(undo.send_clear) == NOTHING


def test_what_a_rollback_left_is_named(node: Node) -> None:
    opened()
    node.does, node.gone = becomes("none"), ["the guard"]
    assert node.ask(undo.roll_back) == {"changed": True, "detail": "the guard"}


@pytest.mark.parametrize("word", ["confirmed", "none"])
def test_after_an_upgrade_the_release_before_is_what_is_there(node: Node, word: str) -> None:
    opened()
    node.does = becomes(word, OTHER)
    assert node.ask(undo.roll_back) == {"changed": True, "detail": word}
    assert node.did == ["operator", "disarm", "release", *(["clean"] if word == "none" else [])]


def test_a_timer_whose_witness_said_yes_meanwhile_is_rolled_back_once_more(node: Node) -> None:
    opened()
    found: list[str] = []

    def does(_: str) -> None:
        found.append(Path(state.OPEN).read_text())
        becomes("confirmed", TX)("")

    node.does = does
    node.ask(undo.roll_back)
    assert node.did == ["operator", "operator", "disarm", "release"]
    assert found == [f"{TX}\n"] * 2, "it was opened again in between"


def test_what_is_closed_meanwhile_is_not_armed_again(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    opened()
    looked: list[float] = []

    class Deciding:
        def __init__(self, seconds: float) -> None:
            looked.append(seconds)

        def __enter__(self) -> None:
            becomes("none")("")

        def __exit__(self, *_: object) -> None: ...

    monkeypatch.setattr(state, "deciding", Deciding)
    assert node.ask(undo.accept_both)["changed"]
    assert (node.did, looked) == (["relax"], [600])


def test_a_node_without_the_script_has_nothing_to_roll_back(node: Node) -> None:
    opened()
    Path(state.SCRIPT).unlink()
    assert node.ask(undo.accept_both) == node.ask(undo.send_clear) == NOTHING
    assert node.did == []


def test_a_script_of_an_earlier_release_may_lack_a_word(node: Node) -> None:
    opened()
    node.code = 2
    assert node.ask(undo.send_clear) == {"changed": False, "detail": "a step it has not"}
    with pytest.raises(Stop) as stopped:
        node.ask(undo.accept_both)
    (found,) = stopped.value.findings
    assert (found["code"], found["message"]) == ("IPP604", "revert.sh relax failed (exit 2): no such device")


@pytest.mark.parametrize(("phase", "word"), [(undo.send_clear, "plain"), (undo.roll_back, "operator")])
def test_a_script_that_fails_stops_the_phase(node: Node, phase: Any, word: str) -> None:
    opened()
    node.code = 1
    with pytest.raises(Stop) as stopped:
        node.ask(phase)
    assert stopped.value.findings[0]["message"] == f"revert.sh {word} failed (exit 1): no such device"
    assert node.did == [word]
