"""The anchors that code hosts, and the site, give the headings of a Markdown page."""

from __future__ import annotations

import re


def anchor(heading: str) -> str:
    """Return the anchor of a heading, the first of its text on a page."""
    bare = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading)
    return re.sub(r"[^\w\- ]", "", bare.strip().lower()).replace(" ", "-")


def anchors(page: str) -> set[str]:
    """Return the anchors of a page; a heading that comes again has a number."""
    found: dict[str, int] = {}
    for heading in re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```", "", page, flags=re.M | re.S), re.MULTILINE):
        one = anchor(heading)
        found[one] = found.get(one, -1) + 1
    return {f"{one}-{n}" if n else one for one, last in found.items() for n in range(last + 1)}
