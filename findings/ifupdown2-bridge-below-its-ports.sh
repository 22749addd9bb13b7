#!/bin/sh
# ifupdown2 3.0.0 (Debian 12 and 13): a bridge without `mtu` gets 1500 although its only port has 9000.
# The kernel gives a new bridge the smallest MTU of its ports and follows them (net/bridge/br_if.c, br_mtu_auto_adjust).
# ifupdown2 says the same of itself: a bridge "inherits mtu from its ports. There is no need to assign mtu on a bridge"
# is what it logs for a bridge that has one. But for a bridge that has none it writes its default, 1500, and a bridge
# whose MTU was once written does not follow its ports any more. So the line that it calls needless is the one that is
# needed: with `mtu 9000` in the stanza, and that remark in the log, the bridge has 9000.
# On a host whose address is on the bridge (Proxmox VE's usual way), a VXLAN of 8950 over it loses its packets; an audit
# that takes the port's MTU for the link finds nothing wrong.
# Needs root, mmdebstrap, a kernel with bridges and veth. Packages go into a temporary folder, devices into a namespace.
# APT_OPTIONS: one more line of apt.conf, where this machine's mirror needs it.
set -eu
work=$(mktemp -d)
trap 'umount "$work"/*/sys 2>/dev/null || true; rm -rf "$work"' EXIT
export LC_ALL=C
changed=0

cat >"$work/try" <<'TRY'
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mkdir -p /run/network
ip link set lo up
ip link add eth0 mtu 9000 type veth peer name far mtu 9000
ip link set far up
bridge() { cut -d " " -f 1 /sys/class/net/br0/mtu; }
ip link add br0 type bridge; ip link set eth0 master br0
echo "kernel: $(bridge)"
ip link del br0
for line in "" "mtu 9000"; do
  cat >/etc/network/interfaces <<STANZAS
auto eth0
iface eth0
    mtu 9000

auto br0
iface br0
    address 192.0.2.1/24
    bridge-ports eth0
    $line
STANZAS
  ifup -a -v 2>&1 | grep -o "no need to assign mtu on a bridge" | sort -u
  echo "ifupdown2 with '$line': $(bridge)"
  ifdown br0 2>/dev/null || true
done
TRY

look() { # $1 suite, $2 version
  root=$work/$1
  mmdebstrap --quiet --mode=root --variant=essential --aptopt='Apt::Install-Recommends "false"' \
    ${APT_OPTIONS:+--aptopt="$APT_OPTIONS"} --include=ifupdown2,iproute2,mount "$1" "$root" >"$work/log" 2>&1 ||
    { tail -n 5 "$work/log"; exit 2; }
  version=$(chroot "$root" dpkg-query -W -f '${Version}' ifupdown2)
  echo "$1: ifupdown2 $version"
  case $version in "$2"*) ;; *) echo "  expected $2"; changed=1 ;; esac
  cp "$work/try" "$root/try"
  unshare --net --mount --fork --pid timeout 120 chroot "$root" sh /try >"$work/seen" 2>&1 || true
  sed 's/^/  /' "$work/seen"
  cat >"$work/expected" <<'EXPECTED'
kernel: 9000
ifupdown2 with '': 1500
no need to assign mtu on a bridge
ifupdown2 with 'mtu 9000': 9000
EXPECTED
  cmp -s "$work/seen" "$work/expected" || changed=1
}
look bookworm 3.0.0-1.1
look trixie 3.0.0-1.3
[ "$changed" = 0 ] || { echo "CHANGED"; exit 1; }
echo "as described"
