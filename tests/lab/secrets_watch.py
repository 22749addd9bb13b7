"""Where a rollout could leave a secret, and what is found there: one table of places and situations.

Every place is read in the same way in every situation, the planted one too: there a known text lies in each place, so
that a place with no find in the other columns was really looked at.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import shutil
import subprocess
import sys
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives import serialization

from netplan.lab.cluster import Lab

from .pace import HANG_S, until
from .rollout_steps import ending
from .secrets_node import SAMPLER, SEARCH

PLACES = (
    "run directory",
    "artifacts: command",
    "artifacts: the rest",
    "job events",
    "arguments here",
    "environment here",
    "output of apply",
    "output of status",
    "output of diff",
    "output of show, history",
    "planner's programs",
    "traceback, core file",
    "state directory",
    "bundle",
    "/tmp, ~/.ansible here",
    "arguments on nodes",
    "environment on nodes",
    "journal, charon's log",
    "/tmp, ~/.ansible on nodes",
    "other files on nodes",
    "modes too open",
)
PLANT = "planted-" + secrets.token_hex(20)
PRIVATE_NAMES = ("psk.json", "ca-key.pem", "owner")


def forms(secret: bytes) -> list[bytes]:
    """Return how a secret may show: as it is, as hex, as base64 at any offset; each third of a long one for itself.

    A line break may stand in the middle of base64, so a whole key would be missed in PEM.
    """
    third = len(secret) // 3
    parts = [secret] if third < 12 else [secret[:third], secret[third : 2 * third], secret[2 * third :]]
    found = []
    for part in parts:
        found += [part, part.hex().encode(), part.hex().upper().encode()]
        for shift, first in enumerate((0, 2, 3)):
            whole = base64.b64encode(bytes(shift) + part)
            found.append(whole[first : (shift + len(part)) * 8 // 6])
    return found


def private_number(pem: bytes, passphrase: bytes | None = None) -> bytes:
    """Return the private number of an EC key: what every encoding of the key must have in it."""
    key = serialization.load_pem_private_key(pem, passphrase)
    return int(key.private_numbers().private_value).to_bytes(48, "big")  # type: ignore[union-attr]


class Sampler(threading.Thread):
    """Collects command lines and environments of all processes of this machine, each once."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.seen: dict[str, set[bytes]] = {"cmdline": set(), "environ": set()}
        self._end = threading.Event()

    def run(self) -> None:
        while not self._end.wait(0.05):
            for kind, seen in self.seen.items():
                for entry in Path("/proc").glob(f"[0-9]*/{kind}"):
                    try:
                        seen.add(entry.read_bytes())
                    except OSError:
                        continue

    def end(self) -> dict[str, set[bytes]]:
        self._end.set()
        self.join()
        return self.seen


@dataclass
class Watch:
    """One cluster's secrets, everything that was read in the situation at hand, and the table of all situations.

    ``temporary`` is the TMPDIR of the command line, ``work`` its working directory.
    """

    lab: Lab
    folder: Path
    secrets: dict[str, bytes] = field(default_factory=dict)
    read: dict[str, list[tuple[str, bytes]]] = field(default_factory=lambda: defaultdict(list))
    table: dict[str, Counter[str]] = field(default_factory=dict)
    finds: list[str] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.temporary, self.work, self.homes = self.folder / "tmp", self.folder / "work", self.folder / "homes"
        for made in (self.temporary, self.work, self.homes):
            made.mkdir(parents=True)
        self.names = [node.name for node in self.lab.config.members]
        self.state, self.bundle = self.folder / "state", self.folder / "bundle"
        self.sampler = Sampler()

    def home(self, name: str, text: str) -> Path:
        """Put a secret into the file where it belongs, and look for it from now on."""
        path = self.homes / name
        path.write_text(text + "\n")
        path.chmod(0o600)
        self.secrets[name] = text.encode()
        return path

    # -- the command line -----------------------------------------------------------------------------------------

    def start(self, *argv: str, module: Sequence[str] = ("netplan",)) -> subprocess.Popen[str]:
        """Start a command line that may leave core files in ``work``."""
        shell = ["sh", "-c", 'ulimit -c unlimited; exec "$@"', "-", sys.executable, "-m", *module, *argv]
        return subprocess.Popen(
            shell,
            cwd=self.work,
            start_new_session=True,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={
                **os.environ,
                "PYTHONPATH": str(Path(__file__).parents[2]),
                "TMPDIR": str(self.temporary),
                **self.environment,
            },
        )

    def say(self, place: str, *argv: str, module: Sequence[str] = ("netplan",)) -> int:
        """Run a command; what it prints belongs to a place. Returns its exit code."""
        with ending(self.start(*argv, module=module)) as process:
            text, _ = process.communicate(timeout=HANG_S)
        print("$", *argv, f"\n{text[-3000:]}")
        self.read[place].append((" ".join(argv), text.encode()))
        return process.returncode

    # -- what is read ---------------------------------------------------------------------------------------------

    @contextmanager
    def situation(self, name: str, *, planted: bool = False) -> Iterator[None]:
        """Read every place while and after the block runs; a column of the table comes of it."""
        self.read.clear()
        runs = self.folder / f"runs-{name}"
        runs.mkdir()
        copy = f"while :; do cp -au {self.temporary}/. {runs}/ 2>/dev/null; sleep 0.1; done"
        copier, self.sampler = subprocess.Popen(["sh", "-c", copy]), Sampler()
        self.sampler.start()
        for node in self.names:
            start = "cat >/run/sampler.py; systemd-run --quiet --collect --unit=w-sampler python3 /run/sampler.py"
            self.lab.exec(node, ["sh", "-ec", start], stdin=SAMPLER, check=True)
        try:
            yield
        finally:
            copier.terminate()
            copier.wait()
            seen = self.sampler.end()
            for node in self.names:
                self.lab.exec(node, ["systemctl", "stop", "w-sampler"])
        self.read["arguments here"] += [("here", data) for data in seen["cmdline"]]
        self.read["environment here"] += [("here", data) for data in seen["environ"]]
        self._files(runs)
        column: Counter[str] = Counter(dict.fromkeys(PLACES, 0))
        wanted = {"planted": PLANT.encode()} if planted else self.secrets
        known = {name: forms(secret) for name, secret in wanted.items()}
        for node in self.names:
            self._node(node, known, column)
        for place, pieces in self.read.items():
            for where, data in pieces:
                for name_, shapes in known.items():
                    if any(shape in data for shape in shapes):
                        self._hit(column, place, f"{name_} in {where}")
        self.table[name] = column

    def _hit(self, column: Counter[str], place: str, text: str) -> None:
        column[place] += 1
        self.finds.append(f"{place}: {text}")

    def _files(self, runs: Path) -> None:
        """Read what lay in the private directories of runs, and what is on the disk now."""
        for path in _regular(runs):
            place = "run directory"
            if "job_events" in path.parts:
                place = "job events"
            elif "artifacts" in path.parts:
                place = "artifacts: command" if path.name == "command" else "artifacts: the rest"
            self.read[place].append((str(path), path.read_bytes()))
        here = [self.temporary, Path.home() / ".ansible", *Path("/tmp").glob("ansible*")]
        for place, folders in (
            ("state directory", [self.state]),
            ("bundle", [self.bundle]),
            ("/tmp, ~/.ansible here", here),
            ("traceback, core file", [self.work]),
        ):
            for path in (p for folder in folders for p in _regular(folder)):
                self.read[place].append((str(path), path.read_bytes()))

    def _node(self, node: str, known: Mapping[str, list[bytes]], column: Counter[str]) -> None:
        asked = json.dumps({"forms": {n: [base64.b64encode(f).decode() for f in fs] for n, fs in known.items()}})
        sampled = self.lab.exec(node, ["base64", "-w0", "/run/sampled"], check=True)
        for line in base64.b64decode(sampled.stdout).splitlines():
            kind, _, data = line.partition(b" ")
            place = {b"cmdline": "arguments on nodes", b"environ": "environment on nodes"}[kind]
            self.read[place].append((node, data))
        text = self.lab.exec(node, ["python3", "-c", SEARCH], stdin=asked, check=True, timeout=HANG_S).stdout
        found = json.loads(text)
        assert found["looked"] > 200, "the search on the node saw next to nothing"
        for key, place in (
            ("log", "journal, charon's log"),
            ("tmp", "/tmp, ~/.ansible on nodes"),
            ("files", "other files on nodes"),
            ("modes", "modes too open"),
        ):
            for where, name in found[key]:
                self._hit(column, place, f"{name} in {node}:{where}")

    def modes(self, name: str) -> list[str]:
        """Return what is too open in the state directory and in the runs of a column, as lines."""
        loose = []
        for path in _regular(self.state):
            open_ = path.stat().st_mode & 0o077
            closed = any(not parent.stat().st_mode & 0o077 for parent in path.parents if self.state in parent.parents)
            secret = path.name in PRIVATE_NAMES or path.parent.name == "journal"
            if open_ and (secret or not closed):
                loose.append(f"{path} {path.stat().st_mode & 0o777:o}")
        for run in self.folder.glob(f"runs-{name}/ipsecplan-run-*"):
            if run.stat().st_mode & 0o077:
                loose.append(f"{run} {run.stat().st_mode & 0o777:o}")
        return loose

    def count_modes(self, name: str) -> None:
        for text in self.modes(name):
            self._hit(self.table[name], "modes too open", text)

    # -- the column that proves the others ------------------------------------------------------------------------

    def plant(self) -> None:
        """Put the known text into every place, and read all of them."""
        with self.situation("planted", planted=True):
            run = self.temporary / "ipsecplan-run-planted" / "r1"
            for part in ("in/n", "artifacts/x/command", "artifacts/x/stdout", "artifacts/x/job_events/1-x.json"):
                (run / part).parent.mkdir(parents=True, exist_ok=True)
                (run / part).write_text(json.dumps({"x": f"\n{PLANT}"}))
            for file in (self.state / "x", self.bundle / "x", self.temporary / "x"):
                file.parent.mkdir(exist_ok=True)
                file.write_text(base64.b64encode(PLANT.encode()).decode())
            run.parent.chmod(0o755)
            shows = subprocess.Popen(["sleep", "9999"], env={**os.environ, "SHOWS": PLANT})
            argues = subprocess.Popen(["sh", "-c", "read x; :", PLANT], stdin=subprocess.PIPE)
            script = f"""logger {PLANT}; echo {PLANT} | tee /tmp/x >/etc/x; mkdir -p -m 755 /var/lib/ipsecplan
                SHOWS={PLANT} sleep 9999 & p=$!
                until grep -qa '^cmdline .*{PLANT}' /run/sampled && grep -qa '^environ .*SHOWS={PLANT}' /run/sampled
                do sleep 0.2; done; kill $p; journalctl --sync"""
            for node in self.names:  # the shell that waits has the text in its own arguments
                self.lab.exec(node, ["sh", "-c", script], check=True)
            until(
                "both are sampled here",
                lambda: all(any(PLANT.encode() in data for data in list(seen)) for seen in self.sampler.seen.values()),
            )
            shows.kill()
            shows.wait()
            argues.communicate()
            for place, verb in (
                ("output of apply", ("apply", PLANT, "--yes")),
                ("output of status", ("status", PLANT, "--json")),
                ("output of diff", ("diff", PLANT, PLANT)),
                ("output of show, history", ("show", PLANT)),
            ):
                assert self.say(place, *verb) != 0
            self.say("planner's programs", PLANT, module=("tui.run.live",))
            failing = ("tests.lab.failing", "raise")
            self.say("traceback, core file", "apply", PLANT, "--yes", module=failing)
            dies = "import os; x = os.environ['SHOWS'] * 2; os.abort()"
            shell = ["sh", "-c", 'ulimit -c unlimited; exec "$@"', "-", sys.executable, "-c", dies]
            subprocess.run(shell, cwd=self.work, env={**os.environ, "SHOWS": PLANT}, check=False)
            self.cores = len([path for path in self.work.iterdir() if path.name.startswith("core")])
            kept = self.folder / "runs-planted" / run.relative_to(self.temporary)
            until("the run is copied", (kept / "artifacts/x/job_events/1-x.json").exists)
        self.count_modes("planted")
        for file in (self.state / "x", self.bundle / "x", self.temporary / "x", *self.work.iterdir()):
            file.unlink(missing_ok=True)
        shutil.rmtree(run.parent)
        self.state.rmdir()
        for node in self.names:
            self.lab.exec(node, ["sh", "-c", "rm -f /tmp/x /etc/x; rmdir /var/lib/ipsecplan"])

    def lines(self) -> list[str]:
        """Return the table."""
        head = f"{'place':<28}" + "".join(f"{name:>10}" for name in self.table)
        return [head] + [
            f"{place:<28}" + "".join(f"{column[place]:>10}" for column in self.table.values()) for place in PLACES
        ]


def _regular(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()] if folder.is_dir() else []
