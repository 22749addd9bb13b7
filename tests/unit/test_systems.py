"""The table of systems: each row found by what a node of it says of itself, and what preflight makes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from netplan.agent import places, systems
from netplan.agent.phases import surroundings
from netplan.agent.system.core import Done

# ID and ID_LIKE of /etc/os-release, what has UDP port 500 -> name, unit, swanctl's folder, whether a bundle fits
NODES: dict[str, tuple[str, str, tuple[str, str, str, bool]]] = {
    "Debian 12": ("ID=debian\n", "charon-systemd", ("debian", "strongswan.service", "/etc/swanctl", True)),
    "Ubuntu 26.04": (
        'ID=ubuntu\nID_LIKE=debian\nNAME="Ubuntu"\n',
        "charon-systemd",
        ("ubuntu", "strongswan.service", "/etc/swanctl", True),
    ),
    "Mint": ('ID=linuxmint\nID_LIKE="ubuntu debian"\n', "", ("ubuntu", "strongswan.service", "/etc/swanctl", True)),
    "Fedora": (
        "# a comment\nID=fedora\n",
        "charon-systemd",
        ("fedora", "strongswan.service", "/etc/strongswan/swanctl", False),
    ),
    "RHEL, strongSwan of EPEL": (
        'ID="rhel"\nID_LIKE="fedora"\n',
        "charon-systemd",
        ("rhel", "strongswan.service", "/etc/strongswan/swanctl", False),
    ),
    "RHEL, its libreswan": (
        'ID="rhel"\nID_LIKE="fedora"\n',
        "pluto",
        ("rhel-libreswan", "ipsec.service", "/etc/ipsec.d", False),
    ),
    "Fedora, libreswan": ("ID=fedora\n", "pluto", ("rhel-libreswan", "ipsec.service", "/etc/ipsec.d", False)),
    "Rocky": (
        'ID="rocky"\nID_LIKE="rhel centos fedora"\n',
        "",
        ("rhel", "strongswan.service", "/etc/strongswan/swanctl", False),
    ),
    "Alpine": ("ID=alpine\n", "charon", ("alpine", "charon", "/etc/swanctl", False)),
    "Arch": ("ID=arch\n", "charon-systemd", ("arch", "strongswan.service", "/etc/swanctl", True)),
}


@pytest.mark.parametrize(("text", "daemon", "expected"), NODES.values(), ids=NODES)
def test_a_node_finds_its_row(text: str, daemon: str, expected: tuple[str, str, str, bool]) -> None:
    row = systems.of(systems.release(text), daemon)
    assert row
    assert (row.name, row.unit, row.configuration, row.usable) == expected
    assert row.install.split()[0] in ("apt", "dnf", "apk", "pacman")


def test_every_row_is_some_nodes() -> None:
    assert {row.name for row in systems.SYSTEMS} == {expected[0] for _, _, expected in NODES.values()}
    assert systems.of(systems.release("ID=nixos\n")) is None
    assert systems.of({}) is None


def test_files_of_a_bundle_lie_where_usable_systems_read() -> None:
    for row in systems.SYSTEMS:
        if row.usable:
            assert places.mode_at(f"{row.configuration}/conf.d/ipsecplan.conf")
            assert places.mode_at(f"{row.settings}/ipsecplan.conf")
            assert places.mode_at(f"/etc/systemd/system/{row.unit}.d/ipsecplan-orphans.conf")
        elif row.init == "systemd":
            assert places.mode_at(f"{row.configuration}/conf.d/ipsecplan.conf") is None


def node(monkeypatch: pytest.MonkeyPatch, text: str, daemon: str = "", folders: tuple[str, ...] = ()) -> None:
    monkeypatch.setattr(surroundings, "_release", lambda: systems.release(text))
    monkeypatch.setattr(surroundings, "daemon", lambda: (daemon, 77 if daemon else 0))
    monkeypatch.setattr(surroundings, "_folder", folders.__contains__)


@pytest.mark.parametrize(
    ("name", "folders", "said"),
    [
        ("Debian 12", ("/etc/swanctl",), ""),
        ("Arch", ("/etc/swanctl",), ""),
        ("Fedora", ("/etc/strongswan/swanctl",), "ln -s /etc/strongswan/swanctl /etc/swanctl"),
        ("Rocky", ("/etc/strongswan/swanctl",), "ln -s /etc/strongswan/strongswan.d /etc/strongswan.d"),
        ("Rocky", ("/etc/strongswan/swanctl", "/etc/swanctl"), ""),
        ("RHEL, its libreswan", ("/etc/ipsec.d",), "systemctl disable --now ipsec.service; dnf install epel-release"),
    ],
)
def test_preflight_says_where_files_are_not_read(
    monkeypatch: pytest.MonkeyPatch, name: str, folders: tuple[str, ...], said: str
) -> None:
    node(monkeypatch, NODES[name][0], NODES[name][1], folders)
    found = surroundings.findings()
    assert [f["code"] for f in found] == (["IPP649"] if said else [])
    assert said in "".join(f["hint"] or "" for f in found)


def test_the_one_at_port_500_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    line = 'UNCONN 0 0 0.0.0.0:500 0.0.0.0:* users:(("pluto",pid=412,fd=20))\n'
    other = 'UNCONN 0 0 0.0.0.0:4500 0.0.0.0:* users:(("other",pid=9,fd=20))\n'
    monkeypatch.setattr(surroundings, "run", lambda *_: Done(0, other + line, ""))
    assert surroundings.daemon() == ("pluto", 412)
    monkeypatch.setattr(surroundings, "run", lambda *_: Done(127, "", "ss: not found"))
    assert surroundings.daemon() == ("", 0)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, ""),
        (
            {"apparmor": "Y\n", "label": "/usr/sbin/charon-systemd (complain)\n"},
            "AppArmor: /usr/sbin/charon-systemd (complain)",
        ),
        ({"apparmor": "Y\n", "label": "unconfined\n"}, ""),
        ({"apparmor": "N\n", "label": "unconfined\n"}, ""),
        ({"selinux": "1", "label": "system_u:system_r:ipsec_t:s0\0"}, "SELinux: ipsec_t (enforcing)"),
        ({"selinux": "0", "label": "system_u:system_r:ipsec_t:s0\0"}, "SELinux: ipsec_t (permissive)"),
        ({"selinux": "1", "label": "unconfined_u:unconfined_r:unconfined_t:s0\0"}, ""),
    ],
)
def test_what_confines_charon(monkeypatch: pytest.MonkeyPatch, files: dict[str, str], said: str) -> None:
    paths = {
        "apparmor": surroundings.APPARMOR,
        "selinux": surroundings.SELINUX,
        "label": "/proc/77/attr/current",
    }
    texts = {paths[name]: text for name, text in files.items()}
    monkeypatch.setattr(surroundings, "read", texts.get)
    assert surroundings.confined(77) == said
    assert surroundings.confined(0) == ""


def test_facts_report_the_unit_that_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    there: list[str] = []
    monkeypatch.setattr(surroundings, "installed", there.__contains__)
    monkeypatch.setattr(surroundings, "confined", lambda pid: str(pid))
    node(monkeypatch, "ID=debian\n", "charon-systemd")
    assert surroundings.look() == {"system": "debian", "unit": "", "confined": "77"}
    there.append("strongswan.service")
    assert surroundings.look()["unit"] == "strongswan.service"
    node(monkeypatch, "ID=nixos\n")
    assert surroundings.look() == {"system": "", "unit": "strongswan.service", "confined": "0"}


def test_no_script_hands_swanctl_a_file_that_its_profile_hides() -> None:
    """AppArmor's profile of swanctl has /etc/swanctl and enforces; one that it can't read unloads everything."""
    folder = Path(systems.__file__).parents[1] / "templates" / "node"
    handed: list[Any] = []
    for path in sorted(folder.glob("*.sh")):
        lines = [line.strip() for line in path.read_text().splitlines()]
        handed += [(path.name, line) for line in lines if "swanctl" in line and "--file" in line]
    # the other one wants everything unloaded
    assert [name for name, line in handed if "${SWANCTL}/" not in line] == ["revert-acts.sh"]
