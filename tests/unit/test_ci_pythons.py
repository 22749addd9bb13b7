"""The tests on other Pythons: which versions, where from, which tests, and the table."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.ci import pythons, roots
from tests.ci.pythons import Python, Ran, bad, between, counted, installed, matrix, plan, selection, supported, table

ROOT = Path(__file__).resolve().parents[2]
HERE = f"3.{sys.version_info.minor}"
REPORT = '<testsuites><testsuite name="pytest" errors="1" failures="2" skipped="3" tests="40" /></testsuites>'


def interpreter(path: Path, says: str) -> Path:
    """A program that answers as an interpreter that has been asked for its version."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{says}\n")
    path.chmod(0o755)
    return path


def test_the_package_says_which_versions() -> None:
    versions = supported()
    assert versions[0] == "3.11"
    assert versions[-1] == "3.14"
    assert HERE in versions
    assert f'requires-python = ">={versions[0]}"' in (ROOT / "pyproject.toml").read_text()


def test_locked_files_have_every_version_and_no_address() -> None:
    for path in (ROOT / "requirements").glob("*.txt"):
        text = path.read_text()
        assert "://" not in text, path
        assert "--index" not in text, path
        assert "--find-links" not in text, path
    main = (ROOT / "requirements" / "main.txt").read_text()
    assert "ansible-core==2.19" in main, "the last for Python 3.11"
    assert "ansible-core==2.21" in main


def test_a_shim_that_runs_nothing_is_no_interpreter(tmp_path: Path) -> None:
    interpreter(tmp_path / "shims" / "python3.12", "echo 'pyenv: python3.12: command not found' >&2; exit 127")
    interpreter(tmp_path / "bin" / "python3.12", "echo 3.12")
    one, other = tmp_path / "shims", tmp_path / "bin"
    assert installed("3.12", {"PATH": str(one), "HOME": str(tmp_path)}) is None
    found = installed("3.12", {"PATH": f"{one}:{other}", "HOME": str(tmp_path)})
    assert found is not None
    assert found.program == str(other / "python3.12")


@pytest.mark.parametrize("says", ["echo 3.13", "echo 3.12; exit 1", "exit 0"])
def test_another_version_or_no_answer_is_no_interpreter(says: str, tmp_path: Path) -> None:
    interpreter(tmp_path / "python3.12", says)
    assert installed("3.12", {"PATH": str(tmp_path), "HOME": str(tmp_path)}) is None


def test_pyenv_gives_its_newest(tmp_path: Path) -> None:
    for version in ("3.12.1", "3.12.10", "3.12.9", "3.13.0"):
        interpreter(tmp_path / "versions" / version / "bin" / f"python{version[:4]}", f"echo {version[:4]}")
    found = installed("3.12", {"PATH": "", "PYENV_ROOT": str(tmp_path)})
    assert found is not None
    assert "/3.12.10/" in found.program


def test_this_interpreter_is_found() -> None:
    folder = Path(sys.base_prefix) / "bin"
    assert installed(HERE, {"PATH": str(folder), "HOME": "/nonexistent"}) is not None


@pytest.mark.parametrize(
    ("here", "wanted"),
    [("3.11", ["3.14"]), ("3.14", ["3.11"]), ("3.13", ["3.11", "3.14"])],
)
def test_the_ends_that_check_does_not_run_itself(here: str, wanted: list[str]) -> None:
    assert plan(False, ["3.11", "3.12", "3.13", "3.14"], here) == {version: ["second"] for version in wanted}


def test_drills_run_everything_everywhere() -> None:
    assert plan(True, ["3.11", "3.12"], "3.11") == {"3.11": ["check", "slow"], "3.12": ["check", "slow"]}


def test_what_a_second_python_leaves_out_is_there() -> None:
    """A test that was renamed would otherwise come back unseen; and every one has a reason."""
    for prefix, reason in pythons.SAME.items():
        path, _, name = prefix.partition("::")
        assert (ROOT / path).exists(), prefix
        assert not name or f"def {name}(" in (ROOT / path).read_text(), prefix
        assert reason


def test_the_choice_of_a_second_python() -> None:
    files = [f"tests/{name}.py" for name in ("tui/test_snapshots", "tui/test_bindings", "properties/test_batches")]
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *files]
    done = subprocess.run(
        [*command, *selection("second")], check=True, capture_output=True, text=True, cwd=ROOT, timeout=120
    )
    chosen = [line for line in done.stdout.splitlines() if "::" in line]
    assert "tests/tui/test_snapshots.py::test_picture[calc-80x24-dark]" in chosen
    assert {name.rsplit("-", 1)[-1] for name in chosen if "test_picture[" in name} == {"dark]"}
    assert not [name for name in chosen if "test_snapshots" not in name], (
        "slow without a picture, and the same anywhere"
    )


def test_counts_come_from_the_report() -> None:
    ran = counted(Ran("3.12", "x", "check", seconds=5.0), REPORT)
    assert (ran.passed, ran.failed, ran.skipped, ran.ok) == (34, 3, 3, False)


def test_a_run_that_breaks_off_is_no_success(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pythons, "ROOT", tmp_path)
    ran = pythons.run(Python("3.12", "x", "/bin/false"), "check", 1)
    assert (ran.ok, ran.why) == (False, "pytest broke off with exit code 1")


def test_a_report_without_failures_does_not_hide_an_exit_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pythons, "ROOT", tmp_path)
    fine = REPORT.replace('errors="1" failures="2"', 'errors="0" failures="0"')
    report = tmp_path / ".venvs" / "report-3.12-check.xml"
    program = interpreter(tmp_path / "python", f"cat >{report} <<'X'\n{fine}\nX\nexit 3")
    ran = pythons.run(Python("3.12", "x", str(program)), "check", 1)
    assert (ran.ok, ran.why) == (False, "pytest ended with exit code 3")
    program.write_text(program.read_text().replace("exit 3", "exit 0"))
    assert pythons.run(Python("3.12", "x", str(program)), "check", 1).ok


def test_the_table() -> None:
    done = [
        Ran("3.11", "this environment", "check", 3842, 0, 2, 127.4),
        Ran("3.12", "", "slow", why="no python3.12 on the PATH or in pyenv"),
        Ran("3.14", "Debian sid root", "second", 10, 1, 0, 3.0, why="pytest ended with exit code 2"),
    ]
    assert table(done) == [
        "Python  tests    passed  failed  skipped  seconds  from",
        "3.11    check      3842       0        2      127  this environment",
        "3.12    slow    not run: no python3.12 on the PATH or in pyenv",
        "3.14    second       10       1        0        3  Debian sid root  PYTEST ENDED WITH EXIT CODE 2",
    ]


def test_a_version_that_can_not_be_had_fails_unless_debian_never_had_it() -> None:
    nowhere, missing = Ran("3.12", "", "check", why="none"), Ran("3.14", "", "check", why="no root")
    assert not bad(nowhere, everything=True)
    assert bad(missing, everything=True)
    assert bad(nowhere, everything=False)
    assert bad(Ran("3.12", "x", "check", failed=1, seconds=1.0), everything=True)


def test_what_can_not_be_had_is_said_and_the_rest_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(pythons, "installed", lambda _: None)
    monkeypatch.setattr(roots.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(pythons, "run", lambda python, _stage, _n: Ran(python.version, python.where, "x", 1))
    absent = "3.14" if HERE != "3.14" else "3.13"
    done = matrix({absent: ["second"], HERE: ["check"]}, 1)
    assert [(ran.version, ran.ok) for ran in done] == [(absent, False), (HERE, True)]
    assert "root needs root" in done[0].why
    assert f"no python{absent} on the PATH" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("version", "here", "others"),
    [
        ("3.14", "3.11", ["3.13", "3.12"]),
        ("3.11", "3.14", ["3.12", "3.13"]),
        ("3.14", "3.13", []),
        ("3.11", "3.12", []),
    ],
)
def test_what_stands_in_for_an_end(version: str, here: str, others: list[str]) -> None:
    assert between(version, ["3.11", "3.12", "3.13", "3.14"], here) == others


def test_a_broken_sid_is_said_and_the_next_version_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    def get(version: str) -> Python | str:
        return "sid is broken today" if version == "3.14" else Python(version, "a root", "python")

    monkeypatch.setattr(pythons, "get", get)
    monkeypatch.setattr(pythons, "own", lambda: Python("3.11", "this environment", "python"))
    monkeypatch.setattr(pythons, "environment", lambda python: python)
    monkeypatch.setattr(pythons, "run", lambda python, stage, _: Ran(python.version, python.where, stage, 9, seconds=1))
    done = matrix({"3.14": ["second"]}, 1, stand_ins=True)
    assert [(ran.version, ran.ok, bad(ran, everything=False)) for ran in done] == [
        ("3.14", True, False),
        ("3.13", True, False),
    ]
    assert table(done)[1] == "3.14    second  not run: sid is broken today; 3.13 instead"
    (alone,) = matrix({"3.14": ["second"]}, 1)
    assert bad(alone, everything=False), "asked for by name, or in drills"


def test_pip_inside_is_set_as_here() -> None:
    listed = "\n".join(
        [
            "global.extra-index-url='file:///a/simple\\nfile:///b'",
            "install.require-virtualenv='1'",
            "list.format='json'",
        ]
    )
    assert roots.pip_settings(listed, {"PIP_CERT": "/c.pem", "PATH": "/bin"}) == {
        "PIP_EXTRA_INDEX_URL": "file:///a/simple file:///b",
        "PIP_REQUIRE_VIRTUALENV": "1",
        "PIP_CERT": "/c.pem",
    }


def test_a_root_has_the_checkout_and_the_files_of_pip_at_their_places(tmp_path: Path) -> None:
    (tmp_path / "wheels").mkdir()
    (tmp_path / "index" / "simple").mkdir(parents=True)
    settings = {
        "PIP_EXTRA_INDEX_URL": f"file://{tmp_path}/index/simple",
        "PIP_FIND_LINKS": f"file://{tmp_path}/wheels /nonexistent/wheels",
    }
    words = roots.enter(Path("/root-of-it"), tmp_path, settings)
    shared = words[words.index("/root-of-it") + 1 : words.index("--")]
    assert str(tmp_path / "wheels") in shared
    assert str(tmp_path / "index") in shared, "the files of an index are beside its pages"
    assert str(tmp_path) in shared
    assert "/nonexistent/wheels" not in shared
    assert words[-1] == f"PIP_FIND_LINKS={settings['PIP_FIND_LINKS']}"


@pytest.mark.skipif(os.geteuid() != 0, reason="a mount needs root")
def test_a_root_is_entered_and_nothing_stays_mounted(tmp_path: Path) -> None:
    """This machine's own programs, shared as a path of pip's would be, make the root: what is tried is the way in."""
    if not Path("/bin").is_symlink():
        pytest.skip("the programs are not all below /usr")
    root, checkout = tmp_path / "root", tmp_path / "checkout"
    checkout.mkdir()
    (checkout / "seen").write_text("the checkout\n")
    for name in ("bin", "sbin", "lib", "lib64", "usr"):
        if (Path("/") / name).is_symlink():
            root.mkdir(exist_ok=True)
            (root / name).symlink_to(Path("/", name).readlink())
    for name in ("proc", "sys", "dev", "run", "tmp", "etc"):
        (root / name).mkdir(parents=True)
    settings = {"PIP_FIND_LINKS": "/usr"}
    words = roots.enter(root, checkout, settings)
    done = subprocess.run([*words, "cat", "seen"], check=False, capture_output=True, text=True, timeout=60)
    if "must be superuser" in done.stderr or "ermission denied" in done.stderr:
        pytest.skip("this container may not mount")
    assert (done.stdout, done.stderr) == ("the checkout\n", "")
    assert str(root) not in Path("/proc/self/mounts").read_text()
