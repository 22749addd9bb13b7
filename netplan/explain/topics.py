"""``explain TOPIC``: a page for a header, algorithm, word, code, number, packet, or somebody's arithmetic."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, NoReturn

from netplan.codes import CODES
from netplan.explain.advice import advice
from netplan.explain.claims import CLAIMS, HARMLESS, SYSTEMS, evaluate
from netplan.explain.errors import CODE_HELP
from netplan.explain.glossary import ALIASES, WORDS
from netplan.explain.numbers import number
from netplan.explain.presets import UNDERLAYS
from netplan.explain.terms import TERMS
from netplan.explain.text import explained
from netplan.problems import closest, error_page, fail, quoted
from netplan.stack import Stack, parse, solve
from netplan.stack.header_types import Header
from netplan.stack.headers import EXTENSIONS, HEADERS, IP_PAYLOAD, MACROS
from netplan.stack.transforms import (
    AH_ALIGN,
    ESP_HEADER,
    ESP_TRAILER,
    INTEGRITY,
    Transform,
    UnknownAlgorithm,
    ah_size,
    esp_transform,
)
from netplan.stack.types import ESP_ONLY

Page = tuple[list[str], Any]  # lines for people, and the object for --json
DEFAULT_LINK = 1500


def explain(topic: str, stack: str | None = None, link: int | None = None) -> Page:
    """Return the page of a topic. Raises :class:`netplan.problems.ProblemError`, IPP111 when it knows none."""
    given = topic.strip()
    word = ALIASES.get(given.lower(), given.lower())
    if "/" in word:
        return _packet(given, link or DEFAULT_LINK)
    if word.isascii() and word.isdigit() and len(word) < 6:
        lines = number(int(word), link)
        return lines, {"topic": word, "lines": lines[1:]}
    if given.upper() in CODES:
        return _code(given.upper())
    if word in SYSTEMS:
        return _system(word, stack, link)
    if word in HARMLESS:
        return _prose(word, HARMLESS[word])
    if word in WORDS:
        return _prose(word, WORDS[word])
    if word in TERMS:
        return _prose(word, TERMS[word])
    if word in HEADERS:
        lines, result = _header(HEADERS[word])
        return [*lines, *([f"  as a link: {UNDERLAYS[word].line()}"] if word in UNDERLAYS else [])], result
    if word in ("esp", "ah"):
        return _security(word)
    if word in MACROS:
        return _prose(word, f"{word} is short for {'/'.join(MACROS[word])}.")
    if word in ("underlays", "underlay", "providers"):
        return [u.line() for u in UNDERLAYS.values()], [u.as_json() for u in UNDERLAYS.values()]
    if word in UNDERLAYS:
        return [UNDERLAYS[word].line()], UNDERLAYS[word].as_json()
    if word in INTEGRITY:
        return _integrity(word)
    try:
        return _algorithm(esp_transform(word))
    except UnknownAlgorithm:
        _nothing_known(given, word)


def topics() -> Page:
    """Return the list of all topics."""
    groups = {
        "a packet": ["any stack, such as ip4/esp:aes256gcm16/ip4"],
        "a number": ["such as 1446"],
        "other systems": list(SYSTEMS),
        "adds nothing": list(HARMLESS),
        "headers": [*HEADERS, "esp", "ah", *MACROS],
        "algorithms": ["any proposal, such as aes256gcm16 or aes128-sha256"],
        "words": list(WORDS),
        "terms": list(TERMS),
        "links": ["underlays", *UNDERLAYS],
        "codes": list(CODES),
    }
    lines = ["ipsecplan explain TOPIC [STACK] [--mtu N]", ""]
    for name, members in groups.items():
        lines.append(f"{name}:")
        lines += _wrapped(", ".join(members))
    return lines, groups


def _packet(text: str, link: int) -> Page:
    solution = solve(parse(text), link)
    follows = advice(solution)
    return explained(solution, follows), {**solution.as_json(), "advice": follows}


def _code(code: str) -> Page:
    about = CODE_HELP[code]
    lines = [f"{code}: {CODES[code]}"]
    for word, text in about.lines():
        first, width = f"  {word:<8}", 98 if text not in about.look else 200  # a command is one line, to be copied
        if word:
            lines.append("")
        lines += _wrapped(f"docs/{text}" if word == "page" else text, first, width)
    return lines, {"code": code, "title": CODES[code], **asdict(about), "url": error_page(code)}


def _system(system: str, stack: str | None, link: int | None) -> Page:
    given = parse(stack) if stack else None
    mine = [claim for claim in CLAIMS if claim.system == system]
    if given:  # what the system says of other packets is beside the point, unless it says nothing of this one
        mine = [claim for claim in mine if _kind(parse(claim.stack)) == _kind(given)] or mine
    results = [evaluate(claim, link or claim.link, given) for claim in mine]
    lines = [f"{system}: what it sets, beside the exact value" + (f" for {given.text}" if given else "")]
    for v in results:
        what = v.claim.measure.upper()
        lines += ["", f"  {v.claim.when}, link {v.link}"]
        lines.append(f"    sets {what} {v.value}; exact {v.exact}: {v.words}")
        if not given:
            lines.append(f"    packet: {v.stack.text}")
        lines.append(f"    source: {v.claim.source}")
        if v.claim.note:
            lines.append(f"    note: {v.claim.note}")
    unsafe = sum(not v.safe for v in results)
    lines += ["", f"  {unsafe} of {len(results)} unsafe here" if unsafe else "  all of them safe here"]
    return lines, [v.as_json() for v in results]


def _kind(stack: Stack) -> frozenset[str]:
    """Return what makes packets alike: their tunnels and protection, whatever the family, NAT-T or inner packet."""
    return frozenset(token.name for token in stack.tokens if token.kind in ("tunnel", "security"))


def _prose(word: str, text: str) -> Page:
    return [word, "", *_wrapped(text)], {"topic": word, "text": text}


def _header(header: Header) -> Page:
    lines = [f"{header.name}: {header.title}, {header.source}", ""]
    if header.bytes or not header.number:
        lines.append(f"  {header.bytes} bytes")
    if header.trailer:
        lines.append(f"  {header.trailer} bytes after the payload ({header.trailer_title})")
    number_ = header.number
    if number_:
        each = f", {number_.per_unit} bytes each" if number_.per_unit > 1 else ""
        lines.append(f"  {header.name}:N, N from {number_.low} to {number_.high} {number_.unit}{each}")
        lines += [f"  {header.name}:{name} is {header.name}:{value}" for name, value in number_.presets.items()]
    lines += [f"  type {kind}: {more:+} bytes {name}".rstrip() for kind, (more, name) in header.kinds.items()]
    lines += [f"  {header.name}:{flag}: {more:+} bytes, {name}" for flag, (more, name) in header.flags.items()]
    lines += [f"  after {place}: {more:+} bytes, {name}" for place, (more, name) in header.after.items()]
    lines += [f"  note: {text}" for text in (header.note, header.warning) if text]
    lines.append(f"  carries: {', '.join(header.carries) or 'nothing that counts'}")
    before = [row.name for row in HEADERS.values() if header.name in row.carries]
    before += ["esp"] if header.name in (*IP_PAYLOAD, *EXTENSIONS, *ESP_ONLY) else []
    before += ["ah"] if header.name in (*IP_PAYLOAD, *EXTENSIONS) else []
    lines.append(f"  follows: {', '.join(before) or 'the link'}")
    return lines, {"token": header.name, "bytes": header.bytes, "trailer": header.trailer, "source": header.source}


def _security(word: str) -> Page:
    text = (
        f"esp:ALG has a header of {ESP_HEADER} bytes, the IV of the cipher, then the payload, padding, {ESP_TRAILER}"
        " bytes of pad length and next header, and the ICV (RFC 4303 2). ALG is a strongSwan proposal; explain one,"
        " such as: ipsecplan explain aes128-sha256. See also: padding, nat-t, transport, tunnel."
        if word == "esp"
        else "ah:ALG has 12 bytes and the ICV, padded to 4 over IPv4 (ah:ALG:align8: to 8, as Linux does) and to 8 over"
        " IPv6 (RFC 4302 2). It has no trailer and can't pass a NAT. See also: ah-alignment."
    )
    return _prose(word, text)


def _integrity(word: str) -> Page:
    icv, source = INTEGRITY[word]
    four, six = (ah_size(icv, AH_ALIGN[family]) for family in ("ip4", "ip6"))
    lines = [
        f"{word}: integrity, ICV of {icv} bytes, {source}",
        "",
        f"  in ESP beside a cipher, such as esp:aes128-{word}",
        f"  as ah:{word}: {four} bytes over IPv4, {six} over IPv6 and with :align8",
    ]
    return lines, {"keyword": word, "icv": icv, "source": source}


def _algorithm(transform: Transform) -> Page:
    fixed = ESP_HEADER + transform.iv + ESP_TRAILER + transform.icv
    lines = [
        f"{transform.keyword}: ESP, {transform.source}",
        "",
        f"  {ESP_HEADER} bytes ESP header",
        f"  {transform.iv} bytes IV",
        f"  0 to {transform.align - 1} bytes padding to a multiple of {transform.align}",
        f"  {ESP_TRAILER} bytes pad length and next header",
        f"  {transform.icv} bytes ICV" + (f", {transform.icv_source}" if transform.icv_source else ""),
        f"  together {fixed} to {fixed + transform.align - 1} bytes a packet, without IP header and NAT-T",
        *(f"  note: {note}" for note in transform.notes),
    ]
    return lines, {
        "keyword": transform.keyword,
        "iv": transform.iv,
        "icv": transform.icv,
        "align": transform.align,
        "least": fixed,
        "most": fixed + transform.align - 1,
        "notes": list(transform.notes),
    }


def _nothing_known(given: str, word: str) -> NoReturn:
    known = [*SYSTEMS, *HARMLESS, *WORDS, *HEADERS, *MACROS, *UNDERLAYS, *ALIASES, "esp", "ah", *CODES]
    near = closest(word, known) or closest(word.upper(), CODES)
    if word.upper().startswith("IPP"):
        alike = [code for code in CODES if code.startswith(word.upper()[:5])]
        near = f"one of {', '.join(alike)}" if alike else near
    hint = f"did you mean {near}? " if near else ""
    hint += "'ipsecplan explain' lists the topics"
    fail("IPP111", f"nothing is known of {quoted(given)}", hint=hint)


def _wrapped(text: str, first: str = "  ", width: int = 98) -> list[str]:
    import textwrap

    blank = " " * len(first)
    return textwrap.wrap(text, width, initial_indent=first, subsequent_indent=blank, break_on_hyphens=False)
