#!/bin/sh
# CNI plugins 1.1.1 (Debian 12) and 1.9.1 (sid): `{"type": "tuning", "mtu": 1400}` behind `bridge` makes a black hole
# of 96 sizes. It sets the pod's end of the veth alone; the host's end and the bridge stay at 1500, so the host goes on to
# send up to 1500 bytes to the pod, and a veth drops on receipt what is more than 4 bytes (a VLAN tag) larger than its own
# MTU. 1404 bytes arrive, 1405 don't: no ICMP message, no error for the sender, nothing fragmented although DF is not set;
# only `rx_dropped` of the device in the pod counts. CHECK of both plugins finds all in order. TCP hides it, because the
# pod names its MSS; UDP (DNS, QUIC, a VXLAN to a pod) does not.
# Met where a pod's MTU is lowered without touching the main plugin, which cluster add-ons and Multus networks own.
# Needs root, mmdebstrap, a kernel with bridges and veth. Packages go into a temporary folder, devices into a namespace.
# APT_OPTIONS: one more line of apt.conf, where this machine's mirror needs it.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export LC_ALL=C

cat >"$work/try" <<'TRY'
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mkdir -p /run/netns; cd /root
ip link set lo up
ip netns add pod
call() { # command, plugin
  CNI_COMMAND=$1 CNI_CONTAINERID=pod CNI_NETNS=/run/netns/pod CNI_IFNAME=eth0 CNI_PATH=/usr/lib/cni "/usr/lib/cni/$2"
}
bridge='"cniVersion":"0.4.0","name":"net","type":"bridge","bridge":"br0","isGateway":true,"mtu":1500'
bridge="$bridge"',"ipam":{"type":"host-local","subnet":"10.77.0.0/24"}'
tuning='"cniVersion":"0.4.0","name":"net","type":"tuning","mtu":1400'
echo "{$bridge}" | call ADD bridge >first || cat first
echo "{$tuning,\"prevResult\":$(cat first)}" | call ADD tuning >second || cat second
check=good
echo "{$bridge,\"prevResult\":$(cat second)}" | call CHECK bridge || check=bad
echo "{$tuning,\"prevResult\":$(cat second)}" | call CHECK tuning || check=bad
echo "CHECK: $check"
for device in /sys/class/net/veth*; do echo "host's end: $(cat "$device/mtu")"; done
echo "pod's end: $(nsenter --net=/run/netns/pod ip -o link show eth0 | grep -o 'mtu [0-9]*')"
for size in 1400 1404 1405 1500; do
  got=$(ping -n -M dont -c 2 -W 1 -s $((size - 28)) 10.77.0.2 2>&1 | grep -o '[0-9]* received.*loss' || true)
  echo "$size bytes: $got"
done
echo "dropped in the pod: $(nsenter --net=/run/netns/pod ip -s link show eth0 | awk '/RX:/ {getline; print $4}')"
TRY

look() { # suite
	root=$work/$1
	mmdebstrap --quiet --mode=root --variant=essential --aptopt='Apt::Install-Recommends "false"' \
		${APT_OPTIONS:+--aptopt="$APT_OPTIONS"} --include=containernetworking-plugins,iproute2,iputils-ping,mount \
		"$1" "$root" >"$work/log" 2>&1 || { tail -n 5 "$work/log"; exit 2; }
	echo "$1: containernetworking-plugins $(chroot "$root" dpkg-query -W -f '${Version}' containernetworking-plugins)"
	cp "$work/try" "$root/root/try"
	timeout 120 unshare --net --mount --pid --fork chroot "$root" sh /root/try >"$work/seen" 2>&1 || true
	cat "$work/seen"
	cmp -s "$work/seen" "$work/wanted" || { echo "CHANGED"; exit 1; }
}
cat >"$work/wanted" <<'EOF2'
CHECK: good
host's end: 1500
pod's end: mtu 1400
1400 bytes: 2 received, 0% packet loss
1404 bytes: 2 received, 0% packet loss
1405 bytes: 0 received, 100% packet loss
1500 bytes: 0 received, 100% packet loss
dropped in the pod: 4
EOF2
look bookworm
look sid
echo "as described"
