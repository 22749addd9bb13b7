"""``ip xfrm state`` and ``ip xfrm policy``: the algorithms and selectors that the kernel really uses."""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from netplan.audit.model import Esp, Evidence, Finding, PolicyKind, StateKind, XfrmDump, XfrmPolicy, XfrmState
from netplan.audit.protocols import numbers
from netplan.path.model import Family, Mode
from netplan.problems import Location

DOCKER_MARK = 0xD0C4E3  # what Docker puts on the packets of an encrypted overlay, and on their policies
_HEAD = re.compile(r"^src (\S+) dst (\S+)")
_HEADS = re.compile(r"\nsrc (\S+) dst (\S+)")  # without ^, which would be tried at each character
_SELECTOR = re.compile(r"\bsel src (\S+) dst (\S+)")
_PORT = re.compile(r"\b(?:sport|dport) (\d{1,5})\b")
_PROTOCOL = re.compile(r"\bproto (\S+)")
_REQID_DIGITS = 10
_REQID = re.compile(rf"\breqid (\d{{1,{_REQID_DIGITS}}})\b")
_COUNTERS = re.compile(r"^\tanti-replay .*\n?", re.M)  # what `ip` prints of a state that changes with each packet
_MODE = re.compile(r"\bmode (\S+)")
_MARK = re.compile(r"(?<!-)\bmark (0x[0-9a-f]{1,8}|\d{1,10})(?:/|\s|$)", re.I)
_IF_ID = re.compile(r"\bif_id (0x[0-9a-f]{1,8}|\d{1,10})\b", re.I)
_DIR = re.compile(r"^[ \t]+dir (in|out|fwd)", re.M)
_TEMPLATE = re.compile(r"^[ \t]*tmpl src (\S+) dst (\S+)", re.M)
_KEY = r"(?:<<Keys hidden>>|\S+)(?: \(\d+ bits\))?"  # `nokeys` hides them, `-s` says how long they are
_AEAD = re.compile(rf"^[ \t]*aead (\S+) {_KEY} (\d{{1,6}})\b")
_ENC = re.compile(r"^[ \t]*enc (\S+)")
_AUTH = re.compile(rf"^[ \t]*auth(-trunc)? (\S+)(?: {_KEY})?(?: (\d{{1,6}})\b)?")
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
        re.search(r"^[ \t]+(proto esp|proto ah|dir (in|out|fwd))", text, re.M)
    )


def read(path: str, text: str, evidence: Evidence) -> None:
    """Read states and policies; :func:`joined` puts them together once everything is read."""
    lines = text.splitlines()
    dump = XfrmDump(path, lines)
    before, *parts = _HEADS.split("\n".join(["", *lines]))
    at = before.count("\n")
    for src, dst, block in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
        reqid, kind = _of_block(block)
        if isinstance(kind, PolicyKind):
            dump.policies.append(XfrmPolicy(dump, at, reqid, src, dst, kind))
        elif isinstance(kind, StateKind):
            dump.states.append(XfrmState(dump, at, reqid, src, dst, kind))
        elif kind is not None:
            evidence.faults.append(_unknown(dump.location(at), kind))
        at += block.count("\n") + 1
    evidence.xfrm.append(dump)


def _of_block(block: str) -> tuple[str, PolicyKind | StateKind | str | None]:
    """Return reqid and kind of a block: all of it but ``src A dst B`` at its beginning.

    A mesh has thousands of blocks that differ in nothing but the numbers that are left out here.
    """
    if "\tanti-replay" in block:
        block = _COUNTERS.sub("", block)
    before, found, rest = block.partition(" reqid ")
    reqid, gap, behind = rest.partition(" ")
    if not found or not gap or not (reqid.isascii() and reqid.isdigit()) or len(reqid) > _REQID_DIGITS:
        kind, _, said = _kind(block, -1)
        return said, kind
    start, spi, number = before.rpartition(" spi 0x")
    if spi and number.isalnum():
        before = f"{start} spi 0x0"
    kind, ours, said = _kind(f"{before} reqid 0 {behind}", len(before) + 1)
    return reqid if ours else said, kind


@functools.lru_cache(maxsize=4096)
def _kind(block: str, at: int) -> tuple[PolicyKind | StateKind | str | None, bool, str]:
    """Return what a block is, whether its reqid is the one at an offset, and else that reqid.

    An ESP state whose algorithms have no known size is its own text, anything else that is not understood None.
    """
    found = _REQID.search(block)
    ours, reqid = (found.start() == at, found.group(1)) if found else (False, "")
    if " dir " in block.replace("\t", " ") and _DIR.search(block):
        return (_policy(block) if reqid else None), ours, reqid
    if "proto esp spi" in block and re.search(r"^[ \t]*proto esp spi", block, re.M):
        return _state(block) or (block if _MODE.search(block) else None), ours, reqid
    return None, ours, reqid


def _policy(block: str) -> PolicyKind | None:
    template, direction = _TEMPLATE.search(block), _DIR.search(block)
    if not direction:
        return None
    return PolicyKind(
        ports=frozenset(int(p) for p in _PORT.findall(block.partition("\n")[0])),
        protocols=numbers(_PROTOCOL.findall(block.partition("\n")[0])),
        mark=_number(_MARK, block),
        if_id=_number(_IF_ID, block),
        ends=(_end(template.group(1)), _end(template.group(2))) if template else ("", ""),
        out=direction.group(1) == "out",
    )


def _state(block: str) -> StateKind | None:
    lines = block.split("\n")
    suite, mode = _suite(lines), _MODE.search(block)
    if not suite or not mode:
        return None
    selector = next((line for line in lines if _SELECTOR.search(line)), "")
    ports = frozenset(int(p) for p in _PORT.findall(selector))
    tunnel = mode.group(1) != "transport"
    match = _SELECTOR.search(selector)
    hosts = match is not None and all(_single(end) for end in match.groups())
    return StateKind(
        suite=suite,
        mode=_MODES.get(mode.group(1), "other"),
        nat_t="encap type espinudp" in block,
        tunnel=tunnel,
        ports=ports,
        protocols=numbers(_PROTOCOL.findall(selector)),
        networks=tunnel and not ports and not hosts,
        local=(match.group(1),) if match and tunnel and hosts else (),
        remote=(match.group(2),) if match and tunnel and hosts else (),
        mark=_number(_MARK, block),
        if_id=_number(_IF_ID, block),
    )


def joined(states: Iterable[XfrmState], policies: Iterable[XfrmPolicy]) -> list[Esp]:
    """Return the IPsec of one host: a policy lends its selector to the states of its reqid; one of all that are alike.

    Of a state of the receiving direction the policies are those of the other one, which has the same reqid. What stands
    together in the order of the inputs and differs in a single far end is one Esp, which has all of these as its
    ``remote``.
    """
    by_reqid: dict[str, list[XfrmPolicy]] = {}
    for policy in policies:
        by_reqid.setdefault(policy.reqid, []).append(policy)
    commons: dict[_Common, int] = {}
    numbers_of: dict[tuple[int, int, bool, bool], int] = {}
    found: dict[_Row, XfrmState] = {}
    for state in states:
        mine = by_reqid.get(state.reqid, ()) if state.reqid else ()
        if len(mine) == 1 and mine[0].kind.out:  # of a mesh, all; what the kinds say is the same for many
            (policy,) = mine
            _, _, _, src, dst, said = policy
            if said.ends[1] and said.ends[1] != state.dst:
                continue
            kind = state.kind
            networks = kind.mode != "transport" and not (_single(src) and _single(dst))
            alike = id(kind), id(said), ":" in state.dst, networks  # the policy and the state keep both alive
            number = numbers_of.get(alike)
            if number is None:
                common = _lent(state, kind.ports.union(said.ports) or None, said, networks=networks)
                number = numbers_of[alike] = commons.setdefault(common, len(commons))
            found.setdefault((number, _wide(src), _wide(dst), _ends(state)), state)
        else:
            for common, local, remote in _selected(state, mine):
                number = commons.setdefault(common, len(commons))
                found.setdefault((number, local, remote, _ends(state)), state)
    return _merged(list(commons), found)


class _Common(NamedTuple):
    """Fields of an :class:`Esp` that many of a kernel have in common."""

    suite: str
    mode: Mode
    nat_t: bool
    family: Family
    ports: frozenset[int] | None
    protocols: frozenset[int]
    networks: bool
    mark: int | None
    if_id: int | None


# place of what is common, networks of the selectors in the sending direction, ends of a tunnel
_Row = tuple[int, tuple[str, ...], tuple[str, ...], tuple[str, str]]


def _merged(commons: list[_Common], found: dict[_Row, XfrmState]) -> list[Esp]:
    """Return rows as IPsec in the order of the inputs; of one place, in the order in which they were found."""

    def place(row: _Row) -> tuple[str, tuple[object, ...]]:
        state = found[row]
        return f"{state.dump.path}:{state.line + 1}:1", commons[row[0]][:3]

    def alike(row: _Row) -> object:
        number, local, remote, ends = row
        return number, local, ends, "" if len(remote) == 1 else remote

    out: list[Esp] = []
    for _, run in itertools.groupby(sorted(found, key=place), key=alike):
        first, *more = run
        number, local, remote, ends = first
        state = found[first]
        far = tuple(dict.fromkeys((*remote, *(row[2][0] for row in more)))) if more else remote
        where = state.dump.place(state.line)
        out.append(Esp(**commons[number]._asdict(), local=local, remote=far, ends=ends, live=True, location=where))
    return out


def _selected(
    state: XfrmState, mine: Sequence[XfrmPolicy]
) -> Iterator[tuple[_Common, tuple[str, ...], tuple[str, ...]]]:
    """Generate what a state protects, by its own selector or those of its policies, with both ends' networks."""
    kind = state.kind
    ports = kind.ports.union(*(p.kind.ports for p in mine)) or None
    if not any(p.kind.out for p in mine):
        networks = kind.networks and not ports
        size = (kind.suite, kind.mode, kind.nat_t, _family(state))
        yield _Common(*size, ports, kind.protocols, networks, kind.mark, kind.if_id), kind.local, kind.remote
    for policy in mine:
        said = policy.kind
        if said.out and (not said.ends[1] or said.ends[1] == state.dst):
            networks = not (_single(policy.src) and _single(policy.dst))
            yield _lent(state, ports, said, networks=networks), _wide(policy.src), _wide(policy.dst)


def _lent(state: XfrmState, ports: frozenset[int] | None, said: PolicyKind, *, networks: bool) -> _Common:
    """Return what a state has in common with others under a policy; ``networks``: its selectors are no single hosts."""
    kind, own = state.kind, said.ports or ports
    return _Common(
        suite=kind.suite,
        mode=kind.mode,
        nat_t=kind.nat_t,
        family=_family(state),
        ports=own,
        protocols=said.protocols or kind.protocols,
        networks=kind.mode != "transport" and not own and networks,
        mark=said.mark if said.mark is not None else kind.mark,
        if_id=said.if_id if said.if_id is not None else kind.if_id,
    )


def _family(state: XfrmState) -> Family:
    return "ipv6" if ":" in state.dst else "ipv4"


def _ends(state: XfrmState) -> tuple[str, str]:
    return (state.src, state.dst) if state.kind.tunnel else ("", "")


def _single(selector: str) -> bool:
    """Tell whether a selector is one host."""
    return selector.endswith("/128") or (selector.endswith("/32") and ":" not in selector)


def _wide(selector: str) -> tuple[str, ...]:
    return () if selector in ("0.0.0.0/0", "::/0") else (selector,)


def _end(address: str) -> str:
    return "" if address in ("0.0.0.0", "::") else address  # noqa: S104 - an address that means any


def _number(pattern: re.Pattern[str], text: str) -> int | None:
    match = pattern.search(text)
    return int(match.group(1), 0) if match else None


def _unknown(location: Location, block: str) -> Finding:
    found = (re.match(r"^[ \t]*(?:aead|enc|auth|auth-trunc) (\S+)", line) for line in block.split("\n"))
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
