"""Clean clusters for tests, restored in seconds; the first use of a configuration boots one and saves it."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from netplan.lab.cluster import Lab, down
from netplan.lab.state import lab_folders
from netplan.problems import ProblemError

PREFIX = "test-"
_CANNOT = ("IPP802", "IPP804")  # programs missing, no backend: nothing that the code under test could do about
_numbers = itertools.count(1)

ClusterFactory = Callable[..., Lab]


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
                return Lab.up(name, **parameters, say=print)  # type: ignore[arg-type]
            except ProblemError as error:
                if any(problem.code in _CANNOT for problem in error.problems):
                    pytest.skip(f"no lab on this machine: {error}")
                raise

        yield make


@pytest.fixture
def clusters() -> Iterator[ClusterFactory]:
    """``clusters(nodes=3, family="ipv4", mtu=1500, overlay="vxlan")`` gives a clean lab for one test."""
    yield from _factory()


@pytest.fixture(scope="module")
def module_clusters() -> Iterator[ClusterFactory]:
    """The same for all tests of a module, which then must leave the lab as they found it."""
    yield from _factory()
