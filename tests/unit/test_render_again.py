"""A second render writes what changed, and the bundle is the one that a first render would have made."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from netplan.bundle import kept, reader, write
from netplan.host import overlay
from netplan.pipeline import Planned
from tests.support.plans import make_planned

COUNT = kept.LEAST + 1  # one less is remembered still
Hosts = dict[int, dict[str, object]]


@pytest.fixture(autouse=True)
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "ipsecplan" / "render"


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overlay, "FLOODED", 3)


def snapshot(directory: Path) -> dict[str, bytes]:
    return {str(p.relative_to(directory)): p.read_bytes() for p in sorted(directory.rglob("*")) if p.is_file()}


def put(directory: Path, planned: Planned) -> dict[str, Any]:
    written = write.write(directory, planned.plan, planned.inventory)
    found = reader.read(directory)  # every digest
    assert found.manifest["digest"] == written.digest
    assert list(written.manifest["files"]) == found.manifest["files"]
    assert len(written.manifest["files"]) == len(found.manifest["files"])
    return found.manifest


@pytest.fixture
def rendered(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The hosts whose files were written, by name."""
    names: list[str] = []
    real = write._write_node

    def counted(work: Any, place: int) -> Any:
        names.append(work.plan.nodes[place].name)
        return real(work, place)

    monkeypatch.setattr(write, "_write_node", counted)
    return names


HUB = {"ipsec": {"topology": {"hub": "n1"}}}
EVERYBODY = COUNT
# keys of the plan file, variables of hosts, keys and variables of the second plan, hosts of it, how many are written
CHANGES: dict[str, tuple[dict[str, Any], Hosts, dict[str, Any], Hosts, int, int]] = {
    "nothing": ({}, {}, {}, {}, COUNT, 0),
    "pod subnet": ({}, {}, {}, {5: {"pod_cidr": "10.99.0.0/24"}}, COUNT, 1),
    "address": ({}, {}, {}, {5: {"underlay_address": "10.99.0.1"}}, COUNT, EVERYBODY),
    "larger link": ({}, {}, {}, {5: {"underlay_mtu": 9000}}, COUNT, 1),
    "smaller link": ({}, {}, {}, {5: {"underlay_mtu": 1400}}, COUNT, EVERYBODY),
    "a host more": ({}, {}, {}, {}, COUNT + 1, EVERYBODY + 1),
    "a host less": ({}, {}, {}, {}, COUNT - 1, EVERYBODY - 1),
    "cipher": ({}, {}, {"ipsec": {"esp": ["aes128gcm16-x25519"]}}, {}, COUNT, EVERYBODY),
    "mode": (HUB, {}, {"ipsec": {**HUB["ipsec"], "mode": "tunnel"}}, {}, COUNT, EVERYBODY),
    "hub: pod subnet": (HUB, {}, HUB, {5: {"pod_cidr": "10.99.0.0/24"}}, COUNT, 1),
    "hub: address of a spoke": (HUB, {}, HUB, {5: {"underlay_address": "10.99.0.1"}}, COUNT, 2),
    "hub: a host more": (HUB, {}, HUB, {}, COUNT + 1, 2),
    "hub: a host less": (HUB, {}, HUB, {}, COUNT - 1, 1),
    "hub: address of the hub": (HUB, {}, HUB, {1: {"underlay_address": "10.99.0.1"}}, COUNT, EVERYBODY),
    "firewall": (
        {"firewall": {"kind": "nftables"}},
        {},
        {"firewall": {"kind": "nftables"}},
        {5: {"pod_cidr": "10.99.0.0/24"}},
        COUNT,
        1,
    ),
}


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize("case", CHANGES)
def test_a_second_render_is_what_a_first_one_would_be(tmp_path: Path, case: str, rendered: list[str]) -> None:
    keys, hosts, later, changed, count, written = CHANGES[case]
    put(tmp_path / "b", make_planned(COUNT, hosts, **keys))
    rendered.clear()
    after = make_planned(count, {**hosts, **changed}, **later)
    put(tmp_path / "b", after)
    assert len(rendered) == written, rendered
    put(tmp_path / "anew", after)
    assert snapshot(tmp_path / "b") == snapshot(tmp_path / "anew")
    rendered.clear()
    put(tmp_path / "b", after)
    assert rendered == [], "and is remembered"


def test_without_a_table_every_node_lists_every_pod_subnet(tmp_path: Path, rendered: list[str]) -> None:
    put(tmp_path / "b", make_planned(COUNT))
    rendered.clear()
    after = make_planned(COUNT, {5: {"pod_cidr": "10.99.0.0/24"}})
    put(tmp_path / "b", after)
    assert len(rendered) == COUNT
    put(tmp_path / "anew", after)
    assert snapshot(tmp_path / "b") == snapshot(tmp_path / "anew")


def _edited(path: Path) -> None:
    path.write_text(path.read_text() + "# by hand\n")


def _replaced(path: Path) -> None:
    text = path.read_bytes()
    path.unlink()
    path.write_bytes(text.replace(b"ipsecplan", b"IPSECPLAN"))


@pytest.mark.parametrize("damage", [_edited, _replaced, Path.unlink], ids=["edited", "replaced", "removed"])
@pytest.mark.parametrize(
    "file", ["nodes/*/etc/ipsecplan/peers", "nodes/*/etc/sysctl.d/90-ipsecplan.conf", "plan.json", "manifest.json"]
)
def test_what_somebody_touched_is_written_anew(tmp_path: Path, file: str, damage: Callable[[Path], None]) -> None:
    planned = make_planned(COUNT)
    put(tmp_path / "b", planned)
    right = snapshot(tmp_path / "b")
    if file == "manifest.json" and damage is Path.unlink:
        return  # no bundle any more, and so not replaced
    damage(sorted((tmp_path / "b").glob(file))[0])
    put(tmp_path / "b", planned)
    assert snapshot(tmp_path / "b") == right


@pytest.mark.usefixtures("large")
def test_a_render_that_fails_leaves_the_old_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "b", make_planned(COUNT))
    right = snapshot(tmp_path / "b")
    after = make_planned(COUNT, {5: {"pod_cidr": "10.99.0.0/24"}})
    monkeypatch.setattr(write, "manifest_text", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        write.write(tmp_path / "b", after.plan, after.inventory)
    assert snapshot(tmp_path / "b") == right
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    put(tmp_path / "b", after)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"version": 9}', "\0"])
def test_a_memory_that_is_none_is_ignored(tmp_path: Path, memory: Path, text: str, rendered: list[str]) -> None:
    planned = make_planned(COUNT)
    put(tmp_path / "b", planned)
    (file,) = memory.iterdir()
    assert json.loads(file.read_text())["version"] == kept.VERSION
    file.write_text(text)
    rendered.clear()
    put(tmp_path / "b", planned)
    assert len(rendered) == COUNT


def test_another_bundle_at_the_place_is_not_taken_for_ours(tmp_path: Path, rendered: list[str]) -> None:
    planned = make_planned(COUNT)
    put(tmp_path / "b", planned)
    put(tmp_path / "c", planned)
    (tmp_path / "b").rename(tmp_path / "away")
    (tmp_path / "c").rename(tmp_path / "b")
    rendered.clear()
    put(tmp_path / "b", planned)
    assert len(rendered) == COUNT
