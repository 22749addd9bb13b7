#!/bin/sh
# iproute2 6.1 (Debian 12) and 7.3 (Debian sid): `ip -j link show type KIND` answers with one empty object for each link
# that is of another kind, as long as the kernel has not loaded the module of KIND. As text the same command prints
# nothing. With the module, the kernel leaves these links out itself and the answer is []. So the number of elements is
# that of all links on one host and 0 on the next, and whoever reads a name out of each element fails on a host that never
# had such a device. `ip -j addr show type KIND` does the same.
# Met where a node that had never had an XFRM interface was asked for those it has.
# Needs root, mmdebstrap, unshare. Packages of two Debian suites go into a temporary folder; nothing else is changed.
# APT_OPTIONS: one more line of apt.conf, where this machine's mirror needs it.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export LC_ALL=C

kind=batadv # of a module that this machine has not loaded
[ ! -d /sys/module/batman_adv ] || kind=gtp
cat >"$work/try.sh" <<'IN'
# in a network namespace of its own, with lo and a pair of veth: $1 kind
ip link add v0 type veth peer name v1 2>/dev/null
echo "$(ip -j link | grep -o ifname | wc -l) links"
echo "link, text: $(ip link show type "$1" | wc -l) lines; JSON: $(ip -j link show type "$1")"
echo "addr, text: $(ip addr show type "$1" | wc -l) lines; JSON: $(ip -j addr show type "$1")"
echo "link of a kind that is there: $(ip -j link show type veth | grep -o ifname | wc -l) names in $(ip -j link show type veth | grep -o '{' | wc -l) objects"
IN

changed=0
look() { # $1 suite, $2 version of iproute2
  root=$work/$1
  mmdebstrap --quiet --mode=root --variant=essential --aptopt='Apt::Install-Recommends "false"' \
    ${APT_OPTIONS:+--aptopt="$APT_OPTIONS"} --include=iproute2 "$1" "$root" >"$work/log" 2>&1 ||
    { tail -n 5 "$work/log"; exit 2; }
  version=$(chroot "$root" ip -V 2>/dev/null | sed -n 's/.*iproute2-\([0-9]*\.[0-9]*\).*/\1/p')
  echo "$1: iproute2 $version"
  [ "$version" = "$2" ] || { echo "  expected $2"; changed=1; }
  cp "$work/try.sh" "$root/try.sh"
  unshare --net chroot "$root" sh /try.sh "$kind" 2>/dev/null >"$work/got"
  sed 's/^/  /' "$work/got"
  cat >"$work/want" <<END
3 links
link, text: 0 lines; JSON: [{},{},{}]
addr, text: 0 lines; JSON: [{},{},{}]
link of a kind that is there: 2 names in 2 objects
END
  cmp -s "$work/got" "$work/want" || { echo "  expected:"; sed 's/^/  /' "$work/want"; changed=1; }
}
look bookworm 6.1
look sid 7.3
[ "$changed" = 0 ] || { echo "CHANGED"; exit 1; }
echo "as described"
