interfaces {
    ethernet eth0 {
        address 192.0.2.1/24
        mtu 1500
    }
    vti vti1 {
        address 10.255.0.1/30
        mtu 1438
    }
    wireguard wg0 {
        mtu 1440
    }
}
vpn {
    ipsec {
        esp-group E {
            mode tunnel
            proposal 1 {
                encryption aes256
                hash sha256
            }
        }
    }
}
system {
    host-name vyos
}
