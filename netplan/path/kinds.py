"""From what ``ip -d -j link`` or ``addr`` prints of one device to an :class:`Interface`. The type decides.

Headers by type are those of the kernel's drivers; measured in tests/kernel. ``sit``, ``ipip``, ``gre`` ... have a
device each that exists as soon as the module is loaded and that nobody uses: these are the fallback devices.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

from netplan.path.model import Family, Interface, Role

FALLBACK = frozenset(
    ("tunl0", "gre0", "gretap0", "erspan0", "sit0", "ip6tnl0", "ip6gre0", "ip_vti0", "ip6_vti0", "ip6erspan0")
)
# `tunl0` is also the device of Calico and flannel: it is in use once it is up or has an address
_ROLES: Mapping[str, Role] = {
    **dict.fromkeys(("vlan", "bond", "team", "macvlan", "macvtap", "ipvlan", "ipvtap", "hsr", "ppp", "lowpan"), "link"),
    **dict.fromkeys(("bond_slave", "vrf"), "link"),
    **dict.fromkeys(
        ("vxlan", "geneve", "gre", "gretap", "ip6gre", "ip6gretap", "erspan", "ip6erspan", "ipip", "sit", "ip6tnl"),
        "tunnel",
    ),
    "wireguard": "tunnel",
    "macsec": "frame",
    **dict.fromkeys(("xfrm", "vti", "vti6"), "policy"),
    **dict.fromkeys(("veth", "tun", "tap", "netkit", "vxcan"), "pod"),
    **dict.fromkeys(("bridge", "openvswitch"), "bridge"),
    **dict.fromkeys(("dummy", "ifb", "nlmon", "vcan"), "nothing"),
}
# types of hardware (ARPHRD) that show a tunnel where the type is not printed (`ip` without -d)
_BY_LINK_TYPE = {"ipip": "ipip", "sit": "sit", "gre": "gre", "gre6": "ip6gre", "tunnel6": "ip6tnl", "ppp": "ppp"}
# a VTI has the same (net/ipv4/ip_vti.c, net/ipv6/ip6_vti.c: ARPHRD_TUNNEL, ARPHRD_TUNNEL6)
_ALIKE = {"ipip": "vti", "tunnel6": "vti6"}
_VTI = re.compile(r"^(ip6?_)?vti6?\d*$")
_HARDWARE = re.compile(r"^(eth\d+|en(o\d+|s\d+|p\d+s\d+|x[0-9a-f]{12})(f\d+|n\w+|d\d+)*|ib\d+)$")
# Cilium's tunnels get the far end with each packet, which only `ip -d` shows; their own MTU, the link's, binds nothing
BY_PACKET = frozenset(("cilium_vxlan", "cilium_geneve"))
# mesh VPNs whose program speaks WireGuard on a tun device. Their MTU is a constant of the program, whatever the link is
# (tailscale 1.102.3 net/tstun/mtu.go, netbird 0.77.1 client/iface/iface.go: 1280)
MESH = re.compile(r"^(tailscale|wt)\d+$")
_OTHER_MESH = (
    (re.compile(r"^nebula\d*$"), "Nebula's headers can't be computed: give --stack"),
    (re.compile(r"^zt[a-z0-9]{8}$"), "ZeroTier cuts what is larger than its packets by itself"),
)
_SIX = ("ip6gre", "ip6gretap", "ip6erspan", "ip6tnl", "vti6")
_ERSPAN = {0: "erspan:1", 1: "erspan:2", 2: "erspan:3"}


def interface(entry: Mapping[str, Any], *, details: bool = True, hardware_told: bool = False) -> Interface | None:
    """Return the interface of one entry; None where it has no name or no MTU.

    ``details`` is False where the tool was not asked for types (``ip -j`` without ``-d``); ``hardware_told`` True where
    other entries name the bus of their hardware, so that one without is none.
    """
    name, mtu = entry.get("ifname"), entry.get("mtu")
    if not isinstance(name, str) or not name or not isinstance(mtu, int) or isinstance(mtu, bool) or mtu < 1:
        return None
    info = _mapping(entry, "linkinfo")
    data, kind = _mapping(info, "info_data"), _text(info, "info_kind")
    link_type = str(entry.get("link_type", ""))
    alike = "" if kind else _ALIKE.get(link_type, "")
    if not kind:
        kind = alike if alike and _VTI.match(name) else _BY_LINK_TYPE.get(link_type, "")
        data = data or {"local": entry.get("address"), "remote": entry.get("broadcast")} if alike else data
    if MESH.match(name) and kind in ("", "tun"):
        kind = "wireguard"
    addresses = _addresses(entry)
    role, why = _role(name, kind, link_type, entry, addresses, details, hardware_told)
    local, remote = (_address(data, "local"), _address(data, "remote")) if data else ("", "")
    family = _family(kind, data, local, remote)
    head, unknown = ((), "") if role not in ("tunnel", "frame") else header_tokens(kind, data)
    return Interface(
        name=name,
        mtu=mtu,
        kind=kind,
        role="unknown" if unknown else role,
        lower=_text(entry, "link") or _text(data, "link"),
        master=_text(entry, "master"),
        up=_text(entry, "operstate") in ("UP", "UNKNOWN", ""),
        elsewhere="link_netnsid" in entry,
        addresses=addresses,
        family=family,
        local=local,
        remote=remote,
        port=_number(data.get("port")),
        head=head,
        key=_key(data.get("if_id")) if kind == "xfrm" else _key(data.get("okey")),
        external=_external(name, mtu, data),
        df=_df(kind, data),
        why=why or unknown,
        bus=_text(entry, "parentbus"),
        unsaid=_UNSAID.get(kind, "") if kind == _BY_LINK_TYPE.get(link_type) and "linkinfo" not in entry else "",
        alike="" if alike == kind else alike,
    )


_ASK = "give `ip -d -j addr`, or `ip tunnel show`"
_PLAIN = f"is taken for a tunnel without key, checksum and sequence numbers: {_ASK}"
# options of which the type of link layer says nothing
_UNSAID = {"gre": _PLAIN, "ip6gre": f"is taken for a tunnel with an encapsulation limit and without key: {_ASK}"}
_UNSAID |= {"ip6tnl": f"is taken for a tunnel with an encapsulation limit: {_ASK}"}


def with_options(device: Interface, kind: str, data: Mapping[str, Any]) -> Interface:
    """Return a tunnel with the type and options that another source has of it."""
    policy = _ROLES.get(kind) == "policy"
    head, unknown = ((), "") if policy else header_tokens(kind, data)
    local, remote = _address(data, "local"), _address(data, "remote")
    return replace(
        device,
        kind=kind,
        role="unknown" if unknown else _ROLES.get(kind, device.role),
        family=_family(kind, data, local, remote),
        local=local,
        remote=remote,
        head=head,
        key=_key(data.get("okey")),
        why=unknown,
        alike="",
        unsaid="",
    )


def as_vti(device: Interface) -> Interface:
    """Return a tunnel whose type was not printed as the VTI that it may be as well."""
    return replace(device, kind=device.alike, role="policy", head=(), alike="")


def _external(name: str, mtu: int, data: Mapping[str, Any]) -> bool:
    return name in BY_PACKET or data.get("external") is True or data.get("collect_metadata") is True or mtu >= 65000


def _role(
    name: str,
    kind: str,
    link_type: str,
    entry: Mapping[str, Any],
    addresses: tuple[str, ...],
    details: bool,
    hardware_told: bool,
) -> tuple[Role, str]:
    if link_type == "loopback" or name == "lo":
        return "nothing", ""
    flags = entry.get("flags")
    used = isinstance(flags, list) and "UP" in flags
    if name in FALLBACK and not used and all(a.startswith("fe80:") for a in addresses):
        return "nothing", ""
    for pattern, why in _OTHER_MESH:
        if pattern.match(name):
            return "unknown", why
    if kind == "tun" and _text(_mapping(_mapping(entry, "linkinfo"), "info_data"), "type") != "tap":
        return "unknown", "its program's headers are not known: give --stack"
    if kind:
        role = _ROLES.get(kind)
        return (role, "") if role else ("unknown", f"devices of type {kind} are not known")
    if "parentbus" in entry or "parentdev" in entry:
        return "link", ""
    if re.fullmatch(r"l2tpeth\d+", name):
        return "unknown", "`ip` prints nothing of an L2TP device: give --stack"
    # names that the kernel and udev give to hardware alone (systemd.net-naming-scheme(7))
    if (
        not details
        and _HARDWARE.match(name)
        and link_type in ("", "ether")
        and not {"link", "link_index"} & entry.keys()
    ):
        return "link", ""
    if not details or link_type == "none":
        return "unknown", "`ip` printed no type: give the output of `ip -d -j addr`"
    if hardware_told:
        return "unknown", "it is no hardware, and `ip` prints no type for it"
    return "link", ""


def header_tokens(kind: str, data: Mapping[str, Any]) -> tuple[tuple[str, ...], str]:
    """Return the tokens behind the outer IP header of a type of device, and why they are not known.

    ``data`` is what ``ip -d -j`` prints as info_data.
    """
    shell = _text(data.get("encap"), "type")
    if shell and shell != "none" and (kind not in ("ipip", "sit") or shell not in ("fou", "gue")):
        return (), f"{kind} in {shell} can't be computed: give --stack"
    if shell == "gue" and _mapping(data, "encap").get("remcsum") is True:
        return (), f"{kind} in gue with remcsum can't be computed: give --stack"
    outside = {"fou": ("udp",), "gue": ("udp", "gue")}.get(shell, ())
    if kind == "vxlan":
        return ("udp", "vxlan-gpe" if data.get("gpe") is True else "vxlan", "eth"), ""
    if kind == "geneve":
        return ("udp", "geneve") if data.get("inner_proto_inherit") is True else ("udp", "geneve", "eth"), ""
    if kind == "wireguard":
        return ("udp", "wireguard"), ""
    if kind == "macsec":
        known = _number(data.get("icv_len")) in (None, 16)
        return (("macsec",), "") if known else ((), "MACsec with an ICV other than 16 bytes can't be computed")
    limit = ("dstopts:8",) if kind in _SIX and data.get("ip6_tnl_f_ign_encap_limit") is not True else ()
    if kind in ("ipip", "sit", "ip6tnl"):
        return (*limit, *outside), ""
    if kind in ("erspan", "ip6erspan"):
        version = _number(data.get("erspan_ver"))
        return (*limit, _ERSPAN.get(1 if version is None else version, "erspan:2"), "eth"), ""
    flags = "".join(f":{name}" for name, key in (("key", "okey"), ("csum", "ocsum"), ("seq", "oseq")) if key in data)
    return (*limit, f"gre{flags}", *(("eth",) if kind.endswith("tap") else ())), ""


def _family(kind: str, data: Mapping[str, Any], local: str, remote: str) -> Family | None:
    if kind in _SIX:
        return "ipv6"
    if kind in ("gre", "gretap", "erspan", "ipip", "sit", "vti"):
        return "ipv4"
    if kind not in ("vxlan", "geneve"):
        return None
    named = [local, remote, _text(data, "group"), _text(data, "group6")]
    return "ipv6" if any(":" in n for n in named) else "ipv4" if any(named) else None


def _df(kind: str, data: Mapping[str, Any]) -> Literal["", "set", "unset", "inherit"]:
    if kind in ("vxlan", "geneve"):
        found = _text(data, "df")
        return "set" if found == "set" else "inherit" if found == "inherit" else "unset"
    if isinstance(data.get("pmtudisc"), bool):
        return "set" if data["pmtudisc"] else "inherit"
    return ""


def _addresses(entry: Mapping[str, Any]) -> tuple[str, ...]:
    found = entry.get("addr_info")
    out: list[str] = []
    for each in found if isinstance(found, list) else ():
        if isinstance(each, dict) and isinstance(each.get("local"), str):
            length = each.get("prefixlen")
            out.append(f"{each['local']}/{length}" if isinstance(length, int) else each["local"])
    return tuple(out)


def _address(data: Mapping[str, Any], key: str) -> str:
    found = _text(data, key) or _text(data, f"{key}6")
    return "" if found in ("any", "0.0.0.0", "::") else found  # noqa: S104 - an address that means none


def _mapping(data: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = data.get(key)
    return found if isinstance(found, dict) else {}


def _text(data: Any, key: str) -> str:
    found = data.get(key) if isinstance(data, dict) else None
    return found if isinstance(found, str) else ""


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _key(value: Any) -> int:
    """Read a key as `ip` prints it: a number, hexadecimal, or four numbers with dots."""
    if value is None:
        return 0
    if isinstance(value, int):
        return value
    text = str(value or "")
    if re.fullmatch(r"\d{1,3}(\.\d{1,3}){3}", text):
        return int.from_bytes(bytes(min(int(part), 255) for part in text.split(".")), "big")
    if re.fullmatch(r"0x[0-9a-fA-F]{1,8}", text):
        return int(text, 16)
    return int(text) if re.fullmatch(r"[0-9]{1,10}", text) else 0
