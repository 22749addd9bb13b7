"""``ipsecplan report``: what a report of a fault needs, in one archive, without secrets."""

from __future__ import annotations

import contextlib
import json
import platform
import time
from pathlib import Path

import click
from click.core import ParameterSource

from netplan import __version__
from netplan.bundle import reader
from netplan.cli.options import BUNDLE, JSON, STATE_DIR
from netplan.cli.output import as_json, emit, emit_json
from netplan.cli.version import PARTS, installed
from netplan.files import write_atomic
from netplan.inputs.inventory import read as read_inventory
from netplan.inputs.path_kinds import MANIFEST
from netplan.problems import ExitCode, Problem, ProblemError, counted
from netplan.refusals import refusals
from netplan.rollout.record.journal import state_root
from netplan.rollout.record.support import pack, secrets_of, texts_below

JOURNALS = ("clusters/*/journal/tx-*.jsonl", "crashes/*.txt")
OF_BUNDLE = ("manifest.json", "plan.json", "REVIEW.md", "nodes/*/node.json")


@click.command(
    "report", epilog="\b\nExamples:\n  ipsecplan report\n  ipsecplan report bundle --to report.tar.gz --json"
)
@BUNDLE
@click.option("--to", type=click.Path(path_type=Path), help="The archive (default: ipsecplan-report-TIME.tar.gz).")
@STATE_DIR
@JSON
def command(bundle: Path, to: Path | None, state_dir: str | None, json_: bool) -> None:
    """Pack versions, the bundle's numbers and the journals of past transactions, for whoever looks into a fault.

    Keys, certificates, pre-shared keys and the inventory are not read into it. Passwords and tokens are hidden, by
    their names and by the values that the inventory has; then everything is searched for those once more. Read it
    before you send it: it has the names and addresses of your hosts.
    """
    with as_json(json_):
        named = click.get_current_context().get_parameter_source("bundle") is not ParameterSource.DEFAULT
        if named and not (bundle / MANIFEST).exists():
            reader.read(bundle, files=False)  # says what it is; a bundle that is damaged is what may be looked into
        texts = {"about.json": json.dumps(_about(), indent=1) + "\n"}
        root = state_root(state_dir)
        texts |= texts_below(root, JOURNALS, "state")
        if bundle.is_dir():
            texts |= texts_below(bundle, OF_BUNDLE, "bundle")
        packed = pack(texts, _secrets(bundle))
        path = to or Path(time.strftime("ipsecplan-report-%Y%m%dT%H%M%SZ.tar.gz", time.gmtime()))
        with refusals(path, "written"):
            write_atomic(path, packed.archive, 0o600)
        left_out = [
            Problem("IPP210", f"{name} is left out: a secret was found in it", severity="warning")
            for name in packed.found
        ]
        if json_:
            document = {"archive": str(path), "files": list(packed.names), "secrets_looked_for": packed.looked_for}
            emit_json({**document, "secrets_found": 0}, left_out, ExitCode.OK)
            return
        for problem in left_out:
            emit(problem.lines()[0])
        emit(f"{path}: {counted(len(packed.names), 'file')}; secrets looked for: {packed.looked_for}, found: 0")


def _about() -> dict[str, str]:
    versions = {name: installed(name) for name in PARTS}
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    here = {"python": platform.python_version(), "platform": platform.platform()}
    return {"ipsecplan": __version__, "at": at, **here, **versions}


def _secrets(bundle: Path) -> set[str]:
    """Return the secrets that the bundle's inventory has; none where it can't be read."""
    with contextlib.suppress(ProblemError, OSError):
        about = reader.read(bundle, files=False).manifest["inventory"]
        hosts = read_inventory(Path(about["path"]), about["pattern"], about["path"]).hosts
        return secrets_of(host.variables for host in hosts)
    return set()
