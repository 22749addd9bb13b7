"""The header table: complete, consistent, and equal to the figures of the field."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from netplan.stack import parse, solve
from netplan.stack.headers import HEADERS, MACROS, STARTS

KNOWN = {*HEADERS, "esp", "ah"}
PACKAGE = Path(__file__).parents[2] / "netplan"


def test_every_row_names_its_source_and_only_known_tokens() -> None:
    for row in HEADERS.values():
        assert row.source, row.name
        assert set(row.carries) <= KNOWN, row.name
        assert row.kind in ("link", "ip", "extension", "tunnel", "transport"), row.name
    assert set(STARTS) <= KNOWN
    assert all(part.partition(":")[0] in KNOWN for parts in MACROS.values() for part in parts)


# bytes taken from the outer IP MTU of 1500 by what stands between outer and inner IP header
@pytest.mark.parametrize(
    ("stack", "taken"),
    [
        ("ipip", 20),
        ("sit", 20),
        ("ip6tnl/ip4", 48),
        ("ip6tnl:none/ip4", 40),
        ("ip4/gre/ip4", 24),
        ("ip4/gre:key/ip4", 28),
        ("ip4/gre:key:csum:seq/ip4", 36),
        ("ip4/gretap/ip4", 38),
        ("ip4/gretap:key/ip4", 42),
        ("ip6/dstopts:8/gre/ip4", 52),
        ("ip4/nvgre/eth/ip4", 42),
        ("ip4/erspan:1/eth/ip4", 38),
        ("ip4/erspan/eth/ip4", 50),
        ("ip4/erspan:3/eth/ip4", 54),
        ("ip4/erspan:3:sub/eth/ip4", 62),
        ("ip4/udp/vxlan/eth/ip4", 50),
        ("ip4/udp/vxlan/eth/vlan/ip4", 54),
        ("ip6/udp/vxlan/eth/ip4", 70),
        ("ip4/udp/vxlan-gpe/ip4", 36),
        ("ip4/udp/geneve/eth/ip4", 50),
        ("ip4/udp/geneve:8/eth/ip4", 58),
        ("ip4/udp/geneve:ovn/eth/ip4", 58),
        ("ip4/udp/geneve:cilium-dsr/eth/ip4", 62),
        ("ip4/udp/geneve:252/eth/ip4", 302),
        ("ip4/udp/geneve/ip4", 36),
        ("ip4/stt/eth/ip4", 72),
        ("ip4/tcp/stt/eth/ip4", 72),
        ("ip4/udp/gtpu/ip4", 36),
        ("ip4/udp/gtpu:seq/ip4", 40),
        ("ip4/udp/gtpu:pdu/ip4", 44),
        ("ip4/l2tpv3/eth/ip4", 38),
        ("ip4/l2tpv3:cookie8:l2spec/eth/ip4", 50),
        ("ip4/udp/l2tpv3/eth/ip4", 50),
        ("ip4/udp/l2tpv2/ip4", 38),
        ("ip4/udp/wireguard/ip4", 60),
        ("ip6/udp/wireguard/ip4", 80),
        ("macsec/ip4", 32),
        ("macsec:nosci/ip4", 32),
        ("eth/macsec/ip4", 32),
        ("eth/macsec/vlan/ip4", 36),
        ("mpls/ip4", 4),
        ("mpls:3/ip4", 12),
        ("mpls/mpls/ip4", 8),
        ("ip4/udp/mpls/ip4", 32),
        ("eth/ip4", 0),
        ("eth/vlan/ip4", 0),
        ("qinq/ip4", 0),
        ("pppoe/ip4", 8),
        ("eth/vlan/pppoe/ip4", 8),
        ("ip4/udp/lisp/ip4", 36),
        ("ip4/otv/eth/ip4", 42),
        ("ip4/udp/gue/ip4", 32),
        ("ip4/udp/ip4", 28),
        ("ip6/srh:2/ip6", 80),
        ("ip4/tcp", 0),
        ("ip4/udp", 0),
        ("ip4/icmp", 0),
        ("ip4/ipcomp", 0),
        ("ip4/esp:aes128gcm16/iptfs/ip4", 58),
        ("ip4/esp:aes128gcm16/iptfs:cc/ip4", 78),
        ("ip4/esp:aes128gcm16/beet", 42),
    ],
)
def test_bytes_taken(stack: str, taken: int) -> None:
    assert 1500 - solve(parse(stack), 1500).inner_mtu == taken


def test_header_sizes_live_in_the_tables_only() -> None:
    """No module of the engine but the tables may hold a number that could be the size of a header."""
    engine = sorted((PACKAGE / "stack").glob("*.py"))
    explain = sorted((PACKAGE / "explain").glob("*.py"))
    assert len(engine) > 4
    assert len(explain) > 4
    sizes = {part for row in HEADERS.values() for part in (row.bytes, row.trailer)} | {12, 28, 30, 32, 50, 58, 70, 80}
    for path in [*engine, *explain]:
        if path.name in ("headers.py", "transforms.py"):  # the tables
            continue
        if path.name in ("claims.py", "presets.py", "numbers.py", "drawing.py"):  # what others say; pixels
            continue
        harmless = {0} if path in engine else {0, 4, 8, 10, 12}  # widths, rates, limits of lists
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and type(node.value) is int:
                assert node.value not in sizes - harmless, f"{path.name}:{node.lineno}: {node.value}"
