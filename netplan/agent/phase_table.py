"""Every phase: its name, its title, the function that serves it, and what a node asks before it runs.

The controller and the node share this table. It imports nothing but the standard library, and no phase's module: a node
imports those by name, when a request asks for them, because imports are a third of a round trip on a slow node.
"""

from __future__ import annotations


class Phase:
    """One phase.

    ``module`` is below the agent's package; ``function`` takes the request, and with ``archive`` also the files of the
    release as a tar. ``needs_open``: the transaction of the request must be open on the node. ``read_only``: changes
    nothing, so it needs neither the node's lock nor a lease. ``undoes``: the phases whose work it takes away;
    ``rolls_back``: it is part of rolling a transaction back. ``raises``: it makes an MTU larger.
    """

    def __init__(
        self,
        name: str,
        title: str,
        module: str,
        function: str,
        *,
        needs_open: bool = True,
        read_only: bool = False,
        archive: bool = False,
        rolls_back: bool = False,
        raises: bool = False,
        undoes: tuple[str, ...] = (),
    ) -> None:
        self.name, self.title, self.module, self.function = name, title, module, function
        self.needs_open, self.read_only, self.archive = needs_open, read_only, archive
        self.rolls_back, self.raises, self.undoes = rolls_back, raises, undoes


_PHASES = (
    Phase("status", "what each node has now", "phases.status", "status", needs_open=False, read_only=True),
    Phase("counters", "what counts on each node", "phases.counters", "counters", needs_open=False, read_only=True),
    Phase("facts", "which strongSwan each node has", "phases.facts", "facts", needs_open=False, read_only=True),
    Phase(
        "preflight",
        "everything that could go wrong, looked for first",
        "phases.preflight",
        "preflight",
        needs_open=False,
        read_only=True,
    ),
    Phase(
        "reachability",
        "protocol 50 and UDP 4500 between every two nodes, once more",
        "phases.preflight",
        "collect",
        needs_open=False,
        read_only=True,
    ),
    Phase("arm", "rollback timer on every node", "phases.arm", "arm", needs_open=False, archive=True),
    Phase("lower-senders", "pods send the smaller size", "phases.overlay_mtu", "lower_senders"),
    Phase("stage", "files, key and a counting guard; nothing takes effect", "phases.stage", "stage", archive=True),
    Phase("lower-devices", "devices take the smaller size", "phases.overlay_mtu", "lower_devices"),
    Phase("credentials", "certificates signed, connections loaded", "phases.credentials", "credentials"),
    Phase("ike-check", "IKE tried with every peer, no traffic touched", "phases.ike", "ike_check"),
    Phase("permissive", "clear and encrypted packets both accepted", "phases.ike", "permissive"),
    Phase("encrypt", "pairs encrypt, each end asking for what it sends on", "phases.ike", "encrypt"),
    Phase("rekey", "a rekey asked for now: what would fail in an hour fails here", "phases.rekey", "rekey"),
    Phase("trap", "policies that never let a lost SA mean clear traffic", "phases.ike", "trap"),
    Phase("soak", "no clear packet, no XFRM error", "phases.ike", "soak"),
    Phase("enforce", "clear overlay packets are dropped", "phases.ike", "enforce"),
    Phase("probe", "proof on the wire", "phases.probe", "probe", needs_open=False, read_only=True),
    Phase("hold", "timer armed anew while others take their turn", "phases.arm", "hold"),
    Phase("await-confirm", "proven; kept once somebody confirms, else rolled back", "phases.arm", "await_confirm"),
    Phase("prepare", "every node could confirm by itself; over a new connection", "phases.confirm", "prepare"),
    Phase("confirm", "kept: one node decides, the others follow", "phases.confirm", "confirm", needs_open=False),
    Phase(
        "load-psk",
        "pre-shared keys loaded; live SAs don't use them",
        "phases.renewal",
        "load_psk",
        needs_open=False,
    ),
    Phase("load-ca", "the CAs that peers may be certified by", "phases.renewal", "load_ca", needs_open=False),
    Phase("new-key", "a new key made on the node", "phases.renewal", "new_key", needs_open=False),
    Phase(
        "install-certificate",
        "the new certificate taken; live SAs don't use it",
        "phases.renewal",
        "install_certificate",
        needs_open=False,
    ),
    Phase("release-lease", "free for other control machines", "transaction.lease", "release_lease", needs_open=False),
    Phase(
        "accept-both",
        "clear and encrypted packets both accepted again",
        "phases.undo",
        "accept_both",
        needs_open=False,
        rolls_back=True,
        undoes=("enforce", "trap"),
    ),
    Phase(
        "send-clear",
        "packets leave in clear before SAs end",
        "phases.undo",
        "send_clear",
        needs_open=False,
        rolls_back=True,
        undoes=("encrypt",),
    ),
    Phase(
        "roll-back",
        "SAs ended, files as before",
        "phases.undo",
        "roll_back",
        needs_open=False,
        rolls_back=True,
        undoes=("arm", "stage", "credentials", "ike-check", "permissive"),
    ),
    Phase(
        "read-back",
        "nothing of it is left, read over a new connection",
        "phases.undo",
        "read_back",
        needs_open=False,
        read_only=True,
    ),
    Phase(
        "restore-devices",
        "devices take the old size again",
        "phases.overlay_mtu",
        "restore_devices",
        needs_open=False,
        raises=True,
        undoes=("lower-devices",),
    ),
    Phase(
        "clean-up",
        "pods send the old size again, nothing of ours is left",
        "phases.undo",
        "clean_up",
        needs_open=False,
        raises=True,
        undoes=("lower-senders",),
    ),
    Phase(
        "raise-devices",
        "devices take the release's size",
        "phases.raise_mtu",
        "raise_devices",
        needs_open=False,
        raises=True,
    ),
    Phase(
        "raise-senders",
        "pods send the release's size",
        "phases.raise_mtu",
        "raise_senders",
        needs_open=False,
        raises=True,
    ),
    # apart from the apply's: those belong to an open transaction, these to a confirmed release
    Phase(
        "lower-senders-again",
        "pods send the smaller size again",
        "phases.raise_mtu",
        "lower_senders_again",
        needs_open=False,
        undoes=("raise-senders",),
    ),
    Phase(
        "lower-devices-again",
        "devices take the smaller size again",
        "phases.raise_mtu",
        "lower_devices_again",
        needs_open=False,
        undoes=("raise-devices",),
    ),
)
PHASES: dict[str, Phase] = {phase.name: phase for phase in _PHASES}
READ_ONLY = frozenset(phase.name for phase in _PHASES if phase.read_only)
ROLL_BACK = tuple(phase.name for phase in _PHASES if phase.rolls_back)


def title(name: str) -> str:
    """Return the title of a phase; empty for one that is not in the table."""
    return PHASES[name].title if name in PHASES else ""
