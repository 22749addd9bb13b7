"""Which package sources the lab's image is built from, for the apt configurations that machines really have."""

from __future__ import annotations

from pathlib import Path

import pytest

from netplan.lab import sources
from netplan.lab.aptfiles import Entry, parse, redacted, source_files
from netplan.lab.sources import AptAnswer
from netplan.problems import ProblemError

KEYS = "/usr/share/keyrings/debian-archive-keyring.pgp"
ONE_LINE = """\
# deb cdrom:[Debian GNU/Linux 13 _Trixie_]/ trixie contrib main
deb cdrom:[Debian GNU/Linux 13 _Trixie_]/ trixie contrib main
deb http://m.example/debian/ trixie main non-free-firmware  # the mirror next door
deb-src http://m.example/debian/ trixie main
deb http://s.example/debian-security trixie-security main
deb http://m.example/debian/ trixie-updates main
deb http://m.example/debian/ trixie-backports main
deb [arch=amd64 signed-by=/etc/apt/keyrings/docker.asc] https://docker.example/linux/debian trixie stable
deb https://pg.example/apt trixie-pgdg main
"""
DEB822 = """\
# as the installer of Debian 13 writes it
Types: deb deb-src
URIs: http://m.example/debian
 http://other.example/debian
Suites: trixie trixie-updates
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://s.example/debian-security/
Suites: trixie-security
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
Check-Valid-Until: no

Types: deb
Enabled: no
URIs: http://off.example/debian
Suites: trixie
Components: main
"""
KEY = """\
Types: deb
URIs: https://m.example/debian
Suites: sid
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mDMEY865UxYJKwYBBAHaRw8BAQdA
 -----END PGP PUBLIC KEY BLOCK-----
"""
SIGNED = "signed-by=/usr/share/keyrings/debian-archive-keyring.gpg"
TABLE = {
    "the lines of Debian 13's one-line file": (
        ONE_LINE,
        [
            "deb http://m.example/debian/ bookworm main non-free-firmware",
            "deb http://m.example/debian/ bookworm-updates main non-free-firmware",
            "deb http://s.example/debian-security bookworm-security main",
        ],
    ),
    "stanzas with several suites and addresses": (
        DEB822,
        [
            f"deb [{SIGNED}] http://m.example/debian bookworm main contrib",
            f"deb [{SIGNED}] http://m.example/debian bookworm-updates main contrib",
            f"deb [{SIGNED}] http://other.example/debian bookworm main contrib",
            f"deb [{SIGNED}] http://other.example/debian bookworm-updates main contrib",
            f"deb [{SIGNED} check-valid-until=no] http://s.example/debian-security/ bookworm-security main",
        ],
    ),
    "sid has neither updates nor a security archive": (
        "deb http://m.example/debian sid main\n",
        ["deb http://m.example/debian bookworm main", "deb http://m.example/debian bookworm-updates main"],
    ),
    "unstable and experimental, with settings of their own": (
        "deb [trusted=yes check-valid-until=no lang=en] http://m.example/debian unstable main\n"
        "deb http://m.example/debian experimental main\n",
        [
            "deb [trusted=yes check-valid-until=no] http://m.example/debian bookworm main",
            "deb [trusted=yes check-valid-until=no] http://m.example/debian bookworm-updates main",
        ],
    ),
    "a file with the mirrors, as Debian's cloud images have it": (
        "Types: deb\nURIs: mirror+file:/etc/apt/mirrors/debian.list\nSuites: trixie trixie-updates trixie-backports\n"
        "Components: main\n\n"
        "Types: deb\nURIs: mirror+file:/etc/apt/mirrors/debian-security.list\nSuites: trixie-security\n"
        "Components: main\n",
        [
            "deb mirror+file:/etc/apt/mirrors/debian.list bookworm main",
            "deb mirror+file:/etc/apt/mirrors/debian.list bookworm-updates main",
            "deb mirror+file:/etc/apt/mirrors/debian-security.list bookworm-security main",
        ],
    ),
    "a list of mirrors that is fetched": (
        "deb mirror+http://m.example/list trixie main\n",
        ["deb mirror+http://m.example/list bookworm main", "deb mirror+http://m.example/list bookworm-updates main"],
    ),
    "a day of a snapshot": (
        "deb [check-valid-until=no] http://snap.example/a/debian/20260101T000000Z trixie main\n"
        "deb [check-valid-until=no] http://snap.example/a/debian-security/20260101T000000Z trixie-security main\n",
        [
            "deb [check-valid-until=no] http://snap.example/a/debian/20260101T000000Z bookworm main",
            "deb [check-valid-until=no] http://snap.example/a/debian/20260101T000000Z bookworm-updates main",
            "deb [check-valid-until=no] http://snap.example/a/debian-security/20260101T000000Z bookworm-security main",
        ],
    ),
    "apt's own snapshots": (
        "deb [snapshot=20260101T000000Z] http://m.example/debian/ trixie main\n",
        [
            "deb [snapshot=20260101T000000Z] http://m.example/debian/ bookworm main",
            "deb [snapshot=20260101T000000Z] http://m.example/debian/ bookworm-updates main",
        ],
    ),
    "the security archive at the root of its own host, and in the old form": (
        "deb http://m.example/debian stable main\n"
        "deb http://security.m.example/ trixie-security main\n"
        "deb http://old.m.example/ buster/updates main\n",
        [
            "deb http://m.example/debian bookworm main",
            "deb http://m.example/debian bookworm-updates main",
            "deb http://security.m.example/ bookworm-security main",
            "deb http://old.m.example/ bookworm-security main",
        ],
    ),
    "keys of one release do not do for another": (
        "deb [signed-by=/usr/share/keyrings/debian-archive-trixie-stable.gpg] http://m.example/debian trixie main\n"
        "deb [signed-by=/etc/apt/keyrings/corporate.asc] http://c.example/debian trixie main\n",
        [
            f"deb [signed-by=/usr/share/keyrings/debian-archive-trixie-stable.gpg,{KEYS}]"
            " http://m.example/debian bookworm main",
            f"deb [signed-by=/usr/share/keyrings/debian-archive-trixie-stable.gpg,{KEYS}]"
            " http://m.example/debian bookworm-updates main",
            "deb [signed-by=/etc/apt/keyrings/corporate.asc] http://c.example/debian bookworm main",
            "deb [signed-by=/etc/apt/keyrings/corporate.asc] http://c.example/debian bookworm-updates main",
        ],
    ),
    "a mirror on this machine's disk is copied from, for the new root can't see it": (
        "deb file:/srv/debian trixie main\n",
        ["deb copy:/srv/debian bookworm main", "deb copy:/srv/debian bookworm-updates main"],
    ),
    "another architecture's entries are left out": (
        "deb [arch=arm64,armhf] http://m.example/d trixie main\ndeb [ arch=amd64 ] http://n.example/d trixie main\n",
        ["deb http://n.example/d bookworm main", "deb http://n.example/d bookworm-updates main"],
    ),
    "where apt has the suite itself, nothing is made up": (
        "deb http://m.example/debian trixie main\ndeb http://b.example/debian bookworm main\n"
        "deb http://b.example/debian bookworm-security main\ndeb http://b.example/debian bookworm-backports main\n",
        ["deb http://b.example/debian bookworm main", "deb http://b.example/debian bookworm-security main"],
    ),
    "Ubuntu": (
        "Types: deb\nURIs: http://u.example/ubuntu\nSuites: noble noble-updates\nComponents: main universe\n",
        [],
    ),
    "nothing": ("", []),
    "only what is not Debian's": (
        "deb https://d.example/debian trixie stable\ndeb https://n.example/d nodistro main\n",
        [],
    ),
}


@pytest.fixture(autouse=True)
def _machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("IPSECPLAN_LAB_APT_SOURCES", raising=False)
    monkeypatch.setattr(sources, "ARCHIVE_KEYRINGS", (KEYS,))
    monkeypatch.setattr(sources, "os_release", lambda: {"PRETTY_NAME": "Testix 1", "VERSION_CODENAME": "trixie"})
    monkeypatch.setattr(sources, "find_program", lambda name: f"/usr/bin/{name}")


@pytest.mark.parametrize("name", TABLE)
def test_the_suite_is_put_in_place_and_all_else_is_kept(name: str) -> None:
    text, wanted = TABLE[name]
    assert [entry.line() for entry in sources.derived(parse(text), "bookworm")] == wanted


def test_a_release_younger_than_this_program_is_known_by_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "deb http://m.example/debian zurg main\n"
    assert sources.derived(parse(text), "bookworm") == []
    monkeypatch.setattr(sources, "os_release", lambda: {"VERSION_CODENAME": "zurg"})
    assert sources.derived(parse(text), "bookworm")[0].suite == "bookworm"


def test_a_key_in_the_stanza_becomes_a_file_that_the_line_names(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found = taken(monkeypatch, tmp_path, KEY)
    (file,) = tmp_path.glob("key-*.asc")
    assert file.read_text().splitlines() == [
        "-----BEGIN PGP PUBLIC KEY BLOCK-----",
        "",
        "mDMEY865UxYJKwYBBAHaRw8BAQdA",
        "-----END PGP PUBLIC KEY BLOCK-----",
    ]
    assert found.lines.splitlines()[0] == f"deb [signed-by={file}] https://m.example/debian bookworm main"


def taken(
    monkeypatch: pytest.MonkeyPatch,
    work: Path,
    text: str,
    answers: dict[str, AptAnswer] | None = None,
    suite: str = "bookworm",
) -> sources.Sources:
    """Sources of a machine whose apt has ``text``; ``answers`` is what its mirrors say about suites."""
    known = answers or {}
    monkeypatch.setattr(sources, "_configured", lambda: parse(text))
    monkeypatch.setattr(sources, "ask", lambda entry, _: known.get(entry.suite, AptAnswer(origin="Debian")))
    return sources.find(work, suite)


def test_what_was_taken_is_said_and_passwords_are_not(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    text = "deb https://me:hunter2@m.example/debian sid main\n"
    found = taken(monkeypatch, tmp_path, text, {"bookworm-updates": AptAnswer(refusal="404  Not Found")})
    assert found.lines == "deb https://me:hunter2@m.example/debian bookworm main\n"
    assert found.words == (
        "Debian bookworm from https://***@m.example/debian, the mirror of this machine's own release"
        " (without bookworm-updates and bookworm-security)"
    )
    assert "hunter2" not in repr(parse(text))
    exact = taken(monkeypatch, tmp_path, "deb http://m.example/debian bookworm main\n")
    assert exact.words == "Debian bookworm from http://m.example/debian, as this machine's apt has it"


@pytest.mark.parametrize(
    ("refusal", "words"),
    [
        (
            "Err:1 x bookworm Release; 404  Not Found; E: x does not have a Release file.",
            "does not have Debian bookworm",
        ),
        ("W: GPG error: x: NO_PUBKEY 0E98404D386FA1D9", "doesn't trust the signature"),
        ("W: OpenPGP signature verification failed: Sub-process /usr/bin/sqv returned an error code", "doesn't trust"),
        ("Err:1 x; 400  Bad Request; E: The repository 'x InRelease' is not signed.", "can't be fetched"),
        ("Err:1 x; Could not resolve 'm.example'", "can't be fetched from 'http://m.example/debian'"),
    ],
)
def test_a_mirror_without_the_suite_is_named_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, refusal: str, words: str
) -> None:
    with pytest.raises(ProblemError) as caught:
        taken(monkeypatch, tmp_path, "deb http://m.example/debian sid main\n", {"bookworm": AptAnswer(refusal=refusal)})
    (problem,) = caught.value.problems
    assert problem.code == "IPP803"
    assert words in problem.message
    assert "IPSECPLAN_LAB_APT_SOURCES" in (problem.hint or "")
    assert refusal[:40] in (problem.hint or "")


def test_other_archives_of_the_same_name_are_left_out_where_debian_answers(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    text = "deb http://m.example/debian bookworm main\ndeb http://soft.example/debian/12/prod bookworm main\n"
    monkeypatch.setattr(sources, "_configured", lambda: parse(text))
    monkeypatch.setattr(sources, "ask", lambda entry, _: AptAnswer("Debian" if "//m." in entry.uri else "soft-prod"))
    assert sources.find(tmp_path, "bookworm").lines == "deb http://m.example/debian bookworm main\n"
    monkeypatch.setattr(sources, "ask", lambda *_: AptAnswer("our own mirror"))  # all signed anew: no better is known
    assert sources.find(tmp_path, "bookworm").lines == text


@pytest.mark.parametrize("text", [TABLE["Ubuntu"][0], ""])
def test_a_machine_without_debian_sources_is_told_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str
) -> None:
    with pytest.raises(ProblemError) as caught:
        taken(monkeypatch, tmp_path, text)
    (problem,) = caught.value.problems
    assert problem.code == "IPP803"
    assert "Testix 1" in problem.message
    assert "IPSECPLAN_LAB_APT_SOURCES" in (problem.hint or "")
    assert "debian-archive-keyring" in (problem.hint or "")


def test_a_machine_without_apt_is_told_that_the_lab_is_all_it_lacks(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sources, "find_program", lambda _: None)
    with pytest.raises(ProblemError) as caught:
        sources.find(tmp_path, "bookworm")
    (problem,) = caught.value.problems
    assert "Testix 1" in problem.message
    assert "everything else of ipsecplan works here" in (problem.hint or "")


@pytest.mark.parametrize(
    ("suite", "wanted"),
    [
        ("sid", ["sid"]),
        ("forky", ["forky", "forky-updates", "forky-security"]),
        ("trixie-backports", ["trixie-backports"]),
        ("bookworm-backports", ["bookworm-backports"]),
    ],
)
def test_a_suite_gets_what_debian_keeps_beside_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, suite: str, wanted: list[str]
) -> None:
    text = "deb http://m.example/debian trixie main\ndeb http://s.example/security trixie-security main\n"
    found = taken(monkeypatch, tmp_path, text, suite=suite)
    assert [line.split()[-2] for line in found.lines.splitlines()] == wanted
    assert "without" not in found.words


def test_a_file_of_ones_own_gives_every_release(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "mine"
    file.write_text("deb http://m.example/d trixie main\ndeb http://m.example/d bookworm main\n")
    monkeypatch.setenv("IPSECPLAN_LAB_APT_SOURCES", str(file))
    lines = {suite: sources.find(tmp_path, suite).lines for suite in ("bookworm", "trixie", "sid")}
    assert lines == {suite: f"deb http://m.example/d {suite} main\n" for suite in lines}
    monkeypatch.setattr(sources, "_configured", lambda: parse("deb http://n.example/d sid main\n"))
    monkeypatch.setattr(sources, "ask", lambda *_: AptAnswer(origin="Debian"))
    assert sources.find(tmp_path, "sid", variable=False).lines == "deb http://n.example/d sid main\n"


@pytest.mark.parametrize(
    "text",
    [
        "deb http://m.example/d own-name main\n",
        "Types: deb\nURIs: http://m.example/d\nSuites: own-name\nComponents: main\n",
    ],
)
def test_a_file_of_ones_own_is_taken_in_either_format_as_it_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str
) -> None:
    file = tmp_path / "mine"
    file.write_text(text)
    monkeypatch.setenv("IPSECPLAN_LAB_APT_SOURCES", str(file))
    found = sources.find(tmp_path, "bookworm")
    assert found.lines == "deb http://m.example/d own-name main\n"
    assert str(file) in found.words


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "No such file"), (b"", "no package source"), (b"deb\n", "no package source"), (b"\xff\xfe", "no text")],
)
def test_a_file_of_ones_own_that_is_no_use_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None, words: str
) -> None:
    file = tmp_path / "mine"
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setenv("IPSECPLAN_LAB_APT_SOURCES", str(file))
    with pytest.raises(ProblemError) as caught:
        sources.find(tmp_path, "bookworm")
    (problem,) = caught.value.problems
    assert str(file)[:40] in problem.message
    assert words in problem.message


def test_the_files_are_those_that_apt_reads_in_its_order(tmp_path: Path) -> None:
    parts = tmp_path / "parts"
    parts.mkdir()
    for name in ("z.list", "a.sources", "b.list.save", "c.disabled", "d e.list", "README"):
        (parts / name).touch()
    assert [path.name for path in source_files(tmp_path / "none", parts)] == ["a.sources", "z.list"]
    assert source_files(tmp_path / "none", tmp_path / "neither") == []


def test_apt_is_asked_with_this_machines_settings_and_without_its_hooks(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen: list[str] = []

    def answers(*argv: str, limit: float = 0, folder: Path | None = None) -> str:
        if argv[0] == "apt-config":
            return ""
        config = Path(argv[argv.index("-c") + 1])
        seen.append(config.read_text() + (config.parent / "sources.list").read_text())
        (config.parent / "lists" / "x_InRelease").write_text("Hash: SHA256\n\nOrigin: Debian\nLabel: Debian\n")
        return ""

    monkeypatch.setattr(sources, "apt", answers)
    assert sources.ask(Entry("http://m.example/debian", "bookworm"), tmp_path) == AptAnswer(origin="Debian")
    assert "#clear APT::Update;" in seen[0]
    assert seen[0].endswith("deb http://m.example/debian bookworm main\n")
    complaint = "Err:1 http://u:p@m.example x\n  404  Not Found\nW: Download is performed unsandboxed\nReading\n"
    monkeypatch.setattr(sources, "apt", lambda *argv, **_: complaint if argv[0] == "apt-get" else "")
    refused = sources.ask(Entry("http://m.example/debian", "bookworm"), tmp_path)
    assert refused == AptAnswer(refusal="Err:1 http://***@m.example x; 404  Not Found")


def test_passwords_are_left_out_of_every_address() -> None:
    assert (
        redacted("a http://u:p@h/d b https://t@h c http://h/~u@x") == "a http://***@h/d b https://***@h c http://h/~u@x"
    )
