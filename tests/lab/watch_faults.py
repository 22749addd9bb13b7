"""The faults that a watched lab has to show: how each is made, which alert has to fire, and how it ends."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from netplan.lab.cluster import Lab

from .pace import until
from .watching import Prometheus

CLEAR = """
import socket
link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for _ in range(3):
    link.sendto(b"clear", ("10.77.0.12", 4789))
"""


# "too big, 1400 bytes" about an echo reply of the host that it goes to: of a request only its socket would hear
LEARN = """
import socket, struct, sys
def summed(b):
    n = sum(struct.unpack(f"!{len(b) // 2}H", b))
    n = (n >> 16) + (n & 0xffff)
    return 0xffff & ~(n + (n >> 16))
own, to = (socket.inet_aton(one) for one in sys.argv[1:3])
inner = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 1500, 1, 0x4000, 64, 1, 0, to, own)
said = struct.pack("!BBHHH", 3, 4, 0, 0, 1400) + inner + struct.pack("!BBHHH", 0, 0, 0, 1, 1)
said = said[:2] + struct.pack("!H", summed(said)) + said[4:]
socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP).sendto(said, (sys.argv[2], 0))
"""


def short_certificate(days: int = 3) -> str:
    """Return a certificate that lives for so many days, as PEM."""
    import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "soon")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=90))
        .not_valid_after(now + datetime.timedelta(days=days))
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM).decode()


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A fault: the alert that has to fire, with labels; how it is made, where, and how it ends.

    ``batch``: faults of one batch are there at the same time, because none hides another.
    """

    alert: str
    labels: dict[str, str]
    inject: str
    repair: str
    where: str = "n2"
    batch: int = 1
    repair_where: str = ""
    stdin: Callable[[], str] | None = None


def _python(source: str, *words: str) -> str:
    return f"python3 - {' '.join(words)} <<'E'\n{source}\nE"


# two connections that n2 refuses: by its proposals, and by its identity
_AUTH = "local { auth = psk\n id = stranger@example.org\n }\n remote { auth = psk\n id = %any\n }\n"
_OFFERS = {"drill-1": "aes128-sha256-modp2048", "drill-2": "default,aes256gcm16-prfsha384-ecp384"}
_CONNECTIONS = "".join(
    f"{name} {{\n remote_addrs = 10.77.0.12\n proposals = {offer}\n {_AUTH} }}\n" for name, offer in _OFFERS.items()
)
_SECRET = "ike-drill {\n id-1 = stranger@example.org\n secret = none\n }\n"
STRANGERS = f"""cat >/etc/swanctl/conf.d/drill.conf <<'E'
connections {{
{_CONNECTIONS} }}
secrets {{
{_SECRET} }}
E
swanctl --load-all --noprompt >/dev/null
for one in drill-1 drill-2; do swanctl --initiate --ike $one --timeout 20 >/dev/null 2>&1 && exit 1; done
rm /etc/swanctl/conf.d/drill.conf; swanctl --load-all --noprompt >/dev/null"""
PEM = "/etc/swanctl/x509/ipsecplan.pem"
BLOCK = (
    "nft -f - <<'E'\ntable inet drill { "
    "chain i { type filter hook input priority -300; udp dport { 500, 4500 } drop; }; "
    "chain o { type filter hook output priority -300; udp dport { 500, 4500 } drop; }; }\nE"
)
RESTART = "systemctl restart strongswan"


def each_pair(words: str) -> str:
    return f"while read -r _ _ pair; do {words}; done </etc/ipsecplan/peers >/dev/null; true"


FAULTS: dict[str, Seen] = {
    "device-mtu": Seen(
        alert="IpsecDeviceMtuWrong",
        labels={"instance": "n2", "device": "ov0"},
        inject="ip link set ov0 mtu 1300",
        repair="ip link set ov0 mtu 1416",
    ),
    "path-mtu": Seen(
        alert="IpsecPathMtuSmaller",
        labels={"instance": "n1"},
        # one that no packet has met since is in no list of the kernel's
        inject=_python(LEARN, "10.77.0.12", "10.77.0.11") + "\nping -q -c 1 10.77.0.11 >/dev/null",
        repair="ip route flush cache",
        repair_where="n1",
    ),
    "ike-refused": Seen(
        alert="IpsecIkeFailures",
        labels={"instance": "n2", "reason": "proposal"},
        where="n1",
        inject=STRANGERS,
        repair=":",
    ),
    "fragments": Seen(
        alert="IpsecFragments",
        labels={"instance": "n1", "event": "IpFragCreates"},
        where="n1",
        inject="ping -c 3 -i 0.3 -s 3000 -M dont 10.77.0.12 >/dev/null",
        repair=":",
    ),
    "clear-packet": Seen(
        alert="IpsecClearPackets",
        labels={"instance": "n2"},
        where="guest",
        inject=_python(CLEAR),
        repair=":",
    ),
    "certificate": Seen(
        alert="IpsecCertificateEnds",
        labels={"instance": "n2", "certificate": "leaf"},
        inject=f"cp -p {PEM} /root/leaf.pem && cat >{PEM}",
        repair=f"mv -f /root/leaf.pem {PEM}",
        stdin=short_certificate,
    ),
    "block-policies": Seen(
        alert="IpsecBlockPoliciesMissing",
        labels={"instance": "n2"},
        inject="ip xfrm policy deleteall dir out action block priority 4000050",
        repair="ip -force -batch /etc/ipsecplan/floor",
    ),
    "transaction-open": Seen(
        alert="IpsecTransactionOpen",
        labels={"instance": "n1"},
        where="n1",
        inject="mkdir -p /var/lib/ipsecplan/tx/tx-drill && echo tx-drill >/var/lib/ipsecplan/open",
        repair="rm -rf /var/lib/ipsecplan/open /var/lib/ipsecplan/tx/tx-drill",
    ),
    "drift": Seen(
        alert="IpsecDrift",
        labels={"node": "n2", "code": "IPP680"},
        inject="echo '# by hand' >>/etc/ipsecplan/peers",
        repair="sed -i '$d' /etc/ipsecplan/peers",
    ),
    "charon-stopped": Seen(
        alert="IpsecCharonDown",
        labels={"instance": "n2"},
        batch=2,
        inject="systemctl stop strongswan",
        repair="systemctl start strongswan",
    ),
    "sa-gone": Seen(
        alert="IpsecPairDown",
        labels={"instance": "n1", "peer": "n2"},
        batch=2,
        where="n1",
        inject=each_pair("swanctl --terminate --ike $pair --force --timeout 5"),
        repair=each_pair("swanctl --initiate --child $pair-out; swanctl --initiate --child $pair-in"),
    ),
    "guard-flushed": Seen(
        alert="IpsecGuardOpen",
        labels={"instance": "n2"},
        batch=2,
        inject="systemctl stop ipsecplan-watch; nft delete table inet ipsecplan",
        repair="systemctl start ipsecplan-watch",
    ),
    "watchdog-stopped": Seen(
        alert="IpsecWatchdogDown",
        labels={"instance": "n2"},
        batch=2,
        inject="systemctl stop ipsecplan-watch",
        repair="systemctl start ipsecplan-watch",
    ),
    "rekey-fails": Seen(
        alert="IpsecRetransmits",
        labels={"instance": "n1", "peer": "n2"},
        batch=3,
        where="n1",
        inject=f"{BLOCK}\n" + each_pair("swanctl --rekey --ike $pair"),
        repair=f"nft delete table inet drill; {RESTART}",
    ),
    "node-away": Seen(
        alert="IpsecNodeAway",
        labels={"instance": "n2"},
        batch=3,
        inject="kill -STOP $(pidof node_exporter)",
        repair="kill -CONT $(pidof node_exporter)",
    ),
    "collector-stopped": Seen(
        alert="IpsecMetricsOld",
        labels={"instance": "n1"},
        batch=4,
        where="n1",
        inject="systemctl stop ipsecplan-metrics.timer",
        repair="systemctl start ipsecplan-metrics.timer",
    ),
    "clock-off": Seen(
        alert="IpsecClockOff",
        labels={"instance": "n1"},
        batch=4,
        where="guest",
        inject="date -s '+10 minutes'",
        repair="date -s @{now}",
    ),
}
BATCHES = sorted({fault.batch for fault in FAULTS.values()})


def drilled(lab: Lab, server: Prometheus, batch: int, meanwhile: Callable[[], None] = lambda: None) -> None:
    """Make the faults of a batch, see each alert fire with its labels, repair, and see each end.

    ``meanwhile`` is done when all fire.
    """
    faults = {name: fault for name, fault in FAULTS.items() if fault.batch == batch}
    for fault in faults.values():
        feed = fault.stdin() if fault.stdin else None
        lab.exec(fault.where, ["sh", "-c", fault.inject], stdin=feed, check=True)
    left = dict(faults)
    began = time.monotonic()

    def all_seen() -> bool:
        firing = server.firing()
        for name in [name for name, fault in left.items() if _among(fault, firing)]:
            print(f"{name}: {left.pop(name).alert} fires after {time.monotonic() - began:.0f} s")
        return not left

    until(f"the alerts of {', '.join(faults)} fire", all_seen, 3)
    meanwhile()
    for fault in faults.values():
        lab.exec(fault.repair_where or fault.where, ["sh", "-c", fault.repair.format(now=int(time.time()))], check=True)
    left, began = dict(faults), time.monotonic()

    def all_over() -> bool:
        firing = server.firing()
        for name in [name for name, fault in left.items() if not _among(fault, firing)]:
            print(f"{name}: {left.pop(name).alert} is resolved {time.monotonic() - began:.0f} s after the repair")
        return not left

    until(f"the alerts of {', '.join(faults)} end", all_over, 3)


def _among(fault: Seen, firing: list[dict[str, str]]) -> bool:
    wanted = {"alertname": fault.alert, **fault.labels}
    return any(wanted.items() <= labels.items() for labels in firing)
