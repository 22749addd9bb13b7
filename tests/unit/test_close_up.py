"""A pair from near: what a node says of it, who is asked, and how it is printed."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from netplan.agent.phases import close_up as near
from netplan.agent.protocol.reply import CloseUp
from netplan.agent.system import core, vici, xfrm
from netplan.cli import status
from netplan.cli.main import main
from netplan.model.shapes import adapter
from netplan.rollout.engine import Engine
from netplan.rollout.outcome import Options
from netplan.rollout.record.journal import ClusterState
from tests.support.fake_nodes import IDS, FakeNodes, target

CHILD = {
    "name": "a-b",
    "state": "INSTALLED",
    "mode": "TRANSPORT",
    "encap": "yes",
    "encr-alg": "AES_GCM_16",
    "encr-keysize": "256",
    "bytes-in": str(2**40),
    "bytes-out": "7",
    "packets-in": "2",
    "packets-out": "1",
    "install-time": "60",
    "rekey-time": "3000",
}
SA = {"state": "ESTABLISHED", "established": "61", "rekey-time": "9000", "uniqueid": "2", "child-sas": {"a-b-3": CHILD}}
# as `journalctl -o short-iso` prints them
LOG = """\
2026-01-01T00:00:05+0000 a charon-systemd[1]: 05[IKE] <pair-1|2> peer says AUTHENTICATION_FAILED
t charon[1]: 06[IKE] <pair-2|3> other
""" + "".join(
    f"t charon[1]: {number:02}[NET] sending packet: from 10.0.0.1[500] to 10.0.0.2[500]\n" for number in range(20, 50)
)
NODE: Any = {"peers": [{"id": "n-b", "pair": "pair-1", "address": "10.0.0.2", "children": ["a-b", "b-a"]}]}


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    asked: list[tuple[str, ...]] = []

    def run(*argv: object, **_: object) -> core.Done:
        asked.append(tuple(map(str, argv)))
        return core.Done(0, LOG if argv[0] == "journalctl" else "10.0.0.2 dev eth0 src 10.0.0.1\n    cache\n", "")

    monkeypatch.setattr(near, "run", run)
    monkeypatch.setattr(xfrm, "errors", lambda: {"XfrmInNoStates": 2})
    old = {"state": "REKEYED", "uniqueid": "1"}
    monkeypatch.setattr(vici, "sas", lambda: [("pair-1", old), ("pair-1", SA), ("pair-2", SA)])
    return asked


def test_a_node_tells_of_the_pairs_that_are_asked_for(there: list[tuple[str, ...]]) -> None:
    assert near.close_ups(NODE, ["n-x"]) == []
    (found,) = near.close_ups(NODE, ["n-b", "n-x"])
    adapter(CloseUp).validate_python({**found, "children": []})
    assert (found["ike"], found["established_s"], found["route"]) == (
        "ESTABLISHED",
        61,
        "10.0.0.2 dev eth0 src 10.0.0.1",
    )
    assert [line.split("]: ")[1][:7] for line in found["words"]] == ["05[IKE]", "48[NET]", "49[NET]"], (
        "another pair's words are not its own, and packets hide no words"
    )
    (child,) = found["children"]
    assert (child["transform"], child["encap"], child["bytes_in"], child["packets_out"]) == (
        "AES_GCM_16-256",
        True,
        2**40,
        1,
    )
    assert all(argv[:2] in (("journalctl", "-u"), ("ip", "route")) for argv in there)


@pytest.mark.usefixtures("there")
def test_a_pair_that_charon_does_not_know(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vici, "sas", list)
    (found,) = near.close_ups(NODE, ["n-b"])
    assert (found["ike"], found["children"]) == ("none", [])
    assert "  no CHILD_SA" in status.close_lines("a", found)


@pytest.mark.usefixtures("there")
def test_the_two_nodes_alone_are_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    row = near.close_ups(NODE, ["n-b"])
    nodes = FakeNodes(lambda phase, _: {"close": row} if phase == "status" else None)
    targets = [target(i) for i in IDS]
    names = [one.name for one in targets]

    @contextlib.contextmanager
    def opened(*_: object, **__: object) -> Iterator[Engine]:
        with ClusterState(tmp_path, "lab", reading=True) as state:
            yield Engine("lab", "d", targets, nodes, state, lambda _: None, Options())

    monkeypatch.setattr(status, "opened", opened)
    assert main(["status", "--pair", names[0], names[1], "bundle"]) == 0
    assert nodes.calls == [(("status",), (targets[0].id, targets[1].id))]
    assert nodes.requests[0][targets[0].id]["close"] == [targets[0].id, targets[1].id]
    printed = capsys.readouterr().out
    assert f"{names[0]}: IKE_SA ESTABLISHED for 61 s, rekeyed in 9000 s" in printed
    assert "in 2 packets 1099511627776 bytes, out 1 packet 7 bytes" in printed
    assert "charon: 01-01 00:00:05 05[IKE] <pair-1|2> peer says" in printed, "neither host nor unit, which are known"
    assert main(["status", "--json", "--pair", names[0], names[1], "bundle"]) == 0
    assert json.loads(capsys.readouterr().out)["result"]["ends"].keys() == {names[0], names[1]}
    assert main(["status", "--pair", names[0], "nosuch", "bundle"]) != 0
    assert "are no pair" in capsys.readouterr().err
