#!/bin/sh
# community.general's module nmcli (of Debian 13's ansible 12.0.0) with NetworkManager 1.52: `mtu` and `ip4` are parameters of
# every connection type, and for some types they are dropped. `mtu: 1400` is set for a vlan; for a bridge, a vxlan and a
# gre it is not: the task says "changed", the next run says "ok", the connection has no MTU, and the device comes up with
# the kernel's own. `ip4: 10.0.3.1/24` of a vxlan is dropped too, so NetworkManager asks a DHCP server there. By nmcli
# itself, NetworkManager takes all of them. The module's words name types whose MTU it can modify; that it passes over the
# others isn't said, and whoever lowers the MTU of an overlay by it sees a play without a failure.
# Needs root, mmdebstrap; the kernel's bridge, vxlan and veth. The packages of a Debian suite go into a temporary folder;
# a message bus and NetworkManager run in namespaces of their own, which end with them, on two ends of one cable.
# APT_OPTIONS: one more line of apt.conf, where this machine's mirror needs it.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export LC_ALL=C
root=$work/root
mmdebstrap --quiet --mode=root --variant=minbase --aptopt='Apt::Install-Recommends "false"' \
  ${APT_OPTIONS:+--aptopt="$APT_OPTIONS"} --include=network-manager,dbus,ansible,iproute2 trixie "$root" \
  >"$work/log" 2>&1 || { tail -n 5 "$work/log"; exit 2; }

cat >"$root/root/play.yml" <<'END'
- hosts: localhost
  connection: local
  gather_facts: false
  vars: {ansible_python_interpreter: /usr/bin/python3}
  module_defaults:
    community.general.nmcli: {state: present, autoconnect: false, mtu: 1400}
  tasks:
    - {name: vlan, community.general.nmcli: {type: vlan, conn_name: v, ifname: v, vlanid: 5, vlandev: e0}}
    - {name: bridge, community.general.nmcli: {type: bridge, conn_name: b, ifname: b, ip4: 10.0.2.1/24}}
    - name: vxlan
      community.general.nmcli:
        {type: vxlan, conn_name: x, ifname: x, vxlan_id: 7, vxlan_local: 192.0.2.1, vxlan_remote: 192.0.2.2, ip4: 10.0.3.1/24}
    - name: gre
      community.general.nmcli:
        {type: gre, conn_name: g, ifname: g, ip_tunnel_dev: e0, ip_tunnel_local: 192.0.2.1, ip_tunnel_remote: 192.0.2.2}
END

cat >"$root/root/inside.sh" <<'END'
set -eu
export LC_ALL=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
mount -t proc proc /proc
mount -t sysfs -o ro sysfs /sys
mount -t tmpfs run /run
mount -t tmpfs tmp /tmp
mkdir -p /run/dbus
ip link set lo up
ip link add e0 type veth peer name e1
ip link set e1 up
ip link set e0 up
ip address add 192.0.2.1/24 dev e0
printf '[main]\nplugins=keyfile\nauth-polkit=false\n[keyfile]\nunmanaged-devices=interface-name:e0,interface-name:e1\n' \
  >/etc/NetworkManager/NetworkManager.conf
dbus-daemon --system --nofork >/tmp/bus.log 2>&1 &
tries=0
while [ ! -S /run/dbus/system_bus_socket ] && [ $tries -lt 60 ]; do tries=$((tries + 1)); sleep 1; done
NetworkManager --no-daemon >/tmp/nm.log 2>&1 &
tries=0
until nmcli -t general status >/dev/null 2>&1; do
  tries=$((tries + 1))
  [ $tries -lt 60 ] || { tail -n 5 /tmp/bus.log /tmp/nm.log; exit 2; }
  sleep 1
done
for run in first second; do
  ANSIBLE_LOCALHOST_WARNING=false ANSIBLE_INVENTORY_UNPARSED_WARNING=false ansible-playbook /root/play.yml >/tmp/said 2>&1 \
    || { cat /tmp/said; exit 2; }
  echo "$run run: $(grep -o 'changed=[0-9]* \|failed=[0-9]*' /tmp/said | tr -d '\n')"
done
nmcli -w 60 connection up b >/dev/null
show() { nmcli -g "$1" connection show "$2" 2>/dev/null || echo none; }
echo "vlan: mtu of the connection $(show 802-3-ethernet.mtu v)"
echo "bridge: mtu of the connection $(show 802-3-ethernet.mtu b), of the device $(cat /sys/class/net/b/mtu)"
echo "vxlan: ip4 $(show ipv4.method x), address $(show ipv4.addresses x | grep . || echo none)"
nmcli connection modify x ipv4.method manual ipv4.addresses 10.0.3.1/24
nmcli -w 60 connection up x >/dev/null
echo "vxlan: mtu of the device $(cat /sys/class/net/x/mtu)"
echo "gre: mtu of the connection $(show ip-tunnel.mtu g)"
nmcli connection modify x 802-3-ethernet.mtu 1400
nmcli -w 60 connection up x >/dev/null
echo "vxlan, by nmcli itself: mtu of the device $(cat /sys/class/net/x/mtu)"
END

changed=0
for package in "network-manager 1.52" "ansible 12.0.0"; do
  name=${package% *}
  # shellcheck disable=SC2016  # dpkg's own
  version=$(chroot "$root" dpkg-query -W -f '${Version}' "$name")
  echo "$name $version"
  case $version in "${package#* }"*) ;; *) echo "  expected ${package#* }"; changed=1 ;; esac
done
timeout 600 unshare --mount --net --pid --fork chroot "$root" sh /root/inside.sh >"$work/got" || { cat "$work/got"; exit 2; }
cat >"$work/expected" <<'END'
first run: changed=4 failed=0
second run: changed=0 failed=0
vlan: mtu of the connection 1400
bridge: mtu of the connection auto, of the device 1500
vxlan: ip4 auto, address none
vxlan: mtu of the device 1500
gre: mtu of the connection 0
vxlan, by nmcli itself: mtu of the device 1400
END
cat "$work/got"
diff "$work/expected" "$work/got" || changed=1
[ "$changed" = 0 ] && echo "as described" || { echo "this has changed"; exit 1; }
