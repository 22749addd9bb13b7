"""Clean clusters for tests, restored in seconds; the first use of a configuration boots one and saves it."""

from __future__ import annotations

import itertools
import os
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from netplan.lab.cluster import Lab, down
from netplan.lab.state import lab_folders
from netplan.problems import ProblemError
from tests.ci import emulator

from .applied import Applied
from .pace import TEST_S

PREFIX = "test-"
SAID = 6000  # characters of a failure, its end
_CANNOT = ("IPP802", "IPP804")  # programs missing, no backend: nothing that the code under test could do about
_numbers = itertools.count(1)

# Debian of the nodes: what holds on one release seldom differs on another, so `make test` tries most of it on one, and
# what may differ on others (test_releases.py). RELEASE=trixie gives every test another one.
RELEASE = os.environ.get("RELEASE", "bookworm")
# BACKEND=uml lets drills that don't need the stock kernel run at this machine's own speed
ASKED = {"release": RELEASE} | ({"backend": os.environ["BACKEND"]} if os.environ.get("BACKEND") else {})

ClusterFactory = Callable[..., Lab]


class SaidAtOnce:
    """A run of the lab's tests takes long and may be ended from outside: why one failed is not kept for the end."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Print it."""
        terminal = self.config.pluginmanager.get_plugin("terminalreporter")
        if report.failed and terminal is not None and "/lab/" in report.nodeid:
            terminal.write_line(f"\n{report.nodeid} ({report.when}):\n{report.longreprtext[-SAID:]}")


def pytest_configure(config: pytest.Config) -> None:
    """Take the quicker emulator, if `make test` has it; where workers run the tests, that above has the terminal."""
    path = os.environ["PATH"].split(os.pathsep)
    if emulator.BIN not in path and Path(emulator.BIN).exists():
        os.environ["PATH"] = os.pathsep.join((emulator.BIN, *path))
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(SaidAtOnce(config))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Iterator[None]:
    """Give every test of the lab its time, tests that share a lab one worker, and let the long ones begin first.

    A test says with ``weight(seconds)`` what it takes on a quiet machine; one that says nothing takes a moment. Tests
    of one module that use ``module_clusters`` share its labs, and all that use ``applied`` share one.
    """
    groups = {}  # by id: an item's hash is that of its name, and that gets the group's behind it while we wait
    for item in items:
        if item.get_closest_marker("lab"):
            group = groups[id(item)] = _group(item)
            item.add_marker(pytest.mark.timeout(TEST_S))
            if group != item.nodeid:
                item.add_marker(pytest.mark.xdist_group(group))
    yield  # now those are gone that were not asked for
    weights: dict[str, float] = defaultdict(float)
    for item in items:
        if id(item) in groups:
            marker = item.get_closest_marker("weight")
            weights[groups[id(item)]] += marker.args[0] if marker else 1
    first = list(weights)

    def place(item: pytest.Item) -> tuple[float, int]:
        group = groups.get(id(item))
        return (-weights[group], first.index(group)) if group is not None else (0, 0)

    items.sort(key=place)


def _group(item: pytest.Item) -> str:
    """Return what a test shares its lab with, its own name when with nothing."""
    names = getattr(item, "fixturenames", ())
    return "applied" if "applied" in names else item.path.stem if "module_clusters" in names else item.nodeid


def _clear_abandoned() -> None:
    """End the labs of test runs that were killed."""
    for folder in lab_folders():
        owner = folder.name.removeprefix(PREFIX).split("-")[0]
        if folder.name.startswith(PREFIX) and owner.isdigit() and not Path(f"/proc/{owner}").exists():
            down(folder.name)


def _factory() -> Iterator[ClusterFactory]:
    _clear_abandoned()
    with ExitStack() as stack:

        def make(**parameters: object) -> Lab:
            name = f"{PREFIX}{os.getpid()}-{next(_numbers)}"
            stack.callback(down, name)
            try:
                return Lab.up(name, **{**ASKED, **parameters}, say=print)  # type: ignore[arg-type]
            except ProblemError as error:
                if any(problem.code in _CANNOT for problem in error.problems):
                    pytest.skip(f"no lab on this machine: {error}")
                raise

        yield make


@pytest.fixture
def clusters() -> Iterator[ClusterFactory]:
    """``clusters(nodes=3, family="ipv4", mtu=1500, overlay="vxlan", ...)``, as ``Lab.up``: a clean lab for one test."""
    yield from _factory()


@pytest.fixture(scope="module")
def module_clusters() -> Iterator[ClusterFactory]:
    """The same for all tests of a module, which then must leave the lab as they found it."""
    yield from _factory()


@pytest.fixture(scope="session")
def _applied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Applied]:
    factory = _factory()
    try:
        yield Applied(next(factory), tmp_path_factory.mktemp("applied"))
    finally:
        factory.close()


@pytest.fixture
def applied(_applied: Applied) -> Applied:
    """Three nodes on which the lab's own plan is in force, applied once for all tests; a test may do what it wants."""
    _applied.renew()
    return _applied
