"""Carry one request to one node and its answer back: one SSH command, code and data on stdin.

Ansible does what it is good at (inventory, connections, privilege, parallel hosts); the module machinery, which
starts the interpreter with the whole of ``ansible.module_utils.basic`` on each node, is not used. Requests and
answers travel as files beside the private data of the run, so no node data ever becomes an Ansible variable.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase

SENTINEL = "IPSECPLAN-RESULT "
LACKS = '{"lacks": true}'  # a node's answer where something that was named by its digest alone is not there
# Runs on the node. The agent's files are unpacked once a boot into a folder named by their digest, so that Python
# compiles them once, and run from there only where they have that digest and nobody else could have written them;
# /run/ipsecplan is root's alone. What is left of others goes then, but for one that may be at work (of the last hour).
# Where there is no room for them, they run from memory: a rollback needs no disk. Where they are neither there nor
# sent, the answer says so. Of the modules with a SHA-256, hashlib comes last because it brings OpenSSL with it.
BOOTSTRAP = """
import sys, os, json, time, zlib
for m in ("_sha2", "_sha256", "hashlib"):
    try: sha256 = __import__(m).sha256
    except ImportError: continue
    break
s = sys.stdin.buffer
h = json.loads(s.readline())
c = json.loads(zlib.decompress(s.read(h["code"]))) if h["code"] else None
d = "/run/ipsecplan/agent-" + h["digest"]
r = os.path.dirname(d)
def gone(p):
    import shutil
    if os.path.islink(p): os.unlink(p)
    else: shutil.rmtree(p, ignore_errors=True)
def unpack():
    os.umask(0o077)
    if os.path.lexists(d) and not there(): gone(d)
    t = "%s.%d" % (d, os.getpid())
    try:
        os.makedirs(r, exist_ok=True)
        os.chmod(r, 0o700)
        for n, x in c.items():
            n = t + "/ipsecplan_node/" + n
            os.makedirs(os.path.dirname(n), exist_ok=True)
            with open(n, "w", encoding="utf-8") as f: f.write(x)
        os.rename(t, d)
    except OSError:
        gone(t)
    for n in os.listdir(r) if os.path.isdir(d) else ():
        n = r + "/" + n
        half = n.startswith(d + ".") and not os.path.isdir("/proc/" + n[len(d) + 1:])
        if half or n.startswith(r + "/agent-") and not n.startswith(d) and time.time() - os.stat(n).st_mtime > 3600:
            gone(n)
def there():
    for p in (r, d):
        try: a = os.lstat(p)
        except OSError: return False
        if a.st_uid != os.geteuid() or a.st_mode & 0o170077 != 0o040000: return False
    f = {}
    for p, _, names in os.walk(d + "/ipsecplan_node"):
        for n in names:
            if not n.endswith(".pyc"):
                with open(os.path.join(p, n), "rb") as x:
                    f[os.path.relpath(x.name, d + "/ipsecplan_node")] = x.read().decode("utf-8", "replace")
    return sha256(json.dumps(f, sort_keys=True).encode()).hexdigest() == h["digest"]
class Memory:
    def find_spec(self, name, path=None, target=None):
        n = name.split(".")
        if n[0] != "ipsecplan_node": return None
        import importlib.machinery
        n = "/".join(n[1:])
        p = (n + "/" if n else "") + "__init__.py"
        k = n + ".py" if n + ".py" in c else p
        if k not in c: return None
        return importlib.machinery.ModuleSpec(name, self, origin=k, is_package=k == p)
    def create_module(self, spec): return None
    def exec_module(self, module):
        exec(compile(c[module.__spec__.origin], module.__spec__.origin, "exec"), module.__dict__)
ready = there()
if not ready and c is not None:
    unpack()
    ready = there()
if not ready and c is None:
    sys.stdout.write("\\nIPSECPLAN-RESULT " + '{"lacks": true}' + "\\n")
    sys.exit()
if ready: sys.path.insert(0, d)
else: sys.meta_path.insert(0, Memory())
from ipsecplan_node.main import main
main(h, s)
"""


class TooLongError(Exception):
    """A node sends more than an answer may have."""


class _Counted:
    """One output of a process, of which no more than ``most`` bytes are taken: then the process is ended."""

    def __init__(self, output: IO[bytes], process: subprocess.Popen[bytes], most: int) -> None:
        self._output, self._process, self._left = output, process, most

    def fileno(self) -> int:
        return self._output.fileno()

    @property
    def closed(self) -> bool:
        return self._output.closed

    def close(self) -> None:
        self._output.close()

    def read(self) -> bytes:
        """Return what has arrived, or nothing at the end; called when there is something."""
        chunk = os.read(self.fileno(), 1 << 16)
        self._left -= len(chunk)
        if self._left < 0:
            self._process.kill()
            self._process.wait()
            raise TooLongError
        return chunk


@contextlib.contextmanager
def counted(connection: Any, most: int) -> Iterator[None]:
    """Inside this block a connection takes ``most`` bytes of each output of the process that it starts, and no more.

    Ansible's connection plugins collect all that a node sends, and have no limit of their own; they start their
    process as ``subprocess.Popen``. Each node has a worker process of its own, so no other connection is meant.
    """
    plugin = sys.modules[type(connection).__module__]
    before = getattr(plugin, "subprocess", None)

    class Popen(subprocess.Popen):  # type: ignore[type-arg]
        def __init__(self, *args: Any, **words: Any) -> None:
            super().__init__(*args, **words)
            self.stdout: Any = _Counted(self.stdout, self, most) if self.stdout else None
            self.stderr: Any = _Counted(self.stderr, self, most) if self.stderr else None

    if before is subprocess:
        plugin.subprocess = SimpleNamespace(**{**vars(subprocess), "Popen": Popen})  # type: ignore[attr-defined]
    try:
        yield
    finally:
        if before is subprocess:
            plugin.subprocess = before  # type: ignore[attr-defined]


def loader() -> str:
    """Return the program that a node's Python is given; as base64 no quoting rule of a shell or sudo can touch it."""
    text = base64.b64encode(zlib.compress(BOOTSTRAP.encode())).decode()
    return f"import base64,zlib;exec(zlib.decompress(base64.b64decode('{text}')))"


def message(exchange: Path, host: str, request: bytes, archive: bytes, *, whole: bool = False) -> bytes:
    """Return what goes to a node: the header, what the header says that it carries, the request, the archive.

    DIR/in/HOST.parts says which code and which kept part of the request are meant, and which of both travel: all where
    ``whole``. The code is compressed once a run, the rest here, where all processors are at work.
    """
    parts = json.loads((exchange / "in" / (host + ".parts")).read_text(encoding="ascii"))
    code, about = (
        Path(parts[name]).read_bytes() if parts[name] and (whole or name in parts["send"]) else b""
        for name in ("code", "about")
    )
    about, request, archive = (zlib.compress(part) if part else b"" for part in (about, request, archive))
    header = {
        "digest": parts["digest"],
        "code": len(code),
        "about_digest": parts["about_digest"],
        "about": len(about),
        "packed": True,
        "request": len(request),
        "archive": len(archive),
    }
    return json.dumps(header).encode() + b"\n" + code + about + request + archive


def said(done: dict[str, Any]) -> str | None:
    """Return the answer in what a node printed, or None."""
    lines = [line for line in done["stdout"].splitlines() if line.startswith(SENTINEL)]
    return lines[-1][len(SENTINEL) :] if lines else None


class ActionModule(ActionBase):  # type: ignore[misc]
    """``ipsecplan_node: exchange=DIR most=BYTES tell=BOOL``: send DIR/in/HOST (and DIR/in/HOST.tar) with what
    DIR/in/HOST.parts names, write DIR/out/HOST, of at most so many bytes; DIR/out/HOST.again where it had to be sent
    twice. ``tell``: both are in the result, too, compressed (``said``, ``again``)."""

    TRANSFERS_FILES = False
    _VALID_ARGS = frozenset(("exchange", "most", "tell"))

    def run(self, tmp: Any = None, task_vars: Any = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        host = task_vars["inventory_hostname"]
        exchange = Path(self._task.args["exchange"])
        request = self._request(exchange, host)
        archive_path = exchange / "in" / (host + ".tar")
        archive = archive_path.read_bytes() if archive_path.exists() else b""
        python = str(task_vars.get("ansible_python_interpreter") or "python3")
        if not re.fullmatch(r"(/usr/bin/env )?[A-Za-z0-9/._+-]+", python):
            python = "python3"
        command = f'{python} -I -S -c "{loader()}" ipsecplan'
        try:
            with counted(self._connection, int(self._task.args["most"])):
                done = self._low_level_execute_command(command, in_data=message(exchange, host, request, archive))
            if said(done) == LACKS:  # it has done nothing, and is sent all of it
                (exchange / "out" / (host + ".again")).touch()
                with counted(self._connection, int(self._task.args["most"])):
                    done = self._low_level_execute_command(
                        command, in_data=message(exchange, host, request, archive, whole=True)
                    )
        except TooLongError:
            told = self._put(exchange, host, json.dumps({"broken": "it is too long"}))
            return {**result, **told, "failed": True, "msg": "the answer is too long"}
        except AnsibleConnectionFailure as error:
            self._put(exchange, host, json.dumps({"unreachable": str(error)}))
            raise
        line = said(done)
        if line is None:
            words = (done["stderr"].strip() or done["stdout"].strip())[-500:]
            told = self._put(exchange, host, json.dumps({"broken": f"exit {done['rc']}: {words}"}))
            return {**result, **told, "failed": True, "msg": "no answer"}
        told = self._put(exchange, host, line)  # as it is: what it says is judged where it is read
        return {**result, **told, "failed": False, "changed": True, "msg": ""}

    @staticmethod
    def _request(exchange: Path, host: str) -> bytes:
        """Return the request for a host: a file, or, where it holds a secret, what the control process hands over."""
        path = exchange / "in" / host
        if path.exists():
            return path.read_bytes()
        with socket.socket(socket.AF_UNIX) as hand:
            hand.settimeout(300)  # the control process serves one node after the other
            hand.connect(str((exchange / "handover").readlink()))
            hand.sendall(host.encode())
            with hand.makefile("rb") as parts:
                return parts.read()

    def _put(self, exchange: Path, host: str, text: str) -> dict[str, Any]:
        """Write an answer; return what the result has of it."""
        target = exchange / "out" / host
        temporary = target.with_name(target.name + ".tmp")
        temporary.write_text(text, encoding="utf-8", errors="replace")
        temporary.rename(target)
        if self._task.args.get("tell") is not True:
            return {}
        packed = base64.b64encode(zlib.compress(text.encode("utf-8", "replace"))).decode()
        return {"said": packed, "again": target.with_name(target.name + ".again").exists()}
