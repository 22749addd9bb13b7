"""Settings of charon itself: for the size of the mesh and the version in place, and only with the plugins in use.

strongSwan reads this file when it starts (strongswan.conf(5)); a running charon keeps its own until then.
"""

from __future__ import annotations

from dataclasses import dataclass

from netplan.ipsec.swanctl_parser import Settings, read
from netplan.model.lifetimes import ACQUIRE_S
from netplan.model.node import Node
from netplan.model.proposals.capabilities import Capabilities
from netplan.plan.types import Plan
from netplan.problems import DefectError
from netplan.templates.render import render

# Not used by host to host IKEv2 with certificates or keys; most of strongSwan's advisories of 2023 to 2025 are in them.
# bypass-lan would install policies that let a whole subnet past our encryption.
UNUSED = (
    "addrblock",
    "agent",
    "attr",
    "bypass-lan",
    "connmark",
    "dhcp",
    "dnskey",
    "eap-aka",
    "eap-aka-3gpp2",
    "eap-dynamic",
    "eap-gtc",
    "eap-identity",
    "eap-md5",
    "eap-mschapv2",
    "eap-peap",
    "eap-radius",
    "eap-sim",
    "eap-sim-file",
    "eap-simaka-pseudonym",
    "eap-simaka-reauth",
    "eap-sim-pcsc",
    "eap-tls",
    "eap-tnc",
    "eap-ttls",
    "farp",
    "forecast",
    "ha",
    "lookip",
    "md4",
    "pgp",
    "pkcs7",
    "rc2",
    "resolve",
    "sshkey",
    "stroke",
    "xauth-eap",
    "xauth-generic",
    "xauth-noauth",
    "xauth-pam",
)
# Half-open IKE_SAs of one peer's address, from which on charon asks it for cookies; from twice as many on it answers no
# more. 0 is not off: charon then raises the second above the first, to 1 (5.9.8 and 6.1.0 say so in the log), and two
# peers whose traps meet have more than the 3 and 5 that charon has by itself.
COOKIES_PER_PEER = 8
LEAST_PEERS = 30  # strongSwan's own cookie threshold


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """What follows from the number of peers."""

    threads: int
    table: int
    segments: int
    cookies: int


def sizes(peers: int) -> Sizes:
    """Return charon's sizes for this many peers: one hash bucket a peer, a lock for 16, no cookies for ourselves."""
    table = 1 << max(0, peers - 1).bit_length()
    return Sizes(
        threads=min(64, 16 + peers // 32), table=table, segments=max(1, table // 16), cookies=max(LEAST_PEERS, peers)
    )


def settings_file(plan: Plan, node: Node) -> str:
    """Return ``/etc/strongswan.d/ipsecplan.conf`` of one node. Raises DefectError if it does not read back."""
    found = sizes(plan.connection_count(node))
    values = expected(found, node.capabilities)
    text = render(
        "swanctl/charon.conf.j2",
        values=values,
        unused=UNUSED,
        buffer=_buffer(node.capabilities),
        acquire=ACQUIRE_S,
        iptfs=plan.file.ipsec.mode == "iptfs",
    )
    got = read(text).section("charon")
    if {k: got.values.get(k) for k in values} != values:
        raise DefectError(f"the rendered charon settings of {node.id} do not read back as planned")
    if loaded := [name for name in UNUSED if _plugin(got, name).values != {"load": "no"}]:
        raise DefectError(f"the rendered charon settings of {node.id} load the plugin {loaded[0]}")
    return text


def expected(found: Sizes, capabilities: Capabilities) -> dict[str, str]:
    """Return charon's own settings as they must be read."""
    values = {
        "threads": str(found.threads),
        "ikesa_table_size": str(found.table),
        "ikesa_table_segments": str(found.segments),
        "cookie_threshold": str(found.cookies),
        "cookie_threshold_ip": str(COOKIES_PER_PEER),
        "block_threshold": str(2 * COOKIES_PER_PEER),
        "retransmit_timeout": "2.0",
        "retransmit_base": "1.4",
        "retransmit_tries": "4",
        "retransmit_jitter": "20",
    }
    if not capabilities.has("make-before-break"):
        values["make_before_break"] = "yes"
    return values


def _buffer(capabilities: Capabilities) -> int:
    """The netlink receive buffer in bytes where strongSwan's own is too small for a mesh's acquires, else 0."""
    return 0 if capabilities.has("receive-buffer") else 8 * 2**20


def _plugin(charon: Settings, name: str) -> Settings:
    return charon.section("plugins").section(name)
