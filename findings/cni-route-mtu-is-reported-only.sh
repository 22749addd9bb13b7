#!/bin/sh
# CNI plugins 1.9.1 (sid): version 1.1.0 of the specification gives a route `mtu`, `advmss`, `priority`, `table` and
# `scope`. bridge, ptp and macvlan take all five from the IPAM part and put them into their result; on the pod's route are
# the last three alone. `mtu` and `advmss` are nowhere: the route has the device's MTU, while a runtime, a chained plugin
# and a person who reads the result see 1400, and CHECK finds all in order. A `table` in turn is set and fails CHECK
# ("Expected Route ... not found in routing table"): it looks in the main table only.
# Met where a route MTU in a network's configuration is the one place that keeps pods below an encrypted overlay's size.
# Needs root, mmdebstrap, a kernel with bridges, veth and macvlan. Packages go into a temporary folder, devices into a
# namespace. APT_OPTIONS: one more line of apt.conf, where this machine's mirror needs it.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export LC_ALL=C

cat >"$work/try" <<'TRY'
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mkdir -p /run/netns; cd /root
ip link set lo up
ip link add m0 type veth peer name m1; ip link set m0 up; ip link set m1 up
call() { # command, plugin, pod
  CNI_COMMAND=$1 CNI_CONTAINERID=$3 CNI_NETNS=/run/netns/$3 CNI_IFNAME=eth0 CNI_PATH=/usr/lib/cni "/usr/lib/cni/$2"
}
try() { # plugin, name, routes
  pod=$1-$2
  ip netns add "$pod"
  conf='"cniVersion":"1.1.0","name":"'$pod'","type":"'$1'","mtu":1500,"bridge":"br-'$2'","isGateway":true,"master":"m0"'
  conf="$conf"',"ipam":{"type":"host-local","ranges":[[{"subnet":"10.77.0.0/24"}]],"routes":['$3']}'
  echo "{$conf}" | call ADD "$1" "$pod" >result || cat result
  check=good
  echo "{$conf,\"prevResult\":$(cat result)}" | call CHECK "$1" "$pod" >said || check=bad
  echo "$1 $2: result $(tr -d '[:space:]' <result | grep -o '"\(mtu\|advmss\|priority\|table\|scope\)":[0-9]*' | sort | tr -d '"' | tr '\n' ' ')CHECK $check"
  nsenter "--net=/run/netns/$pod" ip -d route show table all | grep '^unicast 10\.[23]\|^unicast default' | grep -v fe80 |
    sed 's/ *$//; s/via 10.77.0.1 dev eth0 //; s/^/  /' | sort
}
for plugin in bridge ptp macvlan; do
  try $plugin sizes '{"dst":"0.0.0.0/0","mtu":1400},{"dst":"10.200.0.0/16","mtu":1300,"advmss":1200,"priority":77,"scope":200}'
  try $plugin table '{"dst":"0.0.0.0/0"},{"dst":"10.201.0.0/16","table":100}'
done
TRY

root=$work/root
mmdebstrap --quiet --mode=root --variant=essential --aptopt='Apt::Install-Recommends "false"' \
	${APT_OPTIONS:+--aptopt="$APT_OPTIONS"} --include=containernetworking-plugins,iproute2,mount \
	sid "$root" >"$work/log" 2>&1 || { tail -n 5 "$work/log"; exit 2; }
chroot "$root" dpkg-query -W -f 'containernetworking-plugins ${Version}\n' containernetworking-plugins
cp "$work/try" "$root/root/try"
timeout 120 unshare --net --mount --pid --fork chroot "$root" sh /root/try >"$work/seen" 2>&1 || true
cat "$work/seen"
for plugin in bridge ptp macvlan; do
	cat <<EOF2
$plugin sizes: result advmss:1200 mtu:1300 mtu:1400 priority:77 scope:200 CHECK good
  unicast 10.200.0.0/16 table main proto boot scope site metric 77
  unicast default table main proto boot scope global
$plugin table: result table:100 CHECK bad
  unicast 10.201.0.0/16 table 100 proto boot scope global
  unicast default table main proto boot scope global
EOF2
done >"$work/wanted"
cmp -s "$work/seen" "$work/wanted" || { echo "CHANGED"; exit 1; }
echo "as described"
