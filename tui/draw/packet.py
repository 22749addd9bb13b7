"""The calculator's keys as changes to the text of a packet stack.

There are no mode switches: what the packet looks like *is* the mode. So every key edits tokens, the engine judges
the result, and any stack that somebody types can be turned with the same keys.
"""

from __future__ import annotations

DEFAULT = "ip4/esp:aes256gcm16/udp/vxlan/eth/ip4"

# what key c goes through and the comparison lists: the suites people choose between today
SUITES: tuple[str, ...] = (
    "aes256gcm16",
    "aes128gcm16",
    "chacha20poly1305",
    "aes256ccm16",
    "aes256gcm8",
    "aes256ctr-sha256",
    "aes256-sha256",
    "aes256-sha384",
    "aes256-sha512",
    "aes128-sha1",
)
OVERLAYS: tuple[str, ...] = ("vxlan", "geneve", "none")
_IP = ("ip4", "ip6")


def tokens(stack: str) -> list[str]:
    """Split a stack at its slashes."""
    return [word.strip() for word in stack.split("/")]


def _name(token: str) -> str:
    return token.partition(":")[0].lower()


def _esp(words: list[str]) -> int | None:
    return next((i for i, word in enumerate(words) if _name(word) == "esp"), None)


def suite(stack: str) -> str | None:
    """Return the algorithm of the outermost ESP header, if there is one."""
    words = tokens(stack)
    at = _esp(words)
    return None if at is None else words[at].partition(":")[2].partition(":")[0]


def with_suite(stack: str, name: str) -> str:
    """Give the outermost ESP header another algorithm; a stack without ESP gets one."""
    words = tokens(stack)
    at = _esp(words)
    if at is None:
        return "/".join([words[0], f"esp:{name}", *words[1:]])
    options = words[at].split(":")[2:]
    words[at] = ":".join(["esp", name, *options])
    return "/".join(words)


def next_of(value: str | None, choices: tuple[str, ...], step: int = 1) -> str:
    """Return the choice after a value, round about; the first one for a value that is none of them."""
    if value not in choices:
        return choices[0]
    return choices[(choices.index(value) + step) % len(choices)]


def mode(stack: str) -> str:
    """Return ``tunnel``, ``transport`` or ``none`` for the outermost ESP header."""
    words = tokens(stack)
    at = _esp(words)
    if at is None:
        return "none"
    return "tunnel" if at + 1 < len(words) and _name(words[at + 1]) in _IP else "transport"


def toggle_mode(stack: str) -> str:
    """Put an IP header behind ESP, or take it away."""
    words = tokens(stack)
    at = _esp(words)
    if at is None:
        return stack
    if mode(stack) == "tunnel":
        del words[at + 1]
    else:
        words.insert(at + 1, _name(words[0]) if _name(words[0]) in _IP else "ip4")
    return "/".join(words)


def nat_t(stack: str) -> bool:
    """Tell whether the outermost ESP header is in UDP."""
    words = tokens(stack)
    at = _esp(words)
    return bool(at) and at is not None and _name(words[at - 1]) == "udp"


def toggle_nat_t(stack: str) -> str:
    """Put UDP in front of ESP, or take it away."""
    words = tokens(stack)
    at = _esp(words)
    if at is None:
        return stack
    if nat_t(stack):
        del words[at - 1]
    else:
        words.insert(at, "udp")
    return "/".join(words)


def family(stack: str, *, inner: bool = False) -> str | None:
    """Return ``ip4`` or ``ip6`` of the outermost (innermost) IP header."""
    found = [_name(word) for word in tokens(stack) if _name(word) in _IP]
    return (found[-1] if inner else found[0]) if found else None


def toggle_family(stack: str, *, inner: bool = False) -> str:
    """Turn the outermost (innermost) IP header into the other family."""
    words = tokens(stack)
    places = [i for i, word in enumerate(words) if _name(word) in _IP]
    if places:
        at = places[-1] if inner else places[0]
        words[at] = "ip6" if _name(words[at]) == "ip4" else "ip4"
    return "/".join(words)


def overlay(stack: str) -> str:
    """Return ``vxlan``, ``geneve`` or ``none``."""
    return next((_name(word) for word in tokens(stack) if _name(word) in OVERLAYS), "none")


def with_overlay(stack: str, name: str) -> str:
    """Put another overlay in, take it out with what it carries, or put one at the end."""
    words = tokens(stack)
    at = next((i for i, word in enumerate(words) if _name(word) in OVERLAYS), None)
    if name == "none":
        return stack if at is None else "/".join(words[: at - 1 if _name(words[at - 1]) == "udp" else at])
    if at is None:
        return "/".join([*words, "udp", name, "eth", "ip4"])
    words[at] = name
    return "/".join(words)
