"""The engine against a real kernel: every row that was measured comes out, byte for byte."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import pytest

from netplan.cli.main import main
from netplan.stack import parse, required_link, solve

DATA = Path(__file__).parents[1] / "data" / "kernel_mtu.csv"
ROWS = 669
MORE = 62


def rows() -> list[dict[str, str]]:
    with DATA.open(newline="") as file:
        return list(csv.DictReader(file))


def test_no_row_is_missing() -> None:
    assert len(rows()) == ROWS


def test_every_measured_row() -> None:
    wrong = []
    for row in rows():
        stack, link = parse(row["stack"]), int(row["link_mtu"])
        solution = solve(stack, link)
        got = (solution.inner_mtu, solution.outer_packet)
        if got != (int(row["inner_mtu"]), int(row["outer_packet"])):
            wrong.append(f"{row['stack']} on {link}: {got}, measured {row['inner_mtu']} in {row['outer_packet']}")
        assert sum(part.bytes for part in solution.ledger) == solution.outer_packet, row["stack"]
        need = required_link(stack, solution.inner_mtu)
        assert solution.outer_packet <= need <= link
        assert stack.counted is not None or need == solution.outer_packet
        assert required_link(stack, solution.inner_mtu + 1) > link
    assert not wrong, f"{len(wrong)} of {ROWS} rows differ:\n" + "\n".join(wrong[:20])


def test_rows_with_seldom_headers() -> None:
    with (DATA.parent / "kernel_mtu_more.csv").open(newline="") as file:
        more = list(csv.DictReader(file))
    assert len(more) == MORE
    for row in more:
        solution = solve(parse(row["stack"]), int(row["link_mtu"]))
        assert solution.inner_mtu == int(row["inner_mtu"]), row["stack"]
        if row["link_bytes"]:  # else only the limit was measured
            assert solution.outer_packet + solution.stack.link_bytes == int(row["link_bytes"]), row["stack"]


def test_calc_batch_answers_every_row(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    measured = rows()
    with (DATA.parent / "kernel_mtu_more.csv").open(newline="") as file:
        measured += csv.DictReader(file)
    asked = tmp_path / "rows"
    asked.write_text("".join(f"{row['stack']} {row['link_mtu']}\n" for row in measured))
    assert main(["calc", "--batch", str(asked)]) == 0
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(answers) == ROWS + MORE
    assert [a["inner_mtu"] for a in answers] == [int(row["inner_mtu"]) for row in measured]


@pytest.mark.parametrize("text", ["", "stack,link_mtu,inner_mtu,outer_packet\n"])
def test_an_empty_file_would_be_noticed(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    empty = tmp_path / "empty.csv"
    empty.write_text(text)
    monkeypatch.setattr(sys.modules[__name__], "DATA", empty)
    with pytest.raises(AssertionError):
        test_no_row_is_missing()
