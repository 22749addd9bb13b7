"""Text that can be read in every theme: a contrast of at least 4.5 to 1 (WCAG 2.2, success criterion 1.4.3).

Themes are free to choose their colours, and many choose pale ones. What is too pale is made lighter or darker, just as
far as it has to be, on its way to the terminal; frames and bars stay as they are. Colours that the terminal itself
chooses (the ANSI themes) are not ours to judge.
"""

from __future__ import annotations

from functools import lru_cache

from rich.color import Color as RichColor
from rich.color_triplet import ColorTriplet
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.filter import LineFilter

LEAST = 4.5
STEPS = 12  # halvings: finer than a step of 8 bits
_FRAMES = range(0x2500, 0x25A0)  # lines, blocks and shades: they are no text


class ReadableFilter(LineFilter):
    """Moves the colour of text away from what is behind it, where they are too close."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """Return the segments with readable text."""
        behind = background.rich_color.triplet
        return [
            Segment(text, readable(style, behind), None)
            if style is not None and control is None and is_text(text)
            else Segment(text, style, control)
            for text, style, control in segments
        ]


def is_text(text: str) -> bool:
    """Tell whether there is something to read."""
    return any(not char.isspace() and ord(char) not in _FRAMES for char in text)


@lru_cache(4096)
def readable(style: Style, behind: ColorTriplet | None) -> Style:
    """Return a style whose text can be read; ``behind``: the colour where the style has none of its own."""
    front = style.color.triplet if style.color is not None else None
    back = style.bgcolor.triplet if style.bgcolor is not None else behind
    if front is None or back is None:
        return style
    if style.reverse:
        clear = apart(back, front)
        return style + Style(bgcolor=RichColor.from_triplet(clear)) if clear != back else style
    clear = apart(front, back)
    return style + Style(color=RichColor.from_triplet(clear)) if clear != front else style


def apart(front: ColorTriplet, back: ColorTriplet) -> ColorTriplet:
    """Return the nearest colour on the way to black or white that has the contrast."""
    if ratio(front, back) >= LEAST:
        return front
    ends = (ColorTriplet(0, 0, 0), ColorTriplet(255, 255, 255))
    goal = max(ends, key=lambda end: ratio(end, back))
    near, far = 0.0, 1.0
    for _ in range(STEPS):
        middle = (near + far) / 2
        near, far = (near, middle) if ratio(_mixed(front, goal, middle), back) >= LEAST else (middle, far)
    return _mixed(front, goal, far)


def _mixed(one: ColorTriplet, other: ColorTriplet, share: float) -> ColorTriplet:
    return ColorTriplet(*(round(a + (b - a) * share) for a, b in zip(one, other, strict=True)))


def ratio(one: ColorTriplet, other: ColorTriplet) -> float:
    """Return the contrast of two colours, from 1 to 21 (WCAG 2.2, contrast ratio)."""
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: ColorTriplet) -> float:
    red, green, blue = (
        part / 255 / 12.92 if part / 255 <= 0.04045 else ((part / 255 + 0.055) / 1.055) ** 2.4 for part in colour
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
