"""The collection's files: what modules say of themselves is what their actions take; every phase task names a phase."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import runpy
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleActionFail

from netplan.agent.phase_table import PHASES
from netplan.play.wanted import CHANGING, PROTOCOL, READING, WHAT, Wanted
from netplan.rollout import phases
from netplan.rollout.transport.ansible import playbooks

HOME = playbooks() / "collections" / "ansible_collections" / "ipsecplan" / "mesh"
MODULES = sorted(path.stem for path in (HOME / "plugins" / "modules").glob("*.py"))
TASKS = sorted((HOME / "roles" / "node" / "tasks").glob("*.yml"))
VERBS = sorted({*CHANGING, *READING, "preflight"})
# arguments of a verb that are no options of the role: they follow from the play
OURS = {"protocol", "hosts", "watch", "check", "diff", "login"}


def arguments(name: str) -> dict[str, dict[str, Any]]:
    """Return what an action plugin takes, read and not run: Ansible's loader alone can import it."""
    tree = ast.parse((HOME / "plugins" / "action" / f"{name}.py").read_text())
    named: dict[str, Any] = {}
    for node in tree.body:
        value = getattr(node, "value", None)
        for of in getattr(node, "targets", [getattr(node, "target", None)]):
            if isinstance(of, ast.Name) and value is not None and of.id in ("VERBS", "ARGUMENTS"):
                named[of.id] = eval(compile(ast.Expression(value), name, "eval"), {}, dict(named))  # noqa: S307
    found: dict[str, dict[str, Any]] = named["ARGUMENTS"]
    return found


def documented(name: str) -> dict[str, Any]:
    texts = runpy.run_path(str(HOME / "plugins" / "modules" / f"{name}.py"))
    for key in ("EXAMPLES", "RETURN"):
        assert yaml.safe_load(texts[key]), key
    found: dict[str, Any] = yaml.safe_load(texts["DOCUMENTATION"])
    return found


@pytest.fixture
def client() -> Any:
    """Return what the action plugins share; Ansible's loader has another name for it."""
    path = HOME / "plugins" / "plugin_utils" / "keeper.py"
    spec = importlib.util.spec_from_file_location("play_client", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_task_talks_to_a_socket_of_ours_alone(client: Any, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with pytest.raises(AnsibleActionFail, match="nodes roll back by their timers"):
        client.ask(str(folder / "play"), {"act": "end"})
    folder.mkdir(mode=0o755)
    folder.chmod(0o755)
    with pytest.raises(AnsibleActionFail, match="not in a folder that is ours alone"):
        client.ask(str(folder / "play"), {"act": "end"})
    folder.chmod(0o700)
    with pytest.raises(AnsibleActionFail, match="the engine's process ended"):
        client.ask(str(folder / "play"), {"act": "end"})


def test_an_interpreter_without_the_program_is_named(client: Any, tmp_path: Path) -> None:
    other = tmp_path / "python"
    other.write_text("#!/bin/sh\necho No module named netplan >&2\nexit 1\n")
    other.chmod(0o755)
    with pytest.raises(AnsibleActionFail, match=r"can't run ipsecplan \(No module named netplan\)"):
        client.start(str(other), {})
    with pytest.raises(AnsibleActionFail, match="can't be started"):
        client.start(str(tmp_path / "none"), {})


def test_what_the_process_refuses_is_told_with_its_code(client: Any) -> None:
    with pytest.raises(AnsibleActionFail, match="IPP658: verb"):
        client.start(sys.executable, {"verb": "no", "bundle": "b", "hosts": [], "watch": os.getpid()})


def tasks(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load(path.read_text())
    return found


def test_there_is_something_to_look_at() -> None:
    assert MODULES == ["begin", "end", "phase"]
    assert {path.stem for path in TASKS} >= set(VERBS)


@pytest.mark.parametrize("name", MODULES)
def test_what_a_module_documents_is_what_its_action_takes(name: str) -> None:
    options = documented(name)["options"]
    taken = arguments(name)
    assert options.keys() == taken.keys()
    for option, about in taken.items():
        said = {key: value for key, value in options[option].items() if key != "description"}
        assert said == about, option


def test_the_request_is_what_the_engine_s_process_takes() -> None:
    known = set(Wanted.__dataclass_fields__)
    assert arguments("begin").keys() - {"python"} == known - OURS
    assert set(arguments("begin")["verb"]["choices"]) == CHANGING | READING
    assert set(arguments("begin")["what"]["choices"]) == WHAT
    client = (HOME / "plugins" / "plugin_utils" / "keeper.py").read_text()
    assert re.search(rf"^PROTOCOL = {PROTOCOL}\b", client, re.M)


@pytest.mark.parametrize("path", TASKS, ids=lambda p: p.stem)
def test_tasks_name_phases_that_there_are(path: Path) -> None:
    for task in tasks(path):
        named = task.get("ipsecplan.mesh.phase")
        if named:
            assert named["phase"] in PHASES, task
            assert task["name"].lower().startswith(named["phase"] + ": "), task["name"]
        once = {"ipsecplan.mesh.begin", "ipsecplan.mesh.end"} & task.keys()
        assert not once or task.get("run_once"), "every host needs what it registers, and one engine is enough"


def test_an_apply_has_a_task_for_every_phase_in_the_engine_s_order() -> None:
    named = [task["ipsecplan.mesh.phase"]["phase"] for task in tasks(TASKS[0].with_name("switch.yml"))]
    order = list(dict.fromkeys(phase for step in phases.APPLY for phase in step.phases))
    assert named == order


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_a_playbook_here_and_beside_the_collection(verb: str) -> None:
    (play,) = tasks(HOME / "playbooks" / f"{verb}.yml")
    assert play["tasks"][0]["ansible.builtin.import_role"] == {
        "name": "ipsecplan.mesh.node",
        "tasks_from": f"{verb}.yml",
    }
    (outer,) = tasks(playbooks() / f"{verb}.yml")
    assert outer["import_playbook"] == f"ipsecplan.mesh.{verb}"
    begun = next(t for t in tasks(HOME / "roles" / "node" / "tasks" / f"{verb}.yml") if "ipsecplan.mesh.begin" in t)
    assert begun["ipsecplan.mesh.begin"]["verb"] == ("apply" if verb == "preflight" else verb)


def test_the_role_says_what_its_tasks_take() -> None:
    said = yaml.safe_load((HOME / "roles" / "node" / "meta" / "argument_specs.yml").read_text())["argument_specs"]
    defaults = yaml.safe_load((HOME / "roles" / "node" / "defaults" / "main.yml").read_text())
    assert said.keys() == {"main", *VERBS}
    for verb in VERBS:
        text = (HOME / "roles" / "node" / "tasks" / f"{verb}.yml").read_text()
        used = set(re.findall(r"\bnode_\w+", text)) - {"node_run", "node_end", "node_status"}
        assert used == said[verb]["options"].keys(), verb
        for name, about in said[verb]["options"].items():
            assert "default" not in about or about["default"] == defaults[name], name
