"""The overview in words: one fact a line, and the key that does the next step. Pure."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from netplan.problems import counted
from netplan.rollout.record.seen import Look, Proof
from netplan.rollout.standing import CERTIFICATE_DAYS, Standing
from tui.draw.ages import ago

if TYPE_CHECKING:
    from pathlib import Path

    from tui.draw.picture import Picture

# act -> screen, its action, the key that is pressed there
ACTS: dict[str, tuple[str, str, str]] = {
    "wait": ("rollout", "", "5"),
    "confirm": ("rollout", "confirm", "C"),
    "resume": ("rollout", "resume", "r"),
    "try": ("rollout", "try", "t"),
    "status": ("overview", "status", "s"),
    "diff": ("files", "live", "L"),
    "verify": ("verify", "measure", "v"),
    "rotate-certificates": ("", "", ""),
    "render": ("files", "render", "R"),
    "save": ("", "save", "ctrl+s"),
    "correct": ("plan", "", "2"),
    "init": ("", "", ""),
    "nothing": ("", "", ""),
}


@dataclass(frozen=True, slots=True)
class Next:
    """The next step: what to do, why, and the command line that does it without the planner."""

    act: str
    why: str
    line: tuple[str, ...]

    @property
    def shown(self) -> str:
        """Return the command line."""
        return shlex.join(["ipsecplan", *self.line])

    @property
    def key(self) -> str:
        """Return the screen's digit and key in words, or nothing where the planner has none."""
        return ACTS[self.act][2]


def next_of(picture: Picture, *, plan: Path | None, bundle: Path, state: list[str], broken: int, dirty: bool) -> Next:
    """Return the next step; ``broken``: errors in the plan, ``state``: the option of the state directory."""
    if plan is None and not picture.names:
        return Next("init", "no plan is open, and there is no bundle", ("init",))
    named = str(plan or "plan.yaml")
    if broken:
        return Next("correct", f"the plan has {counted(broken, 'error')}", ("lint", named))
    if dirty:
        return Next("save", "the plan has unsaved changes", ("lint", named))
    act, to = picture.step.act, str(bundle)
    last = picture.standing.last
    lines: dict[str, tuple[str, ...]] = {
        "wait": ("show", last.transaction, *state) if last else ("history", *state),
        "confirm": ("confirm", to, *state),
        "resume": ("resume", to, *state),
        "try": ("try", to, *state),
        "status": ("status", to, *state),
        "diff": ("diff", "--live", to, *state),
        "verify": ("verify", to, *state),
        "rotate-certificates": ("rotate", "certificates", to, *state),
        "render": ("render", named, "--to", to),
        "nothing": ("status", to, *state),
    }
    return Next(act, picture.step.why, lines[act])


def facts(picture: Picture, plan: tuple[str, str]) -> list[tuple[str, str, str, str]]:
    """Return name, mark, words and leading screen of each fact; ``plan``: mark and words of the plan."""
    now = picture.standing
    return [
        ("plan", *plan, "plan"),
        ("bundle", *_bundle(picture), "files"),
        ("cluster", *_cluster(now, picture.at), "rollout"),
        ("encrypted", *_encrypted(now.look, picture.at), "pairs"),
        ("proof", *_proof(now.proof, now.digest, picture.at), "verify"),
        ("certificates", *_certificates(now), "nodes"),
        ("drift", *_drift(now, picture.at), "files"),
        ("in progress", *_progress(now, picture.at), "rollout"),
    ]


def _bundle(picture: Picture) -> tuple[str, str]:
    if picture.wrong:
        return "x", picture.wrong
    words = f"{picture.bundle}; digest {picture.standing.digest[:16]}"
    return ("!", f"{picture.unlike}; {words}") if picture.unlike else ("ok", f"as the plan says: {words}")


def _cluster(now: Standing, at: float) -> tuple[str, str]:
    look = now.look
    if not now.digest:
        return "?", "nothing to compare it with"
    mark, words = (
        ("ok", "this bundle was confirmed last") if now.applied else ("!", "another bundle was confirmed last")
    )
    if not now.in_force:
        mark, words = "!", "nothing was confirmed from this machine"
    if now.applied and now.left_out:
        mark, words = "!", f"{words}, without {counted(now.left_out, 'node')}: apply it again"
    if now.applied and now.held_mtu:
        mark, words = "!", f"{words}; pods wait at {now.held_mtu} bytes for `ipsecplan apply --raise-mtu`"
    if look is None:
        return ("?" if mark == "ok" else mark), f"{words}; its nodes were never asked (s asks)"
    states = [node.state for node in look.nodes.values()]
    said = ", ".join(f"{states.count(word)} {word}" for word in dict.fromkeys(states))
    if look.silent:
        mark, said = "x", f"{said}{', ' if said else ''}{len(look.silent)} silent"
    return mark, f"{words}; {said}, asked {ago(at - look.at)}"


def _encrypted(look: Look | None, at: float) -> tuple[str, str]:
    if look is None:
        return "?", "not known: s asks every node"
    words = f"{look.encrypted} of {counted(look.pairs, 'pair')}, each end with an SA to send on"
    asked = f"asked {ago(at - look.at)}"
    if look.encrypted == look.pairs and not look.silent:
        return "ok", f"{words}; {asked}"
    first = ", ".join(f"{one} - {other}" for one, other in look.clear[:3])
    return "x", f"{look.encrypted} of {counted(look.pairs, 'pair')}{', not ' if first else ''}{first}; {asked}"


def _proof(proof: Proof | None, digest: str, at: float) -> tuple[str, str]:
    if proof is None:
        return "?", "never measured from here"
    words = (
        f"{counted(proof.measured, 'direction')}, {proof.measured - proof.failed} "
        f"PASS, {proof.failed} FAIL, {ago(at - proof.at)}"
    )
    if proof.digest != digest:
        return "!", f"{words}, of another bundle"
    return ("ok" if proof.ok else "x"), words


def _certificates(now: Standing) -> tuple[str, str]:
    if now.days_left is None:
        return "?", "not known: s asks every node" if now.look is None else "none on the nodes"
    return ("ok" if now.days_left >= CERTIFICATE_DAYS else "!"), (
        f"the first one ends in {counted(round(now.days_left), 'day')}"
    )


def _drift(now: Standing, at: float) -> tuple[str, str]:
    if now.look is None:
        return "?", "not known: s asks every node"
    if now.look.digest != now.digest:
        return "?", "the nodes were asked about another bundle"
    if now.drifted:
        first = now.drifted[0]
        rest = f" and {counted(len(now.drifted) - 1, 'more node')}" if len(now.drifted) > 1 else ""
        return "x", f"{first}: {now.look.nodes[first].differs[0]}{rest}"
    return "ok", f"none on {counted(len(now.look.nodes), 'node')}, asked {ago(at - now.look.at)}"


def _progress(now: Standing, at: float) -> tuple[str, str]:
    del at
    last = now.last
    if now.holder is not None:
        return "!", now.holder.words() + ("; it waits for a yes" if now.holder.waits else "")
    if last is None:
        return "ok", "nothing, and there was no transaction yet"
    when = last.runs[0].at.replace("T", " ").rstrip("Z") if last.runs else ""
    calm = last.outcome not in ("awaiting-confirm", "unfinished", "rollback-incomplete")
    return ("ok" if calm else "!"), f"{'nothing; last: ' if calm else ''}{last.transaction} {last.outcome}, {when} UTC"
