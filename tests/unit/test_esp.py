"""Transforms by keyword: IV, ICV, alignment, and the padding rule."""

from __future__ import annotations

import pytest

from netplan.stack.transforms import (
    CIPHERS,
    INTEGRITY,
    UnknownAlgorithm,
    ah_icv,
    ah_size,
    esp_transform,
    largest_payload,
    padding,
)


@pytest.mark.parametrize(
    ("proposal", "iv", "icv", "align"),
    [
        ("aes128gcm16", 8, 16, 4),
        ("aes256gcm", 8, 16, 4),
        ("aes192gcm128", 8, 16, 4),
        ("aes256gcm12", 8, 12, 4),
        ("aes256gcm96", 8, 12, 4),
        ("aes128gcm8", 8, 8, 4),
        ("aes128gcm64", 8, 8, 4),
        ("aes128ccm8", 8, 8, 4),
        ("aes256ccm12", 8, 12, 4),
        ("aes128ccm16", 8, 16, 4),
        ("chacha20poly1305", 8, 16, 4),
        ("aes256gmac", 8, 16, 4),
        ("aes-sha1", 16, 12, 16),
        ("aes128-sha256", 16, 16, 16),
        ("aes128-sha256_96", 16, 12, 16),
        ("aes256-sha2_384", 16, 24, 16),
        ("aes256-sha512", 16, 32, 16),
        ("aes128-md5", 16, 12, 16),
        ("aes128-md5_128", 16, 16, 16),
        ("aes128-sha1_160", 16, 20, 16),
        ("aes128-aesxcbc", 16, 12, 16),
        ("aes128-aescmac", 16, 12, 16),
        ("aes128ctr-sha256", 8, 16, 4),
        ("aes256ctr-sha512", 8, 32, 4),
        ("3des-md5", 8, 12, 8),
        ("3des-sha1", 8, 12, 8),
        ("blowfish128-sha1", 8, 12, 8),
        ("cast128-md5", 8, 12, 8),
        ("twofish256-sha256", 16, 16, 16),
        ("serpent192-sha256", 16, 16, 16),
        ("camellia128-sha256", 16, 16, 16),
        ("null-sha1", 0, 12, 4),
        ("null-sha256", 0, 16, 4),
        ("aes128", 16, 0, 16),
    ],
)
def test_esp_bytes(proposal: str, iv: int, icv: int, align: int) -> None:
    transform = esp_transform(proposal)
    assert (transform.iv, transform.icv, transform.align) == (iv, icv, align)


@pytest.mark.parametrize(
    "tail",
    ["x25519", "ecp384", "modp2048", "ke1_mlkem768", "esn", "noesn", "prfsha384", "none", "x25519-ke1_mlkem768-esn"],
)
def test_key_exchange_prf_and_esn_cost_nothing(tail: str) -> None:
    plain, full = esp_transform("aes256gcm16"), esp_transform(f"aes256gcm16-{tail}")
    assert (plain.iv, plain.icv, plain.align) == (full.iv, full.icv, full.align)


@pytest.mark.parametrize(("icv", "unit", "size"), [(12, 4, 24), (12, 8, 24), (16, 4, 28), (16, 8, 32), (24, 8, 40)])
def test_ah_is_rounded(icv: int, unit: int, size: int) -> None:
    assert ah_size(icv, unit) == size


def test_ah_keywords() -> None:
    assert ah_icv("sha256-x25519") == (16, "RFC 4868 2.3")
    assert ah_icv("aesxcbc") == (12, "RFC 3566 4")


@pytest.mark.parametrize(
    ("proposal", "word"),
    [
        ("aes128gmc16", "aes128gmc16"),
        ("aes128-sha257", "sha257"),
        ("aes128-aes256-sha256", "aes256"),
        ("aes128-sha1-sha256", "sha256"),
        ("aes256gcm16-x2551", "x2551"),
        ("aes256gcm16-ke9_mlkem768", "ke9_mlkem768"),
        ("null", "null"),
        ("sha256", "sha256"),
        ("aes128--sha256", "-"),
    ],
)
def test_what_esp_refuses_and_where(proposal: str, word: str) -> None:
    with pytest.raises(UnknownAlgorithm) as caught:
        esp_transform(proposal)
    start = caught.value.start
    assert proposal[start : start + caught.value.length] == word


@pytest.mark.parametrize("proposal", ["aes128-sha256", "aes128gmac", "x25519", "sha256-sha1"])
def test_what_ah_refuses(proposal: str) -> None:
    with pytest.raises(UnknownAlgorithm):
        ah_icv(proposal)


def test_padding_and_its_inverse_agree() -> None:
    for align in (4, 8, 16):
        for space in range(align, 200):
            payload = largest_payload(space, align)
            assert payload + padding(payload, align) + 2 <= space
            assert payload + 1 + padding(payload + 1, align) + 2 > space


def test_every_keyword_has_a_source() -> None:
    assert all(cipher.source for cipher in CIPHERS.values())
    assert all(source for _, source in INTEGRITY.values())
    assert len(CIPHERS) > 80
