#!/bin/sh
# fetch-kernel.sh ROOT: hook of mmdebstrap. Fetch the kernel's package into $LAB_WORK, from the sources of the new root;
# the metapackage in $LAB_KERNEL names it. It is not installed: a kernel package would drag in tools that build an initrd.
set -eu
export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG"
image=$(apt-cache depends --no-recommends --no-suggests "$LAB_KERNEL" | awk '$1 == "Depends:" { print $2; exit }')
cd "$LAB_WORK"
apt-get download "$image"
