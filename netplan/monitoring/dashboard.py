"""The Grafana dashboard: one table of panels, laid out two in a row, with nothing that needs a plugin."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from netplan.monitoring.alerts import FRAGMENTS

SCHEMA = 39  # of Grafana 11; later versions migrate it
UID = "ipsecplan-nodes"
WIDTH, HEIGHT = 12, 8  # of a panel, on Grafana's grid of 24


@dataclass(frozen=True, slots=True)
class Panel:
    """``queries``: legend -> expression. ``kind``: stat (one number) or timeseries."""

    title: str
    queries: dict[str, str]
    unit: str = "short"
    kind: str = "timeseries"


# What Grafana's own panels ask to be given, by kind; its defaults, but for names beside the numbers of a stat.
OPTIONS: dict[str, dict[str, Any]] = {
    "stat": {
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "colorMode": "value",
        "graphMode": "area",
        "justifyMode": "auto",
        "orientation": "auto",
        "textMode": "value_and_name",
        "wideLayout": True,
        "showPercentChange": False,
        "percentChangeColorMode": "standard",
    },
    "timeseries": {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
        "tooltip": {"mode": "multi", "sort": "desc"},
    },
}

PANELS = (
    Panel("Pairs with their SAs", {"ratio": "job:ipsecplan_pairs_up:ratio"}, "percentunit", "stat"),
    Panel(
        "Firing alerts",
        {"{{alertname}}": 'count by (alertname) (ALERTS{alertname=~"Ipsec.*",alertstate="firing"})'},
        kind="stat",
    ),
    Panel(
        "Throughput by node (inner bytes)",
        {
            "{{instance}} in": "8 * instance:ipsecplan_receive_bytes:rate5m",
            "{{instance}} out": "8 * instance:ipsecplan_transmit_bytes:rate5m",
        },
        "bps",
    ),
    Panel(
        "Busiest pairs", {"{{instance}} {{peer}}": "topk(10, 8 * rate(ipsecplan_pair_transmit_bytes_total[5m]))"}, "bps"
    ),
    Panel(
        "Fragments and refusals: the first sign of a wrong MTU", {"{{instance}} {{event}}": f"rate({FRAGMENTS}[5m])"}
    ),
    Panel(
        "MTU of devices, live and planned",
        {
            "{{instance}} {{device}}": "ipsecplan_device_mtu_bytes",
            "{{instance}} {{device}} planned": "ipsecplan_device_mtu_planned_bytes",
        },
        "decbytes",
    ),
    Panel("Paths that have learned a smaller MTU", {"{{instance}}": "ipsecplan_path_mtu_exceptions"}),
    Panel("Fragments by node", {"{{instance}}": "instance:ipsecplan_fragments:rate5m"}),
    Panel("XFRM errors", {"{{instance}}": "instance:ipsecplan_xfrm_errors:rate5m"}),
    Panel(
        "Clear packets that the guard met",
        {"{{instance}} {{counter}}": "rate(ipsecplan_guard_clear_packets_total[5m])"},
    ),
    Panel("Guard drops", {"{{instance}}": 'ipsecplan_guard_mode{mode="drop"}'}),
    Panel("Seconds to the next rekey", {"{{instance}} {{peer}}": "bottomk(10, ipsecplan_pair_sa_rekey_seconds)"}, "s"),
    Panel("Failures that charon tells of", {"{{instance}} {{reason}}": "rate(ipsecplan_ike_failures_total[5m])"}),
    Panel(
        "IKE_SAs, all and half open",
        {"{{instance}}": "ipsecplan_ike_sas", "{{instance}} half open": "ipsecplan_ike_sas_half_open"},
    ),
    Panel("Pairs by transform", {"{{suite}}": "sum by (suite) (ipsecplan_pairs_by_suite)"}),
    Panel("Certificates: time left", {"{{certificate}}": "job:ipsecplan_certificate_left_seconds:min"}, "s", "stat"),
    Panel("Cost of the collection on a node", {"{{instance}}": "ipsecplan_collect_cpu_seconds"}, "s"),
    Panel("Releases in force", {"{{release}}": "count by (release) (ipsecplan_release_info)"}, kind="stat"),
    Panel("Age of the last proof", {"{{cluster}}": "time() - ipsecplan_exporter_proof_timestamp_seconds"}, "s", "stat"),
    Panel("Drift by kind", {"{{cluster}} {{code}}": "sum by (cluster, code) (ipsecplan_exporter_drift)"}),
    Panel("MTU of pods, smallest and largest", {"{{node}} {{bound}}": "ipsecplan_exporter_pod_mtu_bytes"}, "decbytes"),
)


def queries() -> list[str]:
    """Return every expression of the dashboard."""
    return [expr for panel in PANELS for expr in panel.queries.values()]


def dashboard() -> str:
    """Return the dashboard as Grafana's JSON."""
    return (
        json.dumps(
            {
                "uid": UID,
                "title": "IPsec and MTU between the hosts",
                "tags": ["ipsec", "mtu"],
                "schemaVersion": SCHEMA,
                "version": 1,
                "editable": True,
                "refresh": "1m",
                "time": {"from": "now-6h", "to": "now"},
                "templating": {"list": [_datasource()]},
                "annotations": {"list": []},
                "panels": [_panel(number, panel) for number, panel in enumerate(PANELS)],
            },
            indent=2,
        )
        + "\n"
    )


def _datasource() -> dict[str, Any]:
    return {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus", "hide": 0}


def _panel(number: int, panel: Panel) -> dict[str, Any]:
    source = {"type": "prometheus", "uid": "${datasource}"}
    return {
        "id": number + 1,
        "title": panel.title,
        "type": panel.kind,
        "datasource": source,
        "gridPos": {"h": HEIGHT, "w": WIDTH, "x": WIDTH * (number % 2), "y": HEIGHT * (number // 2)},
        "fieldConfig": {"defaults": {"unit": panel.unit}, "overrides": []},
        "options": OPTIONS[panel.kind],
        "targets": [
            {"refId": chr(ord("A") + at), "datasource": source, "expr": expr, "legendFormat": legend}
            for at, (legend, expr) in enumerate(panel.queries.items())
        ],
    }


PROVISIONING = """# /etc/grafana/provisioning/dashboards/ipsecplan.yml
apiVersion: 1
providers:
  - name: ipsecplan
    type: file
    options:
      path: /var/lib/grafana/dashboards/ipsecplan
"""
