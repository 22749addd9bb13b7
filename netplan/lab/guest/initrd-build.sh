#!/bin/sh
# initrd-build.sh ROOT OUT SCRIPTS WORK: the first file system of the kernel, one static program and the disk drivers.
set -eu
root=$1
out=$2
scripts=$3
work=$4
release=$(ls "$root/lib/modules")
mkdir -p "$work/bin" "$work/modules" "$work/proc" "$work/sys" "$work/dev" "$work/root"
cp "$(command -v busybox)" "$work/bin/busybox"
install -m 755 "$scripts/initrd.sh" "$work/init"
for module in virtio_pci virtio_blk; do
    modprobe -d "$root" -S "$release" --show-depends "$module"
done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' | while read -r file; do
    cp "$file" "$work/modules/"
    basename "$file"
done >"$work/modules/order"
(cd "$work" && find . | cpio --quiet -o -H newc) | gzip -1 >"$out"
