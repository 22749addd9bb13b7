#!/bin/sh
# docker_live.sh FOLDER: dockerd with our files, in namespaces of its own; prints one JSON line for each network.
# FOLDER holds daemon.json and the option's values (bridge, overlay, encrypted). Mounts, links and processes end with
# the namespaces that this runs in; the cgroup is removed by the caller.
set -eu
folder=$1
group=$2
work=/run/w # short: a socket's path has 107 bytes at most
mount --make-rprivate /
mount -t tmpfs none /run
mkdir "$work" && mount -t tmpfs none "$work"
mkdir "$work/cgroup" && mount --rbind /sys/fs/cgroup "$work/cgroup"
mount -t sysfs none /sys
mount --rbind "$work/cgroup" /sys/fs/cgroup
ip link set lo up
ip link add eth0 type veth peer name far
ip addr add 192.0.2.1/24 dev eth0
ip link set eth0 up
ip link set far up
dockerd --config-file "$folder/daemon.json" --data-root "$work/data" --exec-root "$work/exec" --pidfile "$work/pid" \
	--host "unix://$work/socket" --storage-driver vfs --iptables=false --ip6tables=false --cgroup-parent "/$group" \
	>"$folder/dockerd.log" 2>&1 &
d() { timeout 60 docker --host "unix://$work/socket" "$@"; }
for _ in $(seq 60); do d version >/dev/null 2>&1 && break; sleep 0.5; done
mkdir -p "$work/image/bin"
cp "$(command -v busybox)" "$work/image/bin/ip"
tar -C "$work/image" -c . | d import - ipsecplan-test >/dev/null
# seen NAME ARGUMENTS...: the MTU of eth0 in a container
seen() {
	name=$1
	shift
	line=$(d run --rm --security-opt seccomp=unconfined --security-opt apparmor=unconfined "$@" ipsecplan-test \
		/bin/ip link show dev eth0 | head -n 1)
	mtu=${line#* mtu }
	echo "{\"network\": \"$name\", \"mtu\": ${mtu%% *}}"
}
option=com.docker.network.driver.mtu
seen default
d network create --opt "$option=$(cat "$folder/bridge")" own >/dev/null
seen own --network own
d swarm init --advertise-addr 192.0.2.1 --listen-addr 192.0.2.1 >/dev/null
d network create --driver overlay --attachable --opt "$option=$(cat "$folder/overlay")" over >/dev/null
seen overlay --network over
d network create --driver overlay --attachable --opt encrypted --opt "$option=$(cat "$folder/encrypted")" dark >/dev/null
seen encrypted --network dark
