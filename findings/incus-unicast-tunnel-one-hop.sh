#!/bin/sh
# Incus 7.0.2 (Debian sid): a bridge's VXLAN tunnel to one remote address gets a TTL of 1. `tunnel.NAME.ttl` is said to be
# for multicast routing, but its default of 1 is given to unicast tunnels, too: the first router on the way drops every
# packet. Two hosts of one subnet talk; put a router between them and nothing passes, although each link is up, both
# hosts ping each other and Incus says nothing. With `tunnel.NAME.ttl=64` it works. Two more things of the same device:
# the UDP port is 8472, not 4789, if none is given; and the bridge's MTU is 1400 whatever the link below carries, here
# 1500 and then 9000.
# Needs root, mmdebstrap and a kernel with vxlan. Packages go into a temporary folder; Incus runs in namespaces of its own
# with three hosts on virtual cables, for half a minute.
# APT_OPTIONS: one more line of apt.conf, where this machine's mirror needs it.
set -eu
export LC_ALL=C

if [ "${1:-}" = inside ]; then # in namespaces of mounts, networks and processes
  root=$2
  mount --make-rprivate /
  mount -t tmpfs netns /run
  mkdir -p "$root/var/lib/incus"
  mount --bind "$root" "$root"
  mount -t proc proc "$root/proc"
  mount -t sysfs sysfs "$root/sys"
  mount --rbind /dev "$root/dev"
  for folder in run tmp var/lib/incus var/log/incus; do mount -t tmpfs tmpfs "$root/$folder"; done
  ip link set lo up
  for name in router far; do
    ip netns add "$name"
    ip -n "$name" link set lo up
  done
  ip link add near0 type veth peer name left netns router
  ip -n router link add name right type veth peer name far0 netns far
  ip addr add 192.0.2.1/24 dev near0
  ip link set near0 up
  ip route add 198.51.100.0/24 via 192.0.2.254
  ip -n router addr add 192.0.2.254/24 dev left
  ip -n router addr add 198.51.100.254/24 dev right
  ip -n router link set left up
  ip -n router link set right up
  ip netns exec router sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
  ip -n far addr add 198.51.100.1/24 dev far0
  ip -n far link set far0 up
  ip -n far route add default via 198.51.100.254
  ip -n far link add overlay mtu 1400 type vxlan id 10 local 198.51.100.1 remote 192.0.2.1 dstport 8472 ttl 64
  ip -n far addr add 10.1.0.2/24 dev overlay
  ip -n far link set overlay up
  chroot "$root" timeout 120 /usr/libexec/incus/incusd --group root >"$root/tmp/log" 2>&1 &
  for _ in $(seq 60); do
    chroot "$root" incus info >/dev/null 2>&1 && break
    sleep 1
  done
  chroot "$root" incus network create t1 ipv4.address=10.1.0.1/24 ipv6.address=none tunnel.a.protocol=vxlan \
    tunnel.a.id=10 tunnel.a.local=192.0.2.1 tunnel.a.remote=198.51.100.1 >/dev/null
  pings() { ping -q -c 5 -i 0.2 -W 1 "$1" 2>/dev/null | sed -n 's/.* \([0-9]*\) received.*/\1/p'; }
  shape() { ip -d link show t1-a | grep -oE 'dstport [0-9]+|ttl [0-9]+' | tr '\n' ' '; cat /sys/class/net/t1/mtu; }
  mount -t sysfs sysfs /sys
  echo "underlay: $(pings 198.51.100.1) of 5 pings"
  echo "tunnel: $(shape)"
  echo "overlay: $(pings 10.1.0.2) of 5 pings"
  ip link set near0 mtu 9000
  chroot "$root" incus network set t1 tunnel.a.ttl=64
  echo "tunnel: $(shape)"
  echo "overlay: $(pings 10.1.0.2) of 5 pings"
  exit 0
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mmdebstrap --quiet --mode=root --variant=minbase --aptopt='Apt::Install-Recommends "false"' \
  ${APT_OPTIONS:+--aptopt="$APT_OPTIONS"} --include=incus,dnsmasq-base,iproute2 sid "$work/root" >"$work/log" 2>&1 \
  || { tail -n 5 "$work/log"; exit 2; }
changed=0
# shellcheck disable=SC2016  # dpkg's own
version=$(chroot "$work/root" dpkg-query -W -f '${Version}' incus)
echo "incus $version"
case $version in 7.0.2*) ;; *) echo "  expected 7.0.2"; changed=1 ;; esac
timeout 180 unshare --mount --net --pid --fork --kill-child -- sh "$0" inside "$work/root" >"$work/seen" 2>"$work/said" \
  || { cat "$work/said"; exit 2; }
cat "$work/seen"
cat >"$work/expected" <<'END'
underlay: 5 of 5 pings
tunnel: dstport 8472 ttl 1 1400
overlay: 0 of 5 pings
tunnel: dstport 8472 ttl 64 1400
overlay: 5 of 5 pings
END
cmp -s "$work/seen" "$work/expected" || changed=1
[ "$changed" = 0 ] || { echo "CHANGED"; exit 1; }
echo "as described"
