# 2024-01-01 00:00:00 by RouterOS 7.12
/interface gre
add allow-fast-path=no ipsec-secret=xxxx local-address=203.0.113.1 mtu=1476 name=gre-branch remote-address=198.51.100.1
/ip firewall mangle
add action=change-mss chain=forward new-mss=1436 out-interface=gre-branch passthrough=yes protocol=tcp tcp-flags=syn tcp-mss=1437-65535
