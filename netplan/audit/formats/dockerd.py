"""dockerd's options: ``--mtu`` in a unit or a drop-in of systemd, or in a file of variables that one reads.

dockerd(8): ``--mtu`` is the MTU of the default bridge, as ``mtu`` in daemon.json. systemd.service(5): an empty
``ExecStart=`` removes those before it, and a backslash at the end of a line goes on in the next one.
"""

from __future__ import annotations

import re

from netplan.audit.formats.listed import head, lines_of
from netplan.audit.model import Evidence
from netplan.cni.adapter import Setting, whole
from netplan.cni.yaml_document import find_word

_STARTS = re.compile(r"^[ \t]*(?:ExecStart\s*=.*\bdockerd\b|(?:DOCKER_OPTS|DOCKER_NETWORK_OPTIONS)=)")
_MTU = re.compile(r"--mtu[= ][\"']?(\d{2,6})\b")


def is_dockerd(text: str) -> bool:
    """Tell whether this starts dockerd, or holds its options."""
    return any(_STARTS.match(line) for line in head(text))


def read(path: str, text: str, evidence: Evidence) -> str | None:
    """Read the MTU of the default bridge; returns why there is none, or None."""
    lines = lines_of(text)
    found: tuple[int, int] | None = None
    going_on = False
    for number, line in enumerate(lines):
        if _STARTS.match(line):
            found, going_on = None, True
        if going_on and (size := _MTU.search(line)):
            found = (whole(size.group(1)) or 0, number)
        going_on = going_on and line.endswith("\\")
    if found is None or not found[0]:
        return "dockerd without --mtu: give its daemon.json, or `docker network inspect`"
    evidence.settings.append(
        Setting(
            system="docker",
            field="dockerd --mtu",
            location=find_word(path, lines, found[1], "--mtu"),
            value=found[0],
            semantics="pod",
            encap="",
            change="set --mtu of dockerd, restart it, recreate the containers of the default bridge",
        )
    )
    return None
