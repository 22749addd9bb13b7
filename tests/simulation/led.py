"""Leads the modules of the engine and of the agent to the played clock, disks and commands, and back."""

from __future__ import annotations

import contextlib
import importlib
import pkgutil
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import netplan.agent
import netplan.rollout
from netplan.agent import main
from netplan.agent.system import core, vici, xfrm
from netplan.agent.transaction import release, state
from tests.simulation import played
from tests.simulation.disk import Here, Os, glob_of, shutil_of
from tests.simulation.machine import Node, Vici
from tests.simulation.world import EPOCH, World


def _modules(package: ModuleType) -> list[ModuleType]:
    for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        importlib.import_module(found.name)
    return [m for name, m in sys.modules.items() if name.startswith(package.__name__ + ".")]


class _Swapped:
    """Names of modules that stand for something else for a while."""

    def __init__(self) -> None:
        self._before: list[tuple[dict[str, Any], str, Any]] = []

    def put(self, module: ModuleType, name: str, value: Any) -> None:
        names = vars(module)
        self._before.append((names, name, names.get(name, self)))
        names[name] = value

    def back(self) -> None:
        for names, name, value in reversed(self._before):
            if value is self:
                del names[name]
            else:
                names[name] = value


def _times(monotonic: Any, wall: Any, sleep: Any) -> Any:
    return SimpleNamespace(
        monotonic=monotonic,
        monotonic_ns=lambda: int(monotonic() * 1e9),
        time=wall,
        sleep=sleep,
        perf_counter=monotonic,
        gmtime=lambda seconds=None: time.gmtime(wall() if seconds is None else seconds),
        localtime=lambda seconds=None: time.gmtime(wall() if seconds is None else seconds),
        strftime=lambda form, at=None: time.strftime(form, at or time.gmtime(wall())),
    )


@contextlib.contextmanager
def led(world: World, seed: int) -> Iterator[None]:
    """Let engine and agent live in ``world`` while this is open."""
    here, swapped = Here(), _Swapped()
    at: list[Node] = []
    clock, chance = world.clock, random.Random(f"words {seed}")

    def inside(seconds: float) -> None:
        at[-1].work += seconds

    node_time = _times(lambda: clock.now + at[-1].work, lambda: EPOCH + clock.now + at[-1].work + at[-1].ahead, inside)
    our_time = _times(lambda: clock.now, lambda: EPOCH + clock.now, lambda s: world.run_until(clock.now + s))

    def command(argv: list[str], **_: Any) -> Any:
        code, out = at[-1].command(list(map(str, argv)))
        return SimpleNamespace(returncode=code, stdout=out.encode(), stderr=b"")

    instead = {
        "os": Os(here),
        "time": node_time,
        "shutil": shutil_of(here),
        "glob": glob_of(here),
        "fcntl": SimpleNamespace(flock=lambda *_: None, LOCK_EX=2, LOCK_NB=4),
        "subprocess": SimpleNamespace(run=command, Popen=command, DEVNULL=-3, TimeoutExpired=subprocess.TimeoutExpired),
    }
    for module in _modules(netplan.agent):
        for name, value in instead.items():
            if isinstance(vars(module).get(name), ModuleType):
                swapped.put(module, name, value)
        swapped.put(module, "open", here.open)
    hexes = SimpleNamespace(token_hex=lambda size: f"{chance.getrandbits(8 * size):0{2 * size}x}")
    for module in _modules(netplan.rollout):
        for name, value in (("time", our_time), ("secrets", hexes)):
            if isinstance(vars(module).get(name), ModuleType):
                swapped.put(module, name, value)

    @contextlib.contextmanager
    def entered(node: Node) -> Iterator[None]:
        at.append(node)
        here.disk = node.disk
        try:
            yield
        finally:
            at.pop()
            if at:
                here.disk = at[-1].disk

    world.entered = entered
    real = main.function_of
    swapped.put(main, "function_of", lambda p: world.phase(at[-1], p.name, real(p) if p.name in played.REAL else None))
    swapped.put(main, "sys", main.sys)
    swapped.put(main, "memory", SimpleNamespace(hide=lambda: None))
    for module in _modules(netplan.agent):
        for name, value in (("write", lambda *a, **k: here.disk.write(*a, **k)), ("read", here.text)):
            if vars(module).get(name) is getattr(core, name) and module is not core:
                swapped.put(module, name, value)
    for name, value in (("write", lambda *a, **k: here.disk.write(*a, **k)), ("read", here.text)):
        swapped.put(core, name, value)
    swapped.put(release, "tools", lambda *_: _tools())
    swapped.put(vici, "Vici", lambda *_: Vici(at[-1]))
    swapped.put(vici, "sas", lambda: [(pair, {"state": "ESTABLISHED"}) for pair in at[-1].sas])
    swapped.put(vici, "connections", lambda: {pair: {} for pair in at[-1].of_pair} if at[-1].loaded else {})
    swapped.put(vici, "traps", lambda: set(at[-1].of_pair) if at[-1].traps else set())
    swapped.put(xfrm, "open_to", lambda _: ["here"] if at[-1].wide else [])
    try:
        yield
    finally:
        swapped.back()


def _tools() -> None:
    state.core.write(state.SCRIPT, "#!/bin/sh\n", 0o755)
