"""Open vSwitch, and OVN on it: ``mtu_request`` of the internal port that hosts or pods use is that port's own MTU.

OVS never looks at the underlay and its tunnel devices have 65000. Its tunnels set DF on the outer packet, so one that
is too large is dropped, not fragmented. With an option ``psk`` or ``remote_cert`` OVS brings its own IPsec.
"""

from __future__ import annotations

import re

from netplan.cni.adapter import (
    Adapter,
    Artifact,
    BuiltinIpsec,
    Clue,
    CniRequest,
    ManualStep,
    Overhead,
    OverheadTable,
    Setting,
)
from netplan.cni.yaml_document import Piece, find_word

TAKES: OverheadTable = {
    (encap, family): 0
    for encap in ("geneve:8", "geneve", "vxlan", "gre", "stt")
    for family in ("ipv4", "ipv6")
    if (encap, family) != ("gre", "ipv6")
}
WHY = "openvswitch-ipsec runs an IKE daemon of its own with policies for every tunnel port"
_NAME = re.compile(r"^[A-Za-z0-9_.-]{1,15}$")
_REQUEST = re.compile(r"set\s+interface\s+(\S+)\s+.*?mtu_request\s*=\s*(\d{1,5})\b", re.IGNORECASE)
_TYPE = re.compile(r"type=\"?(geneve|vxlan|gre|stt)\"?", re.IGNORECASE)


def _render(request: CniRequest) -> list[Artifact]:
    port = request.options.get("port", "br-int")
    if not _NAME.fullmatch(port):
        raise ValueError("not an interface name")
    lines = [
        "#!/bin/sh",
        "# ipsecplan: MTU of the internal port; tunnel ports keep DF on the outer packet",
        "set -eu",
        f"ovs-vsctl set Interface {port} mtu_request={request.pod_mtu}",
    ]
    return [Artifact(path="usr/local/lib/ipsecplan/ovs-mtu.sh", text="\n".join(lines) + "\n", schema="ovs/script")]


def _steps(request: CniRequest) -> list[ManualStep]:
    port = request.options.get("port", "br-int")
    command = f"ovs-vsctl set Interface {port} mtu_request={request.pod_mtu}"
    return [
        ManualStep(stage="config", text="live at once, and kept in the database", command=command, where="node"),
        ManualStep(stage="pods", text="set the MTU of pods' own ends: OVS sets only ports of its own", where="node"),
    ]


_IGNORED = "Open vSwitch ignores mtu_request of a tunnel port; give it to the internal and pods' ports"


def audit_text(path: str, text: str) -> list[Setting | Clue]:
    """Read ``ovs-vsctl`` commands of a script."""
    found: list[Setting | Clue] = []
    lines = text.splitlines()
    kinds = {m.group(1).lower() for line in lines if (m := _TYPE.search(line))}
    ovn = any("ovn-encap-type=geneve" in line for line in lines)
    encap = "geneve:8" if ovn else next(iter(kinds)) if len(kinds) == 1 else ""
    encap = {"gre": "gretap"}.get(encap, encap)
    ipsec = next(
        (i for i, line in enumerate(lines) if re.search(r"options:(psk|remote_cert|remote_name)=", line)), None
    )
    forced = re.search(r"options:(ipsec_encapsulation|ipsec_forceencaps)=\"?(yes|true)", text) is not None
    own = BuiltinIpsec(suite="aes256gcm16", nat_t=forced) if ipsec is not None else None
    for index, line in enumerate(lines):
        match = _REQUEST.search(line)
        tunnel = match is not None and _TYPE.search(line) is not None
        if match:
            found.append(
                Setting(
                    system="ovs",
                    field=f"Interface {match.group(1)} mtu_request",
                    location=find_word(path, lines, index, "mtu_request"),
                    value=int(match.group(2)),
                    semantics="device",
                    encap=encap,
                    own=own,
                    may_be_set=not tunnel,
                    unjudged=_IGNORED if tunnel else "",
                    change="remove mtu_request" if tunnel else "set mtu_request; it is live at once",
                    note=_IGNORED if tunnel else "",
                )
            )
    if own and ipsec is not None:
        found.append(Clue(system="ovs", location=find_word(path, lines, ipsec, "options:"), own=own, refuse=WHY))
    return found


def audit(piece: Piece) -> list[Setting | Clue]:
    """Nothing in YAML or JSON; scripts go through :func:`audit_text`."""
    del piece
    return []


ADAPTER = Adapter(
    name="ovs",
    title="Open vSwitch and OVN",
    semantics="device",
    field="Interface mtu_request",
    overhead=Overhead(TAKES),
    automatic=None,
    goes_live="at once",
    pods_keep=True,
    render=_render,
    steps=_steps,
    audit=audit,
    brings_ipsec=WHY,
)
