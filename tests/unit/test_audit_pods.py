"""Which tunnels of a host carry its pods, and which settings belong to which device."""

from __future__ import annotations

import json

import pytest

from netplan.audit import Given, Text, audit


def entry(name, mtu, kind="", data=None, **more):
    found = {"ifname": name, "mtu": mtu, "operstate": "UP", "link_type": "ether", **more}
    return found | ({"linkinfo": {"info_kind": kind, "info_data": data or {}}} if kind else {})


def judged(*inputs, mtu=None):
    texts = [Text(name, t if isinstance(t, str) else json.dumps(t)) for name, t in inputs]
    outcome = audit(texts, Given(link_mtu=mtu))
    return {v.setting.field: (v.status, v.exact) for v in outcome.verdicts}, outcome


ETH0 = entry("eth0", 1500, addr_info=[{"family": "inet", "local": "192.0.2.1", "prefixlen": 24}])
VXLAN = entry("flannel.1", 1450, "vxlan", {"id": 1, "local": "192.0.2.1", "port": 8472})
WG0 = entry("wg0", 1420, "wireguard")
CNI0 = entry("cni0", 1450, "bridge", addr_info=[{"family": "inet", "local": "10.42.0.1", "prefixlen": 24}])
DEFAULT = {"dst": "default", "gateway": "192.0.2.254", "dev": "eth0"}
TO_PODS = {"dst": "10.42.1.0/24", "gateway": "10.42.1.0", "dev": "flannel.1"}


def test_vpn_of_the_host_is_no_overlay_of_its_pods():
    routes = [DEFAULT, TO_PODS, {"dst": "192.168.50.0/24", "dev": "wg0"}]
    found, outcome = judged(("a/link.json", [ETH0, VXLAN, WG0, CNI0]), ("a/route.json", routes))
    assert found["cni0 mtu"] == ("judged", 1450)
    assert outcome.findings == ()


def test_wireguard_that_carries_the_pods_limits_them():
    routes = [DEFAULT, {"dst": "10.42.1.0/24", "dev": "wg0"}]
    found, outcome = judged(("a/link.json", [ETH0, WG0, CNI0]), ("a/route.json", routes))
    assert found["cni0 mtu"][1] == 1420
    assert [f.code for f in outcome.findings] == ["IPP911"]


def test_tunnel_without_its_ipsec_does_not_hide_the_pods_overlay():
    routes = [DEFAULT, TO_PODS, {"dst": "10.42.9.0/24", "dev": "ipsec0"}]
    xfrm = entry("ipsec0", 1400, "xfrm", {"if_id": "0x1"})
    found, _ = judged(("a/link.json", [ETH0, VXLAN, xfrm, CNI0]), ("a/route.json", routes))
    assert found["cni0 mtu"] == ("judged", 1450)
    assert found["ipsec0 mtu"] == ("unjudged", None)


@pytest.mark.parametrize(
    ("kind", "data", "status"),
    [("tun", {"type": "tap"}, "assumed"), ("tun", {"type": "tun"}, "unjudged"), ("netkit", {}, "assumed")],
)
def test_pods_end_is_known_by_its_type(kind, data, status):
    found, _ = judged(("a/link.json", [ETH0, VXLAN, entry("x7q", 1400, kind, data)]))
    assert found["x7q mtu"][0] == status


def test_drop_in_belongs_to_the_device_of_its_unit():
    unit = "[Match]\nName=vx8\n[Network]\nBridge=br0\n"
    netdev = "[NetDev]\nName=vx8\nKind=vxlan\n[VXLAN]\nVNI=8\nDestinationPort=4789\nLocal=192.0.2.1\n"
    more = "[Link]\nMTUBytes=1500\n"
    place = "n/etc/systemd/network"
    found, outcome = judged(
        (f"{place}/20-vx8.network", unit),
        (f"{place}/20-vx8.netdev", netdev),
        (f"{place}/20-vx8.network.d/90-mtu.conf", more),
        mtu=1500,
    )
    assert found == {"20-vx8.network MTUBytes": ("judged", 1450)}
    assert not outcome.skipped
    found, _ = judged((f"{place}/20-vx8.network.d/90-mtu.conf", more))
    assert found == {"20-vx8.network MTUBytes": ("unjudged", None)}


def test_flannel_over_the_link_that_its_daemonset_names():
    daemonset = (
        "apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {name: kube-flannel-ds, namespace: kube-flannel}\nspec:\n"
        "  template:\n    spec:\n      containers:\n      - {name: kube-flannel, args: [--ip-masq, --iface=wg0]}\n"
    )
    config = (
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: kube-flannel-cfg}\ndata:\n"
        '  net-conf.json: \'{"Network": "10.42.0.0/16", "Backend": {"Type": "vxlan", "MTU": 1500}}\'\n'
    )
    found, _ = judged(("a/link.json", [ETH0, WG0]), ("a/ds.yaml", daemonset), ("a/cm.yaml", config))
    assert found["Backend.MTU"][1] == 1370


def test_kubespan_takes_the_nodes_packets_whatever_device_the_overlay_names():
    machine = "machine: {network: {kubespan: {enabled: true}}}\n"
    named = entry("flannel.1", 1370, "vxlan", {"id": 1, "local": "192.0.2.1", "link": "eth0", "port": 4789})
    span = entry("kubespan", 1420, "wireguard")
    found, outcome = judged(("a/link.json", [ETH0, named, span]), ("a/machine.yaml", machine))
    assert found["flannel.1 mtu"][1] == 1370
    assert outcome.findings == ()


def test_pods_of_an_open_vswitch_are_in_its_tunnel():
    geneve = entry("genev_sys_6081", 65000, "geneve", {"external": True, "port": 6081}, master="ovs-system")
    gateway = entry("ovn-k8s-mp0", 1460, "openvswitch")
    found, outcome = judged(("a/link.json", [ETH0, geneve, gateway]), ("a/route.json", [DEFAULT]))
    assert found == {"ovn-k8s-mp0 mtu": ("assumed", 1442)}
    assert [f.code for f in outcome.findings] == ["IPP911"]
    found, outcome = judged(("a/link.json", [ETH0, geneve, {**gateway, "mtu": 1400}]), ("a/route.json", [DEFAULT]))
    assert outcome.findings == ()


@pytest.mark.parametrize(
    ("main", "tuned", "wrong"),
    [
        ({"type": "bridge", "mtu": 1500}, 1400, {"bridge": 1400}),
        ({"type": "bridge"}, 1400, {"bridge": 1400}),  # the kernel's 1500
        ({"type": "ptp", "mtu": 1500}, 1400, {"ptp": 1400}),
        ({"type": "calico", "mtu": 1450}, 1400, {"calico": 1400}),
        ({"type": "bridge"}, 9000, {"tuning": 1500}),
        ({"type": "bridge", "mtu": 1400}, 1400, {}),
        ({"type": "bridge"}, 1500, {}),
        ({"type": "bridge", "mtu": 1400}, 0, {}),
        ({"type": "host-device"}, 1400, {}),
        ({"type": "macvlan", "mtu": 1500}, 1400, {}),  # one device, no other end
    ],
)
def test_both_ends_of_a_veth_have_one_mtu(main, tuned, wrong):
    """Measured: 1404 bytes pass into a pod's end of 1400, 1405 are dropped without a word."""
    text = {"cniVersion": "1.0.0", "name": "net", "plugins": [main, {"type": "tuning", "mtu": tuned}]}
    _, outcome = judged(("10-net.conflist", text), mtu=9000)
    found = {f.system: f.exact for f in outcome.findings if "other end" in f.message}
    assert found == wrong
    assert all(
        "larger than" in f.message and f.severity == "error" for f in outcome.findings if "other end" in f.message
    )


@pytest.mark.parametrize("kind", ["bridge", "ptp", "macvlan"])
def test_mtu_of_a_route_is_never_on_the_pods_route(kind):
    """Measured with the plugins 1.9.1: of a route's attributes `mtu` and `advmss` are reported only."""
    routes = [{"dst": "0.0.0.0/0", "mtu": 1400}, {"dst": "10.2.0.0/16", "advmss": 1200, "priority": 7}, {"dst": "::/0"}]
    ipam = {"type": "host-local", "ranges": [[{"subnet": "10.1.0.0/24"}]], "routes": routes}
    text = {"cniVersion": "1.1.0", "name": "net", "plugins": [{"type": kind, "mtu": 1500, "ipam": ipam}]}
    _, outcome = judged(("10-net.conflist", text), mtu=1500)
    found = {(f.field, f.found if f.found else None) for f in outcome.findings if f.code == "IPP916"}
    assert {field for field, _ in found} == {"ipam.routes[].mtu", "ipam.routes[].advmss"}
    assert [v.status for v in outcome.verdicts if v.setting.semantics == "route"] == ["unjudged"] * 2


def test_mtu_that_dhcp_is_asked_for_is_not_used():
    """Measured with the plugin dhcp 1.9.1 and dnsmasq, which sent 1400."""
    ipam = {"type": "dhcp", "request": [{"option": "121"}, {"option": "26"}]}
    text = {"cniVersion": "1.1.0", "name": "net", "plugins": [{"type": "macvlan", "master": "eth0", "ipam": ipam}]}
    _, outcome = judged(("10-net.conflist", text), mtu=1500)
    assert [(f.code, f.field) for f in outcome.findings] == [("IPP916", "ipam.request[].option")]
