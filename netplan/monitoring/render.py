"""Every file that ``ipsecplan monitoring`` writes for a plan."""

from __future__ import annotations

from netplan.monitoring import alerts, dashboard, logs
from netplan.plan.types import Plan


def files(plan: Plan, docs: str = "") -> dict[str, str]:
    """Return path -> text; ``docs``: what the address of a runbook begins with."""
    return {
        "prometheus/alerts.yml": alerts.alert_rules(plan, docs),
        "prometheus/recording.yml": alerts.recording_rules(plan),
        "prometheus/scrape.yml": alerts.scrape_config(plan),
        "grafana/dashboards/ipsecplan.json": dashboard.dashboard(),
        "grafana/provisioning/ipsecplan.yml": dashboard.PROVISIONING,
        "elastic/filebeat.yml": logs.FILEBEAT,
        "elastic/vector.yml": logs.VECTOR,
        "elastic/fluent-bit.yml": logs.FLUENT_BIT,
    }


def steps(plan: Plan) -> list[str]:
    """Return STEPS.md: what to do with the files, in order."""
    said = [
        f"# Monitoring of {plan.file.name}",
        "",
        "1. On every node: `apt-get install prometheus-node-exporter`. Its textfile collector reads",
        "   /var/lib/prometheus/node-exporter, where ipsecplan-metrics.timer writes ipsecplan.prom.",
    ]
    if plan.file.monitoring is None:
        said += ["   The plan has no `monitoring:`: add it, render and apply, or nodes write nothing."]
    return [
        *said,
        "2. Prometheus: copy prometheus/*.yml to /etc/prometheus/ipsecplan/, and name them in prometheus.yml:",
        "",
        "       rule_files: [ipsecplan/alerts.yml, ipsecplan/recording.yml]",
        "       scrape_config_files: [ipsecplan/scrape.yml]",
        "",
        "   Before 2.43 there is no scrape_config_files: put the jobs of scrape.yml into prometheus.yml.",
        "   `promtool check rules --lint-fatal` and `promtool check config` judge them; without --lint-fatal the",
        "   first exits 0 whatever it finds.",
        "3. The control machine: `ipsecplan exporter BUNDLE`; its address is in scrape.yml.",
        "4. Grafana: grafana/dashboards/ipsecplan.json to /var/lib/grafana/dashboards/ipsecplan/, and",
        "   grafana/provisioning/ipsecplan.yml to /etc/grafana/provisioning/dashboards/.",
        "5. Elastic: `ipsecplan exporter --log FILE` writes what elastic/*.yml read; choose the one of your shipper.",
    ]
