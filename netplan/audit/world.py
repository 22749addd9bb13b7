"""From evidence to hosts of the path model: every input is put to the host that it belongs to."""

from __future__ import annotations

import bisect
import functools
import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TypeVar

from netplan.audit import host_links, xfrm
from netplan.audit.linux import system_of
from netplan.audit.model import Device, Esp, Evidence, XfrmDump
from netplan.audit.places import host_of
from netplan.cni.adapter import Clue, Setting
from netplan.path import join
from netplan.path.kinds import BY_PACKET, as_vti
from netplan.path.model import Host, Interface, Protection
from netplan.problems import Location

T = TypeVar("T")
# distributions that run a network's program under their own name
_PROGRAM = {"k3s": "flannel"}
CILIUM_WIREGUARD = "cilium_wg0"


@dataclass(frozen=True, slots=True)
class World:
    """All hosts by their key, in a fixed order, and the host of every input."""

    hosts: dict[str, Host]
    peers: join.Peers
    live: dict[str, set[str]]  # host -> devices that were seen, in contrast to configured ones
    everywhere: Host  # what is known of all hosts: IPsec and catch-all devices without a host of their own
    _place: Callable[[str], str]

    def of(self, path: str | None) -> Host | None:
        """Return the host that an input belongs to, None where it belongs to no single one."""
        return self.hosts.get(self._place(path or ""))


def build(evidence: Evidence) -> World:
    """Return the hosts that the inputs describe. What belongs to no host counts for all of them."""
    host_links.devices(evidence)
    files = _several_in_one_folder(evidence.links)
    ordered = sorted(files)
    homes = {True: set[str](), False: set[str]()}
    for path, configured in {(d.location.path or "", d.configured) for d in evidence.links}:
        homes[configured].add(files.get(path) or host_of(path))

    @functools.cache
    def place(path: str) -> str:
        return files.get(path) or _nearest(path, ordered) or _home(path, homes[False], homes[True])

    def key(location: Location) -> str:
        return place(location.path or "")

    devices: dict[str, dict[str, Device]] = {}
    for device in sorted(evidence.links, key=_preference):
        members = devices.setdefault(key(device.location), {})
        first = members.get(device.name)
        members[device.name] = device if first is None else _completed(first, device)
    mtus6: dict[str, dict[str, int]] = {}
    for path, name, mtu in evidence.mtus6:
        of_host = mtus6.setdefault(place(path), {})
        of_host[name] = min(mtu, of_host.get(name, mtu))
    routes, rules = _grouped(evidence.routes, place), _grouped(evidence.rules, place)
    ends: dict[str, dict[str, set[str]]] = {}
    for path, name, address in evidence.far_ends:
        ends.setdefault(place(path), {}).setdefault(name, set()).add(address)
    peers: dict[str, dict[str, set[tuple[str, str]]]] = {}
    for path, name, inside, address in evidence.endpoints:
        peers.setdefault(place(path), {}).setdefault(name, set()).add((inside, address))
    esps: dict[str, list[Esp]] = {}
    for esp in _all_esps(evidence, place):
        where = key(esp.location)
        esps.setdefault(where if where in devices else "*", []).append(esp)
    protections = {where: _protections(found) for where, found in esps.items()}
    catch: dict[str, str] = {}
    for location, name in sorted(evidence.catch_all, key=lambda c: c[1]):
        where = key(location)
        catch.setdefault(where if where in devices else "*", name)
    full: dict[str, set[str]] = {}
    for path, name in evidence.full_tunnels:
        full.setdefault(place(path), set()).add(name)
    lonely = [k for k in {**routes, **rules, **mtus6} if k not in devices]
    named: list[Setting | Clue] = [*evidence.clues, *evidence.settings]
    bearers = {_PROGRAM.get(e.system, e.system): e.bearer for e in named if e.bearer}
    hosts: dict[str, Host] = {}
    mine_of = {name: (*protections.get(name, ()), *protections.get("*", ())) for name in devices}
    for name in sorted(devices):
        mine = [name, *(lonely if len(devices) == 1 else [])]
        own6 = {n: mtu for k in mine for n, mtu in mtus6.get(k, {}).items()}
        hosts[name] = Host(
            name=name,
            interfaces={
                n: _told_apart(_borne(_interface(d, own6.get(n)), bearers, devices[name]), mine_of[name])
                for n, d in sorted(devices[name].items())
            },
            routes=tuple(dict.fromkeys(r for k in mine for r in routes.get(k, ()))),
            rules=tuple(dict.fromkeys(r for k in mine for r in rules.get(k, ()))),
            protections=mine_of[name],
            far_ends={n: tuple(sorted(a)) for n, a in ends.get(name, {}).items()},
            endpoints=_endpoints(peers.get(name, {}), devices[name]),
            catch_all=catch.get(name) or catch.get("*", "") or _encrypting(devices[name]),
            full_tunnel=_full_tunnel(full.get(name, set()), devices[name]),
        )
    live = {k: {n for n, d in members.items() if not d.configured} for k, members in devices.items()}
    everywhere = Host(
        name="*",
        protections=tuple(protections.get("*", ())),
        catch_all=catch.get("*", ""),
    )
    return World(hosts, join.named(hosts), live, everywhere, place)


def _borne(device: Interface, bearers: dict[str, str], devices: dict[str, Device]) -> Interface:
    """Put the tunnel device of a network on the link that the network's configuration names."""
    bearer = bearers.get(system_of(device.name), "")
    return device if device.lower or bearer not in devices else replace(device, lower=bearer)


def _told_apart(device: Interface, found: Iterable[Protection]) -> Interface:
    """Take a tunnel whose type was not printed for a VTI where IPsec in tunnel mode has just its ends."""
    ends = {device.local, device.remote}
    vti = device.alike and any(p.mode == "tunnel" and all(p.ends) and set(p.ends) == ends for p in found)
    return as_vti(device) if vti else device


def _endpoints(
    peers: dict[str, set[tuple[str, str]]], devices: dict[str, Device]
) -> dict[str, tuple[tuple[str, str], ...]]:
    """Put peers that were read without their device to the only one that the host has."""
    devices_of_kind = [name for name, device in devices.items() if device.kind == "wireguard"]
    named: dict[str, set[tuple[str, str]]] = {}
    for name, found in peers.items():
        for device in [name] if name else devices_of_kind[:1] if len(devices_of_kind) == 1 else []:
            named.setdefault(device, set()).update(found)
    return {name: tuple(sorted(found)) for name, found in named.items()}


def _full_tunnel(names: set[str], devices: dict[str, Device]) -> str:
    """Return the device that has the default route: one that runs, else the only one that files would make.

    Several files in one folder are those of several clients.
    """
    running = sorted(n for n in names if n in devices and not devices[n].configured)
    return running[0] if running else next(iter(names)) if len(names) == 1 else ""


def _encrypting(devices: dict[str, Device]) -> str:
    """Return the device that takes the packets of a network's own tunnel by no route: Cilium's, by its BPF programs."""
    return CILIUM_WIREGUARD if CILIUM_WIREGUARD in devices and BY_PACKET & devices.keys() else ""


def _preference(device: Device) -> tuple[bool, bool, str]:
    return device.configured, not device.kind, str(device.location)


def _completed(first: Device, other: Device) -> Device:
    """What runs, with what the configuration adds to it."""
    a, b = _interface(first), _interface(other)
    if first.configured == other.configured or (a.lower or not b.lower):
        return first
    return replace(first, interface=replace(a, lower=b.lower))


def _interface(device: Device, mtu6: int | None = None) -> Interface:
    if device.interface is not None:
        return device.interface if mtu6 is None else replace(device.interface, mtu6=mtu6)
    return Interface(
        name=device.name,
        mtu=device.mtu,
        mtu6=mtu6,
        kind=device.kind,
        role="nothing" if device.loopback else "link",
        lower=device.lower,
        master=device.master,
        up=device.up,
    )


def _grouped(found: Iterable[tuple[str, T]], place: Callable[[str], str]) -> dict[str, list[T]]:
    out: dict[str, list[T]] = {}
    for path, each in found:
        out.setdefault(place(path), []).append(each)
    return out


def _all_esps(evidence: Evidence, place: Callable[[str], str]) -> list[Esp]:
    """Every Esp, those of the kernel's states and policies host by host, in a fixed order."""
    dumps: dict[str, list[XfrmDump]] = {}
    for dump in evidence.xfrm:
        dumps.setdefault(place(dump.path), []).append(dump)
    found = list(evidence.esps)
    for _, mine in sorted(dumps.items()):
        found += xfrm.joined([s for d in mine for s in d.states], [p for d in mine for p in d.policies])
    return sorted(found, key=lambda e: (str(e.location), e.suite, e.mode, e.nat_t))


def _protections(esps: list[Esp]) -> list[Protection]:
    """Return the IPsec of one host: neighbours that differ in the far end alone are one, so that a mesh is a few.

    Which of several applies to a packet first stays as it is.
    """
    found: list[Protection] = []
    for _, run in itertools.groupby(esps, key=_but_far_end):
        first, *more = run
        one = _protection(first)
        found.append(replace(one, dst=tuple(dict.fromkeys((*one.dst, *(e.remote[0] for e in more))))) if more else one)
    return found


def _but_far_end(esp: Esp) -> tuple[object, ...]:
    """Return all of an Esp that a packet's protection is made of, but a single far end."""
    far = "" if len(esp.remote) == 1 else object()  # nothing is like it
    cost = (esp.suite, esp.mode, esp.nat_t, esp.family, esp.live, esp.assumed)
    return (*cost, esp.local, esp.ends, esp.ports, esp.protocols, esp.networks, esp.mark, esp.if_id, far)


def _protection(esp: Esp) -> Protection:
    return Protection(
        suite=esp.suite,
        mode=esp.mode,
        nat_t=esp.nat_t,
        family=esp.family,
        src=esp.local,
        dst=esp.remote,
        ports=esp.ports,
        protocols=esp.protocols,
        mark=esp.mark,
        if_id=esp.if_id,
        networks=esp.networks,
        ends=esp.ends,
        assumed=esp.assumed,
        live=esp.live,
    )


def _several_in_one_folder(links: list[Device]) -> dict[str, str]:
    """Return the host of each file of a folder in which dumps of several hosts lie side by side."""
    by_folder: dict[str, dict[str, list[Device]]] = {}
    for device in links:
        if device.interface is not None and not device.configured:
            path = device.location.path or ""
            by_folder.setdefault(host_of(path), {}).setdefault(path, []).append(device)
    out: dict[str, str] = {}
    for folder, files in by_folder.items():
        if len(files) > 1 and not folder.startswith("ssh://") and _differ(files):
            out |= {path: path for path in files}
    return out


def _differ(files: dict[str, list[Device]]) -> bool:
    """Whether two dumps contradict each other: a device of one name with other addresses, or another link MTU."""
    known: dict[str, Interface] = {}
    for path in sorted(files):
        for device in files[path]:
            found = device.interface
            if found is None or found.role == "nothing":
                continue
            other = known.setdefault(found.name, found)
            both = other.addresses and found.addresses
            if (both and set(other.addresses).isdisjoint(found.addresses)) or (
                found.role == "link" and other.role == "link" and other.mtu != found.mtu
            ):
                return True
    return False


def _home(path: str, live: set[str], configured: set[str]) -> str:
    """Return the folder of an input, or one above it: what lies below the dumps of a host is that host's, too.

    The nearest folder with devices that were seen counts, and without any the nearest with configured ones.
    """
    folder = host_of(path)
    if path.startswith("ssh://") or folder != path.rpartition("/")[0]:
        return folder
    parts = folder.split("/")
    above = ["/".join(parts[:n]) for n in range(len(parts), 0, -1)]
    return next((f for homes in (live, configured) for f in above if f in homes), folder)


def _nearest(path: str, files: list[str]) -> str:
    """Return the dump beside which a file of the same host lies: the one whose name begins alike."""
    at = bisect.bisect(files, path)
    folder = host_of(path)
    # in alphabetical order the longest common beginning is that of a neighbour
    near = [(_alike(f, path), f) for f in files[max(at - 2, 0) : at + 2] if host_of(f) == folder]
    longest = max((n for n, _ in near), default=0)
    found = [f for n, f in near if n == longest]
    return found[0] if len(found) == 1 and longest > len(folder) + 1 else ""


def _alike(one: str, other: str) -> int:
    """Return how many characters two texts have in common at their beginning."""
    return next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
