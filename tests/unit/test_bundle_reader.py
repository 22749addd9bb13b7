"""A bundle of somebody else: strict in every field, each file read once, and nothing of it is run or waited for.

Each damage is made with digests that are right again, so that nothing but the check itself refuses it.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from netplan.bundle import build, reader, schema, write
from netplan.cli.main import main
from netplan.host import overlay
from netplan.inputs import inventory
from netplan.pipeline import Planned
from netplan.problems import DefectError, ProblemError
from netplan.rollout.nodes.targets import read_inventory, targets
from netplan.rollout.transport.exchange import inventory_text
from tests.support.forged import forge
from tests.support.manifests import hosts_of, manifest_of
from tests.support.plans import make_planned


@pytest.fixture
def bundle(planned: Planned, tmp_path: Path) -> Path:
    return write.write(tmp_path / "bundle", planned.plan, planned.inventory).directory


@pytest.fixture
def right(bundle: Path, tmp_path: Path) -> Path:
    """The bundle before anybody changed it; with it, `diff` has to look at the nodes that differ."""
    return Path(shutil.copytree(bundle, tmp_path / "right"))


def codes(directory: Path) -> set[str]:
    with pytest.raises(ProblemError) as raised:
        reader.read(directory)
    assert all("\x1b" not in line for problem in raised.value.problems for line in problem.lines())
    return {problem.code for problem in raised.value.problems}


def entry(path: str, **more: str) -> dict[str, str]:
    return {"path": path, "sha256": hashlib.sha256(b"").hexdigest(), "mode": "0644", "owner": "root:root", **more}


def without(key: str) -> Callable[[dict[str, Any]], object]:
    return lambda document: document.pop(key)


def put(key: str, value: object) -> Callable[[dict[str, Any]], object]:
    return lambda document: document.update({key: value})


def in_file(**values: object) -> Callable[[dict[str, Any]], object]:
    return lambda document: document["files"][3].update(values)


ID = "n-0123456789ab"
SHAPES: dict[str, Callable[[dict[str, Any]], object]] = {
    **{
        f"no {key}": without(key)
        for key in ("schema", "digest", "cluster", "plan_digest", "inventory", "nodes", "files")
    },
    "files is an object": put("files", {}),
    "files of numbers": put("files", [1]),
    "a path that is a number": put("files", [{"path": 1}]),
    "an entry without a digest": put("files", [{"path": "x", "mode": "0644", "owner": "root:root"}]),
    "an unknown key": put("more", 1),
    "an unknown key of a file": in_file(more="x"),
    "a digest that is none": in_file(sha256="x" * 64),
    "a digest with a line break": in_file(sha256="0" * 64 + "\n"),
    "nodes is a number": put("nodes", 5),
    "nodes is a list": put("nodes", [1]),
    "a node that is a number": put("nodes", {ID: 5}),
    "an id that is a path": put("nodes", {"../../x": {"name": "n1", "digest": "0" * 64}}),
    "an id of two lines": put("nodes", {ID + "\nx": {"name": "n1", "digest": "0" * 64}}),
    "a name that is a number": put("nodes", {ID: {"name": 5, "digest": "0" * 64}}),
    "a name of two lines": put("nodes", {ID: {"name": "n1\nx", "digest": "0" * 64}}),
    "a node without a name": put("nodes", {ID: {"digest": "0" * 64}}),
    "schema is true": put("schema", True),
    "schema is text": put("schema", "1"),
    "a cluster that is a path": put("cluster", "../x"),
    "an inventory without a path": put("inventory", {"pattern": "all", "digest": "0" * 64}),
    "an inventory elsewhere": put("inventory", {"path": "x", "pattern": "all", "digest": "0" * 64}),
    "an escape sequence": put("tool", "\x1b[2J"),
}


@pytest.mark.parametrize("name", SHAPES)
def test_a_manifest_of_another_shape_is_refused(bundle: Path, name: str) -> None:
    forge(bundle, SHAPES[name])
    assert codes(bundle) == {"IPP502"}
    assert main(["diff", str(bundle), str(bundle)]) == 3


TEXTS = {
    "nested": "[" * 200_000,
    "digits": "9" * 5_000,
    "empty": "",
    "null": "null",
    "twice": '{"schema": 1, "schema": 1}',
    "NaN": '{"schema": NaN}',
    "mark": "\ufeff{}",
}


@pytest.mark.parametrize("name", TEXTS)
def test_a_manifest_that_is_no_document_is_refused(bundle: Path, name: str) -> None:
    (bundle / "manifest.json").write_text(TEXTS[name])
    assert codes(bundle) == {"IPP502"}


OTHER_PLACES = {
    "/etc/cron.d/x": {},
    "/root/.ssh/authorized_keys": {},
    "/etc/ipsecplan/../cron.d/x": {},
    "/etc/ipsecplan/peers\n": {},
    "/etc/systemd/network/10-ipsecplan-ov0.netdev.d": {},
    "/etc/ipsecplan/any.conf": {"mode": "0755"},
    "/usr/local/lib/ipsecplan/route.sh": {"mode": "0644"},
}


@pytest.mark.parametrize("place", OTHER_PLACES)
def test_a_file_at_another_place_or_with_another_mode_is_refused(bundle: Path, place: str) -> None:
    node = next(iter(reader.read(bundle).nodes))
    more = OTHER_PLACES[place]
    forge(bundle, lambda document: document["files"].append(entry(f"nodes/{node}{place}", **more)), {})
    assert codes(bundle) == {"IPP504"}


@pytest.mark.parametrize("mode", ["4755", "0777", "755", "0600"])
def test_a_mode_that_no_file_has_is_refused(bundle: Path, mode: str) -> None:
    forge(bundle, in_file(mode=mode))
    assert codes(bundle) == {"IPP502"}


@pytest.mark.parametrize("path", ["x", "cluster/../x", "cluster//x", "/etc/x", "nodes/x/node.json", "cluster/.hidden"])
def test_a_path_elsewhere_is_refused(bundle: Path, path: str) -> None:
    forge(bundle, lambda document: document["files"].append(entry(path)))
    assert codes(bundle) == {"IPP504"}


def test_a_file_that_is_listed_twice_is_refused(bundle: Path) -> None:
    forge(bundle, lambda document: document["files"].append(document["files"][0]))
    assert codes(bundle) == {"IPP504"}


def test_all_that_is_wrong_is_said_but_not_without_end(bundle: Path) -> None:
    forge(bundle, lambda document: document["files"].extend(entry(f"x{n}") for n in range(300)))
    with pytest.raises(ProblemError) as raised:
        reader.read(bundle)
    assert len(raised.value.problems) == schema.SHOWN + 1
    assert raised.value.problems[-1].message == "and 250 more"


def in_row(place: int, value: object) -> Callable[[dict[str, Any]], object]:
    return lambda document: document["peers"][0].__setitem__(place, value)


def in_common(**values: object) -> Callable[[dict[str, Any]], object]:
    return lambda document: document["classes"][0]["common"].update(values)


FACTS: dict[str, Callable[[dict[str, Any]], object]] = {
    **{f"no {key}": without(key) for key in ("id", "name", "mtu", "esp", "peers", "overlay", "underlay", "protect")},
    "of another node": put("id", ID),
    "of another cluster": put("cluster", "x"),
    "an unknown key": put("more", 1),
    "mtu is text": put("mtu", {"pod": "1400"}),
    "mtu is negative": put("mtu", {"pod": -1}),
    "mtu is endless": put("mtu", {"pod": 10**400}),
    "mtu is true": put("mtu", {"pod": True}),
    "mtu of no packet": put("mtu", {"pod": 1}),
    "peers is an object": put("peers", {}),
    "a peer that is a number": put("peers", [5]),
    "an escape sequence": put("cluster", "\x1b[2J"),
    "a peer that is an object": put("peers", [{"id": ID}]),
    "a peer without a child": lambda document: document["classes"][0].update(children=[]),
    "a peer that is no id": in_row(0, "x\ny"),
    "a pair twice": lambda document: document["peers"].append(document["peers"][0]),
    "a peer that plan.json has not": in_row(1, ID),
    "a class that is not there": in_row(2, 9),
    "a class before the first": in_row(2, -1),
    "a class that is true": in_row(2, True),
    "an initiator of two": in_row(3, 2),
    "a row of three": lambda document: document["peers"][0].pop(),
    "a row of text at the end": lambda document: document["peers"][0].append("1"),
    "an interface that no class has": lambda document: document["peers"][0].append(1),
    "no classes": without("classes"),
    "classes is an object": put("classes", {}),
    "an unknown key of a class": lambda document: document["classes"][0].update(more=1),
    "an unknown key of all peers": in_common(more=1),
    "an address of all peers": in_common(address="192.0.2.1"),
    "a path of all peers without bytes": in_common(link_mtu=0),
    "a network that is not there": lambda document: document["classes"][0].update(network="x"),
}


@pytest.mark.parametrize("name", FACTS)
def test_a_node_json_of_another_shape_is_refused(bundle: Path, right: Path, planned: Planned, name: str) -> None:
    node = planned.plan.nodes[0].id
    forge(bundle, contents={f"nodes/{node}/node.json": _changed(bundle / f"nodes/{node}/node.json", FACTS[name])})
    read = reader.read(bundle)
    with pytest.raises(ProblemError) as raised:
        targets(read, planned.inventory)
    assert raised.value.problems[0].code == "IPP502"
    assert main(["diff", str(right), str(bundle)]) == 3


HOSTS: dict[str, Callable[[dict[str, Any]], object]] = {
    "no hosts": without("nodes"),
    "hosts is an object": put("nodes", {}),
    "a host that is a number": put("nodes", [5]),
    "a host without a name": lambda document: document["nodes"][1].pop("name"),
    "a host at no address": lambda document: document["nodes"][1].update(address="$(x)"),
    "a host whose address is a number": lambda document: document["nodes"][1].update(address=5),
    "an id that is a list": lambda document: document["nodes"][1].update(id=[]),
    "an escape sequence": lambda document: document["nodes"][1].update(name="\x1b[2J"),
    "networks is a number": put("networks", 5),
    "a network that is a number": put("networks", [5]),
}


@pytest.mark.parametrize("name", HOSTS)
def test_hosts_of_another_shape_are_refused(bundle: Path, planned: Planned, name: str) -> None:
    forge(bundle, contents={"plan.json": _changed(bundle / "plan.json", HOSTS[name])})
    read = reader.read(bundle)
    with pytest.raises(ProblemError) as raised:
        targets(read, planned.inventory)
    assert raised.value.problems[0].code == "IPP502"


def _changed(path: Path, change: Callable[[dict[str, Any]], object]) -> bytes:
    document = json.loads(path.read_text())
    change(document)
    return json.dumps(document).encode()


CONFS = {
    "open": "connections {",
    "nested": "a {\n" * 5_000,
    "stranger": "connections { x { children { } } }",
    "bytes": "\xff",
}


@pytest.mark.parametrize("name", CONFS)
def test_connections_of_another_shape_are_refused(bundle: Path, right: Path, planned: Planned, name: str) -> None:
    conf = f"nodes/{planned.plan.nodes[0].id}/etc/swanctl/conf.d/ipsecplan.conf"
    forge(bundle, contents={conf: CONFS[name].encode("latin-1")})
    assert main(["diff", str(right), str(bundle)]) == 3


PLANS: list[dict[str, Any]] = [
    {},
    {"overlay": {"type": "geneve", "device": "a_b.c-0"}},
    {"overlay": {"type": "gre"}, "ipsec": {"protect": "hosts"}},
    {"underlay": {"family": "dual"}, "ipsec": {"protect": "hosts"}},
    {"ipsec": {"topology": "trap-any"}},
    {"ipsec": {"xfrm_interface": True, "mode": "tunnel"}},
    {"firewall": {"kind": "nftables"}},
    {"firewall": {"kind": "firewalld"}},
    *({"cni": {"plugin": plugin}} for plugin in ("calico", "cilium", "docker", "antrea")),
    *({"cni": {"plugin": plugin, "options": {"network": "10.128.0.0/9"}}} for plugin in ("flannel", "k3s")),
]


@pytest.mark.parametrize("plan", PLANS, ids=json.dumps)
def test_every_file_that_is_rendered_has_its_place_and_is_read_back(plan: dict[str, Any]) -> None:
    hosts = {3: {"ipsecplan_managed": False}}
    made = make_planned(4, hosts if plan == {} else {}, **plan)
    read_back(made)


def test_every_file_of_a_large_overlay_has_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overlay, "FLOODED", 2)
    paths = read_back(make_planned(4))
    assert {f"/{path}" for path in (overlay.SCRIPT, f"{overlay.TABLE}/hosts", *overlay.UNITS)} <= paths


def read_back(made: Planned) -> set[str]:
    """Read every file as somebody else's; returns the places on nodes."""
    files = build.build(made.plan)
    document, hosts = manifest_of(made, files), hosts_of(files)
    for file in files:
        if file.path.endswith("/node.json"):
            schema.parse_node(file.text.encode(), file.path.split("/")[1], document, hosts, file.path)
    return {"/" + file.path.split("/", 2)[2] for file in files if file.path.startswith("nodes/")}


def test_what_the_digests_stand_for_is_what_is_used(bundle: Path, planned: Planned) -> None:
    """Nothing reads the directory again: not node.json, not the script that preflight runs, not the archive."""
    read = reader.read(bundle)
    before = targets(read, planned.inventory)
    texts = [(t.node, t.script("revert.sh"), t.archive()) for t in before]
    shutil.rmtree(bundle)
    again = targets(read, planned.inventory)
    assert [(t.node, t.script("revert.sh"), t.archive()) for t in again] == texts
    assert texts[0][1] is not None
    assert texts[0][1].startswith("#!/bin/sh")


@pytest.mark.parametrize("name", ["manifest.json", "REVIEW.md", "extra"])
def test_a_fifo_is_never_waited_for(bundle: Path, name: str) -> None:
    (bundle / name).unlink(missing_ok=True)
    os.mkfifo(bundle / name)
    assert codes(bundle) == {"IPP211"} if name == "manifest.json" else codes(bundle) == {"IPP503"}


def test_a_file_without_end_is_not_read_to_its_end(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open(bundle / "plan.json", "r+b") as file:
        file.truncate(1 << 40)
    monkeypatch.setattr(reader, "MAX_FILE", 1 << 20)
    assert codes(bundle) == {"IPP503"}


def test_a_manifest_behind_a_link_is_refused(bundle: Path, tmp_path: Path) -> None:
    (bundle / "manifest.json").rename(tmp_path / "elsewhere")
    (bundle / "manifest.json").symlink_to(tmp_path / "elsewhere")
    assert codes(bundle) == {"IPP502"}


PROGRAM = "#!/bin/sh\ntouch {mark}\necho '{{}}'\n"


@pytest.mark.parametrize("where", ["a file", "a directory", "a fifo"])
@pytest.mark.parametrize("verb", [["status"], ["verify"], ["diff", "--live"], ["facts"]])
def test_a_program_that_a_bundle_names_as_inventory_is_not_run(
    bundle: Path, tmp_path: Path, where: str, verb: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    mark, folder = tmp_path / "ran", tmp_path / "inv"
    folder.mkdir()
    program = folder / "hosts"
    if where == "a fifo":
        os.mkfifo(program)
    else:
        program.write_text(PROGRAM.format(mark=mark))
        program.chmod(0o755)
    named = {"path": str(program if where != "a directory" else folder), "pattern": "all", "digest": "0" * 64}
    forge(bundle, put("inventory", named))
    assert main([*verb, str(bundle), "--state-dir", str(tmp_path / "state")]) == 3
    # a pipe is refused before anybody asks what it would be
    assert ("IPP301" if where == "a fifo" else "IPP312") in capsys.readouterr().err
    assert not mark.exists()


def test_a_recorded_inventory_without_the_right_to_run_is_no_program(tmp_path: Path) -> None:
    """Its first line may say what it likes: the reader that runs programs is off."""
    mark, program = tmp_path / "ran", tmp_path / "hosts"
    program.write_text(PROGRAM.format(mark=mark))
    with pytest.raises(ProblemError):
        inventory.read(program, "all", programs=False)
    assert not mark.exists()


def test_an_inventory_that_is_named_on_the_command_line_may_be_a_program(bundle: Path, tmp_path: Path) -> None:
    program = tmp_path / "hosts"
    answer = json.dumps({"all": {"hosts": ["n1"]}, "k8s_nodes": {"hosts": ["n1"]}})
    program.write_text(f"#!{sys.executable}\nprint({answer!r})\n")
    program.chmod(0o755)
    assert [host.name for host in read_inventory(reader.read(bundle), program).hosts] == ["n1"]


def test_only_an_id_becomes_a_host_of_ansibles_inventory(planned: Planned, bundle: Path) -> None:
    found = targets(reader.read(bundle), planned.inventory)
    with pytest.raises(DefectError):
        inventory_text({"n1\n    x: '{{ 1 }}'": found[0]})


def test_an_inventory_that_changed_is_refused_with_the_hosts_that_did(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = make_planned(3)
    bundle = write.write(tmp_path / "b", before.plan, before.inventory).directory
    now = make_planned(4, {2: {"underlay_mtu": 1400, "motd": "x"}, 1: {"motd": "x"}}).inventory
    read = reader.read(bundle)
    monkeypatch.setattr("netplan.rollout.nodes.targets.inventory_module.read", lambda *_, **__: now)
    with pytest.raises(ProblemError) as raised:
        read_inventory(read, None)
    assert "(new: n4; changed: n2)" in raised.value.problems[0].message
