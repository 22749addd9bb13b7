"""A host that somebody else configures: its half as a page and a file, nothing rolled out to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from netplan.bundle import reader, write
from netplan.ipsec import swanctl, unmanaged_peer
from netplan.ipsec.swanctl_parser import read
from netplan.model.proposals import esp_proposal, ike_proposal
from netplan.problems import ProblemError
from tests.support.plans import make_planned

FAR = {4: {"ipsecplan_managed": False}}


def test_its_files_are_handed_out_and_it_is_no_target(tmp_path: Path) -> None:
    planned = make_planned(4, FAR)
    far = next(n for n in planned.plan.nodes if not n.managed)
    written = write.write(tmp_path / "b", planned.plan, planned.inventory)
    assert far.id not in written.nodes
    assert len(written.nodes) == 3
    names = {f["path"] for f in written.manifest["files"] if far.id in f["path"]}
    sheets = ("PARAMETERS.md", "ipsecplan.conf", "libreswan.conf", "fortios.conf")  # no word for x25519 in the others
    assert names == {f"unmanaged-peers/{far.id}/{name}" for name in sheets}
    found = reader.read(tmp_path / "b")
    assert found.digest == written.digest
    for node in found.nodes:
        peers = found.node(node)["peers"]
        assert [p["id"] == far.id for p in peers] == [False, False, True]  # managed ones first
        assert peers[2]["initiator"], "we start, it answers"
    conf = swanctl.connections_of(read((tmp_path / "b" / "unmanaged-peers" / far.id / "ipsecplan.conf").read_text()))
    assert {c["rekey_time"] for c in conf.values()} == {"5h"}  # it is the responder of every pair
    page = (tmp_path / "b" / "unmanaged-peers" / far.id / "PARAMETERS.md").read_text()
    for words in (
        far.address,
        "AES\\_GCM\\_16-256",
        "ECP\\_384 (group 20)",
        "CURVE\\_25519 (group 31)",
        "| 1416 |",
        "port 4789",
        "| libreswan 5 | `libreswan.conf` |",
        "| Cisco IOS XE | none: it has no word for ESP aes256gcm16-x25519: no key exchange CURVE\\_25519 (group 31) |",
        "**The PFS group has to be the one given.**",
        "The second child SA and every rekey then fail",
        "`ipsecplan verify --from-our-side`",
        "`ipsecplan ca issue`",
    ):
        assert words in page
    for node in planned.plan.nodes:
        assert node.address in page


def test_two_unmanaged_peers_are_none_of_our_pairs() -> None:
    plan = make_planned(5, {4: {"ipsecplan_managed": False}, 5: {"ipsecplan_managed": "false"}}).plan
    far = [n for n in plan.nodes if not n.managed]
    assert not plan.class_of(*far).protected
    assert {p.name for p, _ in plan.peers(far[0])} == {"n1", "n2", "n3"}


@pytest.mark.parametrize(
    ("count", "far", "topology"),
    [(2, [2], "full-mesh"), (3, [2, 3], "full-mesh"), (3, [1], {"hub": "n1"}), (2, [1, 2], "full-mesh")],
)
def test_a_host_without_a_managed_peer_is_refused(count: int, far: list[int], topology: object) -> None:
    with pytest.raises(ProblemError) as raised:
        make_planned(count, {n: {"ipsecplan_managed": False} for n in far}, ipsec={"topology": topology})
    assert {p.code for p in raised.value.problems} == {"IPP408"}


@pytest.mark.parametrize("value", ["yes", 1, "{{ x }}"])
def test_only_true_and_false(value: object) -> None:
    with pytest.raises(ProblemError):
        make_planned(4, {4: {"ipsecplan_managed": value}})


def test_the_words_of_the_field() -> None:
    ike = ike_proposal("aes256gcm16-prfsha384-x25519-ke1_mlkem768")
    assert not isinstance(ike, str)
    assert unmanaged_peer.words(ike) == unmanaged_peer.Words(
        "AES_GCM_16-256",
        "none (AEAD)",
        "PRF_HMAC_SHA2_384",
        "CURVE_25519 (group 31), ML_KEM_768 (group 36, additional key exchange 1, RFC 9370)",
    )
    esp = esp_proposal("aes256-sha256")
    assert esp is not None
    assert unmanaged_peer.words(esp) == unmanaged_peer.Words(
        "AES_CBC-256", "HMAC_SHA2_256_128", "of the integrity algorithm", "none (no PFS)"
    )
