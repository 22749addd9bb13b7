"""What a running kernel lets through is what calc says, measured anew in every run.

One measurement of all stacks, then every question is asked of its rows.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from netplan.stack import parse, sizing, solve, transforms
from netplan.stack.frozen import replace
from netplan.stack.headers import HEADERS
from netplan.stack.transforms import CIPHERS, INTEGRITY

from .boot import NoKernel, measure
from .jobs import job
from .stacks import WHERE_PRESENT, matrix

pytestmark = pytest.mark.kernel
LEAST = 250

Row = dict[str, Any]


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[Row]:
    jobs = [job(*row) for row in matrix()]
    jobs.sort(key=lambda j: json.dumps(j["device"]))  # making a device is what takes time
    directory: Path = tmp_path_factory.mktemp("kernel")
    try:
        where, found = measure(jobs, directory)
    except NoKernel as error:
        pytest.skip(str(error))
    assert len(found) == len(jobs)
    done = sum("inner" in row for row in found)
    print(f"\nmeasured {done} stacks on {where}")
    return found


def told(row: Row) -> tuple[int, int]:
    """Return what calc says: inner MTU, and bytes of the link that the largest packet uses."""
    solution = solve(parse(row["stack"]), row["mtu"])
    return solution.inner_mtu, solution.outer_packet + solution.stack.link_bytes


def different(rows: list[Row]) -> list[str]:
    return [
        f"{row['stack']} on {row['mtu']}: measured {row['inner']} in {row['link']}, calc says {told(row)}"
        for row in rows
        if "inner" in row and told(row) != (row["inner"], row["link"])
    ]


def test_enough_was_measured_and_nothing_failed(rows: list[Row]) -> None:
    assert sum("inner" in row for row in rows) >= LEAST
    assert [row for row in rows if "failed" in row] == []
    optional = set(WHERE_PRESENT)
    assert [row for row in rows if "missing" in row and (row["stack"], row["via"]) not in optional] == []


def test_every_kind_was_measured(rows: list[Row]) -> None:
    names = {token.name for row in rows if "inner" in row for token in parse(row["stack"]).tokens}
    wanted = "ip4 ip6 udp esp ah vxlan geneve gre eth vlan dstopts erspan mpls macsec"
    assert set(wanted.split()) <= names


def test_calc_says_what_the_kernel_does(rows: list[Row]) -> None:
    wrong = different(rows)
    assert not wrong, f"{len(wrong)} stacks differ:\n" + "\n".join(wrong)


@pytest.mark.parametrize("name", ["ip4", "ip6", "udp", "vxlan", "geneve", "gre", "eth", "vlan", "erspan", "macsec"])
def test_a_changed_header_would_be_noticed(name: str, rows: list[Row], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(HEADERS, name, replace(HEADERS[name], bytes=HEADERS[name].bytes + 4))
    assert different(rows)


@pytest.mark.parametrize(
    ("module", "constant"),
    [(sizing, "ESP_HEADER"), (transforms, "AH_HEADER"), (sys.modules[solve.__module__], "ESP_TRAILER")],
)
def test_a_changed_constant_would_be_noticed(
    module: object, constant: str, rows: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, constant, getattr(module, constant) + 4)
    assert different(rows)


@pytest.mark.parametrize("cipher", ["aes128gcm16", "chacha20poly1305", "aes128", "3des", "aes128ctr", "null"])
def test_a_changed_iv_would_be_noticed(cipher: str, rows: list[Row], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CIPHERS, cipher, replace(CIPHERS[cipher], iv=CIPHERS[cipher].iv + 16))
    assert different(rows)


@pytest.mark.parametrize("auth", ["md5", "sha1", "sha256", "sha384", "sha512", "aesxcbc", "aescmac", "sha256_96"])
def test_a_changed_icv_would_be_noticed(auth: str, rows: list[Row], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(INTEGRITY, auth, (INTEGRITY[auth][0] + 16, ""))
    assert different(rows)
