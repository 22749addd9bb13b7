"""Hosts of a cluster from Kubernetes' own words: names, addresses and pod subnets, as its list of nodes has them."""

from __future__ import annotations

import ipaddress
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from netplan.files import parse_json, read_regular
from netplan.inputs import kubernetes_api
from netplan.problems import Location, Problem, ProblemError, fail, quoted

TIMEOUT_S = 30
MOST_HOSTS = 10_000
MOST_BYTES = 64 << 20
_DNS = "abcdefghijklmnopqrstuvwxyz0123456789.-"


def from_kubeconfig(path: Path) -> dict[str, dict[str, str]]:
    """Ask the cluster of a kubeconfig for its nodes; returns what :func:`hosts` does. Raises ProblemError (IPP301).

    Its API server is asked directly; kubectl only where the kubeconfig names a program or a proxy.
    """
    if not path.is_file():
        fail("IPP301", "no such kubeconfig", location=Location(str(path)))
    at = kubernetes_api.access(path)
    if at is not None:
        return hosts(kubernetes_api.nodes(at, str(path)), str(path))
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        hint = "`kubectl get nodes -o json > nodes/nodes.json` where there is one, then --from-audit nodes"
        said = "it names a program, a password or a proxy, which is kubectl's to use, and there is no kubectl here"
        fail("IPP301", said, location=Location(str(path)), hint=hint)
    try:
        done = subprocess.run(
            [kubectl, f"--kubeconfig={path}", f"--request-timeout={TIMEOUT_S}s", "get", "nodes", "-o", "json"],
            capture_output=True,
            timeout=2 * TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ProblemError(
            Problem("IPP301", f"kubectl gave no answer: {error}", location=Location(str(path)))
        ) from None
    if done.returncode:
        words = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:] or ["it said nothing"]
        fail("IPP301", f"kubectl refused: {quoted(words[0], 200)}", location=Location(str(path)))
    return hosts(parse_json(done.stdout), "kubectl get nodes")


def from_dumps(folder: Path) -> dict[str, dict[str, str]]:
    """Look for lists of nodes among the JSON files of a directory. Raises ProblemError (IPP301) where there is none."""
    found: dict[str, dict[str, str]] = {}
    for path in sorted(folder.rglob("*.json"))[:MOST_HOSTS] if folder.is_dir() else []:
        try:
            found |= hosts(parse_json(read_regular(path, MOST_BYTES)), str(path))
        except (ProblemError, OSError, ValueError):
            continue
    if not found:
        hint = "`kubectl get nodes -o json > DIR/nodes.json` writes one"
        fail("IPP301", "no list of nodes in it", location=Location(str(folder)), hint=hint)
    return found


def hosts(document: Any, shown: str) -> dict[str, dict[str, str]]:
    """Return host name -> variables, of a Node or a list of them; names and addresses are checked, all else ignored.

    Raises ProblemError (IPP301) where there is no node.
    """
    items = document.get("items", [document]) if isinstance(document, dict) else []
    found: dict[str, dict[str, str]] = {}
    for item in items[:MOST_HOSTS] if isinstance(items, list) else []:
        if isinstance(item, dict) and item.get("kind") == "Node":
            name, variables = _host(item)
            if name:
                found[name] = variables
    if not found:
        fail("IPP301", "no node in it", location=Location(shown))
    return dict(sorted(found.items()))


def _host(item: Mapping[str, Any]) -> tuple[str, dict[str, str]]:
    name = _at(item, "metadata", "name")
    if not isinstance(name, str) or not name or name.strip(_DNS) or len(name) > 253:
        return "", {}
    variables: dict[str, str] = {}
    addresses = _at(item, "status", "addresses")
    for one in addresses if isinstance(addresses, list) else []:
        if isinstance(one, dict) and one.get("type") == "InternalIP" and _is_address(one.get("address")):
            variables.setdefault("underlay_address", str(one["address"]))
    if "underlay_address" in variables:
        variables["ansible_host"] = variables["underlay_address"]
    pods = _at(item, "spec", "podCIDR")
    if isinstance(pods, str) and _is_subnet(pods):
        variables["pod_cidr"] = pods
    return name, variables


def _at(item: object, *steps: str) -> object:
    for step in steps:
        item = item.get(step) if isinstance(item, dict) else None
    return item


def _is_address(text: object) -> bool:
    try:
        ipaddress.ip_address(str(text))
    except ValueError:
        return False
    return True


def _is_subnet(text: str) -> bool:
    try:
        ipaddress.ip_network(text)
    except ValueError:
        return False
    return True
