"""Debian package sources for the image, taken from this machine's own apt configuration at run time.

A local mirror, a proxy and relaxed date checks of this machine so apply to the image too, and no host name
has to be written here. A machine of another Debian release has no source for our suite, but its mirror does as a rule:
then its own entries are taken with our suite in place of theirs. IPSECPLAN_LAB_APT_SOURCES names a file instead.
"""

from __future__ import annotations

import hashlib
import json
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
from netplan.lab.packages import ARCHIVE_KEYRINGS, KERNEL_PACKAGE, KERNEL_SERIES, SUITE, find_program
from netplan.lab.paths import cache_home, private_dir, write
from netplan.problems import ExitCode, fail, quoted

# What of the host's apt settings matters for fetching packages; the rest is about the host's own system.
_SETTINGS = re.compile(
    r"^(APT::Snapshot|Acquire::(http|https|tor|mirror|Snapshots|Check-Valid-Until|Check-Date|Max-FutureTime"
    r"|M(in|ax)-ValidTime|By-Hash|Retries|ForceIPv[46]|Allow(Insecure|Weak|DowngradeToInsecure)Repositories))\b",
    re.IGNORECASE,
)
_LISTS = ("/etc/apt/sources.list", "/etc/apt/sources.list.d", "/var/lib/apt/lists")
_VARIABLE = "IPSECPLAN_LAB_APT_SOURCES"
# Names of Debian's suites; /etc/os-release adds that of a release that is younger than this list.
_RELEASES = {"stable", "oldstable", "oldoldstable", "testing", "unstable", "sid"} | {
    *("stretch", "buster", "bullseye", "bookworm", "trixie", "forky", "duke")
}
_ASK_LIMIT = 120  # seconds for the index of one suite, which is a few hundred kilobytes
_SUITES_KEYRING = re.compile(r"/usr/share/keyrings/debian-archive-(?!keyring\.)[a-z-]+\.(gpg|pgp)")


@dataclass(frozen=True, slots=True)
class Sources:
    """The lines of a sources.list for the image, and in words which source that is; the lines may have passwords."""

    lines: str
    words: str


def find(work: Path, suite: str = SUITE) -> Sources:
    """Return the sources for the image; ``work`` is a private folder in which keys and apt's scratch files are put.

    ``suite``: another one than that of the lab's nodes, for which the variable doesn't hold.
    """
    own = os.environ.get(_VARIABLE)
    if own and suite == SUITE:
        return _from_file(Path(own), work)
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
        whose = f", whose {SUITE} the lab's nodes run" if suite == SUITE else ""
        fail(
            "IPP803",
            f"this machine's apt ({system()}) has no source of Debian{whose}",
            hint=f"write `deb http://YOUR-MIRROR/debian {SUITE} main` into a file, name it in {_VARIABLE}, "
            "and install debian-archive-keyring; everything but the lab works without",
            exit_code=ExitCode.FAILURE,
        )
    answers = [(entry, ask(entry, work)) for entry in candidates]
    found = _choose(answers, suite)
    mirrors = _hosts(entry for entry in found if entry.suite == suite)
    words = f"Debian {suite} from {mirrors}, as this machine's apt has it"
    if not any(entry.suite == suite for entry in configured):
        parts = (f"{suite}-updates", f"{suite}-security")
        lacking = [part for part in parts if suite != "sid" and not any(entry.suite == part for entry in found)]
        words = f"Debian {suite} from {mirrors}, the mirror of this machine's own release"
        words += f" (without {' and '.join(lacking)})" if lacking else ""
    return Sources(_lines(found, work), words)


def derived(configured: Sequence[Entry], suite: str = SUITE) -> list[Entry]:
    """Return this machine's entries for the suite or, when it has none, its Debian entries with the suite put in place.

    Entries of the base suite also give that of its updates; those of the security archive stay at their own mirror.
    """
    updates, security = f"{suite}-updates", f"{suite}-security"
    exact = [entry for entry in configured if entry.suite in (suite, updates, security) and "main" in entry.components]
    if any(entry.suite == suite for entry in exact):
        return list(dict.fromkeys(exact))
    out: list[Entry] = []
    for entry in configured:
        kind = _kind(entry.suite)
        if "main" not in entry.components or kind is None:
            continue
        suites = {"": (suite, updates), "updates": (updates,), "security": (security,)}[kind]
        if suite == "sid":  # has neither updates nor a security archive
            suites = suites[:1] if kind == "" else ()
        out += [replace(entry, suite=part, options=_with_archive_keys(entry.options)) for part in suites]
    return [entry for number, entry in enumerate(out) if _place(entry) not in map(_place, out[:number])]


def _place(entry: Entry) -> tuple[str, str]:
    return entry.uri.rstrip("/"), entry.suite


def _kind(suite: str) -> str | None:
    """Return "", "updates" or "security" for a suite of Debian, None for any other (backports, other archives)."""
    found = re.fullmatch(r"([a-z]+)(?:-(updates|security)|/(updates))?", suite)
    if found is None or found[1] not in (_RELEASES | {_os_release().get("VERSION_CODENAME", "")}):
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
    shutil.rmtree(scratch, ignore_errors=True)
    (scratch / "lists" / "partial").mkdir(parents=True)
    (scratch / "sources.list").write_text(_lines([entry], work), encoding="utf-8")
    trust = keyrings(work).removeprefix("--keyring=")
    settings = (
        "#clear APT::Update;",
        "#clear Acquire::IndexTargets;",
        f'Dir::Etc::SourceList "{scratch / "sources.list"}";',
        'Dir::Etc::SourceParts "/dev/null";',
        f'Dir::Etc::TrustedParts "{trust}";',
        f'Dir::State::Lists "{scratch / "lists"}";',
        f'Dir::Cache "{scratch}";',
        'Dir::Cache::pkgcache "";',
        'Dir::Cache::srcpkgcache "";',
        'APT::Architecture "amd64";',
        'APT::Architectures "amd64";',
    )
    (scratch / "apt.conf").write_text("\n".join(settings) + "\n", encoding="utf-8")
    said = _apt("apt-get", "-q", "-c", str(scratch / "apt.conf"), "update", limit=_ASK_LIMIT)
    for index in (scratch / "lists").glob("*Release"):
        found = re.search(r"^Origin:\s*(.*)$", index.read_text(encoding="utf-8", errors="replace"), re.MULTILINE)
        return AptAnswer(origin=found[1].strip() if found else "unknown")
    complaints = [line for line in said.splitlines() if re.match(r"(E|W|Err:\d+)[: ]|  ", line)]
    complaints = [line.strip() for line in complaints if "unsandboxed" not in line]
    return AptAnswer(refusal=redacted("; ".join(complaints)) or "apt fetched no index and doesn't say why")


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
    use = ", which the lab's nodes run" if suite == SUITE else ""
    where = quoted(redacted(entry.uri), 200)
    if re.search(r"NO_PUBKEY|\bsqv\b|\bgpgv\b|GPG error|OpenPGP|[Nn]o good signature", answer.refusal):
        why = f"this machine's apt doesn't trust the signature of Debian {suite} at {where}"
    elif re.search(r"\b404\b|does not have a Release file|File not found", answer.refusal):
        why = f"{where}, this machine's mirror, does not have Debian {suite}{use}"
    else:
        why = f"Debian {suite}{use}, can't be fetched from {where}, this machine's mirror"
    other = f"write `deb http://ANOTHER-MIRROR/debian {suite} main` into a file and name it in {_VARIABLE}; "
    hint = (other if use else "") + f"apt says: {answer.refusal[:400]}"
    fail("IPP803", why, hint=hint, exit_code=ExitCode.FAILURE)


def _from_file(path: Path, work: Path) -> Sources:
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
            hint=f"it needs lines as in sources.list(5), such as `deb http://YOUR-MIRROR/debian {SUITE} main`",
            exit_code=ExitCode.FAILURE,
        )
    return Sources(_lines(found, work), f"Debian {SUITE} from {_hosts(found)}, as {path} has it ({_VARIABLE})")


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
    text = _apt("apt-config", "shell", "main", "Dir::Etc::sourcelist/f", "parts", "Dir::Etc::sourceparts/d")
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
    return _os_release().get("PRETTY_NAME") or platform.system()


def _os_release() -> dict[str, str]:
    try:
        return platform.freedesktop_os_release()
    except OSError:
        return {}


def settings() -> str:
    """Return this machine's apt settings for fetching (proxy, certificates, credentials file), in apt.conf form."""
    lines = [line for line in _apt("apt-config", "dump").splitlines() if _SETTINGS.match(line)]
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
        trusted = shlex.split(_apt("apt-config", "shell", "parts", "Dir::Etc::trustedparts/d"))
        parts = Path(trusted[0].split("=", 1)[1] if trusted else "/etc/apt/trusted.gpg.d")
        for path in sorted(parts.iterdir()) if parts.is_dir() else ():
            if path.suffix in (".asc", ".gpg") and path.is_file():
                shutil.copyfile(path, folder / path.name)
        for path in (Path(name) for name in ARCHIVE_KEYRINGS):
            if path.is_file():
                shutil.copyfile(path, folder / "debian-archive-keyring.gpg")
    return f"--keyring={folder}"


def kernel_version() -> str:
    """Return "PACKAGE VERSION" of the kernel that apt would install now, or "unknown" where apt doesn't list it.

    Asking apt takes over half a second, so the answer is kept until the package lists change.
    """
    stamp = hashlib.sha256(json.dumps([_stamp(path) for path in _LISTS]).encode()).hexdigest()[:16]
    note = cache_home() / "kernel.json"
    try:
        known = json.loads(note.read_text(encoding="utf-8"))
        if known["stamp"] == stamp:
            return str(known["kernel"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    text = _apt("apt-cache", "show", "--no-all-versions", KERNEL_PACKAGE)
    found = re.search(r"^Depends:.*?(linux-image-\S+)\s+\(=\s*([^)\s]+)\)", text, re.MULTILINE)
    kernel = f"{found[1]} {found[2]}" if found and found[1].startswith(f"linux-image-{KERNEL_SERIES}.") else "unknown"
    private_dir(note.parent)
    write(note, json.dumps({"stamp": stamp, "kernel": kernel}))
    return kernel


def _stamp(path: str) -> list[float]:
    try:
        return [Path(path).stat().st_mtime]
    except OSError:
        return []


def _apt(*argv: str, limit: float = 60) -> str:
    """Return what a command of apt prints, its complaints included; nothing where there is no apt."""
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}
    try:
        done = subprocess.run(
            argv, check=False, capture_output=True, encoding="utf-8", errors="replace", timeout=limit, env=environment
        )
    except FileNotFoundError:
        return ""
    except subprocess.TimeoutExpired:
        return f"E: no answer in {limit:.0f} s"
    return done.stdout + (done.stderr if argv[0] == "apt-get" else "")
