"""A network as a plan has it, for each adapter, and whose reader reads what it renders."""

from __future__ import annotations

from netplan.cni.adapter import OVERLAY, Adapter, CniRequest
from netplan.model.cni_facts import PORTS
from netplan.stack import parse as parse_stack
from netplan.stack import solve

LINK = 1500

IPSEC = {
    "none": ("", False),
    "gcm": ("aes256gcm16", False),
    "cbc": ("aes256-sha256", False),
    "gcm+nat-t": ("aes256gcm16", True),
    "cbc+nat-t": ("aes256-sha256", True),
}

# systems that read the artefacts of others
READERS = {"openshift": "ovn-kubernetes", "docker-overlay": "docker", "k3s": "flannel"} | dict.fromkeys(
    ("ptp", "macvlan", "ipvlan", "vlan", "host-device"), "bridge"
)


def stack(encap: str, family: str, ipsec: str) -> str:
    suite, nat_t = IPSEC[ipsec]
    ip = "ip4" if family == "ipv4" else "ip6"
    overlay = {"gre": OVERLAY["gretap+key"]}.get(encap, OVERLAY[encap])
    esp = ("udp/" if nat_t else "") + f"esp:{suite}" if suite else ""
    # native traffic is protected in tunnel mode between pod networks; ipip carries an IP packet as it is
    inner = "" if encap == "none" and not suite else "ip4"
    return "/".join(part for part in (ip, esp, overlay, inner) if part)


def planned(adapter: Adapter, encap: str, family: str, ipsec: str) -> CniRequest:
    exact = solve(parse_stack(stack(encap, family, ipsec)), LINK).inner_mtu
    return CniRequest(
        pod_mtu=min(exact, LINK - adapter.facts.headroom),
        link_mtu=LINK,
        encap=encap,
        family=family,
        port=PORTS["vxlan"] if encap == "vxlan" else None,
        vni=4096 if encap == "vxlan" else None,
        host_ipsec=ipsec != "none",
        pod_cidrs=("10.42.1.0/24",),
        options={"from": "1400", "network": "10.42.0.0/16"},
        existing=existing(adapter.name, encap, family),
    )


def existing(name: str, encap: str, family: str) -> dict[str, str]:
    """What the cluster has already where a patch is the MTU alone: routing and tunnel, in the words of the network."""
    kind = encap.partition(":")[0]
    tunnel = "" if encap == "none" else f"tunnelProtocol: {kind}\n"
    cilium = f"routingMode: {'native' if encap == 'none' else 'tunnel'}\n{tunnel}underlayProtocol: {family}\n"
    mode = "noEncap" if encap == "none" else f"encap\ntunnelType: {kind}"
    return {
        "cilium": {"values.yaml": cilium},
        "rke2-cilium": {"valuesContent": cilium},
        "antrea": {"antrea-agent.conf": f"trafficEncapMode: {mode}\n"},
        "kube-ovn": {"values.yaml": f"networking:\n  tunnelType: {kind}\n"},
    }.get(name, {})
