#!/bin/sh
# power.sh cut|off|on NODE: what a hand at the plug would do. The loop in init.sh starts the node again, unless it is off.
set -eu
verb=$1
node=$2
case $verb in
cut) rm -f "/run/lab/$node.off" ;;
off) : >"/run/lab/$node.off" ;;
on)
    rm -f "/run/lab/$node.off"
    exit 0
    ;;
*) exit 2 ;;
esac
if [ -e "/sys/fs/cgroup/$node/cgroup.kill" ]; then
    echo 1 >"/sys/fs/cgroup/$node/cgroup.kill"
fi
ip link del "vb-$node" 2>/dev/null || :
