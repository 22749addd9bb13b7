"""The fault list: what can go wrong in a rollout, how it is made to happen, what must hold, and the test that shows it.

``ROWS`` are the kinds of trouble, in our words; every row has at least one fault with a test, or a reason why it can't
be shown here. tests/unit/test_faults.py holds that. ``mid-apply`` faults are injected behind each of ``PHASES``.
"""

from __future__ import annotations

from dataclasses import dataclass

PHASES = ("stage", "permissive", "trap")
WHOLLY = "every node ends wholly old or wholly new; nothing in clear after enforce"
MID = ("tests/lab/test_fault_drills.py::test_all_nodes_end_new_or_old",)
LOOK = ("tests/lab/test_fault_looks.py::test_seen_before_anything_changes",)

ROWS: dict[str, str] = {
    "controller-dies": "the control process is killed in any phase",
    "ssh-lost": "SSH to a node is gone right after its change",
    "old-ssh-only": "only the SSH connection from before the change still works",
    "reboot-open": "a node restarts while its change is unconfirmed",
    "node-away": "a node is off or can't be reached",
    "half-a-mesh": "part of the mesh is done and it stays like that for long",
    "two-controllers": "two control processes at once",
    "node-disk-full": "a node's disk is full",
    "controller-disk-full": "the control machine's disk is full",
    "charon-crash": "charon crashes",
    "charon-stop": "charon is stopped or its package upgraded",
    "nft-flush": "another program flushes nftables",
    "boot-without": "neither charon nor guard at boot",
    "clock": "a node's clock is wrong",
    "certificate": "a certificate is expired, not yet valid, of another node, CA, or revoked",
    "duplicates": "duplicate addresses or names in the inventory",
    "overlaps": "overlapping networks, strange addresses",
    "mtu-refused": "a NIC refuses or clamps an MTU",
    "mtu-bounces": "setting an MTU bounces the link",
    "path-smaller": "the path carries less than the link, and no ICMP says so",
    "esp-filtered": "ESP is filtered, or IKE",
    "node-replaced": "a node is replaced at the same address with another key",
    "node-removed": "a node is removed",
    "both-initiate": "both ends begin at once",
    "old-pods": "pods with the old MTU are left",
    "other-family": "IPv6 or a second overlay port is forgotten",
    "module-fails": "what we run on a node fails or vanishes",
    "kernel-lacks": "the kernel lacks something",
    "starved": "a node has no processor time",
}


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One fault: its row, how it is injected, at which phases, what must hold, and its tests (path::name)."""

    name: str
    row: str
    how: str
    must: str
    phases: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()
    reason: str = ""


def _mid(name: str, row: str, how: str, must: str = WHOLLY) -> Fault:
    return Fault(name=name, row=row, how=how, must=must, phases=PHASES, tests=MID)


def _look(name: str, row: str, how: str, must: str) -> Fault:
    return Fault(name=name, row=row, how=how, must=must, phases=("preflight",), tests=LOOK)


KILL = "tests/lab/test_rollout_kill.py::"
APPLY = "tests/lab/test_rollout_apply.py::"
MESH = "tests/lab/test_mesh_drills.py::"
UNIT = "tests/unit/"
FAULTS: tuple[Fault, ...] = (
    _mid("charon-killed", "charon-crash", "kill -9 of charon on a node"),
    _mid("charon-stopped", "charon-stop", "systemctl stop strongswan on a node"),
    _mid("node-power-cut", "reboot-open", "the node's power is cut; it starts again by itself"),
    _mid("agent-killed", "module-fails", "kill -9 of our program on a node while it works"),
    _mid("nft-flushed", "nft-flush", "nft flush ruleset on a node"),
    _mid("xfrm-flushed", "charon-crash", "ip xfrm policy and state flush on a node"),
    _mid("ike-blocked", "esp-filtered", "nftables drops UDP 500 and 4500 on a node"),
    _mid("esp-blocked", "esp-filtered", "nftables drops protocol 50 on a node"),
    _mid("path-mtu-shrunk", "path-smaller", "the cable to a node takes 1400 bytes, silently"),
    _mid("link-flap", "mtu-bounces", "a node's link is down for 2 s"),
    _mid("pod-made-meanwhile", "old-pods", "a pod is made on a node", "confirmed; the pod has the planned MTU"),
    _mid("cpu-starved", "starved", "four endless loops on a node", "confirmed: no timer fires by mistake"),
    _look("charon-off", "charon-stop", "strongSwan is stopped", "IPP634, the node named"),
    _look("underlay-mtu", "mtu-refused", "eth0 has MTU 1400, planned 1500", "IPP637 names both"),
    _look("path-mtu", "path-smaller", "the cable takes 1400 bytes, silently", "IPP641 names the pair"),
    _look("other-port", "other-family", "the overlay device has another port", "IPP638 names both"),
    _look("foreign-policy", "both-initiate", "somebody else's IPsec policy", "IPP640"),
    _look("program-gone", "kernel-lacks", "nft is not installed", "IPP631 names the package"),
    _look("timer-broken", "reboot-open", "systemd-run does nothing", "IPP633: no rollback timer, no change"),
    _look("clock-ahead", "clock", "the nodes' clock is a day ahead", "IPP632 says by how much"),
    _look("clock-1970", "clock", "the nodes' clock begins anew", "IPP632 says by how much"),
    _look("peer-off", "node-away", "a node has no power", "exit 8, nothing changed"),
    Fault(
        name="controller-killed",
        row="controller-dies",
        how="SIGKILL of the control process in the lab",
        must=WHOLLY,
        phases=("lower-devices", "encrypt", "confirm"),
        tests=("tests/lab/test_rollout_points.py::test_killed_behind_a_line",),
    ),
    Fault(
        name="controller-killed-everywhere",
        row="controller-dies",
        how="SIGKILL behind every line of the journal, with the real program and revert.sh on played nodes",
        must=WHOLLY,
        phases=("every line",),
        tests=(UNIT + "test_every_line.py::test_wholly_old_or_wholly_new",),
    ),
    Fault(
        name="operator-stops",
        row="controller-dies",
        how="Ctrl-C",
        must="all rolled back, exit 6",
        phases=("permissive",),
        tests=(APPLY + "test_the_operator_stops",),
    ),
    Fault(
        name="node-cut-off",
        row="ssh-lost",
        how="a node's cable is pulled",
        phases=("credentials",),
        must="the node is back within timer + 5 s, the others at once",
        tests=(KILL + "test_a_node_cut_off_takes_itself_back",),
    ),
    Fault(
        name="shared-ssh",
        row="old-ssh-only",
        how="the step before confirm opens a connection of its own",
        must="no shared connection is used for it",
        tests=(UNIT + "test_rollout_engine.py::test_every_phase_in_order_and_confirmed_last",),
    ),
    Fault(
        name="rebooted-open",
        row="reboot-open",
        how="power cut of a node whose controller is dead",
        phases=("soak",),
        must="old before the network comes up",
        tests=(KILL + "test_controller_gone_power_gone_and_cable_gone",),
    ),
    Fault(
        name="node-deferred",
        row="node-away",
        how="a node has no power and --skip-unreachable allows it",
        must="its pairs stay clear, by name; all others are protected; a later apply completes it",
        tests=(MESH + "test_a_node_that_is_away_is_deferred_and_completed",),
    ),
    Fault(
        name="stays-half",
        row="half-a-mesh",
        how="a deferred node, then three rekeys of every pair",
        must="no ping lost in the pairs that are done",
        tests=(MESH + "test_a_node_that_is_away_is_deferred_and_completed",),
    ),
    Fault(
        name="leases",
        row="two-controllers",
        how="a second control machine while a first holds the nodes",
        must="one goes on, the other is refused with who holds them",
        tests=("tests/lab/test_rollout_again.py::test_two_control_machines",),
    ),
    Fault(
        name="little-room",
        row="node-disk-full",
        how="128 KiB for our state on a node",
        phases=("preflight",),
        must="refused in preflight (IPP635), nothing of the node is changed",
        tests=("tests/lab/test_fault_looks.py::test_no_room_for_our_state",),
    ),
    Fault(
        name="disk-filled",
        row="node-disk-full",
        how="the disk of our state, or of our configuration, fills up on a node",
        phases=("arm", "stage", "permissive", "prepare"),
        must="all rolled back at once, exit 6, the disk named; once prepared, or all confirmed; live files are whole",
        tests=("tests/lab/test_fault_looks.py::test_a_disk_that_fills_in_mid_apply",),
    ),
    Fault(
        name="no-journal",
        row="controller-disk-full",
        how="the journal can't be written",
        must="refused before anything changes",
        tests=(UNIT + "test_journal.py",),
    ),
    Fault(
        name="wrong-certificate",
        row="certificate",
        how="requests for other names, keys and CAs",
        must="none is signed",
        tests=(UNIT + "test_ca.py",),
    ),
    Fault(
        name="duplicate-hosts",
        row="duplicates",
        how="fixtures",
        must="refused, both named",
        tests=(UNIT + "test_bad_cases.py",),
    ),
    Fault(
        name="overlapping-networks",
        row="overlaps",
        how="fixtures",
        must="refused",
        tests=(UNIT + "test_bad_cases.py",),
    ),
    Fault(
        name="node-leaves",
        row="node-removed",
        how="a bundle without it is applied, then it is turned off",
        must="no policy, SA, route or forwarding entry is left; its certificate opens nothing",
        tests=(MESH + "test_add_remove_disable",),
    ),
    Fault(
        name="node-joins",
        row="node-replaced",
        how="a node without a release joins",
        must="no ping lost in the others",
        tests=(MESH + "test_add_remove_disable",),
    ),
    Fault(
        name="machine-replaced",
        row="node-replaced",
        how="a node's disk is erased; it comes back with another SSH host key, which is accepted",
        must="refused by name without --replace; with it in, no ping lost in the others, nothing in clear",
        tests=("tests/lab/test_replaced_drill.py::test_a_node_is_replaced",),
    ),
    Fault(
        name="each-end-asks",
        row="both-initiate",
        how="both ends of every pair ask at once, each for its direction",
        must="4 SAs a pair and node, none twice",
        tests=(MESH + "test_enable_mtu_and_disable",),
    ),
    Fault(
        name="timers-while-reverting",
        row="starved",
        how="a load of 15; timers fire while the controller reverts",
        must="50 runs, nothing left on any node",
        tests=("tests/lab/test_rollback_drills.py::test_timers_fire_while_the_controller_rolls_back",),
    ),
    Fault(
        name="rollback-hindered",
        row="module-fails",
        how="in a rollback charon hangs, nft deletes nothing, disks are read-only or full, a connection stays",
        must="the transaction stays open, what is left is named, the node's own timers finish it",
        tests=(
            "tests/lab/test_rollback_drills.py::test_what_a_rollback_can_not_take_away_is_named_until_it_is_gone",
            UNIT + "test_rolled_back.py",
        ),
    ),
)
