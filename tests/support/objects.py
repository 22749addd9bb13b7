"""Kubernetes objects and CNI lists as text, as short as they can be."""

from __future__ import annotations

import json
from typing import Any


def obj(kind: str, name: str, namespace: str = "", api: str = "v1", **body: Any) -> str:
    meta = {"name": name} | ({"namespace": namespace} if namespace else {})
    return json.dumps({"apiVersion": api, "kind": kind, "metadata": meta, **body}, indent=1)


def config_map(name: str, namespace: str, **data: str) -> str:
    return obj("ConfigMap", name, namespace, data={key.replace("__", "."): value for key, value in data.items()})


def workload(name: str, namespace: str, container: str, env: dict[str, str], args: tuple[str, ...] = ()) -> str:
    more = {"args": list(args)} if args else {}
    entries = [{"name": key, "value": value} for key, value in env.items()]
    body = {"containers": [{"name": container, "image": "x:1", "env": entries, **more}, {"name": "side", "image": "y"}]}
    return obj("DaemonSet", name, namespace, "apps/v1", spec={"template": {"spec": {"hostNetwork": True, **body}}})


def helm_config(chart: str, values: str) -> str:
    return obj("HelmChartConfig", chart, "kube-system", "helm.cattle.io/v1", spec={"valuesContent": values})


def cni(kind: str, **more: Any) -> str:
    return json.dumps(
        {"cniVersion": "1.0.0", "name": "own", "plugins": [{"type": kind, "mtu": 1400, **more}, {"type": "portmap"}]}
    )
