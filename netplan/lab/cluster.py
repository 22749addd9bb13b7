"""A lab: a small real cluster on this machine. Starts, saves, restores and ends it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from netplan.lab import guest_config, logins, snapshots, uml_kernel
from netplan.lab.backend import UNSAVED, Backend, choose, machine
from netplan.lab.booting import await_nodes
from netplan.lab.config import GUEST, NETWORK, LabConfig, check_name
from netplan.lab.image import Image, built, ensure_images
from netplan.lab.lab_control import ANSWER_LIMIT, RUN_CLUSTER, Handle, Say
from netplan.lab.logins import Login
from netplan.lab.namespaces_backend import DirectMachine
from netplan.lab.packages import require_programs
from netplan.lab.paths import cache_home, labs_home, locked, private_dir, remove_tree
from netplan.lab.qemu import Machine
from netplan.lab.releases import STABLE
from netplan.lab.ssh import KEY_FILE, Ssh, free_ports, names_with_guest
from netplan.lab.state import State, write_product_files
from netplan.lab.uml import UmlMachine
from netplan.problems import DefectError, ExitCode, ProblemError, fail, quoted

# seconds in which the console has said nothing new; a whole boot takes 1, 3, 20 when the machine has nothing else to do
_BOOT_LIMIT = {"direct": 120.0, "kvm": 180.0, "emulated": 600.0, "uml": 600.0}
ROOT = Login()
# Using these once before saving puts them into the saved memory, so that a restored cluster's first play is fast.
_WARM = (
    "import json, zipfile, tempfile, subprocess, shlex, hashlib, ipaddress, socket, selectors, base64, ssl, "
    "importlib.util, traceback, logging, locale, syslog, select, pwd, grp, platform, glob, datetime, runpy;"
    "[subprocess.run(c, capture_output=True) for c in (['swanctl','--stats'], ['nft','list','ruleset'],"
    "['pki','--help'], ['tcpdump','--version'], ['ip','xfrm','state'], ['networkctl'], ['ping','-c1','127.0.0.1'])]"
)


class Lab(Handle):
    """One lab. Start it with :meth:`up`, or get a running one with :meth:`attach`."""

    # -- coming and going ---------------------------------------------------------------------------------------

    @classmethod
    def up(
        cls,
        name: str = "lab",
        *,
        nodes: int = 3,
        family: str = "ipv4",
        mtu: int = 1500,
        overlay: str = "vxlan",
        release: str = STABLE,
        mix: Mapping[str, str] | None = None,
        kernel: str = "",
        peer: str = "",
        backend: str = "auto",
        fresh: bool = False,
        login: Login = ROOT,
        say: Say | None = None,
    ) -> Lab:
        """Start a lab and return it when every node answers; ``mtu`` is the underlay's, in bytes.

        ``login``: how the inventory reaches its nodes; :meth:`exec` is root whatever it is. ``release``, ``mix``,
        ``kernel`` and ``peer`` are those of :class:`~netplan.lab.config.LabConfig`.
        A lab of that name that already runs with these parameters is returned as it is, with another login after it was
        made. What a crash left behind is cleared away. ``fresh`` boots even if a saved one could be restored.
        """
        tell = say or _silent
        size = {"nodes": nodes, "family": family, "mtu": mtu, "overlay": overlay}
        config = LabConfig.from_dict(size | {"release": release, "mix": mix or {}, "kernel": kernel, "peer": peer})
        folder = labs_home() / check_name(name)
        require_programs(build=False)
        private_dir(labs_home())
        with locked(folder):
            running = cls._running(name, config, login, tell)
            if running is not None:
                tell("already running")
                return running
            try:
                image = ensure_images({*config.releases.values()}, config.kernel, tell)
                chosen = choose(backend, image, tell)
                tell(f"backend: {chosen.name} ({chosen.reason})")
                return cls._start(name, config, image, chosen, fresh, tell).log_in(login)
            except BaseException:
                clear(folder)
                remove_tree(folder)
                raise

    @classmethod
    def _running(cls, name: str, config: LabConfig, login: Login, say: Say) -> Lab | None:
        """Return the lab if it runs as wanted; clear away anything else that is dead."""
        folder = labs_home() / name
        state = _alive(folder)
        if state is not None:
            if state.config != config:
                message = f"the lab {quoted(name)} runs with other parameters: {state.config.words}"
                hint = f"`ipsecplan lab down --name {name}` first, or choose another --name"
                fail("IPP807", message, hint=hint, exit_code=ExitCode.FAILURE)
            lab = cls(name, state, say)
            return lab if state.login == login else lab.log_in(login)
        if any(folder.iterdir()):
            say("clearing what an earlier run left behind")
            clear(folder)
        return None

    @classmethod
    def _start(cls, name: str, config: LabConfig, image: Image, chosen: Backend, fresh: bool, say: Say) -> Lab:
        if chosen.name in UNSAVED:
            return cls._boot(name, config, image, chosen, say)
        folder = snapshots.clean_folder(image, chosen.name, config)
        with locked(folder):
            found = None if fresh else snapshots.load(folder)
            if found is not None:
                try:
                    return cls._from_saved(name, found, image, chosen, say)
                except ProblemError as error:
                    say(f"the saved cluster can't be used ({error}); booting instead")
                    clear(labs_home() / name)
            return cls._boot(name, config, image, chosen, say)

    @classmethod
    def _boot(cls, name: str, config: LabConfig, image: Image, chosen: Backend, say: Say) -> Lab:
        lab = cls(name, _new_state(config, image, chosen), say)
        lab._boot_here(image)
        return lab

    def _boot_here(self, image: Image) -> None:
        keys = guest_config.Keys.make(self.config)
        self.state = replace(self.state, host_keys={name: key.public for name, key in keys.hosts.items()})
        (self.directory / snapshots.DISK).touch(mode=0o600)
        lists = uml_kernel.ensure(self._say).lists() if isinstance(self._machine, UmlMachine) else {}
        for last in (False, True):  # once in hundreds of boots an emulated guest ended before it had said a word
            (self.directory / snapshots.DISK).write_bytes(guest_config.first_boot(self.config, keys, lists))
            self._launch(image, None)
            self.ssh.write_files(keys.client, self.state.host_keys, self.state.ports)
            if await_nodes(self._machine, self.config.names, _BOOT_LIMIT[self.state.backend], self._say, last=last):
                break
            self._say("the guest ended without a word: booting once more")
        self.ssh.wait(self.config.names, RUN_CLUSTER, ANSWER_LIMIT, keep=False)
        self._say("all nodes run")
        if isinstance(self._machine, Machine):
            self.ssh.run(self.config.names[0], ["python3", "-c", _WARM], keep=False)
            self._save_to(Path(self.state.clean), " for the next time")
            self._renew(self.ssh)
        self._finish("booted")

    @classmethod
    def _from_saved(cls, name: str, found: snapshots.Saved, image: Image, chosen: Backend, say: Say) -> Lab:
        lab = cls(name, _new_state(found.config, image, chosen), say)
        began = time.monotonic()
        lab._load(found, image)
        lab._finish("restored")
        say(f"restored from saved cluster, {time.monotonic() - began:.1f} s")
        return lab

    @classmethod
    def attach(cls, name: str = "lab", say: Say | None = None) -> Lab:
        """Return a running lab. Raises ProblemError if it doesn't run."""
        folder = labs_home() / check_name(name)
        state = _alive(folder)
        if state is None:
            hint = f"`ipsecplan lab up --name {name}` starts it"
            fail("IPP806", f"no lab {quoted(name)} is running", hint=hint, exit_code=ExitCode.FAILURE)
        return cls(name, state, say or _silent)

    @classmethod
    def from_file(cls, file: Path, name: str = "lab", say: Say | None = None) -> Lab:
        """Return the lab ``name`` in the state that a file of :meth:`save` has, started if it doesn't run."""
        tell = say or _silent
        folder = labs_home() / check_name(name)
        require_programs(build=False)
        private_dir(labs_home())
        with locked(folder):
            state = _alive(folder)
            if state is None:
                clear(folder)
            try:
                with snapshots.unpacked(file, folder / "restoring") as found:
                    if state is not None:
                        lab = cls(name, state, tell)
                        lab._replace(found)
                        return lab
                    chosen = Backend("kvm" if found.backend == "kvm" else "emulated", "as it was saved")
                    return cls._from_saved(name, found, built(found.image, found.others), chosen, tell)
            except BaseException:
                if _alive(folder) is None:
                    clear(folder)
                    remove_tree(folder)
                raise

    def down(self) -> None:
        """End the lab and delete its folder; only the cache stays."""
        down(self.name)

    def __enter__(self) -> Lab:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.down()

    def save(self, file: Path | None = None) -> Path:
        """Write the running cluster, as it is now, to a file; it runs on. Returns the file."""
        if not isinstance(self._machine, Machine):
            fail("IPP808", f"a lab of the backend {self.state.backend} can't be saved", exit_code=ExitCode.FAILURE)
        target = file or default_file(self.name)
        if file is None:
            private_dir(target.parent)
        if target.is_dir() or not target.parent.is_dir():
            fail("IPP808", f"can't save to {quoted(target)}: no such folder, or it is one", exit_code=ExitCode.FAILURE)
        scratch = private_dir(self.directory / "saving")
        try:
            self._save_to(scratch)
            snapshots.pack(scratch, target)
        finally:
            remove_tree(scratch)
        self._guest("date", "-u", "-s", f"@{time.time():.2f}")
        return target

    def restore(self, file: Path | None = None) -> None:
        """Put the cluster back to what a file of :meth:`save` has, or to the clean cluster if no file is given."""
        with locked(self.directory), ExitStack() as stack:
            if file is None and self.state.backend in UNSAVED:
                self.ssh.close()
                self._machine.kill()
                self._boot_here(built(self.state.image, self.state.others))
                return
            if file is None:
                found = snapshots.load(Path(self.state.clean)) if self.state.clean else None
            else:
                found = stack.enter_context(snapshots.unpacked(file, self.directory / "restoring"))
            if found is None:
                message = "the cache has no clean cluster of this lab any more; `lab up --fresh` makes one"
                fail("IPP808", message, exit_code=ExitCode.FAILURE)
            self._replace(found)

    # -- parts of the above -------------------------------------------------------------------------------------

    def _replace(self, found: snapshots.Saved) -> None:
        image = built(found.image, found.others)
        self.ssh.close()
        self._machine.kill()
        chosen = Backend("kvm" if found.backend == "kvm" else "emulated", self.state.reason)
        state = _new_state(found.config, image, chosen)
        ports = {name: self.state.ports.get(name, port) for name, port in state.ports.items()}
        # the same ports where possible: what was written down stays true
        self.state = replace(state, ports=ports, login=self.state.login)
        self._machine = machine(chosen.name, self.directory)
        self._load(found, image)
        self._finish("restored")

    def _load(self, found: snapshots.Saved, image: Image) -> None:
        """Start the machine from a saved cluster, then give it this lab's own keys, the time and new randomness."""
        shutil.copyfile(found.folder / snapshots.DISK, self.directory / snapshots.DISK)
        (self.directory / snapshots.DISK).chmod(0o600)
        self._launch(image, found.memory)
        former = Ssh(private_dir(self.directory / "former"))
        try:
            key = guest_config.KeyPair((found.folder / KEY_FILE).read_bytes(), "")
            former.write_files(key, found.host_keys, self.state.ports)
            self._renew(former)
        finally:
            remove_tree(former.folder)

    def _renew(self, former: Ssh) -> None:
        """Replace the keys that ``former`` has by new ones; the saved ones stay good for the saved cluster only."""
        keys = guest_config.Keys.make(self.config)
        self.state = replace(self.state, host_keys={name: key.public for name, key in keys.hosts.items()})
        script = ["/usr/lib/ipsecplan-lab/refresh.sh", f"{time.time():.2f}", *self.config.names]
        done = former.run(GUEST, script, stdin=guest_config.refresh(keys), timeout=ANSWER_LIMIT, keep=False)
        if done.returncode != 0:
            message = f"the restored cluster can't be renewed: {done.stderr.decode(errors='replace').strip()}"
            fail("IPP808", message, exit_code=ExitCode.FAILURE)
        self.ssh.write_files(keys.client, self.state.host_keys, self.state.ports)
        self.ssh.wait(self.config.names, ["true"], ANSWER_LIMIT)

    def _launch(self, image: Image, memory: Path | None) -> None:
        """Start the machine; ports that someone took between our choice and QEMU's are chosen again."""
        addresses = {GUEST: f"{NETWORK}.2", **{node.name: node.management_address for node in self.nodes}}
        for attempt in range(4):
            self.state.write(self.directory)
            try:
                if isinstance(self._machine, UmlMachine):
                    self._machine.launch(image, self.config, ports=self.state.ports, addresses=addresses)
                elif isinstance(self._machine, DirectMachine):
                    self._machine.start(image, ports=self.state.ports, addresses=addresses)
                else:
                    self._machine.start(
                        image,
                        self.state.backend,
                        memory=self.config.memory,
                        ports=self.state.ports,
                        addresses=addresses,
                        state=memory,
                    )
                return
            except ProblemError as error:
                if attempt == 3 or "host forwarding" not in f"{error} {self._machine.complaint()}":
                    raise
            self.state.ports.update(free_ports(list(self.state.ports)))

    def log_in(self, login: Login) -> Lab:
        """Make the login on the nodes, and write the inventory that uses it."""
        if login != self.state.login:
            self.state = replace(self.state, login=login)
            self._say(f"login: {login.words}")
            self._finish(self.state.origin)
        return self

    def _finish(self, origin: str) -> None:
        logins.make(self.state.login, self.ssh, self.nodes, self.state.host_keys)
        self.state = self.state.ready(origin)
        write_product_files(self.directory, self.state)
        self.state.write(self.directory)

    def _save_to(self, folder: Path, purpose: str = "") -> None:
        if not isinstance(self._machine, Machine):
            raise DefectError("this kind of lab has no memory to save")
        self.ssh.close()
        private_dir(folder)
        (folder / snapshots.ABOUT).unlink(missing_ok=True)
        for partial in folder.glob(f".{snapshots.MEMORY}.*"):
            partial.unlink()
        seconds = self._machine.save(folder / snapshots.MEMORY)
        snapshots.finish(folder, self.directory, snapshots.describe(self.state))
        size = (folder / snapshots.MEMORY).stat().st_size
        self._say(f"saved{purpose} ({size // 1_000_000} MB, {seconds:.1f} s)")


def down(name: str = "lab") -> bool:
    """End a lab and delete its folder. Returns False if there was none."""
    folder = labs_home() / check_name(name)
    if not folder.exists():
        return False
    with locked(folder):
        clear(folder)
        remove_tree(folder)
    return True


def clear(folder: Path) -> None:
    """End all processes of a lab and empty its folder."""
    Ssh(folder).close()
    Machine(folder).kill()
    DirectMachine(folder).kill()
    UmlMachine(folder).kill()
    for path in folder.iterdir():
        remove_tree(path)


def default_file(name: str) -> Path:
    """Return where :meth:`Lab.save` writes unless told otherwise."""
    return cache_home() / "named" / f"{check_name(name)}.lab"


def _new_state(config: LabConfig, image: Image, chosen: Backend) -> State:
    return State(
        config=config,
        backend=chosen.name,
        reason=chosen.reason,
        image=image.key,
        others=image.keys,
        clean=str(snapshots.clean_folder(image, chosen.name, config)),
        ports=free_ports(names_with_guest(config.names)),
        host_keys={},
    )


def _alive(folder: Path) -> State | None:
    """Return the state of a lab that is up, or None."""
    state = State.read(folder)
    up = state is not None and state.phase == "ready" and machine(state.backend, folder).alive()
    return state if up else None


def _silent(text: str) -> None:
    """Say nothing."""
