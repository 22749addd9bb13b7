"""One worker's part of a step: the files that it is sent, and answers out of the events that come back."""

from __future__ import annotations

import base64
import json
import shutil
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netplan.agent.protocol.request import Request
from netplan.rollout.nodes.targets import Target
from netplan.rollout.pace import Limits
from netplan.rollout.transport import exchange
from netplan.rollout.transport.ansible import (
    PLUGINS,
    AnsibleTransport,
    ansible_settings,
    no_root,
    playbooks,
    variables,
)
from netplan.rollout.transport.reply import MOST_BYTES, Answer, parse, too_long
from netplan.rollout.transport.worker_link import Job, Worker

ROOM_OF_EVENTS = str(2 * MOST_BYTES)  # above 700,000 characters ansible-runner empties a result, and says nothing
MOST_MESSAGE = 2000
PROJECT = "project"  # among what a worker was sent: the play and its plugins


@dataclass(frozen=True)
class Asked:
    """What is asked of nodes in a step, see AnsibleTransport.step."""

    requests: Mapping[str, Request]
    targets: Mapping[str, Target]
    payload: bool
    fresh: bool


@dataclass(frozen=True)
class Shard:
    """What one worker is asked in a step, and what is to be remembered of it."""

    worker: Worker
    nodes: Sequence[str]
    job: Job
    sent: Mapping[str, Mapping[str, Any]]
    parts: frozenset[str]


def made(own: AnsibleTransport, limits: Limits, worker: Worker, asked: Asked, number: int) -> Shard:
    """Write what a worker is sent, in a folder of the private directory with this number. Raises OSError."""
    staged, run, requests = own.private() / f"w{number}", f"r{number}", asked.requests
    (staged / "parts").mkdir(mode=0o700, parents=True)
    new = set[str]()

    def placed(path: str, digest: str) -> str:
        """Put a part among what is sent, unless the worker has it; return where it is there."""
        name = f"parts/{digest}"
        if name not in worker.sent and name not in new:
            shutil.copyfile(path, staged / name)
            new.add(name)
        return f"{worker.folder}/{name}"

    laid = exchange.lay_out(staged / run, requests, asked.targets, own.parts(), payload=asked.payload, placed=placed)
    passwords = {i: password for i, password in own.passwords.items() if i in requests}
    exchange.put(
        staged / "hosts.yml", exchange.inventory_text({i: asked.targets[i] for i in requests}, passwords).encode()
    )
    if PROJECT not in worker.sent:
        new.add(PROJECT)
        _put_project(staged)
    settings = ansible_settings(
        limits, asked.fresh, len(requests), worker.folder, worker.folder, f"{worker.folder}/plugins"
    )
    settings["MAX_EVENT_RES"] = ROOM_OF_EVENTS
    told = variables(f"{worker.folder}/{run}", tell=True)
    job = Job(staged, run, told, settings, laid.secret, passwords)
    return Shard(worker, list(requests), job, laid.sent, frozenset(new))


def _put_project(staged: Path) -> None:
    """Write the play with its plugins: they are the same in each step."""
    (staged / "ansible.cfg").write_text("[defaults]\n", encoding="utf-8")
    actions = staged / "project" / "action_plugins"
    actions.mkdir(parents=True)
    shutil.copyfile(playbooks() / "step.yml", staged / "project" / "step.yml")
    for folder, to in ((playbooks() / "action_plugins", actions), (PLUGINS, staged / "plugins")):
        to.mkdir(exist_ok=True)
        for path in sorted(folder.glob("*.py")):
            shutil.copyfile(path, to / path.name)


def answer_of(event: Mapping[str, Any], request: Request, target: Target, password: bool) -> Answer:
    """Return what a worker brought of a node, as untrusted as ever."""
    result = event["event_data"]["res"]
    if event["event"] == "runner_on_unreachable":
        said = str(result.get("msg") or "no connection").removeprefix("Task failed: ")
        return parse(json.dumps({"unreachable": said[:MOST_MESSAGE]}), request)
    packed = result.get("said")
    if packed is None:  # Ansible gave up before anything of ours ran there
        return Answer(broken=no_root(target.connection, password))
    try:
        opened = zlib.decompressobj()
        text = opened.decompress(base64.b64decode(packed, validate=True), MOST_BYTES + 1)
    except (ValueError, TypeError, zlib.error):
        return Answer(broken="its reply was damaged on its way")
    if len(text) > MOST_BYTES:
        return Answer(broken=too_long())
    return parse(text.decode("utf-8", "replace"), request)
