"""What can be wrong with a stack, said well: where, what was expected there, what to write instead.

Only imported names that cost nothing; :mod:`netplan.problems` is loaded once something is wrong.
"""

from __future__ import annotations

from netplan.stack.headers import EXTENSIONS, HEADERS, MACROS, STARTS
from netplan.stack.types import ESP_ONLY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netplan.problems import ProblemError
    from netplan.stack.header_types import Header
    from netplan.stack.transforms import UnknownAlgorithm
    from netplan.stack.types import Spot

_ADVICE = {
    **dict.fromkeys(("ipv4", "inet", "ip"), "IPv4 is ip4, IPv6 is ip6"),
    **dict.fromkeys(("ipv6", "inet6"), "IPv6 is ip6"),
    **dict.fromkeys(("ethernet", "mac", "l2"), "an Ethernet header is eth"),
    **dict.fromkeys(("dot1q", "802.1q", "8021q", "tag"), "a VLAN tag is vlan, two are qinq"),
    **dict.fromkeys(
        ("natt", "nat-t", "nat", "udpencap", "encap"), "NAT-T is the token udp before esp: ip4/udp/esp:..."
    ),
    **dict.fromkeys(
        ("ipsec", "tunnel", "transport"),
        "IPsec is esp:ALGORITHM; tunnel mode has an IP header after it, transport mode none",
    ),
    **dict.fromkeys(
        ("xfrm", "xfrmi", "vti", "vti6"), "such an interface adds no header; write the ESP packet it sends"
    ),
    **dict.fromkeys(
        ("tls", "istio", "linkerd", "mtls"),
        "it works inside TCP and adds nothing to the packet; leave it out",
    ),
    **dict.fromkeys(("wg",), "WireGuard is udp/wireguard"),
    **dict.fromkeys(("gtp", "gtpv1"), "GTP-U is udp/gtpu"),
    **dict.fromkeys(("ip6gre", "ip6gretap"), "write ip6/dstopts:8/gre, or ip6/gre with encaplimit none"),
    "l2tp": "l2tpv3, or udp/l2tpv2",
    "arp": "an ARP frame is small and decides no MTU; end with eth/ip4",
    "fou": "FOU is udp directly before ip4 or ip6",
    "gretap": "GRETAP is gre/eth",
}
_FRAMES_ONLY = ("vxlan", "nvgre", "erspan", "stt", "l2tpv3", "otv")


def empty(spot: Spot) -> ProblemError:
    """Nothing was given."""
    return _problem("IPP104", "the stack is empty", spot, "such as ip4/esp:aes256gcm16/udp/vxlan/eth/ip4")


def gap(spot: Spot) -> ProblemError:
    """A slash too many."""
    message = "an empty token: two slashes in a row, or one at an end"
    return _problem("IPP104", message, spot, "write one header between two slashes")


def too_long(limit: int, spot: Spot) -> ProblemError:
    """More headers than any packet has."""
    return _problem("IPP104", f"more than {limit} headers in one stack", spot, None)


def unfinished(name: str, fits: tuple[str, ...], spot: Spot) -> ProblemError:
    """The stack ends with a header that must carry something."""
    rest = "ip4" if "ip4" in fits else "eth/ip4"
    message = f"the stack ends with {name}: say what it carries ({', '.join(fits)})"
    return _problem("IPP109", message, spot, f"such as {spot.text.strip()}/{rest}")


def unknown(name: str, previous: str, fits: tuple[str, ...], spot: Spot) -> ProblemError:
    """A word that is no header."""
    from netplan.problems import closest, quoted

    hint = _ADVICE.get(name)
    if name.isascii() and name.isdigit() and not previous:
        hint = f"a link MTU goes into an option: ipsecplan calc ip4/esp:aes256gcm16/ip4 --mtu {name[:5]}"
    elif hint is None:
        # a near word that fits here is a better guess than a nearer one that doesn't
        short = [macro for macro, tokens in MACROS.items() if tokens[0].partition(":")[0] in fits and ":" not in macro]
        near = closest(name, [*fits, *short]) or closest(name, [*HEADERS, "esp", "ah", *MACROS])
        hint = f"did you mean {near}?" if near else None
    return _problem("IPP101", f"{quoted(name)} is no header; {_fits(previous, fits)}", spot, hint)


def misfit(name: str, previous: str, fits: tuple[str, ...], spot: Spot) -> ProblemError:
    """A header that can't follow the one before it."""
    hint: str | None = None
    if name == "ah" and previous == "udp":
        hint = "AH covers the IP addresses, so it can't pass a NAT and has no UDP form; use esp"
    elif previous in ("", "eth", "vlan", "qinq") and name not in STARTS:
        inner = "eth/ip4" if name in _FRAMES_ONLY or name == "geneve" else "ip4"
        outer = "ip4/udp" if name in HEADERS["udp"].carries and name not in HEADERS["ip4"].carries else "ip4"
        hint = f"begin with the IP header: {outer}/{name}/{inner}"
        if name in ("udp", "esp", "ah"):  # what they carry may be anything
            hint = f"begin with the IP header: ip4/{name}"
    elif "udp" in fits and name in HEADERS["udp"].carries:
        hint = f"{name} travels in UDP: {previous}/udp/{name}"
    elif previous in _FRAMES_ONLY:
        inner = name if name in HEADERS["eth"].carries else f"ip4/{name}"
        hint = f"{previous} carries Ethernet frames: {previous}/eth/{inner}"
    elif name in EXTENSIONS:
        hint = f"only IPv6 has extension headers: ip6/{name}"
    elif name in ESP_ONLY:
        hint = f"only ESP carries it: esp:aes256gcm16/{name}"
    elif name == "eth":
        hint = "an Ethernet frame travels in a tunnel, such as gre/eth or udp/vxlan/eth"
    return _problem("IPP103", f"{name} can't stand here; {_fits(previous, fits)}", spot, hint)


def option(header: Header, text: str, spot: Spot) -> ProblemError:
    """An option the header doesn't have, or a number out of range."""
    from netplan.problems import quoted

    takes = list(header.flags)
    number = header.number
    hint: str | None = None
    if number:
        step = f" in steps of {number.step}" if number.step > 1 else ""
        takes = [f"{number.low} to {number.high} {number.unit}{step}", *number.presets, *takes]
        if text.isascii() and text.isdigit() and len(text) < 6:
            nearest = min(max(-(-int(text) // number.step) * number.step, number.low), number.high)
            hint = f"the nearest is {header.name}:{nearest}"
    message = f"{header.name} has no option {quoted(text)}; it takes {', '.join(takes) or 'none'}"
    return _problem("IPP102", message, spot, hint)


def repeated(name: str, text: str, spot: Spot) -> ProblemError:
    """The same kind of option twice."""
    from netplan.problems import quoted

    return _problem("IPP102", f"option {quoted(text)} of {name} is one too many: each is given once", spot, None)


def bad_flag(name: str, text: str, allowed: tuple[str, ...], spot: Spot) -> ProblemError:
    """An option after the algorithm that ESP or AH doesn't have."""
    from netplan.problems import quoted

    message = f"{name} has no option {quoted(text)} after the algorithm; it takes {', '.join(allowed)}"
    return _problem("IPP102", message, spot, None)


def no_algorithm(name: str, spot: Spot) -> ProblemError:
    """ESP or AH alone."""
    such = "such as " + ("esp:aes256gcm16 or esp:aes128-sha256" if name == "esp" else "ah:sha256")
    return _problem("IPP107", f"{name} needs an algorithm after a colon", spot, such)


def algorithm(error: UnknownAlgorithm, spot: Spot) -> ProblemError:
    """A proposal that can't be sized."""
    return _problem("IPP107", str(error), spot, error.hint, error.start, error.length)


def _fits(previous: str, fits: tuple[str, ...]) -> str:
    place = f"after {previous}" if previous else "at the start"
    return f"{place} fits: {', '.join(fits)}" if fits else f"nothing can follow {previous}"


def _problem(
    code: str, message: str, spot: Spot, hint: str | None, start: int = 0, width: int | None = None
) -> ProblemError:
    from netplan.problems import Location, Problem, ProblemError

    return ProblemError(
        Problem(
            code,
            message,
            location=Location(
                column=spot.column + start, width=max(1, spot.width if width is None else width), source=spot.text
            ),
            hint=hint,
        )
    )
