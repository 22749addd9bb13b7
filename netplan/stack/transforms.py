"""ESP and AH transforms by strongSwan proposal keyword, and the one padding rule with its inverse.

Sizes are in bytes and only what is on the wire counts: the salt or nonce of AEAD and CTR lives in the key,
and of an extended sequence number only the low half is sent, so neither costs a byte. RFC 4303 (ESP), RFC
4302 (AH), Linux ``net/xfrm/xfrm_algo.c`` for what the kernel really uses.
"""

from __future__ import annotations

from netplan.stack.frozen import frozen

ESP_HEADER = 8  # SPI 4 + sequence number 4, RFC 4303 2.1 and 2.2
ESP_TRAILER = 2  # pad length 1 + next header 1, RFC 4303 2.5 and 2.6
ESP_ALIGN = 4  # the trailer must end on 4 bytes whatever the cipher, RFC 4303 2.4
AH_HEADER = 12  # RFC 4302 2
AH_ALIGN = {"ip4": 4, "ip6": 8}  # RFC 4302 3.3.3.2.1; Linux aligns IPv4 to 8 too unless the SA says align4
AH_ALIGN_LINUX = 8
SEQUENCE_NUMBERS = 2**32  # packets of one SA without extended sequence numbers, RFC 4303 2.2
SMALL_BLOCK = 8  # 64-bit block ciphers: 3DES, Blowfish, CAST
BIRTHDAY_64 = 2**30  # bytes after which to rekey those, far below the 2^35 of the birthday bound (Sweet32)


@frozen
class Cipher:
    """An encryption keyword: IV on the wire, block to align to, and its own ICV when it is an AEAD."""

    iv: int
    block: int
    icv: int | None
    source: str
    encrypts: bool = True
    linux: bool = True


@frozen
class Transform:
    """What one ESP or AH proposal costs: ``iv`` before, ``icv`` after, ``align`` for payload plus trailer."""

    keyword: str
    iv: int
    icv: int
    align: int
    source: str
    icv_source: str
    encrypts: bool
    notes: tuple[str, ...] = ()


class UnknownAlgorithm(ValueError):
    """A proposal that can't be sized; ``start`` and ``length`` say which part of its text is to blame."""

    def __init__(self, message: str, start: int, length: int, hint: str | None = None) -> None:
        super().__init__(message)
        self.start = start
        self.length = length
        self.hint = hint


def padding(payload: int, align: int) -> int:
    """Return the ESP padding bytes for a payload: both and 2 trailer bytes fill whole ``align`` units."""
    return -(payload + ESP_TRAILER) % align


def largest_payload(space: int, align: int) -> int:
    """Return the largest payload whose padded form with trailer fits ``space``; inverse of :func:`padding`.

    Negative when not even one unit fits.
    """
    return space // align * align - ESP_TRAILER


def ah_size(icv: int, unit: int) -> int:
    """Return the bytes of an AH header: 12 and the ICV, rounded up to ``unit`` (4 or 8), RFC 4302 2.2."""
    return -(-(AH_HEADER + icv) // unit) * unit


def _ciphers() -> dict[str, Cipher]:
    table = {
        "null": Cipher(iv=0, block=1, icv=None, source="RFC 2410 2", encrypts=False),
        "des": Cipher(iv=8, block=8, icv=None, source="RFC 2405 3"),
        "3des": Cipher(iv=8, block=8, icv=None, source="RFC 2451 3"),
        "cast128": Cipher(iv=8, block=8, icv=None, source="RFC 2451 3"),
        "chacha20poly1305": Cipher(iv=8, block=1, icv=16, source="RFC 7634 2"),
        "chacha20poly1305compat": Cipher(iv=8, block=1, icv=16, source="RFC 7634 2"),
    }
    blocks = (
        ("aes", 16, "RFC 3602 3"),
        ("camellia", 16, "RFC 4312 2"),
        ("serpent", 16, "RFC 2451 3 (block 16)"),
        ("twofish", 16, "RFC 2451 3 (block 16)"),
        ("blowfish", 8, "RFC 2451 3"),
    )
    for name, block, source in blocks:
        for suffix in ("", "128", "192", "256"):
            table[name + suffix] = Cipher(iv=block, block=block, icv=None, source=source)
    for bits in ("128", "192", "256"):
        table[f"aes{bits}gmac"] = Cipher(iv=8, block=1, icv=16, source="RFC 4543 3", encrypts=False)
        for family, linux in (("aes", True), ("camellia", False)):
            source = "RFC 3686 3" if linux else "RFC 5529 3"
            table[f"{family}{bits}ctr"] = Cipher(iv=8, block=1, icv=None, source=source, linux=linux)
            for mode, source in (("gcm", "RFC 4106 3"), ("ccm", "RFC 4309 3" if linux else "RFC 5529 4")):
                if mode == "gcm" and not linux:
                    continue
                for names, icv in ((("8", "64"), 8), (("12", "96"), 12), (("16", "128", ""), 16)):
                    for suffix in names if linux else names[:2]:  # camellia128ccm alone is no word of charon's
                        row = Cipher(iv=8, block=1, icv=icv, source=source, linux=linux)
                        table[f"{family}{bits}{mode}{suffix}"] = row
    return table


CIPHERS: dict[str, Cipher] = _ciphers()

# integrity keyword -> (ICV bytes on the wire, source)
INTEGRITY: dict[str, tuple[int, str]] = {
    "md5": (12, "RFC 2403 2"),
    "md5_128": (16, "RFC 4595 6"),
    "sha": (12, "RFC 2404 2"),
    "sha1": (12, "RFC 2404 2"),
    "sha1_160": (20, "RFC 4595 6"),
    "sha256": (16, "RFC 4868 2.3"),
    "sha2_256": (16, "RFC 4868 2.3"),
    "sha256_96": (12, "draft-ietf-ipsec-ciph-sha-256-00; Linux's own default for hmac(sha256)"),
    "sha2_256_96": (12, "draft-ietf-ipsec-ciph-sha-256-00; Linux's own default for hmac(sha256)"),
    "sha384": (24, "RFC 4868 2.3"),
    "sha2_384": (24, "RFC 4868 2.3"),
    "sha512": (32, "RFC 4868 2.3"),
    "sha2_512": (32, "RFC 4868 2.3"),
    "aesxcbc": (12, "RFC 3566 4"),
    "camelliaxcbc": (12, "RFC 4312 (XCBC-96)"),
    "aescmac": (12, "RFC 4494 3"),
}

_DH = frozenset(
    (
        *(
            "none",
            "modpnone",
            "modpnull",
            "modp768",
            "modp1024",
            "modp1536",
            "modp2048",
            "modp3072",
            "modp4096",
        ),
        *(
            "modp6144",
            "modp8192",
            "modp1024s160",
            "modp2048s224",
            "modp2048s256",
            "ecp192",
            "ecp224",
            "ecp256",
        ),
        *("ecp384", "ecp521", "ecp224bp", "ecp256bp", "ecp384bp", "ecp512bp", "x25519", "curve25519", "x448"),
        *("curve448", "gost256", "gost512", "mlkem512", "mlkem768", "mlkem1024", "newhope128"),
        *("ntru112", "ntru128", "ntru192", "ntru256"),
    )
)
_PRF = frozenset(
    f"prf{name}" for name in ("sha1", "sha256", "sha384", "sha512", "md5", "aesxcbc", "camelliaxcbc", "aescmac")
)
_ESN = frozenset(("esn", "noesn"))
_ONE = "one packet has one: name the one that is negotiated, or --compare them"


def sizeless(word: str) -> bool:
    """Tell whether a proposal keyword is one that costs no byte: key exchange, PRF, ESN."""
    if len(word) > 4 and word[:2] == "ke" and word[2] in "1234567" and word[3] == "_":
        word = word[4:]
        return word in _DH
    return word in _DH or word in _PRF or word in _ESN


def esp_transform(proposal: str) -> Transform:
    """Return what an ESP proposal such as ``aes256gcm16-x25519-esn`` or ``aes128-sha256`` costs.

    ``aes-256-gcm`` and the like are understood, see :func:`usual_name`. Raises :class:`UnknownAlgorithm` for an unknown
    keyword, two of a kind, or neither.
    """
    try:
        cipher_name, integrity = _sort(proposal, "ESP")
    except UnknownAlgorithm:
        known = usual_name(proposal)
        if known is None:
            raise
        return esp_transform(known)
    if cipher_name is None:
        raise UnknownAlgorithm(
            "ESP needs an encryption algorithm",
            0,
            len(proposal),
            "such as aes256gcm16, aes128-sha256 or null-sha256",
        )
    cipher = CIPHERS[cipher_name]
    align = max(cipher.block, ESP_ALIGN)
    notes: list[str] = []
    if cipher.icv is not None:
        icv, icv_source = cipher.icv, cipher.source
        if integrity:
            notes.append(f"{cipher_name} authenticates by itself; strongSwan drops {integrity} from the proposal")
    elif integrity:
        icv, icv_source = INTEGRITY[integrity]
        if integrity == "camelliaxcbc":
            notes.append("Linux has no ESP transform for camelliaxcbc")
    else:
        icv, icv_source = 0, ""
        if not cipher.encrypts:
            raise UnknownAlgorithm("null without integrity protects nothing", 0, len(proposal), "write null-sha256")
        notes.append(f"{cipher_name} without integrity: anyone on the path can change packets; add -sha256")
    if cipher.block == SMALL_BLOCK:
        notes.append(f"{cipher_name} has blocks of 64 bits, which a plan refuses (RFC 8221 5)")
    if integrity and integrity.startswith("md5"):
        notes.append(f"{integrity} is broken, and a plan refuses it (RFC 8221 6)")
    if not cipher.linux:
        notes.append(f"Linux has no ESP transform for {cipher_name}")
    return Transform(
        keyword=proposal,
        iv=cipher.iv,
        icv=icv,
        align=align,
        source=cipher.source,
        icv_source=icv_source,
        encrypts=cipher.encrypts,
        notes=tuple(notes),
    )


_OTHER_NAMES = (
    # aes-256-gcm, AES_256_GCM_16, aes256-gcm, with what follows the cipher
    (r"aes[-_]?(128|192|256)[-_]?(gcm|ccm)[-_]?(8|12|16)?((?:-.+)?)", r"aes\g<1>\g<2>{icv}\g<4>"),
    (r"aes[-_]?(gcm|ccm)[-_]?(?:16)?[-_](128|192|256)((?:-.+)?)", r"aes\g<2>\g<1>16\g<3>"),
    (r"chacha20[-_]?poly1305((?:-.+)?)", r"chacha20poly1305\g<1>"),
)


def usual_name(proposal: str) -> str | None:
    """Return strongSwan's keyword for a proposal as OpenSSL, TLS or RFCs write it; None where it is another."""
    import re

    for pattern, keyword in _OTHER_NAMES:
        match = re.fullmatch(pattern, proposal.strip().lower())
        if match:
            icv = (match[3] or "16") if "{icv}" in keyword else ""
            made = match.expand(keyword.replace("{icv}", icv))
            return made if made != proposal else None
    return None


def ah_icv(proposal: str) -> tuple[int, str]:
    """Return the ICV of an AH proposal such as ``sha256-x25519`` in bytes, unrounded, and its source."""
    cipher, integrity = _sort(proposal, "AH")
    if cipher is not None:
        where = proposal.index(cipher)
        what = (
            "GMAC, which Linux doesn't offer for AH" if cipher.endswith("gmac") else "a cipher; AH only authenticates"
        )
        raise UnknownAlgorithm(f"{cipher} is {what}", where, len(cipher), "such as ah:sha256")
    if integrity is None:
        raise UnknownAlgorithm("AH needs an integrity algorithm", 0, len(proposal), "such as ah:sha256")
    return INTEGRITY[integrity]


def _sort(proposal: str, protocol: str) -> tuple[str | None, str | None]:
    """Split a proposal into its cipher and its integrity keyword, and refuse what has no meaning."""
    cipher: str | None = None
    integrity: str | None = None
    start = 0
    for word in proposal.split("-"):
        if word in CIPHERS:
            if cipher is not None:
                raise UnknownAlgorithm(
                    f"two ciphers in one {protocol} proposal: {cipher}, {word}", start, len(word), _ONE
                )
            cipher = word
        elif word in INTEGRITY:
            if integrity is not None:
                raise UnknownAlgorithm(
                    f"two integrity algorithms in one {protocol} proposal: {integrity}, {word}",
                    start,
                    len(word),
                    _ONE,
                )
            integrity = word
        elif not sizeless(word):
            from netplan.problems import closest, quoted

            usual = [name for name in CIPHERS if not name.endswith(("64", "96", "gcm128", "ccm128"))]
            near = closest(word, [*usual, *INTEGRITY]) or closest(word, [*CIPHERS, *_DH])
            raise UnknownAlgorithm(
                f"{quoted(word)} is no strongSwan proposal keyword" if word else "an empty word in the proposal",
                start,
                max(1, len(word)),
                f"did you mean {near}?" if near else "such as aes256gcm16, chacha20poly1305, aes128-sha256",
            )
        start += len(word) + 1
    return cipher, integrity
