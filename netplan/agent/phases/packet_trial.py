"""What this kernel does with one packet in an SA of a rarer kind: sent through two throwaway namespaces, not asked for.

A kernel that was built without IP-TFS takes such an SA and its policy, and then drops every packet (Debian's, Linux
6.14 to 7.3). A kernel that doesn't know SAs for each processor takes them as SAs for all. So neither an accepted
message nor a version proves anything. A packet in a plain tunnel goes first: where that is lost too, nothing is known.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator, Sequence

from ..system import core, xfrm_netlink
from ..system.core import Stop, finding, run
from ..system.xfrm_netlink import Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..protocol.reply import Finding, KernelTrials
    from ..protocol.words import Tried

NEAR, FAR = "ipsecplan-near-%d", "ipsecplan-far-%d"
LINK = "ipsecplan0"
ENDS = {False: ("192.0.2.1", "192.0.2.2"), True: ("2001:db8::1", "2001:db8::2")}
GCM = ("aead", "rfc4106(gcm(aes))", "0x" + "00" * 20, "128")
CONTROL, TRIAL = 4790, 4791  # of each SA: its SPI, its reqid and the UDP port
ARRIVES_S = 1.0  # for a packet within this machine
TRIES = 10  # a busy machine needs its time until the new link carries anything; a counted error ends it sooner


def kernel() -> KernelTrials:
    """Return what became of a packet in each kind of SA."""
    found: KernelTrials = {"iptfs": "untried", "per_cpu_sas": "untried"}
    with contextlib.suppress(Stop, OSError):
        found["iptfs"] = tried("iptfs")[0]
        found["per_cpu_sas"] = tried("tunnel", per_cpu=True)[0]
    return found


def findings(mode: str, algorithm: Sequence[str], *, six: bool, per_cpu: bool) -> list[Finding]:
    """Return what stands against an SA of this kind here; ``mode`` as in ``xfrm_netlink.MODES``.

    ``algorithm``: words of ``kernel_trial.words``.
    """
    what = "an IP-TFS SA" if mode == "iptfs" else "an SA for one processor"
    try:
        word, said = tried(mode, algorithm, six=six, per_cpu=per_cpu)
    except (Stop, OSError) as error:
        word, said = "untried", str(error)
    if word == "works":
        return []
    text = {
        "drops": f"the kernel takes {what} and then drops every packet of it: {said}",
        "refused": f"the kernel refuses {what}: {said}",
        "untried": f"{what} could not be tried with a packet, so nothing says that it carries any: {said}",
    }[word]
    hint = (
        "take ipsec.mode: tunnel, or a kernel with CONFIG_XFRM_IPTFS (Linux 6.14; Debian builds none)"
        if mode == "iptfs"
        else "turn per-CPU SAs off, or take Linux 6.13 or later"
    )
    return [finding("IPP648", text, hint)]


def tried(mode: str, algorithm: Sequence[str] = GCM, *, six: bool = False, per_cpu: bool = False) -> tuple[Tried, str]:
    """Send a packet through an SA of a kind; return what became of it, and the reason in words.

    Raises Stop or OSError where no namespaces and no link between them can be made.
    """
    with _two(six) as pair:
        try:
            arrived = pair.send("tunnel", algorithm, CONTROL, None)
        except Refused as refused:
            return "untried", f"the kernel refuses a plain tunnel: {refused}"
        if not arrived:
            return "untried", f"not even a packet in a plain tunnel arrives: {pair.lost()}"
        try:
            arrived = pair.send(mode, algorithm, TRIAL, pair.cpu() if per_cpu else None)
        except Refused as refused:
            return "refused", str(refused)
        return ("works", "") if arrived else ("drops", pair.lost())


class _Pair:
    """Two namespaces with a link between them: sockets of both."""

    def __init__(self, near: str, far: str, six: bool) -> None:
        self.near, self.far, self.six = near, far, six
        self.ends = ENDS[six]

    def cpu(self) -> int:
        """Return the processor that the packet is sent on."""
        return min(os.sched_getaffinity(0))

    def send(self, mode: str, algorithm: Sequence[str], number: int, cpu: int | None) -> bool:
        """Install SA and policy at both ends, send; tell whether the packet came out at the far end.

        ``number`` is the SPI and the reqid of the SA, and the port that goes through it.
        """
        source, destination = self.ends
        for namespace, direction in ((self.far, "in"), (self.near, "out")):
            with _made(namespace, socket.AF_NETLINK, socket.SOCK_RAW, xfrm_netlink.PROTOCOL) as link:
                ours = cpu if direction == "out" else None
                xfrm_netlink.add_state(link, source, destination, number, mode, algorithm, direction, ours)
                xfrm_netlink.add_policy(link, source, destination, number, mode, direction)
                if ours is not None and xfrm_netlink.cpu_of(link, destination, number) != ours:
                    raise Refused("it keeps no processor for an SA")
        family = socket.AF_INET6 if self.six else socket.AF_INET
        with _made(self.far, family, socket.SOCK_DGRAM) as there, _made(self.near, family, socket.SOCK_DGRAM) as here:
            there.bind((destination, number))
            there.settimeout(ARRIVES_S)
            nonce = os.urandom(16)
            with _on(cpu):
                for _ in range(TRIES):
                    if _arrives(here, there, (destination, number), nonce):
                        return True
                    if self.counters():
                        return False
        return False

    def lost(self) -> str:
        """Return in words what the kernel counted of a packet that did not arrive."""
        return ", ".join(f"{name} {count}" for name, count in self.counters().items()) or "no error counter rose"

    def counters(self) -> dict[str, int]:
        """Return the XFRM error counters that are not zero, of both ends."""
        found: dict[str, int] = {}
        for namespace in (self.near, self.far):
            done = run("nsenter", "--net=/run/netns/" + namespace, "cat", "/proc/net/xfrm_stat")
            for line in done.out.splitlines():
                name, _, number = line.partition(" ")
                if number.strip().isdigit() and int(number):
                    found[name] = found.get(name, 0) + int(number)
        return found


def _arrives(here: socket.socket, there: socket.socket, to: tuple[str, int], nonce: bytes) -> bool:
    try:
        here.sendto(nonce, to)
        return there.recv(64) == nonce
    except OSError:  # refused at once, or not there in time
        return False


@contextlib.contextmanager
def _on(cpu: int | None) -> Iterator[None]:
    """Stay on one processor inside this block."""
    before = os.sched_getaffinity(0)
    if cpu is not None:
        os.sched_setaffinity(0, {cpu})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextlib.contextmanager
def _made(namespace: str, family: int, kind: int, protocol: int = 0) -> Iterator[socket.socket]:
    with contextlib.closing(xfrm_netlink.inside(namespace, family, kind, protocol)) as made:
        yield made


@contextlib.contextmanager
def _two(six: bool) -> Iterator[_Pair]:
    """Make two namespaces and a link between them; they are gone afterwards."""
    near, far = NEAR % os.getpid(), FAR % os.getpid()
    names = (near, far)
    try:
        for name in names:
            core.must("ip", "netns", "add", name)
        core.must("ip", "-n", near, "link", "add", LINK, "type", "veth", "peer", "name", LINK, "netns", far)
        for name, address in ((near, ENDS[six][0]), (far, ENDS[six][1])):
            width, more = ("64", ("nodad",)) if six else ("24", ())
            core.must("ip", "-n", name, "address", "add", f"{address}/{width}", "dev", LINK, *more)
            core.must("ip", "-n", name, "link", "set", LINK, "up")
        yield _Pair(near, far, six)
    finally:
        for name in names:
            run("ip", "netns", "delete", name)
