"""The plan file as types: shapes, ranges and defaults, and nothing else.

The JSON Schema that ``ipsecplan schema`` prints is generated from these classes. Rules that need more than one
field or the inventory are in :mod:`netplan.inputs.rules`.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from netplan.model import cni_facts
from netplan.model.proposals.profiles import PROFILES

Mtu = Annotated[int, Field(ge=576, le=65535, description="IP MTU in bytes")]
Port = Annotated[int, Field(ge=1, le=65535)]
# The network that underlay.family dual makes of the addresses that don't carry the overlay. A host's id is its IKE
# identity there too, because charon tells families apart; on all other networks it needs another, see decision 76.
SECOND = "ipv6"


class Part(BaseModel):
    """Base of every part of the plan file: unknown keys are errors, values are never converted, nothing mutates."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class PathRule(Part):
    """A path between two groups of hosts that is narrower than their links."""

    # JSON has no tuples, and a plan file is JSON in shape: a list of exactly two
    between: Annotated[list[str], Field(min_length=2, max_length=2, description="two inventory groups or hosts")]
    mtu: Mtu


class AdditionalNetwork(Part):
    """A network between the hosts beside the one that carries the overlay: protected with protect: hosts."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,13}[a-z0-9])?$")] = Field(
        description="its name in the hosts' variable underlay_networks: at most 15 lower-case letters, digits and '-'"
    )
    mtu: Mtu = Field(
        1500,
        description="Default IP MTU of the host links on it in bytes; mtu in a host's underlay_networks overrides it",
    )
    family: Literal["ipv4", "ipv6"] = "ipv4"
    paths: list[PathRule] = Field(default_factory=list)


class Underlay(Part):
    """The network between the hosts."""

    mtu: Mtu = Field(
        1500, description="Default IP MTU of the host links in bytes; a host variable underlay_mtu overrides it"
    )
    family: Literal["ipv4", "ipv6", "dual"] = Field(
        "ipv4",
        description="ipv4, ipv6, or dual: the overlay runs over IPv4, the MTU is safe over IPv6 too, and "
        "protect: hosts covers both",
    )
    paths: list[PathRule] = Field(default_factory=list)
    networks: list[AdditionalNetwork] = Field(
        default_factory=list, description="additional networks between the hosts, such as storage, with protect: hosts"
    )

    @property
    def families(self) -> tuple[Literal["ipv4", "ipv6"], ...]:
        """The address families that the MTU must be safe for; the overlay runs over the first."""
        return ("ipv4", "ipv6") if self.family == "dual" else (self.family,)

    @property
    def carrier(self) -> Literal["ipv4", "ipv6"]:
        """The address family that the overlay runs over."""
        return self.families[0]


class Lifetimes(Part):
    """How long SAs live before they are rekeyed; the responder of a pair waits a quarter longer."""

    ike: str = Field("4h", description="time until an IKE_SA is rekeyed, such as 4h or 90m")
    child: str = Field("1h", description="time until a CHILD_SA is rekeyed, such as 1h or 30m")
    packets: Annotated[int, Field(ge=1, le=1_000_000_000)] | None = Field(
        None,
        description="most packets a second from one host to another, if known: warns where SAs are used up by them",
    )


Two = Annotated[list[str], Field(min_length=2, max_length=2)]
Service = Annotated[str, Field(pattern=r"^(tcp|udp)/[1-9][0-9]{0,4}$")]


class Topology(Part):
    """Which pairs of hosts are protected; exactly one of the keys, or the words ``full-mesh`` or ``trap-any`` alone."""

    shape: Literal["full-mesh", "trap-any"] | None = None
    hub: str | None = Field(None, description="group or host: pairs with one of its hosts are protected, no others")
    zones: Annotated[list[str], Field(min_length=2)] | None = Field(
        None, description="groups or hosts: pairs between two of them are protected, pairs inside one are not"
    )
    between: Annotated[list[Two], Field(min_length=1)] | None = Field(
        None, description="pairs of groups or hosts: exactly the pairs between them are protected"
    )

    def __str__(self) -> str:
        """Return the topology as the plan file writes it, without braces."""
        for key in ("hub", "zones", "between"):
            value = getattr(self, key)
            if value is not None:
                return f"{key}: {value}" if isinstance(value, str) else f"{key}: {json.dumps(value)}"
        return self.shape or "nothing"

    @property
    def partial(self) -> bool:
        """True when some pairs may stay clear."""
        return self.shape is None


def _topology(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if value in ("full-mesh", "trap-any"):
        return {"shape": value}
    raise PydanticCustomError("literal_error", "topology", {"expected": "'full-mesh', 'trap-any' or '{hub: GROUP}'"})


_TOPOLOGY_SCHEMA = WithJsonSchema(
    {
        "anyOf": [
            {"type": "string", "enum": ["full-mesh", "trap-any"]},
            {
                "type": "object",
                "additionalProperties": False,
                "minProperties": 1,
                "maxProperties": 1,
                "properties": {
                    "hub": {"type": "string"},
                    "zones": {"type": "array", "items": {"type": "string"}, "minItems": 2},
                    "between": {
                        "type": "array",
                        "minItems": 1,
                        "items": {"type": "array", "items": {"type": "string"}, "minItems": 2, "maxItems": 2},
                    },
                },
            },
        ]
    }
)


class Ipsec(Part):
    """What is protected and how."""

    mode: Literal["transport", "tunnel", "iptfs"] = Field(
        "transport", description="of ESP; iptfs (RFC 9347) only where it was seen to work on every host"
    )
    per_cpu_sas: bool = Field(
        False, description="an SA for each processor (RFC 9611), only where it was seen to work on every host"
    )
    xfrm_interface: bool = Field(
        False, description="with mode: tunnel, an XFRM interface for each peer and a route into it"
    )
    protect: Literal["overlay", "hosts"] = Field(
        "overlay", description="the overlay's UDP port, or everything between the hosts but `clear`"
    )
    clear: list[Service] = Field(
        default=["tcp/22"], description="what stays clear between hosts with protect: hosts, such as tcp/22"
    )
    topology: Annotated[Topology, BeforeValidator(_topology), _TOPOLOGY_SCHEMA] = Field(
        default=Topology(shape="full-mesh"),
        description="full-mesh, trap-any, {hub: GROUP}, {zones: [..]} or {between: [[..]]}",
    )
    profile: Literal["default", "cnsa1", "cnsa2", "pq-hybrid", "bsi", "legacy-cbc"] = "default"
    esp: Annotated[list[str], Field(min_length=1)] = Field(
        default=list(PROFILES["default"].esp),
        description="ESP proposals in strongSwan's keywords, preferred first; the profile's unless given",
    )
    ike: Annotated[list[str], Field(min_length=1)] = Field(
        default=list(PROFILES["default"].ike),
        description="IKE proposals in strongSwan's keywords; the profile's unless given",
    )
    lifetimes: Lifetimes = Field(default_factory=Lifetimes)
    nat_traversal: Literal["auto", "always", "never"] = "auto"
    auth: Literal["certificates", "psk", "raw-keys"] = Field(
        "certificates", description="certificates of the cluster's CA, a pre-shared key a pair, or raw public keys"
    )

    @model_validator(mode="before")
    @classmethod
    def _of_profile(cls, data: Any) -> Any:
        profile = PROFILES.get(str(data.get("profile"))) if isinstance(data, dict) else None
        return {"esp": list(profile.esp), "ike": list(profile.ike), **data} if profile else data


class Overlay(Part):
    """The overlay between the hosts."""

    type: Literal["vxlan", "geneve", "gre", "ipip"] = Field(
        "vxlan",
        description="vxlan unless given or the network has another; gre, ipip: a tunnel a pair, with protect: hosts",
    )
    port: Port | None = Field(
        None,
        description=f"UDP port; the container network's own, else {cni_facts.PORTS['vxlan']} for VXLAN and "
        f"{cni_facts.PORTS['geneve']} for Geneve, unless given",
    )
    vni: int = Field(4096, ge=1, le=16777215)
    device: str = Field("ov0", description="interface name of the VXLAN device")
    bridge: str = Field("cni0", description="bridge that the pods are attached to")

    @property
    def udp_port(self) -> int:
        """The UDP destination port of the overlay (IANA's unless the plan gives one), 0 for one without ports."""
        return self.port if self.port is not None else cni_facts.PORTS.get(self.type, 0)


class Cni(Part):
    """The container network."""

    plugin: str = Field("bridge", description="bridge for an overlay of our own; `ipsecplan network --list` has all")
    version: str | None = Field(None, description="its version, such as 3.31")
    encryption: bool = Field(
        False, description="true if the CNI's own encryption is on; not supported together with host IPsec"
    )
    options: dict[str, str] = Field(default_factory=dict, description="what only this network knows, such as network")
    existing: list[str] = Field(
        default_factory=list, description="dumps or files of what is there now, so that patches keep the rest"
    )


class Firewall(Part):
    """The hosts' own firewall, when openings for IKE, ESP and the overlay shall be rendered for it."""

    kind: Literal["none", "nftables", "firewalld"] = Field(
        "none", description="which firewall is in charge of the hosts"
    )
    table: str = Field("inet filter", description="nftables: family and table of the input chain in charge")
    chain: str = Field("input", description="nftables: the input chain in charge")
    zone: str = Field("public", description="firewalld: zone of the hosts' links")


class Namespace(Part):
    """A namespace that gets baseline policies: closed, but for what is named."""

    name: str = Field(description="the namespace")
    ingress_controller: str | None = Field(
        "ingress-nginx", description="namespace of the ingress controller; null: nothing comes in from outside"
    )
    allow_from: list[str] = Field(default_factory=list, description="namespaces that may reach it")
    allow_to: list[str] = Field(default_factory=list, description="namespaces that it may reach")
    allow_within: bool = Field(True, description="whether its pods may reach each other")


Theirs = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z0-9_-]+){0,4}$", max_length=120)]


class HostVars(Part):
    """Which of the hosts' own variables hold what a plan reads, as ``ip`` or ``k3s_server.node-ip``."""

    underlay_address: Theirs | None = Field(None, description="the variable with a host's address, such as ip")
    underlay_address_ipv6: Theirs | None = Field(None, description="the variable with its IPv6 address")
    underlay_mtu: Theirs | None = Field(None, description="the variable with the IP MTU of its link")
    pod_cidr: Theirs | None = Field(None, description="the variable with its pod subnet")
    overlay_address: Theirs | None = Field(None, description="the variable with its address in the overlay")
    behind_nat: Theirs | None = Field(None, description="the variable that says whether it is behind NAT")
    ipsecplan_managed: Theirs | None = Field(None, description="the variable that is false for an unmanaged peer")

    def named(self) -> dict[str, str]:
        """Return our variable -> theirs, without those that keep our name."""
        return {ours: theirs for ours, theirs in self.model_dump().items() if theirs is not None}


class Monitoring(Part):
    """What watches the nodes: a timer on each that collects metrics for node_exporter; alerts that fit the plan."""

    interval: Annotated[int, Field(ge=15, le=3600)] = Field(60, description="seconds between two collections on a node")
    certificate_days: Annotated[int, Field(ge=1, le=365)] = Field(
        14, description="days before a certificate's end at which an alert fires"
    )


class PlanFile(Part):
    """The whole plan file."""

    name: str = Field(description="name of the cluster: lower-case letters, digits and '-', at most 40")
    inventory: str = Field(description="any Ansible inventory, relative to the plan file")
    nodes: str = Field("all", description="Ansible host pattern")
    underlay: Underlay = Field(default_factory=Underlay)
    ipsec: Ipsec = Field(default_factory=Ipsec)
    overlay: Overlay = Field(default_factory=Overlay)
    cni: Cni = Field(default_factory=Cni)
    namespaces: list[Namespace] = Field(default_factory=list)
    firewall: Firewall = Field(default_factory=Firewall)
    host_vars: HostVars = Field(
        default_factory=HostVars, description="our variable: theirs, such as {underlay_address: ip}"
    )

    monitoring: Monitoring | None = Field(
        None, description="metrics of the nodes for Prometheus; nothing of it is on a node unless this key is there"
    )

    @model_validator(mode="before")
    @classmethod
    def _of_network(cls, data: Any) -> Any:
        """What the container network decides about its overlay, where the plan file leaves it out."""
        cni, overlay = (data.get(key, {}) for key in ("cni", "overlay")) if isinstance(data, dict) else (None, None)
        if not isinstance(cni, dict) or not isinstance(overlay, dict):
            return data
        decided = cni_facts.defaults(cni.get("plugin", "bridge"), overlay)
        return {**data, "overlay": {**decided, **overlay}} if decided else data

    @property
    def additional_networks(self) -> tuple[AdditionalNetwork, ...]:
        """The networks between the hosts that are protected beside the one that carries the overlay."""
        if self.ipsec.protect != "hosts":
            return ()
        second = AdditionalNetwork(name=SECOND, mtu=self.underlay.mtu, family="ipv6", paths=self.underlay.paths)
        return (*((second,) if self.underlay.family == "dual" else ()), *self.underlay.networks)

    @property
    def overlay_facts(self) -> cni_facts.OverlayFacts | None:
        """How the container network makes the overlay; None where the overlay is ours."""
        return cni_facts.overlay_facts(self.cni.plugin, self.overlay.type)

    @property
    def encapsulation(self) -> str:
        """The overlay's header in the stack notation, with the bytes of options that every packet carries."""
        options = self.overlay_facts.options if self.overlay_facts else 0
        return f"{self.overlay.type}:{options}" if options else self.overlay.type


def json_schema() -> str:
    """Return the JSON Schema (draft 2020-12) of the plan file as text."""
    schema: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:ipsecplan:schema:plan:1",
        **PlanFile.model_json_schema(),
    }
    return json.dumps(schema, indent=2) + "\n"
