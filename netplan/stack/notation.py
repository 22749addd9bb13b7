"""The stack notation: text to a checked :class:`Stack`, or a Problem with the caret under the wrong token.

The grammar is data (``carries`` and ``ends`` of :mod:`netplan.stack.headers`); this module walks it.
"""

from __future__ import annotations

from netplan.stack.headers import EXTENSIONS, HEADERS, IP_PAYLOAD, MACROS, STARTS
from netplan.stack.kernel import as_counted, as_sent, outer_of_beet
from netplan.stack.sizing import measure, secure, wrong
from netplan.stack.transforms import Transform
from netplan.stack.types import ESP_ONLY, FRAME, IP, SECURITY, Count, Spot, Stack, Token

MAX_TOKENS = 64


def parse(text: str) -> Stack:
    """Read a stack such as ``ip4/esp:aes256gcm16/udp/vxlan/eth/ip4``, outermost header first.

    Raises :class:`netplan.problems.ProblemError` (IPP101 to IPP104, IPP107, IPP109) with the column and width
    of the token to blame, counted in ``text``, and with the tokens that fit there.
    """
    tokens: list[Token] = []
    for word, column in _words(text):
        if len(tokens) >= MAX_TOKENS:
            raise wrong().too_long(MAX_TOKENS, Spot(text=text, column=column, width=len(word)))
        for part in _expand(word):
            tokens.append(_token(part, word, column, tokens, text))
    last = tokens[-1]
    if last.name not in SECURITY and not HEADERS[last.name].ends:
        raise wrong().unfinished(last.name, fitting(tokens), Spot(text=text, column=last.column, width=last.width))
    return _compile(text, tokens)


def fitting(before: list[Token]) -> tuple[str, ...]:
    """Return the tokens that may come after the ones given, or at the start."""
    if not before:
        return STARTS
    name = before[-1].name
    if name not in SECURITY:
        return HEADERS[name].carries
    carries = (*IP_PAYLOAD, *ESP_ONLY) if name == "esp" else IP_PAYLOAD
    return carries + EXTENSIONS if _family(before) == "ip6" else carries


def _words(text: str) -> list[tuple[str, int]]:
    """Split at slashes; give each word in lower case without blanks, and its column."""
    if not text.strip():
        raise wrong().empty(Spot(text=text, column=1, width=1))
    words: list[tuple[str, int]] = []
    start = 0
    for piece in text.split("/"):
        word = piece.strip()
        if not word:
            raise wrong().gap(Spot(text=text, column=min(start + 1, len(text)), width=max(1, len(piece))))
        words.append((word.lower(), start + 1 + piece.index(word)))
        start += len(piece) + 1
    return words


def _expand(word: str) -> tuple[str, ...]:
    """Write out ipip, sit, ip6tnl and gretap; options of gretap go to its GRE header."""
    if word in MACROS:
        return MACROS[word]
    name, colon, options = word.partition(":")
    return (f"gre:{options}", "eth") if colon and name == "gretap" else (word,)


def _family(before: list[Token]) -> str:
    """Return the family of the IP header that a token belongs to."""
    return next((token.name for token in reversed(before) if token.name in IP), "ip4")


def _token(word: str, given: str, column: int, before: list[Token], text: str) -> Token:
    """Size one token and check that it may follow the ones before it."""
    name, colon, rest = word.partition(":")
    fits = fitting(before)
    previous = before[-1].name if before else ""
    if name not in HEADERS and name not in SECURITY:
        raise wrong().unknown(name, previous, fits, Spot(text=text, column=column, width=len(name)))
    if name not in fits:
        raise wrong().misfit(name, previous, fits, Spot(text=text, column=column, width=len(given)))
    options = tuple(rest.split(":")) if colon else ()
    # options of a short name such as gretap:key stand where they were written
    at = column + given.find(":") + 1 if colon and ":" in given else column
    spot = Spot(text=text, column=at, width=len(given))
    transform, unsent = None, 0
    if name in SECURITY:
        kind = "security"
        head, tail, transform, notes = secure(name, options, _family(before), spot)
    else:
        kind = HEADERS[name].kind
        head, tail, notes, unsent = measure(HEADERS[name], options, previous, spot)
    return Token(
        text=word,
        name=name,
        kind=kind,
        column=column,
        width=len(given),
        head=head,
        tail=tail,
        transform=transform,
        notes=notes,
        unsent=unsent,
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
    behind = sum(token.head_bytes for token in tokens[carried:])
    sent = as_sent(tokens)
    wire = Count(
        link_bytes=sum(token.head_bytes + token.tail_bytes for token in sent[absorbed:outer]),
        headers=HEADERS[names[inner]].bytes + behind,
        steps=_steps([(token.head_bytes + token.tail_bytes, token.transform) for token in sent[outer:]]),
    )
    counted = Count(
        link_bytes=wire.link_bytes + sum(token.unsent for token in sent[absorbed:outer]),
        headers=HEADERS[names[outer_of_beet(names, inner)]].bytes + behind,
        steps=_steps(as_counted(sent[outer:])),
    )
    return Stack(
        source=text,
        text="/".join(token.text for token in tokens),
        tokens=tuple(sent),
        absorbed=absorbed,
        outer=outer,
        inner=inner,
        carried=carried,
        wire=wire,
        counted=None if counted == wire else counted,
    )


def _steps(rows: list[tuple[int, Transform | None]]) -> tuple[tuple[int, int], ...]:
    """Return (bytes taken, alignment of what is left) from (bytes, transform) of each token."""
    steps: list[tuple[int, int]] = []
    fixed = 0
    for size, transform in rows:
        fixed += size
        if transform:
            steps.append((fixed, transform.align))
            fixed = 0
    if fixed:
        steps.append((fixed, 0))
    return tuple(steps)
