"""``ip xfrm state`` and ``ip xfrm policy``: the algorithms and selectors that the kernel really uses."""

from __future__ import annotations

import re
from collections import defaultdict

from netplan.audit.model import Esp, Evidence
from netplan.cni.adapter import Family
from netplan.cni.yaml_document import find_word

_HEAD = re.compile(r"^src (\S+) dst (\S+)")
_SELECTOR = re.compile(r"\bsel src (\S+) dst (\S+)")
_PORT = re.compile(r"\b(?:sport|dport) (\d{1,5})\b")
_REQID = re.compile(r"\breqid (\d{1,10})\b")
_MODE = re.compile(r"\bmode (transport|tunnel|beet)")
_KEY = r"(?:<<Keys hidden>>|\S+)"  # `nokeys` hides them
_AEAD = re.compile(rf"^\s*aead (\S+) {_KEY} (\d{{1,6}})\b")
_ENC = re.compile(r"^\s*enc (\S+)")
_AUTH = re.compile(rf"^\s*auth(-trunc)? (\S+)(?: {_KEY})?(?: (\d{{1,6}})\b)?")
_DOCKER_MARK = "0xd0c4e3"
_AEADS = {
    "rfc4106(gcm(aes))": "aes256gcm{}",
    "rfc4309(ccm(aes))": "aes256ccm{}",
    "rfc7539esp(chacha20,poly1305)": "chacha20poly1305",
    "rfc4543(gcm(aes))": "aes256gmac",
}
_CIPHERS = {
    "cbc(aes)": "aes256",
    "cbc(des3_ede)": "3des",
    "rfc3686(ctr(aes))": "aes256ctr",
    "cbc(camellia)": "camellia256",
    "cbc(serpent)": "serpent256",
    "cbc(twofish)": "twofish256",
    "ecb(cipher_null)": "null",
    "cipher_null": "null",
}
# the kernel truncates HMAC-SHA-256 to 96 bits unless told 128
_AUTHS = {
    ("hmac(sha1)", 96): "sha1",
    ("hmac(sha256)", 96): "sha256_96",
    ("hmac(sha256)", 128): "sha256",
    ("hmac(sha384)", 192): "sha384",
    ("hmac(sha512)", 256): "sha512",
    ("hmac(md5)", 96): "md5",
    ("xcbc(aes)", 96): "aesxcbc",
    ("cmac(aes)", 96): "aescmac",
}
_DEFAULT_BITS = {"hmac(sha384)": 192, "hmac(sha512)": 256}


def is_xfrm(text: str) -> bool:
    """Tell whether this is output of ``ip xfrm``."""
    return bool(_HEAD.match(text.lstrip())) and bool(
        re.search(r"^\s+(proto esp|proto ah|dir (in|out|fwd))", text, re.M)
    )


def read(path: str, text: str, evidence: Evidence) -> None:
    """Read states and policies; a policy lends its selector to the states of its reqid."""
    lines = text.splitlines()
    blocks = _blocks(lines)
    ports: dict[str, set[int]] = defaultdict(set)
    wide: set[str] = set()
    for start, block in blocks:
        body = "\n".join(block)
        if re.search(r"^\s+dir (in|out|fwd)", body, re.M):
            reqid = _REQID.search(body)
            found = [int(p) for p in _PORT.findall(block[0])]
            if reqid and found:
                ports[reqid.group(1)].update(found)
            elif reqid and _network(block[0]):
                wide.add(reqid.group(1))
        del start
    seen: set[tuple[object, ...]] = set()
    for start, block in blocks:
        body = "\n".join(block)
        if not re.search(r"^\s+proto esp spi", body, re.M) or _DOCKER_MARK in body.lower():
            continue
        suite = _suite(block)
        mode = _MODE.search(body)
        head = _HEAD.match(block[0])
        if not suite or not mode or not head:
            continue
        reqid = _REQID.search(body)
        key = reqid.group(1) if reqid else ""
        selector = next((line for line in block if _SELECTOR.search(line)), "")
        own = {int(p) for p in _PORT.findall(selector)} | ports.get(key, set())
        family: Family = "ipv6" if ":" in head.group(2) else "ipv4"
        tunnel = mode.group(1) == "tunnel"
        esp = Esp(
            suite=suite,
            mode="tunnel" if tunnel else "transport",
            nat_t="encap type espinudp" in body,
            family=family,
            ports=frozenset(own) or None,
            networks=tunnel and not own,
            location=find_word(path, lines, start, "src"),
            live=True,
        )
        unique = (esp.suite, esp.mode, esp.nat_t, esp.family, esp.ports)
        if unique not in seen:
            seen.add(unique)
            evidence.esps.append(esp)


def _network(head: str) -> bool:
    match = _HEAD.match(head)
    return bool(match) and not all(end.endswith(("/32", "/128")) for end in match.groups()) if match else False


def _blocks(lines: list[str]) -> list[tuple[int, list[str]]]:
    blocks: list[tuple[int, list[str]]] = []
    for index, line in enumerate(lines):
        if _HEAD.match(line):
            blocks.append((index, [line]))
        elif blocks and line.strip():
            blocks[-1][1].append(line)
    return blocks


def _suite(block: list[str]) -> str | None:
    cipher, auth = "", ""
    for line in block:
        aead = _AEAD.match(line)
        if aead:
            form = _AEADS.get(aead.group(1))
            return form.format(int(aead.group(2)) // 8) if form else None
        enc, match = _ENC.match(line), _AUTH.match(line)
        if enc:
            cipher = _CIPHERS.get(enc.group(1), "")
        elif match:
            bits = int(match.group(3)) if match.group(1) and match.group(3) else _DEFAULT_BITS.get(match.group(2), 96)
            auth = _AUTHS.get((match.group(2), bits), "")
    return f"{cipher}-{auth}" if cipher and auth else None
