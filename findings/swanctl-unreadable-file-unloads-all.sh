#!/bin/sh
# strongSwan 5.9.8 (Debian 12), 6.0.1 (13) and 6.1.0: `swanctl --load-conns --file FILE` with a file that can't be opened unloads every
# connection and exits 0. It says "failed to open config file" and goes on with an empty configuration: what is loaded and
# not in it is unloaded, so charon answers nobody any more. Met with AppArmor: Debian's enforcing profile of swanctl lets
# it read /etc/swanctl and nothing else, so a file in /run, which root can read, is such a file. A folder, or a file that
# isn't there, does the same. So the exit code says nothing: look for the file before, or at --list-conns afterwards.
# Needs root, mmdebstrap, unshare, iproute2. Packages of Debian suites go into a temporary folder; charon runs in network,
# mount and process namespaces of its own and talks to nobody.
# APT_OPTIONS: one more line of apt.conf, where this machine's mirror needs it.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export LC_ALL=C
changed=0

# inside the namespaces: $1 root
cat >"$work/run" <<'RUN'
set -eu
mount --make-rprivate /
mount --bind "$1" "$1"
mount -t proc proc "$1/proc"
mount --rbind /dev "$1/dev"
mount -t tmpfs -o mode=0755 tmpfs "$1/run"
ip link set lo up
chroot "$1" /usr/sbin/charon-systemd >"$1/run/log" 2>&1 &
for _ in $(seq 100); do [ -S "$1/run/charon.vici" ] && break; sleep 0.1; done
printf 'connections {\n one {\n remote_addrs = 192.0.2.1\n }\n}\n' >"$1/run/one.conf"
chroot "$1" swanctl --load-conns --file /run/one.conf >/dev/null 2>&1
echo "before: $(chroot "$1" swanctl --list-conns 2>/dev/null | grep -c '^one:')"
code=0
chroot "$1" swanctl --load-conns --file /run/missing.conf >"$1/run/said" 2>&1 || code=$?
grep -v "^plugin " "$1/run/said"
echo "exit: $code"
echo "after: $(chroot "$1" swanctl --list-conns 2>/dev/null | grep -c '^one:' || :)"
RUN

look() { # $1 suite, $2 version
  root=$work/$1
  mmdebstrap --quiet --mode=root --variant=minbase --aptopt='Apt::Install-Recommends "false"' \
    ${APT_OPTIONS:+--aptopt="$APT_OPTIONS"} --include=charon-systemd,strongswan-swanctl,libstrongswan-standard-plugins \
    "$1" "$root" >"$work/log" 2>&1 || { tail -n 5 "$work/log"; exit 2; }
  # shellcheck disable=SC2016  # dpkg's own
  version=$(chroot "$root" dpkg-query -W -f '${Version}' strongswan-swanctl)
  echo "$1: strongSwan $version"
  case $version in "$2"*) ;; *) echo "  expected $2"; changed=1 ;; esac
  got=$(unshare --net --mount --pid --fork --kill-child sh "$work/run" "$root")
  echo "$got" | sed 's/^/  /'
  for line in "before: 1" "no connections found, 1 unloaded" "exit: 0" "after: 0"; do
    echo "$got" | grep -qxF "$line" || { echo "  expected: $line"; changed=1; }
  done
}
look bookworm 5.9.8
look trixie 6.0.1
[ "$changed" = 0 ] || { echo "CHANGED"; exit 1; }
echo "as described"
