"""ESP algorithms in other programs' words -> a suite of the stack notation.

The words are those of libreswan (ipsec.conf and status), charon's status, VyOS, FortiOS and Cisco IOS; sizes are in
:mod:`netplan.stack.transforms`.
"""

from __future__ import annotations

import re

from netplan.model.proposals import esp_proposal

# libreswan's letters for the length of an ICV
_ICV = {"a": "8", "b": "12", "c": "16", "8": "8", "12": "12", "16": "16", "64": "8", "96": "12", "128": "16", "": "16"}
_AEAD = re.compile(r"^aes_?(?P<mode>gcm|ccm)(?:_(?P<icv>a|b|c|8|12|16))?(?:[_-]?(?P<bits>128|192|256))?$")
_CIPHER = re.compile(r"^(?P<name>aes|camellia|serpent|twofish)(?P<ctr>_?ctr)?(?:_?cbc)?[_-]?(?P<bits>128|192|256)?$")
_HASHES = {
    "md5": "md5",
    "hmac_md5": "md5",
    "hmac_md5_96": "md5",
    "sha": "sha1",
    "sha1": "sha1",
    "hmac_sha1": "sha1",
    "hmac_sha1_96": "sha1",
    "sha2": "sha256",
    "sha256": "sha256",
    "sha2_256": "sha256",
    "hmac_sha2_256_128": "sha256",
    "hmac_sha2_256": "sha256",
    "hmac_sha2_256_96": "sha256_96",
    "hmac_sha2_256_truncbug": "sha256_96",
    "sha384": "sha384",
    "sha2_384": "sha384",
    "hmac_sha2_384_192": "sha384",
    "hmac_sha2_384": "sha384",
    "sha512": "sha512",
    "sha2_512": "sha512",
    "hmac_sha2_512_256": "sha512",
    "hmac_sha2_512": "sha512",
    "aes_xcbc": "aesxcbc",
    "aes_xcbc_96": "aesxcbc",
    "aes_cmac": "aescmac",
    "aes_cmac_96": "aescmac",
}


def suite(cipher: str, integrity: str = "") -> str | None:
    """Return the suite of a cipher and an integrity algorithm in any of the spellings; None for an unknown one."""
    name = cipher.lower().strip()
    aead = _AEAD.match(name)
    if aead:
        return f"aes{aead['bits'] or '256'}{aead['mode']}{_ICV[aead['icv'] or '']}"
    if name.replace("_", "") == "chacha20poly1305":
        return "chacha20poly1305"
    found = _CIPHER.match(name)
    digest = _HASHES.get(integrity.lower().strip().replace("-", "_"))
    if digest is None:
        return None
    if name in ("3des", "3des_cbc", "des_ede3"):
        return f"3des-{digest}"
    if name in ("null", "null_cipher"):
        return f"null-{digest}"
    if found is None:
        return None
    return f"{found['name']}{found['bits'] or '128'}{'ctr' if found['ctr'] else ''}-{digest}"


def proposal(word: str, *, truncated: bool = False) -> str | None:
    """Return the suite of one proposal such as ``aes256-sha2_256-modp2048``, ``aes_gcm256-null;dh20``, ``aes128gcm16``.

    ``truncated`` is libreswan's ``sha2-truncbug``: an HMAC-SHA-256 of 96 bits.
    """
    text = word.strip().lower().rstrip("!").partition(";")[0]
    own = esp_proposal(text)
    words = [w for w in text.split("-") if w]
    found = own.suite if own is not None else suite(words[0], words[1] if len(words) > 1 else "") if words else None
    if found and truncated and found.endswith("-sha256"):
        found += "_96"
    return found


def negotiated(text: str) -> str | None:
    """Return the suite of what a daemon reports: ``AES_GCM_16_256-NONE``, ``AES_CBC-128/HMAC_SHA1_96``."""
    match = re.match(
        r"(?P<cipher>[A-Z0-9_]+?)(?:[-_](?P<bits>128|192|256))?(?:[-/](?P<auth>HMAC\w+|AES_XCBC\w*|AES_CMAC\w*|NONE))?(?:[-/]|$)",
        text,
    )
    if not match:
        return None
    cipher = match["cipher"].lower()
    bits = match["bits"] or ""
    return suite(f"{cipher}_{bits}" if bits and cipher not in ("3des_cbc",) else cipher, match["auth"] or "")
