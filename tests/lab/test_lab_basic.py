"""The lab itself: what it promises to the tests that stand on it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from netplan.lab import qemu
from netplan.lab.cluster import Lab, down
from netplan.lab.config import GUEST
from netplan.lab.paths import labs_home
from netplan.lab.qemu import Machine
from netplan.problems import ProblemError
from tests.ci import emulator

from .conftest import RELEASE
from .pace import HANG_S, Pace, until

pytestmark = [pytest.mark.lab, pytest.mark.weight(6)]


@pytest.fixture(scope="module")
def lab(module_clusters):
    return module_clusters()


@pytest.fixture(scope="module")
def spare(module_clusters):
    """A second lab, for what changes one; who changes it puts it back with ``restore``."""
    return module_clusters()


def pings(lab, source, target, *options, wait=30):
    """Tell whether a pod gets an answer to one of two pings; ``wait`` seconds for it where one must come."""
    argv = ["ip", "netns", "exec", "pod1", "ping", "-n", "-c2", "-i0.2", f"-W{wait}", *options, target]
    return lab.exec(source, argv).returncode == 0


def runs(pid):
    """Tell whether a process lives; one that has ended but was not waited for has no command line."""
    try:
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    except OSError:
        return False


def command_lines():
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield file.read_bytes()
        except OSError:
            continue


def test_every_node_runs_without_a_failed_unit(lab):
    units = "systemctl is-system-running; systemctl is-active systemd-networkd ssh strongswan"
    script = f"hostname; {units}; cat /proc/sys/net/ipv4/ip_forward"
    for node in lab.nodes:
        assert lab.exec(node.name, ["sh", "-c", script]).stdout.split() == [node.name, "running", *["active"] * 3, "1"]


@pytest.mark.weight(40)
def test_the_emulator_of_the_system_boots_nodes(clusters, monkeypatch):
    """The other tests may have a newer one (tests/ci/emulator.py); whoever starts a lab has this one."""
    monkeypatch.setenv("PATH", os.pathsep.join(p for p in os.environ["PATH"].split(os.pathsep) if p != emulator.BIN))
    qemu.version.cache_clear()  # saved labs are kept by it
    try:
        assert clusters(nodes=2, fresh=True).exec("n2", ["true"]).returncode == 0
    finally:
        qemu.version.cache_clear()


def test_pods_reach_each_other_at_exactly_the_overlay_mtu(lab):
    payload = lab.config.overlay_mtu - 28
    for one in lab.nodes:
        for other in lab.nodes:
            assert pings(lab, one.name, other.pod_address, "-M", "do", "-s", str(payload)), (one, other)
    assert not pings(lab, "n1", lab.nodes[1].pod_address, "-M", "do", "-s", str(payload + 1), wait=3)


@pytest.mark.parametrize(
    ("family", "overlay", "mtu"),
    [
        ("ipv6", "vxlan", 1500),
        pytest.param("ipv4", "geneve", 9000, marks=pytest.mark.drill),
        pytest.param("ipv6", "geneve", 1500, marks=pytest.mark.drill),
    ],
)
def test_other_underlays_and_overlays_work_at_their_mtu(clusters, family, overlay, mtu):
    lab = clusters(family=family, overlay=overlay, mtu=mtu)
    size = ["-M", "do", "-s", str(lab.config.overlay_mtu - 28)]
    assert lab.config.overlay_mtu == mtu - {"ipv4": 50, "ipv6": 70}[family]
    for node in lab.nodes[1:]:
        assert pings(lab, "n1", node.pod_address, *size)
    assert lab.nodes[0].underlay_address in lab.exec("n1", ["ip", "address", "show", "eth0"]).stdout


def test_the_kernel_has_what_the_product_uses(lab):
    script = """
        set -e
        key=$(printf %072d 1)
        ip xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 0x100 mode transport \\
            aead 'rfc4106(gcm(aes))' 0x$key 128
        ip xfrm state delete src 192.0.2.1 dst 192.0.2.2 proto esp spi 0x100
        ip link add t0 type xfrm dev eth0 if_id 7 && ip link del t0
        ip link add t0 type vxlan id 5 dstport 4790 local 192.0.2.1 && ip link del t0
        ip link add t0 type geneve id 5 remote 192.0.2.2 && ip link del t0
        nft -f - <<'EOF'
            table inet probe {
                chain out { type filter hook output priority 0; udp dport 4790 rt ipsec missing counter drop; }
                chain in { type filter hook input priority 0; udp dport 4790 meta ipsec missing counter drop; }
            }
            table netdev probe {
                chain wire { type filter hook egress device eth0 priority 0; udp dport 4790 counter; }
            }
EOF
        nft delete table inet probe
        nft delete table netdev probe
        swanctl --version
        pki --gen --type ed25519 >/dev/null
        tcpdump --version 2>&1 | head -1
    """
    done = lab.exec("n1", ["sh", "-c", script])
    assert done.returncode == 0, done.stderr
    assert "strongSwan swanctl" in done.stdout


def test_time_runs_as_fast_inside_as_outside(lab):
    """On a machine that was busy when it booted, too: rollback timers and certificates go by it."""
    read = []
    for _ in range(2):
        before = time.monotonic()
        read.append((before, float(lab.exec(GUEST, ["date", "+%s.%N"], check=True).stdout), time.monotonic()))
        time.sleep(10)
    (began, one, asked), (again, other, ended) = read
    assert 0.98 * (again - asked) <= other - one <= 1.02 * (ended - began)


def test_captures_show_true_frames(lab):
    for name, device in (("n1", "eth0"), (GUEST, "vb-n1"), (GUEST, "br0")):
        features = lab.exec(name, ["ethtool", "-k", device]).stdout
        for feature in ("tcp-segmentation-offload", "generic-segmentation-offload", "generic-receive-offload"):
            assert f"{feature}: off" in features


def test_nothing_leaves_the_lab(lab):
    assert lab.exec("n1", ["ping", "-c1", "-W2", "10.77.0.1"]).returncode in (0, 1)
    assert lab.exec("n1", ["ping", "-c1", "-W2", "192.0.2.1"]).returncode == 1


def test_the_clock_is_right_after_a_restore(lab):
    before = time.time()
    there = float(lab.exec("n1", ["date", "+%s.%N"], check=True).stdout)
    # the time is told over a new connection, which takes a while
    unit = Pace.of(lab).unit
    assert before - 10 * unit - 1 < there < time.time() + 1


def test_an_unknown_host_key_is_refused(lab):
    known = lab.directory / "known_hosts"
    right = known.read_text()
    lab.ssh.close()
    try:
        lines = right.splitlines()
        keys = [line.split(" ", 1)[1] for line in lines]
        wrong = [f"{line.split(' ', 1)[0]} {key}\n" for line, key in zip(lines, keys[1:] + keys[:1], strict=True)]
        known.write_text("".join(wrong))
        refused = lab.exec("n1", ["true"])
        assert refused.returncode == 255
        assert "REMOTE HOST IDENTIFICATION HAS CHANGED" in refused.stderr
        known.write_text("")
        assert lab.exec("n1", ["true"]).returncode == 255
    finally:
        known.write_text(right)
    assert lab.exec("n1", ["true"]).returncode == 0


def test_ansible_and_the_product_take_the_files_as_they_are(lab):
    tool = Path(sys.executable).with_name("ansible")
    argv = [tool, "-i", lab.inventory, "k8s_nodes", "-o", "-m", "raw", "-a", "true"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("rc=0") == 3
    argv = [sys.executable, "-m", "netplan", "lint", str(lab.plan)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_two_labs_stand_side_by_side(lab, spare):
    other = spare
    other.exec("n1", ["touch", "/root/mine"], check=True)
    assert lab.exec("n1", ["test", "-e", "/root/mine"]).returncode == 1
    assert lab.state.host_keys != other.state.host_keys
    # both come from the same saved memory; new randomness keeps them from drawing the same numbers
    uuid = ["cat", "/proc/sys/kernel/random/uuid"]
    assert lab.exec("n1", uuid).stdout != other.exec("n1", uuid).stdout
    assert other.inventory.read_text() != lab.inventory.read_text()


def test_save_and_restore_bring_back_files_and_kernel_state(spare, tmp_path):
    lab = spare
    lab.exec("n1", ["sh", "-c", "echo one >/root/note; ip link set ov0 mtu 1400"], check=True)
    file = lab.save(tmp_path / "cluster.lab")
    assert file.stat().st_mode & 0o777 == 0o600
    lab.exec("n1", ["rm", "/root/note"], check=True)
    lab.restore(file)
    seen = lab.exec("n1", ["sh", "-c", "cat /root/note /sys/class/net/ov0/mtu"], check=True).stdout
    assert seen.split() == ["one", "1400"]
    copy = Lab.from_file(file, f"{lab.name}-copy")
    with copy:
        assert copy.exec("n1", ["cat", "/root/note"]).stdout == "one\n"
    ports = dict(lab.state.ports)
    lab.restore()
    assert lab.state.ports == ports
    seen = lab.exec("n1", ["sh", "-c", "cat /root/note /sys/class/net/ov0/mtu"]).stdout
    assert seen.split() == ["1450"]
    assert pings(lab, "n1", lab.nodes[2].pod_address)


def test_power_and_cables(spare):
    lab = spare
    lab.exec("n2", ["sh", "-c", "touch /root/kept; nft add table inet gone"], check=True)
    lab.cut_link("n2")
    assert not pings(lab, "n1", lab.nodes[1].pod_address, wait=3)
    lab.mend_link("n2")
    assert pings(lab, "n1", lab.nodes[1].pod_address)
    lab.power_cut("n2")
    lab.wait("n2")
    assert lab.exec("n2", ["sh", "-c", "ls /root/kept; nft list tables"], check=True).stdout.split() == ["/root/kept"]
    assert pings(lab, "n1", lab.nodes[1].pod_address)


def test_the_guest_keeps_its_address_on_the_wire_when_a_port_goes(spare):
    """QEMU's network never asks again who has an address: the guest would be silent for ever."""
    lab = spare
    show = ["cat", "/sys/class/net/br0/address"]
    before = lab.exec(GUEST, show, check=True).stdout
    lab.exec(GUEST, ["sh", "-c", "for n in n1 n2 n3; do ip link set vb-$n nomaster; done"], check=True)
    assert lab.exec(GUEST, show, check=True).stdout == before
    lab.exec(GUEST, ["sh", "-c", "for n in n1 n2 n3; do ip link set vb-$n master br0; done"], check=True)


def test_up_after_a_crash_clears_and_starts_and_down_leaves_nothing(clusters):
    lab = clusters()
    crashed = lab.pid()
    os.kill(crashed, signal.SIGKILL)
    until("QEMU has ended", lambda: not lab.alive())
    with pytest.raises(ProblemError):
        Lab.attach(lab.name)
    again = Lab.up(lab.name, release=RELEASE)
    pid = again.pid()
    assert pid != crashed
    again.exec("n1", ["true"], check=True)  # leaves a kept connection
    argv = [sys.executable, "-m", "netplan", "lab", "down", "--name", lab.name]
    assert subprocess.run(argv, check=False, capture_output=True).returncode == 0
    assert not runs(pid)
    assert not lab.directory.exists()
    mine = str(lab.directory).encode()
    until("nothing of it runs", lambda: not any(mine in words for words in command_lines()))
    assert subprocess.run(argv, check=False, capture_output=True).returncode == 0


@pytest.mark.parametrize("how", [signal.SIGKILL, pytest.param(signal.SIGINT, marks=pytest.mark.drill)])
def test_up_that_was_stopped_on_the_way(clusters, how):
    """Ctrl-C leaves nothing; a kill leaves a machine, which the next command ends."""
    name = f"test-{os.getpid()}-stopped"
    folder = labs_home() / name
    argv = [
        sys.executable,
        "-m",
        "netplan",
        "lab",
        "up",
        "--name",
        name,
        "--fresh",
        "--backend",
        "emulated",
        "--release",
        RELEASE,
    ]
    stopped = subprocess.Popen(
        argv,
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        # a shell's background job ignores Ctrl-C, and its children inherit that
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        until("it boots", lambda: "lab:" in Machine(folder).console(), 0.05)
        orphan = Machine(folder).pid()
        assert orphan is not None
        stopped.send_signal(how)
        code = stopped.wait(timeout=HANG_S)
        if how == signal.SIGINT:
            assert code == 130
            assert not folder.exists()
        else:
            assert runs(orphan)
            assert down(name)
        assert not runs(orphan)
    finally:
        if stopped.poll() is None:
            stopped.kill()
            stopped.wait()
        down(name)


def test_up_of_a_running_lab_keeps_it_or_refuses_other_parameters(lab):
    assert Lab.up(lab.name, release=RELEASE).pid() == lab.pid()
    with pytest.raises(ProblemError, match="other parameters"):
        Lab.up(lab.name, release=RELEASE, nodes=2)
    assert lab.alive()


def test_exec_passes_status_input_and_output(lab):
    command = [
        sys.executable,
        "-m",
        "netplan",
        "lab",
        "exec",
        "--name",
        lab.name,
        "n1",
        "--",
        "sh",
        "-c",
        "cat; exit 7",
    ]
    done = subprocess.run(command, input="a 'b' $c\n", capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (7, "a 'b' $c\n")
    with pytest.raises(ProblemError):
        lab.exec("n9", ["true"])


def test_status_as_json(lab):
    argv = [sys.executable, "-m", "netplan", "lab", "status", "--name", lab.name, "--json"]
    facts = json.loads(subprocess.run(argv, capture_output=True, check=True).stdout)["result"]
    assert facts["origin"] == "restored"
    assert facts["overlay_mtu"] == 1450
    assert [node["name"] for node in facts["nodes"]] == ["n1", "n2", "n3"]
    for node in facts["nodes"]:
        system = node["system"]
        assert sorted(system) == ["OpenSSH", "kernel", "nftables", "strongSwan", "system", "systemd"]
        assert RELEASE in system["system"]
        assert all(version[0].isdigit() for what, version in system.items() if what != "system"), system


@pytest.mark.skipif(os.geteuid() != 0, reason="a lab on the host's own kernel needs root")
def test_a_lab_on_the_hosts_own_kernel(clusters):
    """Here for what every kernel has; whether ESP is among it is for `auto` to find out."""
    before = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True).stdout
    lab = clusters(backend="direct")
    assert lab.exec("n2", ["systemctl", "is-system-running"]).stdout.strip() == "running"
    assert pings(lab, "n1", lab.nodes[2].pod_address)
    assert lab.exec(GUEST, ["date", "-s", "@1"]).returncode != 0
    earlier = time.time()
    assert earlier < float(lab.exec("n1", ["date", "+%s.%N"]).stdout) < time.time()  # the same clock
    lab.exec("n2", ["touch", "/root/kept"], check=True)
    lab.power_cut("n2")
    lab.wait("n2")
    assert lab.exec("n2", ["ls", "/root"]).stdout.split() == ["kept"]
    ports = dict(lab.state.ports)
    lab.restore()
    assert lab.state.ports == ports
    assert lab.exec("n2", ["ls", "/root"]).stdout == ""
    pid = lab.pid()
    lab.down()
    assert not runs(pid)
    assert subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True).stdout == before
    assert str(lab.directory) not in Path("/proc/self/mountinfo").read_text()
