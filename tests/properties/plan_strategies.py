"""Draws whole plans: every key of the IPsec side, mixed fleets, narrow paths."""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from hypothesis import strategies as st

from netplan.inputs.inventory import Host, Inventory
from netplan.inputs.load import LoadedPlan
from netplan.inputs.rules import validate, validate_with
from netplan.inputs.rules_hosts import nodes
from netplan.inputs.yaml_source import Source
from netplan.model.planfile import PlanFile
from netplan.model.proposals.profiles import PROFILES
from netplan.plan.build import make_plan
from netplan.plan.types import Plan
from netplan.problems import ProblemError, errors

T = TypeVar("T")
CIPHERS = [
    "aes256gcm16",
    "aes128gcm16",
    "aes256gcm12",
    "chacha20poly1305",
    "aes192ccm16",
    "aes256-sha256",
    "aes128-sha512",
]
GROUPS = ["", "-x25519", "-ecp384", "-modp3072", "-ecp256-esn", "-x25519-ke1_mlkem768", "-noesn"]
IKE = [
    "aes256gcm16-prfsha384-ecp384",
    "aes256-sha256-modp3072",
    "aes128gcm16-prfsha256-x25519",
    "aes256gcm16-prfsha512-ecp521-ke1_mlkem1024-ke2_x25519",
]
ALGORITHMS = (
    "AES_GCM_16 AES_GCM_12 AES_CCM_16 AES_CBC CHACHA20_POLY1305 HMAC_SHA2_256_128 HMAC_SHA2_512_256 CURVE_25519 "
    "ECP_384 ECP_256 ECP_521 MODP_3072 MODP_2048 PRF_HMAC_SHA2_256 PRF_HMAC_SHA2_384 PRF_HMAC_SHA2_512"
)
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"


class Draw(Protocol):
    """Where choices come from."""

    def one(self, options: Sequence[T]) -> T:
        """Return one of the options."""

    def number(self, low: int, high: int) -> int:
        """Return a number from ``low`` to ``high``, both included."""


class Random:
    """Choices from a seeded generator: for the drills, which hypothesis would make ten times slower."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def one(self, options: Sequence[T]) -> T:
        return self._random.choice(options)

    def number(self, low: int, high: int) -> int:
        return self._random.randint(low, high)


class _Hypothesis:
    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw

    def one(self, options: Sequence[T]) -> T:
        return self._draw(st.sampled_from(options))

    def number(self, low: int, high: int) -> int:
        return self._draw(st.integers(low, high))


def _ipsec(draw: Draw, names: list[str]) -> dict[str, Any]:
    ipsec: dict[str, Any] = {
        "mode": draw.one(["transport", "tunnel"]),
        "protect": draw.one(["overlay", "overlay", "hosts"]),
        "auth": draw.one(["certificates", "certificates", "psk", "raw-keys"]),
        "nat_traversal": draw.one(["auto", "always", "never"]),
        "topology": draw.one(
            [
                "full-mesh",
                "full-mesh",
                {"hub": draw.one(names)},
                {"zones": ["zone_a", "zone_b"]},
                {"between": [[draw.one(names), "all"], ["zone_a", draw.one(names)]]},
            ]
        ),
    }
    if ipsec["protect"] == "hosts" and draw.number(0, 1):
        ipsec["clear"] = [draw.one(["tcp/22", "tcp/2222", "udp/123", "tcp/65535"]) for _ in range(draw.number(0, 2))]
    if draw.number(0, 1):
        ipsec["profile"] = draw.one([name for name in PROFILES if name != "cnsa2"])
    if draw.number(0, 2):
        ipsec.pop("profile", None)
        ipsec["esp"] = [draw.one(CIPHERS) + draw.one(GROUPS) for _ in range(draw.number(1, 3))]
        ipsec["ike"] = [draw.one(IKE[:3]), *(draw.one(IKE) for _ in range(draw.number(0, 2)))]
    if draw.number(0, 1):
        ipsec["lifetimes"] = {"ike": f"{draw.number(10, 900)}m", "child": f"{draw.number(5, 150)}m"}
    return ipsec


def _overlay(draw: Draw) -> dict[str, Any]:
    kind = draw.one(["vxlan", "vxlan", "geneve", "geneve", "gre", "ipip"])
    return {"type": kind, **({"port": draw.one([4789, 6081, 8472, 65535])} if kind in ("vxlan", "geneve") else {})}


def _host(draw: Draw, number: int, family: str) -> dict[str, Any]:
    # spread over the whole address space, but not two at one place
    block = number * 2**24 + draw.number(1, 2**20)
    high = 0x20010DB8 << 96 | block << 60 | draw.number(0, 2**60 - 1)
    address: Any = ipaddress.IPv6Address(high) if family == "ipv6" else ipaddress.IPv4Address(0x0B000000 + block)
    host: dict[str, Any] = {"underlay_address": str(address), "pod_cidr": f"10.{number}.{draw.number(0, 255)}.0/24"}
    if draw.number(0, 3) == 0:
        host["underlay_mtu"] = draw.one([1280, 1400, 1450, 1492, 9000, 9216])
    if draw.number(0, 3) == 0:
        host["behind_nat"] = draw.one([True, False])
    kind = draw.number(0, 3)
    if kind:
        host["strongswan_version"] = draw.one(["5.9.5", "5.9.8-5+deb12u6", "5.9.13", "6.0.0", "6.0.1", "6.0.4"])
    if kind > 1:
        host["strongswan_algorithms"] = ALGORITHMS + draw.one(["", " ML_KEM_768", " ML_KEM_768 ML_KEM_1024"])
    return host


def _networks(draw: Draw) -> list[dict[str, Any]]:
    """Additional networks, mostly none."""
    names = ["storage", "b", "x-1"][: max(0, draw.number(-4, 3))]
    return [{"name": n, "family": draw.one(["ipv4", "ipv6"]), "mtu": draw.one([1500, 9000, 1280])} for n in names]


def _network_addresses(draw: Draw, number: int, networks: list[dict[str, Any]]) -> dict[str, Any]:
    found = {}
    for index, network in enumerate(networks, 1):
        text = f"fd0{index}::{number:x}" if network["family"] == "ipv6" else f"172.16.{index}.{number}"
        if draw.number(0, 5):
            found[network["name"]] = {"address": text, **({"mtu": 1400} if not draw.number(0, 3) else {})}
    return {"underlay_address_ipv6": f"fd00::{number:x}", **({"underlay_networks": found} if found else {})}


def plan_of(draw: Draw) -> Plan:
    """Return a plan that the product accepts; drawn again where it refuses (no proposal in common, a host alone)."""
    while True:
        family = draw.one(["ipv4", "ipv6", "dual"])
        hosts, networks = [], _networks(draw)
        for number in range(1, draw.number(2, 5) + 1):
            zone = draw.one(["zone_a", "zone_b"])
            host = {**_host(draw, number, family), **_network_addresses(draw, number, networks)}
            hosts.append(Host(f"n{number}", host, frozenset({"all", zone})))
        found = make(
            hosts,
            name="c" + "".join(draw.one(LETTERS) for _ in range(draw.number(0, 6))),
            underlay={"family": family, "mtu": draw.one([1500, 1500, 9000, 1400]), "networks": networks},
            ipsec={**_ipsec(draw, [host.name for host in hosts]), **({"protect": "hosts"} if networks else {})},
            overlay=_overlay(draw),
        )
        if found is not None:
            return found


def make(hosts: list[Host], **file: Any) -> Plan | None:
    """Plan as the pipeline does, but without a disk; None where it refuses."""
    loaded = LoadedPlan(PlanFile.model_validate({"inventory": "inventory", **file}), Source("plan"), Path("plan"))
    inventory = Inventory(Path("inventory.yml"), "inventory.yml", "all", tuple(hosts))
    if errors(validate(loaded)) or errors(validate_with(loaded, inventory)):
        return None
    try:
        return make_plan(loaded.plan, nodes(loaded.plan, inventory))
    except ProblemError:
        return None


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Plans that the product accepts."""
    return plan_of(_Hypothesis(draw))
