"""Profiles: named sets of proposals and limits, each with the document that it follows. Data, no rules."""

from __future__ import annotations

from dataclasses import dataclass, field

HOUR = 3600
DAY = 24 * HOUR


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A named choice of algorithms.

    ``esp`` and ``ike`` are what is offered, preferred first. ``allowed`` are the only keywords that a plan of this
    profile may write itself (None: all that are not weak), ``required`` what each of its proposals must have one of.
    ``ike_life`` and ``child_life`` are the longest lives of an SA in seconds. ``note`` is said with every plan.
    """

    esp: tuple[str, ...]
    ike: tuple[str, ...]
    source: str
    allowed: frozenset[str] | None = None
    required: frozenset[str] = field(default_factory=frozenset)
    ike_life: int = DAY
    child_life: int = 8 * HOUR
    note: str | None = None


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


PROFILES: dict[str, Profile] = {
    "default": Profile(
        esp=("aes256gcm16-x25519",),
        ike=("aes256gcm16-prfsha384-ecp384",),
        source="RFC 8221 section 5, RFC 8247 section 2, NIST SP 800-77r1",
    ),
    "cnsa1": Profile(
        esp=("aes256gcm16-ecp384",),
        ike=("aes256gcm16-prfsha384-ecp384",),
        source="RFC 9206 section 5",
        allowed=_words("aes256gcm16 prfsha384 ecp384 modp3072 modp4096 esn noesn"),
    ),
    "cnsa2": Profile(
        esp=("aes256gcm16-ecp384-ke1_mlkem1024",),
        ike=("aes256gcm16-prfsha384-ecp384-ke1_mlkem1024",),
        source="CNSA 2.0, RFC 9370",
        allowed=_words("aes256gcm16 prfsha384 prfsha512 ecp384 ke1_mlkem1024 mlkem1024 esn noesn"),
        required=frozenset({"ke1_mlkem1024", "mlkem1024"}),
        note="cnsa2 covers key exchange and ciphers; certificates stay ECDSA P-384, because strongSwan has no ML-DSA",
    ),
    "pq-hybrid": Profile(
        esp=("aes256gcm16-x25519-ke1_mlkem768", "aes256gcm16-x25519"),
        ike=("aes256gcm16-prfsha384-x25519-ke1_mlkem768", "aes256gcm16-prfsha384-x25519"),
        source="RFC 9370; pairs with an end that has no ML-KEM fall back to x25519",
        note="pq-hybrid protects recorded traffic against a later quantum computer only where both ends have ML-KEM",
    ),
    "bsi": Profile(
        esp=("aes256gcm16-ecp384",),
        ike=("aes256gcm16-prfsha384-ecp384",),
        source="BSI TR-02102-3",
        allowed=_words(
            "aes128gcm16 aes256gcm16 aes128ctr aes256ctr aes128 aes256 sha256 sha384 sha512 prfsha256 prfsha384 "
            "prfsha512 ecp256 ecp384 ecp521 ecp256bp ecp384bp ecp512bp modp3072 modp4096 ke1_mlkem768 ke1_mlkem1024 "
            "esn noesn"
        ),
        child_life=4 * HOUR,
    ),
    "legacy-cbc": Profile(
        esp=("aes256-sha256-modp2048",),
        ike=("aes256-sha256-modp2048",),
        source="RFC 8221 section 5 and RFC 8247 section 2.4: the MUSTs that old devices have",
        note="legacy-cbc is for peers without AES-GCM; it costs MTU and speed",
    ),
}
