"""A real Prometheus and real node_exporters over a lab: started, asked, ended.

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
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
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
