"""Damaged and foreign inputs: read, or skipped with a reason; no traceback, bounded memory and time."""

from __future__ import annotations

import contextlib
import io
import json
import random
import resource
import time
from pathlib import Path

import pytest

from netplan.audit import Given, Skipped, Text, audit, texts
from netplan.cli.main import main
from netplan.inputs.yaml_source import LENIENT

CASES = Path(__file__).parent.parent / "cases" / "audit"
FILES = sorted(p for p in CASES.glob("*/in/**/*") if p.is_file())
DAMAGE = 220


def damaged(seed: int) -> tuple[str, bytes]:
    """Make one damaged input from a seed: cut, mixed, flipped, doubled, of wrong types."""
    rng = random.Random(seed)
    source = rng.choice(FILES)
    raw = source.read_bytes()
    kind = seed % 11
    if kind == 0:
        raw = raw[: rng.randrange(len(raw))]
    elif kind == 1:
        raw = bytes(b ^ (1 << rng.randrange(8)) if rng.random() < 0.01 else b for b in raw)
    elif kind == 2:
        raw = raw.replace(b": ", b":\t").replace(b"1450", b"!!python/object:os.system 1")
    elif kind == 3:
        for word in (b"1450", b"1500", b"1416", b"true"):
            raw = raw.replace(word, rng.choice([b"[]", b"{}", b"null", b"-1", b"1e99", b"9" * 40, b"'\x1b[31m'"]))
    elif kind == 4:
        lines = raw.splitlines(keepends=True)
        rng.shuffle(lines)
        raw = b"".join(lines)
    elif kind == 5:
        raw = raw + rng.choice(FILES).read_bytes()
    elif kind == 6:
        raw = rng.randbytes(rng.randrange(4096))
    elif kind == 7:
        raw = raw.replace(b'"', b"'").replace(b"{", b"[")
    elif kind == 8:
        start = rng.randrange(len(raw))
        raw = raw[:start] + raw[start + rng.randrange(200) :]
    elif kind == 9:
        raw = raw.decode().encode(rng.choice(["utf-16", "utf-8-sig", "utf-32"]))
    else:
        raw = raw.replace(b"\n", b"\r\n").replace(b"mtu", b"mtu\xc3\xa9")
    return source.name, raw


@pytest.mark.parametrize("seed", range(DAMAGE))
def test_a_damaged_input_is_read_or_skipped_with_a_reason(seed, tmp_path):
    name, raw = damaged(seed)
    (tmp_path / name).write_bytes(raw)
    outcome = audit(texts([str(tmp_path)]), Given(link_mtu=1500))
    assert outcome.understood + len(outcome.skipped) == 1
    for skipped in outcome.skipped:
        assert skipped.reason
        assert "\x1b" not in skipped.reason
    for finding in outcome.findings:
        json.dumps(finding.as_json())
        assert "\x1b" not in (finding.location.source or "")


def bomb(levels: int = 30) -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, levels)]
    return "\n".join(lines) + "\n"


BOMBS = {
    "billion laughs": bomb(),
    "an anchor that contains itself": "a: &a\n  b: *a\n",
    "merge keys": "base: &b {x: 1}\n" + "\n".join(f"k{i}:\n  <<: *b" for i in range(1000)),
    "deep brackets": "[" * 100_000,
    "deep json": '{"a":' * 50_000 + "1" + "}" * 50_000,
    "deep yaml": "\n".join(" " * i + "a:" for i in range(3000)),
    "deep swanctl": "connections {\n children {\n" * 40_000,
    "deep vyos": "interfaces {\n" * 40_000,
    "deep raw swanctl": "list-conn event {" + "a {" * 50_000,
    "wide braces": "connections { children = " + "x" * 500_000,
    "one long line": "mtu: " + "1" * 2_000_000,
    "noise with keys": "".join(f"key{i}: value{i}\n" for i in range(200_000)),
    "xfrm heads": "src 1.1.1.1 dst 2.2.2.2\n\tproto esp spi 1\n" * 60_000,
    "blank lines": "\n" * 300_000 + "x\n",  # where a space in a pattern is also the end of a line
    "lines of spaces": "  \n" * 200_000 + "x\n",
    "mss words": "table inet x\n" + "maxseg size set 1400\n" * 30_000,
}


@pytest.mark.parametrize("name", list(BOMBS))
def test_bombs_end_quickly_in_bounded_memory(name):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.process_time()
    outcome = audit([Text(f"{name}.yaml", BOMBS[name])], Given(link_mtu=1500))
    assert time.process_time() - start < 20
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 400_000  # KiB
    assert outcome.understood + len(outcome.skipped) >= 1


def noise(seed: int) -> bytes:
    """Make ten megabytes of the characters that structured texts have."""
    letters = b"abcdefgh :{}[]\n-#\"'"
    return random.Random(seed).randbytes(10 << 20).translate(bytes(letters[i % len(letters)] for i in range(256)))


def test_ten_megabytes_of_noise(tmp_path):
    (tmp_path / "noise.bin").write_bytes(random.Random(7).randbytes(10 << 20))
    (tmp_path / "noise.txt").write_bytes(noise(7))
    (tmp_path / "noise.yaml").write_text("a: b\n" * (2 << 20))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.process_time()
    outcome = audit(texts([str(tmp_path)]), Given(link_mtu=1500))
    assert time.process_time() - start < 20
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 400_000
    assert len(outcome.skipped) == 3
    reasons = {Path(s.path).name: s.reason for s in outcome.skipped}
    assert "NUL" in reasons["noise.bin"]
    assert f"{LENIENT.max_bytes >> 20} MiB" in reasons["noise.yaml"]


FOREIGN = {
    "main.tf": 'resource "aws_vpc" "x" {\n  cidr_block = "10.0.0.0/16"\n}\n',
    "Dockerfile": "FROM debian:12\nRUN apt-get update\n",
    "deploy.yaml": "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\nspec: {}\n",
    "values.yaml": "{{- if .Values.mtu }}\nmtu: {{ .Values.mtu }}\n{{- end }}\n",
    "ip.txt": "eth0             UP             02:00:00:00:00:01 <BROADCAST,MULTICAST,UP,LOWER_UP>\n",
    "empty.json": "",
    "list.json": "[1, 2, 3]",
    "string.json": '"mtu"',
    "prometheus.yml": "global:\n  scrape_interval: 15s\nscrape_configs: []\n",
    "id_rsa": "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAA\n-----END OPENSSH PRIVATE KEY-----\n",
}


@pytest.mark.parametrize("name", list(FOREIGN))
def test_other_tools_files(name, tmp_path, capsys):
    (tmp_path / name).write_text(FOREIGN[name])
    code = main(["audit", str(tmp_path)])
    printed = capsys.readouterr()
    assert code in (0, 3, 9)
    assert printed.out == ""
    if code == 3:
        assert "IPP919" in printed.err
        assert "skipped: " in printed.err


def test_missing_file_is_a_reason_not_a_traceback(capsys):
    assert main(["audit", "/nonexistent/x.yaml"]) == 3
    assert "No such file" in capsys.readouterr().err


def test_a_pipe_is_not_read(tmp_path):
    import os

    os.mkfifo(tmp_path / "fifo")
    found = list(texts([str(tmp_path)]))
    assert found == [Skipped(str(tmp_path / "fifo"), "not a regular file")]


def test_standard_input(monkeypatch, capsys):
    text = (CASES / "calico-operator-1450-nat" / "in" / "installation.yaml").read_bytes()

    class Stdin:
        buffer = io.BytesIO(text)

    monkeypatch.setattr("sys.stdin", Stdin)
    assert main(["audit", "-", "--mtu", "1500"]) == 0
    assert main(["audit", "--help"]) == 0
    capsys.readouterr()


def test_kubectl_list_and_json_have_positions(tmp_path, capsys):
    item = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "kube-flannel-cfg", "namespace": "kube-flannel"},
        "data": {"net-conf.json": '{"Network": "10.244.0.0/16", "Backend": {"Type": "vxlan", "MTU": 1600}}'},
    }
    (tmp_path / "all.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": [item]}, indent=2))
    assert main(["audit", str(tmp_path), "--mtu", "1500", "--json"]) == 4
    finding = json.loads(capsys.readouterr().out)["result"]["findings"][0]
    assert (finding["ends_with"], finding["exact"], finding["exact_field"]) == (1550, 1450, 1500)
    lines = (tmp_path / "all.json").read_text().splitlines()
    assert "net-conf.json" in lines[finding["line"] - 1]


def test_wrong_options_are_usage_errors(capsys):
    with contextlib.suppress(SystemExit):
        assert main(["audit"]) == 2
    assert main(["audit", "x", "--stack", "ip4"]) == 2
    assert main(["audit", "x", "--mtu", "abc"]) == 3
    assert main(["audit", "x", "--stack", "ip4/nonsense", "--mtu", "1500"]) == 3
    assert main(["audit", "x", "--plan", "p", "--mtu", "1500"]) == 2
    capsys.readouterr()


def test_sarif_is_complete(capsys, monkeypatch):
    monkeypatch.chdir(CASES / "unsafe-kube-ovn-vxlan-ipsec")
    assert main(["audit", "in", "--mtu", "1500", "--sarif"]) == 4
    log = json.loads(capsys.readouterr().out)
    run = log["runs"][0]
    assert log["version"] == "2.1.0"
    result = run["results"][0]
    assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"] == "IPP911"
    location = result["locations"][0]["physicalLocation"]
    assert location["artifactLocation"]["uri"] == "in/ds.yaml"
    assert location["region"]["startLine"] > 1


def test_strict_fails_on_waste(monkeypatch, capsys):
    monkeypatch.chdir(CASES / "healthy-openshift-default")
    assert main(["audit", "in", "--mtu", "1500"]) == 0
    assert main(["audit", "in", "--mtu", "1500", "--strict"]) == 4
    capsys.readouterr()


def test_all_of_it_at_once_within_a_gigabyte(tmp_path):
    """The whole program in a process of its own, with the kernel as the judge of its memory."""
    import subprocess
    import sys

    for index, (name, text) in enumerate(BOMBS.items()):
        (tmp_path / f"{index}-{name.replace(' ', '-')}.yaml").write_text(text)
    (tmp_path / "noise.txt").write_bytes(noise(11))
    limit = 1 << 30
    run = subprocess.run(
        [sys.executable, "-m", "netplan", "audit", str(tmp_path), "--json"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
    )
    assert run.stderr == ""
    assert run.returncode in (0, 3, 4, 9)
    printed = json.loads(run.stdout)
    assert len(printed["result"]["skipped"]) >= 8


UNIT = "[NetDev]\nName=d0\nKind={kind}\nMTUBytes=1450\n[{section}]\n{key}={value}\n"
PROFILE = "[connection]\nid=x\ntype={kind}\ninterface-name=d0\n[{kind}]\nmode=2\nmtu=1450\n{key}={value}\n"
NETPLAN = "network:\n  version: 2\n  tunnels:\n    d0: {{mode: {mode}, mtu: 1450, {key}: {value}}}\n"
FORMS = (
    ("d0.netdev", UNIT.format(kind="vxlan", section="VXLAN", key="DestinationPort", value="{}")),
    ("d0.netdev", UNIT.format(kind="erspan", section="Tunnel", key="ERSPANVersion", value="{}")),
    ("d0.netdev", UNIT.format(kind="gre", section="Tunnel", key="Key", value="{}")),
    ("d0.nmconnection", PROFILE.format(kind="vxlan", key="destination-port", value="{}")),
    ("d0.nmconnection", PROFILE.format(kind="ip-tunnel", key="output-key", value="{}")),
    ("d0.network", "[Match]\nName=d0\n[Network]\nAddress=192.0.2.1/{}\n[Link]\nMTUBytes=1450\n"),
    ("d0.yaml", NETPLAN.format(mode="gre", key="key", value="{}")),
    ("d0.yaml", NETPLAN.format(mode="vxlan", key="addresses", value="{}")),
    ("d0.yaml", NETPLAN.format(mode="gretap", key="interfaces", value="{}")),
)


@pytest.mark.parametrize(
    "value",
    ["9" * 5000, "\u00b2", "\u0661\u0664", "5", "true", "{a: 1}", "[[]]", "-1"],
    ids=["digits", "superscript", "arabic", "number", "word", "mapping", "lists", "negative"],
)
@pytest.mark.parametrize("form", range(len(FORMS)))
def test_a_value_of_another_type_ends_no_run(form, value):
    path, text = FORMS[form]
    report = audit([Text(path, text.replace("{}", value))], Given(link_mtu=1500))
    assert all(v.exact is None or 0 < v.exact < 1500 for v in report.verdicts)


def test_a_list_of_sysfs_is_read_however_long_it_is():
    text = "".join(f"/sys/class/net/eth{n}/mtu:1500\n" for n in range(9000))
    report = audit([Text("mtus", text)], Given())
    assert not report.skipped


@pytest.mark.parametrize(
    ("path", "line"),
    [("d0.netdev", "MTUBytes=1450{}x"), ("wg0.conf", "MTU = 1420{}x"), ("ifcfg-eth0", "MTU=1500{}x")],
    ids=["networkd", "wireguard", "ifcfg"],
)
def test_a_line_of_spaces_is_read_in_one_pass(path, line):
    begun = "[NetDev]\nName=d0\nKind=vlan\n[Interface]\nPrivateKey = x\nDEVICE=eth0\nONBOOT=yes\n"
    start = time.process_time()
    audit([Text(path, begun + line.format(" " * 30_000) + "\n")], Given())
    assert time.process_time() - start < 2
