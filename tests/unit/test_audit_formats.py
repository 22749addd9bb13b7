"""Text that people post: each format becomes the objects that JSON and swanctl.conf become, with lines."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from netplan.audit import Given, Text, audit
from netplan.audit.formats import ip_text
from netplan.audit.formats.algorithms import negotiated, proposal
from netplan.audit.model import Evidence
from netplan.audit.readers import read
from netplan.cni.adapter import Setting
from netplan.cni.adapters.docker import OPTION

POSTED = Path(__file__).parent.parent / "data" / "posted"
GCM = "ip4/esp:aes256gcm16"


def evidence_of(text: str, path: str = "posted.txt") -> Evidence:
    found = Evidence()
    read(Text(path, text), found)
    return found


def posted(name: str) -> Evidence:
    return evidence_of((POSTED / name).read_text(), name)


def brief(setting: Setting) -> tuple[str, int | None, str, str, str]:
    return setting.field, setting.value, setting.encap, setting.measure, setting.own.suite if setting.own else ""


COMPARED = [
    *("remote", "remote6", "local", "local6", "group", "port", "id", "df", "okey", "encap_limit", "if_id", "external"),
    *("ip6_tnl_f_ign_encap_limit", "ocsum", "oseq", "erspan_ver", "icv_len", "gpe", "link", "pmtudisc"),
]


def test_ip_link_as_text_is_what_ip_prints_as_json():
    printed = json.loads((POSTED / "ip-d-link.json").read_text())
    found = {e["ifname"]: e for e in ip_text.devices("x", (POSTED / "ip-d-link.txt").read_text()).data}
    assert list(found) == [e["ifname"] for e in printed]
    for entry in printed:
        mine = found[entry["ifname"]]
        for key in ("mtu", "link", "master", "operstate", "link_type", "link_index", "promiscuity", "flags"):
            assert mine.get(key) == entry.get(key), (entry["ifname"], key)
        info, own = entry.get("linkinfo", {}), mine.get("linkinfo", {})
        assert own.get("info_kind") == info.get("info_kind"), entry["ifname"]
        for key in COMPARED:
            want, have = info.get("info_data", {}).get(key), own.get("info_data", {}).get(key)
            assert have == want or (have is None and want in ("any", False)), (entry["ifname"], key)


def test_ip_link_as_text_is_judged_like_json():
    def judged(name):
        report = audit([Text(name, (POSTED / name).read_text())], Given(link_mtu=1500))
        return sorted((f.field, f.found, f.ends, f.exact) for f in report.findings), report.numbers

    assert judged("ip-d-link.txt") == judged("ip-d-link.json")


ROUTES = """default via 192.0.2.1 dev eth0 proto dhcp src 192.0.2.34 metric 1024
10.233.65.0/24 via 10.233.72.96 dev cilium_host src 10.233.72.96 mtu 8924
198.51.100.0/24 dev eth0 scope link mtu lock 1416 advmss 1360
198.51.102.0/24
\tnexthop via 192.0.2.9 dev eth0 weight 1
\tnexthop via 192.0.2.10 dev eth1 weight 1
unreachable 10.0.0.0/8 metric 4278198272
2001:db8::/64 via inet6 fe80::1 dev eth0 table 52
"""


def test_ip_route_as_text_has_gateways_metrics_and_the_lock():
    found = ip_text.routes("x", ROUTES)
    by = {r["dst"]: r for r in found.data}
    assert by["default"]["gateway"] == "192.0.2.1"
    assert by["10.233.65.0/24"]["metrics"] == [{"mtu": 8924}]
    assert (by["198.51.100.0/24"]["metrics"], by["198.51.100.0/24"]["lock"]) == ([{"mtu": 1416, "advmss": 1360}], True)
    assert [h["dev"] for h in by["198.51.102.0/24"]["nexthops"]] == ["eth0", "eth1"]
    assert by["10.0.0.0/8"]["type"] == "unreachable"
    assert by["2001:db8::/64"]["table"] == "52"
    (setting,) = [s for s in evidence_of(ROUTES).settings if "cilium_host" in s.field]
    assert (setting.value, setting.location.line) == (8924, 2)


PLAIN_ADDR = """2: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1400 qdisc mq state UP group default qlen 1000
    link/ether 02:00:00:00:00:01 brd ff:ff:ff:ff:ff:ff
    inet 192.0.2.11/24 brd 192.0.2.255 scope global eth0
       valid_lft forever preferred_lft forever
    inet6 2001:db8::11/64 scope global
22: flannel-wg: <POINTOPOINT,NOARP,UP,LOWER_UP> mtu 1400 qdisc noqueue state UNKNOWN group default
23: cni0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1320 qdisc noqueue state UP group default qlen 1000
24: veth0000aaaa@if2: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1320 qdisc noqueue master cni0 state UP group default
"""


def test_devices_without_types_have_those_that_programs_name():
    found = ip_text.devices("x", PLAIN_ADDR).data
    kinds = {e["ifname"]: e.get("linkinfo", {}).get("info_kind", "") for e in found}
    assert kinds == {"eth0": "", "flannel-wg": "wireguard", "cni0": "bridge", "veth0000aaaa": "veth"}
    assert found[0]["addr_info"][1] == {"family": "inet6", "local": "2001:db8::11", "prefixlen": 64, "scope": "global"}
    report = audit([Text("ip-a.txt", PLAIN_ADDR)], Given())
    (error,) = [f for f in report.findings if f.severity == "error"]
    assert (error.field, error.exact, error.location.line) == ("flannel-wg mtu", 1340, 6)
    bare = [{k: v for k, v in e.items() if k != "linkinfo"} for e in found]
    again = audit([Text("link.json", json.dumps(bare))], Given())
    assert [(f.field, f.exact) for f in again.findings] == [(f.field, f.exact) for f in report.findings]


IFCONFIG = """docker0   Link encap:Ethernet  HWaddr 02:42:00:00:00:01
          inet addr:172.17.0.1  Bcast:0.0.0.0  Mask:255.255.0.0
          UP BROADCAST RUNNING MULTICAST  MTU:8960  Metric:1
lo        Link encap:Local Loopback
          UP LOOPBACK RUNNING  MTU:65536  Metric:1
ens160: flags=4163<UP,BROADCAST,RUNNING,MULTICAST>  mtu 1500
        inet 192.0.2.5  netmask 255.255.255.0  broadcast 192.0.2.255
        inet6 fe80::1  prefixlen 64  scopeid 0x20<link>
"""


def test_ifconfig_of_both_kinds_is_read():
    found = evidence_of(IFCONFIG)
    links = {d.name: (d.mtu, d.loopback, d.location.line) for d in found.links}
    assert links == {"docker0": (8960, False, 3), "lo": (65536, True, 5), "ens160": (1500, False, 6)}


ESPS = [
    ("libreswan.conf", {("aes256gcm16", "transport", False, frozenset({4789}), False)}),
    ("libreswan-log.txt", {("aes256gcm16", "transport", False, frozenset({4789}), True)}),
    ("libreswan-status.txt", {("aes256gcm16", "tunnel", False, None, True)}),
    ("strongswan-ipsec.conf", {("aes256-sha1", "transport", False, None, False)}),
    ("swanctl61-conns.raw", {("aes256gcm16", "transport", False, frozenset({4789}), False)}),
    ("swanctl61-default.raw", {("aes256gcm16", "tunnel", False, None, False)}),
]


@pytest.mark.parametrize(("name", "want"), ESPS)
def test_ipsec_of_other_daemons_is_ipsec(name, want):
    found = posted(name)
    assert {(e.suite, e.mode, e.nat_t, e.ports, e.live) for e in found.esps} == want
    assert not found.skipped
    assert all(e.location.line for e in found.esps)


CONNS = """version 2
include /etc/ipsec.d/*.conf
config setup
    uniqueids=no
conn %default
    type=tunnel
    esp=aes256-sha2_256,3des-md5
conn base
    left=192.0.2.1
    forceencaps=yes
conn office   # the office
    also=base
    leftsubnet=10.1.0.0/16
    rightsubnet=10.2.0.0/16
    right=198.51.100.1
    auto=start
conn old
    also=base
    right=198.51.100.2
    phase2alg=aes_gcm_c_256-null;modp2048
    sha2-truncbug=yes
    auto=add
conn plain
    left=192.0.2.1
    right=192.0.2.9
    type=passthrough
    auto=route
conn off
    left=192.0.2.1
    right=192.0.2.8
    auto=ignore
"""


def test_ipsec_conf_takes_over_defaults_and_other_conns():
    found = {(e.suite, e.mode, e.nat_t, e.networks, e.location.line) for e in evidence_of(CONNS, "ipsec.conf").esps}
    assert found == {
        ("aes256-sha2_256", "tunnel", True, True, 11),
        ("3des-md5", "tunnel", True, True, 11),
        ("aes256gcm16", "tunnel", True, False, 17),  # phase2alg is an older name of esp
    }


def test_an_ipsec_conf_that_goes_round_in_circles_is_read():
    assert evidence_of("conn a\n    also=b\n    left=192.0.2.1\n    auto=add\nconn b\n    also=a\n", "c").esps


SAS = """  net: #2, reqid 1, INSTALLED, TUNNEL-in-UDP, ESP:AES_CBC-256/HMAC_SHA2_256_128/MODP_2048
    installed 10s ago, rekeying in 3300s, expires in 3950s
    local  10.1.0.0/16
    remote 10.2.0.0/16
"""
STATUSALL = """t{2}:  INSTALLED, TRANSPORT, reqid 1, ESP in UDP SPIs: c148c9ba_i c5d90cf0_o
t{2}:  AES_GCM_16_256, 0 bytes_i, 0 bytes_o, rekeying in 46 minutes
t{2}:   192.0.2.1/32[udp/4789] === 192.0.2.2/32[udp]
"""


@pytest.mark.parametrize(
    ("text", "want"),
    [
        (SAS, ("aes256-sha256", "tunnel", True, None)),
        (STATUSALL, ("aes256gcm16", "transport", True, frozenset({4789}))),
    ],
)
def test_a_status_of_charon_shows_what_is_established(text, want):
    (esp,) = evidence_of(text).esps
    assert (esp.suite, esp.mode, esp.nat_t, esp.ports) == want
    assert esp.live


OLD_LIBRESWAN = """000 Connection list:
000 "office/1x0": 172.16.88.0/24===172.16.88.4<172.16.88.4>...198.51.100.1<198.51.100.1>===10.2.0.0/20; erouted;
000 "office/1x0":   policy: PSK+ENCRYPT+TUNNEL+PFS+UP+IKEV1_ALLOW+IKE_FRAG_ALLOW+ESN_NO;
000 "office/1x0":   ESP algorithm newest: AES_256-HMAC_SHA1; pfsgroup=<Phase1>
"""
VYOS_SA = """Connection                State    Uptime    Bytes In/Out    Remote address    Proposal
------------------------  -------  --------  --------------  ----------------  ----------------------------------
peer-100.64.0.2-tunnel-0  up       11m54s    0B/0B           100.64.0.2        AES_CBC_256/HMAC_SHA1_96/MODP_1024
peer-100.64.0.3-tunnel-0  up       11m54s    N/A             100.64.0.3        AES_CBC_256/HMAC_MD5_96/PRF_HMAC_MD5
"""


@pytest.mark.parametrize("text", [OLD_LIBRESWAN, VYOS_SA], ids=["libreswan 3", "VyOS"])
def test_an_older_status_shows_the_child_sa(text):
    assert [(e.suite, e.mode, e.live) for e in evidence_of(text).esps] == [("aes256-sha1", "tunnel", True)]


def test_a_paste_of_grep_is_read():
    text = """k3s-a:~ # ip a | grep mtu
3: eth1: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1450 qdisc pfifo_fast state UP group default qlen 1000
4: cilium_wg0: <POINTOPOINT,NOARP,UP,LOWER_UP> mtu 1420 qdisc noqueue state UNKNOWN group default
"""
    report = audit([Text("x", text)], Given())
    assert [(f.field, f.exact, f.location.line) for f in report.findings] == [("cilium_wg0 mtu", 1390, 3)]


def test_a_traffic_status_says_what_to_send_instead():
    found = evidence_of('006 #2: "far-in"[1] 192.0.2.1, type=ESP, add_time=1795895600, inBytes=0, outBytes=0\n')
    assert "ip xfrm state list nokeys" in found.skipped[0].reason


WORDS = [
    (proposal, "aes_gcm256-dh31", "aes256gcm16"),
    (proposal, "aes_ccm_a_128", "aes128ccm8"),
    (proposal, "aes128gcm64", "aes128gcm64"),
    (proposal, "3des-md5;modp1024", "3des-md5"),
    (proposal, "aes256-sha1!", "aes256-sha1"),
    (proposal, "rot13-sha1", None),
    (negotiated, "AES_GCM_16_256-NONE-DH31", "aes256gcm16"),
    (negotiated, "AES_CBC-128/HMAC_SHA1_96", "aes128-sha1"),
    (negotiated, "3DES_CBC-HMAC_SHA1_96", "3des-sha1"),
    (negotiated, "CHACHA20_POLY1305-NONE", "chacha20poly1305"),
    (negotiated, "SOMETHING_ELSE", None),
]


@pytest.mark.parametrize(("reader", "word", "want"), WORDS)
def test_words_of_other_daemons_are_suites(reader, word, want):
    assert reader(word) == want


SETTINGS = [
    ("hub.vyos", [("interfaces tunnel tun100 mtu", 1400, "gre+key", "mtu", "")]),
    ("hub-config.boot", [("interfaces tunnel tun100 mtu", 1400, "gre+key", "mtu", "")]),
    ("spoke-config.boot", [("interfaces tunnel tun100 mtu", 1476, "gre+key", "mtu", "")]),
    (
        "cisco-spoke.cfg",
        [
            ("interface Tunnel100 ip mtu", 1464, "gre+key", "mtu", "aes256-sha1"),
            ("interface Tunnel100 ip tcp adjust-mss", 1424, "gre+key", "mss", "aes256-sha1"),
        ],
    ),
    (
        "cisco-vti.cfg",
        [
            ("interface Tunnel2 ip mtu", 1400, "none", "mtu", "aes256-sha256"),
            ("interface Tunnel2 ip tcp adjust-mss", 1360, "none", "mss", "aes256-sha256"),
        ],
    ),
]


@pytest.mark.parametrize(("name", "want"), SETTINGS)
def test_routers_tunnels_have_their_stack(name, want):
    assert [brief(s) for s in posted(name).settings] == want


@pytest.mark.parametrize(
    ("name", "exact"),
    [
        ("hub.vyos", [1430]),
        ("spoke-config.boot", [1430]),
        ("cisco-spoke.cfg", [1430, 1390]),
        ("cisco-vti.cfg", [1438, 1398]),
    ],
)
def test_routers_tunnels_are_judged_on_it(name, exact):
    report = audit([Text(name, (POSTED / name).read_text())], Given(link_mtu=1500))
    assert sorted(f.exact for f in report.findings) == sorted(exact)


ASA = """crypto ipsec ikev2 ipsec-proposal AES
 protocol esp encryption aes-256 aes-gcm-256
 protocol esp integrity sha-256
crypto ipsec ikev1 transform-set TS esp-aes-256 esp-sha-hmac
sysopt connection tcpmss 1350
"""


def test_an_asa_has_proposals_and_one_clamp():
    found = evidence_of(ASA)
    assert {(e.suite, e.mode) for e in found.esps} == {
        ("aes256-sha256", "tunnel"),
        ("aes256gcm16", "tunnel"),
        ("aes256-sha1", "tunnel"),
    }
    assert [brief(s) for s in found.settings] == [("TCP MSS clamp", 1350, "", "mss", "")]


FORTIOS = """config vpn ipsec phase1-interface
    edit "hq"
        set interface "wan1"
        set nattraversal forced
        set remote-gw 198.51.100.1
    next
end
config vpn ipsec phase2-interface
    edit "hq-net"
        set phase1name "hq"
        set proposal aes256-sha256 aes128gcm
        set src-subnet 10.1.0.0 255.255.0.0
        set dst-subnet 10.2.0.0 255.255.0.0
    next
end
config system interface
    edit "hq"
        set type tunnel
        set mtu-override enable
        set mtu 1460
        set tcp-mss 1400
    next
    edit "wan1"
        set mtu-override enable
        set mtu 1492
    next
end
"""


def test_fortios_has_phase_2_tunnels_and_links():
    found = evidence_of(FORTIOS)
    assert {(e.suite, e.mode, e.nat_t) for e in found.esps} == {
        ("aes256-sha256", "tunnel", True),
        ("aes128gcm16", "tunnel", True),
    }
    assert [brief(s) for s in found.settings] == [
        ("system interface hq mtu", 1460, "none", "mtu", ""),
        ("system interface hq tcp-mss", 1400, "none", "mss", ""),
    ]
    assert [(d.name, d.mtu) for d in found.links] == [("wan1", 1492)]


WG = "[Interface]\nPrivateKey = x\nAddress = 10.0.0.1/24\n{mtu}[Peer]\nPublicKey = y\nEndpoint = {end}\n"


@pytest.mark.parametrize(
    ("mtu", "end", "ends", "exact"),
    [
        ("MTU = 1420\n", "198.51.100.1:51820", 1420, 1440),
        ("", "[2001:db8::1]:51820", 1420, 1420),
        ("MTU=1500\n", "[2001:db8::1]:51820", 1500, 1420),
    ],
)
def test_wg_quick_without_mtu_takes_80_from_the_route(mtu, end, ends, exact):
    text = WG.format(mtu=mtu, end=end)
    (setting,) = evidence_of(text, "/etc/wireguard/wg0.conf").settings
    assert setting.resulting_mtu(1500, "wireguard", "ipv4") == ends
    report = audit([Text("wg0.conf", text)], Given(link_mtu=1500))
    assert [f.exact for f in report.findings if f.severity == "error"] == ([exact] if ends > exact else [])


@pytest.mark.parametrize(
    ("subnets", "mtu"),
    [
        ("[]", 1450),
        ("[{type: static, address: 192.0.2.1/24, mtu: 1440}]", 1440),
        ("[{type: dhcp, mtu: 1440}]", 1440),
        ("[{type: dhcp6, mtu: 1300}, {type: dhcp4, mtu: 1440}]", 1440),
        ("[{type: static, address: 'fd00::1/64', mtu: 1300}]", 1450),
        ("[{type: static, address: 192.0.2.1/24}]", 1450),
        ("[{type: static, address: 192.0.2.1/24, mtu: [1440]}]", 1450),
    ],
)
def test_a_subnet_of_cloud_init_goes_before_its_device(subnets, mtu):
    text = f"version: 1\nconfig:\n- {{type: physical, name: eth0, mtu: 1450, subnets: {subnets}}}\n"
    (device,) = evidence_of(text, "network-config.yaml").configured
    assert device.mtu == mtu


OBJECTS = [
    (
        "{apiVersion: v1alpha1, kind: KubeSpanConfig, enabled: true, mtu: 1500}",
        ("KubeSpanConfig mtu", 1500, "wireguard"),
    ),
    ("{apiVersion: v1alpha1, kind: KubeSpanConfig, enabled: true}", ("KubeSpanConfig mtu", 1420, "wireguard")),
    (
        "{apiVersion: v1alpha1, kind: KubeFlannelCNIConfig, backendMTU: 1500}",
        ("KubeFlannelCNIConfig backendMTU", 1500, "vxlan"),
    ),
    (
        "{apiVersion: core.gardener.cloud/v1beta1, kind: Shoot, metadata: {name: x}, spec: {networking: {type: calico, "
        'providerConfig: {overlay: {enabled: true}, ipv4: {pool: ipip, mode: Always}, vethMTU: "8950"}}}}',
        ("providerConfig.vethMTU", 8950, "ipip"),
    ),
    (
        "{apiVersion: k0s.k0sproject.io/v1beta1, kind: ClusterConfig, metadata: {name: k0s}, spec: {network: {}}}",
        ("spec.network.kuberouter.mtu", None, "ipip"),
    ),
    (
        "{apiVersion: k0s.k0sproject.io/v1beta1, kind: ClusterConfig, metadata: {name: k0s}, "
        "spec: {network: {provider: calico, calico: {mode: vxlan}}}}",
        ("spec.network.calico.mtu", 1450, "vxlan"),
    ),
    (
        "{apiVersion: apps/v1, kind: DaemonSet, metadata: {name: kube-router}, spec: {template: {spec: {containers: "
        "[{name: kube-router, args: [--run-router=true, --overlay-encap=fou]}]}}}}",
        ("--auto-mtu", None, "gue"),
    ),
    (
        "{apiVersion: k8s.ovn.org/v1, kind: UserDefinedNetwork, metadata: {name: u}, spec: {layer2: {mtu: 9000}}}",
        ("u: spec.layer2.mtu", 9000, "geneve:8"),
    ),
    (
        "{apiVersion: k8s.ovn.org/v1, kind: ClusterUserDefinedNetwork, metadata: {name: c}, "
        "spec: {network: {topology: Layer3, layer3: {mtu: 1500}}}}",
        ("c: spec.network.layer3.mtu", 1500, "geneve:8"),
    ),
    ("config: {ipv4.address: 10.0.0.1/24}\nname: o\ntype: ovn\nmanaged: true\n", ("o: bridge.mtu", None, "geneve:8")),
    (
        "config: {tunnel.a.protocol: vxlan, bridge.mtu: '1450'}\nname: b\ntype: bridge\n",
        ("b: bridge.mtu", 1450, "vxlan"),
    ),
    ("flannel-iface: eth0\nflannel-backend: wireguard-native\n", ("flannel-backend", None, "wireguard")),
    ("flannel: {backend: vxlan}\npodCidr: 10.244.0.0/16\n", ("flannel.mtu", None, "vxlan")),
    ("cni: canal\ntoken: x\n", ("cni: canal", 1450, "vxlan")),
    (
        "networking: {tunnelType: vxlan, pods: {mtu: 1450}}\nfeatures: {enableOvnIpsec: true}\n",
        ("networking.pods.mtu", 1450, "vxlan"),
    ),
    (
        '{"cniVersion": "1.0.0", "name": "x", "plugins": [{"type": "bridge", "MTU": 1500}]}',
        ("plugins[type=bridge].mtu", 1500, ""),
    ),
    ('{"cniVersion": "1.0.0", "name": "x", "plugins": [{"type": "bridge"}]}', ("plugins[type=bridge].mtu", 1500, "")),
]


@pytest.mark.parametrize(("text", "want"), OBJECTS, ids=lambda x: x[0] if isinstance(x, tuple) else "")
def test_objects_of_other_systems_have_their_number(text, want):
    found = evidence_of(text, "x.yaml")
    assert [(s.field, s.value, s.encap) for s in found.settings] == [want]
    assert not found.skipped


ZONES = """vxlan: one
\tpeers 192.0.2.1,192.0.2.2
\tipam pve

evpn: two
\tcontroller c
\tvrf-vxlan 10000
\tmtu 1500

simple: local
\tmtu 9000
"""
INTERFACES = """auto eno1
iface eno1
    mtu 1500
auto vxlan10
iface vxlan10
    vxlan-id 10
    vxlan-local-tunnelip 192.0.2.1
    vxlan-remoteip 192.0.2.2
    mtu 1500
auto vmbr0
iface vmbr0 inet static
    bridge-ports vxlan10
    bridge-vlan-aware yes
"""


def test_proxmox_zones_have_1450_where_they_say_nothing():
    found = evidence_of(ZONES, "zones.cfg").settings
    assert [(s.field, s.value, s.location.line) for s in found] == [
        ("vxlan zone one: mtu", 1450, 1),
        ("evpn zone two: mtu", 1500, 8),
    ]


def test_ifupdown2_has_links_and_tunnels():
    found = evidence_of(INTERFACES, "interfaces")
    assert [brief(s)[:3] for s in found.settings] == [("vxlan10 mtu", 1500, "vxlan")]
    assert [(d.name, d.mtu) for d in found.links] == [("eno1", 1500)]


UNSAID = """iface eno1 inet manual
    mtu 9000

iface vmbr0 inet static
    address 192.0.2.1/24
    bridge-ports eno1
    bridge-vlan-aware yes
{more}
iface vmbr1 inet manual
    bridge-ports eno2

iface vxlan10
    vxlan-id 10
    vxlan-local-tunnelip 192.0.2.1
{size}
iface vxlan11
    vxlan-id 11
    vxlan-physdev eno1
"""


def test_ifupdown2_makes_1500_of_a_bridge_and_a_vxlan_that_say_nothing():
    found = evidence_of(UNSAID.format(more="", size=""), "interfaces")
    assert [(d.name, d.mtu, d.location.line) for d in found.links] == [("eno1", 9000, 2), ("vmbr0", 1500, 6)]
    assert [(s.field, s.value, s.location.line) for s in found.settings] == [("vxlan10 mtu", 1500, 13)]
    said = evidence_of(UNSAID.format(more="    mtu 9000\n", size="    mtu 8950\n"), "interfaces")
    assert [(d.name, d.mtu) for d in said.links] == [("eno1", 9000), ("vmbr0", 9000)]
    assert [s.value for s in said.settings] == [8950]


def test_vxlan_that_fits_the_ports_of_a_bridge_is_too_large_for_the_bridge():
    text = UNSAID.format(more="", size="    mtu 8950\n")
    (finding,) = audit([Text("interfaces", text)], Given()).findings
    assert (finding.code, finding.found, finding.exact) == ("IPP911", 8950, 1450)


OVS = {
    "headings": ["name", "type", "mtu", "mtu_request", "options"],
    "data": [
        ["br-int", "internal", 1416, ["set", []], ["map", []]],
        [
            "vx0",
            "vxlan",
            ["set", []],
            1400,
            ["map", [["remote_ip", "192.0.2.2"], ["psk", "x"], ["ipsec_encapsulation", "yes"]]],
        ],
    ],
}


def test_open_vswitchs_table_has_ports_ipsec_and_what_is_ignored():
    found = evidence_of(json.dumps(OVS), "ovs.json")
    (setting,) = found.settings
    assert (setting.field, setting.value, setting.encap) == ("Interface br-int mtu", 1416, "vxlan")
    assert setting.own
    assert setting.own.nat_t, "a forced encapsulation is 8 bytes of UDP"
    assert [(f.code, f.found) for f in found.faults] == [("IPP916", 1400)]
    clues = posted("ovs-show.txt").clues
    assert [(c.system, c.own.suite if c.own else "") for c in clues] == [("ovs", "aes256gcm16")]


NETWORKCTL = {
    "Interfaces": [
        {"Index": 1, "Name": "lo", "Type": "loopback", "MTU": 65536},
        {"Index": 2, "Name": "eth0", "Type": "ether", "MTU": 1400, "OperationalState": "routable"},
        {"Index": 3, "Name": "wg0", "Type": "wireguard", "Kind": "wireguard", "MTU": 1420},
    ]
}
NMCLI = """GENERAL.DEVICE:                         eth0
GENERAL.TYPE:                           ethernet
GENERAL.MTU:                            1400

GENERAL.DEVICE:                         wg0
GENERAL.TYPE:                           wireguard
GENERAL.MTU:                            1420
"""
NMCLI_SHORT = """eth0: connected to Wired
\t"Virtio"
\tethernet (virtio_net), 02:00:00:00:00:01, hw, mtu 1400
\tip4 default
wg0: connected to wg0
\twireguard, sw, mtu 1420
"""


@pytest.mark.parametrize("text", [json.dumps(NETWORKCTL), NMCLI, NMCLI_SHORT], ids=["networkctl", "show", "short"])
def test_tools_of_hosts_have_links_with_types(text):
    found = evidence_of(text)
    links = {d.name: (d.mtu, d.kind) for d in found.links if not d.loopback}
    assert links == {"eth0": (1400, ""), "wg0": (1420, "wireguard")}


def test_docker_info_has_the_port_of_the_swarm():
    (clue,) = evidence_of(" Server Version: 23.0.6\n Swarm: active\n  Data Path Port: 4777\n").clues
    assert (clue.system, clue.port) == ("docker-overlay", 4777)


REASONS = [
    (
        "11:19:22.309296 IP 192.0.2.71 > 10.20.1.5: ICMP 192.0.2.71 unreachable - need to frag (mtu 1438)\n",
        "explain NUMBER",
    ),
    ("-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl\n", "private key"),
    ("<?xml version='1.0'?>\n<opnsense/>\n", "OPNsense"),
    ("Chain INPUT (policy ACCEPT)\ntarget prot opt\n", "iptables-save"),
    ("eth0             UP             02:00:00:00:00:01 <BROADCAST>\n", "ip -d -j addr"),
    ("interface: wg0\n  public key: x\n", "prints no MTU"),
    ("gibberish\n", "no format that audit knows"),
]


@pytest.mark.parametrize(("text", "says"), REASONS)
def test_what_is_not_read_says_what_to_send(text, says):
    (skipped,) = evidence_of(text).skipped
    assert says in skipped.reason


PASTED = f"""root@node-a:~# ip route
default via 192.0.2.1 dev eth0
root@node-a:~# ip addr
{PLAIN_ADDR}
root@node-a:~# swanctl --list-sas
{SAS}
"""


def test_a_paste_of_several_commands_is_read_command_by_command():
    found = evidence_of(PASTED)
    assert found.understood == 1
    assert not found.skipped
    assert {d.name: d.location.line for d in found.links}["flannel-wg"] == 9
    assert [e.suite for e in found.esps] == ["aes256-sha256"]


def test_a_quoted_and_fenced_paste_is_read():
    indented = "\n".join(f"    {line}" for line in PLAIN_ADDR.splitlines())
    fenced = f"Here is the output:\n```\n{PLAIN_ADDR}```\n"
    quoted = "\n".join(f"> {line}" for line in PLAIN_ADDR.splitlines())
    for text, more in ((indented, 0), (fenced, 2), (quoted, 0)):
        found = {d.name: d.location.line for d in evidence_of(text).links}
        assert found["flannel-wg"] == 6 + more, text


def test_a_comment_does_not_cut_a_file_into_parts():
    text = "# kubectl get cm -o yaml\n" + CONNS
    assert len(evidence_of(text, "ipsec.conf").esps) == len(evidence_of(CONNS, "ipsec.conf").esps)


SAMPLES = [
    *(OLD_LIBRESWAN, VYOS_SA),
    *(path.read_text() for path in sorted(POSTED.iterdir())),
    *(ROUTES, PLAIN_ADDR, IFCONFIG, CONNS, SAS, STATUSALL, ASA, FORTIOS, ZONES, INTERFACES, NMCLI, NMCLI_SHORT, PASTED),
    *(
        json.dumps(OVS),
        json.dumps(NETWORKCTL),
        *(text for text, _ in OBJECTS),
        WG.format(mtu="MTU = 1420\n", end="a:1"),
    ),
]


@pytest.mark.parametrize("number", range(len(SAMPLES)))
def test_damaged_text_is_read_or_skipped_and_never_raises(number):
    rng, text = random.Random(number), SAMPLES[number][:20000]
    for _ in range(25):
        at, size = rng.randrange(len(text)), rng.randrange(1, 40)
        noise = "".join(rng.choices("\n\t :=[]{}\"'/@<>0123456789amtuip", k=rng.randrange(0, 20)))
        damaged = text[:at] + noise + text[at + size :]
        report = audit([Text("x", damaged)], Given(link_mtu=1500))
        assert report.understood + len(report.skipped) >= 1


NETAVARK = {"name": "x", "driver": "bridge", "network_interface": "p"}
REFUSED = [
    (NETAVARK | {"ipv6_enabled": True, "options": {"mtu": "1200"}}, "IPP917"),
    ({"Name": "x", "Driver": "bridge", "Scope": "local", "EnableIPv6": True, "Options": {OPTION: "1200"}}, "IPP917"),
    ({"Name": "x", "Driver": "bridge", "Scope": "local", "Options": {"mtu": "1300"}}, "IPP916"),
    ({"Name": "x", "Driver": "macvlan", "Scope": "local", "Options": {OPTION: "1391"}}, "IPP916"),
]


@pytest.mark.parametrize(("network", "code"), REFUSED)
def test_what_a_program_refuses_or_ignores_is_a_finding(network, code):
    report = audit([Text("network.json", json.dumps(network))], Given(link_mtu=1500))
    assert code in [f.code for f in report.findings]


@pytest.mark.parametrize(
    ("driver", "options", "change"),
    [
        ("macvlan", {OPTION: "1391", "parent": "eth0"}, "set the MTU of the parent link eth0, recreate the containers"),
        ("ipvlan", {OPTION: "1391"}, "set the MTU of the parent link, recreate the containers"),
        ("bridge", {"mtu": "1300"}, f"recreate the network with {OPTION}, and its containers"),
    ],
)
def test_an_ignored_option_is_not_what_is_to_be_changed(driver, options, change):
    network = {"Name": "x", "Driver": driver, "Scope": "local", "Options": options}
    settings = evidence_of(json.dumps(network), "network.json").settings
    assert [s.change for s in settings if s.unjudged] == [change]


def test_nft_as_json_has_its_clamps():
    mangle = {"key": {"tcp option": {"name": "maxseg", "field": "size"}}, "value": 1350}
    rules = {"nftables": [{"metainfo": {}}, {"rule": {"family": "inet", "expr": [{"mangle": mangle}]}}]}
    (setting,) = evidence_of(json.dumps(rules)).settings
    assert (setting.value, setting.measure) == (1350, "mss")


def test_a_drop_in_of_our_own_is_a_link():
    found = evidence_of(
        "# ipsecplan\n[Link]\nMTUBytes=1584\n", "etc/systemd/network/20-lan.network.d/90-ipsecplan.conf"
    )
    assert [(d.name, d.mtu, d.configured) for d in found.links] == [("20-lan.network", 1584, True)]
