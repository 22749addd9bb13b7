"""IPsec that selects one IP protocol: it covers the tunnels of that protocol and no others, in every format."""

from __future__ import annotations

import json

import pytest

from netplan.audit import Given, Text, audit

PORT = {"vxlan": 4789}
DEVICES = json.dumps(
    [
        {
            "ifname": "eth0",
            "mtu": 1500,
            "link_type": "ether",
            "flags": ["UP"],
            "addr_info": [{"family": "inet", "local": "192.0.2.1", "prefixlen": 24}],
        },
        *(
            {
                "ifname": kind,
                "mtu": 1280,
                "link_type": "none",
                "flags": ["UP"],
                "linkinfo": {
                    "info_kind": kind,
                    "info_data": {"local": "192.0.2.1", "remote": "192.0.2.9", "port": PORT.get(kind)},
                },
            }
            for kind in ("vxlan", "gre", "ipip", "sit")
        ),
    ]
)
SWANCTL = """connections {{ c {{
 local_addrs = 192.0.2.1
 remote_addrs = 192.0.2.9
 children {{ c {{ mode = transport
  local_ts = dynamic[{0}]
  remote_ts = dynamic[{0}]
  esp_proposals = aes256gcm128 }} }} }} }}
"""
LIBRESWAN = """conn c
    left=192.0.2.1
    right=192.0.2.9
    type=transport
    esp=aes_gcm256
    leftprotoport={0}
    rightprotoport={0}
"""
XFRM = """src 192.0.2.1 dst 192.0.2.9
\tproto esp spi 0x0000000a reqid 1 mode transport
\taead rfc4106(gcm(aes)) 0x00 128
src 192.0.2.1/32 dst 192.0.2.9/32 proto {0}
\tdir out priority 0 ptype main
\ttmpl src 0.0.0.0 dst 0.0.0.0
\t\tproto esp reqid 1 mode transport
"""
CLEAR = {"vxlan": 1450, "gre": 1476, "ipip": 1480, "sit": 1480}
ESP = {"vxlan": 1416, "gre": 1442, "ipip": 1446, "sit": 1446}


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        (
            "swanctl.conf",
            SWANCTL,
            {"gre": "gre", "udp": "vxlan", "4": "ipip", "ipv6": "sit", "47": "gre", "tcp/22": ""},
        ),
        ("ipsec.conf", LIBRESWAN, {"gre": "gre", "17": "vxlan", "udp/%any": "vxlan", "47/0": "gre", "ipv6": "sit"}),
        ("xfrm.txt", XFRM, {"gre": "gre", "47": "gre", "udp": "vxlan", "4": "ipip", "ipip": "ipip", "ipv6": "sit"}),
    ],
    ids=["swanctl", "libreswan", "kernel"],
)
def test_selector_with_a_protocol_covers_its_tunnels_alone(name: str, text: str, words: dict[str, str]) -> None:
    for word, covered in words.items():
        report = audit([Text("addr.json", DEVICES), Text(name, text.format(word))], Given())
        exact = {v.setting.device: v.exact for v in report.verdicts}
        assert exact == {**CLEAR, **({covered: ESP[covered]} if covered else {})}, word


def test_service_name_of_a_selector_is_its_port() -> None:
    text = LIBRESWAN.replace("rightprotoport={0}", "rightprotoport=udp").format("udp/vxlan")
    devices = json.loads(DEVICES)
    devices[1]["linkinfo"]["info_data"]["port"] = 8472
    report = audit([Text("addr.json", json.dumps(devices)), Text("ipsec.conf", text)], Given())
    assert "IPP913" in [f.code for f in report.findings]
