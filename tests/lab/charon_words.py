"""What charon, swanctl and systemd say of a node, judged by meaning: a fault of the configuration, or only noted.

A slow machine answers late. Then charon retransmits, gets a request twice, or both ends begin at once: lines that say
so are noted (:data:`NOTED`), they are how IKE works. That a proposal, a selector, an identity or a certificate is
refused, that the kernel takes no policy, that a file can't be read: these are faults, and so is every line with a word
of failure that nobody has judged yet. What is left are plain lines.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

# One pattern a line; each is how charon 5.9 begins a line or a part that stands in no line of another meaning
_LATE = (
    r"^retransmit \d+ of request with message ID \d+",
    r"^received retransmit of request with ID \d+, retransmitting response",
    r"^ignoring request with ID \d+, already processing",
    r"^received message ID \d+, expected \d+, ignored",
    r"^giving up after \d+ retransmits",
    r"^peer not responding, trying again",
    r"^(establishing|rekeying) IKE_SA failed, peer not responding",
    r"^proper IKE_SA delete failed, peer not responding",
    r"^deleting half open IKE_SA with \S+ after timeout",
    r"^ignoring IKE_SA setup from \S+, (per-IP )?half-open IKE_SA limit",
    r"^ignoring IKE_SA setup from \S+, job load",
    r"^(retransmitting Netlink request|received unknown netlink seq \d+, ignored)",
    r"^CHILD_SA rekeying failed, trying again in \d+ seconds",
    r"^(DPD check timed out|sending DPD request)",
    r"^received TEMPORARY_FAILURE notify, will retry later",
    r"^received INVALID_MESSAGE_ID notify",
)
_TOGETHER = (
    r"^detected \S+ collision with \S+",
    r"^(CHILD_SA|IKE_SA) rekey(/delete)? collision",
    r"^colliding exchange did not result in an IKE_SA, ignore",
    r"^peer did not notice IKE_SA rekey collision",
    r"^peer initiated rekeying, but ",
    r"^unable to (rekey|create CHILD_SA while)",
    r"^unable to terminate (IKE|CHILD)_SA: ID \d+ not found",  # gone between the list and the request that follows it
    r"^received CHILD_SA_NOT_FOUND notify",  # the peer has ended it in the same moment
    r"^peer didn't find the CHILD_SA we tried to rekey",
    r"^received DELETE for unknown \S+ CHILD_SA",
    r"^CHILD_SA not found after rekeying",
    r"^CHILD_SA \S+ not found for (delete|rekey|update)",
    r"^(deleting|destroying|schedule delete of) duplicate IKE_SA",
    r"^not establishing CHILD_SA .* due to existing duplicate",
    r"^ignoring acquire for reqid \d+, connection attempt pending",
    r"^trap not found, unable to acquire reqid \d+",
    r"^querying (SAD entry|policy) .*failed: (No such process|No such file or directory)",
    r"^unable to delete (old )?SAD entry .*",  # both ends, or we before it, have taken the state away
    r"^deleting policy .* failed, not found",
    r"^allocated SPI not found anymore, try to add SAD entry",
    r"^policy already exists, try to update it",
    r"^peer didn't accept (DH group|key exchange method) \S+, it requested",  # asked again with the other one
    r"^(DH group|key exchange method) \S+ unacceptable, requesting",
)
_HARMLESS = (
    r"^no files found matching '\S+'",
    r"^using trusted (ca )?certificate",  # "... without revocation" and the like say what was skipped, not what failed
    r"^(certificate status is not available|no revocation)",
    r"^received \d+ cert requests for an unknown ca",
    r"^authentication of .* with .* successful",
    r"^faking NAT situation to enforce UDP encapsulation",
    r"^received ESP_TFC_PADDING_NOT_SUPPORTED, not using",
    r"^unable to flush ",  # an empty database
    r"^signature validation failed, looking for another key$",  # if none fits, authentication fails, which is judged
    r"^embedding PUBKEY certificate in payload failed$",  # raw keys don't travel: the peer has them
    r"^successfully loaded \d+ ",
    r"^no \S+ found, \d+ unloaded$",
    r"^plugin '\S+': failed to load - \S+ not found",  # the lab has few plugins on purpose
    r"^loaded plugins: ",
    r"^unable to load \d+ plugin features? \(\d+ due to unmet dependencies\)$",
)
NOTED = re.compile("|".join((*_LATE, *_TOGETHER)))
PLAIN = re.compile("|".join(_HARMLESS))
FAILS = re.compile(
    r"fail|error|unable|invalid|unknown|unsupported|not supported|unacceptable|mismatch|missing|refus|reject|denied"
    r"|forbid|discard|ignor|warn|abort|cancel|corrupt|critical|could not|couldn't|can't|cannot|not found|not acceptable"
    r"|no (\S+ ){0,4}(found|chosen|selected|configured|built)\b|but require|NO_PROPOSAL|TS_UNACC|AUTH_FAILED"
    r"|INVALID_|NO_ADDITIONAL|FAILED_CP|SYNTAX|unexpected|expired|revoked|exceed|timed out|giving up|destroying IKE_SA"
    r"|killed|core-dump|status=[1-9]",
    re.IGNORECASE,
)
_PREFIX = re.compile(r"^(charon-systemd\[\d+\]: |charon: )?(\d{2}\[[A-Z]{3}\] )?")
_EXCHANGE = re.compile(r"^(parsed|generating) \S+ (request|response) \d+ \[([^]]*)\]$")
# Notifies in a message; the others are how IKE negotiates
_BAD_NOTIFY = re.compile(
    r"N\((NO_PROP|TS_UNACCEPT|AUTH_FAILED|INVAL_(?!KE\b|MID|SPI)\w*|SINGLE_PAIR|NO_ADD_SAS|INT_ADDR_FAIL|FAIL_CP_REQ"
    r"|CRIT|\d+)\)"
)


@dataclass(frozen=True)
class Said:
    """What a log says: ``faults`` of what was configured, and lines that are only ``noted``."""

    faults: tuple[str, ...]
    noted: tuple[str, ...]


def listen(lines: Iterable[str]) -> Said:
    """Sort the lines of a log, of charon or of a program that loads something into it; plain lines are left out."""
    faults, noted = [], []
    for line in lines:
        kind = meaning(line)
        if kind == "fault":
            faults.append(line)
        elif kind == "noted":
            noted.append(line)
    return Said(tuple(faults), tuple(noted))


def meaning(line: str) -> str:
    """Return "fault", "noted" or "plain"."""
    text = _PREFIX.sub("", line.strip())
    exchange = _EXCHANGE.match(text)
    if exchange:
        return "fault" if _BAD_NOTIFY.search(exchange[3]) else "plain"
    if NOTED.search(text):
        return "noted"
    if PLAIN.search(text) or not FAILS.search(text):
        return "plain"
    return "fault"
