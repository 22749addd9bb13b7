"""``ipsecplan init``: an annotated plan file to start from."""

from __future__ import annotations

from pathlib import Path

import click

from netplan.cli.output import emit
from netplan.model.cni_facts import PORTS
from netplan.problems import Location, Problem, ProblemError
from netplan.refusals import refused
from netplan.templates.render import render


@click.command(
    "init",
    epilog="\b\nExamples:\n  ipsecplan init\n  ipsecplan init --inventory hosts.ini --overlay geneve prod.yaml",
)
@click.argument("plan", type=click.Path(path_type=Path), default="plan.yaml")
@click.option("--inventory", default="inventory.yml", show_default=True, help="Any Ansible inventory.")
@click.option("--nodes", default="all", show_default=True, help="Ansible host pattern.")
@click.option("--name", default="my-cluster", show_default=True, help="Name of the cluster.")
@click.option("--overlay", type=click.Choice(["vxlan", "geneve"]), default="vxlan", show_default=True)
@click.option("--family", type=click.Choice(["ipv4", "ipv6", "dual"]), default="ipv4", show_default=True)
@click.option("--mtu", type=click.IntRange(576, 65535), default=1500, show_default=True, help="IP MTU of the links.")
def command(plan: Path, inventory: str, nodes: str, name: str, overlay: str, family: str, mtu: int) -> None:
    """Write an annotated plan file (default: plan.yaml); an existing file is never touched."""
    text = render(
        "plan.yaml.j2",
        {"y": _text},
        name=name,
        inventory=inventory,
        nodes=nodes,
        overlay=overlay,
        port=PORTS[overlay],
        family=family,
        mtu=mtu,
    )
    try:
        with open(plan, "x", encoding="utf-8") as out:
            out.write(text)
    except FileExistsError:
        raise ProblemError(
            Problem("IPP210", "the file exists already", location=Location(str(plan)), hint="name another one")
        ) from None
    except OSError as error:
        raise ProblemError(refused(error, plan, "written", "IPP210")) from None
    emit(f"{plan} written; give each host underlay_address and pod_cidr in {inventory}, then: ipsecplan lint {plan}")


def _text(value: str) -> str:
    """A YAML scalar that is always text: JSON strings are YAML."""
    import json

    plain = value.replace("_", "").replace("-", "").replace(".", "").replace("/", "")
    return value if plain.isalnum() and not plain.isdigit() and value[0].isalpha() else json.dumps(value)
