#!/bin/sh
# boot.sh LINUX CABLE GATEWAY MTU MARKER ARGUMENT...: run the kernel LINUX, which is a program, with ARGUMENTs. To be started in
# mount, network and PID namespaces of its own: the device CABLE, which the guest's network card reads and writes, is in no
# network of the host, and the kernel's processes end with this one. GATEWAY is the address with prefix length of the cable's
# other end. By MARKER the process is known.
set -eu
linux=$1
cable=$2
gateway=$3
mtu=$4
shift 5
mount --make-rprivate /
mount -t proc proc /proc
ip link set lo up
ip link add gateway mtu "$mtu" type veth peer name "$cable" mtu "$mtu"
# Frames as on a wire: one that joins several segments is dropped by the card, and TCP stalls.
ip link set gateway gso_max_segs 1 up
ip link set "$cable" gso_max_segs 1 up
ip addr add "$gateway" dev gateway
"$linux" "$@" </dev/null
