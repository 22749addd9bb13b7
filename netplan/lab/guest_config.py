"""Configuration of a lab's virtual machine: the archive on its second disk, and the SSH keys of both sides.

All keys are generated on the host, so the first SSH connection is already checked against a known host key.
"""

from __future__ import annotations

import io
import secrets
import tarfile
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from netplan.cni.adapters.bridge import conflist
from netplan.host.overlay import Endpoint, Overlay, networkd_files
from netplan.lab.config import DEVICE, GUEST, NETWORK, NETWORK6, PLAN_NAME, VNI, LabConfig, LabNode
from netplan.lab.releases import by_age
from netplan.model.ids import node_id


@dataclass(frozen=True, slots=True)
class KeyPair:
    """An Ed25519 key in OpenSSH's file formats."""

    private: bytes = field(repr=False)
    public: str

    @classmethod
    def make(cls) -> KeyPair:
        key = Ed25519PrivateKey.generate()
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
        )
        public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
        return cls(private, public.decode())


@dataclass(frozen=True, slots=True)
class Keys:
    """The client key of one lab and a host key for each node and for the guest."""

    client: KeyPair
    hosts: dict[str, KeyPair]

    @classmethod
    def make(cls, config: LabConfig) -> Keys:
        return cls(KeyPair.make(), {name: KeyPair.make() for name in (GUEST, *config.names)})


class Archive:
    """A tar archive in memory whose files belong to root and whose order is the order of adding."""

    def __init__(self) -> None:
        self._buffer = io.BytesIO()
        self._tar = tarfile.open(fileobj=self._buffer, mode="w", format=tarfile.GNU_FORMAT)  # noqa: SIM115
        self._folders: set[str] = set()

    def add(self, path: str, data: str | bytes, mode: int = 0o644) -> None:
        content = data.encode() if isinstance(data, str) else data
        *parents, _ = path.split("/")
        for depth in range(1, len(parents) + 1):
            folder = "/".join(parents[:depth])
            if folder not in self._folders:
                self._folders.add(folder)
                entry = tarfile.TarInfo(folder)
                entry.type = tarfile.DIRTYPE
                entry.mode = 0o700 if parents[depth - 1] in ("root", ".ssh") else 0o755
                self._tar.addfile(entry)
        entry = tarfile.TarInfo(path)
        entry.size, entry.mode = len(content), mode
        self._tar.addfile(entry, io.BytesIO(content))

    def finish(self) -> bytes:
        self._tar.close()
        return self._buffer.getvalue()


def first_boot(config: LabConfig, keys: Keys, modules: Mapping[str, bytes] | None = None) -> bytes:
    """Return the archive that a fresh virtual machine unpacks into /run/lab.

    ``modules``: path below /usr/lib/modules -> content, for a kernel that the image doesn't know.
    """
    archive = Archive()
    archive.add("guest/lab.env", _environment(config))
    _add_keys(archive, keys)
    for name, release in config.releases.items():
        archive.add(f"guest/{name}.release", release + "\n")
    for name in config.names:
        archive.add(f"nodes/{name}/etc/machine-id", uuid.uuid4().hex + "\n", 0o444)
    for path, text in cluster_files(config).items():
        archive.add(path, text)
    for path, content in (modules or {}).items():
        archive.add(f"modules/{path}", content)
    return archive.finish()


def refresh(keys: Keys) -> bytes:
    """Return the archive for ``refresh.sh``: new keys and new randomness for a restored virtual machine."""
    archive = Archive()
    archive.add("entropy", secrets.token_bytes(64), 0o600)
    _add_keys(archive, keys)
    return archive.finish()


def _add_keys(archive: Archive, keys: Keys) -> None:
    allowed = keys.client.public + "\n"
    for name, key in keys.hosts.items():
        if name == GUEST:
            archive.add("guest/authorized_keys", allowed, 0o600)
            archive.add("guest/ssh_host_ed25519_key", key.private, 0o600)
        else:
            archive.add(f"nodes/{name}/root/.ssh/authorized_keys", allowed, 0o600)
            archive.add(f"nodes/{name}/etc/ssh/ssh_host_ed25519_key", key.private, 0o600)


def _environment(config: LabConfig) -> str:
    others = by_age(config.releases.values())[:-1]
    lines = (
        f"LAB_MTU={config.mtu}",
        f"LAB_GUEST_ADDRESS={NETWORK}.2/24",
        f"LAB_NODES='{' '.join(config.names)}'",
        f"LAB_ROOTS='{' '.join(others)}'",  # the order of the disks
    )
    return "\n".join(lines) + "\n"


def cluster_files(config: LabConfig) -> dict[str, str]:
    """Return path -> text of what makes the nodes a running cluster without IPsec (no secret; byte-stable)."""
    overlay = Overlay(type=config.overlay, vni=VNI, port=config.overlay_port, device=DEVICE, mtu=config.overlay_mtu)
    ends = {node.name: _endpoint(node) for node in config.members}
    files: dict[str, str] = {}
    for node in config.members:
        top = f"nodes/{node.name}/etc"
        peers = [end for name, end in ends.items() if name != node.name]
        files[f"{top}/hostname"] = node.name + "\n"
        files[f"{top}/hosts"] = _hosts(config)
        files[f"{top}/systemd/network/10-eth0.network"] = _card(node, config.mtu)
        for name, text in networkd_files(overlay, ends[node.name], peers, prefix="50-cluster").items():
            files[f"{top}/systemd/network/{name}"] = text
        files[f"{top}/cni/net.d/50-cluster.conflist"] = conflist(
            pod_cidr=node.pod_cidr, mtu=config.overlay_mtu, name="cluster"
        )
        files[f"{top}/sysctl.d/50-cluster.conf"] = "net.ipv4.ip_forward = 1\n"
    return files


def _endpoint(node: LabNode) -> Endpoint:
    return Endpoint(
        id=node_id(PLAN_NAME, node.name),
        address=node.underlay_address,
        overlay_address=node.overlay_address,
        pod_cidr=node.pod_cidr,
    )


def _hosts(config: LabConfig) -> str:
    lines = ["127.0.0.1 localhost", "::1 localhost"]
    return "\n".join(lines + [f"{node.underlay_address} {node.name}" for node in config.members]) + "\n"


def _card(node: LabNode, mtu: int) -> str:
    """Return the file of the node's network card; no waiting for duplicate addresses, nobody else is there."""
    blocks = [
        "[Match]\nName=eth0\n",
        f"[Link]\nMTUBytes={mtu}\nRequiredForOnline=no\n",
        f"[Network]\nGateway={NETWORK}.1\nLinkLocalAddressing=ipv6\nIPv6AcceptRA=no\nDHCP=no\nLLMNR=no\nMulticastDNS=no\n",
        f"[Address]\nAddress={node.management_address}/24\n",
    ]
    if node.family == "ipv6":
        blocks.append(f"[Address]\nAddress={NETWORK6}{10 + node.number}/64\nDuplicateAddressDetection=none\n")
    return "\n".join(blocks)
