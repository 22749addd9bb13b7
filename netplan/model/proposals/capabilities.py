"""What a node's strongSwan can do, by version and by its list of algorithms, and the reason when it can't.

A version alone proves nothing for ML-KEM: Debian 13 ships 6.0.1 without any plugin that has it, and OpenSSL's needs
6.0.2. So newer algorithms count as known only when `swanctl --list-algs` of that node names them. Nor does it for what
the kernel does: there counts what became of a packet (`ipsecplan facts` sends one).
Sources: strongSwan NEWS 5.9.5 to 6.1.0; Debian and Ubuntu package lists.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, get_args

from netplan.model.proposals.esp import EspProposal
from netplan.model.proposals.ike import IkeProposal
from netplan.model.proposals.keywords import GROUPS
from netplan.model.proposals.words import unknown_to

Version = tuple[int, ...]
_VERSION = re.compile(r"^[0-9]{1,3}(\.[0-9]{1,3}){1,3}")
OLDEST: Version = (5, 9, 5)

# what came with which version; the words are for people
SINCE: dict[str, tuple[Version, str]] = {
    "trap|start": ((5, 9, 6), "start_action = trap|start"),
    "additional": ((6, 0, 0), "additional key exchanges (RFC 9370)"),
    "make-before-break": ((6, 0, 0), "make-before-break reauthentication by default"),
    "receive-buffer": ((5, 9, 12), "a netlink receive buffer of 8 MiB by default"),
    "dpd-always": ((6, 0, 1), "dead peer detection though ESP comes in"),
    "esn": ((5, 9, 5), "extended sequence numbers beside normal ones"),
    "per_cpu_sas": ((6, 0, 2), "SAs for each CPU (RFC 9611)"),
    "iptfs": ((6, 0, 2), "mode = iptfs (RFC 9347)"),
}
Feature = Literal["iptfs", "per_cpu_sas"]  # what charon and the kernel must both have
Tried = Literal["works", "drops", "refused", "untried"]  # words of netplan.agent.protocol.words
TRIED: tuple[Tried, ...] = get_args(Tried)
_BECAME = {
    "drops": "its kernel accepts such an SA and then drops every packet (tried with one)",
    "refused": "its kernel refuses such an SA (tried)",
}
# algorithms that are not in every build: a node must list them
UNCOMMON = frozenset(
    {
        "ML_KEM_512",
        "ML_KEM_768",
        "ML_KEM_1024",
        "CURVE_448",
        "ECP_256_BP",
        "ECP_384_BP",
        "ECP_512_BP",
        "ECP_224_BP",
        "AES_XCBC_96",
        "AES_CMAC_96",
        "PRF_AES128_XCBC",
        "PRF_AES128_CMAC",
        "CAMELLIA_CBC",
    }
)


@dataclass(frozen=True, slots=True, order=True)
class Capabilities:
    """A node's strongSwan and kernel: ``version`` () and ``algorithms`` None where nobody has looked.

    ``iptfs`` and ``per_cpu_sas`` are what became of a packet in a throwaway SA of that kind on the node.
    """

    version: Version = ()
    algorithms: tuple[str, ...] | None = None
    iptfs: Tried = "untried"
    per_cpu_sas: Tried = "untried"

    def has(self, feature: str) -> bool:
        """Tell whether a feature of :data:`SINCE` is there; an unknown version has none."""
        return bool(self.version) and self.version >= SINCE[feature][0]

    @property
    def asks_always(self) -> bool:
        """Whether this charon may ask a peer that sends ESP whether it lives: an unknown version may."""
        return not self.version or self.has("dpd-always")

    def refuses(self, feature: Feature) -> str | None:
        """Return why this node can't have a feature, None when nothing is known against it (see :meth:`proven`)."""
        if self.version and not self.has(feature):
            since, words = SINCE[feature]
            return f"strongSwan {self.text} has no {words}; it came with {'.'.join(map(str, since))}"
        return _BECAME.get(getattr(self, feature))

    def proven(self, feature: Feature) -> bool:
        """Tell whether charon is new enough and a packet went through an SA of this kind there."""
        return self.has(feature) and getattr(self, feature) == "works"

    @property
    def key_exchanges(self) -> frozenset[str]:
        """Charon's names of the key exchanges that the node lists: ``CURVE_25519``, ``ML_KEM_768``, ..."""
        return frozenset(self.algorithms or ()) & KEY_EXCHANGES

    def lacks(self, proposal: EspProposal | IkeProposal) -> str | None:
        """Return why this node can't take a proposal, or None when it can."""
        if proposal.additional and not self.has("additional"):
            since = ".".join(map(str, SINCE["additional"][0]))
            what = f"strongSwan {self.text}" if self.version else "a strongSwan of unknown version"
            return f"{what} has no {SINCE['additional'][1]}; they came with {since}"
        strange = unknown_to(self.version, proposal.words)
        if strange:
            return f"strongSwan {self.text} does not know the word {strange}, and would discard the whole connection"
        if self.algorithms is None:
            doubtful = sorted(proposal.needs & UNCOMMON)
            return f"nobody has seen {doubtful[0]} in its `swanctl --list-algs`" if doubtful else None
        missing = sorted(proposal.needs - set(self.algorithms))
        return f"its `swanctl --list-algs` has no {', '.join(missing)}" if missing else None

    @property
    def text(self) -> str:
        """The version for people."""
        return ".".join(map(str, self.version)) or "unknown"


UNKNOWN = Capabilities()
KEY_EXCHANGES = frozenset(keyword.name for keyword in GROUPS.values())


def version(text: str) -> Version | None:
    """Read a version such as ``5.9.8`` or ``5.9.8-5+deb12u6``; None when it is none."""
    found = _VERSION.match(text)
    return tuple(int(part) for part in found[0].split(".")) if found else None


def algorithms(listing: str) -> tuple[str, ...]:
    """Return the names in the output of `swanctl --list-algs`, sorted."""
    return tuple(sorted(set(re.findall(r"^\s+([A-Z0-9_]+)\[", listing, re.MULTILINE))))
