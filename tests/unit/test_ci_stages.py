"""The stages of `make test`: their order, the table, and what is said of one that takes too long."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.ci import stages
from tests.ci.stages import LIMIT, SHARES, Took, minutes, table, warnings

ROOT = Path(__file__).resolve().parents[2]


def test_the_shares_are_what_a_change_may_wait_for() -> None:
    assert list(SHARES) == ["setup", "check", "pythons", "slow", "kernel", "lab"]
    assert sum(SHARES.values()) == LIMIT == 1500


def test_each_stage_is_a_target_of_make() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(SHARES) <= targets


def test_tests_of_real_kernels_lie_where_their_stages_look() -> None:
    marked = {p for p in ROOT.glob("tests/**/test_*.py") if re.search(r"\bmark\.(lab|kernel)\b", p.read_text())}
    looked_in = {ROOT / "tests" / "lab", ROOT / "tests" / "kernel"}
    assert {p.parent for p in marked - {Path(__file__)}} == looked_in


def test_all_stages_in_order(capsys: pytest.CaptureFixture[str]) -> None:
    started: list[str] = []
    assert stages.main([], lambda name: started.append(name) or 0) == 0
    assert started == ["check", "pythons", "slow", "kernel", "lab"]
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[-7:]] == [*SHARES, "all"]
    assert "not run" not in lines[-1]


@pytest.mark.parametrize("fails", ["pythons", "lab"])
def test_a_stage_that_fails_ends_the_run_with_the_table_so_far(fails: str, capsys: pytest.CaptureFixture[str]) -> None:
    started: list[str] = []
    assert stages.main([], lambda name: started.append(name) or int(name == fails)) == 1
    assert started[-1] == fails
    lines = capsys.readouterr().out.splitlines()
    row = next(line for line in lines if line.startswith(fails))
    assert row.endswith("FAILED")
    left = list(SHARES)[list(SHARES).index(fails) + 1 :]
    assert lines[-1].endswith(f"not run: {', '.join(left)}" if left else "0:00")


def test_an_interrupt_leaves_the_table_too(capsys: pytest.CaptureFixture[str]) -> None:
    def start(name: str) -> int:
        if name == "slow":
            raise KeyboardInterrupt
        return 0

    assert stages.main([], start) == 1
    assert re.search(r"^slow .*FAILED$", capsys.readouterr().out, re.MULTILINE)


def test_some_stages_only(capsys: pytest.CaptureFixture[str]) -> None:
    started: list[str] = []
    assert stages.main(["kernel"], lambda name: started.append(name) or 0) == 0
    assert started == ["kernel"]
    with pytest.raises(SystemExit):
        stages.main(["kernels"], lambda _: 0)
    assert "no stage kernels; there are check, pythons, slow, kernel, lab" in capsys.readouterr().err


def test_the_table() -> None:
    done = [Took("setup", 24.4, 0.0), Took("check", 170.0, 290.5), Took("pythons", 12.0, 3.0, ok=False)]
    assert table(done) == [
        "stage        time   share  processors",
        "setup        0:24    1:00        0:00",
        "check        2:50    2:40        4:50",
        "pythons      0:12    2:30        0:03  FAILED",
        "all          3:26   25:00        4:54  not run: slow, kernel, lab",
    ]
    assert minutes(59.6) == "1:00"


def test_above_its_share_is_a_warning_and_a_busy_machine_is_named() -> None:
    done = [Took(name, share, share) for name, share in SHARES.items()]
    assert warnings(done, 9.0, 2) == []
    done[1] = Took("check", 200.0, 300.0)
    assert warnings(done, 2.5, 2) == [
        "warning: check took 3:20, its share is 2:40",
        "warning: all of it took more than 25:00",
    ]
    assert warnings(done, 6.0, 2)[-1].startswith("(the load is 6.0 on 2 processors")
