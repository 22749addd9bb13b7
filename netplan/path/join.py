"""Several hosts of one cluster: whose link a packet arrives at, and how large that is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from netplan.path.model import Host, Interface
from netplan.path.routing import network

Far = tuple[int, str]  # MTU of a link, name of its host


class Peers:
    """The links of all hosts by address and by network. Building and asking are linear in the number of hosts."""

    def __init__(self, hosts: Iterable[Host] = ()) -> None:
        self._by_address: dict[str, Far] = {}
        self._by_network: dict[str, list[Far]] = {}
        for host in hosts:
            for device in host.interfaces.values():
                if device.role == "link" and device.mtu < 65535:
                    self._add(host.name, device)

    def _add(self, name: str, device: Interface) -> None:
        for own in device.addresses:
            bare = own.partition("/")[0]
            self._by_address[bare] = min(self._by_address.get(bare, (device.mtu, name)), (device.mtu, name))
            near = network(own)
            if near is not None and near.prefixlen < near.max_prefixlen and not near.is_link_local:
                # the two smallest hosts are enough: one of them is not the one that asks
                found = self._by_network.setdefault(str(near), [])
                found.append((device.mtu, name))
                found.sort()
                del found[2:]

    def at(self, address: str) -> Far | None:
        """Return the link that has an address."""
        return self._by_address.get(address)

    def near(self, host: str, device: Interface) -> Far | None:
        """Return the smallest link of another host in the networks of a device."""
        found = [
            far
            for own in device.addresses
            if (near := network(own)) is not None
            for far in self._by_network.get(str(near), ())
            if far[1] != host
        ]
        return min(found, default=None)


def named(hosts: Mapping[str, Host]) -> Peers:
    """Return the peers of hosts; of one host alone there are none."""
    return Peers(hosts.values()) if len(hosts) > 1 else Peers()
