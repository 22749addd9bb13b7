"""Files that say a size twice, before a comment, for another family, or as an option: the one that counts is judged."""

from __future__ import annotations

import json

import pytest

from netplan.audit import Given, Text, audit

GRE = "config interface 't'\n option proto 'gre'\n option peeraddr '192.0.2.1'\n option mtu '1400'\n"
ETH0 = "config device\n option name 'eth0'\n option mtu '1500'\n"
ST0 = (
    "set security ipsec proposal p encryption-algorithm aes-256-cbc\n"
    "set security ipsec proposal p authentication-algorithm hmac-sha-256-128\n"
    "set security ipsec policy q proposals p\n"
    "set security ipsec vpn v ike ipsec-policy q\n"
    "set security ipsec vpn v bind-interface st0.0\n"
)
FREEBSD = (
    "gif0: flags=8051<UP,POINTOPOINT,RUNNING,MULTICAST> metric 0 mtu {mtu}\n"
    "\ttunnel inet 192.0.2.1 --> 192.0.2.2\n\tgroups: gif\n\tinet6 2001:db8::1 prefixlen 64\n"
)
OPENBSD = (
    "gif0: flags=8051<UP,POINTOPOINT,RUNNING,MULTICAST> mtu {mtu}\n"
    "\tindex 7 priority 0 llprio 3\n\tgroups: gif\n\ttunnel: inet 192.0.2.1 --> 192.0.2.2\n"
)


def judged(path, text, mtu=1500):
    """Return (what is said, exact size) of every number of a text."""
    return [(v.setting.value, v.exact) for v in audit([Text(path, text)], Given(link_mtu=mtu)).verdicts]


def stacked(*inputs):
    """Return (device, size found, exact size) of every link that is larger than what it stands on."""
    found = audit([Text(path, text) for path, text in inputs], Given()).findings
    return [(f.field, f.found, f.exact) for f in found if f.system == "links"]


# GRE over IPv4: 1500 - 20 - 4; ESP with AES-CBC and HMAC-SHA-256-128 in tunnel mode over IPv4: 1500 - 20 - 8 - 16 - 16
# leaves 1440 bytes for whole blocks, less 2 of the trailer
@pytest.mark.parametrize(
    ("path", "text", "number", "exact"),
    [
        ("etc/config/network", GRE + " option mtu '1500'\n", 1500, 1476),
        ("etc/config/network", GRE + ETH0 + "config interface 't'\n option mtu '1500'\n", 1500, 1476),
        ("srx", ST0 + "".join(f"set interfaces st0 unit 0 family inet mtu {n}\n" for n in (1400, 1500)), 1500, 1438),
        ("srx", ST0 + "set interfaces st0 unit 0 family inet6 mtu 1500\n", 1500, 1438),
    ],
    ids=["option", "section", "junos", "inet6"],
)
def test_the_last_word_of_a_file_counts_and_that_of_both_families(path, text, number, exact):
    assert judged(path, text) == [(number, exact)]


@pytest.mark.parametrize(
    "upper",
    [
        "config device\n option type '8021q'\n option ifname 'eth0'\n option vid '5'\n option name 'up'\n",
        "config device\n option type 'bridge'\n option name 'up'\n list ports 'lan9'\n list ports 'eth0'\n",
    ],
    ids=["vlan", "bridge"],
)
def test_a_device_of_openwrt_above_a_smaller_one_is_too_large(upper):
    assert stacked(("etc/config/network", ETH0 + upper + " option mtu '9000'\n")) == [("up mtu", 9000, 1500)]
    assert stacked(("etc/config/network", ETH0 + upper + " option mtu '1500'\n")) == []


@pytest.mark.parametrize(("carrier", "size", "exact"), [(1500, 1500, 1492), (1508, 1500, None), (1500, 1492, None)])
def test_pppoe_takes_eight_bytes_of_its_carrier(carrier, size, exact):
    text = f"{ETH0.replace('1500', str(carrier))}config interface 'wan'\n option proto 'pppoe'\n option device 'eth0'\n"
    found = stacked(("etc/config/network", f"{text} option mtu '{size}'\n"))
    assert found == ([("pppoe-wan mtu", size, exact)] if exact else [])


@pytest.mark.parametrize("size", ["9000", "'9000'", "9000 # jumbo", '"9000"   # jumbo frames'])
def test_a_comment_behind_a_value_of_ifcfg_is_none_of_it(size):
    carrier = ("ifcfg-eth0", "DEVICE=eth0\nONBOOT=yes\nMTU=1500\n")
    vlan = ("ifcfg-eth0.5", f"DEVICE=eth0.5\nONBOOT=yes\nVLAN=yes\nMTU={size}\n")
    assert stacked(carrier, vlan) == [("eth0.5 mtu", 9000, 1500)]


def test_a_type_of_nmstate_that_audit_does_not_know_is_named():
    text = "interfaces:\n- {name: eth0, type: ethernet, mtu: 1500}\n- {name: i1, type: ipsec, mtu: 1500}\n"
    (verdict,) = audit([Text("state.yaml", text)], Given()).verdicts
    assert (verdict.status, verdict.setting.device) == ("unjudged", "i1")


@pytest.mark.parametrize("text", [FREEBSD, OPENBSD], ids=["freebsd", "openbsd"])
def test_advice_for_a_bsd_is_a_command_of_a_bsd(text):
    (finding,) = audit([Text("ifconfig", text.format(mtu=1500))], Given(link_mtu=1500)).findings
    assert (finding.exact, finding.change.partition(",")[0]) == (1480, "ifconfig gif0 mtu")
    below = audit([Text("ifconfig", FREEBSD.format(mtu=1200))], Given()).findings
    assert [f.change.partition(",")[0] for f in below] == ["ifconfig gif0 mtu 1280"]


def test_advice_for_net_tools_of_linux_stays_that_of_linux():
    text = "tunl0: flags=193<UP,RUNNING,NOARP>  mtu 1500\n        tunnel   txqueuelen 1000  (IPIP Tunnel)\n"
    (finding,) = audit([Text("ifconfig", text)], Given(link_mtu=1500)).findings
    assert finding.change.startswith("ip link set dev tunl0 mtu,")


def test_the_file_that_makes_a_running_device_is_named():
    vxlan = {"linkinfo": {"info_kind": "vxlan", "info_data": {"id": 4, "local": "192.0.2.1", "port": 4789}}}
    dump = [
        {"ifname": "eth0", "mtu": 1500, "operstate": "UP", "link_type": "ether", "promiscuity": 0},
        {"ifname": "vx0", "mtu": 1500, "operstate": "UP", "link_type": "ether", "promiscuity": 0, **vxlan},
    ]
    netdev = "[NetDev]\nName=vx0\nKind=vxlan\nMTUBytes=1500\n[VXLAN]\nVNI=4\n"
    inputs = [Text("h/addr.json", json.dumps(dump)), Text("h/etc/systemd/network/10-vx0.netdev", netdev)]
    for order in (inputs, inputs[::-1]):
        changes = {f.system: f.change for f in audit(order, Given()).findings}
        assert "(h/etc/systemd/network/10-vx0.netdev)" in changes["linux"]
    (alone,) = audit(inputs[:1], Given()).findings
    assert ".netdev" not in alone.change


@pytest.mark.parametrize(
    ("path", "text", "found"),
    [
        ("docker.service", "[Service]\nExecStart=/usr/bin/dockerd -H fd:// --mtu=1500\n", [(1500, 1400)]),
        ("docker.service.d/x.conf", "[Service]\nExecStart=\nExecStart=/usr/bin/dockerd --mtu 1400\n", [(1400, 1400)]),
        ("docker.service", "[Service]\nExecStart=/usr/bin/dockerd \\\n  -H fd:// \\\n  --mtu=1500\n", [(1500, 1400)]),
        ("default/docker", 'DOCKER_OPTS="--mtu=1500 --debug"\n', [(1500, 1400)]),
        ("docker.service", "[Service]\nExecStart=/usr/bin/dockerd\n[Install]\nAlias=x --mtu=1500\n", []),
    ],
    ids=["unit", "drop-in", "lines", "variables", "not-said"],
)
def test_the_mtu_of_dockerd_is_read_where_it_is_an_option(path, text, found):
    assert judged(path, text, 1400) == found


def test_a_drop_in_of_dockerd_without_an_mtu_says_what_to_give():
    (skipped,) = audit([Text("docker.service", "[Service]\nExecStart=/usr/bin/dockerd\n")], Given()).skipped
    assert "daemon.json" in skipped.reason


@pytest.mark.parametrize(
    ("machine", "status"), [("", "judged"), ("{from: 1500, to: 1500}", "judged"), ("{to: 9100}", "unjudged")]
)
def test_what_a_migration_of_openshift_leads_to_is_judged_where_the_link_stays(machine, status):
    text = (
        "apiVersion: operator.openshift.io/v1\nkind: Network\nmetadata: {name: cluster}\nspec:\n"
        "  migration:\n    mtu:\n"
        "      network: {from: 1400, to: 1443}\n"
        + (f"      machine: {machine}\n" if machine else "")
        + "  defaultNetwork: {type: OVNKubernetes, ovnKubernetesConfig: {mtu: 1400}}\n"
    )
    verdicts = audit([Text("network.yaml", text)], Given(link_mtu=1500)).verdicts
    found = [v for v in verdicts if v.setting.field == "migration.mtu.network.to"]
    # Geneve with eight bytes of options over IPv4: 1500 - 20 - 8 - 8 - 8 - 14
    assert [(v.status, v.exact) for v in found] == [(status, 1442 if status == "judged" else None)]


def test_a_clamp_of_one_router_takes_no_tunnel_of_another():
    tunnel = "/interface gre\nadd name=t mtu=1476 remote-address=192.0.2.1\n"
    clamp = (
        "/interface vxlan\nadd name=v mtu=1450\n"
        "/ip firewall mangle\nadd action=change-mss new-mss=1436 out-interface=t\n"
    )
    report = audit([Text("a.rsc", tunnel), Text("b.rsc", clamp)], Given(link_mtu=1500))
    assert [v.setting.encap for v in report.verdicts if v.setting.measure == "mss"] == [""]
    moved = clamp.partition("/ip firewall mangle\n")
    report = audit([Text("a.rsc", "".join(moved[1:]) + tunnel)], Given(link_mtu=1500))
    assert [v.setting.encap for v in report.verdicts if v.setting.measure == "mss"] == ["gre"]
