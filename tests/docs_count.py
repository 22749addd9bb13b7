"""Print how many commands of the pages are run by tests: python -m tests.docs_count."""

from __future__ import annotations

from tests.support.doc_blocks import counted, pages


def line() -> str:
    """Return the count as a line."""
    numbers = [counted(page.read_text(encoding="utf-8")) for page in pages()]
    shown = [number for number in numbers if sum(number)]
    here, lab = sum(number[0] for number in shown), sum(number[1] for number in shown)
    return f"docs: {here} commands on {len(shown)} pages are run and compared here, {lab} more in the lab"


if __name__ == "__main__":
    print(line())
