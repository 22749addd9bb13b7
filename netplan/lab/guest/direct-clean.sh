#!/bin/sh
# direct-clean.sh FOLDER CGROUP: remove a control group whose processes have ended. To be started in a mount namespace of its
# own; FOLDER is an empty folder.
set -eu
mount --make-rprivate /
mount -t cgroup2 cgroup "$1"
group=$1/$2
tries=0
while [ -d "$group" ] && [ $tries -lt 50 ]; do
    find "$group" -depth -type d -exec rmdir {} + 2>/dev/null || sleep 0.1
    tries=$((tries + 1))
done
