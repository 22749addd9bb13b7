#!/bin/sh
# passt 0.0~git20261002 (sid), the program pasta, which is the network of a rootless podman container: an MTU probe with DF
# from inside says yes to sizes that no link on the way carries. pasta ends each flow in a socket of the host and copies no
# DF from the packet to it. The host sends larger packets in fragments, the far end puts them together, the ping comes back.
# The container's own device has an MTU of 65520, so nothing there refuses them, and no ICMP error is ever seen.
# So `ping -M do` in such a container proves neither the path nor what a pod with a real interface can send; the count of
# fragments on the host tells.
# Met when the MTU of an encrypted path was probed from a rootless container on the same host.
# Needs root, mmdebstrap, a kernel with veth and tun. Packages go into a temporary folder, devices into namespaces.
# APT_OPTIONS: one more line of apt.conf, where this machine's mirror needs it.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export LC_ALL=C

cat >"$work/try" <<'TRY'
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mkdir -p /run/netns /dev/net; cd /root
[ -e /dev/net/tun ] || mknod /dev/net/tun c 10 200
echo "0 2147483647" >/proc/sys/net/ipv4/ping_group_range
ip netns add far; ip netns add pod; ip link set lo up
ip link add e0 mtu 1400 type veth peer name f0 mtu 1400 netns far
ip link set e0 up; ip address add 192.0.2.1/24 dev e0; ip route add default via 192.0.2.2
ip -n far link set f0 up; ip -n far address add 192.0.2.2/24 dev f0; ip -n far address add 192.0.2.9/24 dev f0
pasta --runas 0 -4 --config-net --netns /run/netns/pod --log-file /root/log >said 2>&1 || cat said
echo "link of the host: $(ip -o link show e0 | grep -o 'mtu [0-9]*')"
echo "link of the container: $(ip -n pod -o link show e0 | grep -o 'mtu [0-9]*')"
fragments() { awk '$1 == "Ip:" && ++line == 1 { for (n = 1; n <= NF; n++) if ($n == "FragCreates") at = n } $1 == "Ip:" { found = $at } END { print found }' /proc/net/snmp; }
try() {
  before=$(fragments)
  said=$($2 ping -q -c 1 -W 5 -M "do" -s $(($3 - 28)) 192.0.2.9 2>&1 | grep -o "[01] received" || true)
  echo "$1, $3 bytes with DF: $said, $(($(fragments) - before)) fragments on the wire"
}
try host "" 1400
try host "" 1401
for size in 1400 1401 9000 65507; do try container "ip netns exec pod" $size; done
TRY

root=$work/root
mmdebstrap --quiet --mode=root --variant=essential --aptopt='Apt::Install-Recommends "false"' \
	${APT_OPTIONS:+--aptopt="$APT_OPTIONS"} --include=passt,iproute2,iputils-ping,mawk,mount \
	sid "$root" >"$work/log" 2>&1 || { tail -n 5 "$work/log"; exit 2; }
chroot "$root" dpkg-query -W -f '${Package} ${Version}\n' passt
cp "$work/try" "$root/root/try"
timeout 120 unshare --net --mount --pid --fork --kill-child \
	sh -c "mount --bind \"\$1\" \"\$1\" && mount --make-rprivate / && exec chroot \"\$1\" sh /root/try" sh "$root" >"$work/seen" 2>&1 || true
cat "$work/seen"
cat >"$work/wanted" <<'EOF2'
link of the host: mtu 1400
link of the container: mtu 65520
host, 1400 bytes with DF: 1 received, 0 fragments on the wire
host, 1401 bytes with DF: 0 received, 0 fragments on the wire
container, 1400 bytes with DF: 1 received, 0 fragments on the wire
container, 1401 bytes with DF: 1 received, 2 fragments on the wire
container, 9000 bytes with DF: 1 received, 7 fragments on the wire
container, 65507 bytes with DF: 1 received, 48 fragments on the wire
EOF2
cmp -s "$work/seen" "$work/wanted" || { echo "CHANGED"; exit 1; }
echo "as described"
