"""Patches of Kubernetes objects as text, and the commands that apply them."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import yaml

from netplan.cni.adapter import Artifact, Change, ManualStep
from netplan.cni.yaml_document import parse


class _Dumper(yaml.SafeDumper):
    """Block style for texts of several lines, so that a nested file is readable in a review."""

    def ignore_aliases(self, _data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Dumper.add_representer(str, _text)


def dump(value: Any) -> str:
    """Return YAML in block style, keys in the order given."""
    return str(yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100))


def compact(value: Any) -> str:
    """Return JSON as configuration files hold it."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def loaded(text: str | None) -> dict[str, Any]:
    """Return the mapping that an existing JSON or YAML text holds, with the types of YAML 1.1; empty without one.

    Raises ProblemError (IPP904) for one that can't be read, or whose anchors would become too much text.
    """
    if not text:
        return {}
    for _ in parse(text, "the existing configuration"):
        pass  # its limits hold for the reader of the next line too
    found = yaml.safe_load(text)
    return found if isinstance(found, dict) else {}


def merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Return a mapping with changes merged in, keys compared without regard to case as Go's JSON reader does."""
    out = dict(base)
    for key, value in changes.items():
        present = next((k for k in out if k.lower() == key.lower()), key)
        old = out.get(present)
        out[present] = merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return out


def patch(
    path: str,
    body: dict[str, Any],
    target: str,
    schema: str,
    *,
    api: str = "",
    how: Literal["merge", "strategic", "object"] = "merge",
) -> Artifact:
    """Return a patch of ``kind/namespace/name``; ``object`` is a whole object that is applied."""
    kind, namespace, name = target.split("/")
    head: dict[str, Any] = {}
    if api:  # a target may name the API group behind the kind, where a cluster can have two kinds of that name
        head = {"apiVersion": api, "kind": kind.partition(".")[0], "metadata": {"name": name}}
        if namespace:
            head["metadata"]["namespace"] = namespace
    return Artifact(
        path=path,
        text=dump({**head, **body}),
        patch=how,
        target=target,
        schema=schema,
    )


def config_map(path: str, target: str, data: dict[str, str], schema: str) -> Artifact:
    """Return a merge patch that sets keys of a ConfigMap."""
    return patch(path, {"data": data}, target, schema, api="v1")


def rollout(kind: str, namespace: str, name: str) -> ManualStep:
    """Return the step that restarts a DaemonSet and waits for it."""
    where = f"-n {shlex.quote(namespace)} {kind}/{shlex.quote(name)}"
    return ManualStep(
        stage="restart",
        text=f"restart {kind}/{name} so that it reads the new value",
        command=f"kubectl rollout restart {where} && kubectl rollout status {where} --timeout=15m",
    )


def recreate_pods(why: str = "running pods keep the MTU they were created with") -> ManualStep:
    """Return the step that gives pods the new MTU."""
    return ManualStep(
        stage="pods",
        text=f"restart workloads, namespace by namespace: {why}",
        command="kubectl rollout restart deployment,statefulset,daemonset -n NAMESPACE",
    )


def live_link(device: str, mtu: int, why: str) -> ManualStep:
    """Return the step that sets the MTU of a device that is already there."""
    return ManualStep(stage="devices", text=why, command=f"ip link set dev {device} mtu {mtu}", where="node")


_LOWER = ("config", "restart", "pods", "devices", "check")
_RAISE = ("devices", "config", "restart", "pods", "check")


def ordered(steps: Iterable[ManualStep], change: Change) -> list[ManualStep]:
    """Sort steps: senders first when lowering, receivers (devices) first when raising.

    A pod that still sends large packets into a device that was already lowered loses them; a device that was raised
    early harms nobody.
    """
    order = _LOWER if change == "lower" else _RAISE
    return sorted(steps, key=lambda step: order.index(step.stage))


def commands(artifacts: Sequence[Artifact], kubeconfig: str | None = None) -> list[str]:
    """Return the kubectl commands that apply the artefacts: all of them as a server-side dry run first."""
    kubectl = "kubectl" + (f" --kubeconfig {shlex.quote(kubeconfig)}" if kubeconfig else "")
    return [
        command
        for dry in (" --dry-run=server", "")
        for artifact in artifacts
        if (command := _apply(kubectl, artifact, dry)) is not None
    ]


def _apply(kubectl: str, artifact: Artifact, dry: str) -> str | None:
    if artifact.by_step:
        return None
    if artifact.patch == "object":
        return f"{kubectl} apply{dry} -f {shlex.quote(artifact.path)}"
    if artifact.patch not in ("merge", "strategic") or not artifact.target:
        return None
    kind, namespace, name = artifact.target.split("/")
    where = f" -n {shlex.quote(namespace)}" if namespace else ""
    return (
        f"{kubectl} patch{where} {shlex.quote(kind.lower())} {shlex.quote(name)}{dry} "
        f"--type {artifact.patch} --patch-file {shlex.quote(artifact.path)}"
    )
