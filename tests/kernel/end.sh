#!/bin/sh
# end.sh ROOT GIVEN PLACE...: a shell inside the Debian root ROOT, in mount and network namespaces that the caller made.
# GIVEN is the folder with this end's files, then at /run/given. What a daemon writes is in memory: /run, /tmp, and each
# PLACE, an absolute path in the root.
set -eu
root=$1
given=$2
shift 2
mount --make-rprivate /
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t sysfs sys "$root/sys" 2>/dev/null || :
for place in /run /tmp "$@"; do mount -t tmpfs -o mode=755 mem "$root$place"; done
mkdir "$root/run/given"
mount --bind "$given" "$root/run/given"
export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C HOME=/run
cd /
exec chroot "$root" /bin/sh
