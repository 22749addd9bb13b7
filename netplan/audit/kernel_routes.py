"""What runs on a node: routes and the MTUs that they carry, rules, the FDB, as ``ip -j`` and ``bridge -j`` print it."""

from __future__ import annotations

import functools
import re
from typing import Any

from netplan.audit.linux import lists
from netplan.audit.model import Evidence
from netplan.cni.adapter import Setting, whole
from netplan.cni.yaml_document import Piece
from netplan.path.model import Route, Rule
from netplan.path.routing import network


def is_route(data: Any) -> bool:
    """Tell whether this is output of ``ip -j route``."""
    return lists(data, "dst") and any("dev" in r or "gateway" in r or "nexthops" in r for r in data)


# networks whose routes the kernel uses for nothing that leaves the host
_INSIDE = frozenset(("local", "broadcast", "multicast", "blackhole"))


def routes(piece: Piece, evidence: Evidence) -> None:
    """Read routes, and MTUs that are set on them."""
    path, found = piece.doc.path, evidence.routes
    for index, entry in enumerate(piece.data):
        if _RARE.isdisjoint(entry):  # of a cluster, nearly all
            try:
                single = _single(*map(entry.get, _WORDS))
            except TypeError:  # a list or a mapping where a word is to be
                single = _way(entry, entry, None)
            if single is not None:
                found.append((path, single))
            continue
        metrics, hops = entry.get("metrics"), entry.get("nexthops")
        mtu = (
            next((n for m in metrics if (n := whole(_value_of(m, "mtu")))), None) if isinstance(metrics, list) else None
        )
        for number, hop in enumerate(hops if isinstance(hops, list) and hops else [entry]):
            route = _way(entry, hop, mtu)
            if route is None:
                continue
            found.append((path, route))
            if mtu and number == 0:
                here = Piece(piece.doc, (*piece.at, index), entry)
                evidence.settings.append(_route_setting(here, route, mtu))


_RARE = frozenset(("metrics", "nexthops", "via"))
_WORDS = ("dst", "gateway", "prefsrc", "type", "dev", "table", "metric", "lock", "protocol")


@functools.lru_cache(maxsize=1 << 16, typed=True)
def _single(*values: Any) -> Route | None:
    """Return the route of an entry of one hop, by the values of ``_WORDS``; the hosts of a cluster share most."""
    entry = dict(zip(_WORDS, values, strict=True))
    return _way(entry, entry, None)


def _way(entry: Any, hop: Any, mtu: int | None) -> Route | None:
    """Return the route of an entry by one of its hops; None where nothing leaves the host by it."""
    dst, gateway, source = _text(entry, "dst"), _text(entry, "gateway"), _text(entry, "prefsrc")
    target = dst
    if dst == "default":
        target = "::/0" if ":" in gateway + source else "0.0.0.0/0"
    device, near = _text(hop, "dev"), _text(hop, "gateway")
    if network(target) is None or _text(entry, "type") in _INSIDE or not device:
        return None
    return _route(
        target,
        device,
        near or _text(_value_of(hop, "via"), "host"),
        str(entry.get("table") or "main"),
        whole(entry.get("metric")) or 0,
        mtu,
        entry.get("lock") is True,
        source,
        not near and _text(entry, "protocol") == "kernel",
    )


def _value_of(data: Any, key: str) -> Any:
    return data.get(key) if isinstance(data, dict) else None


def _text(data: Any, key: str) -> str:
    found = data.get(key) if isinstance(data, dict) else None
    return found if isinstance(found, str) else ""


@functools.lru_cache(maxsize=1 << 16)
def _route(
    dst: str,
    device: str,
    via: str,
    table: str,
    metric: int,
    mtu: int | None,
    locked: bool,
    source: str,
    connected: bool,
) -> Route:
    """Return a route; the hosts of a cluster have most of theirs in common."""
    return Route(
        dst=dst,
        device=device,
        via=via,
        table=table,
        metric=metric,
        mtu=mtu,
        locked=locked,
        source=source,
        connected=connected,
    )


def _route_setting(here: Piece, route: Route, mtu: int) -> Setting:
    number = next(i for i, m in enumerate(here.items("metrics")) if whole(m.get("mtu")))
    return Setting(
        system="routes",
        field=f"route {here.text('dst')} dev {route.device} mtu",
        location=here.location("metrics", number, "mtu"),
        value=mtu,
        semantics="route",
        encap="",
        running=True,
        device=route.device,
        target=route.dst,
        change="correct the configuration of the program that installs the route",
    )


def is_rules(data: Any) -> bool:
    """Tell whether this is output of ``ip -j rule``."""
    return lists(data, "priority", "src") and all("table" in r or "action" in r for r in data)


def rules(piece: Piece, evidence: Evidence) -> None:
    """Read routing policy rules; of a kind that the model does not have, nothing."""
    for index, entry in enumerate(piece.data):
        here = Piece(piece.doc, (*piece.at, index), entry)
        priority, mark = whole(entry.get("priority")), here.text("fwmark")
        known = {"priority", "src", "srclen", "fwmark", "fwmask", "table", "protocol"}
        if priority is None or not here.text("table") or not entry.keys() <= known:
            continue
        src = here.text("src")
        length = whole(entry.get("srclen"))
        evidence.rules.append(
            (
                piece.doc.path,
                Rule(
                    priority=priority,
                    table=here.text("table"),
                    src="" if src == "all" else f"{src}/{length}" if length else src,
                    mark=_hexadecimal(mark),
                    mask=_hexadecimal(here.text("fwmask")) or 0xFFFFFFFF,
                ),
            )
        )


def _hexadecimal(text: str) -> int | None:
    return int(text, 16) if re.fullmatch(r"0x[0-9a-fA-F]{1,8}", text) else None


def is_fdb(data: Any) -> bool:
    """Tell whether this is output of ``bridge -j fdb``."""
    return lists(data, "mac", "ifname")


def fdb(piece: Piece, evidence: Evidence) -> None:
    """Read which far ends a VXLAN device has."""
    path = piece.doc.path
    for entry in piece.data:
        dst = _text(entry, "dst")
        if network(dst):
            evidence.far_ends.append((path, _text(entry, "ifname"), dst))
