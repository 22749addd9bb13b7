"""What audit doesn't read is named, with what to send instead, also where it begins like YAML."""

from __future__ import annotations

import pytest

from netplan.audit import Given, Text, audit

NOT_READ = {
    "netstat": ("Kernel Interface table\nIface      MTU    RX-OK\neth0      1500   100\n", "`netstat -i`"),
    "networkctl": ("* 2: eth0\n     Link File: n/a\n  Network File: n/a\n     MTU: 1450 (min: 68)\n", "`networkctl`"),
    "netplan": ("     Online state: online\n    DNS Addresses: 127.0.0.53 (stub)\n", "`netplan status`"),
    "openstack": ("+-----+-------+\n| Field | Value |\n+-----+-------+\n| mtu | 1450 |\n", "command line client"),
    "sysctl": ("net.ipv4.tcp_mtu_probing = 1\n", "sysctl"),
    "talosctl": (
        "node: 192.0.2.2\nmetadata:\n    type: LinkStatuses.net.talos.dev\nspec:\n    mtu: 1420\n",
        "talosctl",
    ),
    "ovn": ("_uuid               : 5b4a4f0b-0000\nmtu                 : 1500\n", "ovs-vsctl"),
    "cilium": ("KVStore:   Disabled\nKubernetes:   Ok   1.30 (v1.30.2)\n", "`cilium status`"),
    "ping": ("PING 192.0.2.2 (192.0.2.2) 1472(1500) bytes of data.\nping: local error: mtu=1400\n", "ping"),
    "ip route get": (
        "10.0.0.5 via 192.0.2.1 dev eth0 src 192.0.2.10 uid 0\n    cache expires 597sec mtu 1400\n",
        "ip route get",
    ),
    "setkey": ("192.0.2.1 192.0.2.2\n\tesp mode=tunnel spi=3232235521(0xc0a80001) reqid=1(0x00000001)\n", "holds keys"),
    "nebula": ("tun:\n  dev: nebula1\n  mtu: 1300\n", "Nebula"),
    "tracepath": (" 1?: [LOCALHOST]        pmtu 1500\n 1:  192.0.2.1   0.345ms pmtu 1400\n", "tracepath"),
    "libvirt": ("<network>\n  <name>default</name>\n  <mtu size='9000'/>\n</network>\n", "libvirt"),
}


@pytest.mark.parametrize("name", NOT_READ)
def test_what_is_not_read_is_named_with_what_to_send(name: str) -> None:
    text, what = NOT_READ[name]
    outcome = audit([Text(f"{name}.txt", text)], Given())
    (skipped,) = outcome.skipped
    assert "it looks like" in skipped.reason
    assert what in skipped.reason
    assert "; send " in skipped.reason
    assert not outcome.verdicts


@pytest.mark.parametrize("wrapped", [True, False])
@pytest.mark.parametrize(("kind", "exact"), [("geneve", 1442), ("vxlan", 1450), ("gre", 1458)])
def test_network_of_neutron_s_api_is_judged(kind: str, exact: int, wrapped: bool) -> None:
    net = f'{{"id": "a", "mtu": 1480, "name": "private", "provider:network_type": "{kind}"}}'
    text = f'{{"network": {net}}}' if wrapped else net
    outcome = audit([Text("network.json", text)], Given(link_mtu=1500))
    (finding,) = outcome.findings
    assert (finding.code, finding.exact, finding.field) == ("IPP911", exact, "network private: mtu")
