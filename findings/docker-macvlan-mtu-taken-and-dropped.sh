#!/bin/sh
# Docker 28.5.2 (Debian sid) and 26.1.5 (Debian 13): `--opt com.docker.network.driver.mtu=1400` on a macvlan network is
# taken, stored and shown by `docker network inspect`, and does nothing: the container has the MTU of the parent link.
# The same option on a bridge network counts. A number that is none is refused for a bridge and stored for macvlan, so
# nothing tells the two apart. On a host with jumbo frames whose overlay or IPsec path carries 1400, containers send 9000.
# Needs root, mmdebstrap and a kernel with macvlan. Packages of two Debian suites go into a temporary folder; dockerd runs
# in namespaces of its own, with one virtual cable, for half a minute each.
# APT_OPTIONS: one more line of apt.conf, where this machine's mirror needs it.
set -eu
export LC_ALL=C

if [ "${1:-}" = inside ]; then # in namespaces of mounts, networks and processes
  root=$2
  group=$3
  mount --make-rprivate /
  mount --bind "$root" "$root"
  mount -t proc proc "$root/proc"
  mount -t sysfs sysfs "$root/sys"
  mount --rbind /sys/fs/cgroup "$root/sys/fs/cgroup"
  mount --rbind /dev "$root/dev"
  mount -t tmpfs tmpfs "$root/run"
  ip link set lo up
  ip link add parent0 mtu 9000 type veth peer name far mtu 9000
  ip link set parent0 up
  ip link set far up
  cat >"$root/inside.sh" <<'END'
w=/run/w
mkdir -p $w/image/bin
dockerd --config-file /dev/null --data-root $w/data --exec-root $w/exec --pidfile $w/pid --host unix://$w/socket \
  --storage-driver vfs --iptables=false --ip6tables=false --exec-opt native.cgroupdriver=cgroupfs --cgroup-parent "/$1" >$w/log 2>&1 &
d() { timeout 60 docker --host unix://$w/socket "$@"; }
for _ in $(seq 60); do d version >/dev/null 2>&1 && break; sleep 0.5; done
cp /bin/busybox $w/image/bin/ip
tar -C $w/image -c . | d import - image >/dev/null
option=com.docker.network.driver.mtu
for driver in bridge macvlan; do
  parent=
  [ $driver = bridge ] || parent="--opt parent=parent0"
  d network create --driver $driver $parent --opt $option=1400 a-$driver >/dev/null
  line=$(d run --rm --network a-$driver --security-opt seccomp=unconfined --security-opt apparmor=unconfined image \
    /bin/ip link show dev eth0 | head -n 1)
  line=${line#* mtu }
  echo "$driver: inspect $(d network inspect --format "{{index .Options \"$option\"}}" a-$driver), container ${line%% *}"
  d network rm a-$driver >/dev/null
  said=refused
  d network create --driver $driver $parent --opt $option=large a-$driver >/dev/null 2>&1 && said=taken
  echo "$driver: the MTU \"large\" is $said"
done
kill "$(cat $w/pid)"
for _ in $(seq 60); do [ -e $w/pid ] || break; sleep 0.5; done
END
  chroot "$root" sh /inside.sh "$group"
  exit 0
fi

work=$(mktemp -d)
group=finding-$$
clean() {
  find /sys/fs/cgroup -depth -type d -path "*/$group*" -exec rmdir {} + 2>/dev/null || true
  rm -rf "$work"
}
trap clean EXIT
changed=0
look() { # $1 suite, $2 version of Docker
  root=$work/$1
  mmdebstrap --quiet --mode=root --variant=minbase --aptopt='Apt::Install-Recommends "false"' \
    ${APT_OPTIONS:+--aptopt="$APT_OPTIONS"} --include=docker.io,docker-cli,busybox-static "$1" "$root" >"$work/log" 2>&1 \
    || { tail -n 5 "$work/log"; exit 2; }
  # shellcheck disable=SC2016  # dpkg's own
  version=$(chroot "$root" dpkg-query -W -f '${Version}' docker.io)
  echo "$1: docker.io $version"
  case $version in "$2"*) ;; *) echo "  expected $2"; changed=1 ;; esac
  timeout 180 unshare --mount --net --pid --fork --kill-child -- sh "$0" inside "$root" "$group" >"$work/seen" 2>"$work/said" \
    || { cat "$work/said"; exit 2; }
  cat "$work/seen"
  cmp -s "$work/seen" "$work/expected" || changed=1
}
cat >"$work/expected" <<'END'
bridge: inspect 1400, container 1400
bridge: the MTU "large" is refused
macvlan: inspect 1400, container 9000
macvlan: the MTU "large" is taken
END
look trixie 26.1.5
look sid 28.5.2
[ "$changed" = 0 ] || { echo "CHANGED"; exit 1; }
echo "as described"
