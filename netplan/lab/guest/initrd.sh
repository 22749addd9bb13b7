#!/bin/busybox sh
# First program of the kernel: load the disk driver, mount the root read-only, hand over. Stock cloud kernels have ext4 built
# in, but the disk driver is a module.
b=/bin/busybox
$b mount -t devtmpfs dev /dev
$b mount -t proc proc /proc
while read -r module; do $b insmod "/modules/$module" 2>/dev/null; done </modules/order
tries=0
while [ ! -b /dev/vda ] && [ $tries -lt 100 ]; do
    $b sleep 0.1
    tries=$((tries + 1))
done
$b mount -t ext4 -o ro /dev/vda /root && $b umount /proc && exec $b switch_root /root /usr/lib/ipsecplan-lab/init.sh
echo "lab: the root disk could not be mounted"
$b sleep 1
$b poweroff -f
