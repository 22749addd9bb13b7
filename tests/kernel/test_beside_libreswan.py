"""Our files in charon beside the far-end sheet in pluto: VXLAN between them, both modes, rekeyed from both ends.

strongSwan and libreswan are those of Debian 13, in roots that are made once and kept; the kernel is this machine's, or
a User Mode Linux guest's. Skipped only where there is neither kernel nor root.
"""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from netplan.ipsec import ca, swanctl
from netplan.ipsec.connections import connection_file
from netplan.ipsec.far_end import libreswan
from netplan.ipsec.far_end.ends import far_end
from netplan.ipsec.far_end.issued import issue
from tests.ci import roots
from tests.support.plans import make_planned

from .boot import NoKernel, measure
from .test_libreswan import PACKAGES, PROGRAM, WORDS, conns

pytestmark = pytest.mark.drill
CHARON = (
    *("charon-systemd", "iproute2", "iputils-ping", "kmod", "libstrongswan-standard-plugins"),
    *("procps", "strongswan-swanctl"),
)
ADDRESSES = ("10.77.0.11", "10.77.0.14")
CASES = [(mode, asks) for mode in ("transport", "tunnel") for asks in ("ours", "far")]
LOADED = "random nonce openssl pem x509 pubkey pkcs1 pkcs8 revocation constraints kernel-netlink socket-default vici"

Row = dict[str, Any]


def job(folder: Path, charon: Path, pluto: Path, mode: str, asks: str) -> Row:
    """Write the files of both ends, as a bundle has them, and say what to do with them."""
    plan = make_planned(4, {4: {"ipsecplan_managed": False}}, ipsec={"mode": mode}).plan
    far = next(n for n in plan.nodes if not n.managed)
    ours = next(n for n in plan.nodes if n.address == ADDRESSES[0])
    end = far_end(plan, far)
    tunnel = next(t for t in end.tunnels if t.peer == ADDRESSES[0])
    authority = ca.open_authority(folder / "ca", "demo")
    given = folder / f"{mode}-{asks}"
    for place in ("ours/swanctl/conf.d", "ours/swanctl/x509", "ours/swanctl/x509ca", "ours/swanctl/private", "far"):
        (given / place).mkdir(parents=True)
    texts = {
        "ours/swanctl/conf.d/ipsecplan.conf": connection_file(plan, ours),
        "ours/swanctl/conf.d/ipsecplan-start.conf": swanctl.start_file("none"),
        "ours/swanctl/swanctl.conf": "include conf.d/*.conf\n",
        "ours/start-trap.conf": swanctl.start_file("trap"),
        "ours/strongswan.conf": "charon-systemd {\n load_modular = no\n load = " + LOADED + "\n}\n"
        "charon {\n filelog { out { path = /run/charon.log\n default = 1\n ike = 1\n flush_line = yes } }\n}\n"
        "swanctl { load_modular = no\n load = random nonce openssl pem x509 pubkey pkcs1 pkcs8 }\n",
        "far/libreswan.conf": libreswan.text(end),
    }
    if asks == "nobody":  # as it is when an administrator leaves the group out
        texts["far/libreswan.conf"] = texts["far/libreswan.conf"].replace("esp=aes_gcm256;dh31", "esp=aes_gcm256;dh20")
    key = ec.generate_private_key(ec.SECP384R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, ours.id)])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA384())
    pem = serialization.Encoding.PEM
    texts["ours/swanctl/x509/ipsecplan.pem"] = authority.sign(request.public_bytes(pem).decode(), ours.id)
    for file in ("ipsecplan-ca.pem", "ipsecplan-ca-next.pem"):
        texts[f"ours/swanctl/x509ca/{file}"] = authority.pem
    texts["ours/swanctl/private/ipsecplan.pem"] = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    for place, text in texts.items():
        (given / place).write_text(text)
    issue(authority, far.id, (), [authority.pem], given / "far/far-end.p12", WORDS)
    (given / "far/passphrase").write_bytes(WORDS)
    return {
        "mode": mode,
        "asks": asks,
        "given": str(given),
        "charon": str(charon),
        "pluto": str(pluto),
        "addresses": ADDRESSES,
        "children": [f"{tunnel.pair}-out", f"{tunnel.pair}-in"],
        # what we send on is what the far end calls the other direction
        "conns": [f"{tunnel.pair}-in", f"{tunnel.pair}-out"],
        "all_conns": conns(texts["far/libreswan.conf"]),
        "planned": plan.pod_mtu,
        "at": f"{datetime.datetime.now(datetime.UTC):%s}",
    }


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Row]:
    why = roots.no_root("trixie")
    if why:
        pytest.skip(why)
    try:
        charon = roots.root("trixie", CHARON, "usr/sbin/charon-systemd", kind="charon")
        pluto = roots.root("trixie", PACKAGES, PROGRAM, kind="libreswan")
    except roots.NoRootError as error:
        pytest.skip(str(error))
    folder: Path = tmp_path_factory.mktemp("beside")
    wanted = [*CASES, ("transport", "nobody")]
    jobs = [job(folder, charon, pluto, mode, asks) for mode, asks in wanted]
    try:
        where, found = measure(jobs, tmp_path_factory.mktemp("kernel"), "beside_libreswan.py", timeout=1500)
    except NoKernel as error:
        pytest.skip(str(error))
    print(f"\non {where}")
    for one, row in zip(jobs, found, strict=True):
        print(one["mode"], one["asks"], json.dumps(row, indent=1))
    return {case: {**row, "planned": one["planned"]} for case, one, row in zip(wanted, jobs, found, strict=True)}


@pytest.mark.parametrize("case", CASES, ids="-".join)
@pytest.mark.parametrize("when", ["first", "last"])
def test_the_planned_size_passes_and_one_byte_more_does_not(
    case: tuple[str, str], when: str, rows: dict[tuple[str, str], Row]
) -> None:
    row = rows[case]
    assert "failed" not in row, row["failed"]
    wanted = {"n": row["planned"], "passes": True, "refused": True, "outer": 1500, "clear": 0}
    assert row[when] == {**wanted, "outer": row[when]["outer"]}
    assert 1500 - row[when]["outer"] < 4, "ESP pads to 4 bytes"


@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_three_rekeys_made_new_sas_each_time(case: tuple[str, str], rows: dict[tuple[str, str], Row]) -> None:
    assert len(rows[case]["rekeys"]) == 3
    assert all(new >= 4 for new in rows[case]["rekeys"]), "two children, two directions"


@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_both_ends_hold_what_was_planned(case: tuple[str, str], rows: dict[tuple[str, str], Row]) -> None:
    states = rows[case]["states"]
    assert f"mode {case[0]}" in states
    assert {"transport": "mode tunnel", "tunnel": "mode transport"}[case[0]] not in states
    assert "rfc4106(gcm(aes))" in states


def test_another_group_shows_at_the_second_child(rows: dict[tuple[str, str], Row]) -> None:
    """The page for the far end's administrator says so: the first child has no key exchange of its own."""
    row = rows["transport", "nobody"]
    assert "failed" not in row, row["failed"]
    assert row["first"] == 0
    assert row["second"] != 0
    assert any("NO_PROPOSAL_CHOSEN" in line or "NO_PROP" in line for line in row["logs"]["charon"])
    assert any("no local proposal matches" in line for line in row["logs"]["pluto"])
