#!/bin/sh
# CNI plugin dhcp 1.9.1 (sid): `"request": [{"option": "26"}, {"option": "121"}]` asks the DHCP server for the interface's
# MTU and for static routes. The server sends both. The routes of 121 are on the pod's device afterwards; the MTU of 26 is
# thrown away, without a word in the daemon's log or in the result, and macvlan leaves the pod at its master's 1500. What
# one lists under `request` is asked for and not necessarily read; which options are read stands nowhere.
# Met where pods on a provider's network get their addresses by DHCP and the network carries 1400.
# Needs root, mmdebstrap, a kernel with veth and macvlan. Packages go into a temporary folder, devices into a namespace.
# APT_OPTIONS: one more line of apt.conf, where this machine's mirror needs it.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export LC_ALL=C

cat >"$work/try" <<'TRY'
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mkdir -p /run/netns /run/cni; cd /root
ip link set lo up; ip netns add pod
ip link add m0 type veth peer name m1; ip link set m0 up; ip link set m1 up; ip addr add 10.78.0.1/24 dev m1
dnsmasq --no-daemon --port=0 --interface=m1 --bind-interfaces --conf-file=/dev/null --dhcp-leasefile=/root/leases \
  --dhcp-range=10.78.0.10,10.78.0.10,1h --dhcp-option=option:mtu,1400 --dhcp-option=121,10.99.0.0/16,10.78.0.1 \
  --log-dhcp >server 2>&1 &
/usr/lib/cni/dhcp daemon >daemon 2>&1 &
for _ in $(seq 50); do [ -S /run/cni/dhcp.sock ] && grep -q "DHCP, " server && break; sleep 0.2; done
echo '{"cniVersion":"1.1.0","name":"net","type":"macvlan","master":"m0",
  "ipam":{"type":"dhcp","request":[{"option":"26"},{"option":"121"}]}}' |
  CNI_COMMAND=ADD CNI_CONTAINERID=pod CNI_NETNS=/run/netns/pod CNI_IFNAME=eth0 CNI_PATH=/usr/lib/cni timeout 60 /usr/lib/cni/macvlan >result || cat result
echo "asked for: $(grep -o '26:mtu, 121:classless-static-route' server | sort -u)"
echo "sent: $(grep -o 'option: 26 mtu .*' server | tr -s ' ' | sort -u)"
echo "pod: $(nsenter --net=/run/netns/pod ip -o link show eth0 | grep -o 'mtu [0-9]*')"
nsenter --net=/run/netns/pod ip route | grep 10.99 | sed 's/ *$//'
echo "of the MTU in the daemon's log and the result: $(cat daemon result | grep -ic mtu)"
TRY

root=$work/root
mmdebstrap --quiet --mode=root --variant=essential --aptopt='Apt::Install-Recommends "false"' \
	${APT_OPTIONS:+--aptopt="$APT_OPTIONS"} --include=containernetworking-plugins,dnsmasq-base,iproute2,mount \
	sid "$root" >"$work/log" 2>&1 || { tail -n 5 "$work/log"; exit 2; }
chroot "$root" dpkg-query -W -f '${Package} ${Version}\n' containernetworking-plugins dnsmasq-base
cp "$work/try" "$root/root/try"
timeout 120 unshare --net --mount --pid --fork --kill-child chroot "$root" sh /root/try >"$work/seen" 2>&1 || true
cat "$work/seen"
cat >"$work/wanted" <<'EOF2'
asked for: 26:mtu, 121:classless-static-route
sent: option: 26 mtu 1400
pod: mtu 1500
10.99.0.0/16 via 10.78.0.1 dev eth0
of the MTU in the daemon's log and the result: 0
EOF2
cmp -s "$work/seen" "$work/wanted" || { echo "CHANGED"; exit 1; }
echo "as described"
