#!/bin/sh
# netplan 0.106 with NetworkManager 1.42 (Debian 12), and 1.1.2 with 1.52 (Debian 13): the `mtu` of a layer-3 tunnel (gre,
# ipip, sit, vti) is lost where the two meet. netplan writes it into the section [ethernet] of the connection's file.
# NetworkManager takes that section for a bridge or a vxlan; for these tunnels it drops the section as it reads the file,
# says nothing, and the device gets the kernel's default MTU. Its own place for it is `mtu` in [ip-tunnel], which it
# keeps. With netplan's other renderer, networkd, the same YAML has its MTU. Both programs exit 0.
# Needs root, mmdebstrap. Packages of two Debian suites go into a temporary folder; no daemon and no device is started:
# nmcli --offline reads a connection as the daemon does.
# APT_OPTIONS: one more line of apt.conf, where this machine's mirror needs it.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export LC_ALL=C
changed=0

plan() { # $1 renderer
  echo "network:"
  echo "  version: 2"
  echo "  renderer: $1"
  echo "  tunnels:"
  number=0
  for mode in gre ipip sit 'vxlan, id: 7'; do
    number=$((number + 1))
    echo "    t$number: {mode: $mode, local: 192.0.2.1, remote: 192.0.2.2, mtu: 1400, addresses: [10.0.$number.1/24]}"
  done
}

look() { # $1 suite, $2 version of netplan, $3 of NetworkManager
  root=$work/$1
  mmdebstrap --quiet --mode=root --variant=minbase --aptopt='Apt::Install-Recommends "false"' \
    ${APT_OPTIONS:+--aptopt="$APT_OPTIONS"} --include=netplan.io,network-manager "$1" "$root" >"$work/log" 2>&1 \
    || { tail -n 5 "$work/log"; exit 2; }
  for package in "netplan.io $2" "network-manager $3"; do
    name=${package% *}
    # shellcheck disable=SC2016  # dpkg's own
    version=$(chroot "$root" dpkg-query -W -f '${Version}' "$name")
    echo "$1: $name $version"
    case $version in "${package#* }"*) ;; *) echo "  expected ${package#* }"; changed=1 ;; esac
  done
  umask 077
  for renderer in networkd NetworkManager; do
    rm -rf "$root/etc/netplan" "$root/run/systemd" "$root/run/NetworkManager"
    mkdir -p "$root/etc/netplan"
    plan "$renderer" >"$root/etc/netplan/tunnels.yaml"
    chroot "$root" /usr/libexec/netplan/generate >"$work/said" 2>&1 || { cat "$work/said"; exit 2; }
    for tunnel in "1 gre" "2 ipip" "3 sit" "4 vxlan"; do
      number=${tunnel% *}
      if [ "$renderer" = networkd ]; then
        got=$(grep -h '^MTUBytes=' "$root/run/systemd/network/10-netplan-t$number.network" || echo none)
        expected=MTUBytes=1400
      else
        file=$root/run/NetworkManager/system-connections/netplan-t$number.nmconnection
        grep -q '^mtu=1400$' "$file" || { echo "  netplan wrote no mtu: $file"; changed=1; }
        got=$(chroot "$root" nmcli --offline connection modify connection.autoconnect yes <"$file" | grep '^mtu=' || echo none)
        expected=none
        [ "${tunnel#* }" = vxlan ] && expected=mtu=1400
      fi
      echo "  $renderer, ${tunnel#* }: $got"
      [ "$got" = "$expected" ] || { echo "  expected: $expected"; changed=1; }
    done
  done
  umask 022
}
look bookworm 0.106 1.42
look trixie 1.1 1.52
[ "$changed" = 0 ] || { echo "CHANGED"; exit 1; }
echo "as described"
