interfaces {
    ethernet eth0 {
        address 192.0.2.1/24
        mtu 1500
    }
    vti vti10 {
        address 10.255.0.1/30
    }
}
vpn {
    ipsec {
        esp-group ESP {
            mode tunnel
            proposal 1 {
                encryption aes256gcm128
                hash sha256
            }
        }
    }
}
system {
    host-name vyos
}
