"""Link MTU by configurator: an addition to what is there, read back by the reader that audit uses."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import replace

import pytest

from netplan.host.firewall import Openings, firewalld, nftables
from netplan.host.links import HOSTS, Link

LINK = Link(name="eth1", mtu=1416)
EXISTING = {
    "ifupdown": "auto lo\niface lo inet loopback\n\nauto eth1\niface eth1 inet static\n    address 10.0.0.1/24\n"
    "    mtu 1500\n    gateway 10.0.0.254\n\niface eth1 inet6 static\n    address fd00::1/64\n    mtu 1500\n",
    "networkmanager": "[connection]\nid=eth1\nuuid=1\ninterface-name=eth1\n\n[ethernet]\nmtu=1500\nwake-on-lan=0\n\n"
    "[ipv4]\nmethod=auto\n",
}


@pytest.mark.parametrize("name", list(HOSTS))
def test_what_is_rendered_is_read_back(name):
    host = HOSTS[name]
    files = host.render(replace(LINK, existing=EXISTING.get(name, "")))
    assert len(files) == 1
    found = [each for text in files.values() for each in host.read(text)]
    assert [mtu for _, mtu, _ in found] == [1416]
    assert all(not path.startswith("/") for path in files)
    assert host.apply(LINK)
    assert any(c.isdigit() for c in host.checked_against)


def test_ifupdown_keeps_the_rest_of_the_stanza():
    (text,) = HOSTS["ifupdown"].render(replace(LINK, existing=EXISTING["ifupdown"])).values()
    assert text == EXISTING["ifupdown"].replace(
        "static\n    address 10.0.0.1/24\n    mtu 1500\n", "static\n    mtu 1416\n    address 10.0.0.1/24\n", 1
    )


def test_networkmanager_keeps_the_rest_of_the_profile():
    (text,) = HOSTS["networkmanager"].render(replace(LINK, existing=EXISTING["networkmanager"])).values()
    assert text == EXISTING["networkmanager"].replace("mtu=1500", "mtu=1416")
    (text,) = HOSTS["networkmanager"].render(replace(LINK, existing="[connection]\nid=x\n")).values()
    assert text.endswith("[ethernet]\nmtu=1416\n")


def test_networkd_writes_a_drop_in_never_a_second_file():
    ((path, text),) = HOSTS["networkd"].render(replace(LINK, unit="20-lan.network", dhcp=True)).items()
    assert path == "etc/systemd/network/20-lan.network.d/90-ipsecplan.conf"
    assert "UseMTU=no" in text
    assert "[Match]" not in text


def test_networkd_suffixes_are_1024_based():
    assert HOSTS["networkd"].read("[Match]\nName=eth0\n[Link]\nMTUBytes=9K\n") == [("eth0", 9216, 3)]


def test_canonical_matches_by_address_where_known():
    (text,) = HOSTS["canonical"].render(replace(LINK, mac="52:54:00:00:00:01", dhcp=True)).values()
    assert "macaddress" in text
    assert "use-mtu: false" in text


@pytest.mark.parametrize(
    ("link", "code"),
    [
        (replace(LINK, name="eth1; reboot"), "IPP905"),
        (replace(LINK, mtu=1279), "IPP903"),
        (replace(LINK, mtu=70000), "IPP903"),
    ],
)
def test_bad_links_are_refused(link, code):
    assert [p.code for p in link.problems()] == [code]
    assert replace(LINK, mtu=1279, ipv6=False).problems() == []


OPEN = Openings(peers=("10.0.0.10", "10.0.0.2", "2001:db8::5"), overlay_port=4789, nat_t=True)


def test_openings_name_the_peers_and_nothing_else():
    (text,) = nftables(OPEN).values()
    accepts = [line.strip() for line in text.splitlines() if line.strip().endswith("accept")]
    assert all("saddr @ipsecplan_peers" in line or "icmp" in line for line in accepts)
    assert "udp dport 4789 meta ipsec exists accept" in text
    assert "10.0.0.2, 10.0.0.10" in text
    bare = nftables(replace(OPEN, nat_t=False, overlay_port=None, peers=("10.0.0.2",)))
    assert "4500" not in "".join(bare.values())
    assert "ip6" not in "".join(bare.values())


def test_openings_refuse_what_would_be_code():
    bad = replace(OPEN, peers=("10.0.0.1; drop",), table="inet filter; flush", zone="x'; reboot")
    assert [p.code for p in bad.problems()] == ["IPP905", "IPP905", "IPP905"]
    assert OPEN.problems() == []


def test_firewalld_keeps_peers_in_their_zone():
    files, commands = firewalld(OPEN)
    assert set(files) == {
        "etc/firewalld/services/ipsecplan.xml",
        "etc/firewalld/ipsets/ipsecplan-peers4.xml",
        "etc/firewalld/ipsets/ipsecplan-peers6.xml",
    }
    assert not any("--add-source" in c for c in commands)
    import xml.etree.ElementTree as ElementTree

    for text in files.values():
        ElementTree.fromstring(text)  # noqa: S314 - our own text


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("nft") or os.geteuid() != 0, reason="needs root and nft")
def test_nft_takes_the_openings_twice(tmp_path):
    (text,) = nftables(OPEN).values()
    file = tmp_path / "rules.nft"
    chain = "table inet filter {\n  chain input { type filter hook input priority 0; policy drop; }\n}\n"
    file.write_text(chain + text + text)
    run = subprocess.run(["unshare", "-n", "nft", "-f", str(file)], check=False, capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (0, "")
