ovs-vsctl add-port br0 in0 -- set interface in0 type=internal mtu_request=1416
ovs-vsctl add-port br0 gn0 -- set interface gn0 type=geneve options:remote_ip=192.0.2.2 options:psk=x options:ipsec_encapsulation=yes
