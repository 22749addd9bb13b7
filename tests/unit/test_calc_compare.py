"""``calc --compare``, ``--underlay``, ``--path``: several answers side by side."""

from __future__ import annotations

import csv
import io
import json

import pytest

from netplan.cli.main import main
from netplan.explain.compare import compare, variant
from netplan.problems import ExitCode, ProblemError
from netplan.stack import parse

VXLAN = "ip4/esp:aes256gcm16/udp/vxlan/eth/ip4"


def run(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    code = main(["calc", *argv])
    out, err = capsys.readouterr()
    return code, out, err


@pytest.mark.parametrize(
    ("stack", "item", "result"),
    [
        (VXLAN, "aes128-sha256", "ip4/esp:aes128-sha256/udp/vxlan/eth/ip4"),
        (VXLAN, "AES128-SHA256 ", "ip4/esp:aes128-sha256/udp/vxlan/eth/ip4"),
        (VXLAN, "geneve:8", "ip4/esp:aes256gcm16/udp/geneve:8/eth/ip4"),
        (VXLAN, "gre:key", "ip4/esp:aes256gcm16/gre:key/ip4"),
        (VXLAN, "gretap", "ip4/esp:aes256gcm16/gre/eth/ip4"),
        (VXLAN, "ip6", "ip6/esp:aes256gcm16/udp/vxlan/eth/ip4"),
        (VXLAN, "nat-t", "ip4/udp/esp:aes256gcm16/udp/vxlan/eth/ip4"),
        ("ip4/udp/esp:aes256gcm16/ip4", "nat-t", "ip4/udp/esp:aes256gcm16/ip4"),
        ("ip4/esp:aes256gcm16/ip4/udp/vxlan/eth/ip6", "stt", "ip4/esp:aes256gcm16/ip4/stt/eth/ip6"),
        ("ip4/esp:aes256gcm16/ip4", "vxlan", "ip4/esp:aes256gcm16/udp/vxlan/eth/ip4"),
        (VXLAN, "ip4/ip4", "ip4/ip4"),
    ],
)
def test_variants(stack: str, item: str, result: str) -> None:
    assert variant(parse(stack), item).text == result


@pytest.mark.parametrize(
    ("stack", "item"),
    [(VXLAN, "aes128gmc16"), (VXLAN, ""), ("ip4/ip4", "aes128gcm16"), ("ip4/ip4", "nat-t"), (VXLAN, "a/b")],
)
def test_what_no_variant_is(stack: str, item: str) -> None:
    with pytest.raises(ProblemError):
        variant(parse(stack), item)


def test_rates_and_goodput() -> None:
    given, cbc, des, weak = compare(parse(VXLAN), ["aes128-sha256", "3des-sha1", "ip4/udp/vxlan/eth/vlan/ip4"], 1500)
    assert given.frame == 1538  # 1500 + 14 header + 4 check sequence + 8 preamble + 12 gap
    assert given.payload == 1376
    assert given.goodput == pytest.approx(1376 / 1538)
    assert given.packets(10) == pytest.approx(10e9 / 8 / 1538)
    assert given.wrap(10) == pytest.approx(2**32 / (10e9 / 8 / 1538))
    assert cbc.solution.inner_mtu == 1408
    assert "Sweet32" in des.advice
    assert weak.advice == "no SA"
    assert "esn" in given.advice


def test_vlan_tags_outside_count_on_the_wire_only() -> None:
    plain, tagged = compare(parse("eth/ip4/ip4"), ["eth/vlan/ip4/ip4"], 1500)
    assert plain.frame == 1538
    assert tagged.frame == 1542
    assert plain.solution.inner_mtu == tagged.solution.inner_mtu == 1480


def test_table(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, VXLAN, "--compare", "aes128-sha256,ip6")
    assert (code, err) == (0, "")
    assert "safe for all of them: 1396 (ip6)" in out
    assert "#" in out
    assert "100 Gbit/s" in out


def test_json_and_csv_say_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, VXLAN, "--compare", "aes128-sha256,ip6", "--json")
    objects = json.loads(out)["result"]
    _, out, _ = run(capsys, VXLAN, "--compare", "aes128-sha256,ip6", "--csv")
    lines = list(csv.DictReader(io.StringIO(out)))
    assert len(lines) == len(objects) == 3
    for line, found in zip(lines, objects, strict=True):
        assert line["label"] == found["label"]
        assert int(line["inner_mtu"]) == found["inner_mtu"]
        assert int(line["packets_10g"]) == found["rates"]["10"]["packets"]


def test_underlay(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "ip4/esp:aes256gcm16/ip4", "--underlay", "gcp")
    assert "inner MTU      1406" in out
    assert "verified: yes" in out
    _, out, _ = run(capsys, "ip4/esp:aes256gcm16/ip4", "--underlay", "linode")
    assert "verified: no" in out
    _, out, _ = run(capsys, "ip4/esp:aes256gcm16/ip4", "--underlay", "gcp", "--json")
    assert json.loads(out)["result"]["underlay"]["verified"] is True
    code, _, err = run(capsys, "ip4/esp:aes256gcm16/ip4", "--underlay", "hetzer")
    assert code == ExitCode.INVALID
    assert "did you mean hetzner?" in err


def test_paths(capsys: pytest.CaptureFixture[str]) -> None:
    paths = ["--path", "rack=9000", "--path", "wan=1400", "--path", "dsl=1492"]
    code, out, _ = run(capsys, VXLAN, *paths)
    assert code == 0
    assert "wan    1400   1316  limits the cluster" in out
    assert "one MTU for the whole cluster: 1316" in out
    assert "raise wan to a link MTU of 9000" in out
    _, out, _ = run(capsys, VXLAN, *paths, "--json")
    result = json.loads(out)["result"]
    assert [path["limits_the_cluster"] for path in result] == [False, True, False]
    _, out, _ = run(capsys, VXLAN, "--path", "a=1500")
    assert "or:" not in out


@pytest.mark.parametrize(
    "argv",
    [
        ["--path", "a"],
        ["--path", "=1500"],
        ["--path", "a=1500", "--path", "a=1400"],
        ["--path", "a=1500", "--mtu", "1500"],
        ["--underlay", "gcp", "--mtu", "1500"],
        ["--compare", "ip6", "--reverse", "--payload", "1500"],
        ["--csv"],
        ["--compare", "ip6", "--csv", "--json"],
    ],
)
def test_usage(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, VXLAN, *argv)
    assert code == ExitCode.USAGE
    assert bool(out) == ("--json" in argv), "the one JSON object, or nothing"
    assert ("Error:" in err) == ("--json" not in argv)
