"""The files of a release: unpacked, checked against their digests, installed with one atomic rename each."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator

from .. import places
from ..system import core
from ..system.core import Stop, finding, read, write
from ..system.paths import BOOT_UNIT, OVERLAY_UNIT
from . import state

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..protocol.node_json import FileEntry

TOOLS = (state.SCRIPT, BOOT_UNIT)
# the overlay's devices and what leads to peers: after a rollback they stay, because the pods' packets go on by them
OVERLAY = (
    "/etc/systemd/network/",
    "/etc/cni/net.d/",
    "/etc/ipsecplan/overlay/",
    "/usr/local/lib/ipsecplan/overlay.sh",
    OVERLAY_UNIT,
    "/etc/systemd/system/systemd-networkd.service.d/",
)


def kind(path: str) -> str:
    """Return which list of a snapshot a path belongs to: ``tool``, ``mtu`` (stays low) or ``ipsec``."""
    if path in TOOLS:
        return "tool"
    return "mtu" if path.startswith(OVERLAY) else "ipsec"


def folder(release: str) -> str:
    """Return the folder of a release by its digest."""
    if not re.fullmatch(r"[0-9a-f]{64}", release):
        raise Stop(finding("IPP601", "not a release digest"))
    return f"{state.ROOT}/releases/{release}"


def paths(release: str) -> list[str]:
    """Return where the files of an installed release are; none where it is not known."""
    return [entry["path"] for entry in json.loads((release and read(folder(release) + "/files.json")) or "[]")]


def _members(archive: bytes, wanted: dict[str, FileEntry]) -> Iterator[tuple[FileEntry, bytes]]:
    """Yield (manifest entry, content) of every file in the tar; stop when it is not exactly what is wanted.

    Every place is looked at before the first file is yielded.
    """
    import io
    import tarfile

    wrong = places.first_refused(wanted.values())
    if wrong:
        raise Stop(finding("IPP605", "the release is refused: " + wrong))
    wanted = dict(wanted)
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:") as tar:
        for member in tar:
            entry = wanted.pop("/" + member.name, None)
            source = tar.extractfile(member) if entry and member.isreg() else None
            if entry is None or source is None:
                raise Stop(finding("IPP605", "the archive holds something that the manifest does not"))
            data = source.read()
            if core.sha256(data) != entry["sha256"]:
                raise Stop(finding("IPP605", f"the content of {entry['path']} is not what the manifest says"))
            yield entry, data
    if wanted:
        raise Stop(finding("IPP605", f"the archive lacks {sorted(wanted)[0]}"))


def unpack(release: str, files: list[FileEntry], archive: bytes) -> None:
    """Unpack the tar into the release folder after checking every file against the manifest; nothing else gets in."""
    target = folder(release)
    wanted = {entry["path"]: entry for entry in files}
    for entry, data in _members(archive, wanted):
        write(target + "/files" + entry["path"], data, int(entry["mode"], 8))
    write(target + "/files.json", json.dumps(files))


def install(tx: str, release: str, kinds: tuple[str, ...]) -> bool:
    """Install the files of some kinds from the release; files of an older release that are gone now go too."""
    files = json.loads(read(folder(release) + "/files.json") or "[]")
    old = state.load()["release"]
    changed = False
    names = {entry["path"] for entry in files}
    for path in [path for path in paths(old) if path not in names and kind(path) in kinds]:
        remember(tx, path)
        changed = core.remove(path) or changed
    for entry in files:
        if kind(entry["path"]) in kinds:
            with open(folder(release) + "/files" + entry["path"], "rb") as file:
                changed = put(tx, entry["path"], file.read(), int(entry["mode"], 8)) or changed
    return changed


def remember(tx: str, path: str) -> None:
    """Write down once what was at a path, for a revert."""
    which_list = kind(path)
    state.record(state.BASE, which_list, path)
    if which_list == "ipsec":  # MTU files stay low in an automatic revert, the tool's own files harm nobody
        state.record(state.tx_folder(tx), "ipsec", path)


def put(tx: str, path: str, data: str | bytes, mode: int) -> bool:
    """Install one file, remembering what was there."""
    remember(tx, path)
    return write(path, data, mode)


def tools(files: list[FileEntry], archive: bytes) -> None:
    """Install revert.sh and the boot unit before anything else can need them."""
    for entry, data in list(_members(archive, {entry["path"]: entry for entry in files})):
        if entry["path"] in TOOLS:
            os.makedirs(state.BASE + "/tree", mode=0o700, exist_ok=True)
            state.record(state.BASE, "tool", entry["path"])
            write(entry["path"], data, int(entry["mode"], 8))
