"""The stack notation: text to a checked :class:`Stack`, with the caret under the wrong token when it is not one.

The grammar is data (``carries`` and ``ends`` of :mod:`netplan.layers`); this module walks it.
"""

from __future__ import annotations

from netplan.esp import (
    AH_HEADER,
    ESP_HEADER,
    Transform,
    UnknownAlgorithm,
    ah_size,
    ah_transform,
    esp_transform,
)
from netplan.frozen import frozen
from netplan.layers import ERSPAN_EXTRA, EXTENSIONS, HEADERS, IP_PAYLOAD, MACROS, STARTS, Header

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netplan.problems import ProblemError

MAX_TOKENS = 64
IP = ("ip4", "ip6")
SECURITY = ("esp", "ah")
FRAME = ("eth", "vlan", "qinq")  # absorbed by the NIC when nothing that counts stands before them


@frozen
class Part:
    """Consecutive bytes of one token that the ledger shows as one row."""

    name: str
    bytes: int
    source: str
    note: str = ""


@frozen
class Token:
    """One header of a stack, sized.

    ``head`` is what it puts before its payload, ``tail`` what it puts after, in bytes and in rows. ``transform`` is set
    for ESP, whose padding depends on the payload and so is no part of ``tail``. ``column`` counts from 1.
    """

    text: str
    name: str
    kind: str
    column: int
    width: int
    head: tuple[Part, ...]
    tail: tuple[Part, ...] = ()
    transform: Transform | None = None
    notes: tuple[str, ...] = ()

    @property
    def head_bytes(self) -> int:
        """Bytes before the payload."""
        return sum(part.bytes for part in self.head)

    @property
    def tail_bytes(self) -> int:
        """Bytes after the payload, without ESP padding and its 2 trailer bytes."""
        return sum(part.bytes for part in self.tail)


@frozen
class Stack:
    """A checked packet stack.

    ``source`` is the text as given, ``text`` its canonical form (lower case, short names written out). ``absorbed`` is
    the number of leading tokens that the NIC takes outside the link MTU, ``outer`` the index of the first IP header,
    ``inner`` that of the last, ``carried`` the index from which tokens are what the innermost packet carries.
    ``link_bytes`` are counted bytes around the outermost IP packet (PPPoE, MPLS, MACsec). ``steps`` is the arithmetic:
    from the outermost IP header inwards, (bytes taken, alignment or 0).
    """

    source: str
    text: str
    tokens: tuple[Token, ...]
    absorbed: int
    outer: int
    inner: int
    carried: int
    link_bytes: int
    inner_headers: int
    steps: tuple[tuple[int, int], ...]

    def __str__(self) -> str:
        """The canonical text."""
        return self.text

    @property
    def family(self) -> str:
        """Family of the innermost packet, ``ip4`` or ``ip6``."""
        return self.tokens[self.inner].name

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know about this stack beside its numbers."""
        return tuple(dict.fromkeys(note for token in self.tokens for note in token.notes))


def parse(text: str) -> Stack:
    """Read a stack such as ``ip4/esp:aes256gcm16/udp/vxlan/eth/ip4``, outermost header first.

    Raises :class:`netplan.problems.ProblemError` (IPP101 to IPP104, IPP107, IPP109) with the column and width of the
    token to blame, counted in ``text``, and with the tokens that fit there.
    """
    tokens: list[Token] = []
    for word, column in _words(text):
        if len(tokens) >= MAX_TOKENS:
            raise _problem("IPP104", f"more than {MAX_TOKENS} headers in one stack", text, column, len(word))
        for part in _expand(word):
            tokens.append(_token(part, word, column, tokens, text))
    last = tokens[-1]
    if last.name not in SECURITY and not HEADERS[last.name].ends:
        fits = _fitting(tokens)
        guess = next((word for word in ("ip4", "eth/ip4") if word.partition("/")[0] in fits), fits[0])
        raise _problem(
            *("IPP109", f"the stack ends with {last.name}: say what it carries ({', '.join(fits)})"),
            *(text, last.column, last.width),
            f"such as {text.strip()}/{guess}",
        )
    return _compile(text, tokens)


def _words(text: str) -> list[tuple[str, int]]:
    """Split at slashes; give each word in lower case without blanks, and its column."""
    if not text.strip():
        raise _problem(
            "IPP104", "the stack is empty", text, 1, 1, "such as ip4/esp:aes256gcm16/udp/vxlan/eth/ip4"
        )
    words: list[tuple[str, int]] = []
    start = 0
    for piece in text.split("/"):
        word = piece.strip()
        if not word:
            raise _problem(
                *("IPP104", "an empty token: two slashes in a row, or one at an end"),
                *(text, min(start + 1, len(text)), max(1, len(piece))),
                "write one header between two slashes",
            )
        words.append((word.lower(), start + 1 + piece.index(word)))
        start += len(piece) + 1
    return words


def _expand(word: str) -> tuple[str, ...]:
    """Write out ipip, sit, ip6tnl and gretap; options of gretap go to its GRE header."""
    if word in MACROS:
        return MACROS[word]
    name, colon, options = word.partition(":")
    return (f"gre:{options}", "eth") if colon and name == "gretap" else (word,)


def _token(word: str, given: str, column: int, before: list[Token], text: str) -> Token:
    """Size one token and check that it may follow the ones before it."""
    name, colon, rest = word.partition(":")
    fits = _fitting(before)
    if name not in HEADERS and name not in SECURITY:
        raise _unknown(name, text, column, fits, before)
    if name not in fits:
        raise _misfit(name, text, column, len(given), fits, before)
    options = tuple(rest.split(":")) if colon else ()
    at = column + (len(name) + 1 if given == word else 0)
    if name in SECURITY:
        return _security(name, options, word, column, at, before, text)
    head, tail, notes = _measure(HEADERS[name], options, at, before, text)
    return Token(
        text=word,
        name=name,
        kind=HEADERS[name].kind,
        column=column,
        width=len(given),
        head=head,
        tail=tail,
        notes=notes,
    )


def _fitting(before: list[Token]) -> tuple[str, ...]:
    """Return the tokens that may come next."""
    if not before:
        return STARTS
    name = before[-1].name
    carries = {"esp": (*IP_PAYLOAD, "beet", "iptfs"), "ah": IP_PAYLOAD}.get(name)
    if carries is None:
        return HEADERS[name].carries
    return carries + EXTENSIONS if _family(before) == "ip6" else carries


def _family(before: list[Token]) -> str:
    return next((token.name for token in reversed(before) if token.name in IP), "ip4")


def _measure(
    header: Header, options: tuple[str, ...], column: int, before: list[Token], text: str
) -> tuple[tuple[Part, ...], tuple[Part, ...], tuple[str, ...]]:
    """Turn a table row and the options of a token into rows of bytes."""
    number = header.number
    amount = number.default if number else 0
    size = header.bytes
    extras: list[tuple[int, str]] = []
    seen: set[str] = set()
    for option in options:
        key = option if option in header.flags else "number"
        if key in seen:
            raise _problem(
                "IPP102",
                f"option '{option}' of {header.token} is given twice",
                text,
                column,
                len(option) or 1,
            )
        seen.add(key)
        if option in header.flags:
            extras.append(header.flags[option])
        elif number and option in number.presets:
            amount = number.presets[option]
        elif number and option.isascii() and option.isdigit() and len(option) < 6:
            amount = int(option)
            if not number.low <= amount <= number.high or amount % number.step:
                raise _option(header, option, text, column)
        else:
            raise _option(header, option, text, column)
        column += len(option) + 1
    if before and before[-1].name in header.after:
        extras.insert(0, header.after[before[-1].name])
    if number:
        if header.token == "erspan":
            extras.insert(0, ERSPAN_EXTRA[amount])
        elif header.bytes:
            extras.insert(
                0, (amount * number.per_unit, f"{header.title.removesuffix(' header')} {number.name}")
            )
        else:
            size = amount * number.per_unit
    size += sum(more for more, _ in extras if more < 0)
    title = f"{amount} MPLS labels" if header.token == "mpls" and amount > 1 else header.title
    if header.token == "macsec" and "nosci" in options:
        title = "MACsec SecTAG without SCI"
    head = [Part(name=title, bytes=size, source=header.source, note=header.note)]
    head += [Part(name=name, bytes=more, source=header.source) for more, name in extras if more > 0]
    tail = (
        [Part(name=header.trailer_title, bytes=header.trailer, source=header.source)]
        if header.trailer
        else []
    )
    notes = (
        (header.note,)
        if header.note and header.token not in ("dstopts", "wireguard", "macsec", "ipcomp")
        else ()
    )
    return tuple(head), tuple(tail), notes


def _security(
    name: str, options: tuple[str, ...], word: str, column: int, at: int, before: list[Token], text: str
) -> Token:
    """Size an ESP or AH token."""
    if not options or not options[0]:
        raise _problem(
            *("IPP107", f"{name} needs an algorithm after the colon", text, column, len(word)),
            f"such as {name}:{'aes256gcm16' if name == 'esp' else 'sha256'}",
        )
    allowed = ("tfc",) if name == "esp" else ("align8",)
    where = at + len(options[0]) + 1
    for option in options[1:]:
        if option not in allowed:
            raise _problem(
                *("IPP102", f"{name} has no option '{option}' (it takes: {', '.join(allowed)})"),
                *(text, where, max(1, len(option))),
            )
        where += len(option) + 1
    try:
        transform = esp_transform(options[0]) if name == "esp" else ah_transform(options[0])
    except UnknownAlgorithm as error:
        raise _problem("IPP107", str(error), text, at + error.start, error.length, error.hint) from None
    notes = transform.notes
    if name == "esp":
        head = [Part(name="ESP header (SPI, sequence)", bytes=ESP_HEADER, source="RFC 4303 2.1, 2.2")]
        if transform.iv:
            head.append(Part(name="ESP IV", bytes=transform.iv, source=transform.source))
        tail = (
            [Part(name="ESP ICV", bytes=transform.icv, source=transform.icv_source)] if transform.icv else []
        )
        if "tfc" in options:
            notes = (*notes, "TFC padding fills packets up to the MTU and never lowers it (Linux)")
    else:
        unit = 8 if "align8" in options or _family(before) == "ip6" else transform.align
        size = ah_size(transform.icv, unit)
        head = [
            Part(name="AH header", bytes=AH_HEADER, source="RFC 4302 2"),
            Part(name="AH ICV", bytes=transform.icv, source=transform.icv_source),
        ]
        if size > AH_HEADER + transform.icv:
            rest = size - AH_HEADER - transform.icv
            head.append(
                Part(
                    name="AH padding",
                    bytes=rest,
                    source="RFC 4302 3.3.3.2.1",
                    note=f"to a multiple of {unit}",
                )
            )
        tail = []
    return Token(
        text=word,
        name=name,
        kind="security",
        column=column,
        width=len(word),
        head=tuple(head),
        tail=tuple(tail),
        transform=transform if name == "esp" else None,
        notes=notes,
    )


def _compile(text: str, tokens: list[Token]) -> Stack:
    """Find what counts against the link MTU and reduce the stack to its arithmetic."""
    names = [token.name for token in tokens]
    absorbed = next(i for i, name in enumerate(names) if name not in FRAME)
    outer = next(i for i, name in enumerate(names) if name in IP)
    inner = max(i for i, name in enumerate(names) if name in IP)
    carried = len(tokens)
    while carried - 1 > inner and tokens[carried - 1].kind == "transport":
        carried -= 1
    steps: list[tuple[int, int]] = []
    fixed = 0
    for token in tokens[outer:]:
        fixed += token.head_bytes + token.tail_bytes
        if token.transform:
            steps.append((fixed, token.transform.align))
            fixed = 0
    if fixed:
        steps.append((fixed, 0))
    return Stack(
        source=text,
        text="/".join(token.text for token in tokens),
        tokens=tuple(tokens),
        absorbed=absorbed,
        outer=outer,
        inner=inner,
        carried=carried,
        link_bytes=sum(token.head_bytes + token.tail_bytes for token in tokens[absorbed:outer]),
        inner_headers=tokens[inner].head_bytes + sum(token.head_bytes for token in tokens[carried:]),
        steps=tuple(steps),
    )


# ---- what is wrong, said well; nothing below runs for a good stack


def _problem(
    code: str, message: str, text: str, column: int, width: int, hint: str | None = None
) -> ProblemError:
    from netplan.problems import Problem, ProblemError

    return ProblemError(
        Problem(code=code, message=message, column=column, width=max(1, width), source=text, hint=hint)
    )


_ADVICE = {
    **dict.fromkeys(("ipv4", "inet", "ip"), "IPv4 is ip4, IPv6 is ip6"),
    **dict.fromkeys(("ipv6", "inet6"), "IPv6 is ip6"),
    **dict.fromkeys(("ethernet", "mac", "l2"), "an Ethernet header is eth"),
    **dict.fromkeys(("dot1q", "802.1q", "8021q", "tag"), "a VLAN tag is vlan, two are qinq"),
    **dict.fromkeys(
        ("natt", "nat-t", "nat", "udpencap", "encap"), "NAT-T is the token udp before esp: ip4/udp/esp:..."
    ),
    **dict.fromkeys(
        ("ipsec", "tunnel", "transport"),
        "IPsec is esp:ALGORITHM; tunnel mode has an IP header after it, transport none",
    ),
    **dict.fromkeys(
        ("xfrm", "xfrmi", "vti", "vti6"), "such an interface adds no header; write the ESP packet it sends"
    ),
    **dict.fromkeys(
        ("tls", "istio", "linkerd", "mtls"),
        "it works inside TCP and adds nothing to the packet; leave it out",
    ),
    **dict.fromkeys(("wg", "wireguard4"), "WireGuard is udp/wireguard"),
    **dict.fromkeys(("gtp", "gtpv1"), "GTP-U is udp/gtpu"),
    **dict.fromkeys(("ip6gre", "ip6gretap"), "write ip6/dstopts:8/gre (or ip6/gre with encaplimit none)"),
    **dict.fromkeys(("l2tp",), "l2tpv3, or udp/l2tpv2"),
    "arp": "ARP is never larger than a few dozen bytes and decides no MTU; end with eth/ip4",
    "fou": "FOU is udp directly before ip4 or ip6",
}


def _unknown(name: str, text: str, column: int, fits: tuple[str, ...], before: list[Token]) -> ProblemError:
    from netplan.problems import closest, quoted

    hint = _ADVICE.get(name)
    if hint is None:
        # a near word that fits here is a better guess than a nearer one that doesn't
        near = closest(name, fits) or closest(name, [*HEADERS, *SECURITY, *MACROS])
        hint = f"did you mean {near}?" if near else None
    return _problem(
        *("IPP101", f"{quoted(name)} is no header; {_place(before)} fits: {', '.join(fits) or 'nothing'}"),
        *(text, column, len(name), hint),
    )


def _misfit(
    name: str, text: str, column: int, width: int, fits: tuple[str, ...], before: list[Token]
) -> ProblemError:
    previous = before[-1].name if before else ""
    hint: str | None = None
    if name == "esp" and previous == "tcp":
        hint = "ESP in TCP (RFC 9329) is a byte stream: TCP cuts it where it likes, so it has no MTU; size the TCP packet"
    elif name == "ah" and previous == "udp":
        hint = "AH covers the IP addresses, so it can't pass a NAT and has no UDP form; use esp"
    elif previous in ("", "eth", "vlan", "qinq") and name not in STARTS:
        hint = f"begin with the IP header: ip4/{name}"
    elif "udp" in fits and name in HEADERS["udp"].carries:
        hint = f"{name} travels in UDP: {previous}/udp/{name}"
    elif (
        "eth" in fits
        and previous in ("vxlan", "nvgre", "erspan", "stt", "l2tpv3", "otv")
        and name in ("ip4", "ip6")
    ):
        hint = f"{previous} carries Ethernet frames: {previous}/eth/{name}"
    elif name in EXTENSIONS:
        hint = "only IPv6 has extension headers: ip6/" + name
    return _problem(
        *("IPP103", f"{name} can't stand here; {_place(before)} fits: {', '.join(fits) or 'nothing'}"),
        *(text, column, width, hint),
    )


def _place(before: list[Token]) -> str:
    return f"after {before[-1].name}" if before else "at the start"


def _option(header: Header, option: str, text: str, column: int) -> ProblemError:
    from netplan.problems import quoted

    takes = list(header.flags)
    number = header.number
    if number:
        step = f" in steps of {number.step}" if number.step > 1 else ""
        takes = [f"{number.low} to {number.high} {number.unit}{step}", *number.presets, *takes]
    return _problem(
        *("IPP102", f"{header.token} has no option {quoted(option)}; it takes {', '.join(takes) or 'none'}"),
        *(text, column, max(1, len(option))),
        f"geneve:{-(-int(option) // 4) * 4}"
        if header.token == "geneve" and option.isdigit() and int(option) < 249
        else None,
    )
