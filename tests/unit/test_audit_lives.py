"""Lifetimes in pasted configurations: what cuts traffic is found where it stands, what is right stays silent."""

from __future__ import annotations

from pathlib import Path

import pytest

from netplan.audit.formats import ipsec_conf
from netplan.audit.model import Evidence, Finding
from netplan.audit.strongswan import raw, swanctl_conf
from netplan.cli.main import main

CONF = """connections {{
  a {{
    local_addrs = 192.0.2.1
    remote_addrs = 192.0.2.2
    {ike}
    children {{
      c {{
        mode = transport
        {child}
      }}
    }}
  }}
}}
"""
IPSEC = """{setup}conn a
    left=192.0.2.1
    right=192.0.2.2
    auto=start
    type=transport
{keys}"""
STRONGSWAN = 'config setup\n    charondebug="ike 1"\n\n'


def found(ike: str = "", child: str = "") -> list[Finding]:
    evidence = Evidence()
    assert swanctl_conf("swanctl.conf", CONF.format(ike=ike, child=child.replace("; ", "\n        ")), evidence) is None
    assert evidence.esps
    return evidence.faults


@pytest.mark.parametrize(
    ("child", "severity", "words"),
    [
        ("rekey_time = 20s", "warning", "rekey_time: a CHILD_SA has 2 s from its rekey to its end"),
        ("rekey_time = 2m", "warning", "has 12 s"),
        ("rekey_time = 1h; life_time = 3610s", "warning", "life_time: a CHILD_SA has 10 s"),
        ("rekey_time = 1h; life_time = 30m", "error", "life_time: a CHILD_SA ends before it is rekeyed"),
        ("rekey_time = 1h; life_time = 1h", "error", "life_time: a CHILD_SA ends before it is rekeyed"),
        ("rekey_time = 0; life_time = 1h", "error", "a CHILD_SA ends after 3600 s, and rekey_time is 0"),
        ("life_time = 100s", "warning", "life_time: a CHILD_SA has 10 s"),
        ("rekey_bytes = 0; life_bytes = 1g", "error", "a CHILD_SA ends after 1073741824 bytes, and rekey_bytes is 0"),
        ("rekey_bytes = 2g; life_bytes = 1g", "error", "ends after 1073741824 bytes, before it is rekeyed"),
        ("rekey_packets = 5000; life_packets = 5k", "", ""),
        ("rekey_packets = 6000; life_packets = 5k", "error", "ends after 5120 packets, before it is rekeyed"),
    ],
)
def test_a_child_that_ends_too_early(child: str, severity: str, words: str) -> None:
    if not words:
        assert found(child=child) == []
        return
    (finding,) = found(child=child)
    assert (finding.code, finding.severity) == ("IPP921", severity)
    assert words in finding.message
    key = child.rpartition("; ")[2].partition(" ")[0]
    assert finding.location.line == 10 + child.count("; ") - 1
    assert finding.location.source is not None
    assert key in finding.location.source
    assert finding.change


@pytest.mark.parametrize(
    "child",
    [
        "",
        "rekey_time = 1h",
        "rekey_time = 150s",
        "rekey_time = 0",
        "rekey_time = 20s; life_time = 0",
        "rekey_time = 1h; life_time = 70m",
        "life_time = 1h",
        "life_bytes = 1g",
        "rekey_bytes = 500m",
        "rekey_time = soon",
    ],
)
def test_lifetimes_that_hold(child: str) -> None:
    assert found(child=child) == []


def test_reauthentication_is_named_where_it_stands() -> None:
    (finding,) = found(ike="reauth_time = 3h")
    assert (finding.severity, finding.location.line) == ("warning", 5)
    assert "reauth_time is 3h: each time the IKE_SA is made anew" in finding.message
    assert found(ike="reauth_time = 0") == []


def test_reauthentication_that_is_inherited_is_found() -> None:
    text = "defaults {\n  reauth_time = 1h\n}\n" + CONF.format(ike="", child="").replace("  a {", "  a : defaults {")
    evidence = Evidence()
    assert swanctl_conf("swanctl.conf", text, evidence) is None
    assert [f.location.line for f in evidence.faults] == [2]


def test_loaded_connections_are_looked_at() -> None:
    event = (
        "list-conn event {a {local_addrs=[192.0.2.1] reauth_time=%s rekey_time=14400 children {c {mode=TRANSPORT}}}}\n"
    )
    for said, number in (("3600", 1), ("0", 0)):
        evidence = Evidence()
        assert raw("conns", event % said, evidence) is None
        assert len(evidence.faults) == number


@pytest.mark.parametrize(
    ("setup", "keys", "words"),
    [
        (STRONGSWAN, "", ["reauth is not set, which means yes"]),
        (STRONGSWAN, "    keyexchange=ikev1\n", []),
        (STRONGSWAN, "    reauth=no\n", []),
        ("", "", []),
        ("", "    reauth=yes\n", ["reauth is yes"]),
        ("", "    reauth=no\n    margintime=5s\n", ["margintime: a CHILD_SA has 5 s"]),
        ("", "    rekeymargin=9m\n", []),
        ("", "    rekeymargin=0s\n", ["rekeymargin: a CHILD_SA ends before it is rekeyed"]),
        ("", "    rekey=no\n    rekeymargin=1s\n", []),
    ],
)
def test_a_conn_of_ipsec_conf(setup: str, keys: str, words: list[str]) -> None:
    evidence = Evidence()
    assert ipsec_conf.read("ipsec.conf", IPSEC.format(setup=setup, keys=keys), evidence) is None
    for finding, said in zip(evidence.faults, words, strict=True):
        assert said in finding.message


def test_the_verb_prints_it_and_ends_with_4_where_traffic_is_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, child in (("cut.conf", "rekey_time = 0\nlife_time = 1h"), ("hole.conf", "rekey_time = 20s")):
        Path(name).write_text(CONF.format(ike="", child=child), encoding="utf-8")
    assert main(["audit", "cut.conf", "--mtu", "1500"]) == 4
    assert "cut.conf:10:1: error IPP921: a CHILD_SA ends after 3600 s" in capsys.readouterr().out
    assert main(["audit", "hole.conf", "--mtu", "1500"]) != 4
    assert main(["audit", "hole.conf", "--mtu", "1500", "--strict"]) == 4
    assert "warning IPP921" in capsys.readouterr().out


def test_what_is_rendered_passes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = Path(__file__).parents[2] / "inventories" / "example" / "plan.yaml"
    assert main(["render", str(plan), "--to", str(tmp_path / "bundle")]) == 0
    configs = sorted(str(path) for path in (tmp_path / "bundle").rglob("*.conf"))
    assert configs
    capsys.readouterr()
    main(["audit", *configs, "--mtu", "1500"])
    assert "IPP921" not in capsys.readouterr().out
