"""Formats that are known and not read: what a text looks like, and what to send instead."""

from __future__ import annotations

import re

_SEND_ADDR = "`ip -d -j addr` and `ip -j route`"
JUNOS = re.compile(r"^set (security (ipsec|ike|flow|zones)|interfaces (st0|[gx]e-\d|ae\d|lo0 unit)|groups) ", re.M)
_KNOWN: tuple[tuple[re.Pattern[str], str, str], ...] = (
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"), "a private key", "no keys: they are not needed"),
    (
        re.compile(r"\A\s*<\?xml|\A\s*<(pfsense|opnsense|config)>", re.I),
        "XML (pfSense, OPNsense, PAN-OS)",
        "the device's `swanctl.conf` and `ifconfig`",
    ),
    (
        re.compile(r"\A\s*<(network|domain|interface)\b[^>]*>"),
        "libvirt's XML",
        "`ip -d -j addr` of the host and of the guest",
    ),
    (re.compile(r"\A\s*<(!doctype|html)", re.I), "a web page", "the text that it shows, as a file"),
    (
        re.compile(r"^/ip(v6)? (ipsec|address)|^/interface ", re.M),
        "RouterOS without IPsec policies",
        "an `/export` with `/ip ipsec policy` and `/ip ipsec proposal`, or --stack",
    ),
    (
        re.compile(r"^(resource|module|provider|terraform) [\"{]", re.M),
        "Terraform",
        "what it makes: the objects, or `ip -d -j addr`",
    ),
    (
        re.compile(r"^\d\d:\d\d:\d\d\.\d+ (IP6?|ARP) ", re.M),
        "a capture of tcpdump",
        f"{_SEND_ADDR}; for a number in it: ipsecplan explain NUMBER",
    ),
    (
        re.compile(r"^PING \S+ .*bytes of data|bytes from .*icmp_seq", re.M),
        "output of ping",
        f"{_SEND_ADDR}; for the size that passes: ipsecplan explain NUMBER",
    ),
    (
        re.compile(r"^[ \t]*\d+[?:]\s.*\bpmtu \d+|^traceroute to ", re.M),
        "output of tracepath or traceroute",
        _SEND_ADDR,
    ),
    (
        re.compile(r"^[ \t]*MTU\s+MediaSenseState\s", re.M),
        "`netsh` of Windows",
        "calc's stack with --stack and --mtu; for a number in it: ipsecplan explain NUMBER",
    ),
    (
        re.compile(r"^[ \t]*Tunnel protocol/transport |^[ \t]+MTU \d+ bytes, BW \d+|^Codes: S - State, L - Link", re.M),
        "a router's `show interfaces`",
        "its configuration: `show running-config`, `show configuration commands`",
    ),
    (
        re.compile(r"^\[\S+@[^\]]+\] >|^Columns: .*ACTUAL-MTU", re.M),
        "RouterOS' `print`",
        "an `/export`, which has what was set",
    ),
    (re.compile(r"^Chain [A-Z]+ \(", re.M), "`iptables -L`", "`iptables-save`"),
    (
        re.compile(r"^\S+\s+(UP|DOWN|UNKNOWN)\s+([0-9a-f]{2}:){5}|^\S+\s+(UP|DOWN|UNKNOWN)\s+\d+\.", re.M),
        "`ip -br`, which prints no MTU",
        "`ip -d -j addr`",
    ),
    (
        re.compile(r"^Kernel IP routing table|^Destination\s+Gateway", re.M),
        "`route` or `netstat -r`, which print no MTU that counts",
        "`ip -j route`",
    ),
    (re.compile(r"^Settings for \S+:$", re.M), "output of ethtool", "`ip -d -j addr`"),
    (
        re.compile(r"^Kernel Interface table$|^Iface\s+MTU\s", re.M),
        "`netstat -i`, which prints no types and cuts names",
        "`ip -d -j addr`",
    ),
    (
        re.compile(r"^[ \t]*(Link|Network) File: |^IDX LINK\s+TYPE", re.M),
        "`networkctl`",
        "`networkctl --json=short list`, or `ip -d -j addr`",
    ),
    (re.compile(r"^[ \t]+Online state: \w+$", re.M), "`netplan status`", "`netplan get`, and `ip -d -j addr`"),
    (
        re.compile(r"^\+-+\+-+\+$", re.M),
        "a table of a command line client (openstack, mysql)",
        "its JSON: -f json",
    ),
    (
        re.compile(r"^(net|kernel|vm|fs)(\.[\w-]+)+\s*=\s*\S", re.M),
        "settings of sysctl without an MTU (net.ipv6.conf.DEVICE.mtu)",
        "`ip -d -j addr` and `ip -j route`",
    ),
    (
        re.compile(r"^NODE\s+NAMESPACE\s+TYPE\s+ID|^[ \t]+type: \w+\.net\.talos\.dev$", re.M),
        "output of `talosctl get`",
        "the machine configuration (talosctl get machineconfig -o yaml), and --mtu for the link",
    ),
    (
        re.compile(r"^_uuid\s+: [0-9a-f-]+$", re.M),
        "a list of ovs-vsctl or ovn-nbctl",
        "ovs-vsctl --format=json list interface, and `ip -d -j addr`",
    ),
    (
        re.compile(r"^(NAME|NAMESPACE|NETWORK ID)\s+[A-Z]", re.M),
        "a table of kubectl, calicoctl or docker",
        "the objects: kubectl get ... -o yaml, docker network inspect",
    ),
    (re.compile(r"^Name:\s+\S+\n(Namespace|Labels|Roles):", re.M), "`kubectl describe`", "kubectl get ... -o yaml"),
    (
        re.compile(
            r"^[A-Z][a-z]{2} +\d+ \d\d:\d\d:\d\d \S+ |^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d|^\[ *\d+\.\d{6}\]", re.M
        ),
        "a log",
        "the configuration, and `ip -d -j addr`",
    ),
    (
        re.compile(r"^KVStore:|^Kubernetes:\s+Ok", re.M),
        "`cilium status`",
        "kubectl -n kube-system get cm cilium-config -o yaml",
    ),
    (
        re.compile(r"^(client|dev tun|remote \S+ \d+)$", re.M),
        "OpenVPN",
        "`ip -d -j addr`; OpenVPN's own overhead is not computed",
    ),
    (
        re.compile(r"^\S+ (via \S+ )?dev \S+ .*\buid \d+\s*$", re.M),
        "`ip route get`, which is about one packet",
        f"{_SEND_ADDR}, and --mtu for an `mtu` in its cache: the path carried no more",
    ),
    (
        re.compile(r"^[ \t]+(esp|ah|ipcomp) mode=(tunnel|transport|any) spi=\d+", re.M),
        "`setkey -D`",
        "`ip xfrm state list nokeys` and `ip xfrm policy`; this one holds keys",
    ),
    (
        re.compile(r"^[ \t]+(dev: nebula\d*|am_lighthouse: (true|false))\s*$", re.M),
        "Nebula's configuration",
        "`ip -d -j addr`, which has its device",
    ),
    (re.compile(r"^([0-9a-f]{2}:){5}[0-9a-f]{2} dev ", re.M), "`bridge fdb`", "`bridge -j fdb show`"),
    (
        re.compile(r"^#!\s*/(usr/)?bin/", re.M),
        "a script",
        "what it makes: `ip -d -j addr`, `swanctl --list-conns --raw`",
    ),
)


def reason(text: str) -> str:
    """Return why a text is not read: what it looks like, and what to send."""
    return known(text) or "no format that audit knows"


def known(text: str) -> str:
    """Return what a text looks like and what to send instead; empty where nothing is known of it."""
    head = text.lstrip("\ufeff")[:65536]
    if "{{" in head[:400]:
        return "a template; audit reads what it renders to"
    for pattern, name, instead in _KNOWN:
        if pattern.search(head):
            return f"not read: it looks like {name}; send {instead}"
    return ""
