"""What audit says as a whole: exit codes, the table, what was skipped, many hosts of one kind."""

from __future__ import annotations

import json
import time

import pytest

from netplan.audit import Given, Text, audit
from netplan.audit.table import table
from netplan.cli.main import main


def entry(name, mtu, kind="", **more):
    data = more.pop("data", {})
    found = {"ifname": name, "mtu": mtu, "operstate": "UP", "link_type": "ether", **more}
    return found | ({"linkinfo": {"info_kind": kind, "info_data": data}} if kind else {})


def addresses(*texts):
    return [{"family": "inet", "local": t.split("/")[0], "prefixlen": int(t.split("/")[1])} for t in texts]


def run(tmp_path, capsys, *args, **files):
    for name, content in files.items():
        text = content if isinstance(content, str) else json.dumps(content)
        (tmp_path / name.replace("_", ".")).write_text(text)
    code = main(["audit", str(tmp_path), *args])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


ETH0 = entry("eth0", 1500, addr_info=addresses("192.0.2.1/24"))


def test_size_that_is_not_judged_ends_with_exit_9(tmp_path, capsys):
    code, out, _ = run(tmp_path, capsys, link_json=[ETH0, entry("ipsec0", 1400, "xfrm", data={"if_id": "0x7"})])
    assert code == 9
    assert "not judged: no IPsec for ipsec0 (if_id 7)" in out
    assert "NOT JUDGED" in out


def test_size_that_is_too_large_outranks_one_that_is_not_judged(tmp_path, capsys):
    vxlan = entry("vx0", 1500, "vxlan", data={"id": 1, "local": "192.0.2.1", "port": 4789})
    xfrm = entry("ipsec0", 1400, "xfrm", data={"if_id": "0x7"})
    code, _, err = run(tmp_path, capsys, link_json=[ETH0, vxlan, xfrm])
    assert code == 4
    assert "not judged 1" in err


def test_inputs_without_any_size_end_with_exit_9(tmp_path, capsys):
    code, _, err = run(tmp_path, capsys, pod_yaml="apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n")
    assert code == 9
    assert "IPP919" in err


def test_clean_run_prints_what_was_judged(tmp_path, capsys):
    vxlan = entry("vx0", 1450, "vxlan", data={"id": 1, "local": "192.0.2.1", "port": 4789})
    code, out, _ = run(tmp_path, capsys, link_json=[ETH0, vxlan])
    assert code == 0
    assert "linux vx0 mtu  1450  1450   judged   ip4/udp/vxlan/eth/ip4" in out
    assert "links, taken as they are: eth0 1500" in out


def test_assumption_fails_only_when_strict(tmp_path, capsys):
    files = {"c_json": '{"name": "p", "driver": "bridge", "network_interface": "podman1", "options": {"mtu": "1500"}}'}
    assert run(tmp_path, capsys, **files)[0] == 0
    assert run(tmp_path, capsys, "--strict", **files)[0] == 4
    assert run(tmp_path, capsys, "--strict", "--mtu", "1500", **files)[0] == 0


def test_too_small_is_not_said_where_the_link_is_assumed(tmp_path, capsys):
    files = {"c_json": '{"name": "p", "driver": "bridge", "network_interface": "podman1", "options": {"mtu": "1400"}}'}
    code, out, _ = run(tmp_path, capsys, **files)
    assert (code, "IPP912" in out) == (0, False)
    code, out, _ = run(tmp_path, capsys, "--mtu", "1500", **files)
    assert (code, "IPP912" in out) == (0, True)


def test_skipped_inputs_are_one_line_unless_asked_for(tmp_path, capsys):
    files = {"link_json": [ETH0], "a_txt": "nothing here\n", "b_txt": "nor here\n"}
    _, _, err = run(tmp_path, capsys, **files)
    assert "inputs skipped: no format that audit knows (2) (--verbose lists them)" in err
    assert "IPP910" not in err
    _, _, err = run(tmp_path, capsys, "--verbose", **files)
    assert err.count("IPP910") == 2


@pytest.mark.parametrize(
    ("mtu", "code", "said"),
    [
        ("azure-fabric", 4, "exact 1350"),
        ("AZURE-FABRIC", 4, "exact 1350"),
        ("azure-fabrik", 3, "IPP112"),
        ("15OO", 3, "IPP106"),
    ],
)
def test_mtu_may_be_the_name_of_a_cloud(mtu, code, said, tmp_path, capsys):
    vxlan = entry("vx0", 1450, "vxlan", data={"id": 1, "local": "192.0.2.1", "port": 4789})
    found, out, err = run(tmp_path, capsys, "--mtu", mtu, link_json=[ETH0, vxlan])
    assert found == code
    assert said in out + err


def test_link_of_a_host_that_is_a_container_is_no_pod(tmp_path, capsys):
    uplink = entry("eth0", 1500, "veth", link_netnsid=0, link_index=7, addr_info=addresses("192.0.2.1/24"))
    vxlan = entry("vx0", 1450, "vxlan", data={"id": 1, "local": "192.0.2.1", "port": 4789})
    code, out, _ = run(tmp_path, capsys, link_json=[uplink, vxlan])
    assert code == 0
    assert "links, taken as they are: eth0 1500" in out


def test_smaller_link_of_another_host_limits(tmp_path, capsys):
    vxlan = entry("vx0", 8950, "vxlan", data={"id": 1, "local": "192.0.2.1", "remote": "192.0.2.2", "port": 4789})
    near = [entry("eth0", 9000, addr_info=addresses("192.0.2.1/24")), vxlan]
    far = [entry("eth0", 1500, addr_info=addresses("192.0.2.2/24"))]
    code, out, _ = run(tmp_path, capsys, **{"a-link_json": near, "b-link_json": far})
    assert code == 4
    assert "too large by 7500 (exact 1450)" in out
    assert "the link of" in out


def cluster(number):
    for host in range(number):
        own = f"10.0.{host // 250}.{host % 250 + 1}"
        links = [entry("eth0", 1500, addr_info=addresses(f"{own}/16"))]
        links.append(entry("vxlan.calico", 1450, "vxlan", data={"id": 4096, "local": own, "port": 4789}))
        links += [entry(f"cali{host:06x}{pod:05x}", 1450, "veth", link_netnsid=pod) for pod in range(10)]
        routes = [{"dst": "default", "gateway": "10.0.255.254", "dev": "eth0"}]
        routes += [{"dst": f"10.42.{n}.0/24", "gateway": f"10.42.{n}.0", "dev": "vxlan.calico"} for n in range(20)]
        sas = "".join(
            f"src {own} dst 10.0.9.{n}\n\tproto esp spi 0x{n:x} reqid {n} mode transport\n"
            "\taead rfc4106(gcm(aes)) <<Keys hidden>> 128\n"
            for n in range(1, 30)
        )
        for name, text in (("ip-addr", json.dumps(links)), ("ip-route", json.dumps(routes)), ("ip-xfrm", sas)):
            yield Text(f"ssh://root@n{host}/{name}", text)


@pytest.mark.slow
def test_hosts_of_one_kind_are_one_finding_in_linear_time():
    took = {}
    for number in (100, 500):
        texts = list(cluster(number))
        before = time.process_time()
        outcome = audit(texts, Given())
        took[number] = time.process_time() - before
        assert [f.exact for f in outcome.findings] == [1416, 1416]
        assert f"the same in {number - 1} more inputs" in outcome.findings[0].notes[-1]
        assert outcome.numbers == 2 * number
        assert len(table(outcome)) < 60
    assert took[500] < 12 * took[100]
