"""Verbs at wrong paths and in strange surroundings: each works, or says in one sentence what is missing."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from netplan.bundle import build, write
from netplan.cli.main import main
from netplan.inputs import ansible_surroundings
from netplan.inputs.inventory import Inventory
from netplan.inputs.path_kinds import kind
from netplan.problems import ProblemError
from netplan.refusals import home, refused
from tests.support.plans import make_planned

ROOT = Path(build.__file__).parents[1]
INVENTORY = "all: {hosts: {n1: {underlay_address: 10.0.0.1, pod_cidr: 10.244.1.0/24}, n2: {}}}\n"
PLAN = "name: demo\ninventory: inventory.yml\n"
READS_BUNDLE = (
    ["status"],
    ["verify"],
    ["facts"],
    ["diff", "--live"],
    ["apply", "--yes"],
    ["try", "--yes", "--detach"],
    ["confirm"],
    ["resume", "--yes"],
    ["revert", "--yes"],
    ["rotate", "psk", "--yes"],
)
READS_PLAN = (["plan"], ["lint"], ["render"], ["network", "calico", "--plan"], ["audit", "x", "--plan"])
WRITES = (
    ["render", "plan.yaml", "--to"],
    ["init"],
    ["network", "calico", "--stack", "ip4/udp/vxlan/eth/ip4", "--mtu", "1500", "--to"],
)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a plan, its inventory, its bundle, and everything that a path may be instead."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IPSECPLAN_STATE", str(tmp_path / "state"))
    Path("plan.yaml").write_text(PLAN, encoding="utf-8")
    Path("inventory.yml").write_text(INVENTORY, encoding="utf-8")
    Path("hosts.ini").write_text("# hosts\n[k8s]\nn1 a=1\n", encoding="utf-8")
    Path("empty").mkdir()
    Path("loop").symlink_to("loop")
    made = make_planned(2)
    write.write(Path("bundle"), made.plan, made.inventory)
    monkeypatch.setattr("netplan.pipeline.make", lambda path: _made(path))
    return tmp_path


def _made(path: Path) -> object:
    """Stand in for `pipeline.make` behind its first look: no Ansible is started here."""
    from netplan.inputs.load import load

    load(path)
    return make_planned(2)


def said(capsys: pytest.CaptureFixture[str], argv: list[str]) -> tuple[int, str]:
    code = main(argv)
    out, err = capsys.readouterr()
    assert "Traceback" not in out + err
    return code, err


@pytest.mark.parametrize("verb", READS_BUNDLE, ids=" ".join)
def test_what_is_no_bundle(verb: list[str], place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert place
    wrong = {
        "plan.yaml": "this is a plan file; a bundle",
        "inventory.yml": "this is an Ansible inventory; a bundle",
        "hosts.ini": "this is an Ansible inventory; a bundle",
        "empty": "this is a directory; a bundle",
        "bundle/REVIEW.md": "this is a part of a bundle; a bundle",
        "bundle/nodes": "this is a part of a bundle",
        "loop": "",
        "nowhere": "no such file or directory",
        "plan.yaml/x": "",
        "n" * 300: "File name too long",
    }
    for path, words in wrong.items():
        code, err = said(capsys, [*verb, path])
        first = err.splitlines()[0]
        assert (code, first.startswith(path), words in first) == (3, True, True), (path, err)
        assert "hint: " in err, path


@pytest.mark.parametrize("verb", READS_PLAN, ids=" ".join)
def test_what_is_no_plan(verb: list[str], place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert place
    wrong = {
        "bundle": ("this is a bundle; a plan file", "it was made from"),
        "bundle/manifest.json": ("this is a part of a bundle; a plan file", "it was made from"),
        "inventory.yml": ("this is an Ansible inventory; a plan file", "a plan names it"),
        "hosts.ini": ("this is an Ansible inventory; a plan file", "a plan names it"),
        ".": ("this is a directory; a plan file", "did you mean plan.yaml?"),
        "empty": ("this is a directory; a plan file", "`ipsecplan init`"),
        "loop": ("can't be read: Too many levels", "symbolic links"),
        "nowhere.yaml": ("no such file", "`ipsecplan init`"),
        "plan.yaml/x": ("can't be read: Not a directory", "plan.yaml is no directory"),
        "n" * 300: ("can't be read: File name too long", "255 bytes"),
    }
    for path, (words, hint) in wrong.items():
        code, err = said(capsys, [*verb, path])
        assert (code, err.startswith(path), words in err, hint in err) == (3, True, True, True), (path, err)


@pytest.mark.parametrize("verb", WRITES, ids=lambda verb: verb[0])
def test_what_can_not_be_written(verb: list[str], place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert place
    for path in ("/proc/foo", "plan.yaml/x", "plan.yaml/x/y", "loop/x", "n" * 300, "/dev/null/x", "plan.yaml"):
        code, err = said(capsys, [*verb, path])
        assert code == 3, (path, err)
        assert err.startswith(f"{path}: error IPP"), err
        assert "hint: " in err, path
    assert Path("plan.yaml").read_text(encoding="utf-8") == PLAN


def test_the_state_directory(place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IPSECPLAN_STATE", str(place / "plan.yaml"))
    for verb in (["history"], ["show", "tx-1"]):
        code, err = said(capsys, verb)
        assert (code, "IPP608" in err, "plan.yaml is no directory" in err) == (1, True, True), err
    code, err = said(capsys, ["psk", "encrypt", "demo"])
    assert (code, "can't be used: Not a directory" in err, "IPSECPLAN_STATE" in err) == (1, True, True)
    code, err = said(capsys, ["history", "--json"])
    assert code == 1
    assert err == ""


def test_a_lab_without_a_home(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.delenv("IPSECPLAN_LAB_HOME", raising=False)
    monkeypatch.setenv("HOME", "/proc/no-home")
    monkeypatch.setattr("netplan.lab.cluster.require_programs", lambda **_: None)
    code, err = said(capsys, ["lab", "up"])
    assert (code, "can't be made" in err, "IPSECPLAN_LAB_HOME" in err) == (1, True, True), err


def test_no_home_at_all(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.delenv("IPSECPLAN_STATE", raising=False)
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)

    def nobody(_: int) -> None:
        raise KeyError

    monkeypatch.setattr("pwd.getpwuid", nobody)
    code, err = said(capsys, ["history"])
    assert code == 1
    assert "no home directory: HOME is not set" in err
    assert "set IPSECPLAN_STATE" in err
    with pytest.raises(ProblemError, match="ssh refuses to run for user id"):
        ansible_surroundings.can_use_ssh()
    monkeypatch.setenv("HOME", "/x")
    assert home("X", "IPP608") == Path("/x")


def test_without_ssh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(ProblemError, match="ssh is not installed"):
        ansible_surroundings.can_use_ssh()


@pytest.mark.parametrize(
    ("environment", "needed"),
    [
        ({"LC_ALL": "C.UTF-8"}, False),
        ({"LANG": "C.UTF-8"}, False),
        ({"LC_ALL": "C"}, True),
        ({}, True),
        ({"LC_ALL": "POSIX", "LANG": "C.UTF-8"}, True),
        ({"LC_ALL": "xx_YY.UTF-8"}, True),
        ({"LANG": "C.UTF-8", "LC_MESSAGES": "xx_YY"}, True),
    ],
    ids=str,
)
def test_a_locale_that_ansible_takes(
    environment: dict[str, str], needed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [n for n in os.environ if n.startswith("LC_") or n in ("LANG", "LANGUAGE")]:
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert bool(ansible_surroundings.utf8_locale()) is needed
    monkeypatch.setattr(ansible_surroundings, "_is_utf8", lambda name: name == "de_DE.utf8")
    monkeypatch.setattr(ansible_surroundings, "_installed", lambda: ["C", "de_DE.utf8"])
    assert ansible_surroundings.utf8_locale() == {"LC_ALL": "de_DE.utf8"}
    monkeypatch.setenv("LC_ALL", "de_DE.ISO-8859-1")
    monkeypatch.setattr(ansible_surroundings, "_installed", list)
    assert ansible_surroundings.utf8_locale() == {"LC_ALL": "de_DE.utf8"}, "the user's own language first"
    monkeypatch.setattr(ansible_surroundings, "_is_utf8", lambda _: False)
    with pytest.raises(ProblemError, match="needs a UTF-8 locale"):
        ansible_surroundings.utf8_locale()


def test_as_a_service_would(cluster: Callable[..., Path]) -> None:
    """The one real start of Ansible here: ASCII locale, no home, private files, a folder that nobody can write."""
    plan = cluster(
        hosts={
            n: f"{{underlay_address: 10.0.0.{i}, pod_cidr: 10.244.{i}.0/24}}" for i, n in enumerate(("näh", "n2"), 1)
        }
    )
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C", "TZ": "Asia/Kathmandu", "HOME": "/proc/no-home"}
    argv = ["sh", "-c", 'umask 077; exec "$@"', "sh", sys.executable, "-m", "netplan", "render", str(plan)]
    target = plan.parent / "out"
    done = subprocess.run(
        [*argv, "--to", str(target)],
        cwd="/proc",
        env=environment | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        timeout=120,
    )
    assert b"IPP305" in done.stderr or done.returncode == 0, done.stderr
    assert b"Traceback" not in done.stderr
    assert b"IPP302" not in done.stderr
    shutil.rmtree(target, ignore_errors=True)


@pytest.mark.parametrize(("encoding", "name"), [("iso-8859-1", "\N{SNOWMAN}"), ("utf-8", b"\xff")])
def test_no_letter_ends_a_command(encoding: str, name: str | bytes, tmp_path: Path) -> None:
    """Of a path that is no UTF-8, or of a host, where the terminal can't show it."""
    (tmp_path / "inventory.yml").write_text(INVENTORY, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "netplan", "init", name],
        env=os.environ | {"PYTHONIOENCODING": encoding, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        timeout=60,
        cwd=tmp_path,
    )
    assert done.returncode == 0
    assert b"Traceback" not in done.stderr
    assert done.stdout.startswith(
        b"\\u2603 written" if isinstance(name, str) else "\N{REPLACEMENT CHARACTER} written".encode()
    )


def test_stdout_that_takes_nothing() -> None:
    argv = [sys.executable, "-m", "netplan"]
    for verb in (["calc", "ip4/tcp"], ["schema"]):
        with open("/dev/full", "wb") as full:
            done = subprocess.run([*argv, *verb], stdout=full, stderr=subprocess.PIPE, timeout=60)
        assert done.returncode == 1
        first = done.stderr.splitlines()[0]
        assert first == b"standard output: error IPP210: can't be written: No space left on device"
    end, other = os.pipe()
    os.close(end)
    done = subprocess.run([*argv, "schema"], stdout=other, stderr=subprocess.PIPE, timeout=60)
    os.close(other)
    assert (done.returncode, done.stderr) == (0, b""), "as with `| head`"
    shell = ["sh", "-c", 'exec "$@" >&-', "sh"]
    done = subprocess.run([*shell, *argv, "calc", "ip4/tcp"], stderr=subprocess.PIPE, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")


def test_what_nobody_foresaw_is_one_line_and_a_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("IPSECPLAN_STATE", str(tmp_path))
    monkeypatch.delenv("IPSECPLAN_DEBUG", raising=False)

    def breaks(_: Path) -> None:
        raise ZeroDivisionError("secret\x1b[31m")

    monkeypatch.setattr("netplan.pipeline.make", breaks)
    code, err = said(capsys, ["lint", "plan.yaml"])
    first, hint = err.splitlines()
    assert code == 1
    assert first.startswith(
        "error IPP699: this is a defect of ipsecplan: ZeroDivisionError: secret\N{REPLACEMENT CHARACTER}[31m ("
    )
    report = Path(hint.split()[-1])
    assert report.parent == tmp_path / "crashes"
    assert report.stat().st_mode & 0o777 == 0o600
    text = report.read_text(encoding="utf-8")
    assert "ZeroDivisionError" in text
    assert "'lint' 'plan.yaml'" in text
    monkeypatch.setenv("IPSECPLAN_DEBUG", "1")
    assert main(["lint", "plan.yaml"]) == 1
    assert "Traceback" in capsys.readouterr().err
    monkeypatch.delenv("IPSECPLAN_DEBUG")
    assert main(["lint", "plan.yaml", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["errors"][0]["code"] == "IPP699"

    def full(_: Path) -> None:
        raise OSError(28, "No space left on device", "/var/x")

    monkeypatch.setattr("netplan.pipeline.make", full)
    code, err = said(capsys, ["lint", "plan.yaml"])
    assert (code, err.splitlines()[0]) == (1, "/var/x: error IPP212: can't be used: No space left on device")


def test_which_bundle_a_plan_has(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def hint() -> str:
        return said(capsys, ["status", "plan.yaml"])[1].splitlines()[1].strip()

    manifest = json.loads((place / "bundle" / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["plan_digest"]
    assert hint() == "hint: did you mean bundle? That is the bundle of this plan"
    (place / "bundle").rename(place / "other")
    assert hint() == "hint: did you mean other? That is the bundle of this plan"
    Path("plan.yaml").write_text(PLAN + "underlay: {mtu: 1400}\n", encoding="utf-8")
    assert hint() == (
        "hint: other is a bundle of it, made before the plan was changed: `ipsecplan render plan.yaml --to other`"
    )
    Path("plan.yaml").write_text(PLAN.replace("demo", "another"), encoding="utf-8")
    assert hint() == "hint: it has no bundle yet: `ipsecplan render plan.yaml` writes one"
    Path("plan.yaml").write_text("name: demo\ninventory: [\n", encoding="utf-8")
    assert kind(Path("plan.yaml")) == "plan", "a plan with a fault in it is a plan"


def test_an_inventory_that_is_something_else(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert isinstance(make_planned(2).inventory, Inventory)
    for path, words in {"plan.yaml": "this is a plan file", "bundle": "this is a bundle"}.items():
        code, err = said(capsys, ["status", "bundle", "--inventory", path])
        assert (code, f"{path}: error IPP211: {words}; an Ansible inventory is wanted" in err) == (3, True), err
    assert place


def test_a_bundle_in_a_mount_point(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.path.ismount", lambda path: str(path) == "empty")
    code, err = said(capsys, ["render", "plan.yaml", "--to", "empty"])
    assert (code, "choose a new directory in it: --to empty/bundle" in err) == (3, True)
    assert place


def test_refusals_without_a_path() -> None:
    assert refused(OSError(24, "Too many open files")).lines() == [
        "error IPP212: the operating system refused: Too many open files",
        "  hint: raise the limit of open files: ulimit -n",
    ]
