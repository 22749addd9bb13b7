#!/bin/sh
# customize.sh ROOT KERNEL_TREE SCRIPTS: turn a fresh Debian tree into the lab's root (guest and nodes alike).
# KERNEL_TREE is an unpacked linux-image package; SCRIPTS is the folder this file is in.
set -eu
root=$1
kernel=$2
scripts=$3

# Kernel modules: all of the network and cryptography, none of the hardware.
release=$(ls "$kernel/lib/modules")
from=$kernel/lib/modules/$release/kernel
to=$root/lib/modules/$release/kernel
for part in arch crypto lib net fs/overlayfs drivers/block drivers/char drivers/crypto drivers/net drivers/virtio; do
    [ -d "$from/$part" ] || continue
    mkdir -p "$to/$part"
    cp -r "$from/$part/." "$to/$part/"
done
for part in drivers/net/ethernet drivers/net/wireless drivers/net/usb drivers/net/phy net/bluetooth net/can net/sctp net/9p arch/x86/kvm; do
    rm -rf "${to:?}/$part"
done
cp "$kernel/lib/modules/$release"/modules.* "$root/lib/modules/$release/"
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
    systemd-networkd-wait-online.service systemd-resolved.service systemd-timesyncd.service; do
    ln -sf /dev/null "$units/$unit"
done
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

# Loading all of strongSwan's plugins takes seconds under emulation; these are the ones host-to-host IPsec uses.
cat >"$root/etc/strongswan.d/zz-lab.conf" <<EOF
charon-systemd {
  load_modular = no
  load = random nonce openssl pem x509 revocation constraints pubkey pkcs1 pkcs8 kdf kernel-netlink socket-default vici updown
}
swanctl {
  load_modular = no
  load = random nonce openssl pem x509 pubkey pkcs1 pkcs8
}
pki {
  load_modular = no
  load = random nonce openssl pem x509 pubkey pkcs1 pkcs8
}
EOF

echo 1a6e0000000000000000000000000000 >"$root/etc/machine-id" # nspawn in the guest needs one; nodes get their own
: >"$root/etc/fstab"
: >"$root/etc/resolv.conf"
rm -f "$root/etc/hostname" "$root/etc/apt/apt.conf.d/99mmdebstrap"
rm -rf "$root/etc/apt/sources.list" "$root/etc/apt/sources.list.d" "$root/var/lib/apt/lists" "$root/var/cache/debconf"
rm -rf "$root/usr/share/doc" "$root/usr/share/man" "$root/usr/share/locale"
