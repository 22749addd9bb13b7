# an export of RouterOS 7, written for this case
/interface vxlan
add mtu=1450 name=vxlan1 port=4789 vni=4096
/ip ipsec profile
add dh-group=ecp384 enc-algorithm=aes-256 hash-algorithm=sha384 name=strong
/ip ipsec peer
add address=192.0.2.9/32 exchange-mode=ike2 local-address=192.0.2.1 name=far profile=strong
/ip ipsec proposal
add auth-algorithms=null enc-algorithms=aes-256-gcm name=gcm \
    pfs-group=ecp384
/ip ipsec policy
add dst-address=192.0.2.9/32 dst-port=4789 peer=far proposal=gcm protocol=udp \
    src-address=192.0.2.1/32
