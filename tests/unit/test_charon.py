"""charon's own settings: by the size of the mesh and by version, without the plugins that nothing uses."""

from __future__ import annotations

import pytest

from netplan.bundle import build
from netplan.ipsec import charon
from netplan.ipsec.swanctl_parser import read
from netplan.model.proposals.capabilities import Capabilities
from tests.support.plans import make_planned


@pytest.mark.parametrize(
    ("peers", "sizes"),
    [
        (1, (16, 1, 1, 30)),
        (2, (16, 2, 1, 30)),
        (3, (16, 4, 1, 30)),
        (100, (19, 128, 8, 100)),
        (999, (47, 1024, 64, 999)),
        (5000, (64, 8192, 512, 5000)),
    ],
)
def test_sizes(peers: int, sizes: tuple[int, ...]) -> None:
    found = charon.sizes(peers)
    assert (found.threads, found.table, found.segments, found.cookies) == sizes


@pytest.mark.parametrize(
    ("version", "older", "buffer"),
    [
        ("5.9.5", True, True),
        ("5.9.8", True, True),
        ("5.9.13", True, False),
        ("6.0.1", False, False),
        (None, True, True),
    ],
)
def test_versions_differ_where_their_defaults_do(version: str | None, older: bool, buffer: bool) -> None:
    host = {"strongswan_version": version} if version else {}
    plan = make_planned(2, {1: host}).plan
    text = charon.settings_file(plan, plan.nodes[0])
    assert ("make_before_break = yes" in text) == older
    assert ("receive_buffer_size" in text) == buffer


def test_it_is_installed_and_keeps_what_is_needed() -> None:
    plan = make_planned(3).plan
    files = [f for f in build.build(plan) if f.path.endswith("etc/strongswan.d/ipsecplan.conf")]
    assert len(files) == 3
    off = read(files[0].text).section("charon").section("plugins").sections
    assert off["bypass-lan"].values == {"load": "no"}, "it lets a whole subnet past the encryption"
    needed = {"openssl", "vici", "kernel-netlink", "socket-default", "x509", "pem", "pubkey", "nonce", "constraints"}
    assert not needed & set(charon.UNUSED)


def test_an_unknown_version_gets_the_settings_of_an_old_one() -> None:
    assert charon.expected(charon.sizes(2), Capabilities())["make_before_break"] == "yes"
