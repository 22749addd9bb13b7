"""What nodes prove who they are with: certificates that are signed here, raw public keys, pre-shared keys."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from netplan.agent.protocol.reply import Requested
from netplan.agent.protocol.request import RequestOptional
from netplan.ipsec import ca, rawkeys
from netplan.ipsec.ca import Authority, open_authority
from netplan.ipsec.ca_rollover import Rollover, under_way
from netplan.ipsec.psk import Store, open_store, secrets_file
from netplan.problems import Problem, ProblemError
from netplan.rollout.nodes.targets import Target
from netplan.rollout.nodes.view import psk_owners
from netplan.rollout.outcome import Failed
from netplan.rollout.phases import Step
from netplan.rollout.record.journal import ClusterState


def _replaced(name: str) -> Problem:
    text = f"{name} has another key than the one that was confirmed on it: it is another machine"
    hint = f"if you reinstalled it, `--replace {name}` admits it; a `rotate` that was interrupted is finished by itself"
    return Problem(code="IPP674", message=text, hint=hint)


class Credentials:
    """The credentials of one run over ``targets``; the stores are opened when one is needed.

    ``key_phase`` is that of a rotation of pre-shared keys, see netplan.ipsec.psk; 0 outside one.
    """

    def __init__(self, state: ClusterState, cluster: str, targets: Mapping[str, Target]) -> None:
        self._state, self._cluster, self._targets = state, cluster, targets
        self._authority: Authority | None = None
        self._rollover: Rollover | None = None  # one that was interrupted
        self._keys: Store | None = None
        self._ready: dict[str, RequestOptional] = {}  # node id -> what the next request brings
        self.key_phase = 0

    @property
    def keys(self) -> Store:
        """The cluster's pre-shared keys; made here, once, for pairs that have none."""
        if self._keys is None:
            self._keys = open_store(self._state.folder / "psk.json")
            pairs = {pair for target in self._targets.values() for pair in psk_owners(target.node)[0]}
            if self._keys.ensure(sorted(pairs)):
                self._keys.save()
        return self._keys

    def find_missing(self) -> None:
        """Open the pre-shared keys where the plan has them. Raises ProblemError when they can't be read."""
        if any(target.node["auth"] == "psk" for target in self._targets.values()):
            _ = self.keys

    def open_authority(self, other: Authority | None = None) -> Authority:
        """Return the CA that signs: the cluster's, or ``other`` from here on. Raises ProblemError."""
        if other is not None:
            self._authority = other
        if self._authority is None:
            self._authority = open_authority(self._state.ca, self._cluster)
        return self._authority

    def take(self, asked: Mapping[str, Requested], known: Collection[str] = ()) -> None:
        """Sign what nodes (ids) asked for, or collect their public keys; the next request brings it. Raises Failed.

        ``known``: nodes that may have no other key than the one that we know. A node's own word that it is the same
        machine is not asked for: whoever stands in its place would say so.
        """
        try:
            if others := [
                i for i in known if "request" in asked.get(i, {}) and self._other_key(i, asked[i]["request"])
            ]:
                raise Failed([_replaced(self._targets[i].name) for i in others])
            if any(self._targets[node_id].node["auth"] == "raw-keys" for node_id in asked):
                self._pin({i: result["request"] for i, result in asked.items() if "request" in result})
            else:
                self._ready = {
                    i: self._sign(i, result["request"]) for i, result in asked.items() if "request" in result
                }
        except ProblemError as error:
            raise Failed(error.problems) from None

    def _other_key(self, node_id: str, request: str) -> bool:
        """Tell whether a node's key is another one than that of its certificate or list entry, which is still good."""
        if self._targets[node_id].node["auth"] == "raw-keys":
            before = rawkeys.read(self._state.folder / "pubkeys.json").get(node_id)
        else:
            before = ca.issued_key(self._state.ca, node_id)
        return before is not None and before != ca.public_key(request, node_id)

    def _sign(self, node_id: str, request: str) -> RequestOptional:
        identities = self._targets[node_id].node.get("identities", ())
        if self._authority is None:
            self._rollover = self._rollover or under_way(self._state.ca)
        if self._rollover is None:
            authority = self.open_authority()
            return {"certificate": authority.sign(request, node_id, identities), "authority": authority.pem}
        # a rotation of the CA was interrupted: this node has to fit to the others, wherever each of them is
        authority, phase = self._rollover.signer()
        certificate = authority.sign(request, node_id, identities)
        self._rollover.reached([node_id], phase)
        return {"certificate": certificate, "authority": authority.pem, "authorities": self._rollover.trusted}

    def _pin(self, asked: Mapping[str, str]) -> None:
        known = rawkeys.collect(self._state.folder / "pubkeys.json", asked)
        self._ready = {
            i: {"publics": rawkeys.of_peers(known, [peer["id"] for peer in self._targets[i].node["peers"]])}
            for i in asked
        }

    def request(self, step: Step, target: Target) -> RequestOptional:
        """Return what the request of a step to a node has of it."""
        found: RequestOptional = {}
        if {"credentials", "install-certificate"} & set(step.phases):
            found.update(self._ready.get(target.id, {}))
        if target.node["auth"] == "psk" and {"credentials", "load-psk"} & set(step.phases):
            phase = self.key_phase or self.keys.phases.get(target.id, 0)
            peers, more = psk_owners(target.node)
            found["secrets"] = secrets_file(self.keys, target.id, peers, phase, more)
        return found
