"""Every network that a plan takes, the whole way: plan, bundle, what audit reads in the bundle, what nodes are told."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from netplan.bundle import build
from netplan.bundle.node_json import node_facts
from netplan.cni import ADAPTERS
from netplan.cni.adapter import Setting
from netplan.cni.adapters.ovs import audit_text
from netplan.cni.render import network_plan
from netplan.cni.yaml_document import Piece, parse
from netplan.inputs.rules_network import RULES
from netplan.model.cni_facts import KERNEL_VXLAN, NETWORKS, PORTS, overlay_facts
from netplan.plan.types import Plan
from netplan.problems import errors
from netplan.stack import parse as parse_stack
from netplan.stack import solve
from tests.support.networks import READERS, existing
from tests.support.plans import make_planned
from tests.support.present import merge

LINK = 1500
NEEDED = {
    "flannel": {"network": "10.128.0.0/9"},
    "canal": {"network": "10.128.0.0/9"},
    "k3s": {"network": "10.0.0.0/8"},
}
IPSEC = {
    "gcm": (["aes256gcm16-x25519"], "never"),
    "cbc": (["aes256-sha256-x25519"], "never"),
    "gcm+nat-t": (["aes256gcm16-x25519"], "always"),
    "cbc+nat-t": (["aes256-sha256-x25519"], "always"),
}
USABLE = {name: network for name, network in NETWORKS.items() if not network.refused}
CASES = [
    pytest.param(name, kind, family, ipsec, mode, id=f"{name}-{kind}-{family}-{ipsec}-{mode}")
    for name, network in USABLE.items()
    for kind in (network.overlays or ("vxlan", "geneve"))
    for family in ("ipv4", "ipv6")
    for ipsec in IPSEC
    for mode in ("transport", "tunnel")
    if not (name == "weave" and family == "ipv6")
]


def plan_of(name: str, kind: str, family: str, ipsec: str, mode: str) -> Plan:
    esp, nat = IPSEC[ipsec]
    plan = make_planned(
        2,
        underlay={"mtu": LINK, "family": family},
        ipsec={"mode": mode, "esp": esp, "nat_traversal": nat},
        overlay={"type": kind},
        cni={"plugin": name, "options": {"from": "1400"} if name == "openshift" else NEEDED.get(name, {})},
    ).plan
    return replace(plan, existing=existing(name, kind, family))


def packet(plan: Plan, ipsec: str) -> str:
    """The packet as the network builds it, written down here and not taken from the plan."""
    ip = "ip6" if plan.file.underlay.family == "ipv6" else "ip4"
    suite = "aes256gcm16" if "gcm" in ipsec else "aes256-sha256"
    ovn = (
        plan.file.cni.plugin in ("kube-ovn", "ovn-kubernetes", "openshift", "ovs") and plan.file.overlay.type != "vxlan"
    )
    nat_t = ["udp"] if "nat-t" in ipsec else []
    tunnel = [ip] if plan.file.ipsec.mode == "tunnel" else []
    overlay = f"{plan.file.overlay.type}{':8' if ovn else ''}"
    return "/".join([ip, *nat_t, f"esp:{suite}", *tunnel, "udp", overlay, "eth", "ip4"])


def settings_in(plan: Plan, files: Mapping[str, str]) -> list[Setting]:
    """What audit reads in the files of a bundle, values added to those of the release."""
    name = plan.file.cni.plugin
    reader, found = ADAPTERS[READERS.get(name, name)], []
    for path, text in files.items():
        if path.endswith(".sh"):
            found += audit_text(path, text)
        elif not path.endswith(".md"):
            given = yaml.safe_load(plan.existing.get("values.yaml", "")) if path.endswith("/values.yaml") else None
            for document in parse(text, path):
                found += reader.audit(Piece(document, (), merge(given, document.data) if given else document.data))
    return [s for s in found if isinstance(s, Setting)]


def pods_of(plan: Plan, files: dict[str, str], encap: str, family: str) -> set[int | None]:
    """The pod MTUs that the network makes of what a bundle holds, read by audit."""
    name, settings = plan.file.cni.plugin, settings_in(plan, files)
    forced = any(s.semantics == "pod" and s.value for s in settings)
    settings = [s for s in settings if not (forced and s.semantics == "underlay" and s.value is None)]
    return {s.resulting_mtu(LINK, encap, family) for s in settings if s.semantics != "device" or name == "ovs"}


@pytest.mark.parametrize(("name", "kind", "family", "ipsec", "mode"), CASES)
def test_pods_end_with_the_number_of_the_plan(name, kind, family, ipsec, mode):
    plan = plan_of(name, kind, family, ipsec, mode)
    most = LINK - NETWORKS[name].headroom
    assert plan.pod_mtu == min(solve(parse_stack(packet(plan, ipsec)), LINK).inner_mtu, most)
    assert {s.stack.text for c in plan.classes for s in c.sized} == {packet(plan, ipsec)}
    files = {f.path: f.text for f in build.build(plan)}  # every artefact is validated on the way, or this raises
    cluster = {path: text for path, text in files.items() if path.startswith("cluster/")}
    facts = [node_facts(plan, node) for node in plan.nodes]
    made = NETWORKS[name].overlays.get(kind)
    if name != "bridge":
        encap = "geneve:8" if made and made.options else kind
        assert pods_of(plan, cluster, encap, family) == {plan.pod_mtu}
        assert "cluster/STEPS.md" in files
    ours = [path for path in files if "/systemd/network/" in path or path.endswith(".conflist")]
    assert bool(ours) == (made is None), "our own overlay's files, and only where the overlay is ours"
    port = made.port if made else PORTS[kind]
    for node in facts:
        assert node["mtu"]["pod"] == plan.pod_mtu
        assert node["overlay"]["port"] == port
        assert all(device["mtu"] == plan.pod_mtu for device in node["overlay"]["devices"])
        assert node["overlay"].get("made_by", "bridge" if made is None else None) == (name if made else "bridge")
    for path, text in files.items():
        if path.endswith("guard-drop.nft"):
            assert re.search(rf"dport {port}\b", text)
        if path.endswith("conf.d/ipsecplan.conf"):
            assert f"[17/{port}]" in text


def test_the_facts_name_the_networks_of_the_registry():
    assert list(NETWORKS) == list(ADAPTERS)
    assert len(CASES) > 250
    for name, network in NETWORKS.items():
        adapter = ADAPTERS[name]
        assert adapter.facts is network
        kinds = {encap.partition(":")[0] for encap, _ in adapter.overhead.by}
        assert set(network.overlays) <= kinds


def test_the_newest_version_is_one_that_was_checked():
    for name, network in NETWORKS.items():
        checked = NETWORKS["cilium"] if name == "rke2-cilium" else network  # the chart's
        assert network.newest in checked.checked_against, name


WITH_A_PORT = ("flannel", "canal", "k3s")  # their whole configuration is written where there is none yet


@pytest.mark.parametrize(("name", "kind"), [(n, k) for n, network in USABLE.items() for k in network.overlays])
def test_an_adapter_says_the_values_of_the_facts(name, kind):
    """The port, the device and the headroom in what an adapter renders, refuses and reads are those of the facts."""
    made, adapter = overlay_facts(name, kind), ADAPTERS[name]
    plan = plan_of(name, kind, "ipv4", "gcm", "transport")
    network = network_plan(plan)
    assert (network.request.port, plan.file.overlay.udp_port) == (made.port, made.port)
    for setting in settings_in(plan, network.files):
        assert setting.port in (None, made.port)
    if name in WITH_A_PORT:
        assert str(made.port) in "".join(network.files.values())
    devices = [step.command for step in network.steps if step.stage == "devices" and "ip link set" in step.command]
    for command in devices:
        assert f"dev {made.names('ipv4', made.vni or 0, made.port)[1]} " in command
    limit = network.request.link_mtu - NETWORKS[name].headroom
    assert not errors(adapter.supports(replace(network.request, pod_mtu=limit)))
    assert errors(adapter.supports(replace(network.request, pod_mtu=limit + 1)))


ROOT = Path(__file__).parents[2] / "netplan"
# the agent runs on nodes, with nothing of the control machine; the guest's files run in the lab's virtual machine
ALONE = (ROOT / "agent", ROOT / "lab" / "guest", ROOT / "data")


def test_no_other_module_states_a_port():
    ports = {*PORTS.values(), KERNEL_VXLAN, *(m.port for n in NETWORKS.values() for m in n.overlays.values())}
    pattern = re.compile(rf"(?<!\d)(?:{'|'.join(str(port) for port in sorted(ports))})(?!\d)")
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in sorted(ROOT.rglob("*"))
        if path.suffix in (".py", ".j2") and not any(path.is_relative_to(folder) for folder in ALONE)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if pattern.search(line) and path.name != "cni_facts.py"
    ]
    assert found == []


@pytest.mark.parametrize("name", [name for name, network in USABLE.items() if network.overlays])
def test_the_devices_are_the_networks_own(name):
    for kind, made in NETWORKS[name].overlays.items():
        plan = plan_of(name, kind, "ipv4", "gcm", "transport")
        node = node_facts(plan, plan.nodes[0])
        overlay = node["overlay"]
        assert overlay["made_by"] == name
        assert "{" not in overlay["tunnel"]
        assert [d["name"] for d in overlay["devices"]] == ([made.device.format(vni=made.vni)] if made.device else [])


@pytest.mark.parametrize(
    ("name", "overlay"),
    [
        ("flannel", {"port": 4789, "vni": 7}),
        ("calico", {"port": 4790}),
        ("cilium", {"port": 9999}),
        ("antrea", {"port": 6082}),
        ("rke2-cilium", {"port": 4789}),
    ],
)
def test_what_a_plan_may_change_is_written_or_said(name, overlay):
    plan = make_planned(2, overlay=overlay, cni={"plugin": name, "options": NEEDED.get(name, {})}).plan
    files = network_plan(plan).files
    text = "".join(files.values())
    assert all(str(value) in text for value in overlay.values())
    if name != "flannel":  # a new configuration has the plan's port; a patch leaves the one that there is
        patches = "".join(text for path, text in files.items() if path != "STEPS.md")
        assert str(overlay["port"]) not in patches
        assert f"port {overlay['port']}" in files["STEPS.md"]
    assert plan.file.overlay.udp_port == overlay["port"]
    if name == "flannel":
        assert node_facts(plan, plan.nodes[0])["overlay"]["tunnel"] == "flannel.7"
    assert not errors(
        [
            p
            for rule in RULES
            for p in rule(make_planned(2, overlay=overlay, cni={"plugin": name}).loaded)
            if "options" not in p.message
        ]
    )
