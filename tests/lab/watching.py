"""A real Prometheus and real node_exporters over a lab: started, asked, ended. And the faults that they have to see.

Both are Debian's (`prometheus`, `prometheus-node-exporter`), from this machine: the nodes get the binary. They are
reached over SSH, because a lab lets no other packet in. Holds are shortened to one evaluation and windows to two
minutes, so that a fault and its end are seen within minutes; what an alert waits for in earnest, `promtool test rules`
shows.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from netplan.lab.cluster import Lab, free_ports
from netplan.lab.ssh import CONFIG
from tests.support.programs import program

from .pace import until

EXPORTER, PROMETHEUS = (program(name) or name for name in ("prometheus-node-exporter", "prometheus"))
TEXTFILES = "/var/lib/prometheus/node-exporter"
COLLECTORS = "--collector.disable-defaults --collector.textfile --collector.time --collector.netstat"


def lacking() -> list[str]:
    """Return the programs that this machine lacks."""
    return [name for name in (EXPORTER, PROMETHEUS) if shutil.which(name) is None]


def install(lab: Lab) -> None:
    """Put node_exporter on every node and start it there."""
    binary = Path(EXPORTER).read_bytes()
    for node in lab.config.members:
        if lab.exec(node.name, ["test", "-x", "/usr/local/bin/node_exporter"]).returncode:
            put = "cat >/usr/local/bin/node_exporter && chmod 755 /usr/local/bin/node_exporter"
            lab.exec(node.name, ["sh", "-c", put], stdin=binary, timeout=1800, check=True)
        start = (
            f"mkdir -p {TEXTFILES}; systemctl is-active -q node-exporter || systemd-run --quiet --unit=node-exporter "
            f"/usr/local/bin/node_exporter --web.listen-address=127.0.0.1:9100 "
            f"--collector.textfile.directory={TEXTFILES} {COLLECTORS}"
        )
        lab.exec(node.name, ["sh", "-c", start], check=True)


class Prometheus:
    """A Prometheus that scrapes the nodes and the exporter of a lab."""

    def __init__(self, port: int) -> None:
        self.at = f"http://127.0.0.1:{port}"

    def ask(self, path: str, **words: str) -> Any:
        """Return the data of one answer of its API."""
        query = urllib.parse.urlencode(words)
        with urllib.request.urlopen(f"{self.at}/api/v1/{path}?{query}", timeout=120) as answer:  # noqa: S310
            return json.load(answer)["data"]

    def query(self, expr: str) -> list[tuple[dict[str, str], float]]:
        """Return (labels, value) of each series of an expression, now."""
        found = self.ask("query", query=expr)["result"]
        return [(one["metric"], float(one["value"][1])) for one in found]

    def firing(self) -> list[dict[str, str]]:
        """Return the labels of every alert that fires."""
        return [one["labels"] for one in self.ask("alerts")["alerts"] if one["state"] == "firing"]

    def ready(self) -> bool:
        try:
            with urllib.request.urlopen(self.at + "/-/ready", timeout=10):  # noqa: S310
                return True
        except (urllib.error.URLError, OSError):
            return False


@contextmanager
def prometheus(lab: Lab, rendered: Path, folder: Path, exporter_port: int) -> Iterator[Prometheus]:
    """Run Prometheus with what ``ipsecplan monitoring --to`` wrote, over tunnels to the nodes."""
    names = [node.name for node in lab.config.members]
    ports = free_ports([*names, "prometheus"])
    jobs = yaml.safe_load((rendered / "prometheus/scrape.yml").read_text(encoding="utf-8"))
    for target in jobs["scrape_configs"][0]["static_configs"]:
        target["targets"] = [f"127.0.0.1:{ports[target['labels']['instance']]}"]
    jobs["scrape_configs"][1]["static_configs"] = [{"targets": [f"127.0.0.1:{exporter_port}"]}]
    for job in jobs["scrape_configs"]:
        job["scrape_timeout"] = job["scrape_interval"]
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("alerts", "recording"):
        (folder / f"{name}.yml").write_text(
            soon((rendered / f"prometheus/{name}.yml").read_text(encoding="utf-8"), 15, 120)
        )
    whole = {"rule_files": ["alerts.yml", "recording.yml"], **jobs}
    (folder / "prometheus.yml").write_text(yaml.safe_dump(whole), encoding="utf-8")
    with ExitStack() as stack:
        for name in names:
            way = f"127.0.0.1:{ports[name]}:127.0.0.1:9100"
            stack.enter_context(
                running("ssh", "-F", str(lab.directory / CONFIG), "-o", "ControlPath=none", "-N", "-L", way, name)
            )
        server = Prometheus(ports["prometheus"])
        stack.enter_context(
            running(
                PROMETHEUS,
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{ports['prometheus']}",
                "--log.level=warn",
            )
        )
        until("Prometheus is ready", server.ready, 0.5)
        yield server


def soon(rules: str, hold_s: int, window_s: int) -> str:
    """Return rules that hold for so many seconds and look back over so many, with counts of 1 for enough."""
    short = re.sub(r"^(\s+for:) \d+s$", rf"\1 {hold_s}s", rules, flags=re.MULTILINE)
    short = re.sub(r"interval: \d+s", "interval: 1s", short) if hold_s < 15 else short
    return re.sub(r"(\[10m\]\)) > [35]$", r"\1 > 0", short, flags=re.MULTILINE).replace("[10m]", f"[{window_s}s]")


@contextmanager
def running(*argv: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


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
        batch=3,
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
