#!/bin/sh
# ntc-templates 9.3.0 (textfsm 2.1.0): `ip link show` of a container host is read without its pods' devices and without IPIP.
# The template asks for a link type, and finds it only where nothing follows the broadcast address. For a device whose
# other end lies in a namespace, `ip` adds "link-netnsid 0" (or "link-netns NAME"), and the address of an IPIP or GRE
# device is no MAC address: these rows are dropped. The template stops with an error at a line that it doesn't know, but
# not at these: what begins with a blank is skipped. So a table of MTUs looks whole and has just the devices that nobody
# asks about. The template of `ip address show` reads the same lines whole (and calls IPIP's device "tunl0@NONE").
# Met in the search for a well-kept reader of what people paste. The text is that of iproute2 6.1.
# Needs python3 with venv. The packages go into a temporary folder.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" -q install --disable-pip-version-check ntc-templates==9.3.0 textfsm==2.1.0 2>"$work/log" ||
  { tail -n 5 "$work/log"; exit 2; }

cat >"$work/look.py" <<'EOF'
import sys
from importlib.metadata import version

from ntc_templates.parse import parse_output

MODE = {"ip link show": " mode DEFAULT", "ip address show": ""}
DEVICES = """2: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc mq state UP{mode} group default qlen 1000
    link/ether 02:42:ac:11:00:02 brd ff:ff:ff:ff:ff:ff
3: tunl0@NONE: <NOARP,UP,LOWER_UP> mtu 1480 qdisc noqueue state UNKNOWN{mode} group default qlen 1000
    link/ipip 0.0.0.0 brd 0.0.0.0
4: vxlan.calico: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1450 qdisc noqueue state UNKNOWN{mode} group default qlen 1000
    link/ether 66:00:00:00:00:01 brd ff:ff:ff:ff:ff:ff
5: cali1@if2: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1450 qdisc noqueue state UP{mode} group default qlen 1000
    link/ether ee:ee:ee:ee:ee:ee brd ff:ff:ff:ff:ff:ff link-netnsid 0
6: cali2@if2: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP{mode} group default qlen 1000
    link/ether ee:ee:ee:ee:ee:ee brd ff:ff:ff:ff:ff:ff link-netns pod-2
"""
print("ntc-templates", version("ntc-templates"), "textfsm", version("textfsm"))
wanted = {
    "ip link show": ["eth0 1500", "vxlan.calico 1450"],
    "ip address show": ["eth0 1500", "tunl0@NONE 1480", "vxlan.calico 1450", "cali1@if2 1450", "cali2@if2 1500"],
}
seen = {}
for command, mode in MODE.items():
    rows = parse_output("linux", command, DEVICES.format(mode=mode))
    seen[command] = [f"{row['interface']} {row['mtu']}" for row in rows]
    print(f"  {command}: 5 devices given, {len(rows)} read: {', '.join(seen[command])}")
    if seen[command] != wanted[command]:
        print(f"    expected {', '.join(wanted[command])}")
sys.exit(seen != wanted)
EOF
"$work/venv/bin/python" "$work/look.py" || { echo "CHANGED"; exit 1; }
echo "as described"
