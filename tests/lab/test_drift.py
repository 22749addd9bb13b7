"""Before a change, a path that filters ESP is found; after it, what somebody changes on a node is seen and named."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest

from .conftest import ClusterFactory
from .rollout_steps import Rollout

pytestmark = [pytest.mark.lab, pytest.mark.drill]
FILTER = "table inet f { chain i { type filter hook input priority 0; meta l4proto esp drop; }; }"
# how somebody changes a node -> what status says about it
CHANGES = {
    "systemctl stop ipsecplan-watch": "ipsecplan-watch.service is not running",
    "nft insert rule inet ipsecplan output udp dport 4789 accept": "in the kernel has 'udp dport 4789 accept'",
    "ip xfrm policy deleteall dir out action block priority 4000050": "1 of 1 block policies are missing",
    "ip link set ov0 mtu 1450": "ov0 has MTU 1450, planned 1416",
    "ip netns exec pod1 ip link set eth0 mtu 1450": "the pod at",
    "ip route replace 10.244.1.0/24 via {o1} dev ov0 onlink mtu 1300": "the route to 10.244.1.0/24 has MTU 1300",
    "echo '# mine' >>/etc/swanctl/conf.d/ipsecplan.conf": "/etc/swanctl/conf.d/ipsecplan.conf was changed",
    "chmod 644 /etc/swanctl/private/ipsecplan.pem": "ipsecplan.pem is readable by others",
    "ip xfrm state add src {n2} dst {n1} proto esp spi 0xdeadbeef reqid 9 mode transport "
    "aead 'rfc4106(gcm(aes))' 0x" + "11" * 36 + " 128": "unknown to charon: 1 kernel SA",
}


def test_esp_is_heard_before_and_drift_is_seen_after(clusters: ClusterFactory, tmp_path: Path) -> None:
    lab = clusters(nodes=2)
    rollout = Rollout(lab, tmp_path)
    address = {node.name: node.underlay_address for node in lab.nodes}
    address["o1"] = lab.nodes[0].overlay_address

    lab.exec("n2", ["nft", "-f", "-"], stdin=FILTER, check=True)
    refused = rollout.apply()
    assert refused.returncode == 1
    assert "n1 -> n2: protocol 50 does not pass, UDP 4500 does" in refused.stderr
    assert "n2 -> n1" not in refused.stderr
    assert "ipsec.nat_traversal: always in the plan (8 bytes more a packet)" in refused.stderr
    assert "nothing was changed" in refused.stdout
    rollout.shell("n2", "nft", "delete", "table", "inet", "f")
    assert rollout.apply().returncode == 0

    report = tmp_path / "verify.xml"
    done = rollout.run("verify", "--junit", str(report), ok=True)
    assert "none interrupted; XFRM error counters flat on 2 nodes" in done.stdout
    root = Xml.fromstring(report.read_bytes())  # noqa: S314  our own output
    assert (root.attrib["failures"], root.attrib["errors"]) == ("0", "0")
    assert int(root.attrib["tests"]) > 20
    assert rollout.run("status").returncode == 0
    same = rollout.run("diff", "--live")
    assert same.returncode == 0, same.stdout + same.stderr

    for command in CHANGES:
        rollout.shell("n2", "sh", "-c", command.format(**address))
    seen = rollout.run("status", "--json")
    assert seen.returncode == 4
    document = json.loads(seen.stdout)
    assert document["result"]["nodes"]["n1"]["drift"] == []
    said = {problem["message"]: problem["hint"] for problem in document["errors"]}
    for command, words in CHANGES.items():
        assert [hint for text, hint in said.items() if text.startswith("n2: ") and words in text and hint], command
    print(f"{len(CHANGES)} changes by hand, {len(CHANGES)} seen, {len(said)} differences named")
    assert rollout.run("diff", "--live").returncode == 4
    watched = rollout.run("status", "--watch", "--count", "2", "--interval", "1")
    assert watched.returncode == 4
    assert "n2: ov0 has MTU 1450, planned 1416" in watched.stdout
    assert watched.stdout.count("n2: confirmed") == 1, "the second look found nothing new"

    # what the hints say, until nothing differs
    rollout.shell("n2", "chmod", "600", "/etc/swanctl/private/ipsecplan.pem")
    rollout.shell("n2", "ip", "route", "replace", "10.244.1.0/24", "via", address["o1"], "dev", "ov0", "onlink")
    rollout.shell("n2", "sh", "-c", f"ip xfrm state deleteall src {address['n2']} dst {address['n1']} spi 0xdeadbeef")
    again = rollout.apply()
    assert again.returncode == 0
    assert rollout.run("status").returncode == 0
