"""For each alert: series that make it fire, and series that look alike and must not; for `promtool test rules`.

Series of a node have the label ``instance="a"``; a value is what promtool calls a series of values, one a minute.
"""

from __future__ import annotations

UP = 'ipsecplan_node_state{instance="a",state="confirmed"}'
NOT_AFTER = 'ipsecplan_certificate_not_after_timestamp_seconds{instance="a",certificate="leaf"}'
CLOCK = 'node_time_seconds{job="ipsecplan-nodes",instance="a"}'
Series = dict[str, str]
# alert -> (fires with these, does not with these), at the 20th minute
CASES: dict[str, tuple[Series, Series]] = {
    "IpsecPairDown": (
        {'ipsecplan_pair_sa_installed{instance="a",peer="b",network=""}': "0x30", UP: "1x30"},
        {'ipsecplan_pair_sa_installed{instance="a",peer="b",network=""}': "1x15 0x2 1x20", UP: "1x30"},
    ),
    "IpsecPairsDown": (
        {'ipsecplan_pairs_planned{instance="a"}': "5x30", 'ipsecplan_pairs_up{instance="a"}': "4x30", UP: "1x30"},
        {'ipsecplan_pairs_planned{instance="a"}': "5x30", 'ipsecplan_pairs_up{instance="a"}': "4x30", UP: "0x30"},
    ),
    "IpsecCharonDown": ({'ipsecplan_charon_up{instance="a"}': "0x30"}, {'ipsecplan_charon_up{instance="a"}': "1x30"}),
    "IpsecRekeyOverdue": (
        {'ipsecplan_pairs_rekey_overdue{instance="a"}': "1x30"},
        {'ipsecplan_pairs_rekey_overdue{instance="a"}': "0x30"},
    ),
    "IpsecIkeFailures": (
        {'ipsecplan_ike_failures_total{instance="a",reason="proposal"}': "0x12 3x20"},
        {'ipsecplan_ike_failures_total{instance="a",reason="proposal"}': "3x30"},
    ),
    "IpsecRetransmits": (
        {'ipsecplan_pair_retransmits_total{instance="a",peer="b",network=""}': "0x12 9x20"},
        {'ipsecplan_pair_retransmits_total{instance="a",peer="b",network=""}': "0x12 1x20"},
    ),
    "IpsecHalfOpen": (
        {'ipsecplan_ike_sas_half_open{instance="a"}': "80x30"},
        {'ipsecplan_ike_sas_half_open{instance="a"}': "2x30"},
    ),
    "IpsecXfrmErrors": (
        {
            'ipsecplan_xfrm_errors_total{instance="a",error="XfrmInNoStates"}': "0x12 90x20",
            'ipsecplan_preflight_packets_total{instance="a"}': "90x30",
        },
        {
            'ipsecplan_xfrm_errors_total{instance="a",error="XfrmAcquireError"}': "0x12 90x20",
            'ipsecplan_xfrm_errors_total{instance="a",error="XfrmInNoStates"}': "0x12 90x20",
            'ipsecplan_preflight_packets_total{instance="a"}': "0x12 90x20",
        },
    ),
    "IpsecGuardOpen": (
        {'ipsecplan_guard_mode{instance="a",mode="drop"}': "0x30", UP: "1x30"},
        {'ipsecplan_guard_mode{instance="a",mode="drop"}': "0x30", UP: "0x30"},
    ),
    "IpsecWatchdogDown": (
        {'ipsecplan_watchdog_up{instance="a"}': "0x30", UP: "1x30"},
        {'ipsecplan_watchdog_up{instance="a"}': "1x30", UP: "1x30"},
    ),
    "IpsecBlockPoliciesMissing": (
        {
            'ipsecplan_block_policies{instance="a"}': "1x30",
            'ipsecplan_block_policies_planned{instance="a"}': "2x30",
            UP: "1x30",
        },
        {
            'ipsecplan_block_policies{instance="a"}': "2x30",
            'ipsecplan_block_policies_planned{instance="a"}': "2x30",
            UP: "1x30",
        },
    ),
    "IpsecClearPackets": (
        {'ipsecplan_guard_clear_packets_total{instance="a",counter="clear_out"}': "0x12 1x20"},
        {'ipsecplan_guard_clear_packets_total{instance="a",counter="clear_out"}': "7x30"},
    ),
    "IpsecPathMtuSmaller": (
        {'ipsecplan_path_mtu_exceptions{instance="a"}': "1x30"},
        {'ipsecplan_path_mtu_exceptions{instance="a"}': "0x30"},
    ),
    "IpsecDeviceMtuWrong": (
        {
            'ipsecplan_device_mtu_bytes{instance="a",device="ov0",role="overlay"}': "1450x30",
            'ipsecplan_device_mtu_planned_bytes{instance="a",device="ov0",role="overlay"}': "1416x30",
        },
        {
            'ipsecplan_device_mtu_bytes{instance="a",device="eth0",role="underlay"}': "9000x30",
            'ipsecplan_device_mtu_planned_bytes{instance="a",device="eth0",role="underlay"}': "1500x30",
        },
    ),
    "IpsecFragments": (
        {'ipsecplan_ip_fragments_total{instance="a",event="IpFragCreates"}': "0x12 20x20"},
        {'ipsecplan_ip_fragments_total{instance="a",event="IpReasmOKs"}': "0x12 20x20"},
    ),
    "IpsecCertificateEnds": ({NOT_AFTER: "864000x30"}, {NOT_AFTER: "8640000x30"}),
    "IpsecCertificateOver": ({NOT_AFTER: "100x30"}, {NOT_AFTER: "864000x30"}),
    "IpsecClockOff": ({CLOCK: "100+60x30"}, {CLOCK: "5+60x30"}),
    "IpsecNodeAway": (
        {'up{job="ipsecplan-nodes",instance="a"}': "0x30"},
        {'up{job="ipsecplan-nodes",instance="a"}': "1x18 0x1 1x20"},
    ),
    "IpsecMetricsOld": (
        {'ipsecplan_collected_timestamp_seconds{instance="a"}': "0x30"},
        {'ipsecplan_collected_timestamp_seconds{instance="a"}': "0+60x30"},
    ),
    "IpsecMetricsLost": (
        {'node_textfile_scrape_error{job="ipsecplan-nodes",instance="a"}': "1x30"},
        {'node_textfile_scrape_error{job="ipsecplan-nodes",instance="a"}': "0x30"},
    ),
    "IpsecTransactionOpen": (
        {'ipsecplan_node_state{instance="a",state="open"}': "1x30"},
        {'ipsecplan_node_state{instance="a",state="open"}': "0x12 1x20"},
    ),
    "IpsecDrift": (
        {'ipsecplan_exporter_drift{cluster="c",node="a",code="IPP680",severity="error"}': "2x30"},
        {'ipsecplan_exporter_drift{cluster="c",node="a",code="IPP684",severity="warning"}': "2x30"},
    ),
    "IpsecNodeSilent": (
        {'ipsecplan_exporter_node_up{cluster="c",node="a"}': "0x30"},
        {'ipsecplan_exporter_node_up{cluster="c",node="a"}': "1x30"},
    ),
    "IpsecLookFailed": (
        {'ipsecplan_exporter_look_success{cluster="c"}': "0x30"},
        {'ipsecplan_exporter_look_success{cluster="c"}': "1x30"},
    ),
    "IpsecProofFailed": (
        {'ipsecplan_exporter_proof_success{cluster="c"}': "0x30"},
        {'ipsecplan_exporter_proof_success{cluster="c"}': "1x30"},
    ),
    "IpsecProofOld": (
        {'ipsecplan_exporter_proof_timestamp_seconds{cluster="c"}': "-9999999x30"},
        {'ipsecplan_exporter_proof_timestamp_seconds{cluster="c"}': "0x30"},
    ),
}
