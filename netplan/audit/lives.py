"""Lifetimes in strongSwan's and libreswan's files that cut the traffic: each was measured with real daemons.

Defaults are those of swanctl.conf(5) and ipsec.conf(5): a CHILD_SA is rekeyed after 1 h and ends a tenth later; with
ipsec.conf it ends after 1 h and is rekeyed 9 to 18 min before.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from netplan.audit.model import Finding, Severity
from netplan.cni.yaml_document import find_word
from netplan.ipsec.swanctl_parser import Settings
from netplan.model.lifetimes import LEAST_MARGIN_S
from netplan.problems import Location

CODE = "IPP921"
HOUR = 3600
MARGIN_S = 540  # margintime of ipsec.conf
_NUMBER = re.compile(r"(\d{1,15})\s*([a-zA-Z]?)")
_TIMES = {"": 1, "s": 1, "m": 60, "h": HOUR, "d": 86400}
_SIZES = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30}
_OFF = ("no", "false", "0", "never", "disabled")
_WORKAROUND = "rekey_time renews the keys without an end"
_REAUTH = (
    "each time the IKE_SA is made anew: strongSwan before 6.0 ends the old one first, so packets are lost and some "
    "leave in clear; with it on both ends IKE_SAs multiply without end"
)


def _read(text: str, units: Mapping[str, int]) -> int | None:
    """Read a time or a size; None where it is none."""
    found = _NUMBER.fullmatch(text.strip())
    unit = units.get(found.group(2).lower()) if found else None
    return int(found.group(1)) * unit if found and unit else None


class Places:
    """Finds the line of a key: below where its section begins, or anywhere, as where a section is inherited."""

    def __init__(self, path: str, lines: list[str], start: int) -> None:
        self.path, self.lines, self.start = path, lines, start

    def of(self, key: str) -> Location:
        """Return where a key stands, or its section where it stands nowhere."""
        wanted = re.compile(rf"(^|[\s{{]){re.escape(key)}\s*=", re.IGNORECASE)
        for index in (*range(self.start, len(self.lines)), *range(self.start)):
            if wanted.search(self.lines[index]):
                return find_word(self.path, self.lines, index, key)
        return Location(self.path, self.start + 1)


def _finding(severity: Severity, field: str, location: Location, message: str, change: str) -> Finding:
    return Finding(
        code=CODE,
        severity=severity,
        system="strongswan",
        field=field,
        location=location,
        message=message,
        change=change,
    )


def of_connection(connection: Settings, places: Places) -> Iterator[Finding]:
    """Generate what is wrong with the lifetimes of a connection of swanctl.conf, its children included."""
    if _read(connection.get("reauth_time", "0"), _TIMES):
        said = connection.get("reauth_time", "0")
        yield _reauth("reauth_time", said, places, f"take reauth_time out of it, at least on one end: {_WORKAROUND}")
    for child in connection.section("children").sections.values():
        yield from _of_child(child, places)


def of_loaded(connection: Mapping[str, object], location: Location) -> Iterator[Finding]:
    """Generate what is wrong with a connection of ``--list-conns --raw``, which has no hard limits."""
    said = str(connection.get("reauth_time", "0"))
    if _read(said, _TIMES):
        change = f"take reauth_time out of it, at least on one end: {_WORKAROUND}"
        yield _finding("warning", "reauth_time", location, f"reauth_time is {said} s: {_REAUTH}", change)


def _reauth(key: str, said: str, places: Places, change: str) -> Finding:
    return _finding("warning", key, places.of(key), f"{key} is {said}: {_REAUTH}", change)


def _of_child(child: Settings, places: Places) -> Iterator[Finding]:
    for what, units, unit in (("time", _TIMES, "s"), ("bytes", _SIZES, "bytes"), ("packets", _SIZES, "packets")):
        rekey, life = _pair(child, what, units)
        if not life:
            continue  # no end: nothing is cut
        key = f"life_{what}" if f"life_{what}" in child.values else f"rekey_{what}"
        if not rekey:
            text = (
                f"a CHILD_SA ends after {life} {unit}, and rekey_{what} is 0: packets are lost until there is a new one"
            )
            change = f"set rekey_{what} below life_{what}, or neither where the other end rekeys"
            yield _finding("error", key, places.of(key), text, change)
        elif what == "time":
            yield from _short(life - rekey, key, places)
        elif rekey >= life:
            text = (
                f"a CHILD_SA ends after {life} {unit}, before it is rekeyed: packets are lost until there is a new one"
            )
            change = f"set life_{what} above rekey_{what} by what passes in {LEAST_MARGIN_S} s"
            yield _finding("error", key, places.of(key), text, change)


def _pair(child: Settings, what: str, units: Mapping[str, int]) -> tuple[int, int]:
    """Return the soft and the hard limit as charon completes them; 0: none. A value that is none is no limit."""
    rekey, life = (_read(child.values.get(f"{word}_{what}", ""), units) for word in ("rekey", "life"))
    if rekey is None:
        rekey = life * 10 // 11 if life is not None else HOUR if what == "time" else 0
    return rekey, rekey * 11 // 10 if life is None else life


def _short(left: int, key: str, places: Places) -> Iterator[Finding]:
    """Judge the seconds between a rekey at its latest and the end of the SA."""
    if left >= LEAST_MARGIN_S:
        return
    change = f"leave {LEAST_MARGIN_S} s or more between the rekey and the end of a CHILD_SA"
    if left <= 0:
        text = f"{key}: a CHILD_SA ends before it is rekeyed: packets are lost until there is a new one"
        yield _finding("error", key, places.of(key), text, change)
        return
    text = (
        f"{key}: a CHILD_SA has {left} s from its rekey to its end; where both ends rekey at once an answer is lost "
        "and comes again 4 s later, and on a busy host a rekey takes as long"
    )
    yield _finding("warning", key, places.of(key), text, change)


def of_conn(keys: Mapping[str, str], places: Places, *, strongswan: bool) -> Iterator[Finding]:
    """Generate what is wrong with the lifetimes of a conn of ipsec.conf. ``strongswan``: it is certainly its file."""
    reauth = keys.get("reauth", "").lower()
    change = "reauth = no: the keys are renewed without an end"
    if reauth and reauth not in _OFF:
        yield _reauth("reauth", reauth, places, change)
    elif not reauth and strongswan and keys.get("keyexchange", "").lower() != "ikev1":
        yield _finding("warning", "reauth", places.of("conn"), f"reauth is not set, which means yes: {_REAUTH}", change)
    if keys.get("rekey", "yes").lower() in _OFF:
        return  # the other end rekeys
    names = ("margintime", "rekeymargin")
    key = next((name for name in names if name in keys), "")
    margin = _read(keys.get(key, ""), _TIMES) if key else MARGIN_S
    if margin is not None and margin < LEAST_MARGIN_S:
        yield from _short(margin, key, places)


def is_strongswan(text: str) -> bool:
    """Tell whether an ipsec.conf has words in it that only strongSwan knows."""
    return bool(re.search(r"^[ \t]+(charondebug|strictcrlpolicy|cachecrls|charonstart)\s*=", text, re.MULTILINE))
