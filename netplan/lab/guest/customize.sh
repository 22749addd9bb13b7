#!/bin/sh
# customize.sh ROOT KERNEL_TREE SCRIPTS: turn a fresh Debian tree into the lab's root (guest and nodes alike).
# KERNEL_TREE is the unpacked packages of a kernel; SCRIPTS is the folder this file is in.
set -eu
root=$1
kernel=$2
scripts=$3

# Kernel modules: all of the network and cryptography, none of the hardware. Packages before Debian 13 have them in /lib.
modules=$kernel/usr/lib/modules
[ -d "$modules" ] || modules=$kernel/lib/modules
release=$(ls "$modules")
from=$modules/$release/kernel
to=$root/lib/modules/$release/kernel
for part in arch crypto lib net fs/overlayfs drivers/block drivers/char drivers/crypto drivers/net drivers/virtio; do
    [ -d "$from/$part" ] || continue
    mkdir -p "$to/$part"
    cp -r "$from/$part/." "$to/$part/"
done
for part in drivers/net/ethernet drivers/net/wireless drivers/net/usb drivers/net/phy net/bluetooth net/can net/sctp net/9p arch/x86/kvm; do
    rm -rf "${to:?}/$part"
done
cp "$modules/$release"/modules.* "$root/lib/modules/$release/"
depmod -b "$root" "$release"

# Our own programs.
install -d "$root/usr/lib/ipsecplan-lab"
install -m 755 "$scripts/init.sh" "$scripts/node.sh" "$scripts/refresh.sh" "$scripts/power.sh" \
    "$scripts/probe.sh" "$scripts/pod.py" "$root/usr/lib/ipsecplan-lab/"
ln -s ../lib/ipsecplan-lab/pod.py "$root/usr/bin/pod"
install -m 644 "$scripts/lab-nic.service" "$scripts/50-cluster-pod.service" "$root/etc/systemd/system/"
mkdir -p "$root/var/lib/lab" "$root/etc/cni/net.d"

# Units: what a node needs, nothing that waits, polls or writes.
units=$root/etc/systemd/system
mkdir -p "$units/sysinit.target.wants" "$units/multi-user.target.wants"
ln -s ../lab-nic.service "$units/sysinit.target.wants/"
ln -s ../50-cluster-pod.service "$units/multi-user.target.wants/"
ln -sf /lib/systemd/system/systemd-networkd.service "$units/multi-user.target.wants/"
ln -sf /lib/systemd/system/systemd-networkd.service "$units/dbus-org.freedesktop.network1.service"
for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service \
    fstrim.timer logrotate.timer systemd-tmpfiles-clean.timer getty.target console-getty.service systemd-logind.service \
    dev-hugepages.mount dev-mqueue.mount sys-fs-fuse-connections.mount kmod-static-nodes.service \
    systemd-update-utmp.service systemd-update-utmp-runlevel.service systemd-random-seed.service systemd-pstore.service \
    systemd-firstboot.service systemd-remount-fs.service systemd-journal-flush.service systemd-machined.service \
    sys-kernel-config.mount sys-kernel-debug.mount sys-kernel-tracing.mount modprobe@configfs.service systemd-creds.socket \
    systemd-networkd-wait-online.service systemd-resolved.service systemd-timesyncd.service \
    ldconfig.service systemd-hostnamed.service systemd-hostnamed.socket systemd-hwdb-update.service \
    systemd-importd.service systemd-importd.socket systemd-journal-catalog-update.service systemd-mountfsd.socket \
    systemd-networkd-persistent-storage.service systemd-nsresourced.socket systemd-sysext.service \
    systemd-sysext.socket systemd-confext.service systemd-update-done.service systemd-userdbd.socket; do
    ln -sf /dev/null "$units/$unit"
done
# It makes sockets for SSH that nobody here connects to.
mkdir -p "$root/etc/systemd/system-generators"
ln -sf /dev/null "$root/etc/systemd/system-generators/systemd-ssh-generator"
rm -f "$root/lib/systemd/network/80-container-host0.network" # would ask for an address on every start

# Logging in costs processor time, and under emulation that is what a lab has least of.
sed -i '/pam_systemd/d' "$root/etc/pam.d/common-session"
cat >"$root/etc/ssh/sshd_config.d/lab.conf" <<EOF
HostKey /etc/ssh/ssh_host_ed25519_key
KexAlgorithms curve25519-sha256
PermitRootLogin prohibit-password
PasswordAuthentication no
UseDNS no
UsePAM no
PrintMotd no
EOF
rm -f "$root"/etc/ssh/ssh_host_*

# Loading all of strongSwan's plugins takes seconds under emulation; these are the ones host-to-host IPsec uses. Which of
# them are files differs from version to version: one that is not there was built into another, or is not needed.
there() {
    for plugin; do
        [ ! -e "$root/usr/lib/ipsec/plugins/libstrongswan-$plugin.so" ] || printf '%s ' "$plugin"
    done
}
common='random nonce openssl pem x509 pubkey pkcs1 pkcs8'
[ ! -d "$root/etc/strongswan.d" ] || cat >"$root/etc/strongswan.d/zz-lab.conf" <<EOF
charon-systemd {
  load_modular = no
  load = $(there $common revocation constraints kdf kernel-netlink socket-default vici updown)
}
swanctl {
  load_modular = no
  load = $(there $common)
}
pki {
  load_modular = no
  load = $(there $common)
}
EOF

# An unmanaged peer's libreswan starts when somebody has configured it.
rm -f "$units"/*.wants/ipsec.service

echo 1a6e0000000000000000000000000000 >"$root/etc/machine-id" # nspawn in the guest needs one; nodes get their own
: >"$root/etc/fstab"
: >"$root/etc/resolv.conf"
rm -f "$root/etc/hostname" "$root/etc/apt/apt.conf.d/99mmdebstrap"
rm -rf "$root/etc/apt/sources.list" "$root/etc/apt/sources.list.d" "$root/var/lib/apt/lists" "$root/var/cache/debconf"
rm -rf "$root/usr/share/doc" "$root/usr/share/man" "$root/usr/share/locale"
