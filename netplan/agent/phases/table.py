"""Which module and call serves which phase, and which phases need no open transaction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..system.core import Node

READ_ONLY = ("status", "preflight", "reach", "probe", "facts")

# phase -> (module that is imported for it, its call)
PHASES: dict[str, tuple[str, Callable[[Any, Node, Any], Node]]] = {
    "status": ("phases.status", lambda m, r, _: m.status(r["node"], r["release"], r["files"], bool(r.get("texts")))),
    "preflight": ("phases.preflight", lambda m, r, _: m.preflight(r)),
    "reach": ("phases.preflight", lambda m, r, _: m.collect(r)),
    "facts": ("phases.facts", lambda m, *_: m.facts()),
    "arm": ("phases.arm", lambda m, r, a: m.arm(r, a)),
    "senders": ("phases.overlay_mtu", lambda m, r, _: m.senders(r["node"])),
    "stage": ("phases.stage", lambda m, r, a: m.stage(r, a)),
    "mtu": ("phases.overlay_mtu", lambda m, r, _: m.devices(r)),
    "credentials": (
        "phases.credentials",
        lambda m, r, _: m.credentials(
            r["tx"], r["node"], r.get("certificate"), r.get("authority"), r.get("secrets"), r.get("publics")
        ),
    ),
    "secrets": ("phases.renewal", lambda m, r, _: m.secrets(r["release"], r["secrets"])),
    "renew": ("phases.renewal", lambda m, r, _: m.renew(r["release"], r["node"])),
    "adopt": ("phases.renewal", lambda m, r, _: m.adopt(r["release"], r["certificate"])),
    "trust": ("phases.renewal", lambda m, r, _: m.trust(r["release"], r["authorities"])),
    "prove": ("phases.ike", lambda m, r, _: m.prove(r["node"], r["tx"], r["patience"])),
    "permissive": ("phases.ike", lambda m, r, _: m.permissive(r["node"], r["tx"])),
    "switch": (
        "phases.ike",
        lambda m, r, _: m.switch(r["node"], set(r["pairs"]), set(r.get("alone", ())), r["patience"]),
    ),
    "trap": ("phases.ike", lambda m, r, _: m.trap(r["node"], r["tx"])),
    "soak": ("phases.ike", lambda m, r, _: m.soak(r["soak"])),
    "enforce": ("phases.ike", lambda m, r, _: m.enforce(r["node"], r["tx"], r["release"], r.get("deferred", ()))),
    "probe": ("phases.probe", lambda m, r, _: m.probe(r["node"], r["nonce"], max(r["patience"], r["timer"] // 2))),
    "hold": ("phases.arm", lambda m, r, _: m.hold(r)),
    "prepare": ("phases.confirm", lambda m, r, _: m.prepare(r["tx"], r["release"], r["node"], r.get("witness"))),
    "confirm": ("phases.confirm", lambda m, r, _: m.confirm(r["tx"], r["release"], r["node"])),
    "leave": ("transaction.lease", lambda m, *_: m.leave()),
    "relax": ("phases.undo", lambda m, r, _: m.relax(r)),
    "plain": ("phases.undo", lambda m, r, _: m.plain(r)),
    "back": ("phases.undo", lambda m, r, _: m.back(r)),
    "widen": ("phases.raise_mtu", lambda m, r, _: m.widen(r["node"], r["release"])),
    "lift": ("phases.raise_mtu", lambda m, r, _: m.lift(r["node"], r["release"])),
    "narrow": ("phases.raise_mtu", lambda m, r, _: m.narrow(r["node"], r["release"], r["size"])),
    "shrink": ("phases.raise_mtu", lambda m, r, _: m.shrink(r["node"], r["release"], r["size"])),
    "raise": ("phases.overlay_mtu", lambda m, r, _: m.raise_devices(r["node"])),
    "forget": ("phases.undo", lambda m, r, _: m.forget(r)),
}
RAISES = ("widen", "lift", "narrow", "shrink")
UNDO = ("relax", "plain", "back")
FREE = (*READ_ONLY, *RAISES, *UNDO, "confirm", "raise", "forget", "arm", "secrets", "renew", "adopt", "trust", "leave")
