#!/bin/sh
# jc 1.26.1 reads the output of ping and of `ip route`, and what it returns is wrong exactly where a path's MTU is looked for.
# ping -M do: the lines that name the path's MTU (the ICMP error, "message too long, mtu=1400", IPv6's "Packet too big")
# are left out: no response, no MTU. iputils ends its output with an empty line when nothing was answered; a shell's $(...)
# takes it away, and then the same output is read otherwise: `data_bytes` becomes the payload and the packet size written
# one after the other ("1472(1500)" is 14721500), and the router that refused has the address "needed". With IPv6,
# `destination_ip` is the number of data bytes.
# ip route: `mtu`, `mtu lock` and `advmss` are left out; "unreachable", "local" and "nexthop" are returned as the
# destination, and the gateway of "via inet6 fe80::1" is "inet6". No warning, and exit code 0, in all of them.
# Met where an audit was to take its numbers from a well-kept reader. The texts are those of iputils 20221126 and iproute2 6.1.
# Needs python3 with venv. jc goes into a temporary folder.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" -q install --disable-pip-version-check jc==1.26.1 2>"$work/log" || { tail -n 5 "$work/log"; exit 2; }

cat >"$work/look.py" <<'EOF'
import sys

import jc

PING = """PING 10.0.0.2 (10.0.0.2) 1472(1500) bytes of data.
From 10.0.0.1 icmp_seq=1 Frag needed and DF set (mtu = 1400)
ping: local error: message too long, mtu=1400

--- 10.0.0.2 ping statistics ---
2 packets transmitted, 0 received, +2 errors, 100% packet loss, time 1010ms

"""
ANSWERED = """PING 10.0.0.2 (10.0.0.2) 1472(1500) bytes of data.
1480 bytes from 10.0.0.2: icmp_seq=1 ttl=64 time=0.345 ms

--- 10.0.0.2 ping statistics ---
1 packets transmitted, 1 received, 0% packet loss, time 0ms
rtt min/avg/max/mdev = 0.345/0.345/0.345/0.000 ms
"""
PING6 = """PING fd00::2 (fd00::2) 1452 data bytes
From fd00::1: icmp_seq=1 Packet too big: mtu=1400

--- fd00::2 ping statistics ---
2 packets transmitted, 0 received, +1 errors, 100% packet loss, time 1010ms

"""
ROUTES = """default via 10.0.0.1 dev eth0 proto static mtu lock 1400
10.1.0.0/16 via 10.0.0.2 dev eth0 mtu 1300 advmss 1260
unreachable 10.9.0.0/16
10.4.0.0/16 via inet6 fe80::1 dev eth0 proto bgp metric 20
"""
print("jc", jc.__version__)
refused, captured, answered, six = (jc.parse("ping", text) for text in (PING, PING.rstrip("\n"), ANSWERED, PING6))
routes = jc.parse("ip_route", ROUTES)
seen = {
    "data_bytes, answered": answered["data_bytes"],
    "data_bytes, refused": refused["data_bytes"],
    "data_bytes, refused, without the empty line": captured["data_bytes"],
    "responses, refused": refused["responses"],
    "responses, without the empty line": [(r["type"], r["response_ip"]) for r in captured["responses"]],
    "responses, IPv6 refused": six["responses"],
    "destination_ip, IPv6": six["destination_ip"],
    "1400 is in what was read": any("1400" in str(read) for read in (refused, captured, six, routes)),
    "routes": [(route["ip"], route.get("via"), route.get("mtu")) for route in routes],
}
wanted = {
    "data_bytes, answered": 1472,
    "data_bytes, refused": 1472,
    "data_bytes, refused, without the empty line": 14721500,
    "responses, refused": [],
    "responses, without the empty line": [("frag_needed_and_df_set", "needed")],
    "responses, IPv6 refused": [],
    "destination_ip, IPv6": "1452",
    "1400 is in what was read": False,
    "routes": [
        ("default", "10.0.0.1", None),
        ("10.1.0.0/16", "10.0.0.2", None),
        ("unreachable", None, None),
        ("10.4.0.0/16", "inet6", None),
    ],
}
for name, value in seen.items():
    print(f"  {name}: {value}")
    if value != wanted[name]:
        print(f"    expected {wanted[name]}")
sys.exit(seen != wanted)
EOF
"$work/venv/bin/python" "$work/look.py" || { echo "CHANGED"; exit 1; }
echo "as described"
