"""Single rules of the judge: whose link, which family, which selectors."""

from __future__ import annotations

import json

import pytest

from netplan.audit import Given, Text, audit


def link(name, mtu, kind="", lower="", **data):
    found = {"ifname": name, "mtu": mtu, "operstate": "UP", "link_type": "ether"}
    if kind:
        found["linkinfo"] = {"info_kind": kind, "info_data": data}
    if lower:
        found["link"] = lower
    return found


def judged(*inputs, mtu=None):
    texts = [Text(f"{i}.txt", t if isinstance(t, str) else json.dumps(t)) for i, t in enumerate(inputs)]
    outcome = audit(texts, Given(link_mtu=mtu, said="--mtu"))
    assert not outcome.skipped
    return outcome.findings


INSTALLATION = """
apiVersion: operator.tigera.io/v1
kind: Installation
metadata: {name: default}
spec:
  calicoNetwork:
    mtu: %d
    ipPools:
    - {cidr: 10.42.0.0/16, encapsulation: VXLAN}
    - {cidr: "fd00::/56", encapsulation: VXLAN}
"""


@pytest.mark.parametrize(("mtu", "codes"), [(1450, ["IPP911"]), (1430, []), (1420, ["IPP912"])])
def test_one_number_serves_both_pools(mtu, codes):
    found = judged(INSTALLATION % mtu, mtu=1500)
    assert [f.code for f in found] == codes
    if mtu == 1420:
        assert found[0].exact == 1430


def test_a_tunnel_is_judged_by_the_link_under_it():
    devices = [link("eth0", 1500), link("eth1", 9000), link("vx1", 8950, "vxlan", "eth1", id=1, local="10.0.0.1")]
    assert judged(devices) == ()


def test_several_links_are_a_doubt_that_is_said():
    devices = [link("eth0", 1500), link("eth1", 9000), link("vx1", 8950, "vxlan", id=1, local="10.0.0.1")]
    (finding,) = judged(devices)
    assert finding.exact == 1450
    assert any("give --mtu" in note for note in finding.notes)
    assert judged(devices, mtu=9000) == ()


def test_the_default_route_decides():
    devices = [link("eth0", 1500), link("eth1", 9000), link("vx1", 1450, "vxlan", id=1, local="10.0.0.1")]
    route = [{"dst": "default", "gateway": "10.0.0.254", "dev": "eth0"}]
    assert judged(devices, route) == ()


@pytest.mark.parametrize(("mtu", "codes"), [(1420, []), (1440, []), (1441, ["IPP911"]), (1400, ["IPP912"])])
def test_wireguard_may_leave_room_for_ipv6(mtu, codes):
    assert [f.code for f in judged([link("eth0", 1500), link("wg0", mtu, "wireguard")])] == codes


def test_ovs_devices_have_a_meaningless_mtu():
    devices = [link("eth0", 1500), link("genev_sys_6081", 65000, "geneve", external=True)]
    assert judged(devices) == ()


SITE_TO_SITE = """
connections {
  hq {
    remote_addrs = 203.0.113.9
    children {
      lan {
        local_ts = 10.1.0.0/16
        remote_ts = 10.2.0.0/16
        esp_proposals = aes256gcm16-x25519
      }
    }
  }
}
"""


def test_a_vpn_between_sites_does_not_cover_the_overlay():
    assert (
        judged(INSTALLATION.replace('    - {cidr: "fd00::/56", encapsulation: VXLAN}\n', "") % 1450, SITE_TO_SITE) == ()
    )


def test_two_children_for_two_overlays_are_no_leak():
    child = "      %s { \n mode = transport\n remote_ts = dynamic[udp/%d]\n esp_proposals = aes256gcm16-x25519\n }\n"
    conf = "connections {\n  b {\n    children {\n" + child % ("a", 4789) + child % ("b", 8472) + "    }\n  }\n}\n"
    devices = [link("eth0", 1500), link("vx1", 1416, "vxlan", id=1, local="10.0.0.1", port=4789)]
    devices.append(link("vx2", 1416, "vxlan", id=2, local="10.0.0.1", port=8472))
    assert judged(devices, conf) == ()
    devices.append(link("vx3", 1450, "vxlan", id=3, local="10.0.0.1", port=4790))
    (finding,) = judged(devices, conf)
    assert finding.code == "IPP913"
    assert "4789, 8472" in finding.message


def test_one_line_of_json_has_a_line_and_no_column():
    (finding,) = judged([link("eth0", 1500), link("vx1", 1500, "vxlan", id=1, local="10.0.0.1")])
    assert (finding.location.line, finding.location.column, finding.location.source) == (1, None, None)


def test_policies_lend_their_ports_to_the_states():
    state = "src 10.0.0.1 dst 10.0.0.2\n\tproto esp spi 0x1 reqid 5 mode transport\n\taead rfc4106(gcm(aes)) 0x00 128\n"
    policy = (
        "src 10.0.0.1/32 dst 10.0.0.2/32 proto udp dport 4789\n\tdir out priority 1\n"
        "\ttmpl src 0.0.0.0 dst 0.0.0.0\n\t\tproto esp reqid 5 mode transport\n"
    )
    devices = [link("eth0", 1500), link("vx1", 1450, "vxlan", id=1, local="10.0.0.1", port=8472)]
    codes = [f.code for f in judged(devices, state + policy)]
    assert codes == ["IPP913"]
    devices[1]["linkinfo"]["info_data"]["port"] = 4789
    assert [f.code for f in judged(devices, state + policy)] == ["IPP911"]
