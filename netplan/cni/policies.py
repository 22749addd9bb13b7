"""Baseline NetworkPolicies for the namespaces named in a plan: everything closed, name service kept, and traffic only
from the ingress controller and from the namespaces that are named."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from netplan.cni.adapter import Artifact
from netplan.cni.kubernetes import patch
from netplan.model.cni_facts import NAMESPACE, SYSTEM_NAMESPACES
from netplan.problems import Problem

NAME_LABEL = "kubernetes.io/metadata.name"  # set by the API server on every namespace
API = "networking.k8s.io/v1"
_DNS_PORTS = [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}]


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """One namespace: who may reach it, and whom it may reach, beside itself."""

    namespace: str
    ingress_controller: str | None = "ingress-nginx"
    from_namespaces: tuple[str, ...] = ()
    to_namespaces: tuple[str, ...] = ()
    within: bool = True
    dns_namespace: str = "kube-system"
    dns_label: tuple[str, str] = ("k8s-app", "kube-dns")

    def problems(self) -> list[Problem]:
        """Return what stands against this baseline."""
        return list(self._problems())

    def _problems(self) -> Iterator[Problem]:
        names = (self.namespace, self.ingress_controller or self.namespace, self.dns_namespace)
        for name in (*names, *self.from_namespaces, *self.to_namespaces):
            if not NAMESPACE.match(name):
                yield Problem(code="IPP905", message=f"not a namespace: {name!r}")
        if self.namespace in SYSTEM_NAMESPACES:
            yield Problem(
                code="IPP905",
                message=f"default deny in {self.namespace} cuts the cluster off from itself",
                hint="name the namespaces of workloads only",
            )


def policies(baseline: Baseline) -> list[Artifact]:
    """Return the policies of one namespace. They add up, so each is small and can be deleted by itself."""
    made = [
        _policy(baseline, "allow-dns", _dns(baseline)),
    ]
    if baseline.ingress_controller:
        controller = [_namespace(baseline.ingress_controller)]
        made.append(_policy(baseline, "allow-ingress-controller", _ingress(baseline, controller)))
    if baseline.within:
        own: list[dict[str, Any]] = [{"podSelector": {}}]
        body = {**_ingress(baseline, own), "policyTypes": ["Ingress", "Egress"], "egress": [{"to": own}]}
        made.append(_policy(baseline, "allow-same-namespace", body))
    if baseline.from_namespaces:
        peers = [_namespace(name) for name in baseline.from_namespaces]
        made.append(_policy(baseline, "allow-from-named", _ingress(baseline, peers)))
    if baseline.to_namespaces:
        body = {
            "podSelector": {},
            "policyTypes": ["Egress"],
            "egress": [{"to": [_namespace(name) for name in baseline.to_namespaces]}],
        }
        made.append(_policy(baseline, "allow-to-named", body))
    # last: until it is there, nothing is closed, so no order of the others can cut anybody off
    made.append(_policy(baseline, "default-deny", {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}))
    return made


def _policy(baseline: Baseline, name: str, spec: dict[str, Any]) -> Artifact:
    full = f"ipsecplan-{name}"
    return patch(
        f"policies/{baseline.namespace}/{name}.yaml",
        {"spec": spec},
        f"NetworkPolicy/{baseline.namespace}/{full}",
        "policy/networkpolicy",
        api=API,
        how="object",
    )


def _dns(baseline: Baseline) -> dict[str, Any]:
    key, value = baseline.dns_label
    # both selectors in one peer: pods of the name service in its namespace, not either of the two
    peer = {**_namespace(baseline.dns_namespace), "podSelector": {"matchLabels": {key: value}}}
    return {"podSelector": {}, "policyTypes": ["Egress"], "egress": [{"to": [peer], "ports": _DNS_PORTS}]}


def _ingress(_baseline: Baseline, peers: list[dict[str, Any]]) -> dict[str, Any]:
    return {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{"from": peers}]}


def _namespace(name: str) -> dict[str, Any]:
    return {"namespaceSelector": {"matchLabels": {NAME_LABEL: name}}}
