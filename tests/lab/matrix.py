"""Many combinations of a plan in one lab: rendered files into real charons, SAs, and the verdict of ``verify``."""

from __future__ import annotations

import base64
import json
import secrets
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from netplan import agent
from netplan.bundle import build
from netplan.bundle.node_json import node_facts
from netplan.inputs.inventory import Host
from netplan.ipsec import psk
from netplan.ipsec.ca import open_authority, public_key
from netplan.ipsec.swanctl import public_key_file
from netplan.lab.cluster import Lab
from netplan.plan.types import Plan
from netplan.rollout.nodes.view import psk_owners
from netplan.verify.verdict import Verdict, judge

from ..combinations import Combination
from ..properties.plan_strategies import make
from .charon_words import listen
from .pace import HANG_S

SCRIPT = "usr/local/lib/ipsecplan/route.sh"
Answers = dict[str, dict[str, Any]]
LOADER = """
import sys, os, json
h = json.loads(sys.stdin.readline())
d = "/run/ipsecplan/matrix"
for n, x in h.items():
    os.makedirs(os.path.dirname(d + "/" + n), exist_ok=True)
    with open(d + "/" + n, "w") as f: f.write(x)
sys.path.insert(0, d)
import matrix_node
matrix_node.main()
"""


def agent_files() -> dict[str, str]:
    """Return path -> text of every file of the agent, under the name that matrix_node.py imports it by."""
    package = Path(agent.__file__).parent
    root = package.parents[1]
    return {path.relative_to(root).as_posix(): path.read_text() for path in package.rglob("*.py")}


class Failed(Exception):
    """Something that a node refused or did not do."""


@dataclass(frozen=True)
class Measured:
    """What came of one combination; ``said`` are faults, ``noted`` is what charon said of a slow machine."""

    plan: Plan
    verdict: Verdict
    selectors: tuple[str, ...]
    said: tuple[str, ...]
    noted: tuple[str, ...]
    seconds: float

    def line(self, one: Combination) -> str:
        """Return one line for people."""
        pairs = self.verdict.pairs
        algorithms = sorted({name for pair in pairs for name in pair.algorithms})
        first = pairs[0]
        measured = first.line().split("  ", 1)[1]
        return (
            f"{one.name}: {'ok' if self.verdict.ok and not self.said else 'NOT OK'}, {len(pairs)} directions, "
            f"{' '.join(algorithms)}, {one.mode}, {first.source} {measured}, "
            f"selectors {self.selectors[0]} ({self.seconds:.1f} s)"
        )


class Matrix:
    """One process on each node of a lab, kept while combinations come and go."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.lab, self.folder = lab, folder
        self.names = [node.name for node in lab.nodes]
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.publics: dict[str, str] = {}  # node id -> public key
        self.store = psk.Store(folder / "psk.json")

    def __enter__(self) -> Matrix:
        code = agent_files() | {"matrix_node.py": Path(__file__).with_name("matrix_node.py").read_text()}
        loader = f"import base64;exec(base64.b64decode('{base64.b64encode(LOADER.encode()).decode()}'))"
        for name in self.names:
            self.processes[name] = subprocess.Popen(
                self.lab.ssh.argv(name, ["python3", "-I", "-S", "-c", loader], keep=False),
                cwd=self.lab.directory,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                bufsize=0,
            )
            self._send(name, code)
        plan = self.plan(Combination("transport", "overlay", "certificates", "ipv4", "full-mesh", "vxlan", "never"))
        facts = {node.name: {"id": node.id} for node in plan.nodes}
        asked = self.each("begin", {name: {"node": facts[name]} for name in self.names})
        self.publics = {facts[name]["id"]: public_key(asked[name]["request"], facts[name]["id"]) for name in self.names}
        authority = open_authority(self.folder / "ca", plan.file.name)
        self.each(
            "certify",
            {
                name: {
                    "certificate": authority.sign(asked[name]["request"], facts[name]["id"]),
                    "authority": authority.pem,
                }
                for name in self.names
            },
        )
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        for process in self.processes.values():
            assert process.stdin
            assert process.stdout
            process.stdin.close()
            process.stdout.close()
            process.terminate()
            process.wait(HANG_S)

    def plan(self, one: Combination) -> Plan:
        """Plan a combination for the nodes of the lab, which have addresses of both families."""
        hosts = []
        for node in self.lab.nodes:
            address = node.underlay_address if one.family == "ipv6" else node.management_address
            zone = "zone_a" if node.number % 2 else "zone_b"
            variables = {"underlay_address": address, "pod_cidr": node.pod_cidr, "strongswan_version": "5.9.8"}
            if one.family == "dual":
                variables["underlay_address_ipv6"] = node.underlay_address
            hosts.append(Host(node.name, variables, frozenset({"all", zone})))
        found = make(hosts, name="matrix", **one.file())
        assert found is not None, "the plan refuses it"
        return found

    def run(self, one: Combination) -> Measured:
        """Bring a combination up and measure it. Raises Failed with what a node said."""
        plan = self.plan(one)
        files = build.build(plan)
        facts = {node.name: node_facts(plan, node) for node in plan.nodes}
        requests: Answers = {}
        for node in plan.nodes:
            prefix = f"nodes/{node.id}/"
            own = {"/" + f.path[len(prefix) :]: f.text for f in files if f.path.startswith(prefix + "etc/")}
            own |= {"/" + f.path[len(prefix) :]: f.text for f in files if f.path == prefix + SCRIPT}
            own.pop("/etc/strongswan.d/ipsecplan.conf")  # for charon's next start; other tests restart it
            if one.auth == "psk":
                peers, more = psk_owners(facts[node.name])
                self.store.ensure(peers)
                text = psk.secrets_file(self.store, node.id, peers, 0, more)
                own["/etc/swanctl/conf.d/ipsecplan-secrets.conf"] = text
            if one.auth == "raw-keys":
                known = {public_key_file(peer.id): self.publics[peer.id] for peer, _ in plan.peers(node)}
                known["ipsecplan.pem"] = self.publics[node.id]
                own |= {f"/etc/swanctl/pubkey/{name}": text for name, text in known.items()}
            requests[node.name] = {"node": facts[node.name], "files": own}
        cleared = self.each("clear", {name: {} for name in self.names})  # on all of them before one has the new files
        loaded = self.each("load", requests)
        switched = self.each("switch", requests)
        if one.topology == "trap-any":
            self.each("alone", {name: {} for name in self.names})
        nonce = secrets.token_hex(4)
        seen = self.each(
            "measure", {n: {"node": facts[n], "nonce": nonce, "began": loaded[n]["began"]} for n in self.names}
        )
        verdict = judge(list(facts.values()), {facts[n]["id"]: seen[n]["rows"] for n in self.names})
        logs = {n: listen([*loaded[n]["log"], *seen[n]["log"]]) for n in self.names}
        said = tuple(f"{n}: {text}" for n in self.names for text in [*loaded[n]["said"], *logs[n].faults])
        noted = tuple(f"{n}: {text}" for n in self.names for text in logs[n].noted)
        seconds = sum(max(a["seconds"] for a in answers.values()) for answers in (cleared, loaded, switched, seen))
        return Measured(plan, verdict, tuple(seen[self.names[0]]["selectors"]), said, noted, seconds)

    def each(self, op: str, requests: Answers) -> Answers:
        """Send one request to each node and take all answers."""
        for name, request in requests.items():
            self._send(name, {"op": op, **request})
        with ThreadPoolExecutor(len(requests)) as pool:
            answers = dict(zip(requests, pool.map(self._take, requests), strict=True))
        wrong = [f"{name}, {op}: {answer['error']}" for name, answer in answers.items() if not answer["ok"]]
        if wrong:
            raise Failed("; ".join(wrong))
        return answers

    def _send(self, name: str, value: Any) -> None:
        stdin = self.processes[name].stdin
        assert stdin
        data = json.dumps(value).encode() + b"\n"
        while data:
            data = data[stdin.write(data) or 0 :]

    def _take(self, name: str) -> dict[str, Any]:
        stdout = self.processes[name].stdout
        assert stdout
        line = stdout.readline()
        if not line:
            raise Failed(f"{name}: the process ended")
        answer: dict[str, Any] = json.loads(line)
        return answer
