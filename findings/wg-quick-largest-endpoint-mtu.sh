#!/bin/bash
# wg-quick of wireguard-tools 1.0.20210914 (Debian 12): without `MTU =` it takes the largest MTU among the routes to
# the peers' endpoints, less 80, where only the smallest fits all of them. One peer over a route of 1400 bytes gets 1320,
# one over 1500 gets 1420; a configuration with both gets 1420, so packets above 1320 bytes to the first peer need
# fragments outside the tunnel, or are lost where those are. Adding a peer can raise the MTU of those that were there.
# Needs root, unshare, iproute2, apt-get download. Two packages are unpacked into a temporary folder; the interface is
# wireguard-go's, in network and mount namespaces of its own, and talks to nobody.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export LC_ALL=C
chmod 755 "$work"
(cd "$work" && apt-get download -qq wireguard-tools wireguard-go >log 2>&1) || { tail -n 5 "$work/log"; exit 2; }
for package in "$work"/*.deb; do
  dpkg-deb -W --showformat='${Package} ${Version}\n' "$package"
  dpkg-deb -x "$package" "$work/root"
done

cat >"$work/run" <<'RUN'
set -eu
export PATH=$1/root/usr/bin:$PATH WG_QUICK_USERSPACE_IMPLEMENTATION=wireguard-go
mount -t tmpfs tmpfs /run
ip link set lo up
ip link add lan type veth peer name other
ip address add 192.0.2.1/24 dev lan
ip link set lan up
ip link set other up
ip route add 198.51.100.1/32 via 192.0.2.2 mtu 1400
ip route add 198.51.100.2/32 via 192.0.2.2
umask 077
mkdir "$1/wg"
own=$(wg genkey) one=$(wg genkey | wg pubkey) two=$(wg genkey | wg pubkey)
head="[Interface]
PrivateKey = $own
Address = 10.9.0.1/24"
narrow="[Peer]
PublicKey = $one
AllowedIPs = 10.9.0.2/32
Endpoint = 198.51.100.1:51820"
wide="[Peer]
PublicKey = $two
AllowedIPs = 10.9.0.3/32
Endpoint = 198.51.100.2:51820"
try() { # $1 folder, $2 peers
  printf '%s\n%s\n' "$head" "$2" >"$1/wg/mesh.conf"
  wg-quick up "$1/wg/mesh.conf" >"$1/said" 2>&1 || { cat "$1/said"; exit 2; }
  ip -o link show mesh | sed 's/.* mtu \([0-9]*\) .*/\1/'
  wg-quick down "$1/wg/mesh.conf" >/dev/null 2>&1
}
echo "route of 1400: $(try "$1" "$narrow")"
echo "route of 1500: $(try "$1" "$wide")"
echo "both: $(try "$1" "$narrow
$wide")"
RUN
got=$(timeout 120 unshare --net --mount --pid --fork --kill-child bash "$work/run" "$work")
echo "$got"
changed=0
for line in "route of 1400: 1320" "route of 1500: 1420" "both: 1420"; do
  echo "$got" | grep -qxF "$line" || { echo "expected: $line"; changed=1; }
done
[ "$changed" = 0 ] || { echo "CHANGED"; exit 1; }
echo "as described"
