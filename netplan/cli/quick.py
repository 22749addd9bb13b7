"""The cheap way through ``calc``: for the plain question and a good stack, nothing but the engine is imported.

click alone costs four times an empty Python process. Whatever this module doesn't understand, and whatever turns out
to be wrong, it leaves to click by returning None before anything is printed.
"""

from __future__ import annotations

import sys


def quick(argv: list[str]) -> int | None:
    """Answer ``calc STACK [--mtu N] [--explain | --json]``; None for anything else."""
    if len(argv) < 2 or argv[0] != "calc":
        return None
    stack_text, mtu, explain, as_json = "", "1500", False, False
    words = iter(argv[1:])
    for word in words:
        if word == "--mtu":
            mtu = next(words, "")
        elif word.startswith("--mtu="):
            mtu = word[6:]
        elif word == "--explain":
            explain = True
        elif word == "--json":
            as_json = True
        elif word.startswith("-") or stack_text:
            return None
        else:
            stack_text = word
    if not stack_text or not (mtu.isascii() and mtu.isdigit()) or len(mtu) > 5:
        return None
    from netplan.stack import parse, solve

    try:
        solution = solve(parse(stack_text), int(mtu))
    except Exception:  # noqa: BLE001 - click's path meets it again and reports it properly
        return None
    if as_json:
        import json

        from netplan.cli.envelope import document

        text = json.dumps(document(solution.as_json()), indent=2)
    else:
        from netplan.explain.text import answer, explained

        text = "\n".join(explained(solution) if explain else answer(solution))
    sys.stdout.write(text + "\n")
    return 0
