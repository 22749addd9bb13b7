"""A clock that goes 2 days back or forth at one end of a pair, and at both: each end is a guest with its own kernel.

One end has strongSwan 5.9.8, the other 6.1.0; the plan's files, with lives of 60 s that end 14 s after their rekey.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from netplan.bundle.node_json import node_facts
from netplan.ipsec.connections import connection_file
from tests.ci import roots
from tests.support.plans import make_planned

from . import boot
from .clocks_on_charon import END_S, REPAIR_S, RIGHT_S, STEP_S
from .ends import CHARON, CHARON_PACKAGES
from .test_rekeys_for_long import lives

pytestmark = [pytest.mark.drill, pytest.mark.slow, pytest.mark.timeout(2400)]
LIFE_S, DAYS = 60, 2 * 86400
REPAIRED_S = REPAIR_S + 40  # a rekey takes long where many guests share a processor
RELEASES = {"5.9.8": "bookworm", "6.1.0": "sid"}
CASES = {
    "both back": (-DAYS, -DAYS),
    "both forth": (DAYS, DAYS),
    "5.9.8 back": (-DAYS, 0),
    "6.1.0 back": (0, -DAYS),
    "5.9.8 forth": (DAYS, 0),
    "6.1.0 forth": (0, DAYS),
}
Row = dict[str, Any]


def jobs(made: list[Path], steps: tuple[int, int]) -> list[Row]:
    """Return what each of the two guests is to do."""
    releases = {n: {"strongswan_version": version} for n, version in enumerate(RELEASES, 1)}
    plan = make_planned(2, releases, ipsec={"auth": "psk", "lifetimes": {"child": f"{LIFE_S}s"}}).plan
    ids = "".join(f' id-{n} = "{node.id}"\n' for n, node in enumerate(plan.nodes))
    found = []
    for root, node, step in zip(made, plan.nodes, steps, strict=True):
        text = connection_file(plan, node).replace("rekey_time = 1m\n", f"rekey_time = {LIFE_S}s\n")
        found.append(
            {
                "root": str(root),
                "address": node.address,
                "node": node_facts(plan, node),
                "secret": f'secrets {{\n ike-1 {{\n{ids} secret = "a secret of a test"\n }}\n}}\n',
                "conf": lives(text, "as rendered"),
                "asks": next(iter(plan.connections(node))).initiates,
                "step": step,
            }
        )
    return found


def cable(*paths: Path) -> None:
    """Hand on every frame between two guests whose cards connect to these sockets, until one of them goes."""
    with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
        found = [stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)) for _ in paths]
        for listening, path in zip(found, paths, strict=True):
            listening.bind(str(path))
            listening.listen(1)
        ends = [stack.enter_context(listening.accept()[0]) for listening in found]
        while True:
            for end in select.select(ends, [], [])[0]:
                frame = end.recv(65536)
                if not frame:
                    return
                ends[1 - ends.index(end)].send(frame)


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[list[Row]]]:
    """Return, by case, the rows of both ends."""
    why = roots.no_root("sid")
    if why or boot.missing_for_guest():
        pytest.skip(why or f"for a guest {boot.missing_for_guest()} is missing")
    try:
        made = [roots.root(suite, CHARON_PACKAGES, CHARON, kind="charon") for suite in RELEASES.values()]
    except roots.NoRootError as error:
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("clocks")
    sockets = Path(tempfile.mkdtemp(prefix="clk"))  # the path of a socket has to be short
    prepare = boot.hide_extended_state if boot.too_narrow(boot.guest_version()) else None
    running = []
    try:
        for n, (case, steps) in enumerate(CASES.items()):
            threading.Thread(target=cable, args=(sockets / f"{n}a", sockets / f"{n}b"), daemon=True).start()
            for end, job in enumerate(jobs(made, steps)):
                file = folder / f"{n}-{end}.json"
                file.write_text(json.dumps([job]))
                name = sockets / f"{n}{'ab'[end]}"
                card = f"vec0:transport=bess,src={name}.guest,dst={name},depth=64"
                with file.with_suffix(".log").open("wb") as out:
                    process = subprocess.Popen(
                        [*boot.guest_command(file, "clocks_on_charon.py"), card],
                        stdin=subprocess.DEVNULL,
                        stdout=out,
                        stderr=out,
                        preexec_fn=prepare,
                        start_new_session=True,
                    )
                running.append((case, process, file.with_suffix(".log")))
        found: dict[str, list[list[Row]]] = {case: [] for case in CASES}
        until = time.monotonic() + END_S + 900
        for case, process, log in running:
            process.wait(max(until - time.monotonic(), 1))
            lines = log.read_text(errors="replace").splitlines()
            got = [json.loads(line[4:]) for line in lines if line.startswith("ROW ")]
            assert got, "\n".join(lines[-20:])
            assert not [row for row in got if "failed" in row], (case, got[-1])
            found[case].append(got)
    finally:
        for _, process, _ in running:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        shutil.rmtree(sockets, ignore_errors=True)
    print(f"\non User Mode Linux {boot.guest_version()}")
    for case, both in found.items():
        for version, got in zip(RELEASES, both, strict=True):
            print(summary(case, version, got))
    return found


def looks(rows: list[Row], since: float, until: float) -> list[Row]:
    return [row for row in rows if since <= row.get("at", -9) < until]


def spis(rows: list[Row], since: float, until: float) -> dict[str, list[str]]:
    """Return the SPIs that each child had, in order."""
    found: dict[str, list[str]] = {}
    for row in looks(rows, since, until):
        for name, sas in row["children"].items():
            seen = found.setdefault(name, [])
            seen += [sa["spi"] for sa in sas if sa["spi"] not in seen]
    return found


def named(rows: list[Row], since: float, until: float) -> list[Row]:
    """Return the looks at which our agent named SAs past their life."""
    return [row for row in looks(rows, since, until) if any("past the end of life" in said[1] for said in row["said"])]


def summary(case: str, version: str, rows: list[Row]) -> str:
    parts = []
    for what, since, until in (
        ("stepped", STEP_S, RIGHT_S),
        ("right", RIGHT_S, REPAIR_S),
        ("after", REPAIRED_S, END_S),
    ):
        seen = named(rows, since, until)
        made = [len(numbers) for numbers in spis(rows, since, until).values()]
        first = f"from {seen[0]['at']} s: {seen[0]['said'][0][1]}" if seen else "nothing named"
        parts.append(f"{what}: SAs of a child {made}, {first}")
    last = looks(rows, 0, END_S + 9)[-1]
    counts = {key: last[key] for key in ("sent", "refused", "came", "lost")}
    return f"{case}, {version}: " + "; ".join(parts) + f"; {counts}"


def test_nothing_is_lost_and_charon_and_kernel_agree(rows: dict[str, list[list[Row]]]) -> None:
    for case, both in rows.items():
        for got in both:
            last = looks(got, 0, END_S + 9)[-1]
            assert last["came"] > 1000, (case, last)
            assert last["lost"] + last["refused"] <= 3, (case, last)
            assert not [said for row in looks(got, 0, END_S) for said in row["said"] if said[0] != "IPP687"], case


@pytest.mark.parametrize(
    ("case", "since", "until"), [("both back", STEP_S, RIGHT_S), ("both forth", RIGHT_S, REPAIR_S)]
)
def test_back_at_both_ends_stops_rekeys_and_is_named(
    case: str, since: int, until: int, rows: dict[str, list[list[Row]]]
) -> None:
    """A clock that was ahead and is set right goes back, too."""
    for got in rows[case]:
        assert all(len(numbers) == 1 for numbers in spis(got, since + 2, until).values()), case
    seen = [row for got in rows[case] for row in named(got, since, until)]
    assert seen, case
    code, text, hint = seen[-1]["said"][0]
    assert (code, text.startswith("2 CHILD_SAs past the end of life, because the clock went back")) == ("IPP687", True)
    assert "`swanctl --rekey --child NAME` here once for each" in hint


def test_a_right_clock_alone_repairs_nothing_and_the_hint_does(rows: dict[str, list[list[Row]]]) -> None:
    assert all(named(got, RIGHT_S + 6, REPAIR_S) for got in rows["both back"]), "right again, and still not rekeyed"
    for case in ("both back", "both forth"):
        for got in rows[case]:
            assert not named(got, REPAIRED_S, END_S), case
            before, after = spis(got, REPAIR_S - 60, REPAIR_S - 1), spis(got, REPAIRED_S, END_S)
            assert all(set(after[name]) - set(numbers) for name, numbers in before.items()), case


def test_forth_changes_nothing(rows: dict[str, list[list[Row]]]) -> None:
    for case in ("both forth", "5.9.8 forth", "6.1.0 forth"):
        for got in rows[case]:
            assert not named(got, STEP_S, RIGHT_S), case
            assert all(len(numbers) >= 3 for numbers in spis(got, STEP_S, RIGHT_S).values()), case


@pytest.mark.parametrize("case", ["5.9.8 back", "6.1.0 back"])
def test_one_right_end_rekeys_for_both(case: str, rows: dict[str, list[list[Row]]]) -> None:
    for got in rows[case]:
        assert all(len(numbers) >= 2 for numbers in spis(got, STEP_S, RIGHT_S).values()), case
        assert not named(got, RIGHT_S - 20, RIGHT_S), case
