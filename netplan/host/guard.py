"""The leak guard: an nftables table of our own that drops packets that should be protected but have no IPsec.

Measured (Linux 6.1, nft 1.0.6): ``rt ipsec missing`` in the output hook and ``meta ipsec missing`` in the input hook
stop clear packets in every failure state of charon and harm no ESP packet. Block policies in the kernel's
IPsec database hold while the table is missing (`nft flush ruleset`).
"""

from __future__ import annotations

import functools
import ipaddress
from collections.abc import Sequence

from netplan.problems import DefectError, present, quoted
from netplan.templates.render import environment, render

# path on a node -> template
UNITS = {
    "etc/systemd/system/ipsecplan-guard.service": "systemd/ipsecplan-guard.service.j2",
    "etc/systemd/system/ipsecplan-boot.service": "systemd/ipsecplan-boot.service.j2",
    "etc/systemd/system/ipsecplan-watch.service": "systemd/ipsecplan-watch.service.j2",
    "etc/systemd/system/strongswan.service.d/ipsecplan-orphans.conf": "systemd/strongswan-ipsecplan.conf.j2",
}
SCRIPTS = ("revert.sh", "guard.sh")  # POSIX shell
PARTS = {"revert.sh": ("revert-acts.sh", "revert-looks.sh")}  # put into it, so that a node has all of it or nothing
ROUTE_SCRIPT = "route.sh"  # with XFRM interfaces only
PROTOCOLS = {"gre": 47, "ipip": 4}  # overlays without ports, by IANA protocol number
PEER = "@"  # in a release's block policies: the peer's address
FLOOR_PRIORITY = 4_000_050  # far behind the last of strongSwan's classes, and a number that nobody else would choose


def ruleset(
    port: int,
    *,
    drop: bool,
    family: str = "ipv4",
    peers: Sequence[str] | None = None,
    clear: Sequence[str] | None = None,
    address: str = "",
    networks: Sequence[tuple[str, Sequence[str]]] = (),
    inside: Sequence[tuple[str, str]] = (),
) -> str:
    """Return the guard for an overlay UDP port: ``drop`` false only counts, true drops.

    ``peers`` None means that every pair is protected; else the guard concerns these underlay addresses only. With
    ``clear`` (services such as ``tcp/22``) it concerns everything between ``address``, the host's own, and ``peers``
    but these, IKE and ESP. ``networks`` are additional (own address, addresses of peers): then it concerns everything
    between any of the host's own addresses and any of the peers' in the same family. ``inside`` are (underlay address,
    XFRM interface): what leaves to that peer by that interface is encrypted behind it or dropped.
    """
    services = None if clear is None else [tuple(service.split("/")) for service in clear]
    if services is not None and peers is None:
        raise DefectError("a guard of hosts has no peers")
    if services is None:
        networks = ()
    sides = []
    for number, kind in enumerate(dict.fromkeys([family, *(_family(own) for own, _ in networks)])):
        header, name = "ip6" if kind == "ipv6" else "ip", f"protected{number + 1}" if number else "protected"
        mine = [address] if not number else []
        mine += [own for own, _ in networks if _family(own) == kind]
        them = list(peers or ()) if not number else []
        them += [peer for own, others in networks if _family(own) == kind for peer in others]
        from_here = "" if services is None else f"{header} saddr {_one_or_more(mine)} "
        to, by = (f"{header} daddr @{name} ", f"{header} saddr @{name} ") if peers is not None else ("", "")
        addresses = [canonical(peer) for peer in them]
        sides.append({"name": name, "family": kind, "peers": addresses, "to": to, "by": by, "own": from_here})
    return render(
        "nft/guard.nft.j2",
        port=port,
        drop=drop,
        named=peers is not None,
        sides=sides,
        services=services,
        inside=[(canonical(peer), device) for peer, device in inside],
        family=family,
    )


@functools.lru_cache(maxsize=1 << 16)
def canonical(address: str) -> str:
    """Return an address as Python writes it. Raises ValueError on anything else, so that nothing else is printed."""
    return str(ipaddress.ip_address(address))


def _family(address: str) -> str:
    return "ipv6" if ":" in address else "ipv4"


def _one_or_more(addresses: Sequence[str]) -> str:
    found = [canonical(address) for address in addresses]
    return found[0] if len(found) == 1 else "{ " + ", ".join(found) + " }"


def floor(overlay: str, port: int, *, family: str) -> str:
    """Return the block policies as a release has them: one line for ``ip -batch`` with ``@`` for a peer's address.

    Each stops packets of the overlay to one peer; a policy of charon for the same packets goes before it. The agent
    makes a policy a peer of it: of those that ``etc/ipsecplan/peers`` has for the node's underlay address, without
    those that have to wait. The source is any, because the kernel takes one policy a selector and charon's own names
    our address.
    """
    anywhere, width = ("::/0", 128) if family == "ipv6" else ("0.0.0.0/0", 32)
    packets = f"proto udp dport {port}" if port else f"proto {PROTOCOLS[overlay]}"
    policy = f"xfrm policy update dir out src {anywhere} dst {PEER}/{width} {packets}"
    return f"{policy} action block priority {FLOOR_PRIORITY}\n"


def units() -> dict[str, str]:
    """Return path -> text of everything that systemd reads."""
    return {path: render(template) for path, template in UNITS.items()}


def script(name: str) -> str:
    """Return a shell script of the node, which is no template, with its parts."""
    if name not in (*SCRIPTS, ROUTE_SCRIPT):
        raise DefectError(f"{quoted(name)} is no script of a node")
    parts = "\n".join(_source(part).partition("\n")[2] for part in PARTS.get(name, ()))  # without a line for shellcheck
    return _source(name).replace("# [parts]\n", parts)


def _source(name: str) -> str:
    return present(environment().loader, "the templates' loader").get_source(environment(), f"node/{name}")[0]
