interfaces {
    ethernet eth0 {
        address 192.0.2.1/24
        mtu 1500
    }
    tunnel tun1 {
        encapsulation gretap
        remote 198.51.100.7
        source-address 192.0.2.1
    }
}
system {
    host-name vyos
}
