"""What people expect of any command line: help, version, completion, formats, colour, quiet, pictures, reports."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import click
import jsonschema
import pytest
import yaml
from click.shell_completion import ShellComplete

from netplan.cli.group import cli
from netplan.cli.habits import HABITS, taken
from netplan.cli.main import main
from netplan.cli.result_schemas import RESULTS, schema_of
from netplan.cli.verbs import GROUPS, VERBS
from netplan.explain.packets import PACKETS, packet
from netplan.rollout.record.support import HIDDEN, pack, redacted, secrets_of
from netplan.stack import parse, solve
from tests.support.golden import check
from tests.support.man_page import man_page

ROOT = Path(__file__).parents[2]
INVENTORY = """\
all:
  hosts:
    n1: {underlay_address: 192.0.2.1, pod_cidr: 10.1.1.0/24, ansible_become_password: "hunter2-and-more"}
    n2: {underlay_address: 192.0.2.2, pod_cidr: 10.1.2.0/24, underlay_mtu: 1450}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory with an inventory and a state directory of its own."""
    monkeypatch.chdir(tmp_path)
    for name in ("NO_COLOR", "CLICOLOR_FORCE", "FORCE_COLOR", "PAGER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("IPSECPLAN_STATE", str(tmp_path / "state"))
    (tmp_path / "inventory.yml").write_text(INVENTORY)
    return tmp_path


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(list(words))
    out, err = capsys.readouterr()
    return code, out, err


def test_every_verb_is_in_one_group() -> None:
    named = [name for names in GROUPS.values() for name in names]
    assert sorted(named) == sorted(VERBS)


def test_help_and_version_are_verbs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, page, _ = said(capsys, "help", "apply")
    assert (code, page) == said(capsys, "apply", "--help")[:2]
    assert said(capsys, "help")[1] == said(capsys, "--help")[1] == said(capsys)[1]
    assert "UDP header" in said(capsys, "help", "nat-t")[1]
    assert said(capsys, "help", "nothing-like-it")[0] == 3
    assert said(capsys, "help", "ca", "nonsense")[0] == 2
    assert said(capsys, "version")[1].startswith("ipsecplan ")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_completion_is_one_of_the_shell(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, script, _ = said(capsys, "completion", shell)
    assert code == 0
    assert "_IPSECPLAN_COMPLETE" in script
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    done = subprocess.run([shell, "-n"], input=script, text=True, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def completed(words: list[str], typed: str) -> list[str]:
    return [item.value for item in ShellComplete(cli, {}, "ipsecplan", "_X").get_completions(words, typed)]


def test_values_are_completed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "init")[0] == 0
    assert said(capsys, "render")[0] == 0
    assert completed([], "gr") == ["graph"]
    assert completed(["lint"], "") == ["plan.yaml"], "not the inventory"
    assert completed(["apply"], "b") == ["bundle"]
    assert completed(["verify", "--exclude"], "n1,n") == ["n1,n1", "n1,n2"]
    assert "aes256gcm16" in completed(["calc", "vxlan", "--esp"], "aes256")
    assert "calico-vxlan" in completed(["calc"], "calico")
    assert completed(["calc", "x", "--underlay"], "aws-v") == ["aws-vpc"]
    assert "cilium" in completed(["explain"], "cil")
    assert completed(["network"], "ope") == ["openshift"]
    assert completed(["show"], "tx") == []


def test_completion_never_fails(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "bundle").mkdir()
    (folder / "bundle" / "manifest.json").write_text("{broken")
    assert completed(["verify", "--exclude"], "") == []


@pytest.mark.parametrize(
    ("argv", "rest"),
    [
        (["lint", "-o", "json"], ["lint", "--json"]),
        (["-q", "lint", "--color=always"], ["lint"]),
        (["lint", "-o", "table"], ["lint"]),
        (["lint", "--output=wide"], ["lint", "--verbose"]),
        (["lab", "run", "--", "-q", "-o", "x"], ["lab", "run", "--", "-q", "-o", "x"]),
    ],
)
def test_common_options_stand_anywhere(argv: list[str], rest: list[str]) -> None:
    assert taken(argv) == (rest, None)


@pytest.mark.parametrize("argv", [["lint", "-o"], ["lint", "-o", "xml"], ["--color", "maybe", "lint"], ["--colour"]])
def test_a_wrong_common_option_is_a_usage_error(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = said(capsys, *argv)
    assert (code, out) == (2, "")
    assert "is one of" in err


def test_yaml_is_json_in_other_clothes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said(capsys, "init")
    assert yaml.safe_load(said(capsys, "plan", "-o", "yaml")[1]) == json.loads(said(capsys, "plan", "-o", "json")[1])


def test_quiet_is_without_warnings_and_never_without_errors(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said(capsys, "init", "--force")
    text = (folder / "plan.yaml").read_text().replace("aes256gcm16-x25519", "aes256gcm16")
    (folder / "plan.yaml").write_text(text)
    assert "IPP405" in said(capsys, "lint")[2]
    code, out, err = said(capsys, "lint", "-q")
    assert (code, err) == (0, "")
    assert "ok, 2 nodes" in out
    (folder / "plan.yaml").write_text(text.replace("type: vxlan", "type: vxlann"))
    assert "IPP208" in said(capsys, "lint", "-q")[2]
    assert HABITS.quiet


def test_colour_is_asked_for_or_refused(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "\x1b" not in said(capsys, "lint")[2]
    assert "\x1b[31m" in said(capsys, "lint", "--color", "always")[2]
    monkeypatch.setenv("CLICOLOR_FORCE", "1")
    assert "\x1b[31m" in said(capsys, "lint")[2]
    assert "\x1b" not in said(capsys, "lint", "--color=never")[2]
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in said(capsys, "lint")[2]


def offline(folder: Path) -> dict[str, list[str]]:
    """Return arguments for every verb that needs no node."""
    return {
        "audit": [str(ROOT / "tests" / "cases" / "audit" / "antrea-too-large" / "in")],
        "calc": ["ip4/esp:aes256gcm16/ip4"],
        "diff": ["bundle", "bundle"],
        "explain": ["cilium"],
        "graph": [],
        "history": [],
        "init": ["other.yaml"],
        "lint": [],
        "network": ["--list"],
        "plan": [],
        "render": ["--to", "bundle2"],
        "report": ["--to", "r.tar.gz"],
        "version": [],
    }


def test_every_answer_is_as_its_schema_says(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said(capsys, "init")
    said(capsys, "render")
    for verb, words in offline(folder).items():
        document: Any = json.loads(said(capsys, verb, *words, "--json")[1])
        schema = json.loads(said(capsys, "schema", verb)[1])
        assert schema == schema_of(verb)
        jsonschema.Draft202012Validator.check_schema(schema)
        jsonschema.validate(document, schema)
        assert document["result"] is not None, verb
        broken = {**document, "result": 5}
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(broken, schema)
        usage = json.loads(said(capsys, verb, "--no-such-option", "--json")[1])
        jsonschema.validate(usage, schema)
        assert (usage["exit_code"], usage["result"]) == (2, None)


def test_every_verb_with_json_has_a_schema() -> None:
    changing = {"apply", "try", "confirm", "resume", "revert", "rotate", "lab", "ca", "psk", "host-link", "ui"}
    context = click.Context(cli)
    have = set()
    for name in VERBS:
        command = cli.get_command(context, name)  # type: ignore[attr-defined]
        if command is not None and any("--json" in option.opts for option in command.params):
            have.add(name)
    assert have - changing == set(RESULTS)


def test_the_manual_page_is_that_of_the_help_pages() -> None:
    pages = (ROOT / "netplan" / "data" / "help.txt").read_text(encoding="utf-8")
    text = man_page(pages)
    check(ROOT / "netplan" / "data" / "ipsecplan.1", text)
    assert text.count(".SS ipsecplan ") == len(VERBS)
    assert not re.search(r"^\.(?!\\\"|TH|SH|SS|B|BR|I|PP|TP|nf|fi)", text, re.MULTILINE)


def test_packets_have_names() -> None:
    assert packet("calico-vxlan", "aes256gcm16") == "ip4/esp:aes256gcm16/udp/vxlan/eth/ip4"
    assert packet("ovn-kubernetes") == "ip4/udp/geneve:8/eth/ip4"
    assert packet("calico-ipip", "aes256gcm16", "tunnel", nat_t=True) == "ip4/udp/esp:aes256gcm16/ip4/ip4"
    for name in PACKETS:
        for suite in (None, "aes256gcm16"):
            assert solve(parse(packet(name, suite)), 1500).inner_mtu < 1500, name


def test_calc_takes_a_name_and_draws(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("calc", "calico-vxlan", "--esp", "aes256gcm16", "--underlay", "aws")
    code, out, _ = said(capsys, *words, "--svg", "x.svg")
    assert (code, "8916" in out) == (0, True)
    assert (folder / "x.svg").read_text().startswith("\n<svg") or "<svg" in (folder / "x.svg").read_text()
    assert "<svg" in said(capsys, *words, "--svg", "-")[1]
    assert "did you mean calico-vxlan?" in said(capsys, "calc", "calico-vxlann", "--esp", "aes256gcm16")[2]
    assert said(capsys, "calc", "vxlan", "--nat-t")[0] == 2


def test_a_report_has_no_secret(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said(capsys, "init")
    said(capsys, "render")
    journal = folder / "state" / "clusters" / "c" / "journal"
    journal.mkdir(parents=True)
    lines = [
        "it said hunter2-and-more",
        "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----",
        '"token": "abc"',
    ]
    (journal / "tx-20260101000000-abcd.jsonl").write_text("\n".join(lines))
    (journal.parent / "ca").mkdir()
    (journal.parent / "ca" / "key.pem").write_text("never read")
    (journal / "tx-20260101000000-aaaa.jsonl").symlink_to(journal.parent / "ca" / "key.pem")
    code, out, _ = said(capsys, "report", "--to", "r.tar.gz")
    assert (code, "secrets looked for: 1, found: 0" in out) == (0, True)
    assert (folder / "r.tar.gz").stat().st_mode & 0o777 == 0o600
    with tarfile.open(folder / "r.tar.gz") as archive:
        texts = {m.name: (archive.extractfile(m) or io.BytesIO()).read().decode() for m in archive.getmembers()}
    everything = "\n".join(texts.values())
    for secret in ("hunter2", "MIIE", 'abc"', "never read"):
        assert secret not in everything
    assert HIDDEN in texts["ipsecplan-report/state/clusters/c/journal/tx-20260101000000-abcd.jsonl"]
    assert "ipsecplan-report/bundle/REVIEW.md" in texts


def test_a_text_that_keeps_a_secret_is_left_out() -> None:
    packed = pack({"hunter2-name.txt": "x", "fine.txt": 'say "q\\"uoted"'}, {"hunter2", 'q"uoted'})
    assert (packed.names, packed.found, packed.looked_for) == (("fine.txt",), ("hunter2-name.txt",), 2)


def test_secrets_are_known_by_name() -> None:
    variables = {
        "ansible_password": "pw-one",
        "nested": {"api_token": ["pw-two"]},
        "pod_cidr": "10.0.0.0/8",
        "psk": "x",
    }
    assert secrets_of([variables]) == {"pw-one", "pw-two"}
    assert (
        redacted("https://me:pw@host/ password=abc key: v", ()) == f"https://me:{HIDDEN}@host/ password={HIDDEN} key: v"
    )


NODES = {
    "items": [
        {
            "kind": "Node",
            "metadata": {"name": "w1"},
            "spec": {"podCIDR": "10.1.1.0/24"},
            "status": {"addresses": [{"type": "InternalIP", "address": "10.0.0.1"}]},
        },
        {
            "kind": "Node",
            "metadata": {"name": "w2"},
            "status": {"addresses": [{"type": "InternalIP", "address": "x; y"}]},
        },
        {"kind": "Node", "metadata": {"name": "{{ evil }}"}},
    ]
}


def test_init_makes_an_inventory_of_kubernetes_nodes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "dumps").mkdir()
    (folder / "dumps" / "nodes.json").write_text(json.dumps(NODES))
    code, out, err = said(capsys, "init", "--inventory", "made.yml", "--from-audit", "dumps", "--cni", "calico")
    assert code == 0
    assert "2 hosts written" in out
    assert "'w2': no underlay_address" in err, "what it lacks"
    hosts = yaml.safe_load((folder / "made.yml").read_text())["all"]["hosts"]
    assert hosts["w1"] == {"underlay_address": "10.0.0.1", "ansible_host": "10.0.0.1", "pod_cidr": "10.1.1.0/24"}
    assert not hosts["w2"]
    assert "plugin: calico" in (folder / "plan.yaml").read_text()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--inventory", "nowhere.yml"], "IPP301"),
        (["--nodes", "clster"], "IPP303"),
        (["--name", "My Cluster"], "IPP401"),
        (["--overlay", "calico"], "--cni calico"),
        (["--overlay", "vxlam"], "did you mean vxlan?"),
        (["--cni", "calcio"], "did you mean calico?"),
        (["--cni", "macvlan"], "IPP901"),
        (["--from-audit", "empty"], "IPP301"),
        (["--from-kubeconfig", "nowhere"], "IPP301"),
    ],
)
def test_init_refuses_what_lint_would(
    words: list[str], expected: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = said(capsys, "init", *words)
    assert (code, expected in err) == (3, True), err
    assert not (folder / "plan.yaml").exists()


def test_init_replaces_a_plan_only_when_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "init")[0] == 0
    assert said(capsys, "init", "--mtu", "1400")[0] == 3
    assert said(capsys, "init", "--mtu", "1400", "--force")[0] == 0
    assert "mtu: 1400" in (folder / "plan.yaml").read_text()
    assert said(capsys, "lint")[0] == 0
    assert (folder / "inventory.yml").read_text() == INVENTORY


def test_calc_still_imports_little() -> None:
    code = (
        "import sys; from netplan.cli.main import main; main(['calc','ip4/esp:aes256gcm16/ip4']); "
        "print([n for n in ('click','jinja2','yaml','pydantic') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("[]")
