"""A step by several machines: each worker is sent a part of the nodes, and one that is lost is stood in for.

Engine, journal, lease, order and verdict stay here. A worker is given requests that are made, and brings answers back.
What it did not bring is asked again by another worker, at last by this machine; such a request has a higher turn of its
lease, so that a node refuses the one of before if that is still on its way.
"""

from __future__ import annotations

import queue
import re
import shutil
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib.metadata import version
from typing import Any

from netplan.agent.protocol.request import Request
from netplan.problems import ExitCode, Problem, ProblemError, quoted
from netplan.refusals import refused
from netplan.rollout.nodes.targets import Target
from netplan.rollout.pace import Limits
from netplan.rollout.record.events import Observer, WorkerLost, silent
from netplan.rollout.transport.ansible import ANSWERS, CONTROL_ROOM, AnsibleTransport
from netplan.rollout.transport.reply import Answer
from netplan.rollout.transport.secret_socket import own_environment
from netplan.rollout.transport.worker_link import Ended, Worker, ask, work
from netplan.rollout.transport.worker_shard import Asked, Shard, answer_of, made

DESTINATION = re.compile(r"(ssh://)?(?!-)[A-Za-z0-9_.:%\[\]-]+(@(?!-)[A-Za-z0-9_.:%\[\]-]+)?")
MOST_WORKERS = 32
FOLDER = re.compile(r"/[A-Za-z0-9/._-]+")
LEAVE_S = 20.0  # for a worker to remove what it has of a run
HERE = "this machine"


def destinations(names: Iterable[str]) -> tuple[str, ...]:
    """Return names of workers that are SSH destinations. Raises ValueError for what is none, and for two alike."""
    found = tuple(name.strip() for name in names)
    for name in found:
        if not DESTINATION.fullmatch(name) or len(name) > 255:
            raise ValueError(f"{quoted(name)} is no SSH destination: HOST, USER@HOST or ssh://USER@HOST:PORT")
    if len(set(found)) < len(found):
        raise ValueError("a worker is named twice")
    if len(found) > MOST_WORKERS:
        raise ValueError(f"there are more than {MOST_WORKERS} workers")
    return found


class WorkersTransport:
    """Carries steps by workers, see the module; used as a context manager, like the transport that it has inside.

    ``told`` is called with each worker that is lost, in the thread of :meth:`step`.
    """

    def __init__(self, names: Iterable[str], passwords: Mapping[str, bytes]) -> None:
        """``names``: see :func:`destinations`; ``passwords``: as of AnsibleTransport."""
        self.own = AnsibleTransport(passwords)
        self.told: Observer = silent
        self.workers = [Worker(name) for name in names]
        self._home: dict[str, Worker | None] = {}  # node -> who asks it; None: this machine
        self._turn: dict[str, int] = {}
        self._count = 0

    @property
    def limits(self) -> Limits:
        """How long is waited."""
        return self.own.limits

    @limits.setter
    def limits(self, limits: Limits) -> None:
        self.own.limits = limits

    @property
    def live(self) -> list[Worker]:
        """The workers that are asked."""
        return [worker for worker in self.workers if not worker.lost]

    def __enter__(self) -> WorkersTransport:
        self.own.__enter__()
        try:
            self._look()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        had = [worker for worker in self.workers if worker.folder]
        with own_environment():
            _each(lambda worker: ask(worker.where, {"do": "end", "folder": worker.folder}, 5, LEAVE_S), had)
        self.own.__exit__()

    def _look(self) -> None:
        """Look at all workers before anything is asked of a node. Raises ProblemError for those that can't be used."""
        with own_environment():
            found = _each(lambda worker: ask(worker.where, {"do": "look"}, self.limits.connect_s), self.workers)
        problems = []
        for worker, said in zip(self.workers, found, strict=True):
            folder = said.get("folder", "")
            if FOLDER.fullmatch(folder) and len(folder) < CONTROL_ROOM:
                worker.folder = folder
            problems += _unfit(worker, said)
        if problems:
            raise ProblemError(problems, ExitCode.FAILURE)

    def step(
        self,
        requests: Mapping[str, Request],
        targets: Mapping[str, Target],
        *,
        payload: bool,
        fresh: bool,
        arrived: Callable[[str, Answer], None],
    ) -> dict[str, Answer]:
        """Carry one request to each node. Never raises for a node's or a worker's sake: an answer says what happened.

        A node that a worker can't reach is asked once more by another way: that the worker can't reach it is no proof
        that it is gone.
        """
        seen: dict[str, Answer] = {}
        away: dict[str, Answer] = {}
        left = list(requests)
        first = True

        def take(node_id: str, answer: Answer) -> None:
            if answer.unreachable is not None and node_id not in away and self._home[node_id] is not None:
                away[node_id] = answer
                return
            seen[node_id] = answer if first else replace(answer, again=True)
            arrived(node_id, answer)

        for _ in range(len(self.workers) + 2):  # each round but the last two loses a worker
            newest = {i: self._newest(i, requests[i]) for i in left}
            shares = self._shares(left)
            here = shares.pop(None, [])
            try:
                lost = self._carry(shares, newest, targets, payload, fresh, take)
            except OSError as error:
                lost, broken = [], f"this machine: {refused(error).message}"
                for node_id in [i for i in left if i not in seen and i not in here]:
                    take(node_id, Answer(broken=broken))
            if here:
                self.own.step({i: newest[i] for i in here}, targets, payload=payload, fresh=fresh, arrived=take)
            left, first = [i for i in left if i not in seen], False
            self._go_elsewhere(left)
            for worker in lost:
                self._tell(worker, [i for i in shares[worker] if i in left], targets)
            if not left:
                break
        return seen

    def _newest(self, node_id: str, request: Request) -> Request:
        """Return a request with the turn of its lease that this node is at."""
        turn = self._turn.get(node_id)
        return {**request, "lease": {**request["lease"], "turn": turn}} if turn and "lease" in request else request

    def _shares(self, nodes: Sequence[str]) -> dict[Worker | None, list[str]]:
        """Return who asks which nodes: each is asked by the same one as before, over its connection."""
        found: dict[Worker | None, list[str]] = {}
        for node_id in nodes:
            home = self._home.get(node_id)
            if node_id not in self._home or (home is not None and home.lost):
                home = self._home[node_id] = self._least_busy(())
            found.setdefault(home, []).append(node_id)
        return found

    def _least_busy(self, but: Sequence[Worker | None]) -> Worker | None:
        """Return the live worker that has the fewest nodes, None for this machine where there is none."""
        homes = list(self._home.values())
        live = [worker for worker in self.workers if not worker.lost and worker not in but]
        return min(live, key=lambda worker: sum(home is worker for home in homes), default=None)

    def _go_elsewhere(self, nodes: Sequence[str]) -> None:
        for node_id in nodes:
            self._turn[node_id] = self._turn.get(node_id, 0) + 1
            self._home[node_id] = self._least_busy((self._home[node_id],))

    def _tell(self, worker: Worker, nodes: Sequence[str], targets: Mapping[str, Target]) -> None:
        homes = [self._home[i] for i in nodes]
        by = tuple(sorted({home.where if home else HERE for home in homes}))
        names = tuple(targets[i].name for i in nodes)
        self.told(WorkerLost(worker=worker.where, reason=worker.lost, nodes=names, by=by, left=len(self.live)))

    def _carry(
        self,
        shares: Mapping[Worker | None, Sequence[str]],
        requests: Mapping[str, Request],
        targets: Mapping[str, Target],
        payload: bool,
        fresh: bool,
        take: Callable[[str, Answer], None],
    ) -> list[Worker]:
        """Let workers ask their nodes at the same time; return those that were lost. Raises OSError."""
        shards = [
            self._shard(worker, Asked({i: requests[i] for i in nodes}, targets, payload, fresh))
            for worker, nodes in shares.items()
            if worker is not None
        ]
        heard: queue.SimpleQueue[tuple[Shard, dict[str, Any] | Ended]] = queue.SimpleQueue()
        with own_environment():
            threads = [threading.Thread(target=self._run, args=(shard, heard), daemon=True) for shard in shards]
            for thread in threads:
                thread.start()
            try:
                return self._hear(shards, heard, requests, targets, take)
            finally:
                for thread in threads:
                    thread.join()
                for shard in shards:
                    shutil.rmtree(shard.job.staged, ignore_errors=True)

    def _hear(
        self,
        shards: Sequence[Shard],
        heard: queue.SimpleQueue[tuple[Shard, dict[str, Any] | Ended]],
        requests: Mapping[str, Request],
        targets: Mapping[str, Target],
        take: Callable[[str, Answer], None],
    ) -> list[Worker]:
        """Take what workers bring, in the main thread, until all have ended; return those that were lost."""
        lost, running, answered = [], len(shards), set[str]()
        while running:
            shard, said = heard.get()
            if isinstance(said, Ended):
                running -= 1
                rest = [i for i in shard.nodes if i not in answered]
                shard.worker.lost = self._why(said, rest, take)
                if shard.worker.lost:
                    lost.append(shard.worker)
                shard.worker.sent |= shard.parts
                continue
            node_id = said["event_data"]["host"]
            if said["event"] in ANSWERS and node_id in shard.nodes and node_id not in answered:
                answered.add(node_id)
                answer = answer_of(said, requests[node_id], targets[node_id], node_id in self.own.passwords)
                if answer.results:
                    again = said["event_data"]["res"].get("again") is True
                    self.own.parts().answered(node_id, shard.sent[node_id], again=again)
                take(node_id, answer)
        return lost

    def _why(self, ended: Ended, rest: Sequence[str], take: Callable[[str, Answer], None]) -> str:
        """Return why a worker is lost, empty where it is not; nodes that hang in a worker's Ansible have an answer."""
        if ended.why:
            return ended.why
        if not rest:
            return ""
        if ended.status == "timeout":
            for node_id in rest:
                take(node_id, Answer(broken=self.limits.step_over))
            return ""
        return f"its Ansible ended with status {ended.status}: {ended.printed or 'no output'}"

    def _shard(self, worker: Worker, asked: Asked) -> Shard:
        """Write what a worker is sent. Raises OSError."""
        self._count += 1
        return made(self.own, self.limits, worker, asked, self._count)

    def _run(self, shard: Shard, heard: queue.SimpleQueue[tuple[Shard, dict[str, Any] | Ended]]) -> None:
        """Let one worker do its part, in a thread: what comes of it is for the main one."""

        def hear(event: dict[str, Any]) -> bool:
            heard.put((shard, event))
            return False  # it is not kept on disk

        try:
            ended = work(shard.worker, shard.job, self.limits, hear)
        except Exception as error:  # noqa: BLE001  whatever it is, the nodes are asked by another way
            ended = Ended("error", f"{type(error).__name__}: {error}")
        heard.put((shard, ended))


def _each(act: Callable[[Worker], dict[str, Any]], workers: Sequence[Worker]) -> list[dict[str, Any]]:
    """Do something with all workers at the same time."""
    if not workers:
        return []
    with ThreadPoolExecutor(len(workers)) as pool:
        return list(pool.map(act, workers))


def _unfit(worker: Worker, said: Mapping[str, Any]) -> list[Problem]:
    """Return why a worker can't be used, by what it said when it was looked at."""
    where = quoted(worker.where)
    if "wrong" in said:
        hint = f"`ssh {worker.where} python3 --version` has to work without a question"
        return [Problem("IPP656", f"worker {where} can't be used: {said['wrong']}", hint=hint)]
    problems = []
    for key, name in (("core", "ansible-core"), ("runner", "ansible-runner")):
        ours, theirs = version(name), said.get(key)
        if theirs is None or _line(theirs) != _line(ours):
            text = f"worker {where} has {'no ' + name if theirs is None else f'{name} {theirs}'}; here it is {ours}"
            hint = f"on the worker: `python3 -m venv ~/ipsecplan && ~/ipsecplan/bin/pip install {name}=={ours}`"
            problems.append(Problem("IPP657", text, hint=hint))
    if not problems and not worker.folder:
        problems.append(Problem("IPP656", f"worker {where} can't be used: it named no folder of its own"))
    return problems


def _line(text: str) -> list[str]:
    """Return what has to be the same of a version: 2.19 of 2.19.14."""
    return text.split(".")[:2]
