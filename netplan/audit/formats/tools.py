"""Output of host tools: ``networkctl --json`` and ``nmcli`` as ``ip -j`` has it, ``docker info``, Open vSwitch."""

from __future__ import annotations

import re
from typing import Any

from netplan.audit import linux
from netplan.audit.formats import listed
from netplan.audit.formats.listed import lines_of
from netplan.audit.model import Device, Evidence, Finding
from netplan.cni.adapter import BuiltinIpsec, Clue, Setting, whole
from netplan.cni.adapters.ovs import WHY as OVS_WHY
from netplan.cni.yaml_document import Piece, find_word

# NetworkManager's word for a device -> the kernel's type; empty: hardware
_NM = {
    **dict.fromkeys(("ethernet", "wifi", "infiniband"), ""),
    **{k: k for k in ("bridge", "bond", "vlan", "vxlan", "wireguard", "tun", "dummy", "veth", "macsec", "vrf", "team")},
}
_STATE = re.compile(r"^(\S+): (connected|connecting|disconnected|unmanaged|unavailable)\b")


def is_networkctl(data: Any) -> bool:
    """Tell whether this is ``networkctl --json`` of all links, or of one."""
    return isinstance(data, dict) and (_links(data) or ("Name" in data and "MTU" in data and "Index" in data))


def _links(data: dict[str, Any]) -> bool:
    found = data.get("Interfaces")
    return isinstance(found, list) and bool(found) and all(isinstance(d, dict) and "Name" in d for d in found)


def networkctl(piece: Piece, evidence: Evidence) -> None:
    """Read links with their types."""
    at = ("Interfaces",) if piece.has("Interfaces") else ()
    members = piece.items(*at) if at else [piece]
    entries = [_networkctl(member) for member in members[: listed.MAX_MEMBERS] if isinstance(member.data, dict)]
    entries = [e for e in entries if whole(e.get("mtu"))]
    if entries:
        # positions: of JSON in one line only that line is given
        linux.links(Piece(piece.doc, (*piece.at, *at), entries), evidence)


def _networkctl(member: Piece) -> dict[str, Any]:
    kind, link_type = member.text("Kind"), member.text("Type")
    entry: dict[str, Any] = {"ifname": member.text("Name"), "mtu": member.get("MTU"), "promiscuity": 0}
    entry["link_type"] = {"loopback": "loopback", "ether": "ether"}.get(link_type, "none" if link_type else "ether")
    entry["operstate"] = "UP" if member.text("OperationalState") not in ("off", "no-carrier") else "DOWN"
    if kind:
        entry["linkinfo"] = {"info_kind": kind}
    found = []
    for address in member.items("Addresses"):
        raw, length = address.text("AddressString"), whole(address.get("PrefixLength"))
        if raw and length is not None:
            scope = address.text("ScopeString") or "global"
            family = "inet6" if ":" in raw else "inet"
            found.append({"family": family, "local": raw, "prefixlen": length, "scope": scope})
    return entry | ({"addr_info": found} if found else {})


def is_dropin(path: str, text: str) -> bool:
    """Tell whether this is a drop-in of systemd-networkd, such as `ipsecplan host-link` writes."""
    return ".network.d/" in path and bool(re.search(r"^MTUBytes=", text, re.M))


def dropin(path: str, text: str, evidence: Evidence) -> str | None:
    """Read the link's MTU; which link it is, the .network file beside says."""
    lines = lines_of(text)
    unit = path.rpartition(".network.d/")[0].rpartition("/")[2]
    for number, line in enumerate(lines):
        size = re.match(r"^MTUBytes=(\d{2,6})\s*$", line)
        if size:
            where = find_word(path, lines, number, "MTUBytes")
            device = Device(name=f"{unit}.network", mtu=int(size.group(1)), location=where, configured=True)
            evidence.links.append(device)
    return None


def is_nmcli(text: str) -> bool:
    """Tell whether this is ``nmcli``, ``nmcli device show`` or ``nmcli connection show NAME``."""
    head = listed.head(text)
    told = any(line.startswith(("GENERAL.DEVICE:", "connection.interface-name:")) for line in head)
    return told or (any(_STATE.match(t) for t in head) and any(re.search(r", mtu \d+", t) for t in head))


def nmcli(path: str, text: str, evidence: Evidence) -> str | None:
    """Read devices and their MTUs."""
    members: list[tuple[int, dict[str, Any]]] = []
    for number, line in enumerate(lines_of(text)):
        key, _, value = line.partition(":")
        value = value.strip()
        state = _STATE.match(line)
        if state or key == "GENERAL.DEVICE":
            name = state.group(1) if state else value
            members.append((number, {"ifname": name, "operstate": "UP", "link_type": "ether", "promiscuity": 0}))
            if state and state.group(2) in ("disconnected", "unavailable"):
                members[-1][1]["operstate"] = "DOWN"
        elif key == "GENERAL.TYPE" and members:
            _type(members[-1][1], value)
        elif key == "GENERAL.MTU" and members and whole(value):
            members[-1] = (number, members[-1][1] | {"mtu": whole(value)})
        elif members and (found := re.search(r"^[ \t]+(\S+?)(?: \([^)]*\))?, .*\bmtu (\d+)", line)):
            _type(members[-1][1], found.group(1))
            members[-1] = (number, members[-1][1] | {"mtu": int(found.group(2)[:9])})
    members = [(line, entry) for line, entry in members if "mtu" in entry]
    if not members:
        return "no MTU in it; send `nmcli device show` or `ip -d -j addr`"
    linux.links(listed.piece(path, text, members), evidence)
    return None


def _type(entry: dict[str, Any], word: str) -> None:
    kind = _NM.get(word)
    if word == "loopback":
        entry["link_type"] = "loopback"
    elif kind:
        entry["linkinfo"] = {"info_kind": kind}
    elif kind is None:
        entry["link_type"] = "none"


def is_docker_info(text: str) -> bool:
    """Tell whether this is ``docker info``."""
    return bool(re.search(r"^[ \t]*Server Version: ", text, re.M)) or bool(
        re.search(r"^[ \t]*Data Path Port: \d+", text, re.M)
    )


def docker_info(path: str, text: str, evidence: Evidence) -> str | None:
    """Read the port of a swarm's data path."""
    lines = lines_of(text)
    for number, line in enumerate(lines):
        port = re.match(r"^[ \t]*Data Path Port: (\d{1,5})\s*$", line)
        if port:
            where = find_word(path, lines, number, port.group(1))
            evidence.clues.append(Clue(system="docker-overlay", location=where, port=int(port.group(1))))
    return None


def docker_info_json(piece: Piece) -> list[Setting | Clue]:
    """Read the same from ``docker info --format '{{json .}}'``."""
    port = whole(piece.get("Swarm", "Cluster", "DataPathPort"))
    if not port or not piece.has("ServerVersion"):
        return []
    return [Clue(system="docker-overlay", location=piece.location("Swarm", "Cluster", "DataPathPort"), port=port)]


def is_ovs_table(data: Any) -> bool:
    """Tell whether this is ``ovs-vsctl --format=json list interface``."""
    headings = data.get("headings") if isinstance(data, dict) else None
    return (
        isinstance(headings, list) and isinstance(data.get("data"), list) and "type" in headings and "name" in headings
    )


_TUNNELS = {"geneve": "geneve", "vxlan": "vxlan", "gre": "gretap", "stt": "stt"}


def ovs_table(piece: Piece, evidence: Evidence) -> None:
    """Read internal ports with their MTUs, tunnel ports with their IPsec, and requests that Open vSwitch ignores."""
    headings = [str(h) for h in piece.get("headings")]
    rows = [_row(headings, r) for r in piece.get("data")[: listed.MAX_MEMBERS] if isinstance(r, list)]
    location = piece.location("data")
    kinds = {_TUNNELS[r["type"]] for r in rows if r.get("type") in _TUNNELS}
    encap = next(iter(kinds)) if len(kinds) == 1 else ""
    options = [r["options"] for r in rows if r.get("type") in _TUNNELS and isinstance(r.get("options"), dict)]
    own = ipsec_of(options)
    ovn = any(o.get("key") == "flow" for o in options) and encap == "geneve"
    for row in rows:
        name, kind, size = str(row.get("name", ""))[:64], row.get("type"), whole(row.get("mtu"))
        if kind in _TUNNELS and whole(row.get("mtu_request")):
            evidence.faults.append(ignored(name, location, whole(row.get("mtu_request"))))
        elif kind == "internal" and size and size < 65000:
            evidence.settings.append(
                Setting(
                    system="ovs",
                    field=f"Interface {name} mtu",
                    location=location,
                    value=size,
                    semantics="device",
                    encap="geneve:8" if ovn else encap,
                    own=own,
                    running=True,
                    change=f"ovs-vsctl set Interface {name} mtu_request; it is live at once",
                )
            )
    if own:
        evidence.clues.append(Clue(system="ovs", location=location, own=own, refuse=OVS_WHY))


def ipsec_of(options: list[dict[str, Any]]) -> BuiltinIpsec | None:
    """Return the IPsec that Open vSwitch brings for tunnel ports with these options."""
    if not any(o.keys() & {"psk", "remote_cert", "remote_name"} for o in options):
        return None
    forced = any(str(o.get(k, "")).strip('"') in ("yes", "true") for o in options for k in _FORCED)
    return BuiltinIpsec(suite="aes256gcm16", nat_t=forced)


_FORCED = ("ipsec_encapsulation", "ipsec_forceencaps")


def ignored(name: str, location: Any, number: int | None) -> Finding:
    """Return that Open vSwitch takes no MTU for a tunnel port (measured with 4.0.0)."""
    return Finding(
        code="IPP916",
        severity="warning",
        system="ovs",
        field=f"Interface {name} mtu_request",
        location=location,
        message=f"ovs Interface {name} mtu_request: Open vSwitch ignores it on a tunnel port",
        found=number,
        change="set it on the internal port that hosts or pods use",
    )


def _row(headings: list[str], row: list[Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for heading, value in zip(headings, row, strict=False):
        if isinstance(value, list) and value[:1] == ["map"] and len(value) == 2 and isinstance(value[1], list):
            found[heading] = {str(m[0]): m[1] for m in value[1] if isinstance(m, list) and len(m) == 2}
        elif isinstance(value, list):
            found[heading] = None
        else:
            found[heading] = value
    return found


def is_ovs_show(text: str) -> bool:
    """Tell whether this is ``ovs-vsctl show``."""
    return bool(re.search(r'^[ \t]+Bridge "?\S+', text, re.M)) and bool(
        re.search(r'^[ \t]+Interface "?\S+', text, re.M)
    )


def ovs_show(path: str, text: str, evidence: Evidence) -> str | None:
    """Read the tunnels and their IPsec; the MTUs are not in it."""
    lines = lines_of(text)
    found: list[tuple[int, str, dict[str, Any]]] = []
    kind = ""
    for number, line in enumerate(lines):
        told = re.match(r"^[ \t]+type: (\S+)", line)
        kind = told.group(1) if told else "" if re.match(r"^[ \t]+Interface ", line) else kind
        options = re.match(r"^[ \t]+options: \{(.*)\}\s*$", line)
        if options and kind in _TUNNELS:
            pairs = re.findall(r'([A-Za-z_]+)=("[^"]*"|[^,\s}]+)', options.group(1))
            found.append((number, _TUNNELS[kind], {k: v.strip('"') for k, v in pairs}))
    own = ipsec_of([o for _, _, o in found])
    for number, encap, told_options in found[:1]:
        ovn = encap == "geneve" and told_options.get("key") == "flow"
        family = "ipv6" if ":" in told_options.get("remote_ip", "") else "ipv4"
        where = find_word(path, lines, number, "options")
        refuse = OVS_WHY if own else ""
        evidence.clues.append(
            Clue(
                system="ovs",
                location=where,
                encap="geneve:8" if ovn else encap,
                family=family,  # type: ignore[arg-type]
                own=own,
                refuse=refuse,
            )
        )
    return None if found else "no tunnels in it; send `ovs-vsctl --format=json list interface`"
