"""`ip addr` without -d: what a device is where its type isn't printed, and what is said of it then."""

from __future__ import annotations

from netplan.audit import Given, Report, Text, audit

LINK = """2: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc mq state UP group default qlen 1000
    link/ether 02:00:00:00:00:01 brd ff:ff:ff:ff:ff:ff
    inet 192.0.2.10/24 scope global eth0
"""
TUNNEL = """9: {name}@NONE: <POINTOPOINT,NOARP,UP,LOWER_UP> mtu 1480 qdisc noqueue state UNKNOWN group default qlen 1000
    link/ipip 192.0.2.10 peer 198.51.100.5
    inet 169.254.10.2/30 scope global {name}
"""
STATE = """src 192.0.2.10 dst {far}
\tproto esp spi 0xc9a1b2c3 reqid 1 mode tunnel
\tmark 0x64/0xffffffff
\tauth-trunc hmac(sha1) 0x00 96
\tenc cbc(aes) 0x00
\tencap type espinudp sport 4500 dport 4500 addr 0.0.0.0
"""


def report(*texts: str) -> Report:
    return audit([Text(f"{number}.txt", text) for number, text in enumerate(texts)], Given())


def test_tunnel_with_the_ends_of_a_tunnel_mode_sa_is_a_vti() -> None:
    for name in ("Tunnel1", "vti1"):
        (finding,) = report(LINK + TUNNEL.format(name=name), STATE.format(far="198.51.100.5")).findings
        assert (finding.code, finding.found, finding.exact) == ("IPP911", 1480, 1422), finding


def test_tunnel_with_other_ends_than_the_sa_stays_an_ipip_tunnel_and_that_is_said() -> None:
    found = report(LINK + TUNNEL.format(name="Tunnel1"), STATE.format(far="203.0.113.9"))
    (verdict,) = [v for v in found.verdicts if v.setting.device == "Tunnel1"]
    assert (verdict.status, verdict.exact) == ("assumed", 1480)
    assert any("one of type vti looks alike" in text for text in verdict.assumed)


def test_device_called_vti_is_not_judged_without_its_ipsec() -> None:
    (verdict,) = report(LINK + TUNNEL.format(name="vti1")).verdicts
    assert (verdict.setting.device, verdict.status) == ("vti1", "unjudged")


CILIUM = """5: eth0.40@eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1400 qdisc noqueue state UP
    link/ether 02:00:00:00:00:01 brd ff:ff:ff:ff:ff:ff
    inet 10.0.0.2/24 scope global eth0.40
7: cilium_vxlan: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UNKNOWN
    link/ether 02:00:00:00:00:07 brd ff:ff:ff:ff:ff:ff
8: cilium_host@cilium_net: <BROADCAST,MULTICAST,NOARP,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP
    link/ether 02:00:00:00:00:08 brd ff:ff:ff:ff:ff:ff
    inet 10.244.0.70/32 scope global cilium_host
"""
ROUTES = """default via 192.0.2.1 dev eth0
10.244.1.0/24 via 10.244.0.70 dev cilium_host src 10.244.0.70 mtu {mtu}
"""


def test_ciliums_devices_keep_the_mtu_of_the_link_that_carries_them() -> None:
    found = report(LINK + CILIUM, ROUTES.format(mtu=1450))
    assert not found.findings
    (verdict,) = [v for v in found.verdicts if v.setting.system == "pods"]
    assert verdict.status == "assumed"
    assert any("route inside each pod" in text for text in verdict.assumed)


def test_ciliums_route_is_judged_by_ciliums_tunnel() -> None:
    (verdict,) = [v for v in report(LINK + CILIUM, ROUTES.format(mtu=1450)).verdicts if v.setting.system == "routes"]
    assert verdict.exact == 1450
    (finding,) = report(LINK + CILIUM, ROUTES.format(mtu=1500)).findings
    assert (finding.code, finding.found, finding.exact) == ("IPP911", 1500, 1450)
