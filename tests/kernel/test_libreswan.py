"""What an unmanaged peer's libreswan.conf says, as a real pluto understood it: Debian 13's libreswan 5.2.

pluto runs in a network namespace and loads every conn; nothing is negotiated, so any kernel with XFRM will do. The
root is made once from this machine's mirror and kept; the test is skipped only where no root can be made.
"""

from __future__ import annotations

import dataclasses
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from netplan.ipsec import ca
from netplan.ipsec.far_end import libreswan
from netplan.ipsec.far_end.ends import CannotSay, FarEnd, far_end, suite
from netplan.ipsec.far_end.issued import issue
from tests.ci import roots
from tests.support.plans import make_planned

from .ends import PLUTO, PLUTO_PACKAGES, WORDS

pytestmark = pytest.mark.kernel
HERE = Path(__file__).resolve().parent
UNMANAGED: dict[int, dict[str, object]] = {4: {"ipsecplan_managed": False}}
CASES: dict[str, dict[str, Any]] = {
    "default": {},
    "tunnel": {"mode": "tunnel", "esp": ["aes256-sha256-ecp384"], "ike": ["aes256-sha384-ecp384"]},
    "several": {
        "esp": ["aes256gcm16-ecp384", "aes128-sha512-ecp384", "aes128gcm16-x25519"],
        "ike": ["aes256gcm16-prfsha384-ecp384", "aes128-sha256-modp3072", "aes256gcm16-prfsha384-x448"],
    },
    "no-pfs": {"esp": ["chacha20poly1305"], "ike": ["chacha20poly1305-prfsha512-x25519"]},
    "hosts": {"protect": "hosts", "clear": ["tcp/22", "udp/53"]},
    "natted": {"nat_traversal": "always"},
}
# charon's names of what the cases have -> pluto's
ENCRYPTION = {"AES_GCM_16": "AES_GCM_16", "AES_CBC": "AES_CBC", "CHACHA20_POLY1305": "CHACHA20_POLY1305"}
GROUPS = {"ECP_384": "DH20", "CURVE_25519": "DH31", "MODP_3072": "MODP3072", "CURVE_448": "no such group"}


def ends() -> dict[str, FarEnd]:
    found = {}
    for name, ipsec in CASES.items():
        plan = make_planned(4, UNMANAGED, ipsec=ipsec).plan
        found[name] = far_end(plan, next(n for n in plan.nodes if not n.managed))
    return found


def all_words() -> list[str]:
    """Every proposal that our words can make with one cipher, hash and group each."""
    ciphers = [
        *(f"aes{bits}{mode}" for bits in (128, 192, 256) for mode in ("gcm16", "gcm12", "gcm8", "ccm16", "ccm8"))
    ]
    ciphers += ["chacha20poly1305", *(f"{name}{bits}" for name in ("aes", "camellia") for bits in (128, 192, 256))]
    ciphers += ["aes256ctr", "3des"]
    hashes = ("sha1", "sha256", "sha384", "sha512", "aesxcbc", "aescmac", "md5")
    groups = (
        "modp2048",
        "modp3072",
        "modp4096",
        "modp6144",
        "modp8192",
        "ecp256",
        "ecp384",
        "ecp521",
        "x25519",
        "x448",
    )
    texts: list[tuple[str, bool]] = []
    for cipher in ciphers:
        aead = "gcm" in cipher or "ccm" in cipher or cipher.startswith("chacha")
        texts += [(f"{cipher}{'' if aead else '-' + word}-modp2048", False) for word in hashes[: 1 if aead else None]]
        texts += [(f"{cipher}-{'prf' if aead else ''}{word}-ecp384", True) for word in hashes]
    texts += [(f"aes256gcm16{prf}-{group}", bool(prf)) for group in groups for prf in ("", "-prfsha384")]
    words = []
    for text, ike in texts:
        try:
            one = suite(text, ike=ike)
            words.append(f"ike={libreswan.ike_word(one)}" if ike else f"esp={libreswan.esp_word(one)}")
        except CannotSay:
            continue
    return list(dict.fromkeys(words))


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with what pluto said of every case."""
    why = roots.no_root("trixie")
    if why:
        pytest.skip(why)
    try:
        root = roots.root("trixie", PLUTO_PACKAGES, PLUTO, kind="libreswan")
    except roots.NoRootError as error:
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("pluto")
    found = ends()
    end = found["default"]
    authority = ca.open_authority(tmp_path_factory.mktemp("ca"), "demo")
    issue(authority, end.id, (), [authority.pem], folder / "far-end.p12", WORDS)
    (folder / "passphrase").write_bytes(WORDS)
    (folder / "addresses").write_text(f"{end.tunnels[0].own}/24\n")
    for name, one in found.items():
        text = libreswan.text(one)
        (folder / f"{name}.conf").write_text(text)
        (folder / f"{name}.conns").write_text("\n".join(conns(text)) + "\n")
    spoilt = (folder / "default.conf").read_text().replace(";dh31", "-dh31")
    (folder / "spoilt.conf").write_text(spoilt)
    (folder / "spoilt.conns").write_text("\n".join(conns(spoilt)) + "\n")
    (folder / "names").write_text("\n".join([*found, "spoilt"]) + "\n")
    (folder / "words").write_text("\n".join([*all_words(), "esp=aes_gcm256-dh31"]) + "\n")
    enter = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
    done = subprocess.run(
        [*enter, "sh", str(HERE / "pluto.sh"), str(root), str(folder)],
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def conns(text: str) -> list[str]:
    """Return the conns that a file loads: those with auto=."""
    return re.findall(r"^conn (\S+)\n(?:\t.*\n)*?\tauto=", text, re.M)


@pytest.mark.parametrize("case", CASES)
def test_pluto_loads_every_conn_without_a_word_of_complaint(case: str, loaded: Path) -> None:
    names = (loaded / f"{case}.conns").read_text().split()
    assert len(names) >= 3
    said = (loaded / f"{case}.added").read_text().splitlines()
    assert [re.sub(r'^"(\S+)": added (IKEv2|passthrough) connection$', r"\1", line) for line in said] == names


def test_a_group_behind_a_hyphen_is_refused(loaded: Path) -> None:
    """The check can fail: pluto reads it as an integrity algorithm."""
    assert "ESP integrity algorithm 'dh31' is not recognized" in (loaded / "spoilt.added").read_text()


@pytest.mark.parametrize("case", CASES)
def test_pluto_has_understood_what_the_plan_says(case: str, loaded: Path) -> None:
    end = ends()[case]
    status = (loaded / f"{case}.status").read_text()
    for tunnel in end.tunnels:
        for selector in end.selectors:
            about = "\n".join(re.findall(rf'^"{tunnel.pair}-{selector.name}":\s+(.*)$', status, re.M))
            assert about, (tunnel.pair, selector.name)
            own, peer = (
                f"{address}/32" + (f"/UDP{f'/{port}' if port else ''}" if selector.protocol else "")
                for address, port in ((tunnel.own, selector.own_port), (tunnel.peer, selector.peer_port))
            )
            ends_said = about.splitlines()[0]
            if selector.protocol:
                assert ends_said.startswith(f"{own}===")
                assert f"==={peer};" in ends_said
            else:
                assert f"{tunnel.own}[@{tunnel.own_identity}]...{tunnel.peer}[@{tunnel.peer_identity}]" in ends_said
            policy = set(_found(r"policy: (\S+);", about).split("+"))
            assert {"IKEv2", "ECDSA", "ENCRYPT", "IKE_FRAG_ALLOW", "ESN_NO"} <= policy
            assert (end.mode.upper() in policy, "PFS" in policy) == (True, case != "no-pfs")
            assert not policy & {"COMPRESS", "MOBIKE"}
            assert f"our id=@{tunnel.own_identity};" in about
            assert f"their id=@{tunnel.peer_identity}" in about
            assert f"mycert={end.id};" in about
            margin = end.child_life - end.child_rekey
            assert f"ike_life: {end.ike_rekey + margin}s; ipsec_life: {end.child_life}s;" in about
            assert f"replay_window: 256; rekey_margin: {margin}s; rekey_fuzz: 0%;" in about
            assert f"dpddelay:{end.dpd}s" in about
            assert f"encapsulation:{'yes' if tunnel.nat_t else 'no'}" in about
            assert _found(r"IKE algorithms: (.*)", about) == ", ".join(
                f"{_cipher(one)}-{one.prf.removeprefix('PRF_')}-{GROUPS[one.group]}"
                for one in tunnel.ike
                if one.group != "CURVE_448"
            )
            assert _found(r"ESP algorithms: (.*)", about) == ", ".join(
                f"{_cipher(one)}-{one.integrity or 'NONE'}" + (f"-{GROUPS[one.group]}" if one.group else "")
                for one in tunnel.esp
                if one.group == tunnel.esp[0].group
            )


def _found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    assert match, pattern
    return match[1]


def _cipher(one: Any) -> str:
    return ENCRYPTION[one.encryption] + (f"_{one.bits}" if one.bits else "")


def test_every_word_that_we_may_write_is_one_of_its_parser(loaded: Path) -> None:
    lines = (loaded / "words.said").read_text().splitlines()
    said = {word: code for code, word in (line.split(" ", 1) for line in lines)}
    assert len(said) > 60
    assert said.pop("esp=aes_gcm256-dh31") == "1", "the check can fail"
    assert {word for word, code in said.items() if code != "0"} == set()


def test_the_cases_are_different() -> None:
    assert len({dataclasses.astuple(end) for end in ends().values()}) == len(CASES)
