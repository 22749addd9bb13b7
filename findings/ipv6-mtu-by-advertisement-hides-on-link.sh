#!/bin/sh
# Linux 6.18 with radvd 2.20 and iproute2 7.3 (sid): a router's advertisement says MTU 1400, and the kernel obeys for every
# destination: a ping of more to a neighbour on the link is refused. The default route shows `mtu 1400`. Neither the route
# to the link's own network, nor `ip -6 route get` of a neighbour, nor the link do: `ip link` goes on to say 1500. The number
# is in net.ipv6.conf.DEVICE.mtu alone. A VXLAN device between neighbours that is made then still gets 1430, and packets in
# it that are larger than 1330 vanish: no fragments, no answer, no error to the sender, at least for the first of them.
# Whoever computes an overlay's MTU from `ip link` and `ip route get` of its far end is 100 bytes off.
# Met where a provider's router carries 1400 and says so to its hosts.
# Needs root, mmdebstrap, a kernel with veth and vxlan. Packages go into a temporary folder, devices into namespaces.
# APT_OPTIONS: one more line of apt.conf, where this machine's mirror needs it.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export LC_ALL=C

cat >"$work/try" <<'TRY'
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mkdir -p /run/netns /run/radvd; cd /root
ip netns add router; ip link set lo up; ip link add e0 type veth peer name s0 netns router
ip -n router link set s0 up; ip -n router address add 2001:db8::1/64 dev s0 nodad; ip -n router address add fe80::1/64 dev s0 nodad
ip netns exec router sysctl -qw net.ipv6.conf.all.forwarding=1
sysctl -qw net.ipv6.conf.e0.accept_dad=0; ip link set e0 up; ip address add 2001:db8::2/64 dev e0 nodad
cat >radvd.conf <<'E'
interface s0 { AdvSendAdvert on; MinRtrAdvInterval 3; MaxRtrAdvInterval 4; AdvLinkMTU 1400; AdvIntervalOpt off; };
E
ip netns exec router radvd -n -u root -m stderr -C radvd.conf -p /run/radvd/pid >radvd 2>&1 &
for _ in $(seq 100); do [ "$(cat /proc/sys/net/ipv6/conf/e0/mtu)" = 1400 ] && break; sleep 0.2; done
echo "sysctl: $(cat /proc/sys/net/ipv6/conf/e0/mtu)"
echo "link: $(ip -o link show e0 | grep -o 'mtu [0-9]*')"
echo "default: $(ip -6 route show default dev e0 | grep -o 'mtu [0-9]*')"
{ ip -d link show e0; ip -6 route show 2001:db8::/64 dev e0; ip -6 route get 2001:db8::1; ip -d -j address show dev e0; } >shown
echo "1400 in what ip shows of the link and the way to a neighbour: $(grep -c 1400 shown)"
echo "ping of 1401 to it: $(ping -6 -c 1 -W 2 -M "do" -s 1353 2001:db8::1 2>&1 | grep -io 'message too long' | tr M m)"
ip link add v0 type vxlan id 1 dev e0 remote 2001:db8::1 local 2001:db8::2 dstport 4789
echo "vxlan: $(ip -o link show v0 | grep -o 'mtu [0-9]*')"
ip link set v0 up; ip address add 10.99.0.1/24 dev v0
ip -n router link add v0 type vxlan id 1 remote 2001:db8::2 local 2001:db8::1 dstport 4789
ip -n router link set v0 up; ip -n router address add 10.99.0.2/24 dev v0
for _ in $(seq 25); do ping -q -c 1 -W 1 10.99.0.2 >/dev/null && break; done
fragments() { awk '$1 == "Ip6FragCreates" { print $2 }' /proc/net/snmp6; }
for size in 1330 1331; do
  before=$(fragments)
  said=$(ping -c 1 -W 2 -M "do" -s $((size - 28)) 10.99.0.2 2>&1 | grep -io 'message too long\|[01] received' | head -n 1)
  echo "$size bytes inside: $said, fragments $(($(fragments) - before))"
done
TRY

root=$work/root
mmdebstrap --quiet --mode=root --variant=essential --aptopt='Apt::Install-Recommends "false"' \
	${APT_OPTIONS:+--aptopt="$APT_OPTIONS"} --include=radvd,iproute2,iputils-ping,mawk,mount,procps \
	sid "$root" >"$work/log" 2>&1 || { tail -n 5 "$work/log"; exit 2; }
chroot "$root" dpkg-query -W -f '${Package} ${Version}\n' radvd iproute2
cp "$work/try" "$root/root/try"
timeout 120 unshare --net --mount --pid --fork --kill-child \
	sh -c "mount --bind \"\$1\" \"\$1\" && exec chroot \"\$1\" sh /root/try" sh "$root" >"$work/seen" 2>&1 || true
cat "$work/seen"
cat >"$work/wanted" <<'EOF2'
sysctl: 1400
link: mtu 1500
default: mtu 1400
1400 in what ip shows of the link and the way to a neighbour: 0
ping of 1401 to it: message too long
vxlan: mtu 1430
1330 bytes inside: 1 received, fragments 0
1331 bytes inside: 0 received, fragments 0
EOF2
cmp -s "$work/seen" "$work/wanted" || { echo "CHANGED"; exit 1; }
echo "as described"
