"""The table of verbs: module and one line of help each. The help page imports no verb."""

from __future__ import annotations

VERBS: dict[str, tuple[str, str]] = {
    "calc": ("netplan.cli.calc", "Exact MTU of a packet stack, with every byte accounted for."),
    "explain": ("netplan.cli.explain", "Why a number is what it is; what others subtract instead."),
    "init": ("netplan.cli.init", "Write an annotated plan file."),
    "lint": ("netplan.cli.lint", "Check a plan file and its inventory."),
    "plan": ("netplan.cli.plan", "Compute every number of a plan and show why."),
    "render": ("netplan.cli.render", "Write the bundle of files that people review."),
    "facts": ("netplan.cli.facts", "Ask the nodes what their strongSwan can do, for the next plan."),
    "diff": ("netplan.cli.diff", "What differs between two bundles, and what that does to traffic."),
    "network": ("netplan.cli.network", "Write what gives a container network the planned MTU."),
    "host-link": ("netplan.cli.host_link", "Write what gives one link of a host its MTU."),
    "audit": ("netplan.cli.audit", "Check the MTUs of existing clusters and hosts."),
    "trace": ("netplan.cli.trace", "Walk one packet over existing hosts, hop by hop."),
    "apply": ("netplan.cli.apply", "Apply exactly one bundle to the nodes, phase by phase."),
    "try": ("netplan.cli.try_", "Apply a bundle, verify it, and roll back unless confirmed."),
    "confirm": ("netplan.cli.confirm", "Confirm a try: keep what was verified."),
    "resume": ("netplan.cli.resume", "Finish what a control process that died left open."),
    "verify": ("netplan.cli.verify", "Measure on the wire what the plan promises."),
    "rotate": ("netplan.cli.rotate", "New keys or certificates on every node, without an outage."),
    "status": ("netplan.cli.status", "Show the state of every node."),
    "exporter": ("netplan.cli.exporter", "Serve what the nodes of clusters have to Prometheus."),
    "monitoring": ("netplan.cli.monitoring", "Write alert rules, a dashboard and log inputs."),
    "ca": ("netplan.cli.ca", "Show, encrypt or certify the cluster's certificate authority."),
    "psk": ("netplan.cli.psk", "Import or encrypt the cluster's pre-shared keys."),
    "revert": ("netplan.cli.revert", "Roll back a transaction, or remove everything, on every node."),
    "history": ("netplan.cli.history", "List past transactions."),
    "show": ("netplan.cli.show", "Show one transaction phase by phase."),
    "ui": ("tui.command", "Open the planner in the terminal."),
    "lab": ("netplan.cli.lab", "Run a small real cluster on this machine."),
    "schema": ("netplan.cli.schema", "Print the JSON Schema of the plan file, or of a verb's JSON."),
    "graph": ("netplan.cli.graph", "Draw hosts and pairs: D2, DOT or SVG."),
    "report": ("netplan.cli.report", "Pack what a report of a fault needs, without secrets."),
    "help": ("netplan.cli.help", "Show the page of a verb or topic."),
    "completion": ("netplan.cli.completion", "Print the shell's completion script."),
    "version": ("netplan.cli.version", "Show the version, and what it runs on."),
}

# How the help page lists them: what people do, in its order
GROUPS: dict[str, tuple[str, ...]] = {
    "Numbers": ("calc", "explain"),
    "Plan and review": ("init", "lint", "plan", "render", "diff", "graph", "facts"),
    "Networks and links": ("network", "host-link"),
    "Existing clusters": ("audit", "trace"),
    "Roll out": ("apply", "try", "confirm", "resume", "revert", "rotate"),
    "Look": ("status", "verify", "history", "show", "ui"),
    "Watch": ("exporter", "monitoring"),
    "Credentials": ("ca", "psk"),
    "Help and tools": ("help", "version", "completion", "schema", "report", "lab"),
}
