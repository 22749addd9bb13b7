"""What goes on from one run of the timer to the next: sums over rekeys, and what charon's log has said.

A CHILD_SA begins at 0, so a sum over SAs falls at each rekey, and Prometheus would take that for a counter that began
anew and add all of it again. Here every SA adds what it has counted since it was last seen.

The log is matched by its text: charon gives its failures a lower priority than its successes, and one MESSAGE_ID to all
notifies. Only an IKE_SA's own name, a field of its own in the journal, says whose line it is.
"""

from __future__ import annotations

import json
import re

from ..system import core

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..protocol.reply import PairCounters
    from ..protocol.words import Json

KEYS = ("bytes_in", "bytes_out", "packets_in", "packets_out")
MOST_LINES = 20000  # of the log that one run reads
LOG_S = 20.0
RETRANSMIT = re.compile(r"retransmit \d+ of request")
# reason -> what charon says then; in the order in which they are looked for, the first counts
REASONS = {
    "authentication": re.compile(
        r"AUTHENTICATION_FAILED|AUTH_FAILED|no matching peer config found|no (shared|private) key found"
        r"|but MAC mismatched|no trusted .* found|constraint check(ing)? failed|peer certificate verification failed"
    ),
    "proposal": re.compile(
        r"NO_PROPOSAL_CHOSEN|proposals unacceptable|no (acceptable )?proposal found|no matching proposal found, sending"
    ),
    "selectors": re.compile(r"TS_UNACCEPTABLE|traffic selectors .*unacceptable"),
    "no-answer": re.compile(r"giving up after \d+ retransmits"),
    "integrity": re.compile(r"integrity (check )?failed|verification failed|could not decrypt payloads"),
    "rekey": re.compile(r"failed to establish CHILD_SA|(CHILD|IKE)_SA rekeying failed|rekeying IKE_SA failed"),
}


class Memory:
    """``sums``: pair -> bytes and packets; ``retransmits``: pair -> requests sent again; ``failures``: reason -> lines.

    ``all``: the sums of every pair that there ever was since boot.
    """

    def __init__(self, kept: str = "") -> None:
        try:
            said: Json = json.loads(kept) if kept else {}
            self.cursor = str(said.get("cursor", ""))
            self.sums: dict[str, dict[str, int]] = {k: _numbers(v) for k, v in said.get("sums", {}).items()}
            self.last: dict[str, dict[str, int]] = {k: _numbers(v) for k, v in said.get("last", {}).items()}
            self.retransmits = _numbers(said.get("retransmits", {}))
            self.failures = _numbers(said.get("failures", {}))
            self.all = _numbers(said.get("all", {}))
        except (ValueError, AttributeError, TypeError):  # a damaged file: everything begins at 0, as after a boot
            self.cursor, self.sums, self.last, self.retransmits, self.failures, self.all = "", {}, {}, {}, {}, {}

    def dump(self) -> str:
        """Return it as text."""
        return json.dumps(
            {
                "cursor": self.cursor,
                "sums": self.sums,
                "last": self.last,
                "retransmits": self.retransmits,
                "failures": self.failures,
                "all": self.all,
            }
        )

    def count(self, pairs: list[PairCounters]) -> None:
        """Add what the SAs of every pair have counted since they were last seen. Pairs that are gone are forgotten."""
        last: dict[str, dict[str, int]] = {}
        sums: dict[str, dict[str, int]] = {}
        for pair in pairs:
            whose = key(pair["peer"], pair["network"])
            total = sums[whose] = dict(self.sums.get(whose) or dict.fromkeys(KEYS, 0))
            for child in pair["children"]:
                name = f"{whose} {child['id']}"
                now = {"bytes_in": child["bytes_in"], "bytes_out": child["bytes_out"]}
                now.update(packets_in=child["packets_in"], packets_out=child["packets_out"])
                before = self.last.get(name, {})
                if any(now[k] < before.get(k, 0) for k in KEYS):  # charon began anew, and numbers its SAs again
                    before = {}
                for k in KEYS:
                    more = now[k] - before.get(k, 0)
                    total[k] += more
                    self.all[k] = self.all.get(k, 0) + more
                last[name] = now
        self.last, self.sums = last, sums

    def listen(self) -> None:
        """Count what charon has said since the last time, or since boot."""
        where = ["--after-cursor", self.cursor] if self.cursor else ["-b"]
        done = core.run(
            "journalctl",
            "-u",
            "strongswan*",
            *where,
            "-n",
            MOST_LINES,
            "--no-pager",
            "-o",
            "json",
            "--output-fields=MESSAGE,IKE_SA_NAME",
            timeout=LOG_S,
        )
        if done.code != 0:
            self.cursor = ""  # a journal that was rotated away: what it said is lost, and nothing is counted twice
            self.skip()
            return
        for line in done.out.splitlines():
            try:
                said = json.loads(line)
            except ValueError:
                continue
            if isinstance(said, dict):
                self.cursor = str(said.get("__CURSOR", self.cursor))
                self.hear(said.get("MESSAGE"), said.get("IKE_SA_NAME"))

    def skip(self) -> None:
        """Go on behind the newest line."""
        done = core.run("journalctl", "-n", "1", "--no-pager", "-o", "json", "--output-fields=_BOOT_ID", timeout=LOG_S)
        if done.code == 0 and done.out.startswith("{"):
            self.cursor = str(json.loads(done.out.splitlines()[0]).get("__CURSOR", ""))

    def hear(self, message: object, pair: object) -> None:
        """Count one line of charon's log."""
        if not isinstance(message, str):
            return
        if RETRANSMIT.search(message):
            if isinstance(pair, str):
                self.retransmits[pair] = self.retransmits.get(pair, 0) + 1
            return
        for reason, pattern in REASONS.items():
            if pattern.search(message):
                self.failures[reason] = self.failures.get(reason, 0) + 1
                return


def key(peer: str, network: str) -> str:
    """Return what a pair is kept under."""
    return f"{peer}/{network}"


def _numbers(found: Json) -> dict[str, int]:
    return {str(name): int(value) for name, value in found.items()}
