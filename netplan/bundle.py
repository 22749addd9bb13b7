"""Plan to bundle: the exact files that people review and the rollout applies, and the reader that trusts nothing.

A bundle is a directory: ``manifest.json`` (digest, mode and owner of every file), ``plan.json`` (numbers and
ledgers), ``REVIEW.md`` (for people), ``nodes/<id>/<absolute path>``, and ``cluster/`` for the container network. Same
input, same bytes. It holds no secret.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netplan import __version__
from netplan.cni import bridge
from netplan.cni.deliver import Delivery, delivery
from netplan.consequences import consequences
from netplan.host import guard, openings, sysctl
from netplan.host.overlay import networkd_files
from netplan.inventory import Inventory
from netplan.ipsec import charon, farend, swanctl, wildcard
from netplan.ipsec.interfaces import interfaces, routes_file
from netplan.kinds import MANIFEST as MANIFEST
from netplan.kinds import plan_digest, wanted
from netplan.model import Node
from netplan.nodefacts import SCHEMA as SCHEMA
from netplan.nodefacts import node_facts as node_facts
from netplan.overlay_facts import endpoint, overlay_of
from netplan.plan import Plan
from netplan.problems import Problem, ProblemError, quoted
from netplan.refusals import refusals, refused
from netplan.render import render
from netplan.workers import each


@dataclass(frozen=True, slots=True)
class File:
    """One file of a bundle: path inside it, text, and mode and owner on the node."""

    path: str
    text: str
    mode: str = "0644"
    owner: str = "root:root"

    @property
    def sha256(self) -> str:
        """SHA-256 of the content, in hex."""
        return hashlib.sha256(self.text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle that was read and checked: ``manifest`` as written, ``directory`` where it lies."""

    directory: Path
    manifest: dict[str, Any]

    @property
    def digest(self) -> str:
        """The digest over all its files."""
        return str(self.manifest["digest"])

    @property
    def cluster(self) -> str:
        """The cluster's name."""
        return str(self.manifest["cluster"])

    @property
    def nodes(self) -> dict[str, dict[str, str]]:
        """Node id -> name and digest of the node's files."""
        nodes: dict[str, dict[str, str]] = self.manifest["nodes"]
        return nodes

    def json(self, path: str) -> dict[str, Any]:
        """Return a JSON file of the bundle."""
        loaded: dict[str, Any] = json.loads((self.directory / path).read_text(encoding="utf-8"))
        return loaded

    def node(self, node: str) -> dict[str, Any]:
        """Return ``node.json`` of a node."""
        return self.json(f"nodes/{node}/node.json")

    def files_of(self, node: str) -> list[dict[str, str]]:
        """Return the manifest entries that are installed on a node (``node.json`` is not)."""
        prefix = f"nodes/{node}/"
        own = [f for f in self.manifest["files"] if f["path"].startswith(prefix)]
        return [f for f in own if f["path"] != f"{prefix}node.json"]


def build(plan: Plan, tell: Callable[[int], object] = lambda _: None) -> list[File]:
    """Return every file of the bundle but the manifest, in path order. ``tell`` is called with the hosts done."""
    files = cluster_files(plan)
    for done, made in enumerate(each(node_files, plan, plan.nodes), 1):
        files += made
        tell(done)
    return sorted(files, key=lambda f: f.path)


def cluster_files(plan: Plan) -> list[File]:
    """Return the files that are about the whole cluster."""
    network = delivery(plan)
    return [
        File("plan.json", dump(plan.as_json())),
        *(File(f"cluster/{path}", text) for path, text in network.files.items()),
        File("REVIEW.md", review(plan, network)),
    ]


def node_files(plan: Plan, node: Node) -> list[File]:
    """Return the files of one host: those that go there, or what somebody needs who configures it instead of us."""
    return [*_managed(plan, node), *_firewall(plan, node)] if node.managed else _far_end(plan, node)


def manifest(plan: Plan, inventory: Inventory, files: Iterable[File]) -> dict[str, Any]:
    """Return the manifest of these files."""
    entries = [{"path": f.path, "sha256": f.sha256, "mode": f.mode, "owner": f.owner} for f in files]
    return {
        "schema": SCHEMA,
        "tool": __version__,
        "cluster": plan.file.name,
        "digest": _digest(entries),
        "plan_digest": plan_digest(plan.file),
        "inventory": {
            "path": str(inventory.path.resolve()),
            "pattern": inventory.pattern,
            "digest": inventory.digest,
        },
        "nodes": {
            node.id: {
                "name": node.name,
                "digest": _digest([e for e in entries if e["path"].startswith(f"nodes/{node.id}/")]),
            }
            for node in plan.nodes
            if node.managed
        },
        "files": entries,
    }


def _digest(entries: list[dict[str, str]]) -> str:
    return hashlib.sha256(json.dumps(entries, sort_keys=True).encode()).hexdigest()


def dump(value: Any) -> str:
    """Return JSON text as a bundle holds it."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def dump_lines(value: dict[str, Any]) -> str:
    """Return a JSON object with one key, or one element of a list, on each line: small, and it diffs well."""
    parts = []
    for key, item in value.items():
        if isinstance(item, list) and item:
            body = ",\n ".join(json.dumps(element, ensure_ascii=False) for element in item)
            parts.append(f"{json.dumps(key)}: [\n {body}]")
        else:
            parts.append(f"{json.dumps(key)}: {json.dumps(item, ensure_ascii=False)}")
    return "{" + ",\n".join(parts) + "}\n"


def _managed(plan: Plan, node: Node) -> list[File]:
    under = f"nodes/{node.id}/"
    peers = [endpoint(peer) for peer in plan.others(node)]
    overlay: list[File] = []
    if plan.file.made is None:
        networkd = networkd_files(overlay_of(plan), endpoint(node), peers)
        conflist = bridge.conflist(pod_cidr=node.pod_cidr, mtu=plan.pod_mtu, bridge=plan.file.overlay.bridge)
        overlay = [File(f"etc/systemd/network/{name}", text) for name, text in networkd.items()]
        overlay.append(File("etc/cni/net.d/10-ipsecplan.conflist", conflist))
    files = [
        File("node.json", dump_lines(node_facts(plan, node))),
        *_connections(plan, node),
        File("etc/strongswan.d/ipsecplan.conf", charon.settings_file(plan, node)),
        *(File(f"etc/ipsecplan/start-{a}.conf", swanctl.start_file(a)) for a in swanctl.START_ACTIONS),
        File("etc/ipsecplan/guard-count.nft", _guard(plan, node, drop=False)),
        File("etc/ipsecplan/guard-drop.nft", _guard(plan, node, drop=True)),
        File("etc/ipsecplan/floor-all", _floor(plan, node)),
        File("etc/ipsecplan/peers", "".join(f"{o.address} {p.address} {i.id}\n" for _, o, p, i in plan.links(node))),
        *(File(path, text) for path, text in guard.units().items()),
        *overlay,
        File("etc/sysctl.d/90-ipsecplan.conf", sysctl.text()),
        *(File(f"usr/local/lib/ipsecplan/{name}", guard.script(name), "0755") for name in guard.SCRIPTS),
        *_route(plan, node),
    ]
    return [File(under + f.path, f.text, f.mode, f.owner) for f in files]


def _route(plan: Plan, node: Node) -> list[File]:
    """With ``mode: route``: the interfaces, what leads into them, and the script that makes both."""
    if plan.file.ipsec.mode != "route":
        return []
    name = guard.ROUTE_SCRIPT
    return [
        File("etc/ipsecplan/routes-all", routes_file(plan, node)),
        File(f"usr/local/lib/ipsecplan/{name}", guard.script(name), "0755"),
    ]


def _connections(plan: Plan, node: Node) -> list[File]:
    """charon's connections; with a wildcard two files for one place, of which the rollout chooses."""
    if not wildcard.planned(plan):
        return [File("etc/swanctl/conf.d/ipsecplan.conf", swanctl.connection_file(plan, node), "0640")]
    return [
        File("etc/ipsecplan/pairs.conf", wildcard.rehearsal(plan, node), "0640"),
        File("etc/ipsecplan/any.conf", wildcard.connection_file(plan, node), "0640"),
    ]


def _firewall(plan: Plan, node: Node) -> list[File]:
    """What a host's own firewall has to let in; for whoever runs it, because a rollout changes no rule of others."""
    files, commands = openings.of_node(plan, node)
    under = f"cluster/firewall/{node.id}"
    made = [File(f"{under}/{path}", text) for path, text in files.items()]
    return [*made, File(f"{under}/COMMANDS", "\n".join(commands) + "\n")] if made else []


def _far_end(plan: Plan, node: Node) -> list[File]:
    """What somebody else needs who configures a host that we don't manage."""
    return [File(f"far-ends/{node.id}/{name}", text) for name, text in farend.files(plan, node).items()]


def _guard(plan: Plan, node: Node, *, drop: bool) -> str:
    ipsec = plan.file.ipsec
    hosts = ipsec.protect == "hosts"
    peers = [peer.address for peer, _ in plan.peers(node)] if ipsec.mesh.partial or hosts else None
    return guard.ruleset(
        plan.file.overlay.udp_port, drop=drop, family=plan.file.underlay.carrier, peers=peers,
        clear=ipsec.clear if hosts else None, address=node.address,
        planes=[
            (own.address, [peer.address for peer, _ in there.peers(own)])
            for there in plan.planes for own in there.nodes if own.id == node.id
        ],
        inside=[(i.remote, i.name) for i in interfaces(plan, node).values()],
    )  # fmt: skip


def _floor(plan: Plan, node: Node) -> str:
    if plan.file.ipsec.mode == "route":  # it would block what is led into an interface, too; see route.sh
        return ""
    peers = [peer.address for peer, _ in plan.peers(node)]
    overlay = plan.file.overlay
    return guard.floor(overlay.type, overlay.udp_port, family=plan.file.underlay.carrier, peers=peers)


def review(plan: Plan, network: Delivery) -> str:
    """Return ``REVIEW.md``."""
    return render(
        "review/REVIEW.md.j2", {"cell": _cell}, plan=plan, network=network, consequences=consequences(plan),
        tool=__version__,
    )  # fmt: skip


def _cell(value: object) -> str:
    """Text that can't break a Markdown table or start markup in it."""
    text = "".join(c if c.isprintable() else "?" for c in str(value))
    for c in "\\|`*_<>[]":
        text = text.replace(c, "\\" + c)
    return text


def write(
    directory: Path, plan: Plan, inventory: Inventory, tell: Callable[[int], object] = lambda _: None
) -> Bundle:  # fmt: skip
    """Write a bundle; an earlier bundle at that place is replaced as a whole, anything else there is refused.

    The new bundle is complete on disk before it takes the name, so an interruption leaves the old or the new one.
    """
    with refusals(directory, "written"):
        _may_become(directory)
    files = build(plan, tell)
    document = manifest(plan, inventory, files)
    with refusals(directory, "written"):
        _put(directory, [*files, File(MANIFEST, dump(document))])
    return Bundle(directory, document)


def _may_become(directory: Path) -> None:
    """Raise ProblemError when a bundle can't be put at a place, before the work of making it; raises OSError."""
    if directory.is_symlink():
        raise ProblemError(Problem(code="IPP501", message="the target is a symbolic link", path=str(directory)))
    if directory.exists() and not directory.is_dir():
        raise ProblemError(
            Problem(code="IPP501", message="the target is a file", path=str(directory),
                    hint="choose an empty or new directory with --to")
        )  # fmt: skip
    if directory.exists() and not (directory / MANIFEST).is_file() and any(directory.iterdir()):
        raise ProblemError(
            Problem(
                code="IPP501", message="the target is a directory that is no bundle", path=str(directory),
                hint="choose an empty or new directory with --to",
            )
        )  # fmt: skip
    if directory.exists() and (os.path.ismount(directory) or not os.access(directory.parent, os.W_OK)):
        raise ProblemError(
            Problem(
                code="IPP501", message="can't be replaced as a whole: it is a mount, or its parent can't be written",
                path=str(directory), hint=f"choose a new directory in it: --to {directory / 'bundle'}",
            )
        )  # fmt: skip


def _put(directory: Path, files: Iterable[File]) -> None:
    """Write the files beside the place, complete, and give them its name. Raises OSError."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{directory.name}.", dir=directory.parent))
    try:
        for file in files:
            target = fresh / file.path
            target.parent.mkdir(parents=True, exist_ok=True)
            with open(target, "x", encoding="utf-8", newline="") as out:
                out.write(file.text)
        fresh.chmod(0o755)
        if directory.exists():
            old = Path(tempfile.mkdtemp(prefix=f".{directory.name}.old.", dir=directory.parent))
            directory.rename(old / "bundle")
            fresh.rename(directory)
            shutil.rmtree(old)
        else:
            fresh.rename(directory)
    except BaseException:
        with contextlib.suppress(OSError):
            shutil.rmtree(fresh)
        raise


def read(directory: Path) -> Bundle:
    """Read a bundle and check it whole: every file there, none extra, every digest right. Raises ProblemError."""
    where = str(directory)
    path = directory / MANIFEST
    wanted("bundle", directory)
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        entries = {e["path"]: e for e in document["files"]}
        schema, digest = document["schema"], document["digest"]
    except FileNotFoundError:
        raise ProblemError(
            Problem(code="IPP502", message="no bundle here (no manifest.json)", path=where, hint="`ipsecplan render`")
        ) from None
    except OSError as error:
        raise ProblemError(refused(error, path, "read", "IPP502")) from None
    except (ValueError, KeyError, TypeError) as error:
        raise ProblemError(
            Problem(code="IPP502", message=f"unreadable manifest: {type(error).__name__}", path=str(path))
        ) from None
    if schema != SCHEMA:
        raise ProblemError(
            Problem(code="IPP502", message=f"bundle schema {quoted(schema)}, expected {SCHEMA}", path=where)
        )
    with refusals(None, "read", "IPP502"):
        problems = _unlike(directory, entries)
    if not problems and _digest(document["files"]) != digest:
        problems.append(Problem(code="IPP503", message="the manifest's own digest is wrong", path=str(path)))
    for node in document.get("nodes", {}):
        own = [e for e in document["files"] if e["path"].startswith(f"nodes/{node}/")]
        if not problems and _digest(own) != document["nodes"][node].get("digest"):
            problems.append(
                Problem(code="IPP503", message=f"the digest of node {quoted(node)} is wrong", path=str(path))
            )
    if problems:
        raise ProblemError(problems)
    return Bundle(directory, document)


def _unlike(directory: Path, entries: Mapping[str, Mapping[str, str]]) -> list[Problem]:
    """Return how the files below a bundle differ from its manifest's ``entries``. Raises OSError."""
    problems = []
    present = {
        str(p.relative_to(directory)): p
        for p in sorted(directory.rglob("*"))
        if (p.is_file() or p.is_symlink()) and p != directory / MANIFEST
    }
    for name in sorted(present.keys() | entries.keys()):
        file = str(directory / name)
        if name not in present:
            problems.append(Problem(code="IPP503", message="the manifest names it, but it is missing", path=file))
        elif name not in entries:
            problems.append(Problem(code="IPP503", message="not in the manifest", path=file))
        elif present[name].is_symlink():
            problems.append(Problem(code="IPP503", message="a symbolic link", path=file))
        elif hashlib.sha256(present[name].read_bytes()).hexdigest() != entries[name]["sha256"]:
            problems.append(
                Problem(
                    code="IPP503", message="changed after it was rendered: its digest is not the manifest's",
                    path=file, hint="change the plan and render again; apply takes only what was rendered",
                )
            )  # fmt: skip
    return problems
