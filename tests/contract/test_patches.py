"""A patch changes the MTU and nothing else, hits the object that was given, and audit then finds nothing.

Each row is a cluster as it is: objects with encryption, ports, names and namespaces of their own. The expected packet
stack is written down in the row, not taken from the program.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from netplan.audit import Given, Text, audit
from netplan.cni import ADAPTERS
from netplan.cni.existing_config import texts
from netplan.cni.render import NetworkPlan, adapter, clamp_to_limit, request_for_stack
from netplan.stack import parse
from tests.support.clusters import LINK, OURS, ROWS
from tests.support.present import applied, differing

MTU = re.compile(r"(?i)mtu")


def made(row: tuple[str, str, str, dict[str, str], bool], tmp_path) -> dict[str, list[Any]]:
    plugin, _, stack, files, _ = row
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    told = {"version": "1.20"} if "cilium" in plugin else {}
    request = request_for_stack(parse(stack), LINK, told, texts([tmp_path / name for name in files]))
    request, _ = clamp_to_limit(adapter(plugin), request)
    return applied(files, NetworkPlan(adapter(plugin), request).artifacts)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]}-{row[1]}")
def test_a_patch_of_what_there_is_changes_the_mtu_alone_and_audit_is_content(row, tmp_path):
    plugin, _, stack, files, ours = row
    before = applied(files, [])
    after = made(row, tmp_path)
    changed = [path for name in files for path in differing(before[name], after[name])]
    assert changed or plugin in ("openshift",)
    for path in changed:
        # a tuning plugin is how host-device gets an MTU at all
        assert MTU.search("/".join(path[-3:])) or "plugins" in path, path
    inputs = [Text(n, json.dumps(d)) for n, documents in after.items() if n != "inspect.json" for d in documents]
    inputs += [Text("swanctl.conf", OURS)] if ours else []
    # of a mesh of the hosts' own nothing in a cluster's objects tells
    told = stack if stack.count("ip4") > 2 else None
    report = audit(inputs, Given(link_mtu=LINK, stack=told))
    wrong = [f for f in report.findings if f.code in ("IPP911", "IPP912", "IPP913", "IPP918")]
    # OpenShift insists on more bytes than the packet needs
    wrong = [f for f in wrong if not (plugin == "openshift" and f.code == "IPP912")]
    assert not wrong, [f.message for f in wrong]
    assert report.numbers


def test_every_network_that_has_something_to_patch_has_a_row():
    assert set(ADAPTERS) - {row[0] for row in ROWS} == {"ovs"}, "Open vSwitch is set by a command, not by an object"
