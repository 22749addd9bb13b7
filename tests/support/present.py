"""What a cluster has, patches applied to it as the API server, Helm or a node would, and what differs then."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from netplan.cni.adapter import Artifact

_NUMBER = re.compile(r'("mtu"\s*:\s*)"?\d+"?')


def merge(base: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return patch
    out = dict(base) if isinstance(base, dict) else {}
    for key, value in patch.items():
        if value is None:
            out.pop(key, None)
        else:
            out[key] = merge(out.get(key), value)
    return out


def strategic(base: Any, patch: Any) -> Any:
    """A strategic merge patch, as far as ours go: lists of mappings are merged by name, other lists are replaced."""
    if isinstance(patch, dict):
        out = dict(base) if isinstance(base, dict) else {}
        return out | {key: strategic(out.get(key), value) for key, value in patch.items()}
    if isinstance(patch, list) and patch and isinstance(patch[0], dict) and "name" in patch[0]:
        members = {m["name"]: m for m in base or []}
        for member in patch:
            members[member["name"]] = strategic(members.get(member["name"]), member)
        return list(members.values())
    return patch


def _same(document: dict[str, Any], target: str) -> bool:
    kind, namespace, name = target.split("/")
    meta = document.get("metadata", {})
    here = (document.get("kind"), meta.get("namespace", ""), meta.get("name"))
    group = kind.partition(".")[2]
    return here == (kind.partition(".")[0], namespace, name) and document["apiVersion"].startswith(group)


def applied(files: Mapping[str, str], artifacts: list[Artifact]) -> dict[str, list[Any]]:
    """Return the documents of every file with the artefacts applied. One that hits nothing is an error."""
    after = {name: _documents(name, text) for name, text in files.items()}
    for artifact in artifacts:
        patch = _documents(artifact.path, artifact.text)[0]
        hit = [(n, i) for n, d in after.items() for i in range(len(d)) if _hits(n, d[i], artifact)]
        assert hit, f"{artifact.path} {artifact.target} patches nothing that there is"
        for name, index in hit:
            old = after[name][index]
            how = {"strategic": strategic, "file": lambda _old, new: new}.get(artifact.patch, merge)
            after[name][index] = how(old, patch)
    return after


def _hits(name: str, document: Any, artifact: Artifact) -> bool:
    if artifact.target:
        return isinstance(document, dict) and "apiVersion" in document and _same(document, artifact.target)
    if artifact.patch == "file":
        return artifact.path.rpartition("/")[2] == name
    return name in ("values.yaml", "compose.yaml")


def _documents(name: str, text: str) -> list[Any]:
    if name.endswith((".json", ".conflist")):
        return [json.loads(text)]
    return [d for d in yaml.safe_load_all(text) if d is not None]


def leaves(value: Any, at: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Generate (path, value) of every leaf, texts that hold YAML or JSON opened; members of lists by their names."""
    if isinstance(value, str) and ("\n" in value.strip() or value.lstrip()[:1] in "{[") and value.strip():
        try:
            inner = yaml.safe_load(value)
        except yaml.YAMLError:
            inner = None
        if isinstance(inner, (dict, list)):
            yield from leaves(inner, (*at, "|"))
            return
        value = _NUMBER.sub(r"\1N", value)
    if isinstance(value, dict):
        for key, member in value.items():
            yield from leaves(member, (*at, str(key)))
    elif isinstance(value, list):
        for index, member in enumerate(value):
            name = member.get("name") if isinstance(member, dict) else None
            flag = member.partition("=")[0] if isinstance(member, str) and member.startswith("--") else None
            yield from leaves(member, (*at, str(name or flag or index)))
    else:
        yield at, value


def differing(before: Any, after: Any) -> list[tuple[str, ...]]:
    """Return the paths of the leaves that are not the same, new or gone."""
    old, new = dict(leaves(before)), dict(leaves(after))
    return sorted(path for path in old.keys() | new.keys() if old.get(path) != new.get(path))
