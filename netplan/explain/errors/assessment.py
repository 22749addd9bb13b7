"""Answers to the codes of an assessment (IPP710 to IPP717)."""

from __future__ import annotations

from netplan.explain.errors.entry import CodeHelp

_LIVE = "ipsecplan assess bundle --live  # what the nodes say now"
_STATUS = "ipsecplan status bundle  # every difference with its fix"
_LOOKED = "`assess` only looks: it changed nothing. The report names what it is about, and what it was seen in."

HELP: dict[str, CodeHelp] = {
    "IPP710": CodeHelp(
        means="An offer, a transform in use, the life of a key, or the way the ends authenticate is not what the policy"
        " of the assessment allows. The row names the policy's section.",
        state=_LOOKED + " Pairs are encrypted, with what the row says.",
        look=(
            _LIVE,
            "ipsecplan plan plan.yaml  # what is offered, and why",
            "swanctl --list-sas  # on the node: what was negotiated",
        ),
        remedy="If the bundle offers it: set ipsec.profile, ipsec.esp, ipsec.ike or ipsec.lifetimes, render, apply."
        " If only the node has it: `ipsecplan status bundle` names the file that differs; `ipsecplan apply bundle`.",
        page="assess.md#policies",
    ),
    "IPP711": CodeHelp(
        means="The plan leaves packets clear on purpose: pairs outside ipsec.topology, services in ipsec.clear, or what"
        " hosts send each other beside the overlay.",
        state=_LOOKED + " These packets are in clear, as planned.",
        look=("ipsecplan graph plan.yaml  # which pairs are protected", "ipsecplan plan plan.yaml"),
        remedy="Protect them (ipsec.topology, `protect: hosts`), or keep the reason with the report: a doubt is for a"
        " person to decide.",
        page="assess.md#what-is-judged",
    ),
    "IPP712": CodeHelp(
        means="A certificate ends soon or has ended, or no credential was renewed for more than a year.",
        state=_LOOKED + " Live SAs go on; a certificate that ended stops the next authentication.",
        look=(_STATUS, "ipsecplan ca show CLUSTER", "ipsecplan history"),
        remedy="`ipsecplan rotate certificates bundle`, `ipsecplan rotate psk bundle`, or `ipsecplan rotate ca bundle`"
        " where the CA's own certificate ends.",
        page="strongswan.md#rotation",
    ),
    "IPP713": CodeHelp(
        means="The last measurement on the wire is too old, is of another bundle, or found a direction not as planned.",
        state=_LOOKED,
        look=("ipsecplan verify bundle  # measures now, changes nothing", "ipsecplan history"),
        remedy="`ipsecplan verify bundle`, or `ipsecplan assess bundle --live --measure`, which measures first.",
        page="assess.md#what-is-judged",
    ),
    "IPP714": CodeHelp(
        means="A node is open to more than its peers' ESP: its guard doesn't drop, block policies are missing, clear"
        " packets met the guard, nothing or another bundle is confirmed, or its openings name who is no peer.",
        state=_LOOKED + " Live pairs are encrypted; a pair without an SA may send in clear where guard and block"
        " policies are both gone.",
        look=(_STATUS, "nft list table inet ipsecplan  # on the node", "ip xfrm policy | grep -A1 'action block'"),
        remedy="`ipsecplan apply bundle` puts back what differs. Clear packets that were dropped: find who sends them"
        " (a pod or a program that bypasses the overlay's device).",
        page="rollout.md#drift",
    ),
    "IPP715": CodeHelp(
        means="A namespace of the cluster has no NetworkPolicy that closes it, so every pod may reach its pods.",
        state=_LOOKED,
        look=("kubectl get networkpolicies -A",),
        remedy="Name it under `namespaces` in the plan, render, and apply the policies under cluster/policies; closing"
        " kube-system would cut the cluster off from itself.",
        page="networks.md",
    ),
    "IPP716": CodeHelp(
        means="The assessment had nothing to judge this by: the nodes were not asked or did not answer, a journal or a"
        " dump is missing, or the bundle doesn't decide it. It counts neither as good nor as bad.",
        state=_LOOKED,
        look=(_LIVE,),
        remedy="Give what the row names: --live, --measure, --objects, or --state-dir of the control machine.",
        page="assess.md#what-could-not-be-judged",
    ),
    "IPP717": CodeHelp(
        means="--against, or the newest report in --keep, is no report of `assess --json`, or is about another cluster"
        " or another policy.",
        state="The command stopped before it contacted a node. Nothing was written.",
        look=("ipsecplan assess bundle --json  # what such a report looks like",),
        remedy="Give a report of the same cluster and policy, or another directory to --keep.",
        page="assess.md#two-runs-compared",
    ),
}
