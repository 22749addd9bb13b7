"""Debian package sources of a suite, taken from this machine's own apt configuration at run time.

A local mirror, a proxy and relaxed date checks of this machine so apply to the image too, and no host name
has to be written here. A machine of another Debian release has no source for the suite, but its mirror does as a rule:
then its own entries are taken with the suite in place of theirs. IPSECPLAN_LAB_APT_SOURCES names a file whose entries
are taken instead of this machine's.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

from netplan.lab.aptfiles import Entry, entries, parse, redacted, source_files
from netplan.lab.packages import ARCHIVE_KEYRINGS, find_program
from netplan.lab.releases import RELEASES, with_updates
from netplan.problems import ExitCode, fail, quoted

# What of the host's apt settings matters for fetching packages; the rest is about the host's own system.
_SETTINGS = re.compile(
    r"^(APT::Snapshot|Acquire::(http|https|tor|mirror|Snapshots|Check-Valid-Until|Check-Date|Max-FutureTime"
    r"|M(in|ax)-ValidTime|By-Hash|Retries|ForceIPv[46]|Allow(Insecure|Weak|DowngradeToInsecure)Repositories))\b",
    re.IGNORECASE,
)
_VARIABLE = "IPSECPLAN_LAB_APT_SOURCES"
# Names of Debian's suites; /etc/os-release adds that of a release that is younger than this list.
_RELEASES = {"stable", "oldstable", "oldoldstable", "testing", "unstable", *RELEASES} | {
    *("stretch", "buster", "bullseye", "duke")
}
_ASK_LIMIT = 120  # seconds for the index of one suite, which is a few hundred kilobytes
_SUITES_KEYRING = re.compile(r"/usr/share/keyrings/debian-archive-(?!keyring\.)[a-z-]+\.(gpg|pgp)")


@dataclass(frozen=True, slots=True)
class Sources:
    """The lines of a sources.list for the image, and in words which source that is; the lines may have passwords."""

    lines: str
    words: str


def find(work: Path, suite: str, *, variable: bool = True) -> Sources:
    """Return the sources of a suite; ``work`` is a private folder in which keys and apt's scratch files are put.

    ``variable`` False: IPSECPLAN_LAB_APT_SOURCES, which is for the lab's nodes, doesn't count.
    """
    own = os.environ.get(_VARIABLE) if variable else None
    if own:
        return _from_file(Path(own), suite, work)
    if find_program("apt-get") is None:
        fail(
            "IPP803",
            f"this machine ({system()}) has no apt, with which the lab's nodes are made from Debian's packages",
            hint="run the lab on Debian 12 or later (a virtual machine will do); everything else of ipsecplan works "
            "here",
            exit_code=ExitCode.FAILURE,
        )
    configured = _configured()
    candidates = derived(configured, suite)
    if not any(entry.suite == suite for entry in candidates):
        fail(
            "IPP803",
            f"this machine's apt ({system()}) has no source of Debian, so none of {suite} for the lab's nodes",
            hint=f"write `deb http://YOUR-MIRROR/debian {suite} main` into a file, name it in {_VARIABLE}, "
            "and install debian-archive-keyring; everything but the lab works without",
            exit_code=ExitCode.FAILURE,
        )
    answers = [(entry, ask(entry, work)) for entry in candidates]
    found = _choose(answers, suite)
    mirrors = _hosts(entry for entry in found if entry.suite == suite)
    words = f"Debian {suite} from {mirrors}, as this machine's apt has it"
    if not any(entry.suite == suite for entry in configured):
        lacking = [part for part in with_updates(suite)[1:] if not any(entry.suite == part for entry in found)]
        words = f"Debian {suite} from {mirrors}, the mirror of this machine's own release"
        words += f" (without {' and '.join(lacking)})" if lacking else ""
    return Sources(_lines(found, work), words)


def derived(configured: Sequence[Entry], suite: str) -> list[Entry]:
    """Return the entries for the suite or, when there are none, the entries of Debian with the suite put in place.

    Entries of the base suite also give that of its updates; those of the security archive stay at their own mirror.
    """
    wanted = with_updates(suite)
    exact = [entry for entry in configured if entry.suite in wanted and "main" in entry.components]
    if any(entry.suite == suite for entry in exact):
        return list(dict.fromkeys(exact))
    out: list[Entry] = []
    for entry in configured:
        kind = _kind(entry.suite)
        if "main" not in entry.components or kind is None:
            continue
        suites = {"": wanted[:2], "updates": wanted[1:2], "security": wanted[2:]}[kind]
        out += [replace(entry, suite=part, options=_with_archive_keys(entry.options)) for part in suites]
    return [entry for number, entry in enumerate(out) if _place(entry) not in map(_place, out[:number])]


def _place(entry: Entry) -> tuple[str, str]:
    return entry.uri.rstrip("/"), entry.suite


def _kind(suite: str) -> str | None:
    """Return "", "updates" or "security" for a suite of Debian, None for any other (backports, other archives)."""
    found = re.fullmatch(r"([a-z]+)(?:-(updates|security)|/(updates))?", suite)
    if found is None or found[1] not in (_RELEASES | {os_release().get("VERSION_CODENAME", "")}):
        return None
    return "security" if found[3] else found[2] or ""


def _with_archive_keys(options: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """Return options that trust Debian's keys of every release where they name a file with those of one release."""
    keys = next((path for path in ARCHIVE_KEYRINGS if Path(path).exists()), ARCHIVE_KEYRINGS[0])

    def wider(value: str) -> str:
        paths = value.split(",")
        return ",".join((*paths, keys)) if any(map(_SUITES_KEYRING.fullmatch, paths)) else value

    return tuple((name, wider(value) if name == "signed-by" else value) for name, value in options)


@dataclass(frozen=True, slots=True)
class AptAnswer:
    """What apt says about one suite of one mirror: its ``origin``, or why it can't be used."""

    origin: str = ""
    refusal: str = ""


def ask(entry: Entry, work: Path) -> AptAnswer:
    """Let apt fetch and check a suite's index, which is small, and nothing else: is the suite there, and trusted?

    It is asked with all of this machine's settings, but not with its hooks.
    """
    scratch = work / "ask"
    config = private_apt(scratch, _lines([entry], work), keyrings(work).removeprefix("--keyring="), indexes=False)
    said = apt("apt-get", "-q", "-c", str(config), "update", limit=_ASK_LIMIT)
    for index in (scratch / "lists").glob("*Release"):
        found = re.search(r"^Origin:\s*(.*)$", index.read_text(encoding="utf-8", errors="replace"), re.MULTILINE)
        return AptAnswer(origin=found[1].strip() if found else "unknown")
    complaints = [line for line in said.splitlines() if re.match(r"(E|W|Err:\d+)[: ]|  ", line)]
    complaints = [line.strip() for line in complaints if "unsandboxed" not in line]
    return AptAnswer(refusal=redacted("; ".join(complaints)) or "apt fetched no index and doesn't say why")


def private_apt(scratch: Path, lines: str, trust: str, *, indexes: bool) -> Path:
    """Make ``scratch`` anew as the state of an apt of its own with the sources ``lines``; return its apt.conf.

    The configuration is read after this machine's and leaves out its hooks. ``trust`` is a folder of keys;
    ``indexes`` False: only a suite's own index is fetched, not those of its packages.
    """
    shutil.rmtree(scratch, ignore_errors=True)
    for name in ("lists", "archives"):
        (scratch / name / "partial").mkdir(parents=True)
    (scratch / "sources.list").write_text(lines, encoding="utf-8")
    settings = (
        "#clear APT::Update;",
        'Acquire::Languages "none";' if indexes else "#clear Acquire::IndexTargets;",
        f'Dir::Etc::SourceList "{scratch / "sources.list"}";',
        'Dir::Etc::SourceParts "/dev/null";',
        f'Dir::Etc::TrustedParts "{trust}";',
        f'Dir::State::Lists "{scratch / "lists"}";',
        'Dir::State::status "/dev/null";',
        f'Dir::Cache "{scratch}";',
        f'Dir::Cache::archives "{scratch / "archives"}";',
        'Dir::Cache::pkgcache "";',
        'Dir::Cache::srcpkgcache "";',
        'APT::Architecture "amd64";',
        'APT::Architectures "amd64";',
    )
    config = scratch / "apt.conf"
    config.write_text("\n".join(settings) + "\n", encoding="utf-8")
    return config


def _choose(answers: Sequence[tuple[Entry, AptAnswer]], suite: str) -> list[Entry]:
    """Return the entries that can be used: Debian's own, unless only an archive that signs anew has the suite."""
    usable = [(entry, answer.origin) for entry, answer in answers if answer.origin]
    debian = [entry for entry, origin in usable if origin == "Debian"]
    found = debian if any(entry.suite == suite for entry in debian) else [entry for entry, _ in usable]
    if not any(entry.suite == suite for entry in found):
        _refuse(answers, suite)
    return found


def _refuse(answers: Sequence[tuple[Entry, AptAnswer]], suite: str) -> NoReturn:
    """Raise ProblemError with why no entry of a suite can be used, and what apt says of it."""
    entry, answer = next((entry, answer) for entry, answer in answers if entry.suite == suite)
    where = quoted(redacted(entry.uri), 200)
    if re.search(r"NO_PUBKEY|\bsqv\b|\bgpgv\b|GPG error|OpenPGP|[Nn]o good signature", answer.refusal):
        why = f"this machine's apt doesn't trust the signature of Debian {suite} at {where}"
    elif re.search(r"\b404\b|does not have a Release file|File not found", answer.refusal):
        why = f"{where}, this machine's mirror, does not have Debian {suite}"
    else:
        why = f"Debian {suite} can't be fetched from {where}, this machine's mirror"
    other = f"write `deb http://ANOTHER-MIRROR/debian {suite} main` into a file and name it in {_VARIABLE}; "
    hint = other + f"apt says: {answer.refusal[:400]}"
    fail("IPP803", why, hint=hint, exit_code=ExitCode.FAILURE)


def _from_file(path: Path, suite: str, work: Path) -> Sources:
    try:
        found = parse(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        fail(
            "IPP803",
            f"{_VARIABLE} names {quoted(path)}, which can't be read: {why}",
            exit_code=ExitCode.FAILURE,
            cause=error,
        )
    if not found:
        fail(
            "IPP803",
            f"{_VARIABLE} names {quoted(path)}, in which there is no package source",
            hint=f"it needs lines as in sources.list(5), such as `deb http://YOUR-MIRROR/debian {suite} main`",
            exit_code=ExitCode.FAILURE,
        )
    taken = derived(found, suite) or found  # suites with names of their own are taken as they are
    return Sources(_lines(taken, work), f"Debian {suite} from {_hosts(taken)}, by {path} ({_VARIABLE})")


def _lines(found: Iterable[Entry], work: Path) -> str:
    """Return lines of a sources.list; a key written in place becomes a file in ``work`` that the line names."""
    lines = []
    for entry in found:
        kept = entry
        if entry.key:
            file = work / f"key-{hashlib.sha256(entry.key.encode()).hexdigest()[:12]}.asc"
            file.write_text(entry.key, encoding="utf-8")
            kept = replace(entry, options=(("signed-by", str(file)), *entry.options))
        lines.append(kept.line())
    return "\n".join(lines) + "\n"


def _hosts(found: Iterable[Entry]) -> str:
    return ", ".join(dict.fromkeys(redacted(entry.uri) for entry in found))


def _configured() -> list[Entry]:
    text = apt("apt-config", "shell", "main", "Dir::Etc::sourcelist/f", "parts", "Dir::Etc::sourceparts/d")
    paths = dict(word.split("=", 1) for word in shlex.split(text) if "=" in word)
    main = Path(paths.get("main") or "/etc/apt/sources.list")
    try:
        return entries(source_files(main, Path(paths.get("parts") or "/etc/apt/sources.list.d")))
    except OSError as error:
        fail(
            "IPP803",
            f"apt's {quoted(error.filename)} can't be read: {error.strerror}",
            exit_code=ExitCode.FAILURE,
            cause=error,
        )


def system() -> str:
    """Return this machine's operating system by name, for messages."""
    return os_release().get("PRETTY_NAME") or platform.system()


def os_release() -> dict[str, str]:
    """Return what /etc/os-release says of this machine; nothing where there is none."""
    try:
        return platform.freedesktop_os_release()
    except OSError:
        return {}


def settings() -> str:
    """Return this machine's apt settings for fetching (proxy, certificates, credentials file), in apt.conf form."""
    lines = [line for line in apt("apt-config", "dump").splitlines() if _SETTINGS.match(line)]
    lines.append('Dir::Etc::netrc "/etc/apt/auth.conf";')
    lines.append('Dir::Etc::netrcparts "/etc/apt/auth.conf.d";')
    lines.append('Apt::Install-Recommends "false";')
    return "\n".join(lines) + "\n"


def keyrings(work: Path) -> str:
    """Return mmdebstrap's option for whom to trust: the keys that apt trusts here, and those of Debian's archive.

    mmdebstrap takes one folder, so both are put together in one below ``work``. Keys that are not apt's to trust for
    every source (/etc/apt/keyrings) hold for the entries that name them in signed-by.
    """
    folder = work / "trusted"
    if not folder.exists():
        folder.mkdir()
        trusted = shlex.split(apt("apt-config", "shell", "parts", "Dir::Etc::trustedparts/d"))
        parts = Path(trusted[0].split("=", 1)[1] if trusted else "/etc/apt/trusted.gpg.d")
        for path in sorted(parts.iterdir()) if parts.is_dir() else ():
            if path.suffix in (".asc", ".gpg") and path.is_file():
                shutil.copyfile(path, folder / path.name)
        for path in (Path(name) for name in ARCHIVE_KEYRINGS):
            if path.is_file():
                shutil.copyfile(path, folder / "debian-archive-keyring.gpg")
    return f"--keyring={folder}"


def apt(*argv: str, limit: float = 60, folder: Path | None = None) -> str:
    """Return what a command of apt prints in ``folder``, apt-get's complaints included; nothing where there is no apt.

    ``limit`` is in seconds.
    """
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}
    try:
        done = subprocess.run(
            argv,
            check=False,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=limit,
            env=environment,
            cwd=folder,
        )
    except FileNotFoundError:
        return ""
    except subprocess.TimeoutExpired:
        return f"E: no answer in {limit:.0f} s"
    return done.stdout + (done.stderr if argv[0] == "apt-get" else "")
