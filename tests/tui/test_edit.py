"""Editing keeps every byte that was not asked for, and saves whole or not at all."""

from __future__ import annotations

import os
import random
import stat
from pathlib import Path

import pytest

from netplan import pipeline
from netplan.inputs import yaml_source
from netplan.inputs.edit import remove, scalar, set_value
from netplan.inputs.rules_hosts import nodes
from netplan.problems import ProblemError
from tests.tui.conftest import PLAN
from tui.plan.check import Checker
from tui.plan.draft import Draft

CHANGES = [
    (("underlay", "mtu"), 1400, "  mtu: 1500              # IP", "  mtu: 1400              # IP"),
    (("underlay", "mtu"), 65535, "  mtu: 1500              # IP", "  mtu: 65535             # IP"),
    (
        ("ipsec", "esp"),
        ["aes256gcm16-x25519", "aes128-sha256-x25519"],
        "  esp: [aes256gcm16-x25519]   # preferred",
        "  esp: [aes256gcm16-x25519, aes128-sha256-x25519] # preferred",
    ),
    (("ipsec", "mode"), "tunnel", "  mode: transport        # the", "  mode: tunnel           # the"),
    (("name",), "other", "name: prod-eu1", "name: other"),
    (("underlay", "paths", 0, "mtu"), 1400, "zone_b], mtu: 1450}   #", "zone_b], mtu: 1400}   #"),
]


@pytest.mark.parametrize(("at", "value", "before", "after"), CHANGES)
def test_only_the_value_changes(at, value, before, after):
    assert before in PLAN
    assert set_value(PLAN, at, value) == PLAN.replace(before, after)


def test_the_same_value_changes_nothing():
    assert set_value(PLAN, ("underlay", "mtu"), 1500) == PLAN


@pytest.mark.parametrize(
    ("text", "at", "value", "wanted"),
    [
        ("a: 1\n", ("underlay", "mtu"), 9000, "a: 1\n\nunderlay:\n  mtu: 9000\n"),
        (
            "underlay:\n  family: ipv4\n# end\n",
            ("underlay", "mtu"),
            1400,
            "underlay:\n  family: ipv4\n  mtu: 1400\n# end\n",
        ),
        ("underlay: {family: ipv4}  # c\n", ("underlay", "mtu"), 1400, "underlay: {family: ipv4, mtu: 1400}  # c\n"),
        ("underlay: {}\n", ("underlay", "mtu"), 1400, "underlay: {mtu: 1400}\n"),
        ("underlay:\nname: x\n", ("underlay", "mtu"), 1400, "underlay:\n  mtu: 1400\nname: x\n"),
        (
            "underlay:\n    paths:\n        - {mtu: 1}\nname: x\n",
            ("underlay", "mtu"),
            7,
            "underlay:\n    paths:\n        - {mtu: 1}\n    mtu: 7\nname: x\n",
        ),
        ("ipsec:\n  mode: x\n", ("ipsec", "lifetimes", "ike"), "x", "ipsec:\n  mode: x\n  lifetimes:\n    ike: x\n"),
        ("ipsec: {mode: x}\n", ("ipsec", "lifetimes", "ike"), "x", "ipsec: {mode: x, lifetimes: {ike: x}}\n"),
        ("a: b\n", ("ipsec", "lifetimes", "ike"), "x", "a: b\n\nipsec:\n  lifetimes:\n    ike: x\n"),
        ("name:   # which\n", ("name",), "x", "name: x   # which\n"),
        ("name: x", ("nodes",), "all", "name: x\nnodes: all\n"),
        (
            "ipsec:\n  esp:\n    - a   # one\n    - b\n  ike: c\n",
            ("ipsec", "esp"),
            ["a", "c", "d"],
            "ipsec:\n  esp:\n    - a   # one\n    - c\n    - d\n  ike: c\n",
        ),
        ("ipsec:\n  esp:\n  - a\n  - b   # two\n", ("ipsec", "esp"), ["z"], "ipsec:\n  esp:\n  - z\n"),
        ("name: 'x y'\n", ("name",), "yes", 'name: "yes"\n'),
        ("name: x\r\nnodes: y\r\n", ("name",), "z", "name: z\r\nnodes: y\r\n"),
    ],
)
def test_shapes_of_yaml(text, at, value, wanted):
    assert set_value(text, at, value) == wanted


ROW = {"between": ["a", "b"], "mtu": 1400}
PATHS = """\
underlay:
  paths:
    # the leased line
    - {between: [a, b], mtu: 1400}   # slow
    - between: [a, c]      # why
      mtu: 1300            # measured
    # the last one
    - {between: [b, c], mtu: 1200}
name: x
"""


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        (lambda rows: rows[0].update(mtu=1410), PATHS.replace("1400}   # slow", "1410}   # slow")),
        (lambda rows: rows[1].update(mtu=1310), PATHS.replace("1300            #", "1310            #")),
        (lambda rows: rows[1].update(between=["a", "zone_d"]), PATHS.replace("[a, c]      #", "[a, zone_d] #")),
        (lambda rows: rows.pop(0), PATHS.replace("    - {between: [a, b], mtu: 1400}   # slow\n", "")),
        (
            lambda rows: rows.pop(1),
            PATHS.replace("    - between: [a, c]      # why\n      mtu: 1300            # measured\n", ""),
        ),
        (
            lambda rows: rows.append({"between": ["d", "e"], "mtu": 1}),
            PATHS.replace("mtu: 1200}\n", "mtu: 1200}\n    - {between: [d, e], mtu: 1}\n"),
        ),
        (
            lambda rows: rows.insert(1, {"between": ["d", "e"], "mtu": 1}),
            PATHS.replace("# slow\n", "# slow\n    - {between: [d, e], mtu: 1}\n"),
        ),
        (
            lambda rows: rows.insert(0, {"between": ["d", "e"], "mtu": 1}),
            PATHS.replace("    - {between: [a, b]", "    - {between: [d, e], mtu: 1}\n    - {between: [a, b]"),
        ),
        (lambda rows: rows.clear(), "underlay:\n  paths: []\nname: x\n"),
    ],
)
def test_rows_of_a_list_keep_their_comments(change, wanted):
    rows = yaml_source.parse(PATHS.encode(), "").data["underlay"]["paths"]
    change(rows)
    assert set_value(PATHS, ("underlay", "paths"), rows) == wanted


@pytest.mark.parametrize(
    ("text", "at", "value", "wanted"),
    [
        (
            "name: x\n",
            ("underlay", "paths"),
            [ROW],
            "name: x\n\nunderlay:\n  paths:\n    - {between: [a, b], mtu: 1400}\n",
        ),
        (
            "underlay: {mtu: 1500}\n",
            ("underlay", "paths"),
            [ROW],
            "underlay: {mtu: 1500, paths: [{between: [a, b], mtu: 1400}]}\n",
        ),
        ("paths: [{between: [a, c], mtu: 1}]  # c\n", ("paths",), [ROW], "paths: [{between: [a, b], mtu: 1400}] # c\n"),
        ("paths: []\n", ("paths",), [ROW], "paths: [{between: [a, b], mtu: 1400}]\n"),
        (
            "topology: full-mesh   # all\n",
            ("topology",),
            {"between": [["a", "b"]]},
            "topology: {between: [[a, b]]} # all\n",
        ),
        (
            "topology:   # some\n  zones:\n    - a\n    - b\nname: x\n",
            ("topology",),
            {"zones": ["a", "c"]},
            "topology:   # some\n  zones:\n    - a\n    - c\nname: x\n",
        ),
        (
            "topology:   # some\n  zones:\n    - a\n    - b\nname: x\n",
            ("topology",),
            "full-mesh",
            "topology: full-mesh   # some\nname: x\n",
        ),
    ],
)
def test_lists_and_mappings_as_a_whole(text, at, value, wanted):
    assert set_value(text, at, value) == wanted


@pytest.mark.parametrize("seed", range(40))
def test_any_change_of_rows_is_that_change_or_refused(seed):
    """Whatever is done to the rows, the file afterwards says exactly it, and every other line is as it was."""
    dice = random.Random(seed)
    rows = yaml_source.parse(PATHS.encode(), "").data["underlay"]["paths"]
    for _ in range(dice.randint(1, 4)):
        what = dice.choice(("drop", "add", "change", "swap"))
        if what == "drop" and rows:
            rows.pop(dice.randrange(len(rows)))
        elif what == "add":
            row = {"between": [f"z{dice.random()}", "# x"], "mtu": dice.randint(1, 9)}
            rows.insert(dice.randint(0, len(rows)), row)
        elif what == "change" and rows:
            rows[dice.randrange(len(rows))]["mtu"] = dice.randint(576, 9000)
        else:
            dice.shuffle(rows)
    changed = set_value(PATHS, ("underlay", "paths"), rows)
    assert yaml_source.parse(changed.encode(), "").data == {"underlay": {"paths": rows}, "name": "x"}
    assert changed.startswith("underlay:\n  paths:")
    assert changed.endswith("name: x\n")


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("esp: [a,\n  b]\n", ("esp",)),
        ("name: >\n  folded\n  text\n", ("name",)),
        ("underlay: {family: ipv4,\n  paths: []}\n", ("underlay", "mtu")),
        ("underlay: text\n", ("underlay", "mtu")),
    ],
)
def test_what_is_not_understood_is_refused(text, at):
    with pytest.raises(ProblemError) as caught:
        set_value(text, at, ["x"] if at == ("esp",) else 5)
    assert caught.value.problems[0].code == "IPP210"


def test_a_file_that_is_no_yaml_is_refused_with_its_position():
    with pytest.raises(ProblemError) as caught:
        set_value("a: [\n", ("a",), 1)
    assert caught.value.problems[0].location.line is not None


def test_remove():
    assert remove(PLAN, ("ipsec", "nat_traversal")) == PLAN.replace("  nat_traversal: auto\n", "")
    assert remove(PLAN, ("ipsec", "auth")) == PLAN
    with pytest.raises(ProblemError):
        remove("u: {a: 1}\n", ("u", "a"))


@pytest.mark.parametrize(
    "value", ["yes", "1500", "012", "a: b", "# x", "", "ünïcode", "x\ny", "null", "- a", "{", "@", "a#b"]
)
def test_every_text_comes_back_as_itself(value):
    assert yaml_source.parse(f"k: {scalar(value)}\n".encode(), "").data == {"k": value}
    assert yaml_source.parse(f"k: [{scalar(value)}, b]\n".encode(), "").data == {"k": [value, "b"]}


def test_undo_and_redo(folder):
    draft = Draft(Path("plan.yaml"))
    draft.change("a")
    draft.change("b")
    assert draft.undo()
    assert draft.text == "a"
    assert draft.redo()
    assert draft.text == "b"
    assert not draft.redo()
    assert draft.undo()
    assert draft.undo()
    assert not draft.undo()
    assert draft.text == PLAN
    assert not draft.dirty


def test_save_keeps_mode_and_follows_the_link(folder):
    real = folder / "real.yaml"
    real.write_text(PLAN)
    real.chmod(0o640)
    link = folder / "link.yaml"
    link.symlink_to(real)
    draft = Draft(link)
    draft.change(PLAN.replace("1500", "1400"))
    draft.save()
    assert link.is_symlink()
    assert real.read_text() == draft.text
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    assert not draft.dirty
    assert {p.name for p in folder.iterdir()} == {"plan.yaml", "inventory.yml", "real.yaml", "link.yaml"}


def test_a_failing_disk_leaves_the_old_file(folder, monkeypatch):
    draft = Draft(Path("plan.yaml"))
    draft.change("name: new\n")

    def full(_handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ProblemError, match="No space left"):
        draft.save()
    assert Path("plan.yaml").read_text() == PLAN
    assert {p.name for p in folder.iterdir()} == {"plan.yaml", "inventory.yml"}
    assert draft.dirty


@pytest.mark.parametrize("text", ["- a\n- b\n", "underlay: 5\n", "underlay: [a]\n", "~\n"])
def test_set_value_where_no_mapping_stands_is_refused(text):
    with pytest.raises(ProblemError) as caught:
        set_value(text, ("underlay", "mtu"), 1400)
    assert caught.value.problems[0].code in ("IPP202", "IPP210")


def test_somebody_elses_change_is_not_overwritten(folder):
    draft = Draft(Path("plan.yaml"))
    draft.change("name: mine\n")
    Path("plan.yaml").write_text("name: theirs\n")
    with pytest.raises(ProblemError, match="changed by somebody else"):
        draft.save()
    assert Path("plan.yaml").read_text() == "name: theirs\n"


def test_the_checker_says_what_the_pipeline_says(folder):
    path = Path("plan.yaml")
    checker = Checker(path)
    assert checker.check(PLAN).waiting
    checker.read_inventory(PLAN)
    whole = pipeline.make(path)
    quick = checker.check(PLAN)
    assert quick.plan is not None
    assert quick.plan.as_json() == whole.plan.as_json()


@pytest.mark.parametrize("mtu", [1500, 1400, 9000])
def test_hosts_are_typed_anew_when_the_link_changes(folder, mtu):
    checker = Checker(Path("plan.yaml"))
    checker.read_inventory(PLAN)
    checker.check(PLAN)
    found = checker.check(set_value(PLAN, ("underlay", "mtu"), mtu))
    assert found.plan is not None
    assert found.loaded is not None
    assert found.inventory is not None
    assert found.plan.nodes == nodes(found.loaded.plan, found.inventory)
