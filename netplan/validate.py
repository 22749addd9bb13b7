"""Rules that need more than one field, or the words of the field: one small function each, all findings at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from netplan.inventory import Inventory
from netplan.load import LoadedPlan
from netplan.problems import Problem, ProblemError, closest, quoted
from netplan.proposals import esp_proposal
from netplan.source import Key
from netplan.stack import parse

_CLUSTER = re.compile(r"^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$")
_DEVICE = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}$")
_IKE = re.compile(r"^[a-z0-9_]+(-[a-z0-9_]+)+$")

# What this version carries out; the rest of the vocabulary is known, so that the refusal can say so.
_SUPPORTED = {
    ("ipsec", "protect"): ("overlay",),
    ("ipsec", "mesh"): ("pairs",),
    ("ipsec", "auth"): ("certificates",),
    ("cni", "plugin"): ("bridge",),
}


def validate(loaded: LoadedPlan) -> list[Problem]:
    """Check a plan file by itself; returns errors and warnings."""
    return [problem for rule in RULES for problem in rule(loaded)]


def validate_with(loaded: LoadedPlan, inventory: Inventory) -> list[Problem]:
    """Check a plan file against the hosts of its inventory."""
    return list(_path_names(loaded, inventory))


def _cluster_name(loaded: LoadedPlan) -> Iterator[Problem]:
    if not _CLUSTER.match(loaded.plan.name):
        yield loaded.source.problem(
            "IPP401", f"{quoted(loaded.plan.name)} is not a cluster name", ("name",),
            hint="lower-case letters, digits and '-', at most 40, beginning and ending with a letter or digit",
        )  # fmt: skip


def _inventory_path(loaded: LoadedPlan) -> Iterator[Problem]:
    if not loaded.plan.inventory or "\0" in loaded.plan.inventory:
        yield loaded.source.problem("IPP401", "inventory must name a file or directory", ("inventory",))


def _pattern(loaded: LoadedPlan) -> Iterator[Problem]:
    if not loaded.plan.nodes.strip() or loaded.plan.nodes.startswith(("-", "@")):
        yield loaded.source.problem(
            "IPP401", f"{quoted(loaded.plan.nodes)} is not a host pattern", ("nodes",),
            hint="a group or host of the inventory, such as k8s_nodes or k8s_nodes:!drained",
        )  # fmt: skip


def _supported(loaded: LoadedPlan) -> Iterator[Problem]:
    for at, allowed in _SUPPORTED.items():
        section, key = at
        value = str(getattr(getattr(loaded.plan, section), key))
        if value not in allowed:
            yield loaded.source.problem(
                "IPP402", f"{section}.{key} {quoted(value)} can't be planned by this version", at,
                hint=f"supported: {' '.join(allowed)}; `ipsecplan calc` computes the MTU of any packet stack",
            )  # fmt: skip


def _device_names(loaded: LoadedPlan) -> Iterator[Problem]:
    for key in ("device", "bridge"):
        name = getattr(loaded.plan.overlay, key)
        if not _DEVICE.match(name):
            yield loaded.source.problem(
                "IPP401", f"{quoted(name)} is not an interface name", ("overlay", key),
                hint="at most 15 letters, digits, '_', '.' and '-'",
            )  # fmt: skip
    if loaded.plan.overlay.device == loaded.plan.overlay.bridge:
        yield loaded.source.problem("IPP401", "overlay.device and overlay.bridge are the same", ("overlay", "device"))


def _overlay_port(loaded: LoadedPlan) -> Iterator[Problem]:
    # a selector or guard rule on these would cut IKE, SSH tunnels or name service, or encrypt IKE in itself
    reserved = {500: "IKE", 4500: "IKE and ESP behind NAT", 53: "DNS", 67: "DHCP", 68: "DHCP", 123: "NTP"}
    port = loaded.plan.overlay.udp_port
    if port in reserved:
        yield loaded.source.problem(
            "IPP404", f"overlay.port {port} is the port of {reserved[port]}", ("overlay", "port"),
            hint="VXLAN uses 4789 (8472 in older Linux set-ups), Geneve 6081",
        )  # fmt: skip


def _esp(loaded: LoadedPlan) -> Iterator[Problem]:
    for index, text in enumerate(loaded.plan.ipsec.esp):
        at = ("ipsec", "esp", index)
        proposal = esp_proposal(text)
        if proposal is None:
            yield loaded.source.problem(
                "IPP403", f"{quoted(text)} is not an ESP proposal", at,
                hint="an AEAD such as aes256gcm16-x25519, or cipher-integrity such as aes256-sha256-x25519",
            )  # fmt: skip
            continue
        try:
            parse(f"ip4/esp:{proposal.suite}")
        except ProblemError as error:
            yield loaded.source.problem("IPP403", error.problems[0].message, at, hint=error.problems[0].hint)
            continue
        if proposal.weakness:
            yield loaded.source.problem(
                "IPP404", f"{quoted(text)} is refused: {proposal.weakness}", at, hint="use aes256gcm16-x25519"
            )
        elif not proposal.key_exchange:
            yield loaded.source.problem(
                "IPP405", f"{quoted(text)} has no key exchange: rekeying is without perfect forward secrecy", at,
                hint=f"{text}-x25519", warning=True,
            )  # fmt: skip


def _ike(loaded: LoadedPlan) -> Iterator[Problem]:
    for index, text in enumerate(loaded.plan.ipsec.ike):
        if not _IKE.match(text):
            yield loaded.source.problem(
                "IPP403", f"{quoted(text)} is not an IKE proposal", ("ipsec", "ike", index),
                hint="such as aes256gcm16-prfsha384-ecp384",
            )  # fmt: skip


def _family(loaded: LoadedPlan) -> Iterator[Problem]:
    underlay = loaded.plan.underlay
    if underlay.family != "ipv6":
        return
    sizes: list[tuple[Key, int]] = [(("underlay", "mtu"), underlay.mtu)]
    sizes += [(("underlay", "paths", i, "mtu"), rule.mtu) for i, rule in enumerate(underlay.paths)]
    for place, mtu in sizes:
        if mtu < 1280:
            yield loaded.source.problem(
                "IPP406", f"an IPv6 link has at least 1280 bytes, not {mtu} (RFC 8200 section 5)", place
            )


def _path_names(loaded: LoadedPlan, inventory: Inventory) -> Iterator[Problem]:
    known = sorted({g for host in inventory.hosts for g in host.groups | {host.name}})
    for index, rule in enumerate(loaded.plan.underlay.paths):
        for end, name in enumerate(rule.between):
            if name not in known:
                near = closest(name, known)
                yield loaded.source.problem(
                    "IPP407", f"{quoted(name)} is no group or host of the inventory",
                    ("underlay", "paths", index, "between", end),
                    hint=f"did you mean {near}?" if near else f"known: {' '.join(known[:12])}",
                )  # fmt: skip


RULES: tuple[Callable[[LoadedPlan], Iterator[Problem]], ...] = (
    _cluster_name,
    _inventory_path,
    _pattern,
    _supported,
    _device_names,
    _overlay_port,
    _esp,
    _ike,
    _family,
)
