"""The numbers that others publish: the exact ones come out equal, the unsafe ones are too large by what was found."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from netplan.explain.claims import CLAIMS, evaluate
from netplan.explain.presets import UNDERLAYS
from netplan.stack import Stack, largest_inner, parse, solve, wire_size

DATA = Path(__file__).parents[1] / "data" / "published_mtu.csv"
with DATA.open(newline="") as _file:
    ROWS = list(csv.DictReader(_file))
KINDS = {"exact": 55, "conservative": 39, "unsafe": 19, "preset": 21}

CIPHERS = {
    "aes-gcm-16": "esp:aes128gcm16",
    "aes-gcm-8": "esp:aes128gcm8",
    "aes-cbc": "esp:aes128",
    "aes-cbc+sha1-96": "esp:aes128-sha1",
    "aes-cbc+sha256-128": "esp:aes128-sha256",
    "aes-cbc+sha384-192": "esp:aes128-sha384",
    "aes-cbc+sha512-256": "esp:aes128-sha512",
    "3des": "esp:3des",
    "3des+md5-96": "esp:3des-md5",
    "3des+sha1-96": "esp:3des-sha1",
    "null+sha1-96": "esp:null-sha1",
    "ah+sha1-96": "ah:sha1",
}
OVERLAYS = {
    "none": "",
    "udp": "udp/ip4",
    "vxlan": "udp/vxlan/eth/ip4",
    "geneve": "udp/geneve/eth/ip4",
    "geneve+8": "udp/geneve:ovn/eth/ip4",
    "gre": "gre/ip4",
    "gre+key": "gre:key/ip4",
    "gretap": "gretap/ip4",
    "gretap+key": "gretap:key/ip4",
    "ipip": "ip4",
    "nvgre": "nvgre/eth/ip4",
    "stt": "stt/eth/ip4",
}


def stack_of(row: dict[str, str]) -> Stack:
    """Write the packet that a row is about in our notation."""
    ip = "ip6" if row["outer_ip"] == "ipv6" else "ip4"
    mode, overlay = row["ipsec_mode"], OVERLAYS[row["overlay"]]
    secure = ("udp/" if row["natt"] == "yes" else "") + CIPHERS.get(row["cipher"], "")
    words = {
        "none": [ip, overlay],
        "wireguard": [ip, "udp/wireguard", ip],
        "macsec": ["macsec", ip],
        "tunnel": [ip, secure, ip, overlay],
        "ah-tunnel": [ip, secure, ip],
        "transport": [ip, secure, overlay],
        "esp-in-overlay": [ip, overlay.removesuffix("/ip4"), "ip4", secure, "ip4"],
    }[mode]
    return parse("/".join(word for word in words if word))


def greatest_overhead(stack: Stack) -> int:
    """Return the most bytes the stack adds to any packet: padding depends on the size."""
    return max(wire_size(stack, inner) - inner for inner in range(stack.inner_headers, stack.inner_headers + 64))


def measured(row: dict[str, str]) -> tuple[int, int]:
    """Return what is published and what is exact."""
    what, value = row["inner_expected_mtu_or_overhead"].split("=")
    stack = stack_of(row)
    if what == "overhead":
        return int(value), greatest_overhead(stack)
    solution = solve(stack, int(row["underlay_mtu"]))
    return int(value), solution.mss4 if what == "mss" else solution.inner_mtu


def note(row: dict[str, str], name: str) -> int:
    found = re.search(rf"{name}=([+-]?\d+)", row["note"])
    assert found, row
    return int(found.group(1))


def test_no_row_is_missing() -> None:
    assert {kind: sum(row["exact_or_conservative"] == kind for row in ROWS) for kind in KINDS} == KINDS


@pytest.mark.parametrize(
    "row",
    [row for row in ROWS if row["exact_or_conservative"] != "preset"],
    ids=lambda row: f"{row['exact_or_conservative']}-{row['scenario'][:40]}",
)
def test_published_number(row: dict[str, str]) -> None:
    published, exact = measured(row)
    what = row["inner_expected_mtu_or_overhead"].split("=")[0]
    assert exact == note(row, f"(?:exact|model)_{'mtu' if what == 'measured' else what}")
    # of an overhead, too little is what breaks; of an MTU or MSS, too much
    too_large = exact - published if what == "overhead" else published - exact
    assert too_large == note(row, "delta")
    match row["exact_or_conservative"]:
        case "exact":
            assert published == exact
        case "conservative":
            assert too_large < 0
        case _:
            assert too_large > 0


@pytest.mark.parametrize("row", [row for row in ROWS if row["exact_or_conservative"] == "preset"])
def test_underlay_is_a_preset(row: dict[str, str]) -> None:
    mtu = int(row["inner_expected_mtu_or_overhead"].removeprefix("underlay="))
    found = [u for u in UNDERLAYS.values() if u.mtu == mtu and _kin(u.source + u.where + u.name, row)]
    assert found, row
    assert any(u.verified for u in found)


def _kin(text: str, row: dict[str, str]) -> bool:
    """Tell whether a preset and a row name the same provider."""
    provider = re.split(r"\W", row["scenario"])[0].lower().removesuffix("cloud").removesuffix("stack")
    provider = {"equinix": "equinix", "oci": "oci", "vng": "vng", "nsx": "nsx"}.get(provider, provider)
    return provider in text.lower()


def test_docker_is_exact_on_every_ipv4_link() -> None:
    claim = next(c for c in CLAIMS if c.system == "docker" and "IPv6" not in c.when)
    stack = parse(claim.stack)
    assert all(claim.value(link) == largest_inner(stack, link) for link in range(700, 9217))


@pytest.mark.parametrize("row", [row for row in ROWS if row["exact_or_conservative"] == "unsafe"])
def test_explain_knows_the_unsafe_ones(row: dict[str, str]) -> None:
    """What the table calls unsafe, ``explain`` calls unsafe too, by the same bytes."""
    published, exact = measured(row)
    link = 1500 if row["underlay_mtu"] == "any" else int(row["underlay_mtu"])
    source = row["source"].lower().replace("kubeovn", "kube-ovn").replace("moby", "docker")
    mine = [c for c in CLAIMS if c.system.split("-")[0] in source or c.system == "blogs"]
    deltas = [evaluate(claim, link).delta for claim in mine]
    assert abs(published - exact) in deltas
