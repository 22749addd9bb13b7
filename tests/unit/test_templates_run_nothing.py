"""No template and no shell word in any field of plan or inventory runs anything, on the way to a bundle or in Ansible.

The fields are taken from the plan file's own schema and from the lists of variables that the code reads, so a new field
is tried without anybody thinking of it.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from netplan import pipeline
from netplan.bundle import write
from netplan.inputs import inventory
from netplan.inputs.variable_names import VARIABLES
from netplan.model.planfile import PlanFile
from netplan.problems import ProblemError
from netplan.rollout.nodes.targets import CONNECTION, Target, connection_of
from netplan.rollout.transport.ansible import AnsibleTransport
from netplan.rollout.transport.reply import Answer

FORMS = {
    "expression": "{{ lookup('pipe', 'touch %s') }}",
    "statement": "{%% for x in lookup('pipe', 'touch %s') %%}{%% endfor %%}",
    "comment": "{# #}{{ lookup('ansible.builtin.pipe', 'touch %s') }}",
    "attribute": "{{ cycler.__init__.__globals__.os.popen('touch %s').read() }}",
    "shell": "$(touch %s)`touch %s`; touch %s",
    "vars": "{{ query('vars', 'touch %s') }}",
    "line": "# for x in y\n{{ lookup('pipe', 'touch %s') }}",
}
FORMS["all of them"] = " ".join(FORMS.values())
# all in one for every commit; each alone, in case one keeps another from running, in `make drills`
EACH = [pytest.param(f, marks=[] if f == "all of them" else [pytest.mark.drill]) for f in FORMS]
BASE: dict[str, Any] = {"name": "demo", "inventory": "hosts.yml", "nodes": "all"}
HOSTS: dict[str, dict[str, Any]] = {
    f"n{n}": {"underlay_address": f"10.77.0.1{n}", "pod_cidr": f"10.244.{n}.0/24"} for n in (1, 2, 3)
}


def leaves(schema: dict[str, Any], whole: dict[str, Any], at: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the path of every field of a JSON Schema that holds no other fields; ``[]`` is an element of a list."""
    if "$ref" in schema:
        yield from leaves(whole["$defs"][schema["$ref"].rsplit("/", 1)[-1]], whole, at)
    elif "properties" in schema:
        for name, part in schema["properties"].items():
            yield from leaves(part, whole, (*at, name))
    elif schema.get("type") == "array":
        yield from leaves(schema.get("items", {}), whole, (*at, "[]"))
    elif isinstance(schema.get("additionalProperties"), dict):
        yield from leaves(schema["additionalProperties"], whole, (*at, "{}"))
    elif "anyOf" in schema or "oneOf" in schema:
        for part in schema.get("anyOf", schema.get("oneOf", ())):
            yield from leaves(part, whole, at)
    else:
        yield at


def put(document: dict[str, Any], at: tuple[str, ...], text: str) -> dict[str, Any]:
    """Return the document with ``text`` at a path; lists get it twice, for fields that need two."""

    def value(rest: tuple[str, ...]) -> Any:
        if not rest:
            return text
        if rest[0] == "[]":
            return [value(rest[1:]), value(rest[1:])]
        return {text if rest[0] == "{}" else rest[0]: value(rest[1:])}

    first = value(at)
    assert isinstance(first, dict)
    return {**document, **first}


SCHEMA = PlanFile.model_json_schema()
FIELDS = sorted(set(leaves(SCHEMA, SCHEMA)))


def written(folder: Path, plan: dict[str, Any], hosts: dict[str, Any], groups: dict[str, Any] | None = None) -> Path:
    document = {"all": {"hosts": hosts, "children": groups or {}}}
    (folder / "hosts.yml").write_text(json.dumps(document))
    (folder / "plan.yaml").write_text(json.dumps(plan))
    return folder / "plan.yaml"


def armed(form: str, canary: Path) -> str:
    text = FORMS[form]
    return text % ((str(canary),) * text.replace("%%", "").count("%s"))


def whole_way(path: Path) -> str:
    """Lint, plan and render; return what became of it."""
    try:
        made = pipeline.make(path)
    except ProblemError:
        return "refused"
    write.write(path.parent / "bundle", made.plan, made.inventory)
    return "data"


def test_the_fields_of_a_plan_are_all_found() -> None:
    names = {".".join(at) for at in FIELDS}
    assert {"name", "nodes", "inventory", "ipsec.esp.[]", "underlay.paths.[].between.[]", "overlay.device"} <= names
    assert len(FIELDS) >= 28


@pytest.mark.parametrize("form", EACH)
@pytest.mark.parametrize("at", FIELDS, ids=".".join)
def test_a_field_of_the_plan(at: tuple[str, ...], form: str, tmp_path: Path) -> None:
    canary = tmp_path / "ran"
    assert whole_way(written(tmp_path, put(BASE, at, armed(form, canary)), HOSTS)) in ("refused", "data")
    assert not canary.exists()


PLACES = ["host name", "group name", "group variable", "any variable", *VARIABLES, *CONNECTION]


@pytest.mark.parametrize("form", EACH)
def test_every_place_of_an_inventory(form: str, tmp_path: Path) -> None:
    """One host for each place, all in one inventory: each is refused on its own, or stays text."""
    canary = tmp_path / "ran"
    text = armed(form, canary)
    hosts: dict[str, dict[str, Any]] = {}
    for number, place in enumerate(PLACES, 1):
        name = text if place == "host name" else f"n{number}"
        hosts[name] = {"underlay_address": f"10.77.0.{number}", "pod_cidr": f"10.244.{number}.0/24"}
        if place in VARIABLES or place in CONNECTION:
            hosts[name][place] = text
        elif place == "any variable":
            hosts[name] |= {
                "motd": text,
                "ansible_shell_executable": text,
                "ansible_ssh_executable": text,
                "vars": {"deep": [text]},
            }
    # not as a host's name, which Ansible itself expands and refuses, where that would hide the rest
    groups = {text: {"hosts": {"n3": {}}, "vars": {text: text}}, "g": {"hosts": {"n4": {}}, "vars": {"x": text}}}
    for with_name in (True, False):
        chosen = hosts if with_name else {n: v for n, v in hosts.items() if n != text}
        path = written(tmp_path, BASE, chosen, groups if with_name else {"g": groups["g"]})
        whole_way(path)
        assert not canary.exists(), form
    found = inventory.read(tmp_path / "hosts.yml")
    for host in found.hosts:
        connection_of(host, found)
    assert not canary.exists()


@pytest.mark.parametrize(
    "text",
    [
        "plugin: ansible.builtin.constructed\nstrict: false\ncompose:\n  x: {expression}\n",
        "plugin: constructed\nkeyed_groups:\n  - key: {expression}\n",
        "plugin: ansible.builtin.generator\nhosts:\n  name: {quoted}\nlayers:\n  x: [a]\n",
    ],
)
def test_the_configuration_of_an_inventory_plugin(text: str, tmp_path: Path) -> None:
    canary = tmp_path / "ran"
    expression = f"lookup('pipe', 'touch {canary}')"
    body = text.format(expression=json.dumps(expression), quoted=json.dumps("{{ " + expression + " }}"))
    folder = tmp_path / "inventory"
    folder.mkdir()
    (folder / "a.yml").write_text(json.dumps({"all": {"hosts": HOSTS}}))
    (folder / "z.yml").write_text(body)
    for path in (folder, folder / "z.yml"):
        with pytest.raises(ProblemError) as caught:
            inventory.read(path)
        assert [p.code for p in caught.value.problems] == ["IPP302"]
        assert "inventory plugin" in caught.value.problems[0].message
    assert not canary.exists()


@pytest.mark.parametrize("pattern", ["@/etc/passwd", "-e@/etc/passwd", "--help"])
def test_a_host_pattern_is_no_option_and_no_file(pattern: str, tmp_path: Path) -> None:
    (tmp_path / "hosts.yml").write_text(json.dumps({"all": {"hosts": HOSTS}}))
    with pytest.raises(ProblemError) as caught:
        inventory.read(tmp_path / "hosts.yml", pattern)
    assert [p.code for p in caught.value.problems] == ["IPP303"]


SSH = """#!/bin/sh
# stands in for ssh: writes down how it was called, takes what it is sent, answers as a node would
for word in "$@"; do printf '%s\\n' "$word" >>{log}; done
case " $* " in *" -O "*) exit 0 ;; esac
cat >/dev/null
echo 'IPSECPLAN-RESULT {{"results": [{result}], "clock": 1.0, "wall": 2.0}}'
"""


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
def test_a_step_of_real_ansible(form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if every check before it had failed: hostile connection variables, node facts and answers reach the play."""
    canary = tmp_path / "ran"
    text = armed(form, canary)
    programs = tmp_path / "bin"
    programs.mkdir()
    log = tmp_path / "calls"
    ssh = programs / "ssh"
    said = json.dumps(FORMS["expression"] % canary)[1:-1].replace("'", "'\\''")
    result = f'"phase": "soak", "ok": true, "changed": false, "detail": "{said}", "findings": [], "seconds": 0.1'
    ssh.write_text(SSH.format(log=log, result="{" + result + "}"))
    ssh.chmod(ssh.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    targets, requests = {}, {}
    for number, variable in enumerate([*CONNECTION, "none"]):
        node_id = f"n-{number:012x}"
        connection: dict[str, Any] = {"ansible_host": "192.0.2.1", "ansible_user": "root"}
        if variable != "none":
            connection[variable] = text
        facts = {"id": node_id, "name": text, "peers": [{"name": text, "address": text}], "motd": {text: [text]}}
        targets[node_id] = Target(node_id, text, "0" * 64, facts, (), {}, connection)
        requests[node_id] = {"phases": ["soak"], "node": facts, "tx": text}
    arrived: dict[str, Answer] = {}
    with AnsibleTransport() as transport:
        transport.step(requests, targets, payload=False, fresh=True, arrived=arrived.__setitem__)
    assert not canary.exists(), form
    assert set(arrived) == set(targets)
    plain = arrived[f"n-{len(CONNECTION):012x}"]
    assert plain.results, f"the play itself did not run: {plain}"
    assert plain.results[0]["detail"] == FORMS["expression"] % canary, "an answer is data"
    assert "192.0.2.1" in log.read_text()


def test_a_temporary_folder_with_a_template_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = tmp_path / "{{ 7*7 }}"
    odd.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(odd))
    monkeypatch.setattr("netplan.rollout.transport.ansible.SHORT", str(tmp_path))
    with AnsibleTransport() as transport:
        assert transport.folder
        assert transport.folder.parent == tmp_path
