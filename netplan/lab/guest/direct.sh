#!/bin/sh
# direct.sh FOLDER IMAGE CGROUP PROGRAM MARKER [RELEASE=IMAGE...]: become "the guest" on the host's own kernel and run PROGRAM of the image as
# process 1. To be started in mount, network, UTS and IPC namespaces of its own, so that nothing here reaches the host and all
# of it is gone with its last process. FOLDER has config.tar, console.log and the empty folders root and cgroup. MARKER is not
# used: by that word the process is known. Further images are the roots of nodes of other releases.
set -eu
folder=$1
image=$2
cgroup=$3
program=$4
marker=$5
shift 5

if [ -z "${LAB_STAGE:-}" ]; then
    mount --make-rprivate /
    mount -t cgroup2 cgroup "$folder/cgroup"
    mkdir -p "$folder/cgroup/$cgroup"
    echo $$ >"$folder/cgroup/$cgroup/cgroup.procs"
    export LAB_STAGE=2
    exec unshare --pid --cgroup --fork --kill-child=KILL -- sh "$0" "$folder" "$image" "$cgroup" "$program" "$marker" "$@"
fi

root=$folder/root
umount "$folder/cgroup"
mount -o ro,loop "$image" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount -t cgroup2 cgroup "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=755 dev "$root/dev"
mount -t tmpfs -o mode=755 run "$root/run"
mount -t tmpfs tmp "$root/tmp"
mount -t tmpfs -o mode=755 nodes "$root/var/lib/lab"
for other; do
    mkdir -p "$root/run/lab-roots/${other%%=*}"
    mount -o ro,loop "${other#*=}" "$root/run/lab-roots/${other%%=*}"
done
mkdir "$root/dev/pts" "$root/dev/shm" "$root/dev/net"
mount -t devpts -o newinstance,ptmxmode=666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
for device in null zero full random urandom tty net/tun; do
    [ -e "/dev/$device" ] || continue
    : >"$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
: >"$root/run/lab-console"
mount --bind "$folder/console.log" "$root/run/lab-console"
: >"$root/run/config.tar"
mount --bind -o ro "$folder/config.tar" "$root/run/config.tar"
cd "$root"
# Debian after 13 has the program in util-linux-extra, which few machines have.
if command -v pivot_root >/dev/null; then pivot_root . .; else busybox pivot_root . .; fi
umount -l .
export LAB_DIRECT=1 LAB_DISK=/run/config.tar
# What no lab needs and what would reach the host: its clock, its modules, its hardware, its log.
exec chroot . setpriv --bounding-set -sys_time,-sys_module,-sys_rawio,-syslog,-mac_admin,-mac_override "$program"
