"""revert.sh once more, in Python: what it does to the memory of a node and, as far as it is played, to IPsec.

A process for each node and timer would make a thousand nodes impossible. That both do the same is held by
``test_script.py``, which runs the shell script and this over the same folders.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.simulation.machine import Node

ROOT, RUN, ETC = "/var/lib/ipsecplan", "/run/ipsecplan", "/etc/ipsecplan"
LATER = (15, 30, 60, 120, 240, 480, 900, 900, 900, 900)
AT = "2026-01-01T00:00:00Z"


def run(node: Node, what: str, tx: str = "", unit: str = "") -> tuple[int, str]:
    """Run the script with its words; return exit code and what it says."""
    return _Run(node, what).main(tx, unit)


class _Run:
    def __init__(self, node: Node, what: str) -> None:
        self.node, self.disk, self.what = node, node.disk, what
        self.left: list[str] = []
        self.tried = False

    def main(self, named: str, unit: str) -> tuple[int, str]:
        disk, what = self.disk, self.what
        self.tx = opened = disk.line(f"{ROOT}/open")
        if what == "timer":
            if not opened or opened != named:
                return 0, ""
            newest = disk.line(f"{RUN}/timer")
            if unit and newest and unit != newest:
                return 0, ""
        elif what in ("boot", "operator"):
            if not opened:
                return 0, ""
        elif what in ("relax", "plain", "off"):
            if not opened and '"state": "confirmed"' in (disk.read(f"{ROOT}/state.json") or ""):
                self.tx = disk.line(f"{ROOT}/last")
            if not self.tx:
                return 0, ""
        else:
            return 2, "usage"
        self._look_back(opened)
        if what == "timer" and self.before != "lost" and not self._begun() and self._witnessed() and self._confirm():
            return 0, "confirmed"
        if opened and not self._begun():
            self._put(f"{RUN}/reverting", self.tx + "\n")
            disk.unlink(f"{RUN}/revert.tries", missing=True)
        if what == "relax":
            self._accept_both()
            self._untrap()
        elif what == "plain":
            if self.before != "confirmed":
                node = self.node
                node.clear_out = True
        else:
            if what == "off":
                self.snapshot = f"{ROOT}/base"
            self._roll_back("removed" if what == "off" else "reverted")
        return (1 if self.left else 0), "; ".join(self.left)

    def _look_back(self, opened: str) -> None:
        self.folder = self.snapshot = f"{ROOT}/tx/{self.tx}"
        self.before, self.old_tx, self.old_release = "none", "", ""
        self.tried = False
        said = self.disk.line(f"{self.folder}/before").split()
        if not said:
            self.before, self.snapshot, self.folder = "lost", f"{ROOT}/base", f"{RUN}/lost"
        elif opened and self.what != "off":
            self.before = said[0]
            if self.before == "confirmed":
                self.old_tx, self.old_release = said[1:3]

    def _put(self, path: str, text: str) -> bool:
        try:
            self.disk.put(path, text.encode())
        except OSError:
            return False
        return True

    def _begun(self) -> bool:
        return self.disk.line(f"{RUN}/reverting") == self.tx

    def _witnessed(self) -> bool:
        words = self.disk.line(f"{self.folder}/witness").split()
        if not words or not self.disk.read(f"{self.folder}/confirmed.json") or self.node.guard != "drop":
            return False
        self.node.route = (words[0], words[1])
        answers = self.node.world.answers(self.node, words[0])
        self.node.route = None
        return answers

    def _confirm(self) -> bool:
        self._spend()
        text = (self.disk.read(f"{self.folder}/confirmed.json") or "").replace("@AT@", AT)
        if not self._put(f"{ROOT}/state.json", text):
            return False
        for path in (f"{ROOT}/open", f"{RUN}/timer", f"{RUN}/deadline"):
            self.disk.unlink(path, missing=True)
        self._token(self.node.addresses.add)
        return True

    def _token(self, change) -> None:
        address = self.disk.line(f"{self.folder}/token")
        if address:
            change(address)

    def _spend(self) -> None:
        for path in (f"{ROOT}/reserve", f"{ETC}/reserve"):
            self.disk.unlink(path, missing=True)

    def _accept_both(self) -> None:
        node = self.node
        self._token(node.addresses.discard)
        self._put(f"{RUN}/relaxed", "")
        if self.what != "relax" and not self.old_release:
            node.guard = "absent"
        elif node.guard != "absent":
            node.guard = "count"
        node.wide = True

    def _untrap(self) -> None:
        if self.node.charon_hangs:
            self.left.append("charon does not answer")
        else:
            self.node.traps = False

    def _roll_back(self, result: str) -> None:
        for _ in range(3):
            self.left = []
            self._back()
            self.left += self._left_over()
            if not self.left:
                if self._closed(result):
                    if self.what != "boot":
                        node = self.node
                        node.timers = {
                            u: t for u, t in node.timers.items() if not u.startswith(f"ipsecplan-revert-{self.tx}-")
                        }
                    return
                self.left = ["the state can't be written"]
                break
        said = "".join(f"{line}\n" for line in dict.fromkeys(self.left))
        self._put(f"{RUN}/reverting", f"{self.tx}\n{said}")
        if self.disk.line(f"{ROOT}/open"):
            self._again()

    def _back(self) -> None:
        node = self.node
        self._spend()
        if not self.old_release or not self.tried or node.guard != "drop":
            self._accept_both()
        self.tried = True
        self._restore_files()
        if node.charon_hangs:
            self.left.append("charon does not answer")
        else:
            node.loaded, node.traps = self.old_release or None, bool(self.old_release)
            pairs = (self.disk.read(f"{self.folder}/pairs") or "").split() or list(node.of_pair)
            node.end_sas(pairs)
        if not self.old_release:
            node.wide = node.clear_out = False
        else:
            self.disk.unlink(f"{RUN}/relaxed", missing=True)
            node.guard, node.wide = "drop", False

    def _restore_files(self) -> None:
        for line in (self.disk.read(f"{self.snapshot}/ipsec.list") or "").splitlines():
            was, _, path = line.partition(" ")
            if was == "absent":
                self.disk.unlink(path, missing=True)
            elif not self._put(path, self.disk.read(f"{self.snapshot}/tree{path}") or ""):
                self.left.append("files can't be put back")

    def _left_over(self) -> list[str]:
        node, said = self.node, []
        if not node.charon_hangs and not self.old_release and node.loaded:
            said.append("charon has connections")
        if self.old_release and node.guard != "drop":
            said.append("the guard does not drop")
        return said

    def _closed(self, result: str) -> bool:
        last = {"tx": self.tx, "result": result, "by": self.what, "at": AT}
        word = ("confirmed", self.old_tx, self.old_release) if self.old_release else ("none", "", "")
        state = {"schema": 1, "state": word[0], "tx": word[1], "release": word[2], "at": AT, "last": last}
        if not self._put(f"{ROOT}/state.json", json.dumps(state) + "\n"):
            return False
        if self.old_tx and f"{ROOT}/tx/{self.old_tx}" in self.disk.folders:
            self._put(f"{ROOT}/last", self.old_tx + "\n")
        for path in (f"{ROOT}/open", *(f"{RUN}/{n}" for n in ("timer", "deadline", "reverting", "revert.tries"))):
            self.disk.unlink(path, missing=True)
        self.disk.remove_tree(f"{RUN}/lost")
        return True

    def _again(self) -> None:
        tries = int(self.disk.line(f"{RUN}/revert.tries") or 0)
        if tries >= len(LATER):
            return
        self._put(f"{RUN}/revert.tries", f"{tries + 1}\n")
        unit = f"ipsecplan-revert-{self.tx}-again{tries + 1}x1"
        self.node.arm(unit, LATER[tries])
        self._put(f"{RUN}/timer", unit + "\n")
        self._put(f"{RUN}/deadline", f"{self.node.world.clock.now + LATER[tries]:.1f}\n")
