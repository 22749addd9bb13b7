"""The policies that a cluster can be assessed against: data, each with its document and the section of every rule.

Which algorithms CNSA and BSI allow is in the profiles (netplan.model.proposals.profiles), which plans are made by.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from netplan.model.proposals.profiles import DAY, HOUR, PROFILES

# what can be asked of an offer, by the kind of its words
KINDS = ("encryption", "integrity", "prf", "key exchange")
CERTIFICATES, KEYS = frozenset({"certificates"}), frozenset({"certificates", "raw-keys"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What is asked of a cluster.

    ``allowed``: the only words of a proposal (None: all that no RFC refuses); ``required``: each proposal has one of
    them. ``ike_life``, ``child_life``: longest lives of SAs in seconds, their margins included. ``auth``: kinds of
    authentication; ``signature_doubt`` what is said of our certificates' signatures. ``rules``: topic or kind of word
    -> the section that asks it.
    """

    name: str
    title: str
    source: str
    rules: Mapping[str, str]
    allowed: frozenset[str] | None = None
    required: frozenset[str] = field(default_factory=frozenset)
    ike_life: int = DAY
    child_life: int = 8 * HOUR
    auth: frozenset[str] = KEYS | {"psk"}
    pfs: bool = False
    signature_doubt: str = ""

    def rule(self, topic: str) -> str:
        """Return the section that asks about a topic; empty where the policy says nothing of it."""
        return self.rules.get(topic, "")


_CNSA1, _CNSA2, _BSI = (PROFILES[name] for name in ("cnsa1", "cnsa2", "bsi"))
_SP800_77 = "NIST SP 800-77r1, lives of SAs: 24 h and 8 h"
# at least 112 bits of effective strength, with no algorithm that an RFC refuses
_STRONG = frozenset(
    {
        *("aes", "aes128", "aes192", "aes256", "aes128ctr", "aes192ctr", "aes256ctr", "chacha20poly1305"),
        *(
            f"aes{bits}{mode}{icv}"
            for bits in (128, 192, 256)
            for mode in ("gcm", "ccm")
            for icv in ("", 8, 12, 16, 128)
        ),
        *("camellia128", "camellia192", "camellia256"),
        *("sha256", "sha2_256", "sha384", "sha2_384", "sha512", "sha2_512", "aesxcbc", "aescmac"),
        *("prfsha256", "prfsha384", "prfsha512", "prfaesxcbc", "prfaescmac"),
        *("modp2048", "modp3072", "modp4096", "modp6144", "modp8192", "ecp224", "ecp256", "ecp384", "ecp521"),
        *("ecp224bp", "ecp256bp", "ecp384bp", "ecp512bp", "x25519", "curve25519", "x448", "curve448"),
        *("mlkem512", "mlkem768", "mlkem1024"),
    }
)

POLICIES: dict[str, Policy] = {
    "plan": Policy(
        name="plan",
        title="the plan's own",
        source="the bundle, RFC 8221 and RFC 8247",
        rules={
            "encryption": "RFC 8221 section 5",
            "integrity": "RFC 8221 section 6",
            "prf": "RFC 8247 section 2.2",
            "key exchange": "RFC 8247 section 2.4",
            "lives": _SP800_77,
        },
    ),
    "cnsa1": Policy(
        name="cnsa1",
        title="CNSA 1.0",
        source="RFC 9206 (CNSA Suite Cryptography for IPsec)",
        rules={
            **dict.fromkeys(KINDS, "RFC 9206 section 5"),
            "authentication": "RFC 9206 section 6",
            "lives": _SP800_77,
        },
        allowed=_CNSA1.allowed,
        ike_life=_CNSA1.ike_life,
        child_life=_CNSA1.child_life,
        auth=CERTIFICATES,
    ),
    "cnsa2": Policy(
        name="cnsa2",
        title="CNSA 2.0",
        source="NSA, Announcing the Commercial National Security Algorithm Suite 2.0 (September 2022)",
        rules={
            "encryption": "CNSA 2.0, symmetric-key algorithms: AES-256",
            "integrity": "CNSA 2.0, symmetric-key algorithms: SHA-384 or SHA-512",
            "prf": "CNSA 2.0, symmetric-key algorithms: SHA-384 or SHA-512",
            "key exchange": "CNSA 2.0, public-key algorithms: ML-KEM-1024",
            "authentication": "CNSA 2.0, public-key algorithms: ML-DSA-87",
            "lives": _SP800_77,
        },
        allowed=_CNSA2.allowed,
        required=_CNSA2.required,
        ike_life=_CNSA2.ike_life,
        child_life=_CNSA2.child_life,
        auth=CERTIFICATES,
        signature_doubt="certificates are ECDSA P-384, because strongSwan has no ML-DSA; CNSA 2.0 wants ML-DSA-87 "
        "alone in VPNs by 2030",
    ),
    "bsi": Policy(
        name="bsi",
        title="BSI TR-02102-3",
        source="BSI TR-02102-3, Use of IPsec and IKEv2",
        rules={
            "encryption": "BSI TR-02102-3 sections 3.2.1 and 3.3",
            "integrity": "BSI TR-02102-3 sections 3.2.3 and 3.3",
            "prf": "BSI TR-02102-3 section 3.2.2",
            "key exchange": "BSI TR-02102-3 section 3.2.4",
            "authentication": "BSI TR-02102-3 section 3.2.5",
            "forward secrecy": "BSI TR-02102-3 section 2.1.5",
            "lives": "BSI TR-02102-3 section 2.1.2",
        },
        allowed=_BSI.allowed,
        ike_life=_BSI.ike_life,
        child_life=_BSI.child_life,
        pfs=True,
    ),
    "pci-dss": Policy(
        name="pci-dss",
        title="PCI DSS 4.0.1",
        source="PCI DSS 4.0.1; glossary: strong cryptography, at least 112 bits of effective key strength",
        rules={
            **dict.fromkeys(KINDS, "PCI DSS 4.2.1 with the glossary's strong cryptography"),
            "clear": "PCI DSS 4.2.1",
            "credentials": "PCI DSS 4.2.1.1",
            "proof": "PCI DSS 12.3.3",
            "exposure": "PCI DSS 1.2.5",
            "advisories": "PCI DSS 6.3.3",
            "namespaces": "PCI DSS 1.4.1",
        },
        allowed=_STRONG,
    ),
}
