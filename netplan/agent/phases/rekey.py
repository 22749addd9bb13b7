"""Phase ``rekey``: a rekey asked for now, and not when the first life ends, which is when nobody watches any more.

A key exchange that the ends don't share, or that one of them was built without, shows nowhere before: the first
CHILD_SA of an IKE_SA has no key exchange of its own, and a live one that has the planned cipher is kept by a change.
At its first rekey, more than an hour later, such a pair loses its SA: behind a trap nothing passes from then on, and
without one everything passes in clear, while the IKE_SA says ESTABLISHED.

charon rekeys an SA with the settings that it was made with, not with those loaded since (seen: 5.9.8, 6.0.1).
Where a release was in force before, a new CHILD_SA is therefore asked for first, and that one is rekeyed; the old one
is ended behind it. charon makes none where the settings here are the same ("due to existing duplicate"); then the live
SA is rekeyed. The peer's settings may have changed all the same, so both ends of a pair give this proof, each with the
child that it sends on.
"""

from __future__ import annotations

import time

from ..system import core, vici
from ..system.core import Stop, counted, finding
from ..transaction import state
from . import ike, trap_any

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..protocol.node_json import NodeJson, Peer
    from ..protocol.reply import Finding, Work
    from ..protocol.request import Request
    from ..protocol.words import Json

LONGEST_S = 45.0  # until a rekey has come through, its retransmissions included
# An answer that crosses the peer's own request is thrown away and sent again 4 s later; whoever asks before asks twice
AGAIN_S = 8
DUPLICATE = "due to existing duplicate"
OVER = ("REKEYED", "DELETING", "DELETED", "DESTROYING")


class _Sa:
    """A CHILD_SA and the IKE_SA (its number) that it belongs to."""

    def __init__(self, ike_sa: str, child: Json) -> None:
        self.ike_sa, self.child, self.number = ike_sa, child, str(child.get("uniqueid"))

    @property
    def over(self) -> bool:
        """Whether another one has taken its place, or it is being ended."""
        return self.child.get("state") in OVER


def _sas(node: NodeJson, peer: Peer, name: str) -> list[_Sa]:
    """Return the CHILD_SAs of one child of a pair, oldest first."""
    found = [
        _Sa(str(body.get("uniqueid")), child)
        for pair, body in trap_any.sas(node)
        for child in body.get("child-sas", {}).values()
        if pair == peer["pair"] and child.get("name") == name
    ]
    return sorted(found, key=lambda sa: int(sa.number) if sa.number.isdigit() else 0)


class _Proof:
    """The proof of one pair: ``step`` is called again and again until it is ``done``."""

    def __init__(self, node: NodeJson, peer: Peer, *, anew: bool) -> None:
        self.node, self.peer, self.name = node, peer, peer["children"][0]
        self.old = {sa.number for sa in _sas(node, peer, self.name)} if anew else set()
        self.anew, self.done = anew, False
        self._rekeyed = ""  # the number of the SA whose rekey was asked for
        self._before = set(self.old)  # those that were there then
        self._asked = -99.0
        self.said = ""  # charon's last word about the new SA

    def step(self) -> None:
        """Do what is next, at most one question to charon; it is ``done`` once a rekey has come through."""
        if self.done:
            return
        sas = [sa for sa in _sas(self.node, self.peer, self.name) if sa.number not in self.old]
        good = [sa for sa in sas if not sa.over and ike.wrong_with(self.node, self.peer, self.name, sa.child) is None]
        if self._rekeyed:
            there = {sa.number: sa for sa in sas}
            given_up = self._rekeyed not in there or there[self._rekeyed].over
            self.done = given_up and any(sa.number not in self._before for sa in good)
            if not self.done and not given_up:
                self._ask_to_rekey(self._rekeyed)
            elif given_up and not good:
                self._rekeyed = ""
        elif good:
            self._rekeyed, self._before = good[-1].number, {sa.number for sa in sas}
            self._asked = -99.0
            self._ask_to_rekey(self._rekeyed)
        elif self._due():
            self._ask_for_one()

    def _ask_for_one(self) -> None:
        """Ask for a new SA, and wait for what charon says of it."""
        with vici.Vici() as link:
            told = link.stream(
                "initiate",
                "control-log",
                ike=self.peer["pair"],
                child=self.name,
                timeout=int(AGAIN_S * 1000),
                loglevel=1,
            )
        words = [str(event.get("msg", "")) for event in told]
        if any(DUPLICATE in text for text in words):
            self.old = set()
        words = [str(event.get("msg", "")) for event in told if event.get("group") in ("IKE", "CFG")]
        self.said = next((text for text in words if ike.telling(text)), self.said)

    def _due(self) -> bool:
        if time.monotonic() - self._asked <= AGAIN_S:
            return False
        self._asked = time.monotonic()
        return True

    def _ask_to_rekey(self, number: str) -> None:
        if self._due():
            with vici.Vici() as link:
                link.call("rekey", child_id=number)

    def end_old(self) -> None:
        """End what the proven SA replaces."""
        for sa in _sas(self.node, self.peer, self.name):
            if sa.number in self.old and not sa.over:
                with vici.Vici() as link:
                    link.call("terminate", child_id=sa.number, timeout=5000)

    def follow(self) -> None:
        """Ask for the other child where the new one came with an IKE_SA of its own: charon ends the older IKE_SA soon,
        and what the peer sends on with it."""
        new = {sa.ike_sa for sa in _sas(self.node, self.peer, self.name) if not sa.over and sa.number not in self.old}
        for name in self.peer["children"][1:] if self.anew else ():
            if not new & {sa.ike_sa for sa in _sas(self.node, self.peer, name) if not sa.over}:
                ike.initiate(ike=self.peer["pair"], child=name)


def rekey(request: Request) -> Work:
    """Phase ``rekey``: a CHILD_SA of each pair in ``rekey`` is replaced by its own rekey, with what is loaded now."""
    node, tx, wanted = request["node"], request["tx"], request.get("rekey", ())
    anew = not (core.read(state.tx_folder(tx) + "/before") or "").startswith("none")
    proofs = [_Proof(node, peer, anew=anew) for peer in node["peers"] if peer["pair"] in wanted]

    def all_done() -> bool:
        core.each(_Proof.step, proofs)
        return all(proof.done for proof in proofs)

    # charon of the peer answers whether or not anybody has asked its node: nothing here waits for another request
    core.wait(all_done, max(request["patience"], LONGEST_S))
    failed = [proof for proof in proofs if not proof.done]
    if failed:
        raise Stop(*[_failure(proof) for proof in failed])
    for proof in proofs:
        proof.follow()
        proof.end_old()
    return {"changed": bool(proofs), "detail": f"{counted(len(proofs), 'pair')} rekeyed"}


def _failure(proof: _Proof) -> Finding:
    said = proof.said or ike.reason(proof.peer["pair"], ike.log_of_charon())
    text = f"no rekey of a CHILD_SA with {proof.peer['name']} comes through: {said}"
    hint = (
        "at the end of its life the SA would be lost: compare the key exchange in esp_proposals of both ends, and "
        "`swanctl --list-algs` there"
    )
    return finding("IPP623", text, hint)
