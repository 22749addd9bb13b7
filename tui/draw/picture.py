"""Gathers what the overview shows: plan, bundle and state directory. Asks no node; made for a thread."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from pathlib import Path

from netplan.bundle import reader
from netplan.bundle.reader import Bundle
from netplan.inputs.inventory import Inventory
from netplan.inputs.path_kinds import MANIFEST
from netplan.model.planfile import PlanFile
from netplan.problems import ProblemError
from netplan.rollout.record.seen import Look
from netplan.rollout.standing import Folded, NextStep, Standing, next_step, standing
from tui.draw import bundle_words


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """What is known at ``at`` (seconds since the epoch). ``names``: node id -> name of the bundle's nodes."""

    at: float
    standing: Standing
    step: NextStep
    names: dict[str, str] = field(default_factory=dict)
    bundle: str = ""  # what the bundle is, in words
    unlike: str = ""  # why it is not what the plan says, or nothing
    wrong: str = ""  # why there is no bundle, or what is wrong with it


class Gatherer:
    """Keeps what it has read, and reads a file again only when it has changed."""

    def __init__(self) -> None:
        self._folded = Folded()
        self._bundle: tuple[tuple[Path, int], Bundle, str] | None = None

    def gather(
        self,
        bundle: Path,
        root: Path,
        plan: PlanFile | None,
        path: Path | None,
        fresh: Look | None = None,
        inventory: Inventory | None = None,
    ) -> Picture:
        """Return the picture of now; what can't be read is said in it. ``fresh``: answers that may not be on disk."""
        found, words, wrong = None, "", ""
        try:
            found, words = self._read(bundle)
        except ProblemError as error:
            wrong = error.problems[0].message
        except OSError as error:
            wrong = error.strerror or str(error)
        cluster = found.cluster if found else plan.name if plan else ""
        unlike = " ".join(bundle_words.unlike_plan(found, plan, path, inventory)).removeprefix("! ") if found else ""
        known = standing(root, cluster, found.digest if found else "", self._folded) if cluster else Standing()
        if fresh is not None and (known.look is None or known.look.at < fresh.at):
            known = replace(known, look=fresh)
        now = time.time()
        return Picture(
            at=now,
            standing=known,
            step=next_step(known, now, old=bool(unlike)),
            names={i: str(node["name"]) for i, node in found.nodes.items()} if found else {},
            bundle=words,
            unlike=unlike,
            wrong=wrong,
        )

    def _read(self, directory: Path) -> tuple[Bundle, str]:
        """Read a bundle's manifest unless it is the one that was read last; its files are checked before a rollout."""
        mark = directory, (directory / MANIFEST).stat().st_mtime_ns if (directory / MANIFEST).is_file() else 0
        if self._bundle is None or self._bundle[0] != mark:
            found = reader.read(directory, files=False)
            self._bundle = mark, found, " ".join(bundle_words.about(found))
        return self._bundle[1], self._bundle[2]
