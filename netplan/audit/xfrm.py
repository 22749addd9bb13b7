"""``ip xfrm state`` and ``ip xfrm policy``: the algorithms and selectors that the kernel really uses."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from netplan.audit.model import Esp, Evidence, Finding, XfrmPolicy, XfrmState
from netplan.cni.yaml_document import find_word
from netplan.path.model import Mode
from netplan.problems import Location

DOCKER_MARK = 0xD0C4E3  # what Docker puts on the packets of an encrypted overlay, and on their policies
_HEAD = re.compile(r"^src (\S+) dst (\S+)")
_SELECTOR = re.compile(r"\bsel src (\S+) dst (\S+)")
_PORT = re.compile(r"\b(?:sport|dport) (\d{1,5})\b")
_REQID = re.compile(r"\breqid (\d{1,10})\b")
_MODE = re.compile(r"\bmode (\S+)")
_MARK = re.compile(r"(?<!-)\bmark (0x[0-9a-f]{1,8}|\d{1,10})(?:/|\s|$)", re.I)
_IF_ID = re.compile(r"\bif_id (0x[0-9a-f]{1,8}|\d{1,10})\b", re.I)
_DIR = re.compile(r"^\s+dir (in|out|fwd)", re.M)
_TEMPLATE = re.compile(r"^\s*tmpl src (\S+) dst (\S+)", re.M)
_KEY = r"(?:<<Keys hidden>>|\S+)(?: \(\d+ bits\))?"  # `nokeys` hides them, `-s` says how long they are
_AEAD = re.compile(rf"^\s*aead (\S+) {_KEY} (\d{{1,6}})\b")
_ENC = re.compile(r"^\s*enc (\S+)")
_AUTH = re.compile(rf"^\s*auth(-trunc)? (\S+)(?: {_KEY})?(?: (\d{{1,6}})\b)?")
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
_MODES: dict[str, Mode] = {
    "transport": "transport",
    "tunnel": "tunnel",
    "beet": "beet",
    "iptfs": "iptfs",
    "5": "iptfs",  # how an iproute2 that has no word for it prints XFRM_MODE_IPTFS
}


def is_xfrm(text: str) -> bool:
    """Tell whether this is output of ``ip xfrm``."""
    return bool(_HEAD.match(text.lstrip())) and bool(
        re.search(r"^\s+(proto esp|proto ah|dir (in|out|fwd))", text, re.M)
    )


def read(path: str, text: str, evidence: Evidence) -> None:
    """Read states and policies; :func:`joined` puts them together once everything is read."""
    lines = text.splitlines()
    for start, block in _blocks(lines):
        body = "\n".join(block)
        location = find_word(path, lines, start, "src")
        if " dir " in body.replace("\t", " ") and _DIR.search(body):
            policy = _policy(block, body, location)
            if policy is not None:
                evidence.policies.append(policy)
        elif "proto esp spi" in body and re.search(r"^\s*proto esp spi", body, re.M):
            state = _state(block, body, location)
            if state is not None:
                evidence.states.append(state)
            elif _MODE.search(body):
                evidence.faults.append(_unknown(location, block))


def _policy(block: list[str], body: str, location: Location) -> XfrmPolicy | None:
    head, reqid, template = _HEAD.match(block[0]), _REQID.search(body), _TEMPLATE.search(body)
    direction = _DIR.search(body)
    if not head or not reqid or not direction:
        return None
    return XfrmPolicy(
        location=location,
        reqid=reqid.group(1),
        src=head.group(1),
        dst=head.group(2),
        ports=frozenset(int(p) for p in _PORT.findall(block[0])),
        mark=_number(_MARK, body) if _marked(body) else None,
        if_id=_number(_IF_ID, body) if _marked(body) else None,
        ends=(_end(template.group(1)), _end(template.group(2))) if template else ("", ""),
        out=direction.group(1) == "out",
    )


def _state(block: list[str], body: str, location: Location) -> XfrmState | None:
    suite, mode, head, reqid = _suite(block), _MODE.search(body), _HEAD.match(block[0]), _REQID.search(body)
    if not suite or not mode or not head:
        return None
    marked = _marked(body)
    selector = next((line for line in block if _SELECTOR.search(line)), "")
    ports = frozenset(int(p) for p in _PORT.findall(selector)) or None
    src, dst = head.groups()
    tunnel = mode.group(1) != "transport"
    match = _SELECTOR.search(selector)
    hosts = match is not None and all(_single(end) for end in match.groups())
    return XfrmState(
        reqid=reqid.group(1) if reqid else "",
        dst=dst,
        esp=Esp(
            suite=suite,
            mode=_MODES.get(mode.group(1), "other"),
            nat_t="encap type espinudp" in body,
            family="ipv6" if ":" in dst else "ipv4",
            ports=ports,
            networks=tunnel and not ports and not hosts,
            local=(match.group(1),) if match and tunnel and hosts else (),
            remote=(match.group(2),) if match and tunnel and hosts else (),
            location=location,
            live=True,
            ends=(src, dst) if tunnel else ("", ""),
            mark=_number(_MARK, body) if marked else None,
            if_id=_number(_IF_ID, body) if marked else None,
        ),
    )


def joined(states: list[XfrmState], policies: list[XfrmPolicy]) -> list[Esp]:
    """Return the IPsec of one host: a policy lends its selector to the states of its reqid; one of all that are alike.

    Of a state of the receiving direction the policies are those of the other one, which has the same reqid.
    """
    by_reqid: dict[str, list[XfrmPolicy]] = {}
    for policy in policies:
        by_reqid.setdefault(policy.reqid, []).append(policy)
    found: dict[tuple[object, ...], Esp] = {}
    for state in states:
        mine = by_reqid.get(state.reqid, []) if state.reqid else []
        for esp in _selected(state, mine):
            found.setdefault(tuple(getattr(esp, name) for name in Esp.__slots__ if name != "location"), esp)
    return list(found.values())


def _selected(state: XfrmState, mine: list[XfrmPolicy]) -> Iterator[Esp]:
    esp = state.esp
    ports = (esp.ports or frozenset()).union(*(p.ports for p in mine))
    esp = replace(esp, ports=ports or None, networks=esp.networks and not ports)
    sending = [p for p in mine if p.out and (not p.ends[1] or p.ends[1] == state.dst)]
    if not any(p.out for p in mine):
        yield esp
    for policy in sending:
        own = policy.ports or esp.ports
        yield replace(
            esp,
            ports=own,
            networks=esp.mode != "transport" and not own and not (_single(policy.src) and _single(policy.dst)),
            local=_wide(policy.src),
            remote=_wide(policy.dst),
            mark=policy.mark if policy.mark is not None else esp.mark,
            if_id=policy.if_id if policy.if_id is not None else esp.if_id,
        )


def _single(selector: str) -> bool:
    """Tell whether a selector is one host."""
    return selector.endswith("/128") or (selector.endswith("/32") and ":" not in selector)


def _wide(selector: str) -> tuple[str, ...]:
    return () if selector in ("0.0.0.0/0", "::/0") else (selector,)


def _end(address: str) -> str:
    return "" if address in ("0.0.0.0", "::") else address  # noqa: S104 - an address that means any


def _marked(body: str) -> bool:
    """Tell whether it is worth to look for a mark or an XFRM interface: a mesh has thousands without one."""
    low = body.lower()
    return "mark" in low or "if_id" in low


def _number(pattern: re.Pattern[str], text: str) -> int | None:
    match = pattern.search(text)
    return int(match.group(1), 0) if match else None


def _unknown(location: Location, block: list[str]) -> Finding:
    found = (re.match(r"^\s*(?:aead|enc|auth|auth-trunc) (\S+)", line) for line in block)
    names = [m.group(1) for m in found if m]
    return Finding(
        code="IPP918",
        severity="note",
        system="xfrm",
        field="algorithm",
        location=location,
        message=f"the size of an SA's algorithm is not known: {', '.join(names) or 'none is printed'}",
        change="give --stack and --mtu",
    )


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
