"""Archives of diagnosis tools (sosreport, cilium sysdump, any tar or zip): members that say something of the network.

Nothing is unpacked to disk. Members are bounded in number and size, and so is what is decompressed to reach them.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

from netplan.problems import counted, printable

MAX_MEMBERS = 50_000
MAX_UNPACKED = 1 << 30  # bytes that are decompressed to find members
MAX_TAKEN = 2000
XZ_MEMORY = 192 << 20
_SUFFIX = re.compile(r"\.(tar|tgz|tar\.gz|tar\.bz2|tar\.xz|txz|zip)$")
# where these tools put what audit reads
_WANTED = re.compile(
    r"(sos_commands/(networking|openvswitch|ovn_\w+|networkmanager|docker|podman|libreswan|kubernetes|wireguard)/"
    r"|etc/(swanctl|strongswan|ipsec|systemd/network|netplan|NetworkManager/system-connections|network/|cni/net\.d"
    r"|containers/networks|docker/daemon\.json|wireguard|pve/sdn|rancher|neutron)"
    r"|run/flannel|var/lib/calico/mtu|(ip|ifconfig|xfrm|swanctl|ipsec|nft|iptables-save)[_.-]"
    r"|cilium-config|configmap|daemonset|network-attachment|installation|felix|ippool|\.conflist$)",
    re.I,
)


def is_archive(path: str) -> bool:
    """Tell whether a path names an archive."""
    return bool(_SUFFIX.search(path.lower()))


def members(path: str, limit: int) -> Iterator[tuple[str, bytes]]:
    """Generate (name within the archive, at most ``limit`` + 1 bytes) of the members that may say something.

    Raises OSError or ValueError for an archive that can't be read to its end; what came before it stands.
    """
    found = _zip(path, limit) if path.lower().endswith(".zip") else _tar(path, limit)
    for taken, (name, raw) in enumerate(found):
        if taken >= MAX_TAKEN:
            raise ValueError(f"more than {counted(MAX_TAKEN, 'member')} that audit could read; the rest was left out")
        yield printable(name), raw


def _zip(path: str, limit: int) -> Iterator[tuple[str, bytes]]:
    try:
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist()[:MAX_MEMBERS]:
                if not info.is_dir() and _WANTED.search(info.filename) and not info.flag_bits & 1:
                    with archive.open(info) as member:
                        yield info.filename, member.read(limit + 1)
    except (zipfile.BadZipFile, NotImplementedError, EOFError, RuntimeError) as error:
        raise ValueError(f"not a zip, or damaged: {printable(str(error))[:120]}") from None


def _tar(path: str, limit: int) -> Iterator[tuple[str, bytes]]:
    seen = unpacked = 0
    try:
        with _opened(path) as raw, tarfile.open(fileobj=raw, mode="r|") as archive:
            for info in archive:
                seen, unpacked = seen + 1, unpacked + max(info.size, 0)
                if seen > MAX_MEMBERS or unpacked > MAX_UNPACKED:
                    raise ValueError("too large; give the files of it that count")
                if info.isreg() and _WANTED.search(info.name):
                    member = archive.extractfile(info)
                    if member is not None:
                        yield info.name, member.read(limit + 1)
    except (tarfile.TarError, EOFError, lzma.LZMAError, zlib.error) as error:
        raise ValueError(f"not a tar, or damaged: {printable(str(error))[:120]}") from None


def _opened(path: str) -> IO[bytes]:
    name = path.lower()
    if name.endswith((".tgz", ".gz")):
        return cast(IO[bytes], gzip.open(path, "rb"))
    if name.endswith(".bz2"):
        return cast(IO[bytes], bz2.open(path, "rb"))
    if name.endswith((".xz", ".txz")):
        return cast(IO[bytes], io.BufferedReader(_Xz(path)))
    return Path(path).open("rb")


class _Xz(io.RawIOBase):
    """An xz file with a limit of memory, which :mod:`lzma`'s own file object doesn't have."""

    def __init__(self, path: str) -> None:
        self._file = Path(path).open("rb")  # noqa: SIM115 - closed with this object
        self._decoder = lzma.LZMADecompressor(memlimit=XZ_MEMORY)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        while not self._decoder.eof:
            data = self._file.read(1 << 16) if self._decoder.needs_input else b""
            found = self._decoder.decompress(data, max_length=len(buffer))
            if found:
                buffer[: len(found)] = found
                return len(found)
            if not data and self._decoder.needs_input:
                raise EOFError("cut short")
        return 0

    def close(self) -> None:
        self._file.close()
        super().close()
