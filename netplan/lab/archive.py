"""What Debian's archive has of a suite now: versions of packages, and the packages of a kernel.

apt is asked with a state of its own, so this machine's own package lists neither matter nor change. An answer is noted
in the cache: an image that was built can be used without apt, without root and without the network.
"""

from __future__ import annotations

import json
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from netplan.lab import sources
from netplan.lab.aptfiles import redacted
from netplan.lab.packages import KERNEL_PACKAGE, VERSIONED, VERSIONED_PEERS
from netplan.lab.paths import cache_home, private_dir, write
from netplan.lab.releases import KERNEL_VERSION, kernel_suites
from netplan.problems import ExitCode, ProblemError, fail, quoted

_ASK_LIMIT = 300  # seconds for the package list of one suite, 10 MB
_FETCH_LIMIT = 900  # seconds for the packages of one kernel, 40 MB
_KEPT_S = 7 * 86400  # after that, the archive is asked anew
_WORDS = re.compile(r"^(Package|Version|Depends): (.*)$", re.MULTILINE)
_EXACT = re.compile(r"(linux-[a-z]+-[0-9][a-z0-9.+-]*) \(= ([^)\s]+)\)")


@dataclass(frozen=True, slots=True)
class Contents:
    """A suite at the moment of asking: ``versions`` of the packages that decide what a node does, and its kernel.

    ``kernel`` is the version of that package, such as ``6.12.118-1``; ``source`` says in words where all of it is from.
    """

    suite: str
    kernel: str
    versions: Mapping[str, str]
    source: str


class Archive:
    """apt with a private state in ``work``, whose package lists are those of one suite. Raises ProblemError."""

    def __init__(self, work: Path, suite: str) -> None:
        self.suite = suite
        self._found = sources.find(work, suite)
        trust = sources.keyrings(work).removeprefix("--keyring=")
        self._config = sources.private_apt(work / f"apt-{suite}", self._found.lines, trust, indexes=True)
        said = self._apt("apt-get", "-q", "update", limit=_ASK_LIMIT)
        if not self._show(KERNEL_PACKAGE):
            fail(
                "IPP803",
                f"the package list of Debian {suite} has no {KERNEL_PACKAGE}, or could not be fetched",
                hint=f"apt says: {redacted(said[-400:])}",
                exit_code=ExitCode.FAILURE,
            )

    def contents(self) -> Contents:
        """Return what the suite has now."""
        versions = {name: self._show(name).get("Version", "none") for name in (*VERSIONED, *VERSIONED_PEERS)}
        return Contents(self.suite, self._show(KERNEL_PACKAGE)["Version"], versions, self._found.words)

    def fetch_kernel(self, folder: Path, package: str = KERNEL_PACKAGE) -> list[Path]:
        """Fetch the packages of the suite's kernel into ``folder``, an empty one; they are not to be installed.

        In bookworm and trixie this is one package, in later releases the kernel and its modules are several: all that
        the metapackage ``package`` names at one version belong to it.
        """
        wanted: dict[str, str] = {}
        open_ = [package]
        while open_:
            for name, version in _EXACT.findall(self._show(open_.pop()).get("Depends", "")):
                if name not in wanted:
                    wanted[name] = version
                    open_.append(name)
        names = [f"{name}={version}" for name, version in wanted.items()]
        said = self._apt("apt-get", "-q", "download", *names, limit=_FETCH_LIMIT, folder=folder)
        found = sorted(folder.glob("*.deb"))
        if len(found) != len(wanted) or not found:
            fail(
                "IPP803",
                f"the kernel of Debian {self.suite} could not be fetched",
                hint=f"apt says: {redacted(said[-400:])}",
                exit_code=ExitCode.FAILURE,
            )
        return found

    def _show(self, package: str) -> dict[str, str]:
        said = self._apt("apt-cache", "show", "--no-all-versions", package)
        return {match[1]: match[2] for match in reversed(list(_WORDS.finditer(said)))}

    def _apt(self, *argv: str, limit: float = 60, folder: Path | None = None) -> str:
        return sources.apt(argv[0], "-c", str(self._config), *argv[1:], limit=limit, folder=folder)


def contents(suite: str, *, now: bool = False) -> Contents:
    """Return what a suite has, asked at most a week ago, or ``now``; what was known is kept where apt can't be asked.

    Raises ProblemError when nothing is known yet and the suite can't be asked for.
    """
    note, known = _note(suite), noted(suite)
    if known is not None and not now and time.time() - note.stat().st_mtime < _KEPT_S:
        return known
    try:
        with tempfile.TemporaryDirectory(prefix="ipsecplan-archive-") as scratch:
            work = Path(scratch)
            work.chmod(0o755)  # apt fetches as a user of its own
            asked = Archive(work, suite).contents()
    except ProblemError:
        if known is None:
            raise
        return known
    private_dir(note.parent.parent)
    private_dir(note.parent)
    write(note, json.dumps(asdict(asked)))
    return asked


def noted(suite: str) -> Contents | None:
    """Return what is known of a suite without asking, or None."""
    try:
        data = json.loads(_note(suite).read_text(encoding="utf-8"))
        return Contents(str(data["suite"]), str(data["kernel"]), dict(data["versions"]), str(data["source"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _note(suite: str) -> Path:
    return cache_home() / "suites" / f"{suite}.json"


def find_kernel(version: str, release: str, ask: Callable[[str], Contents] = contents) -> Contents:
    """Return the first suite whose kernel has that version (``6.12``, ``6.12.118``); ``release``'s own come first.

    Raises ProblemError with the kernels that there are.
    """
    if not KERNEL_VERSION.fullmatch(version):
        fail("IPP801", f"{quoted(version)} is no version of a kernel", hint="write it as 6.12 or 6.12.118")
    others: list[str] = []
    found = next(_kernels(version, kernel_suites(release), ask, others), None)
    if found is None:
        fail(
            "IPP801",
            f"no suite of Debian has a kernel {version} now",
            hint=f"there are {', '.join(others)}"[:800],
            exit_code=ExitCode.FAILURE,
        )
    return found


def _kernels(
    version: str, suites: Sequence[str], ask: Callable[[str], Contents], others: list[str]
) -> Iterator[Contents]:
    """Give the suites with that kernel, asking one after the other; what the rest has goes to ``others``, in words."""
    for suite in suites:
        try:
            found = ask(suite)
        except ProblemError as error:
            others.append(f"{suite}: {error}")
            continue
        if f"{found.kernel}-".startswith((f"{version}.", f"{version}-", f"{version}~", f"{version}+")):
            yield found
        others.append(f"{suite} {found.kernel}")
