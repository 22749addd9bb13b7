"""Clusters as they are before a patch: objects with encryption, ports, names and namespaces of their own.

The packet stack of a row is written down, not taken from the program.
"""

from __future__ import annotations

import json

from tests.support.objects import cni, config_map, helm_config, obj, workload

LINK = 1500
GCM = "esp:aes256gcm16"
OURS = """connections { mesh { remote_addrs = 192.0.2.2
 children { mesh { mode = transport
  esp_proposals = aes256gcm16-x25519
 } } } }
"""


CALICO_LIST = json.dumps({"name": "k8s", "cniVersion": "0.3.1", "plugins": [{"type": "calico", "mtu": 1500}]}, indent=1)
TEMPLATE = CALICO_LIST.replace("1500", "__CNI_MTU__")
DAEMON = '{"log-driver": "journald", "mtu": 9000, "default-network-opts": {"overlay": {"encrypted": ""}}}'
FLANNEL_LIST = '{"name":"cbr0","cniVersion":"1.0.0","plugins":[{"type":"flannel","delegate":{"hairpinMode":true}}]}'
ANTREA = """# the agent's own file
trafficEncapMode: encap
tunnelType: {tunnel}
trafficEncryptionMode: {encryption}  # keep
wireGuard:
  port: 51821
# Default MTU to use for the host gateway interface and the network interface of each Pod.
#defaultMTU: 0
"""
NETWORK = {
    "name": "pods",
    "id": "4ce6a00c6a28e5b7a3b60fdde1a2b14a3af9550de9be6a61b99cc27a4d10d7bd",
    "driver": "bridge",
    "network_interface": "podman3",
    "subnets": [{"subnet": "192.0.2.0/24", "gateway": "192.0.2.1"}],
    "ipv6_enabled": False,
    "internal": True,
    "dns_enabled": False,
    "options": {"mtu": "9000", "isolate": "true"},
    "ipam_options": {"driver": "host-local"},
}
INSTALLATION = {
    "calicoNetwork": {"mtu": 1500, "bgp": "Disabled", "ipPools": [{"cidr": "10.0.0.0/8", "encapsulation": "VXLAN"}]}
}
OVERLAY = {
    "Name": "enc",
    "Id": "abc",
    "Scope": "swarm",
    "Driver": "overlay",
    "Options": {
        "com.docker.network.driver.mtu": "1500",
        "encrypted": "",
        "com.docker.network.driver.overlay.vxlanid_list": "4097",
    },
}
FELIX_RAW = obj(
    "FelixConfiguration",
    "default",
    "",
    "crd.projectcalico.org/v1",
    spec={"vxlanMTU": 1500, "bpfEnabled": True},
)
OPENSHIFT = obj(
    "Network",
    "cluster",
    "",
    "operator.openshift.io/v1",
    spec={
        "defaultNetwork": {
            "type": "OVNKubernetes",
            "ovnKubernetesConfig": {"mtu": 1400, "genevePort": 6081, "ipsecConfig": {"mode": "Full"}},
        }
    },
)
SUBNET = obj(
    "Subnet", "ovn-default", "", "kubeovn.io/v1", spec={"cidrBlock": "10.0.0.0/16", "mtu": 1400, "private": True}
)


V4 = "ip4/" + GCM + "/udp/vxlan/eth/ip4"
ROWS: list[tuple[str, str, str, dict[str, str], bool]] = [
    # plugin, label, stack, files, whether the hosts' IPsec is there
    (
        "calico",
        "operator",
        V4,
        {"i.yaml": obj("Installation", "default", "", "operator.tigera.io/v1", spec=INSTALLATION)},
        True,
    ),
    (
        "calico-manifest",
        "number in the list, variable wins, IPIP in a WireGuard mesh",
        "ip4/udp/wireguard/ip4/ip4",
        {
            "cm.yaml": config_map(
                "calico-config", "kube-system", cni_network_config=CALICO_LIST, calico_backend="bird"
            ),
            "ds.yaml": workload(
                "calico-node",
                "kube-system",
                "calico-node",
                {"CALICO_IPV4POOL_IPIP": "Always", "FELIX_IPINIPMTU": "1440"},
            ),
        },
        False,
    ),
    (
        "calico-manifest",
        "placeholder, raw CRDs",
        V4,
        {
            "cm.yaml": config_map(
                "calico-config", "calico", veth_mtu="0", cni_network_config=TEMPLATE, calico_backend="vxlan"
            ),
            "f.yaml": FELIX_RAW,
            "pool.yaml": obj(
                "IPPool", "p", "", "crd.projectcalico.org/v1", spec={"cidr": "10.0.0.0/8", "vxlanMode": "Always"}
            ),
        },
        True,
    ),
    (
        "cilium",
        "values",
        V4,
        {"values.yaml": "routingMode: tunnel\ntunnelProtocol: vxlan\nMTU: 1500\nkubeProxyReplacement: true\n"},
        True,
    ),
    (
        "cilium",
        "values with its own WireGuard",
        "ip4/udp/wireguard/ip4",
        {"values.yaml": "routingMode: native\nencryption: {enabled: true, type: wireguard}\n"},
        False,
    ),
    (
        "cilium",
        "ConfigMap",
        V4.replace("vxlan", "geneve"),
        {
            "cm.yaml": config_map(
                "cilium-config", "cilium", **{"routing-mode": "tunnel", "tunnel-protocol": "geneve", "mtu": "1500"}
            )
        },
        True,
    ),
    (
        "flannel",
        "Talos",
        V4,
        {
            "cm.yaml": config_map(
                "kube-flannel-cfg",
                "kube-system",
                **{
                    "net-conf.json": '{"Network":"10.244.0.0/16","Backend":{"Type":"vxlan","Port":4789}}',
                    "cni-conf.json": FLANNEL_LIST,
                },
            )
        },
        True,
    ),
    (
        "flannel",
        "WireGuard",
        "ip4/udp/wireguard/ip4",
        {
            "cm.yaml": config_map(
                "kube-flannel-cfg",
                "kube-flannel",
                **{
                    "net-conf.json": '{"Network":"10.244.0.0/16","Backend":{"Type":"wireguard","PSK":"x","MTU":1600}}',
                    "cni-conf.json": FLANNEL_LIST,
                },
            )
        },
        False,
    ),
    (
        "flannel",
        "host-gw",
        "ip4",
        {
            "cm.yaml": config_map(
                "kube-flannel-cfg",
                "kube-flannel",
                **{
                    "net-conf.json": '{"Network":"10.244.0.0/16","Backend":{"Type":"host-gw"}}',
                    "cni-conf.json": FLANNEL_LIST,
                },
            )
        },
        False,
    ),
    (
        "canal",
        "number in the list",
        V4,
        {
            "cm.yaml": config_map(
                "canal-config",
                "kube-system",
                veth_mtu="0",
                **{
                    "net-conf.json": '{"Network":"10.244.0.0/16","Backend":{"Type":"vxlan"}}',
                    "cni_network_config": CALICO_LIST,
                },
            )
        },
        True,
    ),
    (
        "k3s",
        "WireGuard",
        "ip4/udp/wireguard/ip4",
        {
            "flannel-conf.json": '{"Network":"10.42.0.0/16","Backend":{"Type":"wireguard","Mode":"separate"}}',
            "flannel-cni-conf.json": FLANNEL_LIST,
            "90-ipsecplan.yaml": "flannel-conf: /etc/rancher/k3s/flannel-conf.json\n"
            "flannel-cni-conf: /etc/rancher/k3s/flannel-cni-conf.json\n",
        },
        False,
    ),
    (
        "rke2-canal",
        "both numbers",
        V4,
        {"h.yaml": helm_config("rke2-canal", "calico:\n  vethuMTU: 1500\nflannel:\n  mtu: 1600\n  iface: eth1\n")},
        True,
    ),
    (
        "rke2-calico",
        "installation",
        V4,
        {
            "h.yaml": helm_config(
                "rke2-calico",
                "installation:\n  calicoNetwork: {mtu: 1500, bgp: Disabled, ipPools: [{cidr: 10.42.0.0/16}]}\n".replace(
                    "/16}", "/16, encapsulation: VXLAN}"
                ),
            )
        },
        True,
    ),
    (
        "rke2-cilium",
        "own WireGuard",
        "ip4/udp/wireguard/ip4",
        {
            "h.yaml": helm_config(
                "rke2-cilium", "routingMode: native\nencryption:\n  enabled: true\n  type: wireguard\n"
            )
        },
        False,
    ),
    (
        "rke2-flannel",
        "values",
        V4,
        {"h.yaml": helm_config("rke2-flannel", "flannel:\n  mtu: 1500\n  iface: eth1\n")},
        True,
    ),
    (
        "antrea",
        "WireGuard",
        "ip4/udp/wireguard/ip4",
        {
            "cm.yaml": config_map(
                "antrea-config",
                "kube-system",
                **{"antrea-agent.conf": ANTREA.format(tunnel="geneve", encryption="wireGuard")},
            )
        },
        False,
    ),
    (
        "antrea",
        "IPsec",
        "ip4/" + GCM + "/udp/geneve/eth/ip4",
        {
            "cm.yaml": config_map(
                "antrea-config-7c",
                "antrea",
                **{
                    "antrea-agent.conf": ANTREA.format(tunnel="geneve", encryption="ipsec").replace(
                        "#defaultMTU: 0", "defaultMTU: 1500"
                    )
                },
            )
        },
        False,
    ),
    (
        "kube-ovn",
        "arguments and Subnet",
        "ip4/" + GCM + "/udp/geneve:8/eth/ip4",
        {
            "ds.yaml": workload(
                "kube-ovn-cni",
                "kube-system",
                "cni-server",
                {},
                ("--network-type=geneve", "--enable-ovn-ipsec=true", "--mtu=1400"),
            ),
            "s.yaml": SUBNET,
        },
        False,
    ),
    (
        "kube-ovn",
        "second chart",
        V4,
        {
            "values.yaml": "networking: {tunnelType: vxlan, pods: {mtu: 1450}}\nfeatures: {enableOvnIpsec: true}\n",
            "s.yaml": SUBNET,
        },
        False,
    ),
    (
        "ovn-kubernetes",
        "variable wins",
        "ip4/" + GCM + "/udp/geneve:8/eth/ip4",
        {
            "cm.yaml": config_map("ovn-config", "ovn", mtu="1400", net_cidr="10.0.0.0/8"),
            "ds.yaml": workload("ovnkube-node", "ovn", "ovnkube-node", {"OVN_MTU": "1400", "ENABLE_IPSEC": "true"}),
        },
        False,
    ),
    ("openshift", "IPsec Full", "ip4/" + GCM + "/udp/geneve:8/eth/ip4", {"n.yaml": OPENSHIFT}, False),
    (
        "weave",
        "encrypted",
        V4,
        {"ds.yaml": workload("weave-net", "kube-system", "weave", {"WEAVE_MTU": "8916", "WEAVE_PASSWORD": "x"})},
        False,
    ),
    (
        "docker",
        "daemon.json",
        "ip4",
        {
            "daemon.json": DAEMON,
            "compose.yaml": "networks: {default: {driver_opts: {com.docker.network.driver.mtu: '9000'}}}",
        },
        False,
    ),
    (
        "docker-overlay",
        "encrypted",
        "ip4/esp:aes128gcm8/udp/vxlan/eth/ip4",
        {
            "inspect.json": json.dumps([OVERLAY]),
            "compose.yaml": json.dumps(
                {"networks": {"enc": {"driver": "overlay", "attachable": False, "driver_opts": {"encrypted": ""}}}}
            ),
        },
        False,
    ),
    ("podman", "file", "ip4", {"pods.json": json.dumps(NETWORK)}, False),
    (
        "podman",
        "inspect",
        "ip4",
        {"inspect.json": json.dumps([{**NETWORK, "containers": {}}]), "pods.json": json.dumps(NETWORK)},
        False,
    ),
    (
        "multus",
        "macvlan",
        "ip4",
        {
            "n.yaml": obj(
                "NetworkAttachmentDefinition",
                "mv",
                "shop",
                "k8s.cni.cncf.io/v1",
                spec={"config": cni("macvlan", master="eth1", mode="private")},
            )
        },
        False,
    ),
    *(
        (kind, "list", "ip4", {"10-own.conflist": cni(kind, master="eth1", ipam={"type": "dhcp"})}, False)
        for kind in ("bridge", "ptp", "macvlan", "ipvlan", "vlan")
    ),
    (
        "host-device",
        "list",
        "ip4",
        {
            "10-own.conflist": json.dumps(
                {"cniVersion": "1.0.0", "name": "own", "plugins": [{"type": "host-device", "device": "eth1"}]}
            )
        },
        False,
    ),
]
