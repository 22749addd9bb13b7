#!/bin/sh
# PID 1 of the User Mode Linux guest: the host's files read-only, modules from the package, one measurement, power off.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
# see hide_extended_state in boot.py: nobody here may use registers wider than SSE's, and libc would
GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX2,-AVX,-AVX_Fast_Unaligned_Load
export GLIBC_TUNABLES="$GLIBC_TUNABLES,-Prefer_No_VZEROUPPER,-ERMS,-XSAVEC,-XSAVE"
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /mnt
mkdir -p /mnt/lib/modules
ln -s "/usr/lib/uml/modules/$(uname -r)" /mnt/lib/modules/
printf '#!/bin/sh\nexport GLIBC_TUNABLES=%s\nexec /sbin/modprobe -d /mnt "$@"\n' "$GLIBC_TUNABLES" >/run/modprobe
chmod +x /run/modprobe
echo /run/modprobe >/proc/sys/kernel/modprobe
modprobe -d /mnt -a ipv6 veth xfrm_user mpls_router mpls_iptunnel fou fou6 ipip sit macsec # the rest is loaded when it is asked for
ip link set lo up
"$RIG_PYTHON" -B "$RIG/$RIG_PROGRAM" "$RIG_JOBS" 2>&1
echo o >/proc/sysrq-trigger
sleep 20
