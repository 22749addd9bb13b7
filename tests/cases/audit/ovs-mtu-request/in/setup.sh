#!/bin/sh
ovs-vsctl add-br br-int
ovs-vsctl add-port br-int tun0 -- set interface tun0 type=geneve options:remote_ip=10.20.0.12 options:psk=swordfish
ovs-vsctl set Interface br-int mtu_request=1450
