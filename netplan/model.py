"""The plan file as types: shapes, ranges and defaults, and nothing else.

The JSON Schema that ``ipsecplan schema`` prints is generated from these classes. Rules that need more than one
field or the inventory are in :mod:`netplan.validate`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Mtu = Annotated[int, Field(ge=576, le=65535, description="IP MTU in bytes")]
Port = Annotated[int, Field(ge=1, le=65535)]


class Part(BaseModel):
    """Base of every part of the plan file: unknown keys are errors, values are never converted, nothing mutates."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class PathRule(Part):
    """A path between two groups of hosts that is narrower than their links."""

    # JSON has no tuples, and a plan file is JSON in shape: a list of exactly two
    between: Annotated[list[str], Field(min_length=2, max_length=2, description="two inventory groups or hosts")]
    mtu: Mtu


class Underlay(Part):
    """The network between the hosts."""

    mtu: Mtu = Field(1500, description="IP MTU of every host's link unless the host variable underlay_mtu says else")
    family: Literal["ipv4", "ipv6"] = "ipv4"
    paths: list[PathRule] = Field(default_factory=list)


class Ipsec(Part):
    """What is protected and how."""

    mode: Literal["transport", "tunnel"] = "transport"
    protect: Literal["overlay", "hosts"] = "overlay"
    mesh: str = Field("pairs", description="pairs, trap-any, or hub: GROUP")
    esp: Annotated[list[str], Field(min_length=1)] = Field(
        default=["aes256gcm16-x25519"], description="ESP proposals in strongSwan's keywords, preferred first"
    )
    ike: Annotated[list[str], Field(min_length=1)] = Field(
        default=["aes256gcm16-prfsha384-ecp384"], description="IKE proposals in strongSwan's keywords"
    )
    nat_traversal: Literal["auto", "always", "never"] = "auto"
    auth: Literal["certificates", "psk"] = "certificates"


class Overlay(Part):
    """The overlay between the hosts."""

    type: Literal["vxlan", "geneve"] = "vxlan"
    port: Port | None = Field(None, description="UDP port; 4789 for VXLAN and 6081 for Geneve unless given")
    vni: int = Field(4096, ge=1, le=16777215)
    device: str = Field("ov0", description="interface name of the VXLAN device")
    bridge: str = Field("cni0", description="bridge that the pods are attached to")

    @property
    def udp_port(self) -> int:
        """The UDP destination port of the overlay (IANA's unless the plan gives one)."""
        return self.port if self.port is not None else {"vxlan": 4789, "geneve": 6081}[self.type]


class Cni(Part):
    """The container network."""

    plugin: str = "bridge"
    version: str | None = None


class PlanFile(Part):
    """The whole plan file."""

    name: str = Field(description="name of the cluster: lower-case letters, digits and '-', at most 40")
    inventory: str = Field(description="any Ansible inventory, relative to the plan file")
    nodes: str = Field("all", description="Ansible host pattern")
    underlay: Underlay = Field(default_factory=Underlay)
    ipsec: Ipsec = Field(default_factory=Ipsec)
    overlay: Overlay = Field(default_factory=Overlay)
    cni: Cni = Field(default_factory=Cni)


def json_schema() -> str:
    """Return the JSON Schema (draft 2020-12) of the plan file as text."""
    schema: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **PlanFile.model_json_schema(),
    }
    return json.dumps(schema, indent=2) + "\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One host of the plan, with everything about it that the numbers and the files depend on.

    ``address`` is its underlay address, ``link_mtu`` the IP MTU of its link in bytes, ``overlay_address`` the address
    of its overlay device (the network address of ``pod_cidr``), ``nat`` whether it is behind NAT; ``groups`` are its
    inventory groups and its own name, which path rules refer to.
    """

    id: str
    name: str
    address: str
    link_mtu: int
    pod_cidr: str
    overlay_address: str
    nat: bool
    groups: frozenset[str]
