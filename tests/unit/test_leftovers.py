"""What an earlier rollback left: told apart from what another program has, named, taken away."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from netplan.agent import main
from netplan.agent.phases import arm, leftovers, preflight, undo
from netplan.agent.system import vici, xfrm
from netplan.agent.system.core import Done, Stop
from netplan.agent.transaction import state
from tests.support import replies

OWN, PEER, STRANGER = "192.0.2.1", "192.0.2.2", "198.51.100.9"
TX = "tx-20260102030405-abcd"
PAIR = "pair-87caf44150d0"
NODE: Any = replies.node_json("n-000000000001", [{"id": "n-000000000002", "pair": PAIR, "name": "b", "address": PEER}])
OURS = {"remote-1": {"id": "n-000000000002"}, "children": {}}
THEIRS = {"remote-1": {"id": "vpn.example"}, "children": {}}


def policy(src: str, dst: str, **about: Any) -> dict[str, Any]:
    usual = {"sport": 0, "dport": 4789, "dir": "out", "template": True, "action": "allow", "priority": 366911}
    return {"src": src, "dst": dst, **usual, **about}


PERMISSIVE = policy("0.0.0.0/0", f"{OWN}/32", dir="in", priority=1)
CLEAR = policy("0.0.0.0/0", "0.0.0.0/0", priority=1, template=False)
BLOCK = policy("0.0.0.0/0", f"{PEER}/32", action="block", template=False, priority=4000050)
TRAP = policy(f"{OWN}/32", f"{PEER}/32")
HOSTS = policy(f"{OWN}/32", f"{PEER}/32", dport=0)


class World:
    """What is loaded on a node, and what becomes of it when the agent takes it away."""

    def __init__(self, patch: pytest.MonkeyPatch, home: Path) -> None:
        self.connections: dict[str, Any] = {}
        self.sas: list[tuple[str, Any]] = []
        self.policies: list[dict[str, Any]] = []
        self.states: list[tuple[str, str, str]] = []
        self.guard, self.timers, self.stubborn, self.said = "absent", [], False, list[tuple[str, ...]]()
        home.mkdir(exist_ok=True)
        patch.setattr(leftovers, "_there", lambda: True)
        patch.setattr(leftovers, "run", self.run)
        patch.setattr(leftovers, "GONE_S", 0)
        patch.setattr(vici, "connections", lambda: self.connections)
        patch.setattr(vici, "sas", lambda: self.sas)
        patch.setattr(vici, "Vici", lambda: self)
        patch.setattr(xfrm, "policies", lambda: self.policies)
        patch.setattr(xfrm, "states", lambda: self.states)
        patch.setattr(xfrm, "guard", lambda: {"mode": self.guard, "clear": {}})
        patch.setattr(state, "armed", lambda: self.timers)
        patch.setattr(state, "disarm", lambda: self.timers.clear())

    def __enter__(self) -> World:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def call(self, command: str, **message: str) -> None:
        self.said.append((command, *message.values()))
        if command == "unload-conn" and not self.stubborn:
            del self.connections[message["name"]]
        if command == "terminate":
            self.sas = [sa for sa in self.sas if sa[0] != message["ike"]]

    def run(self, *words: Any) -> Done:
        self.said.append(tuple(map(str, words)))
        if words[:2] == ("nft", "delete"):
            self.guard = "absent"
        if words[:4] == ("ip", "xfrm", "policy", "deleteall"):
            self.policies = [p for p in self.policies if p["priority"] != 4000050]
        if words[:4] == ("ip", "xfrm", "policy", "delete"):
            self.policies = [p for p in self.policies if (p["src"], p["dst"]) != (words[7], words[9])]
        if words[:4] == ("ip", "xfrm", "state", "delete"):
            self.states = [s for s in self.states if s[2] != words[-1]]
        return Done(0, "", "")


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, home: Path) -> World:
    """A node on which nothing is applied, and on which a transaction once ran."""
    world = World(monkeypatch, home)
    folder = home / "tx" / TX
    folder.mkdir(parents=True)
    (folder / "pairs").write_text(f"{PAIR}\n")
    (folder / "peers").write_text(f"{OWN} {PEER}\n")
    (folder / "port").write_text("4789\n")
    return world


def everything(world: World) -> None:
    world.connections = {PAIR: OURS}
    world.sas = [(PAIR, {})]
    world.policies = [PERMISSIVE, CLEAR, BLOCK, TRAP]
    world.states = [(OWN, PEER, "0xc1"), (PEER, OWN, "0xc2")]
    world.guard, world.timers = "drop", [f"ipsecplan-revert-{TX}-1.timer"]


@pytest.mark.parametrize(
    ("name", "body", "known", "ours"),
    [
        (PAIR, OURS, False, True),
        (PAIR, THEIRS, False, False),  # our kind of name, but nobody of ours behind it
        (PAIR, THEIRS, True, True),
        ("ipsecplan-any", {"remote-1": {"id": "%any"}}, False, True),
        ("pair-of-routers", OURS, False, False),
        ("site-to-site", OURS, False, False),
        ("pair-87caf44150d0-old", OURS, False, False),
    ],
)
def test_a_connection_is_ours_by_name_and_identity_or_memory(
    world: World, home: Path, name: str, body: Any, known: bool, ours: bool
) -> None:
    (home / "tx" / TX / "pairs").write_text(f"{PAIR}\n" if known else "")
    assert leftovers.connections({name: body}, set(), leftovers.Memory()) == ([name] if ours else [])


@pytest.mark.parametrize(
    ("found", "ours"),
    [
        (PERMISSIVE, True),
        (CLEAR, True),
        (BLOCK, True),
        (TRAP, True),
        (policy(f"{PEER}/32", f"{OWN}/32", dir="in"), True),
        (policy(f"{OWN}/32", f"{STRANGER}/32"), False),
        (policy(f"{OWN}/32", f"{PEER}/32", dport=8472), False),
        (policy("::/0", "::/0", dport=0, priority=1, template=False), False),  # libreswan's, of neighbour discovery
        (policy("0.0.0.0/0", f"{STRANGER}/32", dir="in", priority=1), False),
        (policy("0.0.0.0/0", f"{OWN}/32", dir="in", priority=1, dport=500), False),
        (HOSTS, False),
    ],
)
def test_a_policy_is_ours_by_what_only_we_give_or_by_memory(world: World, found: Any, ours: bool) -> None:
    assert leftovers.policy(found, NODE, leftovers.Memory()) is ours


def test_where_hosts_were_protected_a_policy_between_them_is_ours(world: World, home: Path) -> None:
    (home / "tx" / TX / "port").write_text("any\n")
    assert leftovers.policy(HOSTS, NODE, leftovers.Memory())


def test_preflight_knows_what_an_earlier_rollback_left(world: World) -> None:
    everything(world)
    (found,) = preflight._other(NODE, "tx-2")
    assert (found["code"], found["severity"]) == ("IPP686", "warning")
    for words in (f"connection {PAIR}", f"an SA of {PAIR}", f"dst {OWN}/32 dir in", "an SA, src", "guard", "timer"):
        assert words in found["message"]


@pytest.mark.parametrize(
    ("alien", "words"),
    [
        (lambda w: w.connections.update(other=THEIRS), "charon has connections that are not ours: other"),
        (lambda w: w.policies.append(policy("10.0.0.1/32", "10.0.0.2/32")), "1 IPsec policies and 0 states"),
        (lambda w: w.states.append((OWN, STRANGER, "0x9")), "0 IPsec policies and 1 state"),
    ],
)
def test_beside_another_program_nothing_is_taken_for_ours(
    world: World, alien: Callable[[World], object], words: str
) -> None:
    everything(world)
    alien(world)
    found = preflight._other(NODE, "tx-2")
    assert [f["code"] for f in found] == ["IPP640"]
    assert words in found[0]["message"]


def test_all_of_it_is_taken_away_and_named(world: World) -> None:
    everything(world)
    gone = leftovers.clean(NODE)
    assert len(gone) == 10
    assert leftovers.look(NODE) == ([], [])
    assert ("unload-conn", PAIR) in world.said
    assert f"taken away what an earlier rollback left: charon has the connection {PAIR}; " in leftovers.words(gone)
    assert leftovers.clean(NODE) == []
    assert leftovers.words([]) == ""


def test_what_stays_is_an_error_by_name(world: World) -> None:
    everything(world)
    world.stubborn = True
    with pytest.raises(Stop) as caught:
        leftovers.clean(NODE)
    (found,) = caught.value.findings
    assert (found["code"], found["message"].endswith(f"and it stays: charon has the connection {PAIR}")) == (
        "IPP686",
        True,
    )


def test_a_rollback_is_read_back_and_what_is_left_is_named(world: World, home: Path) -> None:
    request: Any = {"tx": TX, "node": NODE}
    state.save(state="none", last={"tx": TX, "result": "reverted", "by": "timer", "at": "x"})
    (home / "base").mkdir()
    assert undo.read_back(request) == {"changed": False, "detail": "none; nothing is left of it"}
    world.policies = [PERMISSIVE]
    (home / "tx" / TX / "ipsec.list").write_text(f"absent {home}/state.json\n")
    with pytest.raises(Stop) as caught:
        undo.read_back(request)
    assert {(f["code"], f["hint"]) for f in caught.value.findings} == {("IPP686", leftovers.HINT)}
    assert [f["message"] for f in caught.value.findings] == [
        f"left by the rollback: the policy src 0.0.0.0/0 dst {OWN}/32 dir in",
        f"left by the rollback: the file {home}/state.json is still there",
    ]


@pytest.mark.parametrize(
    ("now", "reverting", "off", "said"),
    [
        ({"state": "open", "tx": TX}, f"{TX}\ncharon does not answer\n", False, ["charon does not answer"]),
        ({"state": "open", "tx": TX}, "", False, ["the transaction is still open"]),
        ({"state": "open", "tx": "tx-other"}, "", False, []),
        ({"state": "confirmed", "tx": TX}, "", False, ["the release is still confirmed"]),
        ({"state": "confirmed", "tx": "tx-1"}, "", True, ["the release is still confirmed"]),
        ({"state": "confirmed", "tx": "tx-1"}, "", False, ["the guard does not drop"]),
    ],
)
def test_no_rollback_is_called_done_that_is_not(
    world: World, home: Path, now: Any, reverting: str, off: bool, said: list[str]
) -> None:
    (Path(state.RUN)).mkdir(exist_ok=True)
    (Path(state.RUN) / "reverting").write_text(reverting)
    assert leftovers.after_rollback({"tx": TX, "node": NODE, "off": off}, now) == said  # type: ignore[typeddict-item]


def test_nobody_goes_on_with_a_transaction_whose_rollback_has_begun(world: World, home: Path) -> None:
    Path(state.RUN).mkdir(exist_ok=True)
    (home / "open").write_text(TX + "\n")
    state.require_open(TX)
    (Path(state.RUN) / "reverting").write_text(f"{TX}\ncharon does not answer\n")
    with pytest.raises(Stop, match="being rolled back on this node; still there: charon does not answer"):
        state.require_open(TX)
    now = state.progress(state.load())
    assert (now["rolling_back"], now["left"]) == (True, ["charon does not answer"])
    (Path(state.RUN) / "reverting").write_text("tx-other\n")
    state.require_open(TX)


def test_a_snapshot_without_its_last_file_is_made_again(
    world: World, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Power is cut between two files; the one that says that all are there is the last."""
    real, written = state.write, list[str]()

    def write(path: str, data: str, *more: Any) -> bool:
        written.append(Path(path).name)
        if cut and len(written) == cut:
            raise KeyboardInterrupt
        return bool(real(path, data, *more))

    monkeypatch.setattr(state, "write", write)
    monkeypatch.setattr(state, "arm", lambda *_: None)
    cut = 0
    state.begin("tx-2", NODE, 60, "apply " + "f" * 64, lambda _: None)
    assert [name for name in written if name not in ("open", "last")][-1] == "before"
    number = written.index("before") + 1
    for cut in range(1, number + 1):
        tx = f"tx-3-{cut}"
        (home / "open").unlink(missing_ok=True)
        written.clear()
        with pytest.raises(KeyboardInterrupt):
            state.begin(tx, NODE, 60, "apply " + "f" * 64, lambda _: None)
        assert not (home / "tx" / tx / "before").exists()
        keep, cut = cut, 0
        state.begin(tx, NODE, 60, "apply " + "f" * 64, lambda _: None)
        assert {"peers", "pairs", "port", "policy", "both", "before"} <= {p.name for p in (home / "tx" / tx).iterdir()}
        assert keep


@pytest.mark.parametrize(("script", "passes"), [("echo passed >$2", True), ("exit 1", False), ("exit 0", False)])
def test_the_installed_script_is_tried_in_place(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, passes: bool
) -> None:
    """As the timer runs it: by /bin/sh, so that a file system mounted noexec is no obstacle, here neither."""
    path = tmp_path / "revert.sh"
    path.write_text(script + "\n")
    path.chmod(0o600)
    Path(state.RUN).mkdir(exist_ok=True)
    monkeypatch.setattr(state, "SCRIPT", str(path))
    if passes:
        arm._self_test()
    else:
        with pytest.raises(Stop, match="fails its self-test"):
            arm._self_test()
    armed: list[tuple[Any, ...]] = []
    monkeypatch.setattr(state, "must", lambda *words: armed.append(words))
    monkeypatch.setattr(state, "_stop", lambda *_: None)
    state.arm(TX, 60)
    at = armed[0].index("/bin/sh")
    assert armed[0][at : at + 3] == ("/bin/sh", str(path), "timer")


def test_a_rollback_of_what_ran_here_waits_for_its_turn(home: Path) -> None:
    home.mkdir()
    state.save(state="none", last={"tx": TX, "result": "reverted"})
    asked: Any = {"phases": ["roll-back"], "tx": TX, "rearm": False}
    assert not main._harmless(asked), "it may take away what the rollback left"
    assert main._harmless({**asked, "tx": "tx-other"})
