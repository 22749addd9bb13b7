"""The tests on other Pythons than the one of the environment.

``python -m tests.ci.pythons`` (`make pythons`, a stage of `make test`) takes the oldest and the newest supported
version: the fast tests and the planner's pictures, without what can't differ between Pythons; the next version towards
this environment's where one can't be had (sid, which has the newest, is broken now and then). ``--all`` (`make
drills`) takes every supported version, and all of the stages `check` and `slow`. ``--prepare`` only makes the
environments.

Where a version comes from: the PATH, pyenv, else a Debian root that is made once (`tests.ci.roots`).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
import time
import tomllib
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from netplan.problems import ProblemError
from tests.ci import roots

ROOT = Path(__file__).resolve().parents[2]
CHECK = "not lab and not slow and not kernel and not drill"
SLOW = "slow and not lab and not kernel and not drill"
PICTURES = "picture and not drill"
# What a second Python in `make test` doesn't repeat: node ids, or how they begin, and why. `make drills` runs it all.
SAME = {
    "tests/properties/": "sums of integers over thousands of drawn packets and plans",
    "tests/unit/test_combinations.py": "two thousand plans through the same code as test_plan and test_bundle",
    "tests/unit/test_injection.py": "two hundred texts in each of thirty fields, through the same quoting functions",
    "tests/unit/test_audit_damage.py::test_ten_megabytes_of_noise": "size",
    "tests/unit/test_audit_damage.py::test_all_of_it_at_once_within_a_gigabyte": "size",
    "tests/tui/test_rollout_state.py::test_a_flood_of_events_leaves_the_keys_alive": "size",
}
SAME_NAMES = "not (test_picture and (light or ansi or clear))"  # a theme is a table of colours: one of four is enough


@dataclass(frozen=True, slots=True)
class Python:
    """An interpreter: its version, where it comes from in words, and how it is started (with words before it)."""

    version: str
    where: str
    program: str
    before: tuple[str, ...] = ()
    kind: str = ""

    def command(self, *argv: str) -> list[str]:
        return [*self.before, self.program, *argv]


@dataclass(frozen=True, slots=True)
class Ran:
    """One run: counts of tests, seconds, or why there was none."""

    version: str
    where: str
    stage: str
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    seconds: float = 0.0
    why: str = ""  # not run at all, or broken off
    instead: str = ""  # the version that ran in place of this one

    @property
    def ok(self) -> bool:
        return bool(self.instead) or (not self.failed and not self.why)


def supported(pyproject: Path = ROOT / "pyproject.toml") -> list[str]:
    """Return the versions that the package says it supports, oldest first."""
    classifiers = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]["classifiers"]
    found = [m[1] for text in classifiers if (m := re.fullmatch(r"Programming Language :: Python :: (3\.\d+)", text))]
    return sorted(found, key=lambda version: int(version.split(".")[1]))


def own() -> Python:
    """Return the Python of this environment."""
    return Python(f"3.{sys.version_info.minor}", "this environment", sys.executable, kind="own")


def installed(version: str, environment: Mapping[str, str] = os.environ) -> Python | None:
    """Return the first interpreter of that version that really runs: on the PATH, or in pyenv's versions."""
    for path in _candidates(version, environment):
        if path.is_file() and _runs(path, version):
            return Python(version, str(path), str(path), kind="installed")
    return None


def _candidates(version: str, environment: Mapping[str, str]) -> Iterator[Path]:
    for folder in environment.get("PATH", "").split(os.pathsep):
        if folder:
            yield Path(folder) / f"python{version}"
    pyenv = Path(environment.get("PYENV_ROOT") or Path(environment.get("HOME") or "/root") / ".pyenv")
    newest_first = sorted(pyenv.glob(f"versions/{version}.*"), key=lambda p: _number(p.name), reverse=True)
    yield from (folder / "bin" / f"python{version}" for folder in newest_first)


def _number(name: str) -> list[int]:
    return [int(digits) for digits in re.findall(r"\d+", name)]


def _runs(path: Path, version: str) -> bool:
    """Tell whether it is that version and can make an environment; pyenv's shim of a version not chosen is neither."""
    program = "import sys, ensurepip, venv; print('3.%d' % sys.version_info[1])"
    try:
        done = subprocess.run([path, "-I", "-c", program], check=False, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0 and done.stdout.strip() == version


def get(version: str) -> Python | str:
    """Return an interpreter of that version, making a Debian root if it must be; or why there is none."""
    if version == own().version:
        return own()
    found = installed(version)
    if found is not None:
        return found
    missing = f"no python{version} on the PATH or in pyenv"
    reason = roots.why_not(version)
    if reason:
        return f"{missing}; {reason}"
    say(f"{version}: {missing}; a Debian {roots.SUITES[version]} root (made once, then kept)")
    try:
        folder = roots.ensure(version)
    except roots.NoRootError as error:
        return f"{missing}; {error}"
    except ProblemError as error:
        return f"{missing}; {'; '.join(f'{p.message} ({p.hint})' for p in error.problems)}"
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], check=False, capture_output=True, text=True
    )
    before = roots.enter(folder, ROOT, roots.pip_settings(listed.stdout, os.environ))
    where = f"Debian {roots.SUITES[version]} root"
    return Python(version, where, f"/usr/bin/python{version}", tuple(before), kind=roots.SUITES[version])


def environment(python: Python) -> Python:
    """Return the Python of a virtual environment with all that is locked; made anew when any of it has changed."""
    if python.kind == "own":
        return python
    folder = ROOT / ".venvs" / f"{python.version}-{python.kind}"
    wanted = _stamp(python)
    stamp = folder / "stamp"
    inside = replace(python, program=str(folder / "bin" / "python"))
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != wanted:
        say(f"{python.version}: an environment of {python.where}")
        pip = ("-m", "pip", "-q", "install", "--disable-pip-version-check")
        _must(python.command("-m", "venv", "--clear", str(folder)))
        locked = ("--require-hashes", "-r", "requirements/build.txt", "-r", "requirements/dev.txt")
        _must(inside.command(*pip, *locked))
        _must(inside.command(*pip, "--no-deps", "--no-build-isolation", "-e", "."))
        stamp.write_text(wanted, encoding="utf-8")
    return inside


def _stamp(python: Python) -> str:
    """Return what an environment is made of: the exact Python, and the locked files."""
    about = subprocess.run(python.command("-VV"), check=True, stdout=subprocess.PIPE, timeout=60).stdout
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    parts = [about, python.where.encode(), json.dumps(project).encode()]
    parts += [path.read_bytes() for path in sorted(ROOT.glob("requirements/*.txt"))]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def _must(command: list[str]) -> None:
    subprocess.run(command, check=True, cwd=ROOT, timeout=1800)


def selection(stage: str) -> list[str]:
    """Return pytest's arguments that choose the tests of a stage: "check", "slow" or "second"."""
    if stage == "check":
        return ["-m", CHECK]
    if stage == "slow":
        return ["-m", SLOW]
    return ["-m", f"({CHECK}) or ({PICTURES})", "-k", SAME_NAMES, *(f"--deselect={prefix}" for prefix in SAME)]


def run(python: Python, stage: str, workers: int) -> Ran:
    """Run a stage's tests on a Python; what pytest prints is printed."""
    report = ROOT / ".venvs" / f"report-{python.version}-{stage}.xml"
    report.parent.mkdir(exist_ok=True)
    report.unlink(missing_ok=True)
    options = ["-q", "-n", str(workers), "-p", "no:cacheprovider", f"--junitxml={report}"]
    began = time.monotonic()
    done = subprocess.run(python.command("-m", "pytest", *options, *selection(stage)), check=False, cwd=ROOT)
    ran = Ran(python.version, python.where, stage, seconds=time.monotonic() - began)
    try:
        ran = counted(ran, report.read_text(encoding="utf-8"))
    except (OSError, ET.ParseError):
        return replace(ran, why=f"pytest broke off with exit code {done.returncode}")
    if done.returncode and not ran.failed:
        return replace(ran, why=f"pytest ended with exit code {done.returncode}")
    return ran


def counted(ran: Ran, report: str) -> Ran:
    """Return the run with the counts of pytest's report (JUnit's XML)."""
    suite = next(ET.fromstring(report).iter("testsuite"))  # noqa: S314 - pytest wrote it just now
    tests, failed, skipped = (int(suite.get(name) or 0) for name in ("tests", "failures", "skipped"))
    failed += int(suite.get("errors") or 0)
    return replace(ran, passed=tests - failed - skipped, failed=failed, skipped=skipped)


def table(done: Sequence[Ran]) -> list[str]:
    """Return the lines of the table: a line for each run."""
    lines = [f"{'Python':<8}{'tests':<8}{'passed':>7}{'failed':>8}{'skipped':>9}{'seconds':>9}  from"]
    for ran in done:
        counts = f"{ran.passed:>7}{ran.failed:>8}{ran.skipped:>9}{ran.seconds:>9.0f}"
        if ran.why and not ran.seconds:
            why = f"not run: {ran.why}" + (f"; {ran.instead} instead" if ran.instead else "")
            counts = f"{why:<33}"
        end = f"  {ran.why.upper()}" if ran.why and ran.seconds else ""
        lines.append(f"{ran.version:<8}{ran.stage:<8}{counts}  {ran.where}{end}".rstrip())
    return lines


def say(text: str) -> None:
    print(f"pythons: {text}", flush=True)


def plan(everything: bool, versions: Sequence[str], here: str) -> dict[str, list[str]]:
    """Return which stages run on which version: all of two everywhere, or one on the ends that `make check` isn't."""
    if everything:
        return {version: ["check", "slow"] for version in versions}
    return {version: ["second"] for version in dict.fromkeys((versions[0], versions[-1])) if version != here}


def between(version: str, versions: Sequence[str], here: str) -> list[str]:
    """Return the versions that can stand in for one, the nearest first: those between it and that of here."""
    one, own_place = versions.index(version), versions.index(here)
    return list(versions[own_place + 1 : one][::-1]) if one > own_place else list(versions[one + 1 : own_place])


def matrix(
    wanted: Mapping[str, Sequence[str]], workers: int, *, prepare: bool = False, stand_ins: bool = False
) -> list[Ran]:
    """Run what is wanted on each version, as far as the version can be had; ``stand_ins``: else on one near it."""
    done: list[Ran] = []
    for version, stages in wanted.items():
        found = get(version)
        if isinstance(found, str):
            say(f"{version}: {found}")
            others = between(version, supported(), own().version) if stand_ins else []
            other = next((one for name in others if not isinstance(one := get(name), str)), None)
            done += [Ran(version, "", stage, why=found, instead=other.version if other else "") for stage in stages]
            if other is None:
                continue
            found = other
            say(f"{version}: {other.version} runs instead")
        try:
            python = environment(found)
        except subprocess.SubprocessError as error:
            why = f"its environment can't be made, see above ({type(error).__name__})"
            done += [Ran(found.version, found.where, stage, why=why) for stage in stages]
            continue
        for stage in () if prepare else stages:
            say(f"{found.version}: {stage}, {found.where}")
            done.append(run(python, stage, workers))
            ran = done[-1]
            say(f"{ran.version}: {stage}: {ran.passed} passed, {ran.failed} failed, {ran.seconds:.0f} s")
    return done


def main(argv: Sequence[str] | None = None) -> int:
    """Run the matrix and print its table; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.ci.pythons")
    parser.add_argument("--all", action="store_true", help="every supported version, stages check and slow")
    parser.add_argument("--prepare", action="store_true", help="make roots and environments, run nothing")
    parser.add_argument("-n", type=int, default=2, metavar="N", help="processes of pytest (default: 2)")
    parser.add_argument("versions", nargs="*", metavar="VERSION", help="some of the versions only, such as 3.12")
    options = parser.parse_args(argv)
    versions = supported()
    unknown = sorted(set(options.versions) - set(versions))
    if unknown:
        parser.error(f"{', '.join(unknown)} is not supported; supported are {', '.join(versions)}")
    wanted = plan(options.all, versions, own().version)
    if options.versions:
        stages = ["check", "slow"] if options.all else ["second"]
        wanted = {version: stages for version in versions if version in options.versions}
    done = matrix(wanted, options.n, prepare=options.prepare, stand_ins=not options.all and not options.versions)
    if done:
        print("", *table(done), sep="\n", flush=True)
    return 1 if any(bad(ran, everything=options.all) for ran in done) else 0


def bad(ran: Ran, *, everything: bool) -> bool:
    """Tell whether a run fails the matrix: not in drills where no release of Debian has the version and nobody else."""
    return not ran.ok and not (everything and not ran.seconds and ran.version not in roots.SUITES)


if __name__ == "__main__":
    sys.exit(main())
