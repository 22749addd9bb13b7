"""Three simulated nodes with a confirmed release that have credentials, and look whether any two could not meet.

The agent, its state and its lease are real, see tests.support.simulated. What a node's charon has loaded is played: its
key and certificate, the two CAs that it trusts, the file of pre-shared keys.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from netplan.ipsec.ca import open_authority
from netplan.ipsec.psk import Store, open_store, secrets_file
from netplan.ipsec.swanctl_parser import read
from netplan.rollout.nodes.view import psk_owners
from netplan.rollout.record.journal import ClusterState
from netplan.rollout.transport.reply import Answer
from tests.support.simulated import Nodes

IDS = [f"n-{c * 12}" for c in "abc"]


@dataclass
class Loaded:
    """What the charon of one node has."""

    key: ec.EllipticCurvePrivateKey | None = None
    next_key: ec.EllipticCurvePrivateKey | None = None
    certificate: str = ""
    trusted: tuple[str, ...] = ()
    secrets: str = ""


class Credentialed(Nodes):
    """The nodes, with credentials of the store in ``state``. ``cuts``: pairs that could not have met, at any moment."""

    def __init__(self, patch: pytest.MonkeyPatch, folder: Path, state: ClusterState, auth: str) -> None:
        self.auth, self.cuts = auth, list[str]()
        self.loaded = {node: Loaded() for node in IDS}
        self.before_step: Callable[[], None] = lambda: None
        super().__init__(patch, folder, {node: [other for other in IDS if other != node] for node in IDS})
        store = Store(state.folder / "psk.json")
        for target in self.targets:
            target.node["auth"] = auth  # type: ignore[typeddict-item]
            for peer in target.node["peers"]:
                one, two = sorted((target.id[2], peer["id"][2]))
                peer["pair"] = f"pair-{one * 6}{two * 6}"
            self._confirm(target.id, target.digest)
        for target in self.targets:
            mine = self.loaded[target.id]
            if auth == "psk":
                peers, more = psk_owners(target.node)
                store.ensure(peers)
                mine.secrets = secrets_file(store, target.id, peers, 0, more)
            else:
                authority = open_authority(state.ca, "lab")
                mine.key = ec.generate_private_key(ec.SECP384R1())
                mine.certificate = authority.sign(request(mine.key), target.id)
                mine.trusted = (authority.pem, authority.pem)
        if auth == "psk":
            store.save()
            assert open_store(store.path).pairs.keys() == {p["pair"] for t in self.targets for p in t.node["peers"]}

    def _confirm(self, node: str, release: str) -> None:
        lib = self.home(node) / "lib"
        lib.mkdir(exist_ok=True)
        state = {"schema": 1, "state": "confirmed", "tx": "tx-1", "release": release, "at": "", "last": {}}
        (lib / "state.json").write_text(json.dumps(state))
        (self.home(node) / "guard").write_text("table inet ipsecplan {\n}")

    def reinstall(self, node: str) -> None:
        """Let a node be a machine that was installed anew: it remembers nothing."""
        for path in (self.home(node) / "lib").iterdir():
            path.unlink()
        self.loaded[node] = Loaded()

    def step(self, requests: Any, targets: Any, *, payload: bool, fresh: bool, arrived: Any) -> dict[str, Answer]:
        self.before_step()
        return super().step(requests, targets, payload=payload, fresh=fresh, arrived=arrived)

    def serve(self, node_id: str, request: dict[str, Any], archive: bytes) -> Answer:
        answer = super().serve(node_id, request, archive)
        self.cuts += [f"{request['phases']} on {node_id}: {pair}" for pair in self.cut()]
        return answer

    def _stub(self, phase: str) -> Callable[..., dict[str, Any]]:
        work = super()._stub(phase)

        def with_credentials(request: dict[str, Any], archive: bytes | None = None) -> dict[str, Any]:
            return {**work(request, archive), **self._change(phase, request)}

        return with_credentials

    def _change(self, phase: str, asked: dict[str, Any]) -> dict[str, Any]:
        mine = self.loaded[asked["node"]["id"]]
        if phase in ("credentials", "load-psk"):
            mine.secrets = asked.get("secrets") or mine.secrets
        if phase == "stage" and self.auth == "certificates" and not mine.certificate:
            mine.key = mine.key or ec.generate_private_key(ec.SECP384R1())
            return {"request": request(mine.key)}
        if phase == "credentials" and "certificate" in asked:
            mine.certificate = asked["certificate"]
            mine.trusted = tuple(asked.get("authorities") or [asked["authority"]] * 2)
        if phase == "load-ca":
            mine.trusted = tuple(asked["authorities"])
        if phase == "new-key":
            mine.next_key = mine.next_key or ec.generate_private_key(ec.SECP384R1())
            return {"request": request(mine.next_key)}
        if phase == "install-certificate":
            mine.key, mine.next_key, mine.certificate = mine.next_key, None, asked["certificate"]
        return {}

    def cut(self) -> list[str]:
        """Return the pairs whose next authentication would fail, of nodes that have credentials at all."""
        ready = [node for node in IDS if self.loaded[node].certificate or self.loaded[node].secrets]
        return [f"{one} {other}" for one, other in combinations(ready, 2) if not self._meet(one, other)]

    def _meet(self, one: str, other: str) -> bool:
        a, b = self.loaded[one], self.loaded[other]
        if self.auth == "psk":
            return _compatible(a.secrets, b.secrets)
        return _accepts(a.trusted, b) and _accepts(b.trusted, a)


def request(key: ec.EllipticCurvePrivateKey) -> str:
    """Return the certificate request (PEM) of a key."""
    made = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA384())
    return made.public_bytes(serialization.Encoding.PEM).decode()


def _accepts(trusted: tuple[str, ...], peer: Loaded) -> bool:
    leaf = x509.load_pem_x509_certificate(peer.certificate.encode())
    if peer.key is None or leaf.public_key() != peer.key.public_key():
        return False
    for pem in trusted:
        try:
            leaf.verify_directly_issued_by(x509.load_pem_x509_certificate(pem.encode()))
        except (InvalidSignature, ValueError):
            continue
        return True
    return False


def _compatible(one: str, other: str) -> bool:
    """Tell whether each accepts what the other signs with, for the pair that both have."""
    accepts: list[dict[str, list[str]]] = []
    for text in (one, other):
        found: dict[str, list[str]] = {}
        for name, section in read(text).section("secrets").sections.items():
            found.setdefault(name.rsplit("-", 1)[0], []).append(section.values["secret"])
        accepts.append(found)
    mine, theirs = accepts
    shared = mine.keys() & theirs.keys()
    return bool(shared) and all(mine[p][-1] in theirs[p] and theirs[p][-1] in mine[p] for p in shared)
