#!/bin/sh
# cloud-init 26.2 (Debian sid) and 25.1.4 (Debian 13): which MTUs of one network configuration reach the host depends on
# the renderer, and cloud-init chooses that by what it finds installed. Six MTUs of version 2, each a valid key of it:
#   network-manager drops those of a VLAN and of a bridge; those of an ethernet and a bond it writes. A VLAN
#     without one gets that of the bond below it from the kernel.
#   networkd, eni and sysconfig drop the MTU of a route; network-manager and netplan write it.
#   ipv6-mtu comes out of netplan alone.
# In version 1 a subnet's `mtu` goes before its device's, with a warning, in all but networkd, which takes the device's
# and says nothing. The exit code is always 0.
# Needs root, mmdebstrap. Packages of two Debian suites go into a temporary folder; no daemon and no device is started.
# APT_OPTIONS: one more line of apt.conf, where this machine's mirror needs it.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export LC_ALL=C
changed=0

cat >"$work/v2.yaml" <<'END'
network:
  version: 2
  ethernets:
    eth0:
      match: {macaddress: "52:54:00:00:00:01"}
      set-name: eth0
      mtu: 1450
      ipv6-mtu: 1310
      addresses: [192.0.2.1/24, "2001:db8::1/64"]
      routes: [{to: 10.9.0.0/16, via: 192.0.2.254, mtu: 1420}]
    eth1: {match: {macaddress: "52:54:00:00:00:02"}, set-name: eth1}
    eth2: {match: {macaddress: "52:54:00:00:00:03"}, set-name: eth2}
  bonds:
    bond0: {interfaces: [eth1], mtu: 1490, addresses: [198.51.100.1/24]}
  vlans:
    vlan10: {id: 10, link: bond0, mtu: 1410, addresses: [203.0.113.1/24]}
  bridges:
    br0: {interfaces: [eth2], mtu: 1380, addresses: [10.0.0.1/24]}
END
cat >"$work/v1.yaml" <<'END'
network:
  version: 1
  config:
    - type: physical
      name: eth0
      mac_address: "52:54:00:00:00:01"
      mtu: 1450
      subnets:
        - {type: static, address: 192.0.2.1/24, mtu: 1440}
END

convert() { # $1 root, $2 file, $3 renderer, $4 distribution: the folder of what it wrote
  rm -rf "$1/out"
  cp "$work/$2" "$1/in.yaml"
  chroot "$1" cloud-init devel net-convert -p /in.yaml -k yaml -O "$3" -D "$4" -d /out >"$work/said" 2>&1 \
    || { cat "$work/said"; exit 2; }
}

mtus() { # $1 root, then the values to look for: those that stand in any file
  root=$1
  shift
  for value; do
    if grep -rqiE "mtu(bytes)?[=: ]+\"?$value\b" "$root/out"; then printf ' %s' "$value"; fi
  done
}

expect() { # $1 what was looked at, $2 seen, $3 expected
  echo "  $1:${2:- none}"
  [ "$2" = "$3" ] || { echo "  expected:$3"; changed=1; }
}

look() { # $1 suite, $2 version of cloud-init, $3 networkd's in version 2
  root=$work/$1
  mmdebstrap --quiet --mode=root --variant=minbase --aptopt='Apt::Install-Recommends "false"' \
    ${APT_OPTIONS:+--aptopt="$APT_OPTIONS"} --include=cloud-init,systemd "$1" "$root" >"$work/log" 2>&1 \
    || { tail -n 5 "$work/log"; exit 2; }
  # shellcheck disable=SC2016  # dpkg's own
  version=$(chroot "$root" dpkg-query -W -f '${Version}' cloud-init)
  echo "$1: cloud-init $version; version 2: link 1450, IPv6 1310, route 1420, bond 1490, VLAN 1410, bridge 1380"
  case $version in "$2"*) ;; *) echo "  expected $2"; changed=1 ;; esac
  while read -r renderer distribution expected; do
    convert "$root" v2.yaml "$renderer" "$distribution"
    [ "$renderer" = networkd ] && expected=$3
    expect "$renderer" "$(mtus "$root" 1450 1310 1420 1490 1410 1380)" " $expected"
  done <<'END'
netplan ubuntu 1450 1310 1420 1490 1410 1380
network-manager fedora 1450 1420 1490
networkd debian -
eni debian 1450 1490 1410 1380
sysconfig rhel 1450 1490 1410 1380
END
  echo "  version 1: link 1450, its subnet 1440"
  while read -r renderer distribution expected warned; do
    convert "$root" v1.yaml "$renderer" "$distribution"
    expect "$renderer" "$(mtus "$root" 1450 1440)" " $expected"
    said=no
    grep -q 'ignoring eth0 device-level mtu' "$work/said" && said=yes
    [ "$said" = "$warned" ] || { echo "  warned: $said, expected $warned"; changed=1; }
  done <<'END'
netplan ubuntu 1440 yes
network-manager fedora 1440 yes
networkd debian 1450 no
eni debian 1440 yes
sysconfig rhel 1440 yes
END
}
look trixie 25.1 "1450 1490 1410 1380"
look sid 26.2 "1450 1490 1410 1380"
[ "$changed" = 0 ] || { echo "CHANGED"; exit 1; }
echo "as described"
