ovs-vsctl add-port br0 vx0 -- set interface vx0 type=vxlan options:remote_ip=192.0.2.2 mtu_request=1400
