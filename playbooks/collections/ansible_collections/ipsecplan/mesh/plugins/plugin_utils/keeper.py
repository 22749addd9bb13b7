# Copyright: The ipsecplan authors
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""How a task talks to the process that keeps the engine: one line of JSON there, one back, over a socket of ours."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import stat
import subprocess
import typing as t
from pathlib import Path

from ansible.errors import AnsibleActionFail

PROTOCOL = 1  # must be that of the installed program
MOST_LINE = 1 << 26


def start(python: str, request: dict[str, t.Any]) -> str:
    """Start the process and return the path of its socket. Raises AnsibleActionFail."""
    try:
        process = subprocess.Popen(
            [python, "-P", "-m", "netplan.play"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        raise AnsibleActionFail(f"{python} can't be started: {error.strerror}") from None
    with process.stdout, process.stderr:
        with contextlib.suppress(BrokenPipeError), process.stdin:  # what it says is why
            process.stdin.write(json.dumps({**request, "protocol": PROTOCOL}) + "\n")
        try:
            said = json.loads(process.stdout.readline() or "null")
        except ValueError:
            said = None
        if isinstance(said, dict) and "socket" in said:
            return str(said["socket"])
        words = process.stderr.read().strip().splitlines()[-1:]
    process.wait()
    if isinstance(said, dict) and said.get("lines"):
        raise AnsibleActionFail("\n".join(said["lines"]))
    why = words[0] if words else "it ended without a word"
    raise AnsibleActionFail(f"{python} can't run ipsecplan ({why}): `pip install ipsecplan` there, or give `python`")


def ask(path: str, request: dict[str, t.Any]) -> dict[str, t.Any]:
    """Send what a task asks for and return the answer, when there is one. Raises AnsibleActionFail."""
    try:
        about = Path(path).parent.lstat()
    except OSError:
        raise AnsibleActionFail("the run is over: its process is gone, and nodes roll back by their timers") from None
    if about.st_uid != os.geteuid() or stat.S_IMODE(about.st_mode) & 0o077:
        raise AnsibleActionFail(f"run: {path} is not in a folder that is ours alone")
    with socket.socket(socket.AF_UNIX) as hand:
        try:
            hand.connect(path)
            hand.sendall(json.dumps(request).encode() + b"\n")
            with hand.makefile("rb") as lines:
                line = lines.readline(MOST_LINE)
        except OSError:
            line = b""
    if not line:
        raise AnsibleActionFail("the engine's process ended: the nodes roll back by their timers (`ipsecplan status`)")
    answer: dict[str, t.Any] = json.loads(line)
    return answer


def failure(ended: dict[str, t.Any], own: t.Sequence[str] = ()) -> str:
    """Return why a task failed: what is wrong with its own host first, then with the run, then how that ended."""
    rest = [line for line in ended["problem_lines"] if line not in own]
    return "\n".join([*own, *rest, *ended["lines"]]) or ended["outcome"]
