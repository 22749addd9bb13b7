"""Port forwarding into a lab on the host's own kernel: ``python -m netplan.lab.forward MARKER PID FD=ADDRESS...``.

The listening sockets come as descriptors from whoever starts this, made in the host's network; the process then enters
the network of PID and connects from there. It ends when PID ends. MARKER is not used: it is there to be found by.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import socket
import sys
from pathlib import Path

_CLONE_NEWNET = 0x40000000
_SSH_PORT = 22


def main(argv: list[str]) -> None:
    """Serve until the lab ends."""
    _, number, *pairs = argv
    lab = os.pidfd_open(int(number))
    forwards = []
    for pair in pairs:
        descriptor, _, address = pair.partition("=")
        forwards.append((socket.socket(fileno=int(descriptor)), address))
    with Path(f"/proc/{number}/ns/net").open("rb") as network:
        if ctypes.CDLL(None, use_errno=True).setns(network.fileno(), _CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")
    asyncio.run(_serve(lab, forwards))


async def _serve(lab: int, forwards: list[tuple[socket.socket, str]]) -> None:
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(lab, ended.set)
    servers = [await asyncio.start_server(_Handler(address), sock=listener) for listener, address in forwards]
    await ended.wait()
    for server in servers:
        server.close()


class _Handler:
    """One forward: what comes from the host goes to port 22 of ``address``, and back."""

    def __init__(self, address: str) -> None:
        self.address = address

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(OSError):
            far_reader, far_writer = await asyncio.open_connection(self.address, _SSH_PORT)
            with contextlib.closing(far_writer):
                await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))


async def _copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
        if sink.can_write_eof():
            sink.write_eof()


if __name__ == "__main__":
    main(sys.argv[1:])
