"""Thirty wrong edits: each message says what, where and what instead; the file on disk is never touched by one.

The planner remembers inventories and typed hosts between edits: what it says must be what a fresh ``lint`` says.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from netplan.cli.lint import command as lint
from netplan.inputs.edit import remove, set_value
from netplan.problems import ProblemError, errors
from tests.sizes import size
from tests.tui.conftest import INVENTORY, PLAN
from tui.plan.check import Checker
from tui.plan.draft import Draft
from tui.plan.fields import fields
from tui.plan.session import Desk

FIELDS = {field.name: field for field in fields()}

# field, what is typed, line (0: not written into the draft), and what the message and its hint must say
TYPED = [
    ("underlay.mtu", "15oo", 7, "underlay.mtu must be a whole number, not the text '15oo'"),
    ("underlay.mtu", "", 0, "underlay.mtu is empty"),
    ("underlay.mtu", "01500", 0, "'01500' may mean octal or decimal", "drop the leading zero"),
    ("underlay.mtu", "150", 7, "underlay.mtu must be at least 576, not 150"),
    ("underlay.mtu", "-1500", 7, "underlay.mtu must be at least 576"),
    ("underlay.mtu", "70000", 7, "underlay.mtu must be at most 65535"),
    ("underlay.mtu", "1500.5", 7, "underlay.mtu must be a whole number"),
    ("underlay.mtu", "１５００", 7, "underlay.mtu must be a whole number"),
    ("name", "Prod EU", 2, "'Prod EU' is not a cluster name", "lower-case letters"),
    ("name", "", 0, "name is empty"),
    ("name", "x" * 41, 2, "is not a cluster name", "at most 40"),
    ("name", "../etc", 2, "'../etc' is not a cluster name"),
    ("name", "a\x1b[31m", 2, "is not a cluster name"),
    ("inventory", "hosts.yml", 3, "no such inventory", None),
    ("inventory", "", 0, "inventory is empty"),
    ("nodes", "k8s_node", 4, "no host matches the pattern 'k8s_node'", "k8s_nodes"),
    ("nodes", "-oops", 4, "'-oops' is not a host pattern"),
    ("ipsec.esp", "aes256gmc16-x25519", 14, "'aes256gmc16-x25519' is not an ESP proposal", "aes256gcm16"),
    ("ipsec.esp", "aes256gcm16-x25519, null-sha256", 14, "'null-sha256' is refused", "aes256gcm16"),
    ("ipsec.esp", "3des-md5", 14, "3DES has 64-bit blocks"),
    ("ipsec.esp", "aes256gcm16", 14, "has no key exchange", "aes256gcm16-x25519"),
    ("ipsec.esp", "", 0, "ipsec.esp is empty"),
    ("ipsec.esp", ",", 14, "ipsec.esp must have at least 1 entries, not 0"),
    ("ipsec.esp", "aes256gcm16; rm -rf /", 14, "is not an ESP proposal"),
    ("ipsec.ike", "aes256", 0, "'aes256' is not an IKE proposal", "ecp384"),
    ("overlay.port", "500", 19, "overlay.port 500 is the port of IKE", "4789"),
    ("overlay.port", "99999", 19, "overlay.port must be at most 65535"),
    ("overlay.vni", "0", 20, "overlay.vni must be at least 1"),
    ("overlay.vni", "16777216", 20, "overlay.vni must be at most 16777215"),
    ("overlay.device", "a-very-long-device-name", 0, "is not an interface name", "at most 15"),
    ("overlay.device", "cni0", 0, "overlay.device and overlay.bridge are the same"),
    ("cni.plugin", "calicoo", 23, "cni.plugin"),
    ("underlay.paths", "zone_a zone_b 1400", 0, "line 1 of underlay.paths is not written", "between: [A, B]"),
    ("underlay.paths", "between: [zone_a, zone_b], mtu: 1450\nmtu: [", 0, "line 2 of underlay.paths is not written"),
    ("underlay.paths", "between: [zone_a], mtu: 1450", 10, "must have at least 2 entries, not 1"),
    ("underlay.paths", "between: [zone_a, zone_x], mtu: 1450", 10, "'zone_x' is no group or host of the inventory"),
    ("underlay.paths", "between: [zone_a, zone_b], mtu: 45", 10, "must be at least 576, not 45"),
    ("underlay.paths", "between: [zone_a, zone_b], mtu: 1450, via: x", 10, "unknown key 'via'"),
    ("underlay.paths", "between: [zone_a, zone_b]", 10, "the key 'mtu' is missing"),
    ("underlay.paths", "mtu: 01450", 0, "'01450' may mean octal or decimal"),
    ("ipsec.topology", "hub: nowhere", 0, "'nowhere' is no group or host of the inventory"),
    ("ipsec.topology", "between: [zone_a", 0, "ipsec.topology is not written as 'key: value'"),
    ("ipsec.topology", "star", 0, "'star'"),
]


def attempt(desk: Desk, name: str, text: str):
    """Do what the form does with what was typed; returns the problems and whether the draft took it."""
    try:
        value = FIELDS[name].read(text)
        desk.set(FIELDS[name].at, value)
    except ProblemError as error:
        return error.problems, False
    desk.read_inventory()
    desk.recheck()
    return desk.checked.problems, True


@pytest.fixture
def desk(folder):
    made = Desk(Path("plan.yaml"))
    made.read_inventory()
    made.recheck()
    return made


@pytest.mark.parametrize("case", TYPED, ids=[f"{c[0]}={c[1]!a}"[:50] for c in TYPED])
def test_wrong_value(desk, case):
    name, text, line, message, *hint = case
    problems, taken = attempt(desk, name, text)
    assert problems, "nothing was said"
    said = [p for p in problems if message in p.message]
    assert said, [p.message for p in problems]
    if hint and hint[0]:
        assert hint[0] in (said[0].hint or ""), said[0].hint
    if line:
        assert taken
        assert said[0].location.line == line
        assert said[0].location.column
        assert said[0].location.path == "plan.yaml"
    assert all("\x1b" not in row for p in problems for row in p.lines())
    assert Path("plan.yaml").read_text() == PLAN, "only ctrl+s writes"
    if taken:
        assert desk.undo()
        assert desk.draft.text == PLAN


WHOLE = [
    ("name: [", "not YAML"),
    ("name: x\nname: y\ninventory: i\n", "duplicate key 'name'"),
    ("name: &a x\ninventory: *a\n", "anchors and aliases are not allowed"),
    ("name: !!python/object x\n", "tags are not allowed"),
    ("\tname: x\n", "not YAML"),
    ("", "the file is empty"),
    ("- a\n- b\n", "expected a mapping"),
    (PLAN.replace("underlay:", "underlya:"), "unknown key 'underlya'"),
    (PLAN.replace("nodes: k8s_nodes", "node: k8s_nodes"), "unknown key 'node'"),
    (PLAN.replace("name: prod-eu1\n", ""), "the key 'name' is missing"),
    (PLAN.replace("zone_a", "zona_a"), "is no group or host of the inventory"),
    (PLAN.replace("mtu: 1500 ", "mtu: 0x5dc "), "must be a whole number"),
]


@pytest.mark.parametrize(("text", "message"), WHOLE, ids=[message[:30] for _, message in WHOLE])
def test_wrong_file_from_the_editor(desk, text, message):
    desk.replace(text)
    desk.read_inventory()
    desk.recheck()
    found = [p for p in errors(desk.checked.problems) if message in p.message]
    assert found, [p.message for p in desk.checked.problems]
    assert desk.checked.plan is None
    assert Path("plan.yaml").read_text() == PLAN
    assert desk.undo()
    desk.recheck()
    assert desk.checked.plan is not None


Edit = tuple[str, str]  # a field and what is typed into it; without a field: the whole text of the file

# what no host variable is wrong with, and the hosts break all the same
BROKEN: dict[str, tuple[list[Edit], str]] = {
    "a host that the topology joins with no other": ([("ipsec.topology", "between: [[n1, n2]]")], "IPP408"),
    "a network without hosts": (
        [("ipsec.protect", "hosts"), ("underlay.networks", "name: storage, mtu: 9000")],
        "IPP306",
    ),
    "a profile that no host knows": (
        [
            ("ipsec.profile", "cnsa2"),
            ("ipsec.esp", "aes256gcm16-ecp384-ke1_mlkem1024"),
            ("ipsec.ike", "aes256gcm16-prfsha384-ecp384-ke1_mlkem1024"),
        ],
        "IPP408",
    ),
}
# what else typed hosts depend on, and rules that read them
VALID: list[Edit] = [
    ("name", "other"),
    ("inventory", "networks.yml"),
    ("inventory", "inventory.yml"),
    ("nodes", "zone_a"),
    ("nodes", "n1"),
    ("nodes", "k8s_nodes"),
    ("underlay.mtu", "9000"),
    ("underlay.family", "ipv6"),
    ("underlay.family", "dual"),
    ("underlay.family", "ipv4"),
    ("ipsec.topology", "trap-any"),
    ("ipsec.topology", "full-mesh"),
    ("ipsec.topology", "zones: [zone_a, zone_b]"),
    ("ipsec.profile", "default"),
    ("ipsec.protect", "overlay"),
    ("ipsec.auth", "psk"),
    ("ipsec.nat_traversal", "never"),
    ("cni.plugin", "cilium"),
    ("cni.plugin", "bridge"),
    ("", f"# one line more\n{PLAN}"),
    ("", PLAN),
]
EDITS: list[Edit] = [
    *((name, text) for name, text, *_ in TYPED),
    *(("", text) for text, _ in WHOLE),
    *(edit for edits, _ in BROKEN.values() for edit in edits),
    *VALID,
]
OLD = "strongswan_version: 5.9.8"
NETWORKS = "underlay_networks: {{storage: {{address: 10.1.0.{n}}}}}, underlay_address_ipv6: 'fd00::{n}'"


def edited(text: str, edit: Edit) -> str:
    """Return a draft with an edit made, unchanged where the form refuses what was typed."""
    name, typed = edit
    if not name:
        return typed
    field = FIELDS[name]
    try:
        value = field.read(typed)
        return remove(text, field.at) if field.optional and value == "" else set_value(text, field.at, value)
    except ProblemError:
        return text


def linted(text: str) -> tuple[bool, list[dict[str, object]]]:
    """Return what a fresh ``lint`` says: whether the plan is ok, and every problem."""
    Path("plan.yaml").write_text(text)
    done = CliRunner().invoke(lint, ["--json", "plan.yaml"])
    said = json.loads(done.stdout)
    return done.exit_code == 0, [*said["errors"], *said["warnings"]]


def warm(checker: Checker, text: str) -> tuple[bool, list[dict[str, object]]]:
    """Return what a checker says that has checked other drafts before, in the form of :func:`linted`."""
    if checker.check(text).waiting:
        checker.read_inventory(text)
    found = checker.check(text)
    said = sorted(found.problems, key=lambda problem: problem.severity == "warning")
    return found.plan is not None, [problem.as_json() for problem in said]


@pytest.fixture(scope="module")
def two_inventories(tmp_path_factory):
    """A working directory for a module: hosts with an old strongSwan, and some that are on an additional network."""
    folder = tmp_path_factory.mktemp("plans")
    (folder / "inventory.yml").write_text(INVENTORY.replace("pod_cidr", f"{OLD}, pod_cidr"))
    lines = INVENTORY.splitlines()
    for n in (1, 2, 4):
        at = next(i for i, line in enumerate(lines) if f"n{n}:" in line)
        lines[at] = lines[at].replace("{", "{" + NETWORKS.format(n=n) + ", ", 1)
    (folder / "networks.yml").write_text("\n".join(lines) + "\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield folder


@pytest.mark.parametrize("name", BROKEN)
def test_warm_check_of_hosts_that_break_a_rule_refuses_what_lint_refuses(two_inventories, name):
    edits, code = BROKEN[name]
    checker, text = Checker(Path("plan.yaml")), PLAN
    assert warm(checker, text) == linted(text) == (True, [])
    for edit in edits:
        text = edited(text, edit)
        assert warm(checker, text) == linted(text)
    ok, said = warm(checker, text)
    assert not ok
    assert code in [problem["code"] for problem in said if problem["severity"] == "error"], said


@pytest.mark.parametrize("edit", dict.fromkeys(EDITS), ids=lambda edit: f"{edit[0]}={edit[1]!a}"[:50])
def test_warm_check_of_one_edit_equals_lint(two_inventories, edit):
    checker = Checker(Path("plan.yaml"))
    warm(checker, PLAN)
    text = edited(PLAN, edit)
    assert warm(checker, text) == linted(text)
    assert warm(checker, PLAN) == (True, []), "and back"


@settings(max_examples=size(25, 400), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@example([*VALID[6:9], *BROKEN["a network without hosts"][0], ("inventory", "networks.yml")])
@example([("inventory", "none.yml"), ("", f"# one line more\n{PLAN}".replace("inventory.yml", "none.yml"))])
@given(st.lists(st.sampled_from(EDITS), min_size=2, max_size=12))
def test_warm_check_of_a_sequence_of_edits_equals_lint(two_inventories, edits):
    checker, text = Checker(Path("plan.yaml")), PLAN
    warm(checker, text)
    for edit in edits:
        text = edited(text, edit)
        assert warm(checker, text) == linted(text)


def test_readonly_changes_nothing(folder):
    desk = Desk(Path("plan.yaml"), readonly=True)
    for change in (lambda: desk.set(("name",), "x"), desk.undo, desk.save, lambda: desk.replace("")):
        with pytest.raises(ProblemError, match="readonly"):
            change()


def test_a_plan_with_errors_can_be_saved_whole_and_mended(folder):
    draft = Draft(Path("plan.yaml"))
    draft.change(set_value(draft.text, ("underlay", "mtu"), 150))
    draft.save()
    assert Path("plan.yaml").read_text() == PLAN.replace("mtu: 1500 ", "mtu: 150  ")


async def test_the_form_marks_the_field_and_the_line(make, settle):
    app = make(mode="plan")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        app.screen.query_one("#form").edit("f-underlay-mtu")
        await pilot.press("backspace", "backspace")
        await settle(pilot)
        assert app.screen.query_one("#line-f-underlay-mtu").has_class("-error")
        assert "7:8" in app.screen.query_one("#problems").pane_text()
        assert "1 error" in app.desk.subject()
        await pilot.press("0", "0")
        await settle(pilot)
        assert not app.screen.query_one("#line-f-underlay-mtu").has_class("-error")
        assert not app.desk.dirty


async def test_fast_typing_is_never_overtaken_by_its_own_echo(make, settle):
    app = make(mode="plan")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        box = app.screen.query_one("#f-ipsec-esp")
        app.screen.query_one("#form").edit("f-ipsec-esp")
        await settle(pilot)
        wanted = "aes128-sha256-x25519"
        box.clear()
        for letter in wanted:  # all in one turn of the loop: every echo comes late
            box.insert_text_at_cursor(letter)
        await settle(pilot)
        assert box.value == wanted
        assert app.desk.checked.plan.classes[0].preferred.proposal.text == wanted
        await pilot.press("ctrl+z")
        await settle(pilot)
        assert box.value == "aes256gcm16-x25519", "one undo takes back what was typed in one go"
