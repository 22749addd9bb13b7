"""What a path is, where a verb wants something else: a plan, a bundle and an inventory are easily mistaken.

The one place for it: whoever finds that a path doesn't fit asks here for the sentence, which names what the path is,
what is wanted, and the right one where it can be found beside it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from netplan.files import parse_json, read_regular
from netplan.inputs import yaml_source
from netplan.model.planfile import PlanFile
from netplan.problems import Location, Problem, ProblemError, quoted

Kind = Literal["plan", "bundle", "inventory", "directory", "file", "missing"]
MANIFEST = "manifest.json"
MAX_MANIFEST = 256 << 20  # bytes; a manifest of 1,000 nodes with a tunnel for each pair has less
_NAMES = {
    "plan": "a plan file",
    "bundle": "a bundle",
    "inventory": "an Ansible inventory",
    "directory": "a directory",
    "file": "a file",
}
_WANTED = {
    "plan": "a plan file",
    "bundle": "a bundle, the directory that `render` writes,",
    "inventory": "an Ansible inventory",
}
_INI_GROUP = re.compile(r"^\[[\w.-]+(:(vars|children))?\]\s*([#;].*)?$")
_GROUP_KEYS = {"hosts", "children", "vars"}


def plan_digest(plan: PlanFile) -> str:
    """Return the SHA-256 of a plan file's content, as a bundle's manifest has it."""
    return hashlib.sha256(plan.model_dump_json().encode()).hexdigest()


def kind(path: Path) -> Kind:
    """Return what a path is, by what is in it. What can't be looked at is missing, what can't be read a file."""
    try:
        if path.is_dir():
            return "bundle" if (path / MANIFEST).is_file() else "directory"
        if not path.exists():
            return "missing"
        if path.name == MANIFEST and _manifest(path.parent):
            return "bundle"
        if not path.is_file():
            return "file"
    except (OSError, ValueError):
        return "missing"
    try:
        with open(path, "rb") as file:
            return _content(file.read(yaml_source.MAX_BYTES))
    except OSError:
        return "file"


def _content(raw: bytes) -> Kind:
    text = raw.decode("utf-8", "replace")
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith(("#", ";"))]
    if any(_INI_GROUP.match(line) for line in lines[:20]):
        return "inventory"
    try:
        data = yaml_source.parse(raw, "").data
    except ProblemError:
        # a plan with a fault in it: its own keys at the left margin
        keys = {found[1] for line in lines if (found := re.match(r"([a-z]+):(\s|$)", line))}
        return "plan" if {"name", "inventory"} <= keys else "file"
    if not isinstance(data, dict):
        return "file"
    if isinstance(data.get("inventory"), str):
        return "plan"
    groups = [value for value in data.values() if isinstance(value, dict) and _GROUP_KEYS & value.keys()]
    return "inventory" if groups and not PlanFile.model_fields.keys() & data.keys() else "file"


def _no_plan(path: Path) -> bool:
    """Tell whether a file can be no plan without parsing it: an inventory of 10,000 hosts is parsed often enough.

    A plan has a key ``inventory``.
    """
    with contextlib.suppress(OSError, ValueError):
        if path.is_file() and path.name != MANIFEST:
            with open(path, "rb") as file:
                return b"inventory" not in file.read(yaml_source.MAX_BYTES)
    return False


def wanted(want: Literal["plan", "bundle", "inventory"], path: Path, shown: str | None = None) -> None:
    """Raise ProblemError when ``path`` is clearly something else than what is wanted; ``shown`` is how to name it."""
    problem = mistaken(want, path, shown)
    if problem:
        raise ProblemError(problem)


def mistaken(want: Literal["plan", "bundle", "inventory"], path: Path, shown: str | None = None) -> Problem | None:
    """Return what is wrong with a path that is another kind of thing than wanted; None where it is not clear."""
    found, name = "file" if want == "inventory" and _no_plan(path) else kind(path), shown or str(path)
    if found != "missing" and (inside := next((p for p in path.absolute().parents if _manifest(p)), None)):
        hint = f"did you mean {_short(inside)}?" if want == "bundle" else _plan_of(inside)
        return Problem(
            "IPP211", f"this is a part of a bundle; {_WANTED[want]} is wanted", location=Location(name), hint=hint
        )
    if found in (want, "missing") or (found == "file" and want != "bundle"):
        return None
    if want == "inventory" and found == "directory":
        return None
    return Problem(
        "IPP211",
        f"this is {_NAMES[found]}; {_WANTED[want]} is wanted",
        location=Location(name),
        hint=_hint(want, found, path, name),
    )


def _hint(want: str, found: Kind, path: Path, name: str) -> str:
    if want == "bundle":
        if found == "plan":
            return bundle_of(path, name)
        return near_bundle(path)
    if want == "plan":
        if found == "bundle":
            return _plan_of(path if path.is_dir() else path.parent)
        if found == "inventory":
            return f"a plan names it: `inventory: {path.name}`; `ipsecplan init --inventory {name}` writes such a plan"
        near = next(_plans(path), None) if found == "directory" else None
        return f"did you mean {near}?" if near else "`ipsecplan init` writes one"
    if found == "plan":
        with contextlib.suppress(ProblemError):
            named = yaml_source.read(path).data["inventory"]
            return f"this plan's inventory is {quoted(named)}"
    return "a bundle names the inventory that it was made from: leave --inventory out"


def near_bundle(path: Path) -> str:
    """Return which bundle may be meant by a path that is none, as a hint: one in it, or one beside it."""
    near = next(_bundles(path if path.is_dir() else path.parent), None)
    return f"did you mean {near}?" if near else "a bundle is what `ipsecplan render` writes"


def bundle_of(plan: Path, shown: str | None = None) -> str:
    """Return which bundle a plan file has, as a hint: made from it, made from an earlier state of it, or none yet."""
    name = shown or str(plan)
    try:
        data = yaml_source.read(plan).data
        digest = plan_digest(PlanFile.model_validate(data))
    except (ProblemError, ValueError):
        data, digest = {}, ""
    cluster = data.get("name") if isinstance(data, dict) else None
    older = None
    for folder in (*_bundles(plan.parent), *([Path("bundle")] if _manifest(Path("bundle")) else ())):
        manifest = _manifest(folder)
        if digest and manifest.get("plan_digest") == digest:
            return f"did you mean {folder}? That is the bundle of this plan"
        if older is None and cluster and manifest.get("cluster") == cluster:
            older = folder
    if older is not None:
        return f"{older} is a bundle of it, made before the plan was changed: `ipsecplan render {name} --to {older}`"
    return f"it has no bundle yet: `ipsecplan render {name}` writes one"


def newer_plan(bundle: Path) -> Path | None:
    """Return the plan beside a bundle, or in the working directory, that was changed after the bundle was rendered.

    None where a plan there is still the one that it was made from, and where none is of its cluster.
    """
    manifest, changed = _manifest(bundle), None
    here = [Path("plan.yaml")] if kind(Path("plan.yaml")) == "plan" else []
    for plan in (*_plans(bundle.absolute().parent), *here):
        with contextlib.suppress(ProblemError, ValueError):
            found = PlanFile.model_validate(yaml_source.read(plan).data)
            if found.name == manifest.get("cluster"):
                if plan_digest(found) == manifest.get("plan_digest"):
                    return None
                changed = changed or _short(plan)
    return changed


def _plan_of(bundle: Path) -> str:
    manifest, older = _manifest(bundle), None
    for plan in _plans(bundle.absolute().parent):
        with contextlib.suppress(ProblemError, ValueError):
            data = yaml_source.read(plan).data
            if manifest.get("plan_digest") == plan_digest(PlanFile.model_validate(data)):
                return f"it was made from {_short(plan)}"
            if data["name"] == manifest.get("cluster"):
                older = older or plan
    if older is not None:
        return f"it was made from an earlier state of {_short(older)}"
    return f"the plan that it was made from, of cluster {quoted(manifest.get('cluster', '?'))}, is not beside it"


def _short(path: Path) -> Path:
    """Return a path as seen from here, where it is below."""
    with contextlib.suppress(OSError, ValueError):
        return path.relative_to(Path.cwd())
    return path


def _entries(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as found:
            return sorted(folder / entry.name for _, entry in zip(range(yaml_source.NEIGHBOURS), found, strict=False))
    except OSError:
        return []


def _bundles(folder: Path) -> Iterator[Path]:
    usual = folder / "bundle"
    for path in (usual, *(entry for entry in _entries(folder) if entry != usual)):
        if _manifest(path):
            yield path


def _plans(folder: Path) -> Iterator[Path]:
    usual = folder / "plan.yaml"
    for path in (usual, *(entry for entry in _entries(folder) if entry != usual)):
        if path.suffix in (".yaml", ".yml") and kind(path) == "plan":
            yield path


def _manifest(folder: Path) -> dict[str, Any]:
    """Return the manifest of a bundle, unchecked; empty when there is none."""
    with contextlib.suppress(OSError, ValueError):
        found = parse_json(read_regular(folder / MANIFEST, MAX_MANIFEST))
        if isinstance(found, dict) and "digest" in found and "cluster" in found:
            return found
    return {}
