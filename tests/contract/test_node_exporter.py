"""A real node_exporter (Debian's) and what the collection writes: every series arrives, and nothing is lost unsaid.

What it does with files that are not as ours is here beside it: that is why ours are as they are.
"""

from __future__ import annotations

import re
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from netplan.agent.phases import counters
from netplan.agent.system import core
from netplan.agent.textfile import exposition, families
from netplan.agent.textfile.memory import Memory
from tests.support import replies
from tests.support.programs import program
from tests.unit.test_textfile import everything, node

PROGRAM = program("prometheus-node-exporter")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(PROGRAM is None, reason="no node_exporter: make .test-setup"),
]
HERE = node(60)
FOUND = replies.counters(HERE, path_mtu={"n-1": 1300})


@contextmanager
def exporter(folder: Path, *collectors: str) -> Iterator[str]:
    """Run a node_exporter with these collectors and the textfile collector; give the address of its metrics."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    argv = [PROGRAM or "", f"--web.listen-address=127.0.0.1:{port}", f"--collector.textfile.directory={folder}"]
    argv += ["--collector.disable-defaults", "--collector.textfile", *collectors]
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield f"http://127.0.0.1:{port}/metrics"
    finally:
        process.terminate()
        process.wait()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    with exporter(tmp_path) as address:
        yield tmp_path, address


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


def test_a_file_that_is_being_written_is_not_read(served: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> None:
    folder, address = served
    said: list[str] = []
    monkeypatch.setattr("os.fsync", lambda _: said.append(ask(address)))
    core.write(str(folder / "ipsecplan.prom"), "ipsecplan_whole 1\n", 0o644)
    assert "node_textfile_scrape_error 0" in said[0]
    assert "ipsecplan_" not in said[0]
    assert ours(ask(address)) == {"ipsecplan_whole[]": 1}


def test_a_hidden_file_is_read_and_one_cut_at_a_line_s_end_is_taken_as_whole(served: tuple[Path, str]) -> None:
    """So what is written beside ours doesn't end in .prom, and comes into its place by a rename."""
    folder, address = served
    (folder / ".hidden.prom").write_text("ipsecplan_hidden 1\n", encoding="utf-8")
    (folder / "ipsecplan.prom.12").write_text("ipsecplan_beside 1\n", encoding="utf-8")
    text = exposition.text(everything(HERE, FOUND, Memory()))
    cut = "".join(text.splitlines(keepends=True)[:20])
    (folder / "ipsecplan.prom").write_text(cut, encoding="utf-8")
    said = ask(address)
    assert "node_textfile_scrape_error 0" in said
    assert ours(said) == {**ours(cut), "ipsecplan_hidden[]": 1}


def test_a_series_twice_is_lost_without_a_word(served: tuple[Path, str]) -> None:
    """So a family refuses one (tests/unit/test_textfile.py), and a child that is replaced is not counted beside it."""
    folder, address = served
    (folder / "ipsecplan.prom").write_text('ipsecplan_x{a="b"} 1\nipsecplan_x{a="b"} 2\n', encoding="utf-8")
    said = ask(address)
    assert "node_textfile_scrape_error 0" in said
    assert len(re.findall("^ipsecplan_x", said, re.MULTILINE)) == 1


def test_the_kernels_fragments_come_from_us_because_netstat_leaves_them_out(tmp_path: Path) -> None:
    found = counters.ip_counters()
    assert {"IpFragFails", "IpFragOKs", "IpFragCreates", "IpReasmOKs", "IpOutDiscards", "IcmpOutDestUnreachs"} <= set(
        found
    )
    text = exposition.text(families.of_kernel(HERE, {**FOUND, "ip": found}))
    core.write(str(tmp_path / "ipsecplan.prom"), text, 0o644)
    with exporter(tmp_path, "--collector.netstat") as address:
        said = ask(address)
    assert "node_netstat_Ip_Forwarding" in said
    assert not re.findall("^node_netstat_.*(?:Frag|Reasm|Discards|DestUnreachs)", said, re.MULTILINE)
    assert {name for name in ours(said) if "ip_fragments" in name} == {
        f"ipsecplan_ip_fragments_total[('event', '{event}')]" for event in found
    }


@pytest.mark.skipif(not Path("/proc/net/xfrm_stat").exists(), reason="this kernel counts no XFRM errors")
def test_every_row_of_xfrm_errors_comes_from_us_and_its_own_collector_knows_fewer(tmp_path: Path) -> None:
    rows = counters.xfrm_counters()
    assert len(rows) == len(Path("/proc/net/xfrm_stat").read_text(encoding="utf-8").splitlines())
    core.write(str(tmp_path / "ipsecplan.prom"), exposition.text(families.of_kernel(HERE, {**FOUND, "xfrm": rows})))
    with exporter(tmp_path) as address:
        said = ask(address)
    assert len([name for name in ours(said) if "xfrm_errors" in name]) == len(rows)
    knows = subprocess.run([PROGRAM or "", "--collector.xfrm", "--version"], capture_output=True, text=True, timeout=60)
    if knows.returncode == 0:  # Debian 12's has none at all
        with exporter(tmp_path, "--collector.xfrm") as address:
            assert ask(address).count("\nnode_xfrm_") <= len(rows)
