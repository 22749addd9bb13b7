"""Every reader keeps its contract (:mod:`tests.fuzz.harness`): with what found a fault once, and with new damages."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from netplan.problems import Location, Problem, ProblemError
from tests.fuzz.__main__ import main, run
from tests.fuzz.harness import CORPUS, Reader, Tally, corpus, outcome, smaller
from tests.fuzz.mutate import picked
from tests.fuzz.readers import READERS
from tests.properties.plan_strategies import Random, _Hypothesis

BY_NAME = {reader.name: reader for reader in READERS}
# what is known to break its contract, and is being repaired
PENDING: set[str] = set()
KEPT = [(reader, path) for reader in READERS for path in sorted((CORPUS / reader.name).glob("*"))]


def pending(name: str) -> list[pytest.MarkDecorator]:
    return [pytest.mark.xfail(reason="being repaired", strict=False)] if name in PENDING else []


ALL = [pytest.param(reader, id=reader.name) for reader in READERS]
WHOLE = [pytest.param(reader, id=reader.name) for reader in READERS if reader.name not in PENDING]


def test_the_corpus_is_of_readers_that_there_are() -> None:
    assert {path.name for path in CORPUS.iterdir()} <= BY_NAME.keys()
    assert all(path.stat().st_size < 20_000 for path in CORPUS.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("reader", "path"), [pytest.param(r, p, id=f"{r.name}-{p.name}", marks=pending(r.name)) for r, p in KEPT]
)
def test_what_found_a_fault_once_is_understood_or_refused(reader: Reader, path: Path, tmp_path: Path) -> None:
    assert outcome(reader, path.read_bytes(), tmp_path) in ("understood", "refused")


@pytest.mark.parametrize("reader", ALL)
def test_a_seed_is_understood(reader: Reader, tmp_path: Path) -> None:
    """Else the harness would damage what is damaged already, and prove nothing."""
    assert "understood" in {outcome(reader, seed, tmp_path) for seed in reader.seeds()}


@pytest.mark.slow
@pytest.mark.parametrize("reader", WHOLE)
def test_a_damaged_input_is_understood_or_refused(reader: Reader) -> None:
    """Hypothesis draws the damages, so that it also makes them few and small where one is too much."""
    seeds = [*corpus(reader), *reader.seeds()]

    @settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(st.data())
    def check(data: st.DataObject) -> None:
        damaged = picked(_Hypothesis(data.draw), seeds)  # type: ignore[arg-type]
        with tempfile.TemporaryDirectory() as folder:
            assert outcome(reader, damaged, Path(folder)) in ("understood", "refused")

    check()


@pytest.mark.slow
def test_a_few_seconds_of_damages_find_nothing() -> None:
    readers = [reader for reader in READERS if reader.name not in PENDING]
    tallies = run(readers, seconds=15, seed=1, most=2_000)
    assert {name: list(tally.faults) for name, tally in tallies.items() if tally.faults} == {}
    assert all(tally.inputs > 20 for tally in tallies.values())


def _raises(error: BaseException) -> Reader:
    def read(data: bytes, _: Path) -> None:
        if b"!" in data:
            raise error

    return Reader("it", read, lambda: [b"abc!def"])


def _told(message: str) -> ProblemError:
    return ProblemError(Problem("IPP001", message, location=Location("x")))


@pytest.mark.parametrize(
    ("reader", "verdict"),
    [
        (_raises(KeyError("x")), "KeyError: "),
        (_raises(RecursionError()), "RecursionError: "),
        (_raises(MemoryError()), "MemoryError: "),
        (_raises(_told("no")), "refused"),
        (_raises(_told("\x1b[2J")), "refused"),  # a Problem is made printable where it is shown
        (_raises(_told("x" * 100_000)), "endless messages"),
        (Reader("it", lambda *_: ["\u202e"], list), "a control character in a message"),
    ],
)
def test_the_harness_sees_what_breaks_the_contract(reader: Reader, verdict: str, tmp_path: Path) -> None:
    assert outcome(reader, b"abc!def", tmp_path).startswith(verdict)


def test_the_harness_stops_a_reader_that_does_not_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(*_: object) -> None:
        while True:
            try:
                while True:
                    pass
            except Exception:  # noqa: BLE001, S110  as careless as a reader can be
                pass

    monkeypatch.setattr("tests.fuzz.harness.LIMIT_S", 0.05)
    assert outcome(Reader("it", read, list), b"", tmp_path).startswith("takes longer")


def test_a_fault_is_made_small(tmp_path: Path) -> None:
    reader, tally = _raises(KeyError("x")), Tally()
    for data in (b"a" * 100 + b"!" + b"b" * 100, b"!" * 300, b"fine"):
        tally.add(reader, data, tmp_path)
    ((_, fault),) = tally.faults.items()
    assert (fault.count, tally.understood, tally.inputs) == (2, 1, 3)
    assert smaller(reader, fault, tmp_path) == b"!"


def test_the_same_seed_gives_the_same_inputs() -> None:
    seeds = BY_NAME["stack"].seeds()
    one, two = ([picked(Random(n), seeds) for n in range(50)] for _ in "ab")
    assert one == two
    assert len(set(one)) > 25


def test_the_command_prints_counts_for_each_reader(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--minutes", "0.02", "--inputs", "60", "--reader", "stack", "--reader", "swanctl"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].split() == ["reader", "inputs", "understood", "refused", "faults", "ms", "each", "slowest", "s"]
    assert [line.split()[0] for line in said[1:3]] == ["stack", "swanctl"]
