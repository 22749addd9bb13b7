"""``ipsecplan rotate``: install new credentials on every node without an outage."""

from __future__ import annotations

from pathlib import Path

import click

from netplan.cli.ask import asking, need_yes
from netplan.cli.options import BUNDLE, FORKS, INVENTORY, JSON, STATE_DIR, YES
from netplan.cli.outcome import leave
from netplan.cli.output import as_json, emit, emit_json, report
from netplan.cli.session import opened
from netplan.problems import Problem, ProblemError, counted
from netplan.rollout.engine import Engine
from netplan.rollout.outcome import Options, Outcome
from netplan.rollout.verbs.rotate import rotate


@click.command(
    "rotate",
    epilog="\b\nExamples:\n  ipsecplan rotate psk bundle\n  ipsecplan rotate certificates bundle --yes\n"
    "  ipsecplan rotate ca bundle",
)
@click.argument("what", type=click.Choice(["psk", "certificates", "ca"]))
@BUNDLE
@INVENTORY
@YES
@FORKS
@STATE_DIR
@JSON
def command(
    what: str,
    bundle: Path,
    inventory: Path | None,
    yes: bool,
    forks: int | None,
    state_dir: str | None,
    json_: bool,
) -> None:
    """Give every node of the confirmed BUNDLE new pre-shared keys (psk), a new key and certificate
    (certificates), or certificates of a new certificate authority (ca).

    Live SAs are not changed; the next authentication uses the new credentials. Run it again if it was interrupted.
    """
    need_yes(yes, bundle)
    with as_json(json_), opened(bundle, inventory, state_dir, Options(forks=forks), quiet=json_) as engine:
        need_auth(engine, what)
        outcome = rotate(engine, what, asking(yes, lambda found: question(found, what)))
    if json_:
        emit_json({"outcome": outcome.outcome, "what": what}, outcome.problems, outcome.exit_code)
        leave(outcome.exit_code)
        return
    report(outcome.problems)
    emit(said(outcome, what))
    leave(outcome.exit_code)


def need_auth(engine: Engine, what: str) -> None:
    """Raise ProblemError where a bundle has no such credentials."""
    auth = {str(target.node.get("auth", "certificates")) for target in engine.targets.values()}
    if auth == {"raw-keys"}:
        raise ProblemError(
            Problem(
                code="IPP670",
                message="raw public keys are not rotated: each peer pins exactly one of them",
                hint="auth: certificates has keys that change without an outage",
            )
        )
    if auth != {"psk" if what == "psk" else "certificates"}:
        raise ProblemError(
            Problem(code="IPP670", message=f"this bundle authenticates by {' and '.join(sorted(auth))}, not by {what}")
        )


def said(outcome: Outcome, what: str) -> str:
    """Return how it ended, in words."""
    new = "keys" if what == "psk" else "certificates"
    return {
        "rotated": f"rotated: all {outcome.changes} nodes have the new {new} loaded",
        "declined": "nothing was changed",
        "interrupted": "not finished; every pair can still authenticate. Run the same command again to continue",
        "failed": "nothing was changed",
    }[outcome.outcome]


def question(outcome: Outcome, what: str) -> str:
    """Return the question before the first change."""
    new = "pre-shared keys" if what == "psk" else "private keys and certificates"
    get = "gets" if outcome.changes == 1 else "get"
    return f"{counted(outcome.changes, 'node')} {get} new {new}; live SAs are not touched."
