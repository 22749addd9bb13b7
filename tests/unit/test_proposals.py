"""Proposal keywords: what charon will call them, what is refused."""

from __future__ import annotations

import pytest

from netplan.model.proposals import esp_proposal
from netplan.stack import parse


@pytest.mark.parametrize(
    ("text", "suite", "negotiated"),
    [
        ("aes256gcm16-x25519", "aes256gcm16", "AES_GCM_16-256"),
        ("aes128gcm128", "aes128gcm128", "AES_GCM_16-128"),
        ("aes256gcm12-ecp384", "aes256gcm12", "AES_GCM_12-256"),
        ("aes128ccm8-modp3072", "aes128ccm8", "AES_CCM_8-128"),
        ("chacha20poly1305-x25519", "chacha20poly1305", "CHACHA20_POLY1305"),
        ("aes256-sha256-x25519", "aes256-sha256", "AES_CBC-256/HMAC_SHA2_256_128"),
        ("aes-sha1", "aes-sha1", "AES_CBC-128/HMAC_SHA1_96"),
        ("aes192ctr-sha384-ecp256-esn", "aes192ctr-sha384", "AES_CTR-192/HMAC_SHA2_384_192"),
        ("camellia128-sha256", "camellia128-sha256", "CAMELLIA_CBC-128/HMAC_SHA2_256_128"),
    ],
)
def test_known(text: str, suite: str, negotiated: str) -> None:
    found = esp_proposal(text)
    assert found is not None
    assert (found.suite, found.negotiated) == (suite, negotiated)
    parse(f"ip4/esp:{suite}")  # the arithmetic knows the same words


@pytest.mark.parametrize("text", ["", "aes256", "aes256gcm17", "sha256", "aes256-x25519", "aes256gcm16 x", "aes\n"])
def test_unknown(text: str) -> None:
    assert esp_proposal(text) is None


@pytest.mark.parametrize("text", ["null-sha256", "aes128gmac", "3des-sha1", "aes128-md5", "aes256gcm16-modp1024"])
def test_weak(text: str) -> None:
    found = esp_proposal(text)
    assert found is not None
    assert found.weakness
