"""The demonstration without a lab: the order of its steps, what is kept, and what it says to try next."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

import pytest

from netplan.lab import demo
from tests.support.our_commands import wrong_with

LIKE: dict[str, Any] = {
    "nodes": 3,
    "family": "ipv4",
    "overlay": "vxlan",
    "mtu": 1500,
    "release": "trixie",
    "mix": {"n1": "bookworm"},
    "kernel": "",
    "backend": "uml",
}


@pytest.fixture
def steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, tuple[str, ...], tuple[str, ...]]]:
    """Each step as title, command line and the words that it waits for; none is run."""
    taken: list[tuple[str, tuple[str, ...], tuple[str, ...]]] = []
    monkeypatch.setattr(demo, "labs_home", lambda: tmp_path)
    (tmp_path / demo.NAME).mkdir()

    def step(began: float, title: str, argv: Any, environment: Any, work: str, expect: Any) -> None:
        del began, environment, work
        taken.append((title, tuple(argv), tuple(expect)))

    monkeypatch.setattr(demo, "_step", step)
    monkeypatch.setattr(sys, "argv", ["/opt/environment/bin/ipsecplan", "lab", "demo"])  # it need not be in PATH
    return taken


@pytest.mark.parametrize("keep", [False, True])
def test_packets_are_shown_before_and_after(
    keep: bool, steps: list[Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert demo.run(**LIKE, keep=keep) == 0
    verbs = [" ".join(argv[:2]) for _, argv, _ in steps]
    seen = ["lab up", "lab status", "lab exec", f"plan {tmp_path / 'demo' / 'plan.yaml'}"]
    seen += [f"render {tmp_path / 'demo' / 'plan.yaml'}", "apply bundle", "lab exec", "apply bundle"]
    assert verbs == [*seen, *(() if keep else ["lab down"])]
    assert steps[2][1] == steps[6][1], "the same words, before and after"
    assert (steps[2][2], steps[6][2]) == (("ICMP echo",), ("ESP(",))
    assert {"--backend", "uml", "--mix", "n1=bookworm"} <= set(steps[0][1])
    said = capsys.readouterr().out
    assert "try next:" in said
    assert ("lab down --name demo" in said) is keep
    assert (tmp_path / "demo" / "demo").is_dir() is keep
    lines = [line.strip().partition("  #")[0].rstrip() for line in said.splitlines()]
    ours = [shlex.split(line)[1:] for line in lines if "ipsecplan " in line]
    assert ours
    assert {wrong_with(shlex.join(["ipsecplan", *argv])) for argv in ours} == {None}


def test_a_step_that_fails_ends_it(steps: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def step(began: float, title: str, argv: Any, *rest: Any) -> None:
        del began, title, rest
        steps.append(argv)
        if argv[0] == "apply":
            raise demo._Failed(6)

    monkeypatch.setattr(demo, "_step", step)
    assert demo.run(**LIKE, keep=False) == 6
    assert [argv[0] for argv in steps[-2:]] == ["apply", "lab"], "the lab is removed all the same"
