"""Which reader takes which text. A text that nobody takes is skipped with the reason."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from typing import Any

from netplan.audit import host_links, kernel_routes, linux, networkd_units, other_systems, strongswan, xfrm
from netplan.audit.formats import ifupdown2, recognised, sections, talos_links, unread
from netplan.audit.formats import registry as formats
from netplan.audit.inputs import Text
from netplan.audit.model import Evidence, Skipped
from netplan.cni import ADAPTERS
from netplan.cni.adapter import Clue, Setting
from netplan.cni.adapters.docker import is_daemon
from netplan.cni.adapters.ovs import audit_text
from netplan.cni.yaml_document import Document, Piece, parse
from netplan.host import ifupdown, networkd, networkmanager
from netplan.problems import ProblemError

_Reader = Callable[[str, str, Evidence], "str | None"]
_OTHERS: tuple[Callable[[Piece], list[Setting | Clue]], ...] = (
    other_systems.submariner,
    other_systems.neutron_network,
    *formats.OBJECTS,
)
# lists that are read as a whole
_LISTS: tuple[tuple[Callable[[Any], bool], Callable[[Piece, Evidence], None]], ...] = (
    (linux.is_link, linux.links),
    (kernel_routes.is_route, kernel_routes.routes),
    (kernel_routes.is_rules, kernel_routes.rules),
    (kernel_routes.is_fdb, kernel_routes.fdb),
)
# Kubernetes objects that say nothing about MTU are read in passing, without a word
_MAX_ITEMS = 50_000


def read(text: Text, evidence: Evidence) -> None:
    """Read one text into the evidence; of a text with the output of several commands, each part."""
    text = sections.plain(text)
    parts = sections.split(text)
    if not parts:
        _read(text, evidence)
        return
    understood, skipped = evidence.understood, len(evidence.skipped)
    for part in parts:
        _read(part, evidence)
    if evidence.understood > understood:
        evidence.understood = understood + 1
        return
    del evidence.skipped[skipped:]
    _read(text, evidence)


_OBJECTS = re.compile(
    r"\s*(?:\[\s*)?\{\s*\""
)  # JSON that is none of the texts below, which are many and look at every line


def _read(text: Text, evidence: Evidence) -> None:
    for fits, reader in () if _OBJECTS.match(text.text) else _TEXTS:
        if fits(text.path, text.text):
            reason = reader(text.path, text.text, evidence)
            if reason:
                evidence.skipped.append(Skipped(text.path, reason))
            else:
                evidence.understood += 1
            return
    if not _structured(text):
        evidence.skipped.append(Skipped(text.path, recognised.reason(text.text)))
        return
    try:
        documents = list(parse(text.text, text.path))
    except ProblemError as error:
        first = error.problems[0]
        known = recognised.known(text.text)
        evidence.skipped.append(Skipped(text.path, known or first.message, None if known else first.location.line))
        return
    found = False
    for document in documents:
        for piece in pieces(document):
            found = _piece(piece, evidence) or found
    why = "" if found else recognised.known(text.text)
    if not found and not why:
        named = [setting for document in documents for piece in pieces(document) for setting in unread.numbers(piece)]
        found = evidence.add([*named])
    if found:
        evidence.understood += 1
    else:
        evidence.skipped.append(Skipped(text.path, why or "nothing in it that audit knows"))


def _structured(text: Text) -> bool:
    """Tell whether a text may be YAML or JSON: a key with a colon, or a bracket, in its first lines."""
    head = text.text[:4096]
    if head.lstrip()[:1] in ("{", "["):
        return "{{" not in head[:200]
    return bool(re.search(r"^[ \t]*(- )?[\"']?[A-Za-z_][\w./-]*[\"']?:(\s|$)", head, re.M))


def pieces(document: Document) -> Iterator[Piece]:
    """Generate the objects of a document: the items of a List, the members of a JSON list."""
    root = Piece(document, (), document.data)
    if isinstance(document.data, list) and not any(fits(document.data) for fits, _ in _LISTS):
        for index, member in enumerate(document.data[:_MAX_ITEMS]):
            yield Piece(document, (index,), member)
    elif root.kind.endswith("List") and isinstance(root.get("items"), list):
        for member in root.items("items")[:_MAX_ITEMS]:
            yield member
    else:
        yield root


@functools.cache
def _audits() -> tuple[Callable[[Piece], list[Setting | Clue]], ...]:
    """Each reader once: several adapters share one."""
    return tuple(dict.fromkeys(adapter.audit for adapter in ADAPTERS.values()))


def _piece(piece: Piece, evidence: Evidence) -> bool:
    if linux.is_link(piece.data):
        piece = formats.with_kinds(piece)
    for fits, reader in _LISTS:
        if fits(piece.data):
            reader(piece, evidence)
            return True
    if not isinstance(piece.data, dict):
        return False
    for fits, reader in formats.WHOLE:
        if fits(piece.data):
            reader(piece, evidence)
            return True
    known = bool(piece.kind and piece.text("apiVersion")) or is_daemon(piece)
    before = _found(evidence)
    for audit in _audits():
        known = evidence.add(audit(piece)) or known
    other_systems.kubespan(piece, evidence)
    for other in _OTHERS:
        known = evidence.add(other(piece)) or known
    talos_links.read(piece, evidence)
    if known and _found(evidence) == before:
        evidence.add([*unread.numbers(piece)])
    known = known or _found(evidence) != before
    return (
        known or piece.has("network") or piece.has("Name", "Driver") or piece.has("cniVersion") or piece.has("nftables")
    )


def _found(evidence: Evidence) -> tuple[int, ...]:
    return len(evidence.settings), len(evidence.clues), len(evidence.links), len(evidence.configured)


def _nothing(reader: Callable[[str, str, Evidence], None]) -> _Reader:
    def run(path: str, text: str, evidence: Evidence) -> str | None:
        reader(path, text, evidence)
        return None

    return run


def _rules(path: str, text: str, evidence: Evidence) -> str | None:
    linux.clamps(path, text, evidence)
    return None


def _script(path: str, text: str, evidence: Evidence) -> str | None:
    evidence.add(audit_text(path, text))
    return None


def _is_rules(_path: str, text: str) -> bool:
    return bool(
        re.search(
            r"^[ \t]*(table (inet|ip|ip6|arp|bridge|netdev) |\*(mangle|filter|nat)$|-A \S+ |(scrub|match) .*max-mss )",
            text,
            re.M,
        )
    )


def _is_netplan(path: str, text: str) -> bool:
    found = re.search(r"^network:\s*$", text, re.M) and re.search(r"^[ \t]+(renderer|version|ethernets):", text, re.M)
    return bool(found) and not path.endswith(".json")


_TEXTS: tuple[tuple[Callable[[str, str], bool], _Reader], ...] = (
    (lambda _p, t: xfrm.is_xfrm(t), _nothing(xfrm.read)),
    (lambda _p, t: strongswan.is_raw(t), strongswan.raw),
    (lambda _p, t: strongswan.is_swanctl(t), strongswan.swanctl_conf),
    (lambda _p, t: bool(re.search(r"^FLANNEL_MTU=", t, re.M)), _nothing(linux.subnet_env)),
    (lambda p, t: p.endswith("calico/mtu") and bool(re.fullmatch(r"\s*\d{2,5}\s*", t)), _nothing(linux.calico_mtu)),
    (lambda p, t: networkd.is_unit(t, p), _nothing(networkd_units.read)),
    (lambda _p, t: networkmanager.is_keyfile(t), _nothing(host_links.keyfile)),
    (lambda _p, t: ifupdown2.is_interfaces(t), ifupdown2.read),
    (lambda _p, t: ifupdown.is_interfaces(t), _nothing(host_links.interfaces)),
    (_is_netplan, _nothing(host_links.canonical_file)),
    *formats.TEXTS,
    (lambda _p, t: other_systems.is_neutron(t), other_systems.neutron),
    (_is_rules, _rules),
    (lambda _p, t: "ovs-vsctl" in t and not t.lstrip().startswith(("{", "apiVersion")), _script),
    (lambda _p, t: strongswan.is_strongswan_conf(t), strongswan.strongswan_conf),
)
