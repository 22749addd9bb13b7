"""From a table row and the options of a token to rows of bytes."""

from __future__ import annotations

from netplan.stack.header_types import Header
from netplan.stack.transforms import (
    AH_ALIGN,
    AH_ALIGN_LINUX,
    AH_HEADER,
    ESP_HEADER,
    Transform,
    UnknownAlgorithm,
    ah_icv,
    ah_size,
    esp_transform,
)
from netplan.stack.types import Part, Spot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType


def wrong() -> ModuleType:
    """Return the module of error messages; most runs never load it."""
    from netplan.stack import errors as module

    return module


def measure(
    header: Header, options: tuple[str, ...], previous: str, spot: Spot
) -> tuple[tuple[Part, ...], tuple[Part, ...], tuple[str, ...], int]:
    """Return the rows before the payload, those after it, notes, and the bytes that Linux counts without sending them.

    ``spot`` is the first option.
    """
    amount = header.number.default if header.number else 0
    flags: list[str] = []
    numbered = False
    column = spot.column
    for option in options:
        here = Spot(text=spot.text, column=column, width=max(1, len(option)))
        if option in flags or (numbered and option not in header.flags):
            raise wrong().repeated(header.name, option, here)
        if option in header.flags:
            flags.append(option)
        else:
            amount = _amount(header, option, here)
            numbered = True
        column += len(option) + 1
    extras = [header.after[previous]] if previous in header.after else []
    if header.kinds:
        extras.append(header.kinds[amount])
    extras += [header.flags[flag] for flag in flags if flag not in header.trailer_flags]
    size = header.bytes + sum(more for more, _ in extras if more < 0)
    unsent = header.bytes - size
    if header.number and not header.kinds:
        if header.reduced in flags:  # the first unit isn't sent, and without a second one the header isn't either
            unsent = header.number.per_unit + (header.bytes if amount == 1 else 0)
            amount, size = amount - 1, header.bytes if amount > 1 else 0
        variable = amount * header.number.per_unit
        if size or header.bytes:
            extras.append((variable, header.number.row))
        else:
            size = variable
    title = header.title if amount < 2 or not header.plural else header.plural.format(amount)
    head = [Part(name=title, bytes=size, source=header.source, note=header.note)]
    head += [Part(name=name, bytes=more, source=header.source) for more, name in extras if more > 0]
    behind = header.trailer + sum(header.flags[flag][0] for flag in flags if flag in header.trailer_flags)
    tail = [Part(name=header.trailer_title, bytes=behind, source=header.source)] if behind else []
    warned = header.warning and header.settles not in flags
    return tuple(head), tuple(tail), (header.warning,) if warned else (), unsent


def _amount(header: Header, option: str, spot: Spot) -> int:
    """Read the number of a token, or the name of a preset for it."""
    number = header.number
    if number:
        if option in number.presets:
            return number.presets[option]
        if option.isascii() and option.isdigit() and len(option) < 6:
            amount = int(option)
            if number.low <= amount <= number.high and amount % number.step == 0:
                return amount
    raise wrong().option(header, option, spot)


def secure(
    name: str, options: tuple[str, ...], family: str, spot: Spot
) -> tuple[tuple[Part, ...], tuple[Part, ...], Transform | None, tuple[str, ...]]:
    """Size an ESP or AH token inside an IP header of ``family``; the transform is returned for ESP only."""
    if not options or not options[0]:
        raise wrong().no_algorithm(name, spot)
    allowed = ("tfc",) if name == "esp" else ("align8",)
    column = spot.column + len(options[0]) + 1
    for option in options[1:]:
        if option not in allowed:
            raise wrong().bad_flag(name, option, allowed, Spot(text=spot.text, column=column, width=len(option)))
        column += len(option) + 1
    try:
        if name == "ah":
            unit = AH_ALIGN_LINUX if "align8" in options else AH_ALIGN[family]
            return _ah(*ah_icv(options[0]), unit), (), None, ()
        transform = esp_transform(options[0])
    except UnknownAlgorithm as error:
        raise wrong().algorithm(error, spot) from None
    head = [Part(name="ESP header (SPI, sequence)", bytes=ESP_HEADER, source="RFC 4303 2.1, 2.2")]
    if transform.iv:
        head.append(Part(name="ESP IV", bytes=transform.iv, source=transform.source))
    tail = (Part(name="ESP ICV", bytes=transform.icv, source=transform.icv_source),) if transform.icv else ()
    notes = transform.notes
    if "tfc" in options:
        notes = (*notes, "TFC pads packets up to the MTU and never lowers it (Linux xfrm4/esp4 output)")
    return tuple(head), tail, transform, notes


def _ah(icv: int, source: str, unit: int) -> tuple[Part, ...]:
    size = ah_size(icv, unit)
    head = [
        Part(name="AH header", bytes=AH_HEADER, source="RFC 4302 2"),
        Part(name="AH ICV", bytes=icv, source=source),
    ]
    rest = size - AH_HEADER - icv
    if rest:
        note = f"the header is a multiple of {unit}"
        head.append(Part(name="AH padding", bytes=rest, source="RFC 4302 3.3.3.2.1", note=note))
    return tuple(head)
