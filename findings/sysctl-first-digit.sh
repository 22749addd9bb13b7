#!/bin/sh
# dash 0.5.12 (Debian 12) and later, and busybox' ash: `read -r value </proc/sys/...` gets only the first digit of a number.
# The shell's `read` asks for a byte at a time, because what follows the line belongs to the next command. The kernel
# answers the first byte of an integer sysctl and says "end of file" to every read behind offset 0 (kernel/sysctl.c,
# proc_dointvec). No error, exit code 1 at most, as for a line without an end. bash asks for a block and seeks back: all
# digits. `cat` is right everywhere. So a script that is tried with bash, or with settings below 10, breaks under sh.
# Met where a restored net.core.xfrm_acq_expires of 165 was reported as 1.
# Needs root, mmdebstrap. Packages of two Debian suites go into a temporary folder; nothing else is changed.
# APT_OPTIONS: one more line of apt.conf, where this machine's mirror needs it.
set -eu
work=$(mktemp -d)
trap 'umount "$work"/*/proc 2>/dev/null || true; rm -rf "$work"' EXIT
export LC_ALL=C
changed=0

look() { # $1 suite, $2 version of dash, $3 version of busybox
  root=$work/$1
  mmdebstrap --quiet --mode=root --variant=essential --aptopt='Apt::Install-Recommends "false"' \
    ${APT_OPTIONS:+--aptopt="$APT_OPTIONS"} --include=dash,busybox,bash "$1" "$root" >"$work/log" 2>&1 ||
    { tail -n 5 "$work/log"; exit 2; }
  for package in dash busybox; do
    version=$(chroot "$root" dpkg-query -W -f '${Version}' "$package")
    [ "$package" = dash ] && wanted=$2 || wanted=$3
    echo "$1: $package $version"
    case $version in "$wanted"*) ;; *) echo "  expected $wanted"; changed=1 ;; esac
  done
  mount -t proc proc "$root/proc"
  all=$(cat "$root/proc/sys/kernel/threads-max")
  first=$(printf %.1s "$all")
  for shell in dash "busybox sh" bash; do
    # shellcheck disable=SC2086  # two words
    got=$(chroot "$root" $shell -c 'read -r value </proc/sys/kernel/threads-max; echo "$value"')
    [ "$shell" = bash ] && expected=$all || expected=$first
    echo "  $shell: $got of $all"
    [ "$got" = "$expected" ] || { echo "  expected $expected"; changed=1; }
  done
  umount "$root/proc"
}
look bookworm 0.5.12 1:1.35
look trixie 0.5.12 1:1.37
[ "$changed" = 0 ] || { echo "CHANGED"; exit 1; }
echo "as described"
