"""WireGuard's padding: what a device that is larger than the path below it costs every packet.

The driver pads a packet to a multiple of 16 bytes, but not beyond the MTU of its own device or of the route over it
(`calculate_skb_padding`, drivers/net/wireguard/send.c; measured on Linux 6.1). A device whose MTU is what the path
carries has no padding in its largest packet. One with a larger MTU pads there, too, and its largest packet is smaller.
"""

from __future__ import annotations

import functools

from netplan.stack import largest_inner, parse, wire_size

STEP = 16
# innermost device first: (the packet in it in the stack notation, the bytes that padding stops at)
Levels = tuple[tuple[str, int], ...]


@functools.lru_cache(maxsize=4096)
def largest(stack: str, mtu: int, levels: Levels) -> int:
    """Return the largest innermost IP packet that ``mtu`` bytes carry, padding counted; below 1 when none fits."""
    text, room = stack, mtu
    for inside, ends in reversed(levels):
        room = largest_inner(parse(_outside(text, inside)), room)
        room -= room % STEP if ends > room else 0
        text = inside
    return largest_inner(parse(text), room)


def size(stack: str, inner: int, levels: Levels) -> int:
    """Return the bytes of the outermost IP packet around an innermost one of ``inner`` bytes."""
    bytes_, done = inner, ""
    for inside, ends in levels:
        bytes_ = wire_size(parse(_outside(inside, done)), bytes_)
        bytes_ = max(bytes_, min(-(-bytes_ // STEP) * STEP, ends))
        done = inside
    return wire_size(parse(_outside(stack, done)), bytes_)


def _outside(stack: str, inside: str) -> str:
    """Return the part of a stack that is around ``inside``, with an IP packet in its place."""
    return stack.removesuffix(inside) + inside.split("/")[0]
