#!/bin/sh
# systemd-networkd 252 (Debian 12) and 262 (Debian sid): where there is no /etc/machine-id, a link whose .network file
# sets a static IPv4 address stays without that address as long as the link listens to IPv6 routers, which is the default
# for a host. Static IPv4 has no use for a machine id. With IPv6AcceptRA=no, or with a machine id, the address is set.
# Met with networkd under another init in a freshly unpacked root, whose machine id is empty as it should be: the node's
# underlay address was missing, and nothing else was.
# Needs root, mmdebstrap, unshare. Packages of two Debian suites go into a temporary folder; nothing else is changed.
# APT_OPTIONS: one more line of apt.conf, where this machine's mirror needs it.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export LC_ALL=C

cat >"$work/try.sh" <<'IN'
# in a root of its own, in mount and network namespaces of its own: $1 machine id or "none", $2 extra line of [Network]
set -eu
mount -t proc proc /proc
mount -t sysfs -o ro sysfs /sys # read-only: the daemon then takes links as they are, without udev
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /etc/systemd/network
rm -f /etc/machine-id
[ "$1" = none ] || echo "$1" >/etc/machine-id
printf '[Match]\nName=eth1\n\n[Network]\nAddress=192.0.2.1/24\n%s\n' "$2" >/etc/systemd/network/20-lan.network
ip link add eth1 type veth peer name peer1
ip link set peer1 up
mkdir -p /run/systemd/netif/links /run/systemd/netif/leases /run/systemd/netif/lldp
chown -R systemd-network: /run/systemd/netif
/usr/lib/systemd/systemd-networkd >/run/log 2>&1 &
daemon=$!
found=absent
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do
  sleep 0.5
  if ip -4 -o addr show dev eth1 | grep -q 'inet 192.0.2.1/'; then found=set; break; fi
done
kill "$daemon"
wait "$daemon" 2>/dev/null || :
echo "$found"
IN

changed=0
look() { # $1 suite, $2 version of systemd
  root=$work/$1
  mmdebstrap --quiet --mode=root --variant=essential --aptopt='Apt::Install-Recommends "false"' \
    ${APT_OPTIONS:+--aptopt="$APT_OPTIONS"} --include=systemd,iproute2,mount "$1" "$root" >"$work/log" 2>&1 ||
    { tail -n 5 "$work/log"; exit 2; }
  version=$(chroot "$root" /usr/lib/systemd/systemd-networkd --version | sed -n '1s/^systemd \([0-9]*\).*/\1/p')
  echo "$1: systemd-networkd $version"
  [ "$version" = "$2" ] || { echo "  expected $2"; changed=1; }
  id=0123456789abcdef0123456789abcdef
  for case in "none||absent" "none|IPv6AcceptRA=no|set" "$id||set"; do
    machine=${case%%|*}
    rest=${case#*|}
    line=${rest%%|*}
    want=${rest#*|}
    cp "$work/try.sh" "$root/try.sh"
    got=$(unshare --mount --net sh -c 'mount --bind "$1" "$1"; exec chroot "$@"' sh "$root" sh /try.sh "$machine" "$line")
    has=yes
    [ "$machine" = none ] && has=no
    echo "  machine id: $has; extra line: ${line:-(none)}; address: $got"
    [ "$got" = "$want" ] || { echo "  expected: $want"; changed=1; }
  done
}
look bookworm 252
look sid 262
[ "$changed" = 0 ] || { echo "CHANGED"; exit 1; }
echo "as described"
