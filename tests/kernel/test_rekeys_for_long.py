"""200 rekeys by timers between each two releases: what is lost of full-size packets with DF, and why.

The files are those of a plan, with lives of 20 s. One guest has them as rendered, the responder's lives a quarter
longer; the other has the same life and no chance on both ends, so that both begin at once again and again, and lives
with which libreswan begins. In both an SA ends 14 s after its rekey, the least that a plan may have. IPSECPLAN_REKEYS
sets another number of rekeys.
"""

from __future__ import annotations

import itertools
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from netplan.ipsec import ca
from netplan.ipsec.connections import connection_file
from netplan.ipsec.far_end import libreswan
from netplan.ipsec.far_end.ends import far_end
from netplan.model.lifetimes import LEAST_MARGIN_S
from tests.ci import roots
from tests.support.plans import make_planned

from . import ends
from .boot import NoKernel, measure
from .test_libreswan import conns

REKEYS = int(os.environ.get("IPSECPLAN_REKEYS", "200"))
LIFE_S, LATER_S, RATE = 20, 30, 100
SUITES = {"5.9.8": "bookworm", "6.0.1": "trixie", "6.1.0": "sid", "libreswan": "sid"}
PAIRS = [pair for pair in itertools.combinations_with_replacement(SUITES, 2) if pair[0] != "libreswan"]
KINDS = ("as rendered", "both at once")
OVERLAY = 14 + 8  # a packet of the pods inside has an Ethernet and a VXLAN header outside it
Row = dict[str, Any]
pytestmark = [pytest.mark.drill, pytest.mark.slow, pytest.mark.timeout(REKEYS * LIFE_S + 2400)]


def lives(text: str, kind: str, least: int = LIFE_S) -> str:
    """Return charon's file with the least end of an SA that a plan's lives may have, behind lives that are shorter."""
    if kind == "both at once":
        text = re.sub(r"(ipp-\d+c : .*\n(?:.*\n)*?    rekey_time = )\d+s", rf"\g<1>{least}s", text)

    def ended(found: re.Match[str]) -> str:
        life = int(found[2])
        chance = life // 10 if kind == "as rendered" else 0
        return f"{found[0]}    life_time = {life + LEAST_MARGIN_S}s\n    rand_time = {chance}s\n"

    made, number = re.subn(r"(    rekey_time = (\d+)s\n    rekey_packets = \d+\n)", ended, text)
    assert number
    return made


def pair(folder: Path, one: str, other: str, kind: str, made: dict[str, Path]) -> Row:
    """Write the files of both ends, and say what the program is to know."""
    is_far = other == "libreswan"
    about: dict[int, dict[str, object]] = {1: {"strongswan_version": one}}
    about[2] = {"ipsecplan_managed": False} if is_far else {"strongswan_version": other}
    about[3] = {"strongswan_version": one}  # a host whose peers are all managed elsewhere has no plan
    plan = make_planned(3, about, ipsec={"lifetimes": {"child": f"{LIFE_S}s"}}).plan
    nodes = {node.name: node for node in plan.nodes}
    first, second = nodes["n1"], nodes["n2"]
    connection = next(c for c in plan.connections(first) if c.remote.id == second.id)
    authority = ca.open_authority(folder / "ca", "demo")
    given = folder / kind.replace(" ", "-") / f"{one}-{other}"
    said = [{"program": "charon", "root": str(made[one]), "given": str(given / "a")}]
    ends.ours(
        given / "a", plan, first, authority, lives(connection_file(plan, first), kind, LATER_S if is_far else LIFE_S)
    )
    if is_far:
        end = far_end(plan, second)
        sheet = libreswan.text(end)
        if kind == "both at once":
            (margin,) = set(re.findall(r"rekeymargin=(\d+)s", sheet))
            # pluto halves the margin of an SA that its peer began; with charon's lives it would never be the first
            sheet = re.sub(r"salifetime=\d+s", f"salifetime={LIFE_S + int(margin)}s", sheet)
        ends.theirs(given / "b", plan, second, authority, sheet)
        mine = [name for name in conns(sheet) if name.startswith(connection.pair.id)]
        said.append({"program": "pluto", "root": str(made[other]), "given": str(given / "b"), "conns": mine})
    else:
        ends.ours(given / "b", plan, second, authority, lives(connection_file(plan, second), kind))
        said.append({"program": "charon", "root": str(made[other]), "given": str(given / "b")})
    begins = "a" if connection.initiates else "b"
    return {
        "pair": f"{one} {other}",
        "kind": f"{kind}, {begins} begins" if kind == "as rendered" else "b begins" if is_far else kind,
        "ends": said,
        "addresses": [first.address, second.address],
        "children": [f"{connection.pair.id}-{name}" for name in ("out", "in")],
        "payload": plan.pod_mtu + OVERLAY,
    }


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[Row]:
    why = roots.no_root("trixie")
    if why:
        pytest.skip(why)
    try:
        made = {
            name: roots.root(suite, ends.PLUTO_PACKAGES, ends.PLUTO, kind="libreswan")
            if name == "libreswan"
            else roots.root(suite, ends.CHARON_PACKAGES, ends.CHARON, kind="charon")
            for name, suite in SUITES.items()
        }
    except roots.NoRootError as error:
        pytest.skip(str(error))
    folder: Path = tmp_path_factory.mktemp("rekeys")
    jobs = []
    for kind in KINDS:
        found = [pair(folder, *names, kind, made) for names in PAIRS]
        sizes = {one.pop("payload") for one in found}
        assert sizes == {1438}, sizes
        jobs.append({"pairs": found, "seconds": REKEYS * LIFE_S, "rate": RATE, "payload": sizes.pop()})
    scratch = tmp_path_factory.mktemp("kernel")
    print(f"\nwatch: {scratch}")
    try:
        where, found_rows = measure(jobs, scratch, "rekeys_for_long.py", timeout=REKEYS * LIFE_S + 1500, memory="1G")
    except NoKernel as error:
        pytest.skip(str(error))
    print(f"on {where}")
    for row in found_rows:
        print(json.dumps(row))
    for row in found_rows:
        print(table(row))
    return found_rows


def table(row: Row) -> str:
    if "failed" in row:
        return str(row["failed"])
    ways = "; ".join(
        f"{name} {way['lost']} lost of {way['sent']}, refused {way['refused']}" for name, way in row["ways"].items()
    )
    counts = [{key: end.get(key) for key in ("begun", "new", "collisions", "ignored")} for end in row["ends"].values()]
    return f"{row['pair']} ({row['kind']}): {ways}; {counts}"


def test_every_pair_came_to_its_end(rows: list[Row]) -> None:
    assert [row["failed"] for row in rows if "failed" in row] == []
    assert len(rows) == len(PAIRS) * len(KINDS)
    for row in rows:
        assert row["larger"] == ["EMSGSIZE", "EMSGSIZE"], "the packets were as large as may be"
        assert row["planted"] >= 2, "the watcher sees what is in clear"
        assert all(end["clear"] == 0 for end in row["ends"].values()), row
        assert all(way["odd"] == 0 and way["twice"] == 0 for way in row["ways"].values()), row


def test_both_children_were_rekeyed_all_the_time(rows: list[Row]) -> None:
    for row in rows:
        a = row["ends"]["a"]
        assert a["new"] >= 2 * REKEYS * 3 // 4, (row["pair"], row["kind"], a)
        assert a["states"] <= 12, "nothing is left over"


def test_nothing_is_lost_that_no_log_or_counter_explains(rows: list[Row]) -> None:
    """What was not refused by sendto and never arrived has its counter, and its words in a log beside the gap."""
    for row in rows:
        counted = sum(n for end in row["ends"].values() for n in end["counters"].values())
        assert sum(way["lost"] for way in row["ways"].values()) <= counted, row
        for name, way in row["ways"].items():
            for gap in way["gaps"]:
                assert gap["said"], (row["pair"], row["kind"], name, gap)


def test_hardly_anything_is_lost_and_no_gap_is_one_of_a_retransmission(rows: list[Row]) -> None:
    """Only where the machine was busy with other things for longer than a rekey has time is a gap longer."""
    for row in rows:
        for name, way in row["ways"].items():
            assert set(way["refused"]) <= {"EINVAL"}, (row["pair"], name, way["refused"])
            # pluto sends on a new SA before charon, which began, has its answer
            share = 100 if "libreswan" in row["pair"] else 1000
            assert way["lost"] + sum(way["refused"].values()) <= way["sent"] // share, (row["pair"], name)
            long = [gap for gap in way["gaps"] if gap["for"] >= 1 and not gap["slow"]]
            assert not long, (row["pair"], row["kind"], name, long)
