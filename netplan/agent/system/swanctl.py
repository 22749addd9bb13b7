"""charon through ``swanctl``: load credentials, load connections."""

from __future__ import annotations

from .core import Stop, finding, run


def load_credentials() -> None:
    """Let charon read keys and certificates."""
    swanctl("--load-creds", "--noprompt")


def load_connections() -> None:
    """Let charon read the connections."""
    swanctl("--load-conns")


def swanctl(*words: str) -> None:
    """Let charon do something. Raises Stop with what went wrong, not with the usage that swanctl prints behind it."""
    done = run("swanctl", *words)
    if done.code == 0:
        return
    if "connecting to" in done.err + done.out:
        hint = "`systemctl status strongswan` and its log there say why; then try again"
        raise Stop(finding("IPP613", "charon does not answer: it has ended, or was stopped, meanwhile", hint))
    raise Stop(finding("IPP613", f"swanctl {words[0]}: {done.said}"))
