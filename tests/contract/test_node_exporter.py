"""A real node_exporter reads what the collection writes: every series, with its value, and no word about an error.

It is Debian's package `prometheus-node-exporter`, which a test run doesn't install.
"""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from netplan.agent.system import core
from netplan.agent.textfile import exposition
from netplan.agent.textfile.memory import Memory
from tests.support import replies
from tests.unit.test_textfile import everything, node

PROGRAM = shutil.which("prometheus-node-exporter")
pytestmark = [
    pytest.mark.drill,
    pytest.mark.slow,
    pytest.mark.skipif(PROGRAM is None, reason="no node_exporter: apt-get install prometheus-node-exporter"),
]
HERE = node(60)
FOUND = replies.counters(HERE, path_mtu={"n-1": 1300})


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    argv = [
        PROGRAM or "",
        f"--web.listen-address=127.0.0.1:{port}",
        f"--collector.textfile.directory={tmp_path}",
        "--collector.disable-defaults",
        "--collector.textfile",
    ]
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield tmp_path, f"http://127.0.0.1:{port}/metrics"
    finally:
        process.terminate()
        process.wait()


def ask(address: str) -> str:
    for _ in range(600):
        try:
            with urllib.request.urlopen(address, timeout=60) as answer:  # noqa: S310  ours, on loopback
                return answer.read().decode()
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)
    raise AssertionError("node_exporter does not answer")


def ours(text: str) -> dict[str, float]:
    found = re.findall(r"^(ipsecplan_\S+?(?:\{.*\})?) (\S+)$", text, re.MULTILINE)
    return {_sorted(name): float(value) for name, value in found}


def _sorted(name: str) -> str:
    head, _, labels = name.partition("{")
    return head + str(sorted(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', labels)))


def test_every_series_arrives_with_its_value(served: tuple[Path, str]) -> None:
    folder, address = served
    text = exposition.text(everything(HERE, FOUND, Memory()))
    core.write(str(folder / "ipsecplan.prom"), text, 0o644)
    said = ask(address)
    assert ours(said) == ours(text)
    assert "node_textfile_scrape_error 0" in said
    assert re.search(r"node_textfile_mtime_seconds\{file=\"[^\"]*ipsecplan.prom\"\} \d", said)


def test_a_half_written_file_is_not_read(served: tuple[Path, str]) -> None:
    folder, address = served
    (folder / ".ipsecplan-123.tmp").write_text("ipsecplan_half{", encoding="utf-8")
    said = ask(address)
    assert "node_textfile_scrape_error 0" in said
    assert "ipsecplan_" not in said
