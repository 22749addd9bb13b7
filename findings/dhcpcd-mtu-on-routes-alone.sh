#!/bin/sh
# dhcpcd 10.5.2 (sid): the MTU that a DHCP server says (option 26) goes on the routes that dhcpcd makes, and nowhere else.
# The link stays at 1500. Whatever reads the link's MTU takes 1500: a VXLAN device gets 1450 from the kernel, and container
# networks that look at the link do the same sum. The kernel goes by the route, so 1350 bytes go through that device in one
# packet and 1351 in two fragments, without an error anywhere. `ip link` shows nothing wrong; `ip route` does.
# Other clients of DHCP that take the option set the link.
# Met on hosts of a provider whose network carries 1400 and says so by DHCP.
# Needs root, mmdebstrap, a kernel with veth and vxlan. Packages go into a temporary folder, devices into namespaces.
# APT_OPTIONS: one more line of apt.conf, where this machine's mirror needs it.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export LC_ALL=C

cat >"$work/try" <<'TRY'
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mkdir -p /run/netns /run/dhcpcd; cd /root
ip netns add there; ip link set lo up; ip link add e0 type veth peer name s0 netns there
ip -n there link set s0 up; ip -n there address add 10.78.0.1/24 dev s0
ip netns exec there dnsmasq --no-daemon --user=root --port=0 --interface=s0 --bind-interfaces --conf-file=/dev/null \
  --dhcp-leasefile=/root/leases --dhcp-range=10.78.0.10,10.78.0.10,1h --dhcp-option=option:mtu,1400 --log-dhcp >server 2>&1 &
for _ in $(seq 50); do grep -q "DHCP, " server && break; sleep 0.2; done
timeout 60 dhcpcd -4 -1 -w -t 40 e0 >client 2>&1 || cat client
echo "sent: $(grep -o 'option: 26 mtu .*' server | tr -s ' ' | sort -u)"
echo "link: $(ip -o link show e0 | grep -o 'mtu [0-9]*')"
ip -o route show dev e0 | sed -n 's/^\(default\|10.78.0.0.24\) .*\(mtu [0-9]*\).*/route to \1: \2/p'
ip link add v0 type vxlan id 1 dev e0 remote 10.78.0.1 local 10.78.0.10 dstport 4789
ip link set v0 up; ip address add 10.99.0.1/24 dev v0
ip -n there link add v0 type vxlan id 1 remote 10.78.0.10 local 10.78.0.1 dstport 4789
ip -n there link set v0 up; ip -n there address add 10.99.0.2/24 dev v0
echo "vxlan: $(ip -o link show v0 | grep -o 'mtu [0-9]*')"
fragments() { awk '$1 == "Ip:" && ++line == 1 { for (n = 1; n <= NF; n++) if ($n == "FragCreates") at = n } $1 == "Ip:" { found = $at } END { print found }' /proc/net/snmp; }
for size in 1350 1351; do
  before=$(fragments)
  ping -q -c 1 -W 5 -M "do" -s $((size - 28)) 10.99.0.2 >/dev/null && echo "$size bytes: answered, fragments $(($(fragments) - before))"
done
TRY

root=$work/root
mmdebstrap --quiet --mode=root --variant=essential --aptopt='Apt::Install-Recommends "false"' \
	${APT_OPTIONS:+--aptopt="$APT_OPTIONS"} --include=dhcpcd-base,dnsmasq-base,iproute2,iputils-ping,mawk,mount \
	sid "$root" >"$work/log" 2>&1 || { tail -n 5 "$work/log"; exit 2; }
chroot "$root" dpkg-query -W -f '${Package} ${Version}\n' dhcpcd-base dnsmasq-base
cp "$work/try" "$root/root/try"
timeout 120 unshare --net --mount --pid --fork --kill-child \
	sh -c "mount --bind \"\$1\" \"\$1\" && exec chroot \"\$1\" sh /root/try" sh "$root" >"$work/seen" 2>&1 || true
cat "$work/seen"
cat >"$work/wanted" <<'EOF2'
sent: option: 26 mtu 1400
link: mtu 1500
route to default: mtu 1400
route to 10.78.0.0/24: mtu 1400
vxlan: mtu 1450
1350 bytes: answered, fragments 0
1351 bytes: answered, fragments 2
EOF2
cmp -s "$work/seen" "$work/wanted" || { echo "CHANGED"; exit 1; }
echo "as described"
