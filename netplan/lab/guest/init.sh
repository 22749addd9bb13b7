#!/bin/sh
# Process 1 of "the guest": the lab's virtual machine, a kernel that is a program (which sets LAB_DISKS, LAB_CONSOLE and
# LAB_CARD) or, with LAB_DIRECT set, a set of namespaces on the host's own kernel (see direct.sh). Its root is a read-only ext4 image, which is also the lowest layer of every node. Which cluster to make is
# told by a tar archive: the second disk, or a file.
set -u
export PATH=/usr/sbin:/usr/bin:/sbin:/bin

say() {
    read -r up _ </proc/uptime
    echo "lab: $up $*"
}

if [ -z "${LAB_DIRECT:-}" ]; then
    mount -t proc proc /proc
    mount -t sysfs sysfs /sys
    mount -t devtmpfs dev /dev 2>/dev/null
    mkdir -p /dev/pts /dev/shm
    mount -t devpts devpts /dev/pts
    mount -t tmpfs shm /dev/shm
    mount -t tmpfs -o mode=755 run /run
    mount -t tmpfs tmp /tmp
    mount -t tmpfs -o mode=755 nodes /var/lib/lab
    mount -t cgroup2 cgroup /sys/fs/cgroup
    echo "+cpu +memory +pids" >/sys/fs/cgroup/cgroup.subtree_control
fi
say init

disks=${LAB_DISKS:-/dev/vd}
mkdir -p -m 700 /run/lab
tar -x -C /run/lab -f "${LAB_DISK:-${disks}b}" || say "no configuration on the second disk"
# shellcheck source=/dev/null
. /run/lab/guest/lab.env
if [ -d /run/lab/modules ]; then # lists of what a kernel has built in that this root does not know
    mount --bind /run/lab/modules /usr/lib/modules
fi
if [ -z "${LAB_DIRECT:-}" ]; then
    # One call for all: a module that is missing must not keep the rest from loading. Others come on first use.
    modprobe -q -a virtio_net virtio_rng bridge veth overlay esp4 esp6 xfrm_user xfrm_interface vxlan geneve \
        nf_tables nft_xfrm nft_ct gcm ccm ctr cbc echainiv seqiv dummy tun
    # Devices that come with drivers: a node has only those that somebody made.
    sysctl -q -w net.core.fb_tunnels_only_for_init_net=1
    # The neighbours of all nodes are in one table: it is as large as theirs would be together.
    set -- $LAB_NODES
    sysctl -q -w net.ipv4.neigh.default.gc_thresh1=$((128 * $#)) net.ipv4.neigh.default.gc_thresh2=$((512 * $#)) \
        net.ipv4.neigh.default.gc_thresh3=$((1024 * $#))
    sysctl -q -w net.ipv6.neigh.default.gc_thresh1=$((128 * $#)) net.ipv6.neigh.default.gc_thresh2=$((512 * $#)) \
        net.ipv6.neigh.default.gc_thresh3=$((1024 * $#))
fi
say modules
# Roots of the nodes that run another release than this machine: the disks after the second, in the order of $LAB_ROOTS.
# On the host's own kernel, direct.sh has mounted them.
set -- c d e f
for release in $LAB_ROOTS; do
    [ -z "${LAB_DIRECT:-}" ] || break
    mkdir -p "/run/lab-roots/$release"
    mount -t ext4 -o ro "$disks$1" "/run/lab-roots/$release" || say "no root of $release"
    shift
done

hostname lab-guest
ulimit -n 65536 2>/dev/null || :
# With an address of its own: else it takes the lowest of its ports', so another one when that node's power is cut, and
# QEMU's network, which learns a neighbour only when that one speaks, would send to the old one for ever.
ip -batch - <<EOF
link set lo up
link add br0 address 02:77:00:00:00:00 type bridge mcast_snooping 0
link set br0 mtu $LAB_MTU
link set br0 up
addr add $LAB_GUEST_ADDRESS dev br0
EOF
# A capture must show what the wire would: no frame joined or left unsplit by an offload.
ethtool -K br0 tso off gso off gro off 2>/dev/null
card=${LAB_CARD:-eth0}
if [ -e "/sys/class/net/$card" ]; then
    ip link set "$card" name uplink mtu "$LAB_MTU"
    ip link set uplink master br0 up
    ethtool -K uplink tso off gso off gro off 2>/dev/null
fi

mkdir -p -m 755 /run/sshd
sed 's#^HostKey .*#HostKey /run/lab/guest/ssh_host_ed25519_key#' /etc/ssh/sshd_config.d/lab.conf >/run/lab/sshd_config
echo "AuthorizedKeysFile /run/lab/guest/authorized_keys" >>/run/lab/sshd_config
/usr/sbin/sshd -f /run/lab/sshd_config

# Eight start at the same time: systemd gives a unit of a node 90 s, and all of them share the processors.
started=0
for node in $LAB_NODES; do
    while set -- /var/lib/lab/*/upper/var/lib/lab-ready && [ $((started - $#)) -ge 8 ]; do sleep 0.2; done
    started=$((started + 1))
    (
        while :; do
            /usr/lib/ipsecplan-lab/node.sh "$node" </dev/null
            status=$?
            say "node $node ended with status $status"
            while [ -e "/run/lab/$node.off" ]; do sleep 0.2; done
            [ $status = 1 ] && sleep 3 # it did not even start
        done
    ) &
done
say "nodes started"
while :; do
    wait
    sleep 5
done
