"""A systemd timer that assesses a cluster regularly on the control machine."""

from __future__ import annotations

from collections.abc import Sequence

from netplan.problems import fail, quoted
from netplan.templates.render import render

NAME = "ipsecplan-assess"


def units(argv: Sequence[str], *, cluster: str) -> dict[str, str]:
    """Return file name -> text of a service that runs ``argv`` and of the timer that starts it each week.

    Raises ProblemError (IPP210) for a word that no unit can hold.
    """
    line = " ".join(map(_word, argv))
    return {
        f"{NAME}.service": render("systemd/ipsecplan-assess.service.j2", command=line, cluster=cluster),
        f"{NAME}.timer": render("systemd/ipsecplan-assess.timer.j2", cluster=cluster),
    }


def _word(text: str) -> str:
    """Return one word of a command as systemd reads it (systemd.service(5), command lines)."""
    if not text.isprintable():
        fail("IPP210", f"no unit can hold {quoted(text)}: it has a character that is not to be seen")
    inside = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{inside}"'
