"""Our files in charon beside the far-end sheet in pluto: VXLAN between them, both modes, rekeyed from both ends.

strongSwan and libreswan are those of Debian 13, in roots that are made once and kept; the kernel is this machine's, or
a User Mode Linux guest's. Skipped only where there is neither kernel nor root.
"""

from __future__ import annotations

import datetime
import json
import re
from pathlib import Path
from typing import Any

import pytest

from netplan.ipsec import ca
from netplan.ipsec.far_end import libreswan
from netplan.ipsec.far_end.ends import far_end
from tests.ci import roots
from tests.support.plans import make_planned

from . import ends
from .boot import NoKernel, measure
from .test_libreswan import conns

pytestmark = pytest.mark.drill
ADDRESSES = ("10.77.0.11", "10.77.0.14")
CASES = [(mode, asks) for mode in ("transport", "tunnel") for asks in ("ours", "far")]

Row = dict[str, Any]


def job(folder: Path, charon: Path, pluto: Path, mode: str, asks: str) -> Row:
    """Write the files of both ends, as a bundle has them, and say what to do with them."""
    plan = make_planned(4, {4: {"ipsecplan_managed": False}}, ipsec={"mode": mode}).plan
    far = next(n for n in plan.nodes if not n.managed)
    ours = next(n for n in plan.nodes if n.address == ADDRESSES[0])
    end = far_end(plan, far)
    tunnel = next(t for t in end.tunnels if t.peer == ADDRESSES[0])
    authority = ca.open_authority(folder / "ca", "demo")
    given = folder / f"{mode}-{asks}"
    sheet = libreswan.text(end)
    if asks == "nobody":  # as it is when an administrator leaves the group out
        sheet = sheet.replace("esp=aes_gcm256;dh31", "esp=aes_gcm256;dh20")
    ends.ours(given / "ours", plan, ours, authority, log="charon.log")
    ends.theirs(given / "far", plan, far, authority, sheet)
    return {
        "mode": mode,
        "asks": asks,
        "given": str(given),
        "charon": str(charon),
        "pluto": str(pluto),
        "addresses": ADDRESSES,
        "children": [f"{tunnel.pair}-out", f"{tunnel.pair}-in"],
        # what we send on is what the far end calls the other direction
        "conns": [f"{tunnel.pair}-in", f"{tunnel.pair}-out"],
        "all_conns": conns(sheet),
        "planned": plan.pod_mtu,
        "at": f"{datetime.datetime.now(datetime.UTC):%s}",
    }


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Row]:
    why = roots.no_root("trixie")
    if why:
        pytest.skip(why)
    try:
        charon = roots.root("trixie", ends.CHARON_PACKAGES, ends.CHARON, kind="charon")
        pluto = roots.root("trixie", ends.PLUTO_PACKAGES, ends.PLUTO, kind="libreswan")
    except roots.NoRootError as error:
        pytest.skip(str(error))
    folder: Path = tmp_path_factory.mktemp("beside")
    wanted = [*CASES, ("transport", "nobody"), ("transport", "lost")]
    jobs = [job(folder, charon, pluto, mode, asks) for mode, asks in wanted]
    try:
        where, found = measure(jobs, tmp_path_factory.mktemp("kernel"), "beside_libreswan.py", timeout=1500)
    except NoKernel as error:
        pytest.skip(str(error))
    print(f"\non {where}")
    for one, row in zip(jobs, found, strict=True):
        print(one["mode"], one["asks"], json.dumps(row, indent=1))
    return {case: {**row, "planned": one["planned"]} for case, one, row in zip(wanted, jobs, found, strict=True)}


@pytest.mark.parametrize("case", CASES, ids="-".join)
@pytest.mark.parametrize("when", ["first", "last"])
def test_the_planned_size_passes_and_one_byte_more_does_not(
    case: tuple[str, str], when: str, rows: dict[tuple[str, str], Row]
) -> None:
    row = rows[case]
    assert "failed" not in row, row["failed"]
    wanted = {"n": row["planned"], "passes": True, "refused": True, "outer": 1500, "clear": 0}
    assert row[when] == {**wanted, "outer": row[when]["outer"]}
    assert 1500 - row[when]["outer"] < 4, "ESP pads to 4 bytes"


@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_three_rekeys_made_new_sas_each_time(case: tuple[str, str], rows: dict[tuple[str, str], Row]) -> None:
    assert len(rows[case]["rekeys"]) == 3
    assert all(new >= 4 for new in rows[case]["rekeys"]), "two children, two directions"


@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_both_ends_hold_what_was_planned(case: tuple[str, str], rows: dict[tuple[str, str], Row]) -> None:
    states = rows[case]["states"]
    assert f"mode {case[0]}" in states
    assert {"transport": "mode tunnel", "tunnel": "mode transport"}[case[0]] not in states
    assert "rfc4106(gcm(aes))" in states


@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_each_side_logs_the_rekeys_of_both(case: tuple[str, str], rows: dict[tuple[str, str], Row]) -> None:
    charon, pluto = ("\n".join(rows[case]["logs"][name]) for name in ("charon", "pluto"))
    assert len(re.findall(r"vici rekey CHILD_SA 'pair-\S+'", charon)) == 2, "of the last round, by us"
    assert len(re.findall(r"generating CREATE_CHILD_SA request \d+ \[ N\(REKEY_SA\) .*KE ", charon)) == 2
    assert len(re.findall(r"parsed CREATE_CHILD_SA request \d+ \[ N\(REKEY_SA\) SA No KE ", charon)) == 2, "by pluto"
    assert charon.count("selected proposal: ESP:AES_GCM_16_256/CURVE_25519/NO_EXT_SEQ") >= 4
    assert pluto.count("initiating rekey to replace Child SA") == 2
    assert pluto.count("initiator rekeyed Child SA") == 2
    assert pluto.count("responder rekeyed Child SA") >= 2
    assert pluto.count("xfrm=AES_GCM_16_256-NONE-DH31") >= 4


def test_a_lost_sa_is_made_again_by_a_trap_alone(rows: dict[tuple[str, str], Row]) -> None:
    """Why the sheet says what is done with auto=add once the change begins."""
    row = rows["transport", "lost"]
    assert "failed" not in row, row["failed"]
    assert row["add"]["clear"] > 0, "until our end has something to send, and makes the SA again"
    assert row["ondemand"]["esp"] > 0
    assert row["ondemand"]["clear"] == 0


def test_another_group_shows_at_the_second_child(rows: dict[tuple[str, str], Row]) -> None:
    """The page for the far end's administrator says so: the first child has no key exchange of its own."""
    row = rows["transport", "nobody"]
    assert "failed" not in row, row["failed"]
    assert row["first"] == 0
    assert row["second"] != 0
    assert any("NO_PROPOSAL_CHOSEN" in line or "NO_PROP" in line for line in row["logs"]["charon"])
    assert any("no local proposal matches" in line for line in row["logs"]["pluto"])
