"""``ipsecplan host-link``: the file and commands that give one link of a host its MTU."""

from __future__ import annotations

import re
from pathlib import Path

import click

from netplan.cli.options import JSON
from netplan.cli.output import as_json, emit, emit_json, note
from netplan.cli.steps import write_steps
from netplan.cni.existing_config import texts
from netplan.host.links import HOSTS, Link
from netplan.problems import ProblemError, counted, errors
from netplan.stack import parse_size

_UNIT = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9_.@ -]{0,80}\Z")


@click.command(
    "host-link",
    epilog="\b\nExamples:\n"
    "  ipsecplan host-link networkd eth0 --mtu 1584 --unit 20-lan.network\n"
    "  ipsecplan host-link ifupdown eth0 --mtu 9000 --existing /etc/network/interfaces --to review/",
)
@click.argument("configurator", type=click.Choice(tuple(HOSTS)))
@click.argument("link")
@click.option("--mtu", required=True, metavar="N", help="IP MTU of the link in bytes.")
@click.option("--unit", default="", help="The .network file, netplan id or connection that configures the link.")
@click.option("--dhcp", is_flag=True, help="The link's address comes from DHCP or router advertisements.")
@click.option("--existing", type=click.Path(path_type=Path), help="The configuration file to be patched.")
@click.option("--to", type=click.Path(path_type=Path), help="Write the files into this new directory.")
@JSON
def command(
    configurator: str,
    link: str,
    mtu: str,
    unit: str,
    dhcp: bool,
    existing: Path | None,
    to: Path | None,
    json_: bool,
) -> None:
    """Write what gives LINK (such as eth0) its MTU on a host that CONFIGURATOR configures."""
    if unit and not _UNIT.match(unit):
        raise click.UsageError(f"--unit {unit!r} can't be the name of a file or connection")
    with as_json(json_):
        text = next(iter(texts((existing,)).values()), "") if existing else ""
        chosen = Link(name=link, mtu=parse_size(mtu, "link MTU"), unit=unit, dhcp=dhcp, existing=text)
        if errors(chosen.problems()):
            raise ProblemError(chosen.problems())
        host = HOSTS[configurator]
        files, commands = host.render(chosen), host.apply(chosen)
        if to is not None:
            head = f"# {host.title}: {link} with MTU {chosen.mtu}"
            write_steps(to, files, [head, "", *(f"    {line}" for line in commands)])
        if json_:
            rows = [{"path": path, "text": body} for path, body in files.items()]
            emit_json({"host": configurator, "files": rows, "commands": commands})
            return
        if to is not None:
            note(f"{to}: {counted(len(files), 'file')} and STEPS.md")
            return
        for path, body in files.items():
            emit(f"# {path}")
            emit(body.rstrip("\n"))
        for line in commands:
            emit(f"# {line}")
