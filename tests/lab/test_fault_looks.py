"""Faults that are there before an apply: found by looking, named, and nothing is changed."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from netplan.lab.cluster import Lab

from .conftest import ClusterFactory
from .injections import on
from .rollout_steps import Rollout, is_new, is_old, rest

pytestmark = [pytest.mark.lab, pytest.mark.drill]


def right_clock(lab: Lab) -> None:
    on(f"date -s @{time.time():.0f}", "guest")(lab)


# how, how it ends, code, and words that the message must have
LOOKS: dict[str, tuple[Callable[[Lab], None], Callable[[Lab], None], str, tuple[str, ...]]] = {
    "charon-off": (on("systemctl stop strongswan"), on("systemctl start strongswan"), "IPP634", ("n2", "UDP 500")),
    "underlay-mtu": (
        on("ip link set eth0 mtu 1400"),
        on("ip link set eth0 mtu 1500"),
        "IPP637",
        ("n2", "1400", "1500"),
    ),
    "path-mtu": (
        on("ip link set vb-n2 mtu 1400", "guest"),
        on("ip link set vb-n2 mtu 1500", "guest"),
        "IPP641",
        ("n1", "n2", "1500"),
    ),
    "other-port": (
        on(
            "ip link add ov9 type vxlan id 4096 dstport 8472 local 10.77.0.12; ip link set ov0 down; "
            "ip link set ov0 name ov8; ip link set ov9 name ov0; ip link set ov0 up mtu 1450"
        ),
        on("ip link del ov0; ip link set ov8 down; ip link set ov8 name ov0; ip link set ov0 up"),
        "IPP638",
        ("n2", "8472", "4789"),
    ),
    "foreign-policy": (
        on("ip xfrm policy add src 192.0.2.1 dst 192.0.2.2 dir out action allow"),
        on("ip xfrm policy delete src 192.0.2.1 dst 192.0.2.2 dir out"),
        "IPP640",
        ("n2",),
    ),
    "program-gone": (
        on("mv /usr/sbin/nft /usr/sbin/nft.away"),
        on("mv /usr/sbin/nft.away /usr/sbin/nft"),
        "IPP631",
        ("n2", "nft"),
    ),
    "timer-broken": (
        on("mount --bind /bin/true /usr/bin/systemd-run"),
        on("umount /usr/bin/systemd-run"),
        "IPP633",
        ("n2", "timer"),
    ),
    "peer-off": (
        lambda lab: lab.power_off("n2"),
        lambda lab: (lab.power_on("n2"), lab.wait("n2"))[0],
        "IPP661",
        ("n2",),
    ),
    # all nodes of a lab have the guest's clock
    "clock-ahead": (on("date -s '+1 day'", "guest"), right_clock, "IPP632", ("the clock is +86",)),
    "clock-1970": (on("date -s @86400", "guest"), right_clock, "IPP632", ("the clock is -1",)),
}


@pytest.fixture(scope="module")
def rollout(module_clusters: ClusterFactory, tmp_path_factory: pytest.TempPathFactory) -> Rollout:
    return Rollout(module_clusters(nodes=2), tmp_path_factory.mktemp("looks"))


@pytest.mark.parametrize("name", LOOKS)
def test_seen_before_anything_changes(rollout: Rollout, name: str) -> None:
    inject, heal, code, words = LOOKS[name]
    inject(rollout.lab)
    try:
        done = rollout.apply()
    finally:
        heal(rollout.lab)
    assert done.returncode in (1, 8)  # 8: SSH to the node goes over the same cable
    assert "nothing was changed" in done.stdout
    line = next(line for line in done.stderr.splitlines() if code in line and words[0] in line)
    for word in words:
        assert word in line, line
    for node in rollout.status().values():
        assert is_old(node)
        assert node["mtu"]["devices"] == {"ov0": 1450}


DISK = "mkdir -p {0}; mount -t tmpfs -o size={1} tmpfs {0}"
LIVE = "find /etc -type f -newer /proc/1/comm | sort | xargs -r sha256sum"


def test_no_room_for_our_state(rollout: Rollout) -> None:
    on(DISK.format("/var/lib/ipsecplan", "128k"))(rollout.lab)
    try:
        done = rollout.apply()
    finally:
        on("umount /var/lib/ipsecplan")(rollout.lab)
    assert done.returncode == 1
    assert "nothing was changed" in done.stdout
    line = next(line for line in done.stderr.splitlines() if "IPP635" in line)
    assert "n2: /var/lib/ipsecplan has " in line
    assert all(is_old(node) for node in rollout.status().values())


@pytest.mark.parametrize("where", ["/var/lib/ipsecplan", "/etc/ipsecplan"])
@pytest.mark.parametrize("phase", ["arm", "stage", "permissive", "prepare"])
def test_a_disk_that_fills_in_mid_apply(rollout: Rollout, where: str, phase: str) -> None:
    """Rolled back at once on every node, by steps that need no room but what was set aside for them.

    Once nodes are prepared they may confirm as well, all of them.
    """
    on(DISK.format(where, "24m"))(rollout.lab)
    before = rollout.shell("n2", "sh", "-c", LIVE)
    try:
        with rollout.brought_to(phase) as process:
            on(f"head -c 50M /dev/zero >{where}/fill")(rollout.lab)
            said = rest(process)
        code = process.returncode
        nodes = rollout.status()
        after = rollout.shell("n2", "sh", "-c", LIVE)
        on(f"rm {where}/fill")(rollout.lab)
        assert rollout.run("revert", "--yes").returncode == 0  # senders and devices get their old MTU
    finally:
        on(f"umount {where}")(rollout.lab)
    print(f"{where} full behind {phase}: exit {code}")
    assert "a defect" not in said
    if phase == "prepare" and code == 0:
        assert all(is_new(node) for node in nodes.values())
    else:
        assert code == 6, said
        assert "IPP635" in said
        assert all(is_old(node) for node in nodes.values())
    kept = {line for line in before.splitlines() if "ipsecplan" not in line}
    assert kept <= set(after.splitlines()), "a live file was harmed"
