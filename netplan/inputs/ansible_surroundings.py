"""What Ansible and ssh need of the place where we were started, and what we can give them when it isn't there."""

from __future__ import annotations

import contextlib
import ctypes
import os
import pwd
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from netplan.problems import ExitCode, fail

ALL = 0x1FBF  # LC_ALL_MASK of glibc; musl takes every bit and knows every locale
CODESET = 14  # nl_langinfo(3)
_UTF8 = re.compile(r"utf-?8", re.IGNORECASE)
_USUAL = ("C.UTF-8", "C.utf8", "en_US.UTF-8", "en_GB.UTF-8")


def utf8_locale() -> dict[str, str]:
    """Return what a child's environment needs so that its locale is a UTF-8 one: nothing, where ours is one.

    Ansible refuses any other, and one that is not installed. The user's language is kept where it comes in UTF-8.
    Raises ProblemError when this machine has no such locale.
    """
    if _is_utf8(""):
        return {}
    name = os.environ.get("LC_ALL") or os.environ.get("LC_CTYPE") or os.environ.get("LANG") or "C"
    own = re.split(r"[.@]", name)[0]
    first = [] if own in ("C", "POSIX") else [f"{own}.UTF-8", f"{own}.utf8"]
    found = next((name for name in (*first, *_USUAL) if _is_utf8(name)), None)
    found = found or next((name for name in _installed() if _UTF8.search(name) and _is_utf8(name)), None)
    if found is None:
        fail(
            "IPP311",
            "Ansible needs a UTF-8 locale, and this machine has none",
            hint="install one: `apt install locales`, `dnf install glibc-langpack-en`; `locale -a` lists them",
            exit_code=ExitCode.FAILURE,
        )
    return {"LC_ALL": found}


def _is_utf8(name: str) -> bool:
    """Tell whether a locale (empty: the one of our environment) is installed, in every category, and is UTF-8.

    Asked of the C library by newlocale(3), which changes nothing in this process.
    """
    try:
        libc = ctypes.CDLL(None)
        make, ask, free = libc.newlocale, libc.nl_langinfo_l, libc.freelocale
    except (OSError, AttributeError):
        return True  # a C library without them: leave it to Ansible
    make.restype, make.argtypes = ctypes.c_void_p, (ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)
    ask.restype, ask.argtypes = ctypes.c_char_p, (ctypes.c_int, ctypes.c_void_p)
    free.restype, free.argtypes = None, (ctypes.c_void_p,)
    found = make(ALL, os.fsencode(name), None)
    if not found:
        return False
    try:
        return bool(_UTF8.fullmatch((ask(CODESET, found) or b"").decode("ascii", "replace")))
    finally:
        free(found)


def _installed() -> list[str]:
    try:
        done = subprocess.run(
            ["locale", "-a"],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=10,
            check=False,
            encoding="utf-8",
            errors="replace",
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    return done.stdout.split()


@contextlib.contextmanager
def private_folder(prefix: str = "ipsecplan-") -> Iterator[Path]:
    """Make a temporary folder that is ours alone (0700) and is removed; Ansible's own is in a home that may lack."""
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=temporary()))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def temporary() -> str:
    """Return the folder for temporary files. Raises ProblemError when none can be written."""
    try:
        return tempfile.gettempdir()
    except OSError:
        fail(
            "IPP212",
            "no folder for temporary files can be written, neither TMPDIR nor /tmp",
            hint="set TMPDIR to one that can",
            exit_code=ExitCode.FAILURE,
        )


def can_use_ssh() -> None:
    """Raise ProblemError where ssh can't work whatever the nodes are like: it is missing, or refuses this user."""
    if shutil.which("ssh") is None:
        fail(
            "IPP653",
            "ssh is not installed here, and nodes are reached by it",
            hint="apt install openssh-client (dnf: openssh-clients)",
            exit_code=ExitCode.FAILURE,
        )
    try:
        pwd.getpwuid(os.getuid())
    except KeyError:
        fail(
            "IPP653",
            f"ssh refuses to run for user id {os.getuid()}, which has no entry in /etc/passwd",
            hint="add one, or let nss_wrapper (libnss-wrapper: NSS_WRAPPER_PASSWD, LD_PRELOAD) give one",
            exit_code=ExitCode.FAILURE,
        )
