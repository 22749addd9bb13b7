"""The lab watched by a real Prometheus: each metric against the node's own programs, each alert by its fault."""

from __future__ import annotations

import json
import re
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from netplan.agent.phases import monitoring as on_node
from netplan.host import monitoring
from netplan.lab.cluster import Lab, free_ports
from netplan.monitoring import dashboard
from tests.support.programs import program

from .conftest import ClusterFactory
from .pace import until
from .rollout_steps import Rollout, ending
from .shown import Values, children, compare, looked
from .watch_faults import BATCHES, drilled, each_pair
from .watching import TEXTFILES, Prometheus, install, lacking, prometheus

MONITORING = "monitoring:\n  interval: 15\n"
pytestmark = [pytest.mark.lab, pytest.mark.drill, pytest.mark.weight(900)]


class Watched:
    lab: Lab
    rollout: Rollout
    server: Prometheus
    port: int  # of our exporter
    without: set[str]  # files of n1 before the plan had `monitoring:`
    beside: set[str]  # and those more since


_NOT = (
    "/var/lib/ipsecplan/*",
    "/var/lib/dpkg/*",
    "/var/lib/systemd/*",
    "*/node_exporter*",
    "*.tmp",
    "/run/ipsecplan/part-*",
    "/run/ipsecplan/preflight-packets*",
)
FILES = " ".join(
    ["find /etc /usr/local /var/lib /run/ipsecplan ! -type d", *(f"! -path '{pattern}'" for pattern in _NOT)]
)


def files(lab: Lab) -> set[str]:
    return set(lab.exec("n1", ["sh", "-c", FILES], check=True).stdout.split())


def applied(found: Watched, plan: str) -> None:
    Path(found.lab.plan).write_text(plan, encoding="utf-8")
    rollout = found.rollout
    rollout.run("render", str(found.lab.plan), "--to", str(rollout.bundle), bundle=False, ok=True)
    said = rollout.apply()
    assert said.returncode == 0, said.stderr


@pytest.fixture(scope="module")
def watched(module_clusters: ClusterFactory, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    if missing := lacking():
        pytest.skip(f"make .test-setup: no {' and no '.join(missing)}")
    folder = tmp_path_factory.mktemp("watched")
    found = Watched()
    lab = found.lab = module_clusters(nodes=2)
    plan = Path(lab.plan)
    install(lab)
    found.rollout = Rollout(lab, folder)
    applied(found, plan.read_text(encoding="utf-8"))
    found.without = files(lab)
    applied(found, plan.read_text(encoding="utf-8") + MONITORING)
    found.rollout.run("monitoring", str(plan), "--to", str(folder / "watch"), bundle=False, ok=True)
    port = found.port = free_ports(["exporter"])["exporter"]
    argv = found.rollout.argv("exporter", "--port", str(port), "--interval", "30", "--log", str(folder / "ecs.json"))
    process = subprocess.Popen(
        argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True, start_new_session=True
    )
    with ending(process), prometheus(lab, folder / "watch", folder / "prometheus", port) as found.server:
        server = found.server
        until("both nodes and the exporter are scraped", lambda: len(server.query("up == 1")) == 3, 3)
        until("the nodes have written", lambda: len(server.query("ipsecplan_charon_up")) == 2, 3)
        found.beside = files(lab) - found.without
        until("the exporter has looked", lambda: server.query("ipsecplan_exporter_look_success"), 3)
        yield found


def test_each_metric_is_what_the_nodes_own_programs_say(watched: Watched) -> None:
    for node, peer in (("n1", "n2"), ("n2", "n1")):
        values, shows = looked(watched.lab, watched.server, node)
        rows = list(compare(values, shows, node, peer))
        for row in rows:
            print(node, *row)
        assert not [row for row in rows if row[2] != row[3]]
        assert {"ipsecplan_" + row[0] for row in rows} == {name for name, _ in values}, "every metric is compared"
        assert len(rows) > 90


def test_a_packet_adds_to_the_sums_what_charon_counts_over_a_rekey_too(watched: Watched) -> None:
    """Inner bytes: less than the device carries."""
    lab, server = watched.lab, watched.server
    ping = f"ip netns exec pod1 ping -q -i 0.05 -c 20 -s 1000 {lab.nodes[1].pod_address}"
    sent = "cat /sys/class/net/eth0/statistics/tx_bytes"

    def summed(values: Values, what: str) -> float:
        assert values[f"ipsecplan_pairs_{what}_total", ()] == next(
            value for (name, _), value in values.items() if name == f"ipsecplan_pair_{what}_total"
        )
        return values[f"ipsecplan_pairs_{what}_total", ()]

    before, shown = looked(lab, server, "n1")
    wire = int(lab.exec("n1", ["sh", "-c", f"{sent}; {ping} >&2; {sent}"], check=True).stdout.split()[0])
    after, then = looked(lab, server, "n1")
    wire = int(lab.exec("n1", ["sh", "-c", sent], check=True).stdout) - wire
    for what in ("receive_bytes", "receive_packets", "transmit_bytes", "transmit_packets"):
        by_charon = [sum(child.counted[what] for child in children(one["swanctl"])) for one in (shown, then)]
        assert summed(after, what) - summed(before, what) == by_charon[1] - by_charon[0] > 0, what
    assert summed(after, "transmit_packets") - summed(before, "transmit_packets") >= 20
    assert summed(after, "transmit_bytes") - summed(before, "transmit_bytes") < wire
    lab.exec("n1", ["sh", "-c", each_pair("swanctl --rekey --child $pair-out")], check=True)
    until("rekeyed", lambda: _out(lab) not in ("", _out_of(then["swanctl"])), 1)
    new, _ = looked(lab, server, "n1")
    assert summed(new, "transmit_bytes") >= summed(after, "transmit_bytes")
    assert sum(name == "ipsecplan_pair_sa_installed" for name, _ in new) == 1


def _out(lab: Lab) -> str:
    return _out_of(lab.exec("n1", ["swanctl", "--list-sas"], check=True).stdout)


def _out_of(listed: str) -> str:
    found = re.findall(r"-out: (#\d+), reqid \d+, INSTALLED", listed)
    return found[-1] if found else ""


def test_the_exporter_says_what_status_says(watched: Watched) -> None:
    server, said = watched.server, watched.rollout.status()
    for name, node in said.items():

        def value(metric: str, name: str = name, **labels: str) -> list[float]:
            asked = "".join(f',{k}="{v}"' for k, v in labels.items())
            found = server.query(f'ipsecplan_exporter_{metric}{{node="{name}"{asked}}}')
            return [number for _, number in found]

        assert value("node_up") == [1]
        assert value("node_state", state=node["state"]["state"]) == [1]
        assert value("guard_drops") == [node["guard"]["mode"] == "drop"]
        assert value("block_policies") == [node["floor"]]
        assert value("permissive") == [node["permissive"]]
        assert value("device_mtu_bytes", device="ov0") == [node["mtu"]["devices"]["ov0"]]
        assert value("pods") == [len(node["mtu"]["pods"])]
        assert value("pod_mtu_bytes", bound="min") == [min(pod["mtu"] for pod in node["mtu"]["pods"])]
        assert value("drift") == []
        assert "XfrmInNoStates" not in node["xfrm_errors"], "those of the preflights before it are no errors"
        kernel = watched.lab.exec(name, ["grep", "XfrmInNoStates", "/proc/net/xfrm_stat"], check=True).stdout
        assert int(kernel.split()[1]) > 0, "and the kernel counts them"
    whole = {"pairs": 1, "pairs_encrypted": 1, "proof_success": 1, "look_success": 1, "transaction_awaiting": 0}
    for metric, number in whole.items():
        assert [found for _, found in server.query("ipsecplan_exporter_" + metric)] == [number], metric
    assert [value for _, value in server.query('ipsecplan_exporter_transaction_success{verb="apply"}')] == [1]


@pytest.mark.parametrize("batch", BATCHES)
def test_each_fault_is_seen_and_seen_to_end(watched: Watched, batch: int) -> None:
    """And while there is something to show, every query of the dashboard shows something."""

    def shown() -> None:
        server = watched.server
        until("recorded", lambda: server.query("instance:ipsecplan_fragments:rate5m"), 3)
        assert not [query for query in dashboard.queries() if not server.query(query)]

    drilled(watched.lab, watched.server, batch, shown if batch == BATCHES[0] else lambda: None)


def test_charons_priorities_and_message_ids_tell_no_failure(watched: Watched) -> None:
    """So its failures are counted by their text. n2 has refused two connections of n1 (the fault `ike-refused`)."""
    lab, server = watched.lab, watched.server
    for node in ("n1", "n2"):
        for reason in ("proposal", "authentication"):
            asked = f'ipsecplan_ike_failures_total{{instance="{node}",reason="{reason}"}}'
            assert [value for _, value in server.query(asked) if value > 0], (node, reason)
        worse = [
            "journalctl",
            "-b",
            "-q",
            "-u",
            "strongswan*",
            "-p",
            "warning",
            "-o",
            "cat",
            "SYSLOG_IDENTIFIER=charon-systemd",
        ]
        assert lab.exec(node, worse, check=False).stdout == "", "a failure would be below warning"
    said = lab.exec("n1", ["journalctl", "-b", "-u", "strongswan*", "-o", "json", "--no-pager"], check=True).stdout
    lines = [line for line in map(json.loads, said.splitlines()) if isinstance(line.get("MESSAGE"), str)]
    refused = [line for line in lines if re.fullmatch(r"received \S+ notify error", line["MESSAGE"])]
    assert {"NO_PROPOSAL_CHOSEN", "AUTHENTICATION_FAILED"} <= {line["MESSAGE"].split()[1] for line in refused}
    assert len({line["MESSAGE_ID"] for line in refused}) == 1, "of two different failures"
    up = [line for line in lines if re.match(r"IKE_SA \S+ established", line["MESSAGE"])]
    assert {line["PRIORITY"] for line in refused} == {"6"}
    assert {line["PRIORITY"] for line in up} == {"5"}, "a success is said louder than a failure"


COST = """
import resource, subprocess
def used(*argv):
    subprocess.run(argv, check=True)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    for _ in range(10): subprocess.run(argv, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / 10
print(used("/usr/bin/python3", "-I", "-S", "-c", "import json, os, re, socket, subprocess"))
print(used("/usr/bin/python3", "-I", "-S", "/usr/local/lib/ipsecplan/metrics.py"))
"""


def test_what_the_timer_costs_a_node(watched: Watched) -> None:
    """In starts of Python: what a guest calls processor time is what its host had left for it."""
    lab = watched.lab
    lab.exec("n1", ["systemctl", "stop", "ipsecplan-metrics.timer"], check=True)
    python, each = map(float, lab.exec("n1", ["python3", "-"], stdin=COST, check=True).stdout.split())
    lab.exec("n1", ["systemctl", "start", "ipsecplan-metrics.timer"], check=True)
    print(
        f"a start of Python: {python:.3f} s of this node's processor, a collection: {each:.3f} s, {each / python:.1f}"
    )
    assert each < 12 * python


def test_no_secret_is_in_what_is_served(watched: Watched) -> None:
    ping = ["ip", "netns", "exec", "pod1", "ping", "-q", "-c", "3", str(watched.lab.nodes[1].pod_address)]
    until("SAs", lambda: watched.lab.exec("n1", ping).returncode == 0, 2)
    logged = (watched.rollout.folder / "ecs.json").read_text(encoding="utf-8")
    assert '"event"' in logged
    for node in ("n1", "n2"):
        served = watched.lab.exec(node, ["cat", "/var/lib/prometheus/node-exporter/ipsecplan.prom"], check=True).stdout
        assert "PRIVATE KEY" not in served
        assert not re.search(r"0x[0-9a-f]{32}", served)
        keys = watched.lab.exec(node, ["sh", "-c", "ip xfrm state | grep -o '0x[0-9a-f]\\{32,\\}'"]).stdout.split()
        assert len(keys) >= 4
        assert not [key for key in keys if key[2:] in served + logged]
        secret = watched.lab.exec(node, ["sh", "-c", "cat /etc/swanctl/private/*"], check=True).stdout
        inner = [line for line in secret.splitlines() if len(line) > 40 and "-----" not in line]
        assert inner
        assert not [line for line in inner if line in served + logged]


def test_promtool_takes_what_is_served_and_what_is_rendered(watched: Watched) -> None:
    folder = watched.rollout.folder

    def promtool(*words: str, stdin: str = "") -> tuple[int, str]:
        tool = program("promtool") or "promtool"
        done = subprocess.run([tool, *words], input=stdin, capture_output=True, text=True, timeout=300)
        return done.returncode, done.stdout + done.stderr

    for node in ("n1", "n2"):
        served = watched.lab.exec(node, ["cat", f"{TEXTFILES}/ipsecplan.prom"], check=True).stdout
        assert promtool("check", "metrics", stdin=served) == (0, "")
    with urllib.request.urlopen(f"http://127.0.0.1:{watched.port}/metrics", timeout=60) as answer:
        whole = answer.read().decode()
    assert promtool("check", "metrics", stdin="".join(_ours(whole))) == (0, "")
    for name in ("alerts", "recording"):
        code, said = promtool("check", "rules", "--lint-fatal", str(folder / f"watch/prometheus/{name}.yml"))
        assert (code, "FAILED" in said) == (0, False), said
    code, said = promtool("check", "config", str(folder / "prometheus/prometheus.yml"))
    assert (code, "FAILED" in said) == (0, False), said


def _ours(text: str) -> list[str]:
    return [line for line in text.splitlines(keepends=True) if "ipsecplan_exporter_" in line]


def test_without_monitoring_a_node_has_not_one_file_more(watched: Watched) -> None:
    """Before it, and after it; the last test, because it ends what the others look at."""
    script, *units = ("/" + path for path in (monitoring.SCRIPT, monitoring.TIMER, monitoring.SERVICE))
    kept = {on_node.STARTED, on_node.KEPT, on_node.COMPILED}
    assert watched.beside == {script, *units, on_node.LINK, on_node.NODE, on_node.FILE, *kept}
    applied(watched, Path(watched.lab.plan).read_text(encoding="utf-8").removesuffix(MONITORING))
    left = files(watched.lab)
    assert left == watched.without
    assert watched.lab.exec("n1", ["systemctl", "is-active", "ipsecplan-metrics.timer"]).stdout.strip() == "inactive"
