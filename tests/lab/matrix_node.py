"""The node's half of the matrix: one process a node that puts rendered files in place and measures, combination by
combination, with the code that a rollout runs there. Each line on standard input is a request, each answer a line.

Only what a rollout adds for safety (timer, snapshot, transaction, Ansible) is left out, because it costs the most time.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from netplan.agent.phases import credentials, ike, probe, trap_any, xfrm_interfaces
from netplan.agent.system import core, paths, swanctl, vici, xfrm
from netplan.agent.system import links as links_module
from netplan.agent.system.core import Stop, run

Node = dict[str, Any]
TX = "tx-matrix"
NETWORKD = Path("/etc/systemd/network")
SWANCTL = Path("/etc/swanctl/conf.d")
HANG_S = 600.0
RELOADS = 40


def begin(request: Node) -> Node:
    """Take the lab's own overlay away and make the node's key. Returns the request for its certificate."""
    for path in NETWORKD.glob("50-cluster-*"):
        path.unlink()
    run("ip", "link", "delete", "ov0")
    run("networkctl", "reload")
    credentials.make_key(TX)
    return {"request": credentials.certificate_request(request["node"])}


def certify(request: Node) -> Node:
    """Install the certificate and the authority."""
    for path, text in (
        (paths.CERTIFICATE, request["certificate"]),
        (paths.CA, request["authority"]),
        (paths.CA_NEXT, request["authority"]),
    ):
        core.write(path, text, 0o644)
    return {}


def clear(_: Node) -> Node:
    """Nothing of the last combination stays."""
    for path in SWANCTL.glob("ipsecplan*"):
        path.unlink()
    for path in Path(paths.PUBLIC).glob("*"):
        path.unlink()
    run("swanctl", "--load-all", "--clear", "--noprompt")
    with vici.Vici() as link:
        for _, sa in vici.sas():
            link.call("terminate", ike_id=sa["uniqueid"], force="yes", timeout=3000)
    run("ip", "xfrm", "state", "flush")
    run("ip", "xfrm", "policy", "flush")
    run("nft", "delete", "table", "inet", "ipsecplan")
    for family in ("-4", "-6"):
        run("ip", family, "rule", "delete", "priority", xfrm_interfaces.RULE)
        run("ip", family, "route", "flush", "table", xfrm_interfaces.TABLE)
    for name in xfrm_interfaces.interfaces():
        run("ip", "link", "delete", name)
    return {}


def load(request: Node) -> Node:
    """The files of a combination are put in place and loaded, after :func:`clear` on every node."""
    began = time.time()
    _devices(request)
    for path, text in request["files"].items():
        core.write(path, text, 0o644)
    core.write(paths.START, request["files"][paths.ETC + "/start-none.conf"])
    xfrm_interfaces.make(request["node"])
    if trap_any.PAIRS in request["files"]:
        core.write(trap_any.CONNECTIONS, request["files"][trap_any.PAIRS])
    said = [
        *_said(run("nft", "-f", paths.ETC + "/guard-drop.nft")),
        *_said(run("sysctl", "-q", "-p", "/etc/sysctl.d/90-ipsecplan.conf")),
    ]
    done = run("swanctl", "--load-all", "--noprompt")
    if done.code:
        said.append(done.said)
    loaded = set(vici.connections())
    lacking = {peer["pair"] for peer in request["node"]["peers"]} - loaded
    said += [f"{pair} is not loaded" for pair in sorted(lacking)]
    return {"said": said, "log": (done.out + done.err).splitlines(), "began": began}


def _said(done: core.Done) -> list[str]:
    return [done.said] if done.code else []


def _devices(request: Node) -> None:
    """The overlay's devices as the rendered networkd files make them."""
    wanted = {path: text for path, text in request["files"].items() if path.startswith(str(NETWORKD))}
    present = {str(path): path.read_text() for path in NETWORKD.glob("10-ipsecplan-*")}
    if wanted == present:
        return
    for path in present:
        Path(path).unlink()
        if path.endswith(".netdev"):
            run("ip", "link", "delete", path.rsplit("ipsecplan-", 1)[1].removesuffix(".netdev"))
    for path, text in wanted.items():
        core.write(path, text, 0o644)
    names = {device["name"] for device in request["node"]["overlay"]["devices"]}

    def there() -> bool:
        links = links_module.links()
        routes = run("ip", "route").out
        return all(name in links and f"dev {name}" in routes for name in names)

    # a reload that comes before networkd has seen the old device go makes no new one, so it is asked again
    for _ in range(RELOADS):
        run("networkctl", "reload")
        if core.wait(there, HANG_S / RELOADS):
            return
    raise Stop(core.finding("", "systemd-networkd did not make the overlay"))


def switch(request: Node) -> Node:
    """Both ends wait for every CHILD_SA as planned, the initiator asks for it; then the traps."""
    node = request["node"]
    ike.encrypt({"node": node, "pairs": [p["pair"] for p in node["peers"]], "alone": [], "patience": HANG_S})
    core.write(paths.START, core.read(paths.ETC + "/start-trap.conf"))
    if "wildcard" in node:
        core.write(trap_any.CONNECTIONS, core.read(trap_any.WILDCARD))
    swanctl.load_connections()
    wanted = {name for peer in node["peers"] for name in peer["children"]}
    if not core.wait(lambda: wanted <= trap_any.traps(node, vici.traps()), HANG_S):
        raise Stop(core.finding("", f"{len(wanted & vici.traps())} of {len(wanted)} traps"))
    return {}


def alone(_: Node) -> Node:
    """No SA of the rehearsal stays: what is measured then is what the wildcard's traps make."""
    with vici.Vici() as link:
        for _, sa in vici.sas():
            link.call("terminate", ike_id=sa["uniqueid"], force="yes", timeout=3000)
    return {}


def measure(request: Node) -> Node:
    """The rows of ``probe``, the selectors of every CHILD_SA, and what charon logged since the files were loaded."""
    node = request["node"]
    rows = probe.probe({"node": node, "nonce": request["nonce"], "patience": HANG_S, "timer": 0})["rows"]
    selectors = sorted(
        {
            " ".join(child.get("local-ts", [])) + " === " + " ".join(child.get("remote-ts", []))
            for children in ike.child_sas(node).values()
            for child in children
        }
    )
    log = run("journalctl", "-u", "strongswan*", "-o", "cat", "--no-pager", "--since", f"@{request['began']:.0f}").out
    return {"rows": rows, "selectors": selectors, "log": log.splitlines(), "guard": xfrm.guard()}


OPS = {
    "begin": begin,
    "clear": clear,
    "certify": certify,
    "load": load,
    "switch": switch,
    "alone": alone,
    "measure": measure,
}


def main() -> None:
    """Serve requests until standard input ends."""
    os.umask(0o077)
    for line in sys.stdin:
        request = json.loads(line)
        answer: Node
        start = time.monotonic()
        try:
            answer = {"ok": True, **OPS[request["op"]](request)}
        except Stop as stop:
            answer = {"ok": False, "error": "; ".join(f["message"] for f in stop.findings)}
        except Exception as error:  # noqa: BLE001  the other end decides
            with contextlib.suppress(Exception):
                import traceback

                traceback.print_exc(file=sys.stderr)
            answer = {"ok": False, "error": f"{type(error).__name__}: {error}"}
        answer["seconds"] = round(time.monotonic() - start, 2)
        print(json.dumps(answer), flush=True)
