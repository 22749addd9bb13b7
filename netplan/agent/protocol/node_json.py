"""What the bundle says of a node: ``node.json``."""

from __future__ import annotations

from typing import TypedDict

# What the bundle says of a node: node.json


class StationOptional(TypedDict, total=False):
    name: str  # of the network; absent for the main one


class Station(StationOptional):
    """The address of a node on one of the networks between the hosts."""

    address: str
    mtu: int  # of the link, in bytes


class PlannedMtu(TypedDict):
    """The sizes that are planned."""

    pod: int  # the IP packet in bytes that pods and overlay devices have


class DeviceOptional(TypedDict, total=False):
    peer: str  # id of the node it leads to; absent where one device leads to all


class Device(DeviceOptional):
    """A device of the overlay."""

    name: str
    mtu: int  # in bytes


class OverlayOptional(TypedDict, total=False):
    made_by: str  # the container network that makes it; absent for an overlay of ours
    tunnel: str | None  # made_by: its tunnel device
    mtu_on: str  # made_by: `link`, or `route` where routes carry the MTU
    routed: bool  # made_by: the host tells senders when a packet is too large
    pods_on: str | None  # made_by: the bridge that pods are on


class Overlay(OverlayOptional):
    """The overlay as one node has it."""

    type: str  # vxlan, geneve, gre, ipip, ...
    kind: str  # of the device, as Linux calls it
    port: int  # UDP port; 0 where it has none
    vni: int | None
    address: str | None  # of the node in the overlay
    pod_cidr: str | None
    devices: list[Device]
    bridge: str | None


class EspOptional(TypedDict, total=False):
    route: bool  # XFRM interfaces and routes instead of policies
    per_cpu_sas: bool  # an SA for each processor (RFC 9611)


class Esp(EspOptional):
    """What every SA is to be."""

    negotiated: list[str]  # transforms that charon may report, the preferred first
    mode: str  # TRANSPORT, TUNNEL or IPTFS


class PeerOptional(TypedDict, total=False):
    overlay_address: str | None  # absent on an additional network
    pod_cidr: str | None  # where a container network makes the overlay
    packet: str  # the full packet in stack notation; absent on an additional network
    network: str  # name of the additional network that this entry is about
    local: str  # with network: our own address there
    identity: str  # with network: IKE identity of the peer there, if it is not its id
    own_identity: str  # with network: our own IKE identity there
    host_mtu: int  # with protect: hosts; the packet between the hosts in bytes that always fits
    host_over: int  # and one that the kernel refuses; absent where it refuses none
    if_id: int  # of the XFRM interface towards the peer
    device: str  # its name
    device_mtu: int  # its MTU in bytes


class Peer(PeerOptional):
    """The other end of a pair, on one network."""

    id: str
    pair: str  # name of the connection in charon
    name: str  # for people
    address: str
    initiator: bool  # this node asks first
    encap: bool  # ESP travels in UDP
    link_mtu: int  # of the path, in bytes
    inner_mtu: int  # the packet in bytes that has to pass
    outer_packet: int  # and what it is on the wire
    children: list[str]  # names of its CHILD_SAs; this node sends on the first
    negotiated: list[str]


class Later(TypedDict):
    """What a node must know of a peer that is left out of a run."""

    pair: str
    id: str
    address: str
    children: list[str]


class NodeJsonOptional(TypedDict, total=False):
    networks: list[Station]  # its additional networks
    identities: list[str]  # its IKE identities there that are not its id
    wildcard: str  # the prefix whose hosts the wildcard connection is for


class NodeJson(NodeJsonOptional):
    """node.json: all that a node needs to know of the plan."""

    schema: int
    id: str
    name: str
    cluster: str
    family: str  # of the addresses between the hosts: ipv4 or ipv6
    underlay: Station
    overlay: Overlay
    mtu: PlannedMtu
    auth: str  # certificates, raw-keys or psk
    needs: list[str]  # charon's names of the algorithms that the node offers
    protect: str  # overlay or hosts
    clear: list[str]  # with protect: hosts; services that stay clear, as udp/123
    esp: Esp
    peers: list[Peer]


class FileEntry(TypedDict):
    """A file of the release."""

    path: str  # on the node
    sha256: str
    mode: str  # octal
    owner: str
