"""The engine: figures of the field, both directions, ledger, and what it refuses."""

from __future__ import annotations

import copy
import pickle

import pytest

from netplan.explain.text import steps
from netplan.problems import ProblemError
from netplan.stack import largest_inner, parse, required_link, solve, wire_size
from netplan.stack.frozen import replace
from netplan.stack.solve import linux_limits

# inner MTU at link 1500: tunnel v4, with NAT-T, tunnel v6, with NAT-T, VXLAN+transport v4, with NAT-T,
# OVN Geneve+transport v4, VXLAN inside an ESP tunnel v4
AT_1500 = {
    "aes256gcm16": (1446, 1438, 1426, 1418, 1416, 1408, 1408, 1396),
    "chacha20poly1305": (1446, 1438, 1426, 1418, 1416, 1408, 1408, 1396),
    "aes128gmac": (1446, 1438, 1426, 1418, 1416, 1408, 1408, 1396),
    "aes128ccm16": (1446, 1438, 1426, 1418, 1416, 1408, 1408, 1396),
    "aes128gcm12": (1450, 1442, 1430, 1422, 1420, 1412, 1412, 1400),
    "aes128gcm8": (1454, 1446, 1434, 1426, 1424, 1416, 1416, 1404),
    "aes128-sha1": (1438, 1422, 1422, 1406, 1408, 1392, 1400, 1388),
    "aes128-sha256_96": (1438, 1422, 1422, 1406, 1408, 1392, 1400, 1388),
    "aes128-sha256": (1438, 1422, 1406, 1406, 1408, 1392, 1400, 1388),
    "aes256-sha384": (1422, 1422, 1406, 1390, 1392, 1392, 1384, 1372),
    "aes256-sha512": (1422, 1406, 1390, 1390, 1392, 1376, 1384, 1372),
    "aes128ctr-sha1": (1450, 1442, 1430, 1422, 1420, 1412, 1412, 1400),
    "aes128ctr-sha256": (1446, 1438, 1426, 1418, 1416, 1408, 1408, 1396),
    "aes128ctr-sha512": (1430, 1422, 1410, 1402, 1400, 1392, 1392, 1380),
    "3des-md5": (1446, 1438, 1430, 1422, 1416, 1408, 1408, 1396),
    "null-sha1": (1458, 1450, 1438, 1430, 1428, 1420, 1420, 1408),
    "null-sha256": (1454, 1446, 1434, 1426, 1424, 1416, 1416, 1404),
    "null-sha512": (1438, 1430, 1418, 1410, 1408, 1400, 1400, 1388),
}
SHAPES = (
    "ip4/esp:{}/ip4",
    "ip4/udp/esp:{}/ip4",
    "ip6/esp:{}/ip6",
    "ip6/udp/esp:{}/ip6",
    "ip4/esp:{}/udp/vxlan/eth/ip4",
    "ip4/udp/esp:{}/udp/vxlan/eth/ip4",
    "ip4/esp:{}/udp/geneve:ovn/eth/ip4",
    "ip4/esp:{}/ip4/udp/vxlan/eth/ip4",
)


@pytest.mark.parametrize("suite", AT_1500)
def test_figures_at_1500(suite: str) -> None:
    got = tuple(solve(parse(shape.format(suite)), 1500).inner_mtu for shape in SHAPES)
    assert got == AT_1500[suite]


@pytest.mark.parametrize(
    ("stack", "link", "inner"),
    [
        ("ip4/esp:aes128gcm16", 1500, 1466),
        ("ip4/esp:aes128gcm16/tcp", 1500, 1466),
        ("ip4/esp:aes128gcm16/ip4/tcp", 1500, 1446),
        ("ip4/udp/vxlan/eth/ip4/esp:aes256gcm16/ip4", 1500, 1394),
        ("ip4/ah:sha256", 1500, 1472),
        ("ip4/ah:sha256:align8", 1500, 1468),
        ("ip6/ah:sha256", 1500, 1468),
        ("ip4/esp:aes128-sha256/ip4", 1492, 1422),  # PPPoE: 8 bytes of link cost 16 of MTU
        ("pppoe/ip4/esp:aes128-sha256/ip4", 1500, 1422),
        ("ip4/esp:aes128gcm16:tfc/ip4", 1500, 1446),
        ("IP4/ESP:AES128GCM16 / ip4", 1500, 1446),
    ],
)
def test_single_figures(stack: str, link: int, inner: int) -> None:
    assert solve(parse(stack), link).inner_mtu == inner


def test_one_solution_in_full() -> None:
    solution = solve(parse("ip4/esp:aes128-sha256/ip4"), 1492)
    assert solution.inner_mtu == 1422
    assert (solution.mss4, solution.mss6) == (1382, 1362)
    assert (solution.outer_packet, solution.slack, solution.pad, solution.overhead) == (1484, 8, 0, 62)
    assert solution.next_gain_at == 1500
    assert solve(solution.stack, 1500).inner_mtu == 1438
    assert [(row.name, row.bytes) for row in solution.ledger] == [
        ("outer IPv4 header", 20),
        ("ESP header (SPI, sequence)", 8),
        ("ESP IV", 16),
        ("inner IPv4 packet", 1422),
        ("ESP padding", 0),
        ("ESP pad length", 1),
        ("ESP next header", 1),
        ("ESP ICV", 16),
    ]
    offset = 0
    for row in solution.ledger:
        assert row.offset == offset
        offset += row.bytes
    assert offset == solution.outer_packet
    assert [row.encrypted for row in solution.ledger] == [False, False, False, True, True, True, True, False]


def test_ledger_of_nested_esp_unwinds_inside_out() -> None:
    solution = solve(parse("ip4/esp:aes128-sha256/ip4/esp:aes128gcm16/ip4"), 1500)
    names = [row.name for row in solution.ledger]
    assert names.count("ESP ICV") == 2
    assert [row.bytes for row in solution.ledger if row.name == "ESP ICV"] == [16, 16]
    inside_out = [row.token for row in solution.ledger if row.name == "ESP ICV"]
    assert inside_out == [3, 1]
    assert sum(row.bytes for row in solution.ledger) == solution.outer_packet
    assert solution.pad == sum(row.bytes for row in solution.ledger if row.name == "ESP padding")


@pytest.mark.parametrize(
    ("stack", "link_rows"),
    [
        ("eth/vlan/ip4/ip4", [("Ethernet header", 14, False), ("VLAN tag", 4, False)]),
        ("pppoe/ip4", [("PPPoE and PPP header", 8, True)]),
        (
            "eth/macsec/ip4",
            [("Ethernet header", 14, False), ("MACsec SecTAG with SCI", 16, True), ("MACsec ICV", 16, True)],
        ),
    ],
)
def test_what_stands_around_the_outermost_ip_packet(stack: str, link_rows: list[tuple[str, int, bool]]) -> None:
    solution = solve(parse(stack), 1500)
    assert [(row.name, row.bytes, row.counted) for row in solution.link_ledger] == link_rows
    counted = sum(row.bytes for row in solution.link_ledger if row.counted)
    assert solution.outer_packet + counted + solution.slack == 1500


def test_json_has_the_ledger_and_the_given_text() -> None:
    result = solve(parse("ipip"), 1500).as_json()
    assert (result["stack"], result["canonical"], result["inner_mtu"]) == ("ipip", "ip4/ip4", 1480)
    assert sum(row["bytes"] for row in result["ledger"]) == result["outer_packet"]
    assert "ledger" not in solve(parse("ip4/ip4"), 1500).as_json(ledger=False)


def test_short_names_are_written_out() -> None:
    assert parse("ip4/gretap:key/ip4").text == "ip4/gre:key/eth/ip4"
    assert parse("ip4/esp:aes128gcm16/sit").text == "ip4/esp:aes128gcm16/ip4/ip6"
    assert parse("ip6tnl/ip4").text == "ip6/dstopts:8/ip4"


def test_notes_tell_what_the_numbers_do_not() -> None:
    small = solve(parse("ip6/esp:aes128gcm16/ip6"), 1280)
    assert "1356" in small.notes[0]
    assert any("integrity" in note for note in solve(parse("ip4/esp:aes128/ip4"), 1500).notes)
    assert any("Linux has no" in note for note in solve(parse("ip4/esp:camellia128ctr-sha256/ip4"), 1500).notes)
    assert any("camelliaxcbc" in note for note in solve(parse("ip4/esp:aes128-camelliaxcbc/ip4"), 1500).notes)
    assert any("drops sha256" in note for note in solve(parse("ip4/esp:aes128gcm16-sha256/ip4"), 1500).notes)


def test_both_ways() -> None:
    stack = parse("ip4/udp/esp:aes128-sha256/ip4")
    assert required_link(stack, 1500) == wire_size(stack, 1500) == 1572
    assert solve(stack, 1572).inner_mtu == 1502
    assert solve(stack, 1571).inner_mtu == 1486
    assert required_link(parse("pppoe/ip4"), 1492) == 1500


@pytest.mark.parametrize("link", [67, 65536, -1, 0])
def test_link_out_of_range(link: int) -> None:
    with pytest.raises(ProblemError, match="out of range"):
        solve(parse("ip4"), link)


def test_link_too_small_says_what_is_needed() -> None:
    with pytest.raises(ProblemError) as caught:
        solve(parse("ip6/esp:aes256-sha512/ip6/udp/vxlan/eth/ip6"), 200)
    problem = caught.value.problems[0]
    assert problem.code == "IPP105"
    need = int(problem.message.rsplit(" ", 1)[1])
    assert solve(parse("ip6/esp:aes256-sha512/ip6/udp/vxlan/eth/ip6"), need).inner_mtu >= 40
    with pytest.raises(ProblemError):
        solve(parse("ip6/esp:aes256-sha512/ip6/udp/vxlan/eth/ip6"), need - 1)


def test_inner_packet_out_of_range() -> None:
    stack = parse("ip4/esp:aes128gcm16/ip4")
    with pytest.raises(ProblemError, match="out of range"):
        wire_size(stack, 19)
    with pytest.raises(ProblemError, match="at most 65535"):
        wire_size(stack, 65535)
    assert wire_size(stack, largest_inner(stack, 65535)) <= 65535


def test_the_end_of_the_scale_has_no_next_gain() -> None:
    assert solve(parse("ip4"), 65535).next_gain_at is None


@pytest.mark.parametrize(
    ("text", "code", "marked"),
    [
        ("", "IPP104", ""),
        ("   ", "IPP104", ""),
        ("ip4//ip4", "IPP104", "/"),
        ("ip4/", "IPP104", "/"),
        ("/ip4", "IPP104", "/"),
        ("ip5/ip4", "IPP101", "ip5"),
        ("ip4/udp/vxlam/eth/ip4", "IPP101", "vxlam"),
        ("ip4/natt/esp:aes128gcm16", "IPP101", "natt"),
        ("ip4/vxlan/eth/ip4", "IPP103", "vxlan"),
        ("esp:aes128gcm16/ip4", "IPP103", "esp:aes128gcm16"),
        ("ip4/udp/ah:sha256/ip4", "IPP103", "ah:sha256"),
        ("ip4/tcp/ah:sha256/ip4", "IPP103", "ah:sha256"),
        ("ip4/esp:aes128gcm16/beet/esp:aes128gcm16", "IPP103", "esp:aes128gcm16"),
        ("macsec:icv4/ip4", "IPP102", "icv4"),
        ("ip4/dstopts:8/ip4", "IPP103", "dstopts:8"),
        ("ip4/udp/geneve:6/eth/ip4", "IPP102", "6"),
        ("ip4/udp/geneve:256/eth/ip4", "IPP102", "256"),
        ("ip4/udp/geneve:8:8/eth/ip4", "IPP102", "8"),
        ("ip4/gre:key:key/ip4", "IPP102", "key"),
        ("ip4/gre:csum:flag/ip4", "IPP102", "flag"),
        ("ip4/gretap:key:flag/ip4", "IPP102", "flag"),
        ("ip4/ip4:8", "IPP102", "8"),
        ("ip6/dstopts:12/ip6", "IPP102", "12"),
        ("ip4/esp/ip4", "IPP107", "esp"),
        ("ip4/esp:/ip4", "IPP107", ""),
        ("ip4/esp:aes128gcm16-md6/ip4", "IPP107", "md6"),
        ("ip4/esp:aes128gcm16:align8/ip4", "IPP102", "align8"),
        ("ip4/ah:sha256:align4/ip4", "IPP102", "align4"),
        ("ip4/udp/vxlan", "IPP109", "vxlan"),
        ("eth", "IPP109", "eth"),
        ("ip4/" * 70 + "ip4", "IPP104", "ip4"),
        ("ip4/udp/geneve:٣٢/eth/ip4", "IPP102", "٣٢"),
        ("ip4/udp/geneve:" + "9" * 400 + "/eth/ip4", "IPP102", "9" * 400),
        ("ip4/\x1b[31m", "IPP101", "\x1b[31m"),
    ],
)
def test_what_is_refused_and_where(text: str, code: str, marked: str) -> None:
    with pytest.raises(ProblemError) as caught:
        parse(text)
    (problem,) = caught.value.problems
    assert problem.code == code
    assert problem.location.column is not None
    assert problem.location.source == text
    if marked:
        start = problem.location.column - 1
        assert text[start : start + problem.location.width] == marked
    assert not any(ord(c) < 32 for line in problem.lines() for c in line)


def test_values_are_frozen_and_copy_well() -> None:
    stack = parse("ip4/esp:aes128gcm16/ip4")
    solution = solve(stack, 1500)
    with pytest.raises(AttributeError):
        solution.link_mtu = 9000  # type: ignore[misc]
    assert copy.deepcopy(solution) is solution
    assert pickle.loads(pickle.dumps(solution)) == solution  # noqa: S301
    assert hash(parse("ip4/esp:aes128gcm16/ip4")) == hash(stack)
    assert replace(solution, link_mtu=1501).link_mtu == 1501
    assert solution != stack
    with pytest.raises(TypeError, match="needs the argument"):
        type(solution)(stack=stack)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="does not take"):
        replace(solution, colour="red")
    assert "link_mtu=1500" in repr(solution)


@pytest.mark.parametrize(
    "stack",
    [
        *("ip4/esp:aes128-sha256/beet", "ip6/esp:aes128-sha256/beet/ip4", "ip6/esp:aes128gcm16/beet/ip4"),
        *("ip4/esp:aes128gcm16/beet/ip6", "ip6/dstopts:8/esp:aes128-sha256/gre/ip4", "ip6/srh:2:red/ip6"),
        *("macsec:nosci/ip4", "ip4/tcp/esp:aes128gcm16/ip4", "ip4/udp/vxlan/eth/ip4/esp:aes128-sha256/beet"),
        "ip4/esp:aes256gcm16/udp/vxlan/eth/ip4",
    ],
)
def test_the_calculation_ends_at_the_inner_mtu(stack: str) -> None:
    solution = solve(parse(stack), 1500)
    *_, before, last = steps(solution)
    added = last.partition(": ")[0].split()
    assert int(before.split()[0]) + sum(int(word) for word in added[1:] if word.isdigit()) == solution.inner_mtu
    assert int(last.split()[0]) == solution.inner_mtu


def test_esp_in_tcp_beet_and_reduced_srh_say_what_is_not_on_the_wire() -> None:
    for stack in ("ip4/tcp/esp:aes128gcm16/ip4", "ip4/esp:aes128gcm16/beet", "ip6/dstopts:8/esp:aes128-sha256/ip6"):
        assert solve(parse(stack), 1500).notes, stack


@pytest.mark.parametrize(("link", "limits"), [(1491, True), (1492, False), (1499, False), (1500, True)])
def test_linux_decides_only_where_what_it_counts_is_less_than_fits(link: int, limits: bool) -> None:
    assert linux_limits(parse("ip4/esp:aes256-sha256/beet/ip4"), link) is limits
    assert not linux_limits(parse("ip4/esp:aes256-sha256/ip4"), link)
