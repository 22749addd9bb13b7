"""The shape of an answer to an error code, and the states of the cluster that many of them share. Pure data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CodeHelp:
    """What an error code means, and what to do about it.

    A command in ``look`` may end with two blanks and ``# what to see``. Commands in ``remedy`` stand in backquotes.
    Commands that begin with ``ipsecplan`` run on the control machine, ``nNNN`` is a node, capitals are to be filled in.
    """

    means: str  # one to three sentences
    state: str  # what the cluster is in now: changed or not, protected or clear, timers
    look: tuple[str, ...]  # commands, in the order in which to run them
    remedy: str
    page: str  # below docs/, with the anchor of a heading where one fits

    def lines(self) -> list[tuple[str, str]]:
        """Return (word, text) in the order in which they are read; an empty word continues the one before."""
        look = [("look" if not number else "", command) for number, command in enumerate(self.look)]
        return [("means", self.means), ("state", self.state), *look, ("remedy", self.remedy), ("page", self.page)]


NO_NODE = "The command stopped before it contacted a node. No node was changed, and no file was written."
BEFORE = (
    "Found before the first change: no node was changed (exit 1, or 3 for an input). Pairs are as they"
    " were, encrypted or clear, and no rollback timer runs."
)
WARNING = "This is a warning: the command went on."
ROLLED_BACK = (
    "The transaction was rolled back on every node: exit 6 when all of them were read back as before, 7 when one was"
    " not. Pairs are as before the command, clear or encrypted as confirmed last; MTUs that were lowered stay low."
)
LOOKED = "`status` only looks. It changed nothing, and no rollback timer was started."
LAB = "Only the lab on this machine is concerned. No node of a real cluster was contacted."
PATCHES = "Nothing was sent to the cluster: its MTU, its pods and its encryption are as they were."
READ_ONLY = "`audit` only reads. Neither the hosts nor the files that it read were changed."
