"""Colour themes of our own: one dark and one light that stay readable with every common colour-blindness.

Blue and orange carry the contrast (after Okabe and Ito's palette); red and green never stand against each other.
Nothing on any screen is told by colour alone.
"""

from __future__ import annotations

from textual.theme import Theme

CLEAR_DARK = Theme(
    name="clear-dark",
    primary="#56B4E9",
    secondary="#CC79A7",
    warning="#E69F00",
    error="#D55E00",
    success="#0072B2",
    accent="#F0E442",
    foreground="#E6E6E6",
    background="#101418",
    surface="#181D23",
    panel="#232A32",
    dark=True,
)
CLEAR_LIGHT = Theme(
    name="clear-light",
    primary="#0072B2",
    secondary="#8C3A6B",
    warning="#9A6700",
    error="#B34700",
    success="#005A8C",
    accent="#7A5C00",
    foreground="#16191D",
    background="#FFFFFF",
    surface="#F4F6F8",
    panel="#E4E8EC",
    dark=False,
)
OWN: tuple[Theme, ...] = (CLEAR_DARK, CLEAR_LIGHT)
# what key T goes through; the palette has all the others
ROUND: tuple[str, ...] = ("textual-dark", "textual-light", "ansi-dark", "ansi-light", "clear-dark", "clear-light")
