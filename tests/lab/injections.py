"""What the fault drills do to a node while an apply is at work on it: shell words, run on one node or on the guest.

``heal`` ends what would otherwise stay. Names are used by tests/lab/faults.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from netplan.lab.cluster import Lab

from .rollout_steps import Rollout

VICTIM = "n2"
UNIT = "systemd-run --quiet --collect"


@dataclass(frozen=True)
class Injection:
    """A fault to inject and how to end it. ``finishes``: the apply must succeed in spite of it."""

    inject: Callable[[Lab], None]
    heal: Callable[[Lab], None] = lambda _: None
    finishes: bool = False


def on(script: str, where: str = VICTIM) -> Callable[[Lab], None]:
    """Return what runs a shell script on a node."""

    def act(lab: Lab) -> None:
        lab.exec(where, ["sh", "-c", script])

    return act


def _flap(lab: Lab) -> None:
    on(f"{UNIT} sh -c 'ip link set eth0 down; sleep 2; ip link set eth0 up'")(lab)


def _block(match: str) -> Injection:
    rules = (
        f"table inet drill {{ chain i {{ type filter hook input priority -300; {match} drop; }}; "
        f"chain o {{ type filter hook output priority -300; {match} drop; }}; }}"
    )
    return Injection(on(f"nft -f - <<'E'\n{rules}\nE"), on("nft delete table inet drill"))


def _power(lab: Lab) -> None:
    lab.power_cut(VICTIM)


def _back(lab: Lab) -> None:
    lab.wait(VICTIM)


AGENT = 'read -r p </run/ipsecplan/agent && kill -s KILL -- "-$p" || kill -9 "$p"'
INJECTIONS: dict[str, Injection] = {
    "charon-killed": Injection(on("kill -9 $(pidof charon-systemd)"), on("systemctl restart strongswan")),
    "charon-stopped": Injection(on("systemctl stop strongswan"), on("systemctl start strongswan")),
    "node-power-cut": Injection(_power, _back),
    "agent-killed": Injection(on(f"for i in $(seq 9000); do {AGENT} && exit; sleep 0.05; done")),
    "nft-flushed": Injection(on("nft flush ruleset")),
    "xfrm-flushed": Injection(on("ip xfrm policy flush; ip xfrm state flush")),
    "ike-blocked": _block("udp dport { 500, 4500 }"),
    "esp-blocked": _block("meta l4proto esp"),
    "path-mtu-shrunk": Injection(
        on(f"ip link set vb-{VICTIM} mtu 1400", "guest"), on(f"ip link set vb-{VICTIM} mtu 1500", "guest")
    ),
    "link-flap": Injection(_flap),
    "pod-made-meanwhile": Injection(on("pod add late"), on("pod del late"), finishes=True),
    "cpu-starved": Injection(
        on(f"for i in 1 2 3 4; do {UNIT} --unit=burn-$i sh -c 'while :; do :; done'; done"),
        on("systemctl stop 'burn-*'"),
        finishes=True,
    ),
}


def ends_wholly(rollout: Rollout, code: int) -> str:
    """Return "new" or "old" when every node ended the same way, else what is mixed, in words."""
    from .rollout_steps import is_old

    nodes = rollout.status()
    if code == 0 and all(n["state"]["state"] == "confirmed" and not n["differs"] for n in nodes.values()):
        return "new"
    if len(nodes) == len(rollout.names) and all(is_old(node) for node in nodes.values()):
        return "old"
    return "; ".join(
        f"{name}: {n['state']['state']} guard {n['guard']['mode']} {n['connections']} connections {n['states']} states "
        f"{n['policies']} policies timers {n['timers']} differs {n['differs'][:2]}"
        for name, n in nodes.items()
    )
