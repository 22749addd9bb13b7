"""The lab watched by a real Prometheus: each metric against the node's own programs, each alert by its fault."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from netplan.lab.cluster import Lab, free_ports
from netplan.monitoring import dashboard

from .conftest import ClusterFactory
from .pace import until
from .rollout_steps import Rollout, ending
from .watching import BATCHES, Prometheus, drilled, install, lacking, prometheus

pytestmark = [pytest.mark.lab, pytest.mark.drill, pytest.mark.weight(900)]


class Watched:
    lab: Lab
    rollout: Rollout
    server: Prometheus


@pytest.fixture(scope="module")
def watched(module_clusters: ClusterFactory, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    if missing := lacking():
        pytest.skip(f"apt-get install prometheus prometheus-node-exporter: no {' and no '.join(missing)}")
    folder = tmp_path_factory.mktemp("watched")
    found = Watched()
    lab = found.lab = module_clusters(nodes=2)
    plan = Path(lab.plan)
    plan.write_text(plan.read_text(encoding="utf-8") + "monitoring:\n  interval: 15\n", encoding="utf-8")
    install(lab)
    found.rollout = Rollout(lab, folder)
    said = found.rollout.apply()
    assert said.returncode == 0, said.stderr
    found.rollout.run("monitoring", str(plan), "--to", str(folder / "watch"), bundle=False, ok=True)
    port = free_ports(["exporter"])["exporter"]
    argv = found.rollout.argv("exporter", "--port", str(port), "--interval", "30")
    process = subprocess.Popen(
        argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True, start_new_session=True
    )
    with ending(process), prometheus(lab, folder / "watch", folder / "prometheus", port) as found.server:
        server = found.server
        until("both nodes and the exporter are scraped", lambda: len(server.query("up == 1")) == 3, 3)
        until("the nodes have written", lambda: len(server.query("ipsecplan_charon_up")) == 2, 3)
        until("the exporter has looked", lambda: server.query("ipsecplan_exporter_look_success"), 3)
        yield found


def test_each_metric_is_what_the_nodes_own_programs_say(watched: Watched) -> None:
    compared = compare(watched.lab, watched.server)
    assert len(compared) >= 12
    assert not [row for row in compared if row[1] != row[2]]


def compare(lab: Lab, server: Prometheus, node: str = "n1") -> list[tuple[str, Any, Any]]:
    """Return (metric, what Prometheus has, what swanctl, ip and nft show) of one node."""

    def shell(script: str) -> str:
        return lab.exec(node, ["sh", "-c", script], check=True).stdout

    def value(metric: str, **labels: str) -> float | None:
        asked = "".join(f',{k}="{v}"' for k, v in labels.items())
        found = server.query(f'{metric}{{instance="{node}"{asked}}}')
        return found[0][1] if found else None

    sas, guard = shell("swanctl --list-sas"), shell("nft list table inet ipsecplan")
    policies, stat = shell("ip xfrm policy"), shell("cat /proc/net/xfrm_stat")
    installed = len(re.findall(r"^  \S+: #\d+, reqid \d+, INSTALLED", sas, re.MULTILINE))
    snmp = [line.split() for line in shell("grep ^Ip: /proc/net/snmp").splitlines()]
    ip = dict(zip(snmp[0], snmp[1], strict=True))
    rows: list[tuple[str, Any, Any]] = [
        ("charon_up", value("ipsecplan_charon_up"), 1.0),
        ("ike_sas", value("ipsecplan_ike_sas"), float(len(re.findall(r"^\S+: #\d+, ", sas, re.MULTILINE)))),
        ("pairs_up", value("ipsecplan_pairs_up"), float(installed >= 2)),
        ("pairs_planned", value("ipsecplan_pairs_planned"), 1.0),
        ("block_policies", value("ipsecplan_block_policies"), float(policies.count("priority 4000050"))),
        ("guard_mode drop", value("ipsecplan_guard_mode", mode="drop"), float(" drop" in guard)),
        (
            "watchdog_up",
            value("ipsecplan_watchdog_up"),
            float(shell("systemctl is-active ipsecplan-watch").strip() == "active"),
        ),
        ("fragments", value("ipsecplan_ip_fragments_total", event="IpFragCreates"), float(ip["FragCreates"])),
        ("path exceptions", value("ipsecplan_path_mtu_exceptions"), float(shell("ip route show cache").count(" mtu "))),
        ("certificate", value("ipsecplan_certificate_not_after_timestamp_seconds", certificate="leaf"), _ends(shell)),
    ]
    for device in ("ov0", "cni0", "eth0"):
        rows.append(
            (
                f"mtu {device}",
                value("ipsecplan_device_mtu_bytes", device=device),
                float(shell(f"cat /sys/class/net/{device}/mtu")),
            )
        )
    for name, said in re.findall(r"^(\S+)\s+(\d+)$", stat, re.MULTILINE):
        rows.append((name, value("ipsecplan_xfrm_errors_total", error=name), float(said)))
    for name, said in re.findall(r"counter (\S+) \{\s+packets (\d+)", guard):
        rows.append((f"guard {name}", value("ipsecplan_guard_clear_packets_total", counter=name), float(said)))
    suite = re.search(r"ESP:([A-Z0-9_-]+)", sas)
    shown = [labels["suite"] for labels, _ in server.query(f'ipsecplan_pair_suite_info{{instance="{node}"}}')]
    rows.append(("suite", shown, [suite[1]] if suite else []))
    return rows


def _ends(shell: Any) -> float:
    from cryptography import x509

    found = x509.load_pem_x509_certificate(shell("cat /etc/swanctl/x509/ipsecplan.pem").encode())
    return found.not_valid_after_utc.timestamp()


def test_every_query_of_the_dashboard_is_answered(watched: Watched) -> None:
    until("recorded", lambda: watched.server.query("instance:ipsecplan_fragments:rate5m"), 3)
    # no alert fires, and no pod or path is odd: these have nothing to show
    quiet = ("ALERTS{",)
    assert not [q for q in dashboard.queries() if not watched.server.query(q) and not any(word in q for word in quiet)]


@pytest.mark.parametrize("batch", BATCHES)
def test_each_fault_is_seen_and_seen_to_end(watched: Watched, batch: int) -> None:
    drilled(watched.lab, watched.server, batch)


def test_no_secret_is_in_what_is_served(watched: Watched) -> None:
    for node in ("n1", "n2"):
        served = watched.lab.exec(node, ["cat", "/var/lib/prometheus/node-exporter/ipsecplan.prom"], check=True).stdout
        assert "PRIVATE KEY" not in served
        assert not re.search(r"0x[0-9a-f]{32}", served)
        keys = watched.lab.exec(node, ["sh", "-c", "ip xfrm state | grep -o '0x[0-9a-f]\\{32,\\}'"]).stdout.split()
        assert not [key for key in keys if key[2:] in served]


def test_promtool_takes_what_a_node_serves(watched: Watched) -> None:
    served = watched.lab.exec("n1", ["cat", "/var/lib/prometheus/node-exporter/ipsecplan.prom"], check=True).stdout
    tool = shutil.which("promtool") or "promtool"
    done = subprocess.run([tool, "check", "metrics"], input=served, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
