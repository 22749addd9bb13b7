#!/bin/sh
# Linux 6.18 with radvd 2.20 and iproute2 6.19 (sid): a router's advertisement says MTU 1400, and the kernel obeys: a ping of
# more is refused with "mtu: 1400". But `ip -d link`, `ip -6 route show table all`, `ip -6 route get` and their JSON show no
# 1400, and `ip link` goes on to say 1500; the number is in net.ipv6.conf.DEVICE.mtu alone. A VXLAN device over IPv6 that
# is made then still gets 1430, and the first packet in it that is larger than 1330 vanishes: no fragments, no answer, no
# error to the sender; later ones are refused. Whoever computes an overlay's MTU from `ip` is 100 bytes off.
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
{ ip -d link show e0; ip -6 route show table all dev e0; ip -6 route get 2001:db8::1; ip -d -j address show dev e0
  ip -d -j -6 route show dev e0; ip -6 ntable show dev e0; ip -6 -d token 2>/dev/null; } >shown
echo "1400 in what ip shows: $(grep -c 1400 shown)"
echo "ping of 1401: $(ping -6 -c 1 -W 2 -M "do" -s 1353 2001:db8::1 2>&1 | grep -o 'mtu: [0-9]*')"
ip link add v0 type vxlan id 1 dev e0 remote 2001:db8::1 local 2001:db8::2 dstport 4789
echo "vxlan: $(ip -o link show v0 | grep -o 'mtu [0-9]*')"
ip link set v0 up; ip address add 10.99.0.1/24 dev v0
ip -n router link add v0 type vxlan id 1 remote 2001:db8::2 local 2001:db8::1 dstport 4789
ip -n router link set v0 up; ip -n router address add 10.99.0.2/24 dev v0
for _ in $(seq 25); do ping -q -c 1 -W 1 10.99.0.2 >/dev/null && break; done
fragments() { awk '$1 == "Ip6FragCreates" { print $2 }' /proc/net/snmp6; }
for size in 1330 1331 1331; do
  before=$(fragments)
  said=$(ping -q -c 1 -W 2 -M "do" -s $((size - 28)) 10.99.0.2 2>&1 | grep -o 'message too long\|[01] received' | head -n 1)
  echo "$size bytes inside: $said, fragments $(($(fragments) - before))"
done
TRY

root=$work/root
mmdebstrap --quiet --mode=root --variant=essential --aptopt='Apt::Install-Recommends "false"' \
	${APT_OPTIONS:+--aptopt="$APT_OPTIONS"} --include=radvd,iproute2,iputils-ping,mawk,mount,procps \
	sid "$root" >"$work/log" 2>&1 || { tail -n 5 "$work/log"; exit 2; }
chroot "$root" dpkg-query -W -f '${Package} ${Version}\n' radvd iproute2
cp "$work/try" "$root/root/try"
timeout 120 unshare --net --mount --pid --fork --kill-child chroot "$root" sh /root/try >"$work/seen" 2>&1 || true
cat "$work/seen"
cat >"$work/wanted" <<'EOF2'
sysctl: 1400
link: mtu 1500
1400 in what ip shows: 0
ping of 1401: mtu: 1400
vxlan: mtu 1430
1330 bytes inside: 1 received, fragments 0
1331 bytes inside: 0 received, fragments 0
1331 bytes inside: message too long, fragments 0
EOF2
cmp -s "$work/seen" "$work/wanted" || { echo "CHANGED"; exit 1; }
echo "as described"
