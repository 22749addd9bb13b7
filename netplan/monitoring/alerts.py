"""The alert rules and recording rules of a plan, in the words of Prometheus.

Each alert says what is wrong in one sentence and names the error code whose page says what to do. What they avoid:

* An MTU that is too large moves no XFRM counter, so alerts on it look at devices, learned paths and fragments.
* A counter of SAs begins anew at each rekey; the nodes' sums don't, and only those are in rules.
* Failures are counted from the text of charon's log: its priorities are upside down.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import yaml

from netplan.model.planfile import Monitoring
from netplan.plan.types import Plan
from netplan.problems import error_page

CLOCK_S = 30  # seconds that a node's clock may be off; certificates and lives of SAs go by it
HALF_OPEN = 50  # IKE_SAs without authentication: charon asks for cookies from about there on
PROOF_DAYS = 30
JOB = "ipsecplan-nodes"
EXPORTER_JOB = "ipsecplan-exporter"
CONFIRMED = 'ipsecplan_node_state{state="confirmed"} == 1'
FRAGMENTS = 'ipsecplan_ip_fragments_total{event=~"Ip6?(FragCreates|FragFails)|Icmp6OutPktTooBigs"}'
# what counts packets that one expects to be lost: an interface without an SA yet, a peer that ends a moment later
QUIET = "XfrmAcquireError|XfrmOutStateExpired"
# packets of a preflight are such errors, too; both counts are taken one after the other, so a difference would be wrong
PREFLIGHT = (
    '(ipsecplan_xfrm_errors_total{error="XfrmInNoStates"}'
    " and on (instance) increase(ipsecplan_preflight_packets_total[10m]) > 0)"
)


@dataclass(frozen=True, slots=True)
class Alert:
    """``looks``: how many collections it has to hold; ``minutes``: or how long, where that is more."""

    name: str
    expr: str
    code: str
    summary: str
    severity: Literal["critical", "warning"] = "warning"
    looks: int = 3
    minutes: int = 0


def alerts(plan: Plan) -> list[Alert]:
    """Return the alerts that fit a plan; one without ``monitoring`` gets those of the defaults."""
    asked = plan.file.monitoring or Monitoring()
    found = [*_sas(plan), *_closed(), *_sizes(asked), *_credentials(asked), *_nodes(asked), *_cluster()]
    if plan.file.ipsec.auth == "psk":
        return [alert for alert in found if alert.code != "IPP684"]
    return found


def _sas(plan: Plan) -> Iterator[Alert]:
    if plan.file.ipsec.topology.shape != "trap-any":  # at rest, a pair of a wildcard has no SA
        yield Alert(
            "IpsecPairDown",
            f"ipsecplan_pair_sa_installed == 0 and on (instance) {CONFIRMED}",
            "IPP682",
            "{{ $labels.instance }} has not every SA with {{ $labels.peer }}: it drops packets for it, or had none yet",
            "critical",
        )
        yield Alert(
            "IpsecPairsDown",
            f"ipsecplan_pairs_planned - ipsecplan_pairs_up > 0 and on (instance) {CONFIRMED}",
            "IPP682",
            "{{ $labels.instance }} lacks SAs with {{ $value }} peers",
        )
    yield Alert(
        "IpsecCharonDown",
        "ipsecplan_charon_up == 0",
        "IPP611",
        "charon on {{ $labels.instance }} does not answer: no SA is made or rekeyed",
        "critical",
        2,
    )
    yield Alert(
        "IpsecRekeyOverdue",
        "ipsecplan_pairs_rekey_overdue > 0",
        "IPP687",
        "{{ $value }} pairs of {{ $labels.instance }} were due for a rekey that has not come",
        looks=1,
    )
    yield Alert(
        "IpsecIkeFailures",
        "increase(ipsecplan_ike_failures_total[10m]) > 0",
        "IPP614",
        "charon on {{ $labels.instance }} tells of failures: {{ $labels.reason }}",
        looks=1,
    )
    yield Alert(
        "IpsecRetransmits",
        "increase(ipsecplan_pair_retransmits_total[10m]) > 3",
        "IPP614",
        "{{ $labels.instance }} asks {{ $labels.peer }} again and again: packets of IKE are lost",
        looks=1,
    )
    yield Alert(
        "IpsecHalfOpen",
        f"ipsecplan_ike_sas_half_open > {HALF_OPEN}",
        "IPP614",
        "{{ $labels.instance }} has {{ $value }} IKE_SAs that are not authenticated: strangers, or a broken peer",
    )
    yield Alert(
        "IpsecXfrmErrors",
        f'increase(ipsecplan_xfrm_errors_total{{error!~"{QUIET}"}}[10m]) > 5 unless {PREFLIGHT}',
        "IPP619",
        "{{ $labels.instance }} drops packets in the kernel's IPsec: {{ $labels.error }}",
        looks=1,
    )


def _closed() -> Iterator[Alert]:
    yield Alert(
        "IpsecGuardOpen",
        f'ipsecplan_guard_mode{{mode="drop"}} == 0 and on (instance) {CONFIRMED}',
        "IPP683",
        "the leak guard of {{ $labels.instance }} does not drop: a pair without an SA may send in clear",
        "critical",
        1,
    )
    yield Alert(
        "IpsecWatchdogDown",
        f"ipsecplan_watchdog_up == 0 and on (instance) {CONFIRMED}",
        "IPP683",
        "the guard watchdog of {{ $labels.instance }} does not run: nothing puts back a guard that is removed",
        looks=2,
    )
    yield Alert(
        "IpsecBlockPoliciesMissing",
        f"ipsecplan_block_policies_planned - ipsecplan_block_policies > 0 and on (instance) {CONFIRMED}",
        "IPP683",
        "{{ $labels.instance }} lacks {{ $value }} block policies",
        looks=2,
    )
    yield Alert(
        "IpsecClearPackets",
        "increase(ipsecplan_guard_clear_packets_total[10m]) > 0",
        "IPP619",
        "the leak guard of {{ $labels.instance }} met clear packets ({{ $labels.counter }})",
        looks=0,
    )


def _sizes(asked: Monitoring) -> Iterator[Alert]:
    del asked
    yield Alert(
        "IpsecPathMtuSmaller",
        "ipsecplan_path_mtu_exceptions > 0",
        "IPP681",
        "{{ $labels.instance }} has learned a smaller MTU than planned for the way to {{ $value }} peers",
        looks=1,
    )
    yield Alert(
        "IpsecDeviceMtuWrong",
        'ipsecplan_device_mtu_bytes{role!="underlay"} != ipsecplan_device_mtu_planned_bytes'
        ' or ipsecplan_device_mtu_bytes{role="underlay"} < ipsecplan_device_mtu_planned_bytes',
        "IPP681",
        "{{ $labels.device }} of {{ $labels.instance }} has MTU {{ $value }}, which is not the planned one",
        looks=2,
    )
    yield Alert(
        "IpsecFragments",
        f"increase({FRAGMENTS}[10m]) > 0",
        "IPP681",
        "{{ $labels.instance }} makes or refuses fragments ({{ $labels.event }}): the first sign of a wrong MTU",
        looks=0,
    )


def _credentials(asked: Monitoring) -> Iterator[Alert]:
    left = "ipsecplan_certificate_not_after_timestamp_seconds - time()"
    yield Alert(
        "IpsecCertificateEnds",
        f"{left} < {asked.certificate_days * 86400} and {left} > 0",
        "IPP684",
        "the {{ $labels.certificate }} certificate of {{ $labels.instance }} ends in {{ $value | humanizeDuration }}",
        looks=1,
    )
    yield Alert(
        "IpsecCertificateOver",
        f"{left} <= 0",
        "IPP684",
        "the {{ $labels.certificate }} certificate of {{ $labels.instance }} has ended: no IKE_SA is made",
        "critical",
        1,
    )
    yield Alert(
        "IpsecClockOff",
        f'abs(node_time_seconds{{job="{JOB}"}} - timestamp(node_time_seconds{{job="{JOB}"}})) > {CLOCK_S}',
        "IPP632",
        "the clock of {{ $labels.instance }} is {{ $value | humanizeDuration }} off",
        looks=1,
    )


def _nodes(asked: Monitoring) -> Iterator[Alert]:
    yield Alert(
        "IpsecNodeAway",
        f'up{{job="{JOB}"}} == 0',
        "IPP661",
        "node_exporter of {{ $labels.instance }} does not answer",
        "critical",
    )
    yield Alert(
        "IpsecMetricsOld",
        f"time() - ipsecplan_collected_timestamp_seconds > {5 * asked.interval}",
        "IPP662",
        "{{ $labels.instance }} has collected nothing for {{ $value | humanizeDuration }}: ipsecplan-metrics.timer",
        looks=1,
    )
    yield Alert(
        "IpsecMetricsLost",
        f'node_textfile_scrape_error{{job="{JOB}"}} > 0',
        "IPP662",
        "node_exporter of {{ $labels.instance }} can't read a file of its textfile collector",
    )
    yield Alert(
        "IpsecTransactionOpen",
        'ipsecplan_node_state{state="open"} == 1',
        "IPP671",
        "a transaction on {{ $labels.instance }} is neither confirmed nor rolled back",
        minutes=15,
    )


def _cluster() -> Iterator[Alert]:
    """What the exporter on the control machine says."""
    yield Alert(
        "IpsecDrift",
        'ipsecplan_exporter_drift{severity="error"} > 0',
        "IPP680",
        "{{ $labels.node }} of {{ $labels.cluster }} differs from what was confirmed ({{ $labels.code }})",
        looks=0,
    )
    yield Alert(
        "IpsecNodeSilent",
        "ipsecplan_exporter_node_up == 0",
        "IPP661",
        "{{ $labels.node }} of {{ $labels.cluster }} can't be reached from the control machine",
        looks=0,
    )
    yield Alert(
        "IpsecLookFailed",
        "ipsecplan_exporter_look_success == 0",
        "IPP662",
        "the control machine can't look at {{ $labels.cluster }}",
        looks=0,
    )
    yield Alert(
        "IpsecProofFailed",
        "ipsecplan_exporter_proof_success == 0",
        "IPP701",
        "the last proof of {{ $labels.cluster }} has failed",
        "critical",
        0,
    )
    yield Alert(
        "IpsecProofOld",
        f"time() - ipsecplan_exporter_proof_timestamp_seconds > {PROOF_DAYS * 86400}",
        "IPP701",
        "{{ $labels.cluster }} was last measured {{ $value | humanizeDuration }} ago",
        looks=0,
    )


def alert_rules(plan: Plan, docs: str = "") -> str:
    """Return the file of alert rules; ``docs``: what a runbook's address begins with."""
    seconds = (plan.file.monitoring or Monitoring()).interval
    rules = [_rule(alert, plan.file.name, seconds, docs) for alert in alerts(plan)]
    return _yaml({"groups": [{"name": f"ipsecplan-{plan.file.name}", "interval": f"{seconds}s", "rules": rules}]})


def _rule(alert: Alert, cluster: str, seconds: int, docs: str) -> dict[str, Any]:
    hold = max(alert.looks * seconds, alert.minutes * 60)
    return {
        "alert": alert.name,
        "expr": alert.expr,
        **({"for": f"{hold}s"} if hold else {}),
        "labels": {"severity": alert.severity, "runbook": alert.code, "plan": cluster},  # none that a series has
        "annotations": {"summary": alert.summary, "runbook_url": docs + error_page(alert.code)},
    }


# name of the series -> expression; a series of a cluster has no instance
RECORDED = {
    "instance:ipsecplan_receive_bytes:rate5m": "rate(ipsecplan_pairs_receive_bytes_total[5m])",
    "instance:ipsecplan_transmit_bytes:rate5m": "rate(ipsecplan_pairs_transmit_bytes_total[5m])",
    "instance:ipsecplan_xfrm_errors:rate5m": "sum by (instance) (rate(ipsecplan_xfrm_errors_total[5m]))",
    "instance:ipsecplan_fragments:rate5m": f"sum by (instance) (rate({FRAGMENTS}[5m]))",
    "job:ipsecplan_pairs_up:ratio": "sum by (job) (ipsecplan_pairs_up) / sum by (job) (ipsecplan_pairs_planned)",
    "job:ipsecplan_certificate_left_seconds:min": "min by (job, certificate)"
    " (ipsecplan_certificate_not_after_timestamp_seconds - time())",
}


def recording_rules(plan: Plan) -> str:
    """Return the file of recording rules, which the dashboard asks instead of every node's series."""
    seconds = (plan.file.monitoring or Monitoring()).interval
    rules = [{"record": name, "expr": expr} for name, expr in RECORDED.items()]
    return _yaml(
        {"groups": [{"name": f"ipsecplan-{plan.file.name}-recorded", "interval": f"{seconds}s", "rules": rules}]}
    )


def scrape_config(plan: Plan) -> str:
    """Return what prometheus.yml needs: every node's node_exporter and the exporter; for `scrape_config_files`."""
    seconds = (plan.file.monitoring or Monitoring()).interval
    targets = [
        {"targets": [_target(node.address)], "labels": {"instance": node.name}} for node in plan.nodes if node.managed
    ]
    jobs = [
        {"job_name": JOB, "scrape_interval": f"{seconds}s", "static_configs": targets},
        {
            "job_name": EXPORTER_JOB,
            "scrape_interval": f"{seconds}s",
            "static_configs": [{"targets": ["127.0.0.1:9771"]}],
        },
    ]
    return _yaml({"scrape_configs": jobs})


def _target(address: str) -> str:
    return f"[{address}]:9100" if ":" in address else f"{address}:9100"


def _yaml(document: dict[str, Any]) -> str:
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=1000)
