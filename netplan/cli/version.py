"""``ipsecplan version``: the version, and what it runs on."""

from __future__ import annotations

import platform
import sys
from importlib import metadata

import click

from netplan import __version__
from netplan.cli.options import JSON
from netplan.cli.output import as_json, emit, emit_json

PARTS = ("ansible-core", "click", "cryptography", "textual")


@click.command("version", epilog="\b\nExamples:\n  ipsecplan version\n  ipsecplan version --json")
@JSON
def command(json_: bool) -> None:
    """Show the version of ipsecplan, of Python, and of what it uses."""
    with as_json(json_):
        found = {
            "ipsecplan": __version__,
            "python": platform.python_version(),
            "platform": platform.platform(terse=True),
            **{name: installed(name) for name in PARTS},
        }
        if json_:
            emit_json({**found, "path": sys.prefix})
            return
        emit("\n".join(f"{name:<13} {version}" for name, version in found.items()))


def installed(name: str) -> str:
    """Return the version of an installed package, "missing" where there is none."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "missing"
