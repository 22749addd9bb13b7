"""Builds the lab's disk images, which the cache keeps: a release of Debian with the programs of a node, and a kernel.

One read-only root file system serves the virtual machine and is the lowest layer of its nodes. In a cluster of several
releases the virtual machine has the newest one's image; of the others only the root file system is used.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from netplan.lab import archive, building, sources
from netplan.lab.packages import VERSIONED_PEERS, find_program, image_packages, require_programs
from netplan.lab.paths import GUEST_FILES, cache_home, locked, private_dir, remove_tree, write
from netplan.lab.releases import by_age, parts
from netplan.problems import ExitCode, fail

Say = Callable[[str], None]

FORMAT = 2  # raise it when this file builds something else from the same inputs
_SPACE = 1_500_000_000  # bytes that a build needs while it runs
_EXCLUDED = (
    "/usr/share/man/*",
    "/usr/share/doc/*",
    "/usr/share/locale/*",
    "/usr/share/info/*",
    *(f"/usr/lib/cni/{name}" for name in ("bandwidth", "dhcp", "firewall")),
    *(f"/usr/lib/cni/{name}" for name in ("sbr", "vrf")),
)


@dataclass(frozen=True, slots=True)
class Image:
    """Paths of one built image; ``key`` names everything that went into it.

    ``others`` are (root, image) of further roots in the same lab: only their file systems are used, each the lowest
    layer of the nodes of that root.
    """

    key: str
    folder: Path
    others: tuple[tuple[str, Image], ...] = ()

    @property
    def root(self) -> Path:
        return self.folder / "root.ext4"

    @property
    def kernel(self) -> Path:
        return self.folder / "vmlinuz"

    @property
    def initrd(self) -> Path:
        return self.folder / "initrd"

    @property
    def saved(self) -> Path:
        """Folder of saved clusters that run on this image."""
        return self.folder / "saved"

    @property
    def source(self) -> str:
        """Where its packages came from, in words; nothing where the builder did not write that down."""
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            return str(json.loads((self.folder / "image.json").read_text(encoding="utf-8"))["source"])
        return ""

    @property
    def keys(self) -> dict[str, str]:
        """Root -> key of the other images."""
        return {release: image.key for release, image in self.others}

    def complete(self) -> bool:
        return (self.folder / "image.json").exists()


def built(key: str, others: Mapping[str, str] | None = None) -> Image:
    """Return an image that was built before, which a running lab or a saved cluster belongs to.

    ``others`` are root -> key of the other images of that cluster.
    """
    more = tuple((release, built(other)) for release, other in (others or {}).items())
    image = Image(key, cache_home() / key, more)
    if not image.complete():
        fail(
            "IPP803",
            "the image that this cluster runs on is no longer in the cache",
            hint="`ipsecplan lab up` makes a new one",
            exit_code=ExitCode.FAILURE,
        )
    return image


def prune(used: Iterable[str], *, days: float) -> list[str]:
    """Delete the images (with their saved clusters) that nobody has used for ``days``; returns their keys.

    The image that ``up`` would use now and those in ``used`` stay.
    """
    keep = set(used)
    old = []
    for note in sorted(cache_home().glob("*/image.json")):
        idle = time.time() - note.stat().st_mtime
        if note.parent.name not in keep and idle > days * 86400 and not _is_current(note):
            remove_tree(note.parent)
            old.append(note.parent.name)
    return old


def _is_current(note: Path) -> bool:
    """Tell whether an image is what ``up`` would build now, from what is known of its two suites."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        data = json.loads(note.read_text(encoding="utf-8"))
        release, kernel = (archive.noted(data[name]) for name in ("release", "kernel_suite"))
        if release is not None and kernel is not None:
            return image_key(release, kernel, str(data.get("peer", ""))) == note.parent.name
    return False


def image_key(release: archive.Contents, kernel: archive.Contents, peer: str = "") -> str:
    """Return the key of the image that would be built now: the suites' versions, the kernel's, our own files.

    ``peer``: the IPsec daemon of an unmanaged peer, whose version counts for its own image alone.
    """
    digest = hashlib.sha256()
    packages = image_packages(peer)
    strange = {name for name in VERSIONED_PEERS if name not in packages}
    versions = [f"{name} {version}" for name, version in sorted(release.versions.items()) if name not in strange]
    for part in (str(FORMAT), release.suite, *versions, kernel.suite, kernel.kernel, *packages, *_EXCLUDED):
        digest.update(part.encode() + b"\0")
    for path in sorted(GUEST_FILES.iterdir()):
        if path.is_file():
            digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def ensure_images(roots: Iterable[str], kernel: str, say: Say) -> Image:
    """Return the newest root's image, with those of the other ``roots`` in it.

    ``kernel`` is a version (``6.12``, ``6.12.118``), "" for the newest release's own. What the cache lacks is built
    (half a minute to two minutes an image, needs root and the network).
    """
    names = by_age(roots)
    main = names.pop()
    others = tuple((name, _ensure(name, "", say)) for name in names)
    return replace(_ensure(main, kernel, say), others=others)


def _ensure(root: str, kernel: str, say: Say) -> Image:
    release, peer = parts(root)
    suites = _suites(release, kernel, archive.contents)
    image = _in_cache(suites, peer)
    if not image.complete():
        require_programs(build=True)
        building.require_root()
        suites = _suites(release, kernel, functools.partial(archive.contents, now=True))
        image = _in_cache(suites, peer)
        with locked(image.folder):
            if not image.complete():
                also = f" with {peer}" if peer else ""
                say(f"building the image of Debian {release}{also} (once; kept in the cache)")
                _build(image, *suites, peer, say)
    os.utime(image.folder / "image.json")  # what nobody uses is pruned one day
    return image


def _suites(
    release: str, kernel: str, ask: Callable[[str], archive.Contents]
) -> tuple[archive.Contents, archive.Contents]:
    """Return what the release has and what the suite of the kernel has."""
    nodes = ask(release)
    return nodes, archive.find_kernel(kernel, release, ask) if kernel else nodes


def _in_cache(suites: tuple[archive.Contents, archive.Contents], peer: str) -> Image:
    key = image_key(*suites, peer)
    return Image(key, cache_home() / key)


def _build(image: Image, release: archive.Contents, kernel: archive.Contents, peer: str, say: Say) -> None:
    work = building.make_place(_SPACE)
    log = image.folder / "build.log"
    try:
        root, tree, scripts = work / "root", work / "kernel", str(GUEST_FILES)
        say(f"  packages: {release.source}")
        with log.open("wb") as out:
            _debootstrap(work, release.suite, root, image_packages(peer), out)
            say("  packages installed")
            packages = _unpack_kernel(work, kernel.suite, tree, out)
            building.run(["sh", str(GUEST_FILES / "customize.sh"), str(root), str(tree), scripts], out)
            build = [str(root), str(work / "initrd"), scripts, str(work / "initrd.d")]
            building.run(["sh", str(GUEST_FILES / "initrd-build.sh"), *build], out)
            _make_disk(root, work / "root.ext4", out)
        say("  disk made")
        (vmlinuz,) = (*tree.glob("boot/vmlinuz-*"), *tree.glob("usr/lib/modules/*/vmlinuz"))
        for name, source in (("root.ext4", work / "root.ext4"), ("initrd", work / "initrd"), ("vmlinuz", vmlinuz)):
            partial = image.folder / f".{name}"
            subprocess.run(["cp", "--sparse=always", "--", str(source), str(partial)], check=True, timeout=300)
            partial.replace(image.folder / name)
        remove_tree(image.saved)
        private_dir(image.saved)
        about = {
            "key": image.key,
            "release": release.suite,
            "peer": peer,
            "kernel_suite": kernel.suite,
            "kernel": ", ".join(packages),
            "source": release.source,
        }
        write(image.folder / "image.json", json.dumps(about, indent=2) + "\n")
    except (subprocess.SubprocessError, OSError, ValueError) as error:
        building.failed("the image", error, log)
    finally:
        remove_tree(work)


def _debootstrap(work: Path, suite: str, root: Path, packages: Iterable[str], out: IO[bytes]) -> None:
    """Fill ``root`` with Debian."""
    (work / "sources.list").write_text(sources.find(work, suite).lines, encoding="utf-8")
    (work / "apt.conf").write_text(sources.settings(), encoding="utf-8")
    building.run(
        [
            find_program("mmdebstrap") or "mmdebstrap",
            "--mode=root",
            "--variant=essential",
            f"--include={','.join(packages)}",
            sources.keyrings(work),
            f"--aptopt={work / 'apt.conf'}",
            *(f"--dpkgopt=path-exclude={pattern}" for pattern in _EXCLUDED),
            suite,
            str(root),
            str(work / "sources.list"),
        ],
        out,
        {"TMPDIR": str(work)},
    )


def _unpack_kernel(work: Path, suite: str, tree: Path, out: IO[bytes]) -> list[str]:
    """Unpack a suite's kernel into ``tree`` and return the names of its packages.

    It is not installed: a kernel package would drag in tools that build an initrd.
    """
    folder = work / "kernel.d"
    folder.mkdir()
    packages = archive.Archive(work, suite).fetch_kernel(folder)
    for package in packages:
        building.run(["dpkg-deb", "-x", str(package), str(tree)], out)
    return [package.name for package in packages]


def _make_disk(root: Path, disk: Path, out: IO[bytes]) -> None:
    done = subprocess.run(["du", "-sm", str(root)], check=True, capture_output=True, encoding="utf-8", timeout=60)
    size = int(done.stdout.split()[0]) * 6 // 5 + 64
    mke2fs = find_program("mke2fs") or "mke2fs"
    options = ["-q", "-t", "ext4", "-O", "^has_journal", "-m0", "-E", "root_owner=0:0"]
    building.run([mke2fs, *options, "-d", str(root), str(disk), f"{size}M"], out)
