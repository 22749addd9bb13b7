"""Metrics of two real charons on a real kernel: what each number is beside swanctl, ip and nft, and which alert a fault
fires in a real Prometheus that scrapes a real node_exporter.

The guest makes the faults and writes the files; node_exporter and Prometheus (Debian's packages) run here and are given
one file after the other, so that a fault is there for as long as it takes to see it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from netplan.agent.phases import counters
from netplan.bundle.node_files import NodeFiles
from netplan.bundle.node_json import node_facts
from netplan.ipsec import connections
from netplan.monitoring import alerts, dashboard, render
from netplan.monitoring.exporter import Cluster, States, of_look, of_node
from netplan.plan.types import Plan
from tests.ci import roots
from tests.kernel import boot
from tests.lab.watch_faults import LEARN, short_certificate
from tests.lab.watching import EXPORTER, PROMETHEUS, Prometheus, lacking, running, soon
from tests.support import replies
from tests.support.plans import make_planned

from .ends import CHARON, CHARON_PACKAGES

pytestmark = [pytest.mark.kernel, pytest.mark.slow, pytest.mark.drill, pytest.mark.timeout(1700)]
Rows = dict[tuple[str, str], dict[str, Any]]
ESP = "aes256gcm16-x25519"


def planned() -> Plan:
    return make_planned(
        2, ipsec={"auth": "psk", "esp": [ESP], "ike": ["aes256gcm16-prfsha384-ecp384"]}, monitoring={}
    ).plan


def job(root: str) -> dict[str, Any]:
    plan = planned()
    nodes = sorted(plan.nodes, key=lambda node: not next(iter(plan.connections(node))).initiates)
    ids = "".join(f' id-{n} = "{node.id}"\n' for n, node in enumerate(nodes))
    made: dict[str, Any] = {"roots": [root, root], "soon": short_certificate(3), "learn": LEARN}
    files = NodeFiles(plan)
    for name, node in zip("ab", nodes, strict=True):
        texts = {file.path.partition("etc/ipsecplan/")[2]: file.text for file in files.of(node)}
        made[name] = {
            "address": node.address,
            "node": node_facts(plan, node),
            "secret": f'secrets {{\n ike-1 {{\n{ids} secret = "a secret of a test"\n }}\n}}\n',
            "conf": connections.connection_file(plan, node),
            "floor": texts["floor-all"],
            "peers": texts["peers"],
            "leaf": short_certificate(300),
        }
    return made


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Rows:
    made = job(str(roots.root("trixie", CHARON_PACKAGES, CHARON, kind="charon")))
    where, found = boot.measure([made], tmp_path_factory.mktemp("metrics"), "metrics_on_charon.py", timeout=1500)
    print(where)
    assert not [row for row in found if "failed" in row], found[-1]
    return {(row["act"], row["end"]): row for row in found}


def value(text: str, series: str) -> float | None:
    found = re.search("^" + re.escape("ipsecplan_" + series) + " (\\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else None


def test_each_number_is_what_swanctl_ip_and_nft_show(rows: Rows) -> None:
    compared = 0
    for (act, end), row in rows.items():
        if "shows" in row:
            for series, is_, shown in compare(row["file"], row["shows"], end):
                assert is_ == shown, (act, end, series)
                compared += 1
    assert compared > 500


def compare(text: str, shows: dict[str, str], end: str) -> Iterator[tuple[str, float | None, float]]:
    """Yield (series, what the file has, what the node's own programs show)."""
    sas = shows["swanctl"]
    yield "ike_sas", value(text, "ike_sas"), len(re.findall(r"^\S+: #\d+, ", sas, re.MULTILINE))
    yield (
        "pairs_up",
        value(text, "pairs_up"),
        float(len(set(re.findall(r"^  (\S+): #\d+, .*INSTALLED", sas, re.MULTILINE))) == 2),
    )
    yield "block_policies", value(text, "block_policies"), shows["policies"].count("priority 4000050")
    yield "guard", value(text, 'guard_mode{mode="drop"}'), float(" drop" in shows["nft"])
    for name, packets in re.findall(r"counter (\w+) \{\s+packets (\d+)", shows["nft"]):
        yield name, value(text, f'guard_clear_packets_total{{counter="{name}"}}'), float(packets)
    for name, number in re.findall(r"^(Xfrm\w+)\s+(\d+)$", shows["xfrm_stat"], re.MULTILINE):
        yield name, value(text, f'xfrm_errors_total{{error="{name}"}}'), float(number)
    head, numbers = (line.split() for line in shows["snmp"].splitlines() if line.startswith("Ip:"))
    for name in ("FragOKs", "FragFails", "FragCreates", "ReasmReqds", "ReasmOKs", "OutDiscards"):
        yield name, value(text, f'ip_fragments_total{{event="Ip{name}"}}'), float(numbers[head.index(name)])
    links = {link["ifname"]: link["mtu"] for link in json.loads(shows["links"])}
    for device, role in (("ov0", "overlay"), (end + "0", "underlay")):
        yield device, value(text, f'device_mtu_bytes{{device="{device}",role="{role}"}}'), links[device]
    learned = re.findall(r" mtu (\d+)", shows["cache"])
    yield "paths", value(text, "path_mtu_exceptions"), len(learned)
    for mtu in learned:
        peer = re.search(r"path_mtu_bytes(\{\S+)", text)
        yield "path", peer and value(text, peer[0]), float(mtu)


def test_sums_go_on_over_a_rekey_and_no_series_is_doubled(rows: Rows) -> None:
    sent = []
    for act in ("quiet", "rekeyed", "after the rekey"):
        text = rows[act, "a"]["file"]
        series = [line.rpartition(" ")[0] for line in text.splitlines() if not line.startswith("#")]
        assert len(series) == len(set(series)), act
        sent.append(value(text, "pairs_transmit_bytes_total"))
    # inner bytes: 10 packets of 100 bytes, with UDP's header; what is on the wire is more
    assert sent == [1080, 2160, 3240]
    out = [re.search(r"-out: #(\d+)", rows[act, "a"]["shows"]["swanctl"]) for act in ("quiet", "after the rekey")]
    assert out[0][1] != out[1][1], "it was rekeyed"  # type: ignore[index]


def test_fragments_move_no_xfrm_counter_but_what_we_look_at(rows: Rows) -> None:
    before, after = rows["device-mtu", "a"], rows["fragments", "a"]
    assert before["shows"]["xfrm_stat"] == after["shows"]["xfrm_stat"]
    assert value(before["file"], 'ip_fragments_total{event="IpFragCreates"}') == 0
    assert value(after["file"], 'ip_fragments_total{event="IpFragCreates"}') == 9


def test_a_packet_that_does_not_fit_shows_in_no_xfrm_counter_but_one_with_another_name(rows: Rows) -> None:
    counted = rows["refused", "f"]["counted"]
    assert counted["forwarded"] == {"IpFragFails": 1, "IcmpOutDestUnreachs": 1}
    assert counted["own"] == {}, "nothing counts what a socket is refused; only a proof finds it"
    assert counted["own, probing"] == {"XfrmOutStateModeError": 1, "IpOutDiscards": 1}
    assert re.search(alerts.FRAGMENTS.partition('"')[2].rpartition('"')[0], "IpFragFails")


def test_a_stranger_counts_as_what_it_is_at_both_ends_and_blames_no_pair(rows: Rows) -> None:
    """On both ends it is an IKE_SA that was never up; charon's event for that would say the same of a lost tunnel."""
    for end in "ab":
        before, after = rows["after the rekey", end]["file"], rows["stranger", end]["file"]
        for reason in ("proposal", "authentication"):
            series = f'ike_failures_total{{reason="{reason}"}}'
            assert value(before, series) == 0, (end, reason)
            assert value(after, series), (end, reason)
        assert value(after, 'ike_failures_total{reason="integrity"}') == 0
        assert (value(after, "pairs_up"), value(after, "ike_sas_half_open")) == (1, 0)
        (again,) = re.findall(r"(?m)^ipsecplan_pair_retransmits_total\{.* (\d+)$", after)
        assert int(again) == rows["stranger", end]["again"], "a slow machine's own"


def test_a_charon_that_does_not_answer_holds_the_collection_up_for_seconds_only(rows: Rows) -> None:
    """A journald that doesn't read holds charon up, and vici with it."""
    row = rows["held", "b"]
    assert value(row["file"], "charon_up") == 0
    assert value(row["file"], "pairs_up") == 0
    assert value(row["file"], 'device_mtu_bytes{device="ov0",role="overlay"}')
    assert counters.CHARON_S <= row["seconds"] < 2 * counters.CHARON_S + 10


def test_packets_of_a_preflight_are_told_from_those_without_an_sa(rows: Rows) -> None:
    """Those count, too, that came before the node listened, and those behind its last word."""
    for end in "ab":
        before, after = (rows[act, end]["file"] for act in ("quiet again", "preflight"))
        rose = [value(text, 'xfrm_errors_total{error="XfrmInNoStates"}') for text in (before, after)]
        came = [value(text, "preflight_packets_total") for text in (before, after)]
        assert came[0] == 0
        assert came[1] == rose[1] - rose[0] > 20, end  # type: ignore[operator]


def test_no_key_is_in_a_file(rows: Rows) -> None:
    for row in rows.values():
        keys = re.findall(r"0x([0-9a-f]{32,})", row.get("shows", {}).get("keys", ""))
        assert not [key for key in keys if key in row["file"]]
        assert "secret" not in row["file"]


# act -> (alert, node, labels); files of a and b are those of instances of these names
FIRES: dict[str, tuple[str, dict[str, str]]] = {
    "device-mtu": ("IpsecDeviceMtuWrong", {"instance": "b", "device": "ov0"}),
    "fragments": ("IpsecFragments", {"instance": "a", "event": "IpFragCreates"}),
    "clear-packet": ("IpsecClearPackets", {"instance": "a", "counter": "clear_out"}),
    "path-mtu": ("IpsecPathMtuSmaller", {"instance": "a"}),
    "stranger": ("IpsecIkeFailures", {"instance": "b", "reason": "proposal"}),
    "guard-flushed": ("IpsecGuardOpen", {"instance": "b"}),
    "watchdog-stopped": ("IpsecWatchdogDown", {"instance": "b"}),
    "block-policies": ("IpsecBlockPoliciesMissing", {"instance": "b"}),
    "certificate": ("IpsecCertificateEnds", {"instance": "b", "certificate": "leaf"}),
    "transaction-open": ("IpsecTransactionOpen", {"instance": "a"}),
    "rekey-fails": ("IpsecRetransmits", {"instance": "a"}),
    "charon-stopped": ("IpsecCharonDown", {"instance": "b"}),
    "sa-gone": ("IpsecPairDown", {"instance": "a"}),
}
FILE_OF = {"sa-gone": "charon-stopped"}
NOW = re.compile(r"^ipsecplan_collected_timestamp_seconds .*$", re.MULTILINE)


class Watching:
    """Two node_exporters with a folder each, an exporter of ours, and Prometheus with the rules of a plan."""

    def __init__(self, folder: Path, rows: Rows) -> None:
        self.folder, self.rows, self.states = folder, rows, States()
        self.server: Any = None
        self.aged = False

    def show(self, act: str) -> None:
        """Let the nodes have what they had in an act; the collection's own time goes on."""
        import time

        for end in "ab":
            text = self.rows[act, end]["file"]
            if not self.aged or end == "b":
                text = NOW.sub(f"ipsecplan_collected_timestamp_seconds {time.time()}", text)
            place = self.folder / end / "ipsecplan.prom"
            place.with_suffix(".tmp").write_text(text, encoding="utf-8")
            place.with_suffix(".tmp").rename(place)

    def until(self, what: str, check: Callable[[], object], act: str) -> float:
        """Show an act until ``check`` holds; return the seconds."""
        import time

        began = time.monotonic()
        while time.monotonic() - began < 300:
            self.show(act)
            if check():
                return round(time.monotonic() - began)
            time.sleep(0.5)
        raise AssertionError(f"{what}: not within 300 s; firing: {self.server.firing()}")

    def fires(self, alert: str, labels: dict[str, str]) -> bool:
        wanted = {"alertname": alert, **labels}
        return any(wanted.items() <= found.items() for found in self.server.firing())


@contextmanager
def watching(rows: Rows, folder: Path) -> Iterator[Watching]:
    import yaml
    from prometheus_client import CollectorRegistry, start_http_server

    from netplan.lab.cluster import free_ports

    found = Watching(folder, rows)
    ports = free_ports(["a", "b", "ours", "prometheus"])
    files = render.files(make_planned(2, monitoring={}).plan)  # with certificates, which pre-shared keys have not
    for name in ("alerts", "recording"):
        (folder / f"{name}.yml").write_text(soon(files[f"prometheus/{name}.yml"], 2, 20), encoding="utf-8")
    jobs = yaml.safe_load(files["prometheus/scrape.yml"])["scrape_configs"]
    for at in jobs:
        at |= {"scrape_interval": "1s", "scrape_timeout": "1s"}
    jobs[0]["static_configs"] = [{"targets": [f"127.0.0.1:{ports[n]}"], "labels": {"instance": n}} for n in "ab"]
    jobs[1]["static_configs"] = [{"targets": [f"127.0.0.1:{ports['ours']}"]}]
    whole = {
        "global": {"evaluation_interval": "1s"},
        "rule_files": ["alerts.yml", "recording.yml"],
        "scrape_configs": jobs,
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(whole), encoding="utf-8")
    registry = CollectorRegistry(auto_describe=False)
    registry.register(found.states)
    server, thread = start_http_server(ports["ours"], addr="127.0.0.1", registry=registry)
    argv = [PROMETHEUS, f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}"]
    argv += [f"--web.listen-address=127.0.0.1:{ports['prometheus']}", "--log.level=warn"]
    nodes = []
    for end in "ab":
        (folder / end).mkdir()
        words = [f"--web.listen-address=127.0.0.1:{ports[end]}", f"--collector.textfile.directory={folder / end}"]
        nodes.append([EXPORTER, *words, "--collector.disable-defaults", "--collector.textfile", "--collector.time"])
    try:
        with running(*nodes[0]), running(*nodes[1]) as found.away, running(*argv):  # type: ignore[attr-defined]
            found.server = Prometheus(ports["prometheus"])
            found.until("Prometheus is ready", found.server.ready, "quiet")
            yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_each_fault_fires_its_alert_in_prometheus_and_its_repair_ends_it(rows: Rows, tmp_path: Path) -> None:
    import signal

    if missing := lacking():
        pytest.skip(f"make .test-setup: no {' and no '.join(missing)}")
    with watching(rows, tmp_path) as watched:
        _cluster(watched, differs=False)
        watched.until(
            "both nodes are scraped", lambda: len(watched.server.query("ipsecplan_charon_up == 1")) == 2, "quiet"
        )
        watched.until("rates", lambda: watched.server.query("instance:ipsecplan_fragments:rate5m"), "quiet")
        watched.until("nothing fires", lambda: not watched.server.firing(), "quiet")
        _cluster(watched, differs=True)
        watched.until("drift", lambda: watched.server.query("ipsecplan_exporter_drift"), "quiet")
        empty = [expr for expr in dashboard.queries() if not watched.server.query(expr)]
        assert [expr for expr in empty if "ALERTS" not in expr and "proof" not in expr] == []
        _cluster(watched, differs=False)
        for act, (alert, labels) in FIRES.items():
            _seen(watched, act, alert, labels, lambda: None, lambda: None)
        _seen(
            watched,
            "drift",
            "IpsecDrift",
            {"node": "a", "code": "IPP681"},
            *(lambda d=d: _cluster(watched, differs=d) for d in (True, False)),
        )
        away = watched.away  # type: ignore[attr-defined]
        _seen(
            watched,
            "node-away",
            "IpsecNodeAway",
            {"instance": "b"},
            lambda: away.send_signal(signal.SIGSTOP),
            lambda: away.send_signal(signal.SIGCONT),
        )


def _seen(
    watched: Watching,
    act: str,
    alert: str,
    labels: dict[str, str],
    inject: Callable[[], object],
    repair: Callable[[], object],
) -> None:
    inject()
    shown = FILE_OF.get(act, act)
    shown = shown if (shown, "a") in watched.rows else "quiet"
    seconds = watched.until(f"{act} fires {alert}", lambda: watched.fires(alert, labels), shown)
    repair()
    over = watched.until(f"{alert} ends", lambda: not watched.fires(alert, labels), "quiet")
    print(f"{act}: {alert} {labels} fires after {seconds:.0f} s, is resolved {over:.0f} s after the repair", flush=True)


def _cluster(watched: Watching, *, differs: bool) -> None:
    row = {"code": "IPP681", "message": "ov0", "hint": None, "severity": "error", "found": "1", "planned": "2"}
    pod = {"port": "veth1", "mtu": 1416, "port_mtu": 1416}
    said: Any = replies.status(
        state={"schema": 1, "state": "confirmed", "tx": "t", "release": "a", "at": "", "last": {}},
        mtu={"devices": {"ov0": 1416}, "bridge": 1416, "pods": [pod], "unknown_ports": []},
        drift=[row] if differs else [],
        differs=["ov0"] if differs else [],
    )
    nodes = {"a": of_node("demo", "a", 1416, said)}
    whole = of_look("demo", 1416, ok=True, at=1.0, seconds=1.0, pairs=1, encrypted=1)
    watched.states.put(Cluster("demo", nodes, whole))
