"""``ipsecplan psk``: import pre-shared keys, and encrypt the store on this machine."""

from __future__ import annotations

from pathlib import Path

import click

from netplan.cli.options import CLUSTER, cluster_state
from netplan.cli.output import emit
from netplan.ipsec import psk, vault
from netplan.ipsec.stored import LIMIT
from netplan.problems import Location, Problem, ProblemError, counted
from netplan.refusals import read_named

STATE_DIR = click.option("--state-dir", envvar="IPSECPLAN_STATE", help="State directory. [env: IPSECPLAN_STATE]")


@click.group(
    "psk", epilog="\b\nExamples:\n  ipsecplan psk import prod-eu1 keys.vault.yml\n  ipsecplan psk encrypt prod-eu1"
)
def command() -> None:
    """The pre-shared keys of a cluster (auth: psk). Unless they are imported, `apply` makes one for each pair, once.

    The password of a vault is read from the file that IPSECPLAN_VAULT_PASSWORD_FILE names, or asked for.
    """


@command.command("import")
@CLUSTER
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@STATE_DIR
def take(cluster: str, file: Path, state_dir: str | None) -> None:
    """Import the keys of CLUSTER from FILE, an ansible-vault with one key per pair: "n1 n2": KEY.

    From then on no key is generated here. A pair that already has another key gets the new one by `rotate psk`.
    """
    data = read_named(file, LIMIT)
    if not vault.sealed(data):
        raise ProblemError(
            Problem(
                "IPP670", "not an ansible-vault", location=Location(str(file)), hint=f"ansible-vault encrypt {file}"
            )
        )
    given = psk.by_names(cluster, vault.unseal(data, file.name))
    with cluster_state(state_dir, cluster, "psk import") as state:
        store = psk.open_store(state.folder / "psk.json")
        fresh, changed = psk.take(store, given)
        store.sealed = True  # its keys came out of a vault, so they lie in one
        store.save()
    emit(f"{counted(len(given), 'key')} read: {fresh} for new pairs, {changed} in place of another")
    if changed:
        emit("`ipsecplan rotate psk` brings the new keys into use, in three phases")


@command.command("encrypt")
@CLUSTER
@STATE_DIR
def encrypt(cluster: str, state_dir: str | None) -> None:
    """Turn the store of CLUSTER's keys into an ansible-vault; `ansible-vault view` reads it."""
    with cluster_state(state_dir, cluster, "psk encrypt") as state:
        path = state.folder / "psk.json"
        if not path.is_file():
            message = "this cluster has no keys yet"
            raise ProblemError(Problem("IPP670", message, location=Location(str(path)), hint="`psk import` or apply"))
        store = psk.open_store(path)
        store.sealed = True
        store.save()
    emit(f"{path} is an ansible-vault now")
