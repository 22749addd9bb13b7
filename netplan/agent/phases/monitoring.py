"""The timer that collects metrics on this node, where the release has one: started, and ended where it has none.

/etc/ipsecplan/node.json        what the collection knows of the plan; only with a timer
/run/ipsecplan/metrics.started  the timer's file that runs; while it exists there is something to end, for revert.sh too
"""

from __future__ import annotations

import json
import os
import subprocess

from ..system import core, paths
from ..system.core import read
from ..transaction import release, state

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..protocol.node_json import NodeJson

TIMER = "/etc/systemd/system/ipsecplan-metrics.timer"
SERVICE = "/etc/systemd/system/ipsecplan-metrics.service"
NODE = paths.ETC + "/node.json"
STARTED = state.RUN + "/metrics.started"
KEPT = state.RUN + "/metrics.json"
COMPILED = state.RUN + "/metrics.code"
FILE = "/var/lib/prometheus/node-exporter/ipsecplan.prom"
LINK = "/etc/systemd/system/timers.target.wants/ipsecplan-metrics.timer"


def settle(tx: str, node: NodeJson) -> bool:
    """Let the timer run where the release has one, and end one that it has not. True when anything changed."""
    timer, service = read(TIMER), read(SERVICE)
    if timer is None or service is None:
        return _end(tx)
    changed = release.put(tx, NODE, json.dumps(node) + "\n", 0o600)
    state.enable(TIMER, tx)
    if read(STARTED) == timer + service:
        return changed
    core.write(STARTED, timer + service)
    _systemctl("daemon-reload; systemctl restart ipsecplan-metrics.timer")
    return True


def _end(tx: str) -> bool:
    """End a timer that an earlier release had; what it wrote goes, so that nobody takes it for news."""
    if not os.path.lexists(LINK) and not os.path.exists(STARTED):
        return False
    for path in (LINK, NODE):
        if os.path.islink(path) or os.path.exists(path):
            if not os.path.islink(path):
                release.remember(tx, path)
            core.remove(path)
    core.run("systemctl", "stop", "ipsecplan-metrics.timer", "ipsecplan-metrics.service")
    for path in (FILE, KEPT, COMPILED, STARTED):
        core.remove(path)
    return True


def _systemctl(words: str) -> None:
    """Let systemd do something in the background: it takes its time to read units anew."""
    none = subprocess.DEVNULL
    argv = ["/bin/sh", "-c", "systemctl " + words]
    subprocess.Popen(argv, stdin=none, stdout=none, stderr=none, env=core.ENV, start_new_session=True)
