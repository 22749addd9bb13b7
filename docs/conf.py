"""Builds the pages of this folder as a site: `make site`. The pages are plain Markdown, so code hosts show them, too.

Navigation is kept here and not in the pages, because only Sphinx knows its directive. A page that is in no list is a
warning, and with ``-W`` a failure.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

HERE = Path(__file__).parent
NAVIGATION = {
    "Tutorial": ["tutorial/first-cluster"],
    "How-to: your container network": [
        "how-to/calico",
        "how-to/cilium",
        "how-to/flannel-k3s",
        "how-to/rke2",
        "how-to/ovn-kubernetes-openshift",
        "how-to/docker-swarm",
        "how-to/own-overlay",
    ],
    "How-to: your way of working": ["how-to/logins", "how-to/workers", "how-to/ci", "how-to/awx"],
    "How-to: coming from": [
        "how-to/from-linux-system-roles-vpn",
        "how-to/from-openshift-ipsec",
        "how-to/from-libreswan",
        "how-to/from-ovs-monitor-ipsec",
    ],
    "How-to: watch it": ["monitoring"],
    "How-to: when something is wrong": ["runbook", "runbook-situations", "runbook-sas", "mtu-problems"],
    "Reference: files and output": [
        "reference/plan-file",
        "reference/host-variables",
        "reference/bundle",
        "reference/exit-codes",
        "reference/json",
        "errors",
        "protocol",
        "reference/security-tests",
    ],
    "Reference: commands": ["reference/verbs", "ansible", "calc", "audit", "assess", "planner", "pages", "lab"],
    "Reference: numbers and networks": ["reference/layers", "stack-notation", "networks", "strongswan", "rollout"],
    "Explanation": [
        "explanation/no-constant",
        "explanation/order-of-a-rollout",
        "explanation/what-is-protected",
        "threat-model",
        "explanation/requirements-and-limits",
        "explanation/cost",
        "explanation/words",
    ],
    "For contributors": ["architecture", "decisions/README"],
    "Index": ["reference/index-of-words"],
}

project = "ipsecplan"
author = "The ipsecplan authors"
copyright = author  # noqa: A001 - Sphinx's name
version = release = re.findall(r'__version__ = "([^"]+)"', (HERE.parent / "netplan" / "__init__.py").read_text())[0]

extensions = ["myst_parser"]
myst_heading_anchors = 4  # the anchors that code hosts give
exclude_patterns = ["_build"]
html_extra_path = ["extra"]  # JSON Schemas, at an address of their own
highlight_language = "none"
smartquotes = False  # quotes are part of what a program prints

html_theme = "furo"
html_title = f"ipsecplan {release}"
html_copy_source = False
html_show_sphinx = False
html_last_updated_fmt = None  # two builds of one commit are equal


def toctree(caption: str, pages: list[str]) -> str:
    """Return the directive that puts pages into the navigation."""
    head = f":caption: {caption}\n" if caption else ""
    return "\n```{toctree}\n:hidden:\n" + head + "\n" + "\n".join(pages) + "\n```\n"


def add_navigation(_: Sphinx, page: str, source: list[str]) -> None:
    """Put the navigation behind the text of the pages that carry it."""
    if page == "index":
        source[0] += "".join(toctree(caption, pages) for caption, pages in NAVIGATION.items())
    elif page == "decisions/README":
        source[0] += toctree("", sorted(f"/decisions/{at.stem}" for at in HERE.glob("decisions/[0-9]*.md")))


def setup(app: Sphinx) -> None:
    """Connect what is ours; sessions are shown without colours, which would be guessed."""
    from pygments.lexers.special import TextLexer  # with Sphinx; the tests read this file without either

    app.add_lexer("console", TextLexer)
    app.connect("source-read", add_navigation)
