"""A small client of charon's control socket (VICI), so that state is read as data and not from swanctl's prose.

The protocol: packets of a 4-byte length and a type; messages of named sections, values and lists
(strongSwan, src/libcharon/plugins/vici/README.md). Loading configuration stays with swanctl, which owns its grammar.
"""

from __future__ import annotations

import contextlib
import socket
import struct

from . import core
from .core import Stop, finding

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from ..protocol.words import Json

SOCKETS = ("/run/charon.vici", "/var/run/charon.vici", "/run/strongswan/charon.vici")
_REQUEST, _RESPONSE, _REGISTER, _CONFIRM, _EVENT = 0, 1, 3, 5, 7


def _encode(message: Json) -> bytes:
    out = bytearray()
    for key, value in message.items():
        name = bytes([len(key)]) + key.encode()
        if isinstance(value, (list, tuple)):
            out += b"\x04" + name
            for item in value:
                raw = str(item).encode()
                out += b"\x05" + struct.pack(">H", len(raw)) + raw
            out += b"\x06"
        elif isinstance(value, dict):
            out += b"\x01" + name + _encode(value) + b"\x02"
        else:
            raw = str(value).encode()
            out += b"\x03" + name + struct.pack(">H", len(raw)) + raw
    return bytes(out)


def decode(data: bytes) -> Json:
    """Return a message as nested dicts, lists and strings."""
    root: Json = {}
    stack = [root]
    items: list[str] = []
    at = 0

    def name() -> str:
        nonlocal at
        size = data[at]
        text = data[at + 1 : at + 1 + size].decode("utf-8", "replace")
        at += 1 + size
        return text

    def value() -> str:
        nonlocal at
        (size,) = struct.unpack_from(">H", data, at)
        text = data[at + 2 : at + 2 + size].decode("utf-8", "replace")
        at += 2 + size
        return text

    while at < len(data):
        kind = data[at]
        at += 1
        if kind == 1:
            section = stack[-1].setdefault(name(), {})
            stack.append(section)
        elif kind == 2:
            stack.pop()
        elif kind == 3:
            key = name()
            stack[-1][key] = value()
        elif kind == 4:
            items = stack[-1].setdefault(name(), [])
        elif kind == 5:
            items.append(value())
        elif kind == 6:
            items = []
        else:
            raise ValueError(f"unknown element {kind} in a message of charon")
    return root


class Vici:
    """One connection to charon."""

    def __init__(self, timeout: float = core.COMMAND_S) -> None:
        self.timeout = timeout
        connected: socket.socket | None = None
        reason = "no control socket"
        for path in SOCKETS:
            link = socket.socket(socket.AF_UNIX)
            link.settimeout(timeout)
            try:
                link.connect(path)
            except OSError as error:
                link.close()
                reason = f"{path}: {error.strerror}"
                continue
            connected = link
            break
        if connected is None:
            raise Stop(finding("IPP611", f"charon does not answer ({reason})", "start it: systemctl start strongswan"))
        self.socket = connected

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self.socket.close()

    def _send(self, kind: int, name: str, body: bytes = b"") -> None:
        raw = bytes([kind, len(name)]) + name.encode() + body
        self.socket.sendall(struct.pack(">I", len(raw)) + raw)

    def _take(self, size: int) -> bytes:
        out = b""
        while len(out) < size:
            part = self.socket.recv(size - len(out))
            if not part:
                raise Stop(finding("IPP611", "charon closed its control socket"))
            out += part
        return out

    def _receive(self) -> tuple[int, Json]:
        (size,) = struct.unpack(">I", self._take(4))
        raw = self._take(size)
        if raw[0] == _EVENT:
            return raw[0], decode(raw[2 + raw[1] :])
        return raw[0], decode(raw[1:]) if raw[0] == _RESPONSE else {}

    @contextlib.contextmanager
    def _answering(self, command: str) -> Iterator[None]:
        """Stop the phase when charon hangs, ends or says what can't be read meanwhile."""
        try:
            yield
        except socket.timeout:  # noqa: UP041  another name before Python 3.10
            raise Stop(finding("IPP611", f"charon gave no answer to {command} in {self.timeout:g} s")) from None
        except OSError as error:
            raise Stop(finding("IPP611", f"charon closed its control socket at {command}: {error.strerror}")) from None
        except (ValueError, IndexError, struct.error):
            raise Stop(finding("IPP611", f"charon's answer to {command} can't be read")) from None

    def call(self, command: str, **message: Any) -> Json:
        """Send one command; return its answer. Raises Stop."""
        with self._answering(command):
            self._send(_REQUEST, command, _encode({k.replace("_", "-"): v for k, v in message.items()}))
            kind, answer = self._receive()
        if kind != _RESPONSE:
            raise Stop(finding("IPP611", f"charon does not know the command {command}"))
        return answer

    def stream(self, command: str, event: str, **message: Any) -> list[Json]:
        """Send a command that answers by events; return the events' messages. Raises Stop."""
        found = []
        with self._answering(command):
            self._send(_REGISTER, event)
            kind, _ = self._receive()
            if kind != _CONFIRM:
                raise Stop(finding("IPP611", f"charon does not know the event {event}"))
            self._send(_REQUEST, command, _encode({k.replace("_", "-"): v for k, v in message.items()}))
            kind, answer = self._receive()
            while kind == _EVENT:
                found.append(answer)
                kind, answer = self._receive()
        if kind != _RESPONSE:
            raise Stop(finding("IPP611", f"charon does not know the command {command}"))
        return found


def sas() -> list[tuple[str, Json]]:
    """Return every IKE_SA as (connection name, fields); its ``child-sas`` are dicts by unique name."""
    with Vici() as link:
        return [(name, body) for event in link.stream("list-sas", "list-sa") for name, body in event.items()]


def connections() -> Json:
    """Return the loaded connections: name -> fields (children under ``children``)."""
    with Vici() as link:
        return {name: body for event in link.stream("list-conns", "list-conn") for name, body in event.items()}


def traps() -> set[str]:
    """Return the names of the children whose trap policies charon has installed."""
    with Vici() as link:
        events = link.stream("list-policies", "list-policy", trap="yes")
        return {body.get("child") or name.rsplit("/", 1)[-1] for event in events for name, body in event.items()}


def algorithm(child: Json) -> str:
    """Return the negotiated transform in strongSwan's words, e.g. ``AES_GCM_16-256``."""
    text = str(child.get("encr-alg", ""))
    if child.get("encr-keysize"):
        text += "-" + child["encr-keysize"]
    if child.get("integ-alg"):
        text += "/" + child["integ-alg"]
        if child.get("integ-keysize"):
            text += "-" + child["integ-keysize"]
    return text


def seconds(text: object) -> int | None:
    """Read a time of charon, which prints one that is over as a negative number or, as unsigned, as a huge one."""
    try:
        number = int(str(text))
    except ValueError:
        return None
    return number - 2**64 if number >= 2**63 else number
