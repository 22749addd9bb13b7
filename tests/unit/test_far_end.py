"""What helps an unmanaged peer's administrator: words of other programs, a certificate, a measurement from our side."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs12

from netplan.audit.formats import routeros as routeros_reader
from netplan.audit.formats.registry import TEXTS
from netplan.audit.model import Evidence
from netplan.cli.main import main
from netplan.ipsec import ca
from netplan.ipsec.far_end import cisco, ends, fortios, issued, libreswan, routeros
from netplan.ipsec.far_end.ends import CannotSay, FarEnd, far_end, suite
from netplan.model.ids import node_id
from netplan.problems import ExitCode
from netplan.rollout.engine import Engine
from netplan.rollout.nodes.targets import Target
from netplan.rollout.outcome import Options
from netplan.rollout.record.events import silent
from netplan.rollout.record.journal import ClusterState
from netplan.rollout.verbs.measure import measure
from tests.support import replies
from tests.support.certificates import csr
from tests.support.fake_nodes import IDS, FakeNodes, target
from tests.support.plans import make_planned

NODE, OTHER = node_id("lab", "far"), node_id("lab", "n1")
WORDS = b"correct horse battery"


# -- words ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("aes256gcm16-x25519", "aes_gcm256;dh31"),
        ("aes128gcm12-ecp384", "aes_gcm_b128;dh20"),
        ("aes256ccm8", "aes_ccm_a256"),
        ("chacha20poly1305-modp4096", "chacha20_poly1305;dh16"),
        ("aes256-sha512-ecp521", "aes256-sha2_512;dh21"),
    ],
)
def test_esp_in_libreswans_words(text: str, word: str) -> None:
    assert libreswan.esp_word(suite(text, ike=False)) == word


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("aes256gcm16-prfsha384-ecp384", "aes_gcm256-sha2_384-dh20"),
        ("aes128-sha256-modp3072", "aes128-sha2_256-dh15"),
        ("aes128-sha256-prfsha256-modp3072", "aes128-sha2_256-dh15"),
    ],
)
def test_ike_in_libreswans_words(text: str, word: str) -> None:
    assert libreswan.ike_word(suite(text, ike=True)) == word


@pytest.mark.parametrize(
    ("word", "text", "ike", "reason"),
    [
        (libreswan.ike_word, "aes256-sha256-prfsha512-ecp384", True, "one hash for both"),
        (libreswan.ike_word, "aes256ccm16-prfsha256-ecp384", True, "AES_CCM_16 for IKE"),
        (libreswan.ike_word, "aes256gcm16-prfsha384-x448", True, r"CURVE_448 \(group 32\)"),
        (libreswan.ike_word, "aes256gcm16-prfsha384-x25519-ke1_mlkem768", True, "RFC 9370"),
        (libreswan.esp_word, "aes256-md5", False, "integrity algorithm HMAC_MD5_96"),
        (fortios.esp_word, "aes192gcm16-x25519", False, "cipher AES_GCM_16-192"),
        (fortios.esp_word, "aes256gcm16-esn", False, "extended sequence numbers alone"),
        (fortios.ike_word, "aes256-sha256-prfsha512-ecp384", True, "one hash for both"),
        (cisco.esp_word, "aes256gcm16-x25519", False, r"CURVE_25519 \(group 31\)"),
        (cisco.ike_word, "aes192gcm16-prfsha384-ecp384", True, "cipher AES_GCM_16"),
    ],
)
def test_what_a_program_has_no_word_for(word: Any, text: str, ike: bool, reason: str) -> None:
    with pytest.raises(CannotSay, match=reason):
        word(suite(text, ike=ike))


def end_of(**ipsec: Any) -> FarEnd:
    plan = make_planned(4, {4: {"ipsecplan_managed": False}}, ipsec=ipsec).plan
    return far_end(plan, next(n for n in plan.nodes if not n.managed))


def test_a_second_pfs_group_is_left_out_of_libreswans_line_and_named() -> None:
    text = libreswan.text(end_of(esp=["aes256gcm16-x25519", "aes256gcm16-ecp384", "aes256-sha256-x25519"]))
    assert "\tesp=aes_gcm256;dh31,aes256-sha2_256;dh31\n" in text
    assert "# left out, the peers offer more: ESP aes256gcm16-ecp384: no second PFS group" in text


def test_a_program_that_has_no_word_gets_no_file_and_the_page_says_why() -> None:
    with pytest.raises(CannotSay, match="AES_GCM_16 for IKE"):
        routeros.text(end_of())


def test_libreswan_rekeys_after_us_and_its_old_sa_outlives_a_retransmission() -> None:
    end = end_of(lifetimes={"ike": "10m", "child": "2m"})
    assert end.child_rekey == 150  # ours begins after 120 s
    assert end.child_life - end.child_rekey >= ends.LEAST_MARGIN_S
    assert f"\tsalifetime={end.child_life}s\n\trekeymargin={end.child_life - 150}s\n\trekeyfuzz=0%\n" in libreswan.text(
        end
    )


def test_a_port_alone_never_becomes_a_template() -> None:
    """``udp/%any`` makes a conn that only answers, and from every address."""
    text = libreswan.text(end_of())
    assert "%any" not in text
    assert "\tleftprotoport=udp\n\trightprotoport=udp/4789\n" in text


def test_no_sheet_reauthenticates() -> None:
    """On both ends it multiplies IKE_SAs without end."""
    end = end_of(esp=["aes256gcm16-ecp384"], ike=["aes256-sha384-ecp384"])
    for write in (libreswan.text, routeros.text, fortios.text, cisco.text):
        assert "reauth" not in write(end)


# -- RouterOS read --------------------------------------------------------------------------------------------------

EXPORT = """\
# 2026-11-01 by RouterOS 7.20
/interface ethernet
set [ find default-name=ether1 ] mtu=9000
/interface vxlan
add mtu=1450 name=vxlan1 port=4789 vni=7
/ip ipsec peer
add address=192.0.2.9/32 local-address=192.0.2.1 name=far
/ip ipsec proposal
add auth-algorithms=sha256 enc-algorithms=aes-256-cbc,aes-128-gcm name=p \\
    pfs-group=ecp384
/ip ipsec policy
add dst-address=10.2.0.0/16 peer=far proposal=p src-address=10.1.0.0/16 tunnel=yes
add dst-address=192.0.2.9/32 dst-port=4789 peer=far proposal=none-such protocol=udp src-address=192.0.2.1/32
add action=none dst-address=0.0.0.0/0 src-address=192.0.2.1/32
set 0 template=yes dst-address=::/0 src-address=::/0
"""


def test_an_export_of_routeros_is_read() -> None:
    found = Evidence()
    assert routeros_reader.read("router.rsc", EXPORT, found) is None
    assert next(read for takes, read in TEXTS if takes("router.rsc", EXPORT)) is routeros_reader.read
    assert [(esp.suite, esp.mode, esp.ports, esp.location.line) for esp in found.esps] == [
        ("aes256-sha256", "tunnel", None, 12),
        ("aes128gcm16", "tunnel", None, 12),
        ("aes256-sha1", "transport", frozenset({4789}), 13),
    ]
    assert found.esps[2].assumed
    assert found.esps[0].ends == ("192.0.2.1", "192.0.2.9")
    assert [(link.name, link.mtu) for link in found.links] == [("ether1", 9000)]
    assert [(s.field, s.value, s.encap, s.port) for s in found.settings] == [
        ("interface vxlan vxlan1 mtu", 1450, "vxlan", 4789)
    ]


# -- certificates ---------------------------------------------------------------------------------------------------


@pytest.fixture
def passphrase(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("IPSECPLAN_STATE", str(tmp_path / "state"))
    monkeypatch.delenv(ca.PASSPHRASE_FILE, raising=False)
    path = tmp_path / "pass"
    path.write_bytes(WORDS + b"\n")
    path.chmod(0o600)
    return str(path)


def ask(file: Path, passphrase: str, *more: str) -> int:
    return main(["ca", "issue", "lab", NODE, str(file), "--passphrase-file", passphrase, *more])


def test_a_far_end_gets_key_and_certificate_before_anything_is_applied(
    tmp_path: Path, passphrase: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "far.p12"
    assert ask(file, passphrase) == 3, "no CA is made in passing"
    assert "`ipsecplan ca init lab`" in capsys.readouterr().err
    assert not file.exists()
    assert main(["ca", "init", "lab"]) == 0
    authority = x509.load_pem_x509_certificate(capsys.readouterr().out.encode())
    assert ask(file, passphrase, "--identity", OTHER) == 0
    said = capsys.readouterr()
    assert file.stat().st_mode & 0o777 == 0o600
    found = pkcs12.load_pkcs12(file.read_bytes(), WORDS)
    assert found.cert is not None
    assert isinstance(found.key, ec.EllipticCurvePrivateKey)
    leaf = found.cert.certificate
    leaf.verify_directly_issued_by(authority)
    assert leaf.public_key() == found.key.public_key()
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [NODE, OTHER]
    assert found.cert.friendly_name == NODE.encode(), "libreswan's leftcert="
    assert [one.certificate for one in found.additional_certs] == [authority]
    _no_key_in(found.key, said.out + said.err, *(p for p in tmp_path.rglob("*") if p.is_file()))
    with pytest.raises(ValueError, match="password"):
        pkcs12.load_pkcs12(file.read_bytes(), b"another")


def _no_key_in(key: ec.EllipticCurvePrivateKey, said: str, *files: Path) -> None:
    """The private key is in no file and in no message, in no form that it is written in."""
    number = key.private_numbers().private_value.to_bytes(48, "big")
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).splitlines()[1]
    for data in (said.encode(), *(path.read_bytes() for path in files)):
        assert number not in data
        assert pem not in data
    assert "PRIVATE" not in said


def test_a_second_one_is_made_on_request_only(
    tmp_path: Path, passphrase: str, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["ca", "init", "lab"])
    request = tmp_path / "far.csr"
    request.write_text(csr())
    assert main(["ca", "sign", "lab", NODE, str(request)]) == 0
    capsys.readouterr()
    file = tmp_path / "far.p12"
    assert ask(file, passphrase) == 3
    assert "has a certificate that is good until" in capsys.readouterr().err
    assert not file.exists()
    assert ask(file, passphrase, "--renew") == 0
    data = file.read_bytes()
    assert ask(file, passphrase, "--renew") == 3, "never over a file that is there"
    assert file.read_bytes() == data


def test_nothing_is_signed_for_a_file_that_can_not_be_written(
    tmp_path: Path, passphrase: str, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["ca", "init", "lab"])
    assert ask(tmp_path / "no" / "far.p12", passphrase) != 0
    assert main(["ca", "show", "lab", "--json"]) == 0
    assert '"certificates": []' in capsys.readouterr().out
    assert main(["ca", "issue", "lab", "../x", str(tmp_path / "f"), "--passphrase-file", passphrase]) == 3


def test_a_failed_signature_leaves_no_file(tmp_path: Path) -> None:
    class Broken:
        def sign(self, *_: object) -> str:
            raise RuntimeError

    with pytest.raises(RuntimeError):
        issued.issue(Broken(), NODE, (), (), tmp_path / "f", WORDS)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_openssl_reads_the_file(tmp_path: Path) -> None:
    authority = ca.open_authority(tmp_path / "ca", "lab")
    issued.issue(authority, NODE, (), [authority.pem], tmp_path / "f.p12", WORDS)
    (tmp_path / "pass").write_bytes(WORDS)
    done = subprocess.run(
        ["openssl", "pkcs12", "-in", str(tmp_path / "f.p12"), "-passin", f"file:{tmp_path}/pass", "-nokeys", "-info"],
        check=True,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.stdout.count("BEGIN CERTIFICATE") == 2
    assert "AES-256-CBC" in done.stderr


# -- measured from our side -----------------------------------------------------------------------------------------

FAR = "n-" + "f" * 12


def with_far_end(number: int) -> Target:
    """The first node has a peer that nobody asks, too; the others don't."""
    own = IDS[number]
    peers = [
        {"id": other, "pair": f"pair-{min(own, other)[2]}{max(own, other)[2]}", "name": other[2]}
        for other in (*IDS, *([FAR] if number == 0 else []))
        if other != own
    ]
    return Target(own, own[2], "0" * 64, replies.node_json(own, peers, name=own[2]), (), {}, {})


def verdict(tmp_path: Path, nodes: FakeNodes, targets: list[Target], **options: Any) -> Any:
    state = ClusterState(tmp_path, "lab", reading=True)
    return measure(Engine("lab", "d" * 64, targets, nodes, state, silent, Options(**options)), "verify", print)


def test_from_our_side_only_pairs_with_unmanaged_peers_are_measured(tmp_path: Path) -> None:
    nodes = FakeNodes()
    found = verdict(tmp_path, nodes, [with_far_end(n) for n in range(3)], from_our_side=True)
    assert found.exit_code == ExitCode.OK, found.problems
    assert [(pair.source, pair.destination) for pair in found.verdict.pairs] == [("a", "f")]
    assert nodes.calls[-1] == (("probe",), (IDS[0],))
    assert [peer["id"] for peer in nodes.requests[-1][IDS[0]]["node"]["peers"]] == [FAR]
    assert len(nodes.requests[0][IDS[0]]["node"]["peers"]) == 3, "its state is asked for as ever"


def test_from_our_side_a_failure_is_one(tmp_path: Path) -> None:
    nodes = FakeNodes(lambda phase, _: {"rows": []} if phase == "probe" else None)
    found = verdict(tmp_path, nodes, [with_far_end(n) for n in range(3)], from_our_side=True)
    assert found.exit_code == ExitCode.VERIFY_FAILED
    assert found.problems[0].message == "a -> f: not measured"


def test_from_our_side_needs_an_unmanaged_peer(tmp_path: Path) -> None:
    found = verdict(tmp_path, FakeNodes(), [target(i) for i in IDS], from_our_side=True)
    assert (found.exit_code, found.problems[0].code) == (ExitCode.VERIFY_FAILED, "IPP701")


def test_a_node_left_out_is_no_unmanaged_peer(tmp_path: Path) -> None:
    targets = [with_far_end(n) for n in range(3)]
    found = verdict(tmp_path, FakeNodes(), targets, from_our_side=True, exclude="b")
    assert [pair.destination for pair in found.verdict.pairs] == ["f"]
