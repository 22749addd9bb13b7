"""Where Linux doesn't count what it sends: BEET, ESP in TCP, and an encapsulation limit in front of ESP.

Each rule is that of the code named with it, and its numbers were measured: on Linux 7.2.7 (BEET: also 6.1.176 and
6.12.113), ESP in TCP on 7.3.4 with the module built from Debian's source.
"""

from __future__ import annotations

from netplan.stack.frozen import replace
from netplan.stack.headers import BEET_RESERVED, ESP_IN_TCP_LENGTH
from netplan.stack.transforms import Transform
from netplan.stack.types import IP, Part, Token

BEFORE_ESP = (
    "Linux sizes ESP without the options in front of it and subtracts them afterwards: with a block cipher that can be "
    "a step less than would fit"
)
# two ways of measuring it differ: counted on the wire 1406 fits on 1500 with AES-CBC, and Linux 6.1.176 lets 1398 pass
BEFORE_ESP_SIX = (
    "this is what fits; Linux subtracts the options in front of ESP behind the padding and may let through up to 8 "
    "bytes less with a block cipher: probe it"
)
IN_TCP = "ESP in TCP is a stream: the outer packet is that of one ESP packet, and TCP sends it in one segment or in two"


def as_sent(tokens: list[Token]) -> list[Token]:
    """Return the tokens with what they have on the wire where that depends on their neighbours."""
    sent = list(tokens)
    for index, token in enumerate(tokens):
        following = tokens[index + 1].name if index + 1 < len(tokens) else ""
        if token.name == "beet":
            inner = following if following in IP else _family(tokens, index)
            sent[index] = replace(token, unsent=BEET_RESERVED.get((_family(tokens, index), inner), 0))
            if following in IP:
                note = "the outer IP header stands for it"
                none = Part(name=tokens[index + 1].head[0].name, bytes=0, source=token.head[0].source, note=note)
                sent[index + 1] = replace(tokens[index + 1], head=(none,))
        elif token.name == "dstopts" and _alone_before_esp(tokens, index):
            note = BEFORE_ESP_SIX if _six_in_tunnel(tokens, index) else BEFORE_ESP
            sent[index] = replace(token, notes=(*token.notes, note))
        elif token.name == "tcp" and following == "esp":
            note = "not counted: TCP cuts the stream at its MSS, wherever an ESP packet ends"
            length = Part(name="length of the ESP packet", bytes=ESP_IN_TCP_LENGTH, source="RFC 9329 3")
            head = (replace(token.head[0], bytes=0, note=note), length)
            sent[index] = replace(token, head=head, notes=(*token.notes, IN_TCP))
    return sent


def as_counted(sent: list[Token]) -> list[tuple[int, Transform | None]]:
    """Return for each token the bytes that Linux counts, and its transform.

    BEET's pseudo header is reserved outside the padding (``esp_init_state``). Options in clear before ESP in transport
    mode are subtracted from an ESP packet that was sized without them (``ip6_tnl_xmit``), so inside the padding.
    """
    rows = [(token.head_bytes + token.tail_bytes + token.unsent, token.transform) for token in sent]
    for index, token in enumerate(sent):
        if token.name == "beet":
            (own, _), (before, transform) = rows[index], rows[index - 1]
            rows[index - 1 : index + 1] = [(before + own, transform), (0, None)]
        elif token.name == "dstopts" and _alone_before_esp(sent, index) and not _six_in_tunnel(sent, index):
            (size, _), rows[index] = rows[index], (0, None)
            rows.append((size, None))
    return rows


def _alone_before_esp(tokens: list[Token], index: int) -> bool:
    """Tell whether the only ESP header of a stack stands behind a token, or behind UDP there."""
    esp = [at for at, token in enumerate(tokens) if token.transform]
    return esp == [index + 1 + (index + 1 < len(tokens) and tokens[index + 1].name == "udp")]


def _six_in_tunnel(tokens: list[Token], index: int) -> bool:
    """Tell whether what follows a token is IPv6 in a tunnel without frames."""
    return {token.name for token in tokens[index + 1 :]}.isdisjoint(("eth", "ip4"))


def outer_of_beet(names: list[str], inner: int) -> int:
    """Return the index of the IP header that Linux counts for the innermost packet: with BEET the one before ESP."""
    if inner and names[inner - 1] == "beet":
        return max(index for index in range(inner - 1) if names[index] in IP)
    return inner


def _family(tokens: list[Token], index: int) -> str:
    return next(token.name for token in reversed(tokens[:index]) if token.name in IP)
