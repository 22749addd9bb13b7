#!/bin/sh
# probe.sh: in namespaces made by direct.sh, try each thing that a lab needs of the host's kernel. Says "lab: direct works",
# or which feature is missing. Features are tried, because a version number tells nothing about how a kernel was built.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin

need() {
    name=$1
    shift
    "$@" >/run/probe.out 2>&1 || {
        echo "lab: the host's kernel lacks $name ($(tr '\n' ' ' </run/probe.out | cut -c1-120))"
        exit 1
    }
}

guard() {
    nft -f - <<'EOF'
table inet guard {
    chain out { type filter hook output priority 0; udp dport 4789 rt ipsec missing counter drop; }
    chain in { type filter hook input priority 0; udp dport 4789 meta ipsec missing counter drop; }
}
EOF
}

mkdir -p /run/upper/u /run/upper/w /run/merged
key=0x$(printf %072d 1)
need "overlayfs" mount -t overlay -o lowerdir=/,upperdir=/run/upper/u,workdir=/run/upper/w overlay /run/merged
need "virtual Ethernet" ip link add v0 type veth peer name v1
need "bridges" ip link add b0 type bridge
need "VXLAN" ip link add x0 type vxlan id 1 dstport 4789 local 192.0.2.1
need "Geneve" ip link add g0 type geneve id 1 remote 192.0.2.1
need "ESP with AES-GCM" ip xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 0x100 reqid 1 mode transport \
    aead 'rfc4106(gcm(aes))' "$key" 128
need "ESP for IPv6" ip xfrm state add src 2001:db8::1 dst 2001:db8::2 proto esp spi 0x101 reqid 1 mode transport \
    aead 'rfc4106(gcm(aes))' "$key" 128
need "nftables with IPsec matches" guard
need "XFRM interfaces" ip link add i0 type xfrm dev v0 if_id 1
echo "lab: direct works"
