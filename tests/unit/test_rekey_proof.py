"""The proof that a rekey comes through: which pairs give it, what a node does for it, and what a failure ends."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from netplan.agent.phases import ike, rekey
from netplan.agent.system import core, vici
from netplan.agent.system.core import Stop
from netplan.agent.transaction import state
from netplan.problems import ExitCode
from netplan.rollout import pace, phases
from netplan.rollout.nodes import rekeys
from tests.support import replies
from tests.support.fake_nodes import IDS, FakeNodes, Run, failure, phases_sent
from tests.unit.test_node_switch import NODE, child

GCM = ("AES_GCM_16", "")
OWN = "pair-1-out"


class Charon:
    """charon on this node: SAs of one pair; ``agree`` says whether the ends share the key exchange that is loaded."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, before: str, agree: bool = True) -> None:
        self.agree, self.now = agree, 0.0
        self.calls: list[tuple[str, str]] = []
        self.ike = {"1": [self.sa(OWN, 1), self.sa("pair-1-in", 2)]}
        self.same = False  # whether what is loaded is what the live SA was made with
        self.fresh_ike = False  # whether what is loaded needs another IKE_SA
        self.deaf = 0  # answers that cross the peer's own request
        (tmp_path / "before").write_text(before)
        monkeypatch.setattr(state, "tx_folder", lambda _: str(tmp_path))
        monkeypatch.setattr(ike, "log_of_charon", lambda: ["received NO_PROPOSAL_CHOSEN notify error"])
        monkeypatch.setattr(vici, "sas", self.sas)
        monkeypatch.setattr(vici, "Vici", lambda: self)
        monkeypatch.setattr(rekey.time, "monotonic", lambda: self.now)
        monkeypatch.setattr(core.time, "monotonic", lambda: self.now)
        monkeypatch.setattr(core.time, "sleep", self.sleep)

    @staticmethod
    def sa(name: str, number: int) -> dict[str, Any]:
        found = child(name, number, GCM)
        del found["integ-alg"]
        return found

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def sas(self) -> list[tuple[str, dict[str, Any]]]:
        return [
            ("pair-1", {"uniqueid": number, "child-sas": {c["uniqueid"]: c for c in children}})
            for number, children in self.ike.items()
        ]

    def __enter__(self) -> Charon:
        return self

    def __exit__(self, *_: object) -> None: ...

    @property
    def children(self) -> list[dict[str, Any]]:
        return [c for children in self.ike.values() for c in children]

    def _new(self, name: str, at: str) -> None:
        number = 1 + max(int(c["uniqueid"]) for c in self.children)
        self.ike.setdefault(at, []).append(self.sa(name, number))

    def stream(self, what: str, event: str, **words: Any) -> list[dict[str, Any]]:
        assert (what, event, words["loglevel"]) == ("initiate", "control-log", 1)
        self.calls.append((what, words["child"]))
        if self.same:
            return [{"msg": f"not establishing CHILD_SA {OWN}{{3}} due to existing duplicate {{1}} with SPIs"}]
        if not self.agree:
            said = (
                "establishing CHILD_SA",
                "received NO_PROPOSAL_CHOSEN notify, no CHILD_SA built",
                "failed to establish",
            )
            return [{"group": "IKE", "msg": text} for text in said]
        self._new(words["child"], "2" if self.fresh_ike else "1")
        return [{"msg": "CHILD_SA established"}]

    def call(self, what: str, **words: Any) -> None:
        self.calls.append((what, words.get("child") or words["child_id"]))
        if what == "initiate":  # of the other child, which nobody waits for
            self._new(words["child"], "2")
        elif what == "rekey" and self.deaf:
            self.deaf -= 1
        elif what == "rekey" and self.agree:
            at, found = next(
                (ike_sa, c) for ike_sa, cs in self.ike.items() for c in cs if c["uniqueid"] == words["child_id"]
            )
            found["state"] = "REKEYED"
            self._new(found["name"], at)
        elif what == "terminate":
            next(c for c in self.children if c["uniqueid"] == words["child_id"])["state"] = "DELETED"


def proof(**about: Any) -> dict[str, Any]:
    node = {**NODE, "esp": {"mode": "TRANSPORT", "negotiated": ["AES_GCM_16-256"]}}
    return {"node": node, "tx": "tx-1", "patience": 30, "rekey": ["pair-1"], **about}


def test_the_first_release_rekeys_the_sa_that_it_made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    charon = Charon(monkeypatch, tmp_path, before="none - -")
    assert rekey.rekey(proof())["detail"] == "1 pair rekeyed"
    assert charon.calls == [("rekey", "1")]


def test_a_change_makes_a_new_sa_first_because_a_rekey_keeps_the_settings_of_before(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    charon = Charon(monkeypatch, tmp_path, before="confirmed tx-0 r")
    rekey.rekey(proof())
    assert charon.calls == [("initiate", OWN), ("rekey", "3"), ("terminate", "1")]
    charon = Charon(monkeypatch, tmp_path, before="confirmed tx-0 r")
    charon.fresh_ike = True
    rekey.rekey(proof())
    assert charon.calls == [("initiate", OWN), ("rekey", "3"), ("initiate", "pair-1-in"), ("terminate", "1")]


def test_a_differing_key_exchange_is_found_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    charon = Charon(monkeypatch, tmp_path, before="none - -", agree=False)
    with pytest.raises(Stop) as stop:
        rekey.rekey(proof())
    found = stop.value.findings[0]
    assert found["code"] == "IPP623"
    assert "with n2 comes through: received NO_PROPOSAL_CHOSEN" in found["message"]
    assert charon.calls.count(("rekey", "1")) == 6, "every 8 s of 45"


def test_a_slow_negotiation_s_words_are_no_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    """charon says so when an answer took longer than the kernel keeps an SPI, and then has the SA all the same."""
    log = "pair-1|2 retransmit 3 of request with message ID 7\nallocated SPI not found anymore, try to add SAD entry\n"
    monkeypatch.setattr(ike, "run", lambda *_: SimpleNamespace(out=log))
    assert ike.reason("pair-2", ike.log_of_charon()).endswith("retransmit 3 of request with message ID 7")


def test_where_nothing_changed_here_the_live_sa_is_rekeyed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    charon = Charon(monkeypatch, tmp_path, before="confirmed tx-0 r")
    charon.same = True
    rekey.rekey(proof())
    assert charon.calls == [("initiate", OWN), ("rekey", "1")]


def test_a_peer_that_refuses_what_is_loaded_here_is_no_duplicate(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    charon = Charon(monkeypatch, tmp_path, before="confirmed tx-0 r", agree=False)
    with pytest.raises(Stop, match="received NO_PROPOSAL_CHOSEN notify, no CHILD_SA built"):
        rekey.rekey(proof())
    assert {what for what, _ in charon.calls} == {"initiate"}, "the old SA is neither rekeyed nor ended"


def test_an_answer_that_crosses_the_peer_s_own_rekey_is_no_failure(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    charon = Charon(monkeypatch, tmp_path, before="none - -")
    charon.deaf = 1
    rekey.rekey(proof())
    assert charon.calls == [("rekey", "1")] * 2


def test_an_sa_that_came_by_itself_is_no_rekey(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    charon = Charon(monkeypatch, tmp_path, before="none - -", agree=False)
    call = charon.call

    def also_trapped(what: str, **words: Any) -> None:
        call(what, **words)
        charon._new(OWN, "1")

    monkeypatch.setattr(charon, "call", also_trapped)
    with pytest.raises(Stop, match="comes through"):
        rekey.rekey(proof())


def test_a_node_without_a_pair_to_prove_asks_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    charon = Charon(monkeypatch, tmp_path, before="none - -")
    assert rekey.rekey(proof(rekey=[]))["changed"] is False
    assert not charon.calls


def mesh(number: int, **about: Any) -> dict[str, Any]:
    ids = [f"n-{n}" for n in range(number)]
    out = {}
    for at, node_id in enumerate(ids):
        peers = [
            {"id": other, "pair": f"pair-{min(at, n)}{max(at, n)}", "name": other, "initiator": at < n, **about}
            for n, other in enumerate(ids)
            if n != at
        ]
        out[node_id] = replies.node_json(node_id, peers)
    return out


@pytest.mark.parametrize(
    ("known", "pairs"),
    [
        (["5.9.8"] * 4, ["01"]),
        (["5.9.8", "5.9.8", "6.1.0", "6.1.0"], ["01", "02", "23"]),
        (["5.9.8", "5.9.8", "5.9.8", ""], ["01", "03"]),
        (["", "", "", ""], ["01", "02", "03"]),
    ],
    ids=["one release", "each two releases", "one unknown", "all unknown"],
)
def test_one_pair_of_each_two_releases(known: list[str], pairs: list[str]) -> None:
    versions = {f"n-{n}": version for n, version in enumerate(known) if version}
    both = {f"n-{n}": [f"pair-{pair}" for pair in pairs if str(n) in pair] for n in range(4)}
    assert rekeys.chosen(mesh(4), versions) == {node: found for node, found in both.items() if found}, "at both ends"


def test_one_pair_of_each_class_and_each_host_that_is_none_of_ours() -> None:
    nodes, versions = mesh(3), dict.fromkeys(("n-0", "n-1", "n-2"), "6.1.0")
    nodes["n-1"]["peers"][1]["encap"] = True
    assert rekeys.chosen(nodes, versions) == {
        "n-0": ["pair-01"],
        "n-1": ["pair-01", "pair-12"],
        "n-2": ["pair-12"],
    }
    del nodes["n-2"]
    assert rekeys.chosen(nodes, versions) == {"n-0": ["pair-01", "pair-02"], "n-1": ["pair-01", "pair-12"]}
    nodes["n-1"]["peers"][1]["encap"] = False
    assert rekeys.chosen(nodes, versions) == {"n-0": ["pair-01", "pair-02"], "n-1": ["pair-01"]}


def test_the_engine_proves_before_it_confirms_and_rolls_back_what_fails(tmp_path: Path) -> None:
    last = next(step for step in phases.APPLY if "rekey" in step.phases)
    assert phases.APPLY.index(last) < next(n for n, s in enumerate(phases.APPLY) if "trap" in s.phases)
    assert set(last.phases) & set(pace.WAITS) == {"encrypt", "rekey"}
    nodes = FakeNodes(lambda phase, node: failure("IPP623") if (phase, node) == ("rekey", IDS[0]) else None)
    run = Run(tmp_path, nodes)
    assert run.outcome.exit_code == ExitCode.REVERTED
    assert [p.code for p in run.outcome.problems][:1] == ["IPP623"]
    sent = phases_sent(nodes)
    assert not {"confirm", "trap"} & set(sent)
    assert "roll-back" in sent
    asked = [r for r in nodes.requests if "rekey" in next(iter(r.values()))["phases"]]
    assert [request["rekey"] for request in asked[0].values()] == [["pair-ab", "pair-ac"], ["pair-ab"], ["pair-ac"]]


def test_a_rollback_ends_the_ike_sa_too() -> None:
    """A CREATE_CHILD_SA in a living IKE_SA always carries the key exchange that the peer refuses: it never heals."""
    text = Path("netplan/templates/node/revert-acts.sh").read_text(encoding="utf-8")

    def body(name: str) -> str:
        return text.split(f"\n{name}() {{")[1].split("\n}\n")[0]

    assert 'swanctl --terminate --ike "${pair}" --force' in body("terminate_pairs")
    back = body("back")
    assert back.index("load_old") < back.index("terminate_pairs"), "what begins anew has the settings of before"
