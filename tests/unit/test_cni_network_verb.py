"""``ipsecplan network``: from a plan or a stack to files, steps and refusals."""

from __future__ import annotations

import json

import pytest
import yaml

from netplan.cli.main import main
from netplan.cni import ADAPTERS

VXLAN = ("--stack", "ip4/esp:aes256gcm16/udp/vxlan/eth/ip4", "--mtu", "1500")
GENEVE = ("--stack", "ip4/esp:aes256gcm16/udp/geneve:8/eth/ip4", "--mtu", "1500")


def run(capsys, *argv):
    code = main(["network", *argv])
    out, err = capsys.readouterr()
    return code, out, err


def run_link(capsys, *argv):
    code = main(["host-link", *argv])
    out, err = capsys.readouterr()
    return code, out, err


@pytest.mark.parametrize("plugin", [n for n, a in ADAPTERS.items() if ("vxlan", "ipv4") in a.overhead.by])
def test_every_vxlan_network_from_a_stack(plugin, capsys):
    new = ("--option", "network=10.244.0.0/16") if plugin in ("flannel", "canal", "k3s") else ()
    code, out, _ = run(capsys, plugin, *VXLAN, *new, "--json")
    result = json.loads(out)["result"]
    assert code == 0
    assert result["pod_mtu"] == 1416
    assert result["files"]
    assert result["steps"]


def test_files_are_written_once(tmp_path, capsys):
    target = tmp_path / "review"
    code, _, err = run(capsys, "cilium", *VXLAN, "--to", str(target), "--namespace", "shop", "--from", "monitoring")
    assert code == 0
    assert "7 files" not in err
    assert yaml.safe_load((target / "cilium" / "values.yaml").read_text())["MTU"] == 1466
    assert (target / "policies" / "shop" / "default-deny.yaml").exists()
    assert "apply --dry-run=server -f policies/shop/default-deny.yaml" in (target / "STEPS.md").read_text()
    code, _, err = run(capsys, "cilium", *VXLAN, "--to", str(target))
    assert code == 3
    assert "IPP210" in err


def test_existing_config_map_is_patched(tmp_path, capsys):
    dump = tmp_path / "cm.yaml"
    conf = '{"Network": "10.9.0.0/16", "EnableNFTables": true, "Backend": {"Type": "vxlan"}}'
    dump.write_text(yaml.safe_dump({"kind": "ConfigMap", "apiVersion": "v1", "data": {"net-conf.json": conf}}))
    code, out, _ = run(capsys, "flannel", *VXLAN, "--existing", str(dump), "--json")
    assert code == 0
    text = yaml.safe_load(json.loads(out)["result"]["files"][0]["text"])["data"]["net-conf.json"]
    assert json.loads(text)["EnableNFTables"] is True
    assert json.loads(text)["Backend"]["MTU"] == 1466


def test_openshift_gets_what_it_accepts(capsys):
    code, out, err = run(capsys, "openshift", *GENEVE, "--option", "from=1400")
    assert code == 0
    assert "pods get 1400, not 1408" in err
    assert "mtu: 1400" in out
    assert "ipsecConfig" not in out


@pytest.mark.parametrize("plugin", ["flannel", "canal", "k3s"])
def test_a_backend_that_was_not_given_is_not_replaced(plugin, capsys):
    code, _, err = run(capsys, plugin, *VXLAN)
    assert code == 3
    assert "--existing" in err


def test_an_option_that_a_network_ignores_is_said(capsys):
    code, _, err = run(capsys, "calico", *VXLAN, "--option", "subnet=x")
    assert code == 0
    assert "option subnet has no effect on calico" in err


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"metadata": {"name": "kube-flannel-cfg", "namespace": "kube-system"}}, "patch -n kube-system configmap"),
        ({"metadata": {"name": "kube-flannel-cfg", "namespace": "kube-flannel"}}, "ds/kube-flannel-ds"),
    ],
)
def test_the_object_that_was_given_is_patched_in_its_namespace(files, says, tmp_path, capsys):
    dump = tmp_path / "cm.yaml"
    conf = '{"Network": "10.9.0.0/16", "Backend": {"Type": "wireguard"}}'
    dump.write_text(yaml.safe_dump({"kind": "ConfigMap", "apiVersion": "v1", **files, "data": {"net-conf.json": conf}}))
    code, out, err = run(capsys, "flannel", *VXLAN, "--existing", str(dump))
    assert code == 0
    assert says.replace("ds/", "daemonset/") in out
    assert '"Type": "wireguard"' in out, "a backend is never another one afterwards"
    assert "the object has backend wireguard, asked for vxlan" in err


def test_from_a_plan_with_ovn_options(tmp_path, capsys):
    (tmp_path / "hosts.yml").write_text(
        "all:\n  hosts:\n"
        + "".join(
            f"    n{i}:\n      underlay_address: 10.20.0.{i}\n      pod_cidr: 10.42.{i}.0/24\n" for i in (1, 2, 3)
        )
    )
    (tmp_path / "plan.yaml").write_text("name: demo\ninventory: hosts.yml\noverlay:\n  type: geneve\n")
    for plugin, mtu in (("antrea", 1416), ("kube-ovn", 1408)):
        code, out, err = run(capsys, plugin, "--plan", str(tmp_path / "plan.yaml"), "--json")
        assert code == 0, out + err
        assert json.loads(out)["result"]["pod_mtu"] == mtu


@pytest.mark.parametrize(
    ("argv", "code", "says"),
    [
        (("calcio", *VXLAN), 3, "did you mean calico?"),
        (("calico",), 2, "--plan"),
        (("calico", "--stack", "ip4"), 2, "--mtu"),
        (("weave", *GENEVE), 3, "IPP901"),
        (("calico", *VXLAN, "--namespace", "kube-system"), 3, "cuts the cluster off"),
        (("calico", *VXLAN, "--option", "links=$(reboot);"), 3, "IPP905"),
        (("calico", *VXLAN, "--option", "nonsense"), 2, "KEY=VALUE"),
        (("podman", *VXLAN, "--option", "name=../../etc/passwd"), 3, "can't be the option name"),
        (("vlan", "--stack", "ip4", "--mtu", "1500", "--option", "vlan=abc"), 3, "VLAN id"),
        (("calico", *VXLAN, "--option", "link=eth0"), 3, "did you mean links?"),
        (("calico", *VXLAN, "--existing", "/nonexistent"), 3, "IPP201"),
        (("calico", "--stack", "ip4/esp:aes256gcm16/udp/vxlan/eth/ip6", "--mtu", "1300"), 3, "IPP903"),
    ],
)
def test_refusals(argv, code, says, capsys):
    found, _, err = run(capsys, *argv)
    assert found == code
    assert says in err


def test_the_list_names_every_network(capsys):
    _, out, _ = run(capsys, "--list")
    assert all(name in out for name in ADAPTERS)
    _, out, _ = run(capsys, "--list", "--json")
    assert len(json.loads(out)["result"]) == len(ADAPTERS)


def test_a_hosts_link_gets_its_mtu(capsys, tmp_path):
    code, out, err = run_link(capsys, "networkd", "eth0", "--mtu", "1584", "--unit", "20-lan.network")
    assert code == 0, err
    assert "# etc/systemd/network/20-lan.network.d/90-ipsecplan.conf" in out
    assert "MTUBytes=1584" in out
    assert "networkctl reconfigure eth0" in out
    for host in ("canonical", "networkmanager", "ifupdown"):
        code, out, err = run_link(capsys, host, "eth0", "--mtu", "9000", "--json")
        assert code == 0, err
        assert any("9000" in f["text"] for f in json.loads(out)["result"]["files"])
    code, _, err = run_link(capsys, "ifupdown", "eth0", "--mtu", "9000", "--to", str(tmp_path / "new"))
    assert code == 0, err
    assert (tmp_path / "new" / "etc" / "network" / "interfaces").exists()


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        (("--mtu", "1500"), 2),
        (("eth0",), 2),
        (("eth0; x", "--mtu", "1500"), 3),
        (("eth0", "--mtu", "1000"), 3),
        (("eth0", "--mtu", "1500", "--unit", "../../x"), 2),
    ],
)
def test_refusals_of_links(argv, code, capsys):
    found, _, err = run_link(capsys, "networkd", *argv)
    assert found == code, err


WIREGUARD = ("--stack", "ip4/udp/wireguard/ip4/udp/geneve/eth/ip4")


@pytest.mark.parametrize(("link", "value", "ends"), [("1450", "1450", 1320), ("9000", "9000", 8870)])
def test_cilium_s_number_is_no_larger_than_the_link(link, value, ends, tmp_path, capsys):
    dump = tmp_path / "cm.yaml"
    data = {"enable-wireguard": "true", "tunnel-protocol": "geneve", "routing-mode": "tunnel"}
    meta = {"name": "cilium-config", "namespace": "kube-system"}
    dump.write_text(yaml.safe_dump({"kind": "ConfigMap", "apiVersion": "v1", "metadata": meta, "data": data}))
    code, out, _ = run(capsys, "cilium", *WIREGUARD, "--mtu", link, "--existing", str(dump), "--json")
    result = json.loads(out)["result"]
    assert code == 0
    assert yaml.safe_load(result["files"][0]["text"])["data"]["mtu"] == value
    assert (result["value"], result["pod_mtu"]) == (int(value), ends)


def test_an_encrypted_overlay_s_summary_has_the_number_of_its_patch(tmp_path, capsys):
    dump = tmp_path / "net.json"
    network = {"Name": "a", "Driver": "overlay", "Scope": "swarm", "Options": {"encrypted": ""}}
    dump.write_text(json.dumps([network]))
    stack = ("--stack", "ip4/esp:aes128gcm8/udp/vxlan/eth/ip4", "--mtu", "1500")
    _, out, _ = run(capsys, "docker-overlay", *stack, "--existing", str(dump), "--json")
    result = json.loads(out)["result"]
    body = yaml.safe_load(result["files"][0]["text"])["networks"]["a"]["driver_opts"]
    assert body["com.docker.network.driver.mtu"] == str(result["value"]) == "1500"
    assert result["pod_mtu"] == 1424
