#!/bin/sh
# node.sh NODE: start one node in the foreground, on its own copy-on-write layer, in its own cgroup and network. Called again
# each time the node ends, so a node's reboot or power cut brings back its files but none of its processes, links or rules.
set -u
node=$1
home=/var/lib/lab/$node
root=$home/root
cgroup=/sys/fs/cgroup/$node
# shellcheck source=/dev/null
. /run/lab/guest/lab.env

release=$(cat "/run/lab/guest/$node.release")
lower=/run/lab-roots/$release
[ -d "$lower" ] || lower=/
if ! mountpoint -q "$root"; then
    mkdir -p "$home/upper" "$home/work" "$root"
    mount -t overlay -o "lowerdir=$lower,upperdir=$home/upper,workdir=$home/work" overlay "$root" || exit 1
    cp -a "/run/lab/nodes/$node/." "$root/" || exit 1
fi

# What the last start left: without this, nspawn can't make its cgroup and the link's name is taken.
if [ -d "$cgroup" ]; then
    echo 1 >"$cgroup/cgroup.kill"
    tries=0
    while ! find "$cgroup" -depth -type d -exec rmdir {} + 2>/dev/null && [ $tries -lt 100 ]; do
        sleep 0.1
        tries=$((tries + 1))
    done
fi
ip link del "vb-$node" 2>/dev/null
mkdir -p "$cgroup"
echo $$ >"$cgroup/cgroup.procs" || exit 1

number=${node#n}
mac=$(printf '02:77:00:00:00:%02x' "$number")
ip link add "vb-$node" mtu "$LAB_MTU" type veth peer name "nic-$node" mtu "$LAB_MTU" address "$mac" || exit 1
ethtool -K "vb-$node" tso off gso off gro off
ethtool -K "nic-$node" tso off gso off gro off
ip link set "vb-$node" master br0 up || exit 1
# nspawn waits for udev to have seen the link; there is none in the guest, so this is what udev would note.
mkdir -p /run/udev/data
echo I:1 >"/run/udev/data/n$(cat "/sys/class/net/nic-$node/ifindex")"

# The modules in a node's own root may be of another kernel than the one that runs.
# In a virtual machine a node may do all; on the host's own kernel only what nspawn gives by default, and its own network.
capabilities=all
console=${LAB_CONSOLE:-/dev/ttyS0}
set -- --bind-ro=/usr/lib/modules
if [ -n "${LAB_DIRECT:-}" ]; then
    capabilities=CAP_NET_ADMIN,CAP_NET_RAW
    console=/run/lab-console
    set --
fi
exec env SYSTEMD_NSPAWN_API_VFS_WRITABLE=network systemd-nspawn --quiet --directory="$root" --machine="$node" \
    --bind="$console:/dev/lab" "$@" --boot --register=no --keep-unit --link-journal=no --network-interface="nic-$node" --capability="$capabilities" \
    --resolv-conf=off --timezone=off --console=pipe
