"""The manual page, made from the help pages: the text of `netplan/data/ipsecplan.1`, which the wheel installs."""

from __future__ import annotations

import sys
from pathlib import Path

from netplan.cli import quick
from netplan.cli.verbs import GROUPS, VERBS

HEAD = """\
.\\" Made from the help pages by `make golden`.
.TH IPSECPLAN 1 "" "ipsecplan" "User Commands"
.SH NAME
ipsecplan \\- plan, review, apply and verify IPsec between the hosts of a container cluster
.SH SYNOPSIS
.B ipsecplan
.I VERB
[\\fIOPTION\\fR]... [\\fIARGUMENT\\fR]...
"""
TAIL = """\
.SH ENVIRONMENT
.TP
.B IPSECPLAN_STATE
State directory, in place of ~/.local/state/ipsecplan: journals and the cluster's CA.
.TP
.B IPSECPLAN_DEBUG
Set to 1: tracebacks of unexpected errors.
.TP
.B NO_COLOR, CLICOLOR_FORCE, PAGER
As in other programs; \\fB\\-\\-color\\fR and \\fB\\-\\-no\\-pager\\fR overrule them.
.SH FILES
.TP
.B plan.yaml
The plan, where no other is named.
.TP
.B bundle/
What \\fBrender\\fR writes, where no other place is named; \\fBbundle/REVIEW.md\\fR is for people.
.SH SEE ALSO
.BR swanctl (8),
.BR ip\\-xfrm (8),
.BR ansible\\-inventory (1)
"""


def escaped(line: str) -> str:
    """Return a line that troff prints as it is."""
    text = (
        line.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("`", "\\(ga").replace("~", "\\(ti")
    )
    return f"\\&{text}" if text.startswith(".") else text


def block(text: str) -> list[str]:
    return [".nf", *map(escaped, text.strip("\n").splitlines()), ".fi"]


def man_page(pages: str) -> str:
    """Return the manual page of the help pages as `netplan/data/help.txt` has them."""
    texts = dict(page.split("\n", 1) for page in pages.split(quick.BETWEEN_PAGES))
    lines = [
        HEAD.rstrip("\n"),
        ".SH DESCRIPTION",
        *block(texts["ipsecplan"].partition("Options:")[0].split("\n", 1)[1]),
    ]
    for title, names in GROUPS.items():
        lines.append(f".SH {title.upper()}")
        for name in names:
            lines += [f".SS ipsecplan {escaped(name)}", escaped(VERBS[name][1])]
            for words, text in texts.items():
                if words == f"ipsecplan {name}" or words.startswith(f"ipsecplan {name} "):
                    lines += [".PP", *block(text)]
    return "\n".join([*lines, TAIL])


if __name__ == "__main__":
    sys.stdout.write(man_page(Path(quick.PAGES).read_text(encoding="utf-8")))
