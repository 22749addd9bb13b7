"""A second opinion: packets that scapy builds and really encrypts are as long as ours.

scapy is a test dependency only (GPL-2.0) and is never imported by the package.
"""

from __future__ import annotations

import logging
import os
import warnings

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from netplan.stack import largest_inner, parse, wire_size

from ..sizes import size

logging.getLogger("scapy").setLevel(logging.CRITICAL)
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from scapy.layers.inet import IP, UDP
    from scapy.layers.inet6 import IPv6
    from scapy.layers.ipsec import AH, ESP, SecurityAssociation
    from scapy.packet import Raw

# our proposal -> scapy's names and key lengths
SUITES: dict[str, tuple[str, int, str | None, int]] = {
    "aes128gcm16": ("AES-GCM", 16 + 4, None, 0),
    "aes256gcm16": ("AES-GCM", 32 + 4, None, 0),
    "aes256ccm16": ("AES-CCM", 32 + 3, None, 0),
    "chacha20poly1305": ("CHACHA20-POLY1305", 32 + 4, None, 0),
    "aes128-sha1": ("AES-CBC", 16, "HMAC-SHA1-96", 20),
    "aes256-sha256": ("AES-CBC", 32, "SHA2-256-128", 32),
    "aes128-sha384": ("AES-CBC", 16, "SHA2-384-192", 48),
    "aes256-sha512": ("AES-CBC", 32, "SHA2-512-256", 64),
    "aes128ctr-sha256": ("AES-CTR", 16 + 4, "SHA2-256-128", 32),
    "null-sha256": ("NULL", 0, "SHA2-256-128", 32),
    "aes128-aescmac": ("AES-CBC", 16, "AES-CMAC-96", 16),
    "3des-md5": ("3DES", 24, "HMAC-MD5-96", 16),
}
HEADER = {
    "ip4": lambda: IP(src="192.0.2.1", dst="192.0.2.2"),
    "ip6": lambda: IPv6(src="2001:db8::1", dst="2001:db8::2"),
}


def built(suite: str, outer: str, inner: str | None, natt: bool, payload: int) -> int:
    """Return the length of the packet that scapy makes; ``inner`` None is transport mode."""
    crypt, crypt_len, auth, auth_len = SUITES[suite]
    association = SecurityAssociation(
        ESP,
        spi=0x1234,
        crypt_algo=crypt,
        crypt_key=os.urandom(crypt_len) or None,
        auth_algo=auth,
        auth_key=os.urandom(auth_len) or None,
        tunnel_header=HEADER[outer]() if inner else None,
        nat_t_header=UDP(sport=4500, dport=4500) if natt else None,
    )
    packet = HEADER[inner or outer]() / Raw(os.urandom(payload))
    if (inner or outer) == "ip4":
        packet.proto = 253
    else:
        packet.nh = 253
    return len(bytes(association.encrypt(packet.__class__(bytes(packet)))))


def ours(suite: str, outer: str, inner: str | None, natt: bool, payload: int) -> tuple[str, int, int]:
    text = "/".join([outer, *(["udp"] if natt else []), f"esp:{suite}", *([inner] if inner else [])])
    stack = parse(text)
    size = stack.inner_headers + payload
    return text, size, wire_size(stack, size)


def check(suite: str, outer: str, inner: str | None, natt: bool, payload: int) -> None:
    text, size, wire = ours(suite, outer, inner, natt, payload)
    assert built(suite, outer, inner, natt, payload) == wire, f"{text} around {size}"
    assert largest_inner(parse(text), wire) >= size


# scapy puts NAT-T around IPv4 only
shapes = st.sampled_from(
    [
        *(("ip4", inner, natt) for inner in ("ip4", "ip6", None) for natt in (False, True)),
        *(("ip6", inner, False) for inner in ("ip4", "ip6", None)),
    ]
)


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("payload", [0, 1, 13, 1426])
def test_each_suite_in_a_tunnel(suite: str, payload: int) -> None:
    check(suite, "ip4", "ip4", False, payload)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@example("aes128gcm16", ("ip6", None, False), 100)
@given(st.sampled_from(sorted(SUITES)), shapes, st.integers(0, 1600))
def test_scapy_agrees(suite: str, shape: tuple[str, str | None, bool], payload: int) -> None:
    check(suite, shape[0], shape[1], shape[2], payload)


@pytest.mark.slow
@settings(max_examples=size(800, 5_000), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(sorted(SUITES)), shapes, st.integers(0, 9000))
def test_scapy_agrees_at_length(suite: str, shape: tuple[str, str | None, bool], payload: int) -> None:
    check(suite, shape[0], shape[1], shape[2], payload)


@pytest.mark.parametrize(("auth", "ours_auth", "key"), [("HMAC-SHA1-96", "sha1", 20), ("SHA2-256-128", "sha256", 32)])
@pytest.mark.parametrize("family", ["ip4", "ip6"])
def test_ah(auth: str, ours_auth: str, key: int, family: str) -> None:
    association = SecurityAssociation(
        AH, spi=1, auth_algo=auth, auth_key=os.urandom(key), tunnel_header=HEADER[family]()
    )
    packet = HEADER["ip4"]() / Raw(b"x" * 100)
    made = len(bytes(association.encrypt(IP(bytes(packet)))))
    assert made == wire_size(parse(f"{family}/ah:{ours_auth}/ip4"), 120)
