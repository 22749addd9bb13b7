"""``ipsecplan lab``: a small real cluster on this machine, without any server."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from netplan.cli import output
from netplan.cli.options import Finite
from netplan.lab.logins import METHODS, ROOT, Login
from netplan.lab.releases import PEER_RELEASE, PEERS, RELEASES, STABLE
from netplan.problems import ExitCode, Problem, ProblemError, counted, quoted
from netplan.refusals import refusals


class Progress:
    """Lines with elapsed seconds on stderr; on a terminal also a spinner with the current step."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._status: Any = None

    def __enter__(self) -> Progress:
        if sys.stderr.isatty():
            from rich.console import Console

            self._status = Console(stderr=True).status("starting")
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._status is not None:
            self._status.stop()

    def __call__(self, text: str) -> None:
        line = f"{time.monotonic() - self._began:6.1f} s  {text}"
        if self._status is not None:
            self._status.console.print(line, highlight=False, markup=False)
            self._status.update(text.split(" (")[0])
        else:
            output.note(line)


name_option = click.option("--name", default="lab", show_default=True, metavar="NAME", help="Which lab.")
json_option = click.option("--json", "json_", is_flag=True, help="Print one JSON object.")

backend_option = click.option(
    "--backend",
    type=click.Choice(["auto", "direct", "kvm", "emulated", "uml"]),
    default="auto",
    show_default=True,
    help="What runs the nodes. uml: User Mode Linux, a kernel that is compiled once, for 5 to 64 nodes. Everywhere all "
    "nodes share one kernel and one clock, and a power cut loses no file.",
)


def _mix(_: click.Context, __: click.Parameter, value: str | None) -> dict[str, str]:
    """Read ``n1=bookworm,n2=trixie``; what the words mean is checked with the other parameters."""
    pairs = [word.strip().partition("=") for word in (value or "").split(",") if word.strip()]
    for name, equals, release in pairs:
        if not (name and equals and release):
            raise click.BadParameter("write it as n1=bookworm,n2=trixie")
    if len({name for name, _, _ in pairs}) < len(pairs):
        raise click.BadParameter("it names a node twice")
    return {name: release for name, _, release in pairs}


def system_options(function: Any) -> Any:
    """Add the options that say which Debian the nodes run."""
    for option in (
        click.option(
            "--kernel",
            default="",
            metavar="VERSION",
            help="Kernel of all nodes, such as 6.12 (default: that of the newest release).",
        ),
        click.option(
            "--mix",
            callback=_mix,
            default="",
            metavar="NODE=RELEASE,...",
            help="Nodes that run another release than the rest.",
        ),
        click.option(
            "--release", type=click.Choice(RELEASES), default=STABLE, show_default=True, help="Debian of the nodes."
        ),
    ):
        function = option(function)
    return function


@click.group()
def command() -> None:
    """Run a small real cluster on this machine: nodes with their own systemd, network, SSH and strongSwan."""


@command.command()
@name_option
@click.option("--nodes", default=3, show_default=True, metavar="N", help="How many nodes (1 to 64).")
@click.option("--family", type=click.Choice(["ipv4", "ipv6"]), default="ipv4", show_default=True, help="Underlay.")
@click.option("--mtu", default=1500, show_default=True, metavar="BYTES", help="IP MTU of the underlay.")
@click.option("--overlay", type=click.Choice(["vxlan", "geneve"]), default="vxlan", show_default=True)
@system_options
@click.option(
    "--peer",
    type=click.Choice(PEERS),
    default=None,
    help=f"The last node is an unmanaged host with it (Debian {PEER_RELEASE}), not strongSwan.",
)
@click.option("--login", "user", metavar="USER", help="The inventory logs in as USER, who becomes root (root).")
@click.option(
    "--become",
    type=click.Choice(METHODS),
    default=None,
    help="How USER becomes root (sudo); with sudo-password and su by a password, which is in a file of the lab.",
)
@click.option("--bastion", is_flag=True, help="The inventory reaches the nodes through the machine around them.")
@backend_option
@click.option("--fresh", is_flag=True, help="Boot, even if a saved cluster could be restored.")
@json_option
def up(
    name: str, user: str | None, become: str | None, bastion: bool, peer: str | None, json_: bool, **parameters: Any
) -> None:
    """Start a lab, or say that it runs. The first time builds an image (half a minute, as root)."""
    from netplan.lab.cluster import Lab

    if become and not user:
        raise click.UsageError("--become needs --login USER")
    with output.as_json(json_), Progress() as say:
        login = Login(user or ROOT, (become or METHODS[0]) if user else "", bastion)
        lab = Lab.up(name, **parameters, peer=peer or "", login=login, say=say)
    if json_:
        output.emit_json(_facts(lab))
        return
    if lab.source:
        output.emit(f"packages:  {lab.source}")
    output.emit(f"inventory: {lab.inventory}")
    output.emit(f"plan:      {lab.plan}")
    if lab.password_file:
        output.emit(f"password:  {lab.password_file} (--become-password-file)")
    output.emit(f"try:       ipsecplan lab exec {'' if name == 'lab' else f'--name {name} '}n1 -- ip address")


@command.command()
@name_option
def down(name: str) -> None:
    """End a lab; only the cache stays."""
    from netplan.lab.cluster import down as end

    output.note(f"lab {name} is gone" if end(name) else f"there was no lab {name}")


@command.command()
@name_option
@json_option
def status(name: str, json_: bool) -> None:
    """Show a running lab."""
    from netplan.lab.cluster import Lab

    with output.as_json(json_):
        lab = Lab.attach(name)
        facts = _facts(lab)
        systems = lab.systems()
        for node in facts["nodes"]:
            node["system"] = systems[node["name"]]
        if json_:
            output.emit_json(facts)
            return
    config = lab.config
    output.emit(f"lab {name}: {counted(config.nodes, 'node')}, {config.overlay} over {config.family}, MTU {config.mtu}")
    output.emit(f"backend:   {facts['backend']} ({facts['reason']}), {facts['origin']}, pid {facts['pid']}")
    if facts["packages"]:
        output.emit(f"packages:  {facts['packages']}")
    output.emit(f"inventory: {facts['inventory']}")
    output.emit(f"plan:      {facts['plan']}")
    if lab.state.login != Login():
        output.emit(f"login:     {lab.state.login.words}" + (f", {lab.password_file}" if lab.password_file else ""))
    for node in facts["nodes"]:
        output.emit(f"{node['name']:<5} port {node['port']:<6} {node['underlay_address']:<15} pods {node['pod_cidr']}")
    for node in facts["nodes"]:
        words = ", ".join(f"{what} {version}" for what, version in node["system"].items())
        output.emit(f"{node['name']:<5} {words or 'did not answer'}")


@command.command("list")
@json_option
def list_(json_: bool) -> None:
    """List the labs of this user."""
    from netplan.lab.cluster import Lab
    from netplan.lab.state import lab_folders

    rows = []
    for folder in lab_folders():
        try:
            rows.append(_facts(Lab.attach(folder.name)))
        except ProblemError:
            rows.append({"name": folder.name, "running": False})
    if json_:
        output.emit_json(rows)
        return
    for row in rows:
        output.emit(f"{row['name']}  {'running' if row['running'] else 'not running (`up` or `down` clears it)'}")


@command.command()
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False))
@name_option
def save(file: Path | None, name: str) -> None:
    """Write the running cluster, as it is, to FILE (default: one file per lab in the cache). It runs on."""
    from netplan.lab.cluster import Lab

    with Progress() as say:
        lab = Lab.attach(name, say)
        with refusals(file, "written"):
            written = lab.save(file)
    output.emit(str(written))


@command.command()
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False, exists=True))
@name_option
@click.option("--clean", is_flag=True, help="Restore the cluster as it was right after `up`.")
def restore(file: Path | None, name: str, clean: bool) -> None:
    """Put a lab back to what FILE has (default: what `save` last wrote without a FILE). Starts it if it is down."""
    from netplan.lab.cluster import Lab, default_file

    if clean and file is not None:
        raise click.UsageError("--clean and FILE exclude each other")
    with Progress() as say:
        if clean:
            Lab.attach(name, say).restore()
            say("restored")
            return
        source = file or default_file(name)
        if not source.exists():
            raise ProblemError(
                Problem(
                    code="IPP808",
                    message=f"nothing was saved of the lab {quoted(name)}",
                    hint="`ipsecplan lab save` first, or --clean",
                ),
                ExitCode.FAILURE,
            )
        Lab.from_file(source, name, say=say)


@command.command()
@click.option(
    "--days",
    type=Finite(0, 36500),
    default=0.0,
    show_default=True,
    metavar="N",
    help="Only what was not used for N days.",
)
def prune(days: float) -> None:
    """Delete cached images that no running lab and no `up` needs any more, with their saved clusters."""
    from netplan.lab import uml_kernel
    from netplan.lab.image import prune as clean
    from netplan.lab.state import State, lab_folders

    used = [state.image for folder in lab_folders() if (state := State.read(folder)) is not None]
    gone = [*clean(used, days=days), *uml_kernel.prune(days=days)]
    output.note(f"{counted(len(gone), 'old image')} deleted")


@command.command("exec", context_settings={"ignore_unknown_options": True})
@click.argument("node")
@click.argument("argv", nargs=-1, required=True, type=click.UNPROCESSED)
@name_option
def exec_(node: str, argv: tuple[str, ...], name: str) -> None:
    """Run a command on NODE (n1, n2, ...) or on the machine around the nodes ("guest"): exec NODE -- CMD..."""
    from netplan.lab.cluster import Lab

    lab = Lab.attach(name)
    terminal = ["RequestTTY=yes"] if sys.stdin.isatty() and sys.stdout.isatty() else []
    done = subprocess.run(lab.ssh_argv(node, argv, terminal), cwd=lab.directory, check=False)
    raise click.exceptions.Exit(done.returncode)


@command.command()
@click.option("--nodes", default=3, show_default=True, metavar="N")
@click.option("--family", type=click.Choice(["ipv4", "ipv6"]), default="ipv4", show_default=True)
@click.option("--overlay", type=click.Choice(["vxlan", "geneve"]), default="vxlan", show_default=True)
@click.option("--mtu", default=1500, show_default=True, metavar="BYTES")
@system_options
@backend_option
@click.option("--keep", is_flag=True, help="Leave the lab up, and say what to try on it.")
def demo(**parameters: Any) -> None:
    """Show the whole job on a lab: packets in clear, plan, render, apply, proof, packets as ESP, and apply again."""
    from netplan.lab.demo import run

    raise click.exceptions.Exit(run(**parameters))


def _facts(lab: Any) -> dict[str, Any]:
    """Return what `status --json` and `up --json` print about a running lab."""
    return {
        "name": lab.name,
        "running": True,
        "backend": lab.state.backend,
        "reason": lab.state.reason,
        "origin": lab.state.origin,
        "pid": lab.pid(),
        "packages": lab.source,
        "directory": str(lab.directory),
        "inventory": str(lab.inventory),
        "plan": str(lab.plan),
        "login": asdict(lab.state.login),
        "password_file": str(lab.password_file) if lab.password_file else None,
        **lab.config.as_dict(),
        "overlay_mtu": lab.config.overlay_mtu,
        "guest_port": lab.state.ports["guest"],
        "nodes": [
            {
                "name": node.name,
                "release": lab.config.releases[node.name],
                "port": lab.state.ports[node.name],
                "underlay_address": node.underlay_address,
                "pod_cidr": node.pod_cidr,
                "pod_address": node.pod_address,
            }
            for node in lab.nodes
        ],
    }
