"""One round trip to many nodes by Ansible on this machine.

Requests and answers travel as files in a private directory (0700, ours, removed at the end); Ansible gets our own
inventory, whose hosts are node ids and whose values are marked unsafe, so no template of a user is ever evaluated.
Nothing secret is in it, nor in the variables, the environment or the events of a run; pre-shared keys and passwords of
logins travel through a socket (:mod:`netplan.rollout.transport.secret_socket`) and on SSH's standard input.
"""

from __future__ import annotations

import contextlib
import math
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from netplan.agent.protocol.request import Request
from netplan.inputs.ansible_surroundings import can_use_ssh, temporary, utf8_locale
from netplan.inputs.ansible_words import of_play
from netplan.problems import ExitCode, present
from netplan.refusals import refusals, refused
from netplan.rollout.nodes.targets import TEMPLATE, Target, becomes_root
from netplan.rollout.pace import Limits
from netplan.rollout.record.events import Observer, silent
from netplan.rollout.transport import exchange
from netplan.rollout.transport.exchange import inventory_text
from netplan.rollout.transport.parts import Parts
from netplan.rollout.transport.reply import MOST_BYTES, Answer, parse
from netplan.rollout.transport.secret_socket import LINK, Handover, own_environment

PREFIX = "ipsecplan-run-"
STALE_S = 6 * 3600
ANSWERS = ("runner_on_ok", "runner_on_failed", "runner_on_unreachable")  # events that say how it went on a host
PLUGINS = Path(__file__).with_name("plugins")
# A Unix socket's path has at most 107 bytes; ssh appends the 40 of %C and, while it connects, 17 more
CONTROL_ROOM = 107 - 40 - 17 - 2
SHORT = "/tmp"  # noqa: S108  a folder of our own is made in it, 0700


class Transport(Protocol):
    """Something that carries requests to nodes: Ansible here, a stand-in in tests. ``limits``: how long it waits."""

    limits: Limits

    def step(
        self,
        requests: Mapping[str, Request],
        targets: Mapping[str, Target],
        *,
        payload: bool,
        fresh: bool,
        arrived: Callable[[str, Answer], None],
    ) -> dict[str, Answer]:
        """Carry one request to each node; call ``arrived`` for each answer as it comes."""
        ...


def playbooks() -> Path:
    """Return the folder of the plays: inside the wheel, or beside the package in a checkout."""
    package = Path(__file__).resolve().parents[2]
    installed = package / "_playbooks"
    return installed if installed.is_dir() else package.parent / "playbooks"


class AnsibleTransport:
    """Runs the play ``step.yml`` by ansible-runner; used as a context manager, which owns the private directory."""

    def __init__(self, passwords: Mapping[str, bytes] = MappingProxyType({})) -> None:
        """``passwords``: node id -> password with which its login becomes root."""
        self.limits = Limits()
        self.told: Observer = silent  # nothing happens here that would be told
        self.passwords = dict(passwords)
        self.folder: Path | None = None
        self._control: Path | None = None
        self._parts: Parts | None = None
        self._locale: dict[str, str] = {}
        self._count = 0

    def __enter__(self) -> AnsibleTransport:
        can_use_ssh()
        self._locale = utf8_locale()
        remove_leftovers()
        with refusals(temporary(), "written", "IPP212", ExitCode.FAILURE):
            self.folder = self._control = own_folder()
        if len(str(self.folder)) > CONTROL_ROOM:
            self._control = own_folder(SHORT)
        (self.folder / "ansible.cfg").write_text("[defaults]\n", encoding="utf-8")
        (self.folder / "parts").mkdir(mode=0o700)
        self._parts = Parts(self.folder / "parts")
        return self

    def __exit__(self, *_: object) -> None:
        for folder in {self.folder, self._control} - {None}:
            shutil.rmtree(str(folder), ignore_errors=True)
        self.folder = self._control = self._parts = None

    def private(self) -> Path:
        """Return the private directory; there is one inside the ``with`` block alone."""
        return present(self.folder, "the private directory")

    def parts(self) -> Parts:
        """Return what is sent once a run; there too."""
        return present(self._parts, "the parts that are sent once")

    def step(
        self,
        requests: Mapping[str, Request],
        targets: Mapping[str, Target],
        *,
        payload: bool,
        fresh: bool,
        arrived: Callable[[str, Answer], None],
    ) -> dict[str, Answer]:
        """Carry one request to each node. Never raises for a node's sake: an answer says what happened.

        Nor for this machine's (a full disk, say): what could not be sent is an answer, so that the rest is rolled back.
        """
        seen: dict[str, Answer] = {}
        try:
            self._carry(requests, targets, payload, fresh, arrived, seen)
        except OSError as error:
            problem = refused(error)
            said = f"this machine: {str(problem.location) or 'a file'}: {problem.message}"
            for node_id in requests.keys() - seen.keys():
                seen[node_id] = Answer(broken=said)
                arrived(node_id, seen[node_id])
        return seen

    def _carry(
        self,
        requests: Mapping[str, Request],
        targets: Mapping[str, Target],
        payload: bool,
        fresh: bool,
        arrived: Callable[[str, Answer], None],
        seen: dict[str, Answer],
    ) -> None:
        import ansible_runner  # 0.3 s: only who applies pays for it

        self._count += 1
        run = self.private() / f"r{self._count}"
        parts_of = self.parts()
        made = exchange.lay_out(run, requests, targets, parts_of, payload=payload)
        passwords = {i: password for i, password in self.passwords.items() if i in requests}
        exchange.put(run / "hosts.yml", inventory_text({i: targets[i] for i in requests}, passwords).encode())

        def look(event: dict[str, Any]) -> bool:
            host = event.get("event_data", {}).get("host")
            if event.get("event") in ANSWERS and host in requests:
                seen[host] = _answer(run / "out" / host, requests[host])
                if seen[host] == Answer():  # Ansible gave up before anything of ours ran there
                    seen[host] = Answer(broken=no_root(targets[host].connection, host in passwords))
                if seen[host].results:
                    parts_of.answered(host, made.sent[host], again=(run / "out" / f"{host}.again").exists())
                arrived(host, seen[host])
            return True

        with contextlib.ExitStack() as stack:
            if made.secret or passwords:
                folder = present(self._control, "the directory of sockets")
                hand = stack.enter_context(Handover(folder, made.secret, passwords))
                (run / LINK).symlink_to(hand.path)
            stack.enter_context(own_environment())
            # No secret is here: what is private is a file in ``run``, looked up by path, or comes through the socket
            ended = ansible_runner.run(
                private_data_dir=str(run),
                playbook=str(playbooks() / "step.yml"),
                inventory=str(run / "hosts.yml"),
                extravars=variables(str(run), tell=False),
                envvars=self._environment(fresh, len(requests)),
                quiet=True,
                event_handler=look,
                cancel_callback=lambda: False,
                rotate_artifacts=1,
                timeout=self.limits.step_s,
            )
        for node_id in requests:
            if node_id not in seen:
                seen[node_id] = _answer(run / "out" / node_id, requests[node_id])
                if not seen[node_id].results and not (seen[node_id].unreachable or seen[node_id].broken):
                    seen[node_id] = Answer(broken=self._why(str(ended.status), run))
                arrived(node_id, seen[node_id])
        shutil.rmtree(run, ignore_errors=True)

    def _why(self, status: str, run: Path) -> str:
        if status == "timeout":
            return self.limits.step_over
        return f"ansible ended with status {status}: {_tail(run)}"

    def _environment(self, fresh: bool, hosts: int) -> dict[str, str]:
        return {
            **ansible_settings(self.limits, fresh, hosts, str(self.private()), str(self._control), str(PLUGINS)),
            **self._locale,
            "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}",
        }


def variables(exchanged: str, *, tell: bool) -> dict[str, Any]:
    """Return the play's variables: where requests and answers lie; ``tell``: whether an answer is in its event, too."""
    return {"ipsecplan_exchange": exchanged, "ipsecplan_most_bytes": MOST_BYTES, "ipsecplan_tell": tell}


def ansible_settings(
    limits: Limits, fresh: bool, hosts: int, folder: str, control: str, plugins: str
) -> dict[str, str]:
    """Return Ansible's settings of a step to so many hosts. The folders are those of the machine where it runs.

    ``fresh``: no connection of before is used; ``control``: where sockets of connections are.
    """
    shared = f"-o ControlMaster=auto -o ControlPersist=60s -o ControlPath={control}/%C"
    own = "-o ControlMaster=no -o ControlPath=none"
    # a node that is cut off should be noticed soon, because its timer is running; a slow one must not count as one
    every = math.ceil(limits.alive_s / 3)
    alive = f" -o ForwardAgent=no -o ConnectTimeout={limits.connect_s}"
    alive += f" -o ServerAliveInterval={every} -o ServerAliveCountMax=3"
    return {
        "ANSIBLE_CONFIG": f"{folder}/ansible.cfg",
        "ANSIBLE_SSH_ARGS": (own if fresh else shared) + alive,
        "ANSIBLE_HOST_KEY_CHECKING": "True",
        "ANSIBLE_PIPELINING": "True",
        "ANSIBLE_FORKS": str(min(limits.forks, hosts)),
        "ANSIBLE_GATHERING": "explicit",
        "ANSIBLE_TIMEOUT": str(limits.prompt_s),  # for sudo on a slow node; a connection has its own limit
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_RETRY_FILES_ENABLED": "False",
        "ANSIBLE_LOCAL_TEMP": f"{folder}/tmp",  # noqa: S108  in a folder of our own
        "ANSIBLE_INVENTORY_ENABLED": "yaml",
        "ANSIBLE_COLLECTIONS_SCAN_SYS_PATH": "False",
        "ANSIBLE_LOOKUP_PLUGINS": plugins,
        "ANSIBLE_BECOME_PLUGINS": plugins,
    }


def own_folder(parent: str | None = None) -> Path:
    """Make a folder that is ours alone (0700) and says whose it is."""
    usual = parent or temporary()
    # Ansible gets this path as a variable; one with a template in it is no place for us
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=SHORT if TEMPLATE.search(usual) else usual))
    (folder / "pid").write_text(str(os.getpid()), encoding="ascii")
    return folder


def remove_leftovers() -> None:
    """Remove private directories of runs whose process is gone (it was killed before it could do so itself)."""
    for folder in [f for parent in {tempfile.gettempdir(), SHORT} for f in Path(parent).glob(PREFIX + "*")]:
        with contextlib.suppress(OSError, ValueError):
            if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
                continue
            pid = int((folder / "pid").read_text(encoding="ascii"))
            if not Path(f"/proc/{pid}").exists() or time.time() - folder.stat().st_mtime > STALE_S:
                shutil.rmtree(folder)


def _answer(path: Path, request: Request) -> Answer:
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return Answer()
    return parse(text, request)


def no_root(connection: Mapping[str, Any], password: bool) -> str:
    """Return why Ansible gave up at a node that it reached: it could not become root, as far as can be told.

    Ansible's own words are not shown with the play's `no_log`.
    """
    if not becomes_root(connection):
        return "Ansible gave up before anything was run there"
    method = str(connection.get("ansible_become_method", "sudo")).removeprefix("ipsecplan_")
    if password:
        return f"{method} did not take the password, or does not let this user become root"
    return f"{method} wants a password, or does not let this user become root"


def _tail(run: Path) -> str:
    files = sorted(run.glob("artifacts/*/stdout"))
    return of_play("".join(path.read_text(encoding="utf-8", errors="replace") for path in files))
