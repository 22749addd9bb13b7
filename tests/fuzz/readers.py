"""The register of readers: a new one gets a row here. Seeds are real inputs, from the tests' own data."""

from __future__ import annotations

import contextlib
import csv
import functools
import io
import json
import re
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from netplan.audit import Given, Text, audit
from netplan.bundle import build, schema
from netplan.bundle.peer_table import Hosts
from netplan.cni.existing_config import texts
from netplan.inputs import inventory
from netplan.inputs.host_variables import HostContext, read_hosts
from netplan.inputs.inventory import Host, Inventory
from netplan.inputs.load import load_source
from netplan.inputs.rules import validate
from netplan.inputs.yaml_source import parse as parse_yaml
from netplan.ipsec import ca, ca_rollover, psk
from netplan.ipsec.swanctl import connections_of
from netplan.ipsec.swanctl_parser import SettingsError
from netplan.ipsec.swanctl_parser import read as read_settings
from netplan.pipeline import planned as plan_it
from netplan.problems import Problem, ProblemError, errors
from netplan.rollout.record import history
from netplan.rollout.transport.reply import parse as parse_reply
from netplan.stack import parse, solve
from tests.fuzz.agent_at_home import ask_agent
from tests.fuzz.harness import ROOT, Reader
from tests.support import replies
from tests.support.manifests import hosts_of, manifest_of
from tests.support.plans import make_planned

STEADY = {"underlay_address": "10.77.0.11", "pod_cidr": "10.244.1.0/24"}
WORDS = (
    "ip4/udp/esp:aes256gcm16/ip4/udp/vxlan/eth/ip4",
    "ip6/esp:aes256-sha256/udp/geneve:8/eth/ip4",
    "calico-vxlan",
    "ip4/esp:chacha20poly1305:transport/gre/ip4",
)


def _stack(data: bytes, _: Path) -> Sequence[str] | None:
    stack = parse(data.decode("utf-8", "replace"))
    assert solve(stack, 1500).inner_mtu <= 1500, "an inner packet is no larger than its link"
    return None


def _stack_seeds() -> list[bytes]:
    with open(ROOT / "tests" / "data" / "kernel_mtu.csv", encoding="utf-8") as file:
        rows = [
            row["stack"] for row in csv.DictReader(line for line in file if not line.startswith("#")) if "stack" in row
        ]
    return [text.encode() for text in (*WORDS, *rows[::20])]


@functools.cache
def _hosts() -> Inventory:
    hosts = tuple(
        Host(f"n{n}", {"underlay_address": f"10.77.0.1{n}", "pod_cidr": f"10.244.{n}.0/24"}, frozenset({"all", "k8s"}))
        for n in (1, 2, 3)
    )
    return Inventory(Path("inventory.yml"), "inventory.yml", "all", hosts)


def _plan(data: bytes, folder: Path) -> Sequence[str] | None:
    loaded = load_source(parse_yaml(data, "plan.yaml"), folder / "plan.yaml")
    problems = validate(loaded)
    if errors(problems):
        raise ProblemError(problems)
    made = plan_it(loaded, _hosts(), problems)
    return _lines(made.warnings)


def _plan_seeds() -> list[bytes]:
    found = [path.read_bytes() for path in sorted((ROOT / "tests" / "cases" / "bad").glob("plan-*/plan.yaml"))]
    return [*found, b"name: demo\ninventory: inventory.yml\n", *(yaml.safe_dump(p).encode() for p in _plans())]


def _plans() -> list[dict[str, Any]]:
    base = {"name": "demo", "inventory": "inventory.yml"}
    return [
        {**base, "ipsec": {"protect": "hosts", "clear": ["tcp/22"]}, "underlay": {"family": "dual"}},
        {**base, "ipsec": {"topology": {"between": [["n1", "all"]]}, "esp": ["aes256gcm16-x25519"]}},
        {
            **base,
            "underlay": {"mtu": 9000, "paths": [{"between": ["n1", "n2"], "mtu": 1400}]},
            "overlay": {"type": "geneve"},
        },
        {**base, "cni": {"plugin": "calico", "version": "3.31"}, "namespaces": [{"name": "a"}]},
        {**base, "ipsec": {"xfrm_interface": True, "mode": "tunnel", "lifetimes": {"ike": "4h", "child": "1h"}}},
    ]


def _host_variables(data: bytes, _: Path) -> Sequence[str] | None:
    document = json.loads(data)
    if not isinstance(document, dict) or not all(isinstance(about, dict) for about in document.values()):
        return None  # Ansible itself never says that
    hosts = tuple(Host(name, about, frozenset({"all"})) for name, about in document.items())
    found = Inventory(Path("inventory.yml"), "inventory.yml", "all", hosts)
    _ = found.digest
    said = []
    for plan in (
        make_planned(2).plan.file,
        make_planned(2, ipsec={"protect": "hosts"}, underlay={"family": "dual"}).plan.file,
    ):
        said += _lines(read_hosts(HostContext.of(plan), found).problems)
    return said


def _host_seeds() -> list[bytes]:
    more = {"underlay_mtu": 1450, "behind_nat": True, "strongswan_version": "6.0.1", "ipsecplan_managed": False}
    lists = {
        "strongswan_algorithms": ["AES_GCM_16"],
        "underlay_networks": {"storage": {"address": "10.1.0.1", "mtu": 9000}},
    }
    hosts = [
        {"n1": STEADY},
        {"n1": {**STEADY, **more}},
        {"n1": {**STEADY, **lists, "underlay_address_ipv6": "fd00::1"}},
    ]
    return [json.dumps(document).encode() for document in hosts]


def _swanctl(data: bytes, _: Path) -> Sequence[str] | None:
    connections_of(read_settings(data.decode("utf-8", "replace")))
    return None


def _swanctl_seeds() -> list[bytes]:
    plans = (make_planned(2).plan, make_planned(2, ipsec={"protect": "hosts"}).plan)
    found = [f.text.encode() for plan in plans for f in build.node_files(plan, plan.nodes[0]) if "/swanctl/" in f.path]
    return [*found, b'a : b, c {\n x = "y\\n" # z\n}\nb { x = 1\n y { z = 2 } }\n']


def _documents(data: bytes, folder: Path) -> Sequence[str] | None:
    file = folder / "document"
    file.write_bytes(data)
    texts([file])
    return None


def _audit(data: bytes, _: Path) -> Sequence[str] | None:
    text = data.decode("utf-8", "replace").replace("\0", "")
    report = audit([Text("input", text)], Given())
    return [str(skipped.reason) for skipped in report.skipped]


def _audit_seeds(*endings: str) -> list[bytes]:
    files = [
        p
        for p in sorted((ROOT / "tests" / "cases" / "audit").glob("*/in/*"))
        if p.is_file() and p.stat().st_size < 20_000
    ]
    yaml_like = (".yaml", ".yml", ".json", ".conflist")
    return [p.read_bytes() for p in files if (p.suffix in yaml_like) == bool(endings)]


@functools.cache
def _made() -> tuple[schema.Manifest, dict[str, bytes], Hosts]:
    made = make_planned(2)
    files = build.build(made.plan)
    return manifest_of(made, files), {f.path: f.text.encode() for f in files}, hosts_of(files)


def _manifest(data: bytes, _: Path) -> Sequence[str] | None:
    schema.checked_manifest(schema.parse_json(data, "manifest.json"), "manifest.json")
    return None


def _node_json(data: bytes, _: Path) -> Sequence[str] | None:
    document, _files, hosts = _made()
    schema.parse_node(data, next(iter(document["nodes"])), document, hosts, "node.json")
    return None


def _plan_json(data: bytes, _: Path) -> Sequence[str] | None:
    document, files, _hosts = _made()
    node = next(iter(document["nodes"]))
    hosts = schema.parse_hosts(data, "plan.json")
    schema.parse_node(files[f"nodes/{node}/node.json"], node, document, hosts, "node.json")
    return None


def _node_seeds() -> list[bytes]:
    document, files, _hosts = _made()
    return [files[f"nodes/{next(iter(document['nodes']))}/node.json"]]


REQUEST: Any = {
    "phases": ["preflight", "status", "probe", "stage", "trap", "facts"],
    "node": replies.node_json("n-0123456789ab", [{"id": "n-0123456789ac", "pair": "pair-0123456789ab", "name": "b"}]),
}


def _reply(data: bytes, _: Path) -> Sequence[str] | None:
    """A node may answer about what was asked, or about anything: each is tried."""
    text = data.decode("utf-8", "replace")
    for phases in (REQUEST["phases"], re.findall(r'"phase": "([a-z-]+)"', text)):
        parse_reply(text, {**REQUEST, "phases": phases})
    return None


def _reply_seeds() -> list[bytes]:
    node = replies.node_json("n-0123456789ab", [{"id": "n-0123456789ac", "pair": "pair-0123456789ab", "name": "b"}])
    found = []
    for phase in REQUEST["phases"]:
        result = {"phase": phase, "ok": True, "changed": False, "detail": "", "findings": [], "seconds": 0.1}
        result |= replies.added(phase, node)
        found.append(json.dumps({"results": [result], "clock": 1.5, "wall": 2.5}).encode())
    return found


def _psk_store(data: bytes, folder: Path) -> Sequence[str] | None:
    file = folder / "psk.json"
    file.write_bytes(data)
    file.chmod(0o600)
    psk.open_store(file)
    return None


def _psk_list(data: bytes, folder: Path) -> Sequence[str] | None:
    psk.take(psk.Store(folder / "none"), psk.by_names("demo", data))
    return None


PAIR, NODE = "pair-0123456789ab", "n-0123456789ab"
KEYS = {
    "schema": 1,
    "pairs": {PAIR: {"current": "0123456789abcdef" * 4, "next": None}},
    "phases": {NODE: 1},
    "given": True,
}


@functools.cache
def _authorities() -> dict[str, bytes]:
    """Return the files of two CAs in the middle of a rollover, by their place below the folder."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "ca"
        ca.open_authority(home, "demo")
        ca_rollover.rollover(home, "demo")
        return {str(path.relative_to(home)): path.read_bytes() for path in sorted(home.rglob("*")) if path.is_file()}


def _ca(data: bytes, folder: Path) -> Sequence[str] | None:
    """The first byte says which of the files the rest is; all others are good. Else it is a request."""
    names = [*_authorities(), ""]
    name = names[data[0] % len(names)] if data else ""
    if not name:
        ca.public_key(data[1:].decode("utf-8", "replace"), NODE)
        return None
    home = folder / "ca"
    shutil.rmtree(home, ignore_errors=True)
    for place, content in _authorities().items():
        (home / place).parent.mkdir(parents=True, exist_ok=True)
        (home / place).write_bytes(data[1:] if place == name else content)
        (home / place).chmod(0o600)
    ca.open_authority(home, "demo")
    ca_rollover.rollover(home, "demo")
    return None


def _ca_seeds() -> list[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        csr = ca.request(ca.open_authority(Path(folder) / "ca", "demo")).encode()
    files = [bytes([number]) + content for number, content in enumerate(_authorities().values())]
    return [*files, bytes([len(files)]) + csr]


def _journal(data: bytes, folder: Path) -> Sequence[str] | None:
    file = folder / "clusters" / "demo" / "journal" / "tx-1.jsonl"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    for past in history.transactions(folder):
        json.dumps(past.as_json())
    return None


RECORDS: list[dict[str, Any]] = [
    {"event": "RunStarted", "verb": "apply", "cluster": "demo", "digest": "0" * 64, "nodes": {NODE: "n1"}},
    {"event": "PhaseStarted", "phase": "arm"},
    {"event": "NodeResult", "phase": "arm", "node": NODE, "ok": True, "seconds": 0.5, "problems": [{"code": "IPP641"}]},
    {"event": "PhaseFinished", "phase": "arm", "ok": True, "seconds": 1.5},
    {"event": "WorkerLost", "worker": "w1", "reason": "x", "nodes": ["n1"], "by": ["w2"], "left": 1},
    {"event": "Reverting", "reason": "x"},
    {"event": "RunFinished", "outcome": "rolled-back", "exit_code": 6},
]


def _journal_seeds() -> list[bytes]:
    lines = [json.dumps({"at": f"2026-01-01T00:00:0{n}Z", **record}) for n, record in enumerate(RECORDS)]
    return ["\n".join(lines).encode(), *(line.encode() for line in lines)]


def _facts(data: bytes, folder: Path) -> Sequence[str] | None:
    inventory.facts_file(folder / "hosts").write_bytes(data)
    seen = inventory._seen(folder / "hosts", "hosts")
    hosts = tuple(Host(name, {**STEADY, **about}, frozenset()) for name, about in seen.items())
    return _lines(
        read_hosts(HostContext.of(make_planned(2).plan.file), Inventory(folder / "x", "x", "all", hosts)).problems
    )


def _lines(problems: Sequence[Problem]) -> list[str]:
    return [line for problem in problems for line in problem.lines()]


def _agent(data: bytes, folder: Path) -> Sequence[str] | None:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        ask_agent(data, folder / "node")
    said = json.loads(out.getvalue().rpartition("IPSECPLAN-RESULT ")[2])
    assert len(said["results"]) >= 1, "an answer has a result"
    return None


AGENT_REQUEST: dict[str, Any] = {
    "phases": ["arm", "stage", "confirm"],
    "tx": "tx-1",
    "node": replies.node_json(NODE, [{"id": "n-0123456789ac", "pair": PAIR, "name": "b"}]),
    "release": "0" * 64,
    "files": [{"path": "/etc/ipsecplan/peers", "sha256": "0" * 64, "mode": "0644", "owner": "root:root"}],
    "timer": 300,
    "rearm": False,
    "time": 1.0,
    "patience": 1.0,
    "soak": 0.0,
    "kind": "apply",
    "lease": {"owner": "0" * 16, "who": "a@b", "epoch": 1, "seconds": 60, "steal": False},
}


def _agent_seeds() -> list[bytes]:
    phases = (["arm", "stage"], ["status"], ["roll-back"], ["probe"], ["confirm"])
    return [json.dumps({**AGENT_REQUEST, "phases": chosen}).encode() for chosen in phases]


KEY = b"0123456789abcdefghijklmnopqrstuvwxyz" * 2
READERS = (
    Reader("stack", _stack, _stack_seeds),
    Reader("plan", _plan, _plan_seeds),
    Reader("host-variables", _host_variables, _host_seeds, (ValueError, RecursionError)),
    Reader("facts-file", _facts, lambda: [json.dumps({"schema": 1, "hosts": {"n1": FOUND}}).encode()]),
    Reader("swanctl", _swanctl, _swanctl_seeds, (SettingsError,)),
    Reader("cni-documents", _documents, lambda: _audit_seeds("yaml")),
    Reader("audit", _audit, lambda: [*_audit_seeds("yaml"), *_audit_seeds()]),
    Reader("manifest", _manifest, lambda: [json.dumps(_made()[0]).encode()]),
    Reader("plan-json", _plan_json, lambda: [_made()[1]["plan.json"]]),
    Reader("node-json", _node_json, _node_seeds),
    Reader("reply", _reply, _reply_seeds),
    Reader("agent-request", _agent, _agent_seeds),
    Reader("psk-store", _psk_store, lambda: [json.dumps(KEYS).encode()]),
    Reader("psk-list", _psk_list, lambda: [b'"n1 n2": %s\n' % KEY, b'{"n1 n2": "%s", "n1 n3": "x%s"}' % (KEY, KEY)]),
    Reader("ca-files", _ca, _ca_seeds),
    Reader("journal", _journal, _journal_seeds),
)
FOUND = {"strongswan_version": "5.9.8", "strongswan_algorithms": ["AES_GCM_16", "CURVE_25519"]}
