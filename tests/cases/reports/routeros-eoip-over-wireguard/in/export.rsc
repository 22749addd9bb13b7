# software id = X
/interface bridge
add name=bridge1
/interface wireguard
add listen-port=13231 mtu=1420 name=wireguard1
/interface pppoe-client
add disabled=no interface=ether1 max-mtu=1480 max-mru=1480 name=pppoe-out1 user=x
/interface eoip
add local-address=10.255.255.1 mtu=1500 name=eoip-tunnel1 remote-address=10.255.255.2 tunnel-id=0
/interface wireguard peers
add allowed-address=10.255.255.2/32 endpoint-address=203.0.113.9 endpoint-port=13231 interface=wireguard1 public-key="x"
/ip address
add address=10.255.255.1/30 interface=wireguard1 network=10.255.255.0
