"""What a manifest and a ``node.json`` may say. Somebody else may have written them: nothing in them is believed."""

from __future__ import annotations

import ipaddress
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, NoReturn, NotRequired

from pydantic import Field, StringConstraints, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict

from netplan.agent.places import OWNER, mode_at
from netplan.agent.protocol.node_json import NodeJson
from netplan.bundle.peer_table import NODE_SCHEMA, Hosts, Kind, hosts_of, whole
from netplan.model.ids import CLUSTER_NAME, HOST_NAME, ID
from netplan.model.shapes import CONFIG, adapter
from netplan.problems import Location, Problem, ProblemError, fail, quoted

SCHEMA = 2  # of a manifest; 2: digests by node, and a node.json that refers to plan.json
MAX_FILE = 64 << 20  # bytes of one file
MAX_FILES = 4_000_000  # 1,000 nodes with a tunnel for each pair have half of them
SHOWN = 50  # problems; of more, their number is said

Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}\z")]
NodeId = Annotated[str, StringConstraints(pattern=r"^n-[0-9a-f]{12}\z")]
HostName = Annotated[str, StringConstraints(pattern=rf"^{HOST_NAME}\z")]
Cluster = Annotated[str, StringConstraints(pattern=rf"^{CLUSTER_NAME}\z")]
Text = Annotated[str, StringConstraints(min_length=1, max_length=4096, pattern=r"^[^\x00-\x1f\x7f-\x9f]*\z")]


@with_config(CONFIG)
class Entry(TypedDict):
    """A file of the bundle."""

    path: Annotated[str, StringConstraints(max_length=400)]
    sha256: Digest
    mode: Literal["0640", "0644", "0755"]
    owner: Literal["root:root"]


@with_config(CONFIG)
class Release(TypedDict):
    """The files of one node: its name for people, and the digest over them."""

    name: HostName
    digest: Digest


@with_config(CONFIG)
class Recorded(TypedDict):
    """The inventory that the bundle was made from; ``hosts``: name -> digest of what the plan reads of it."""

    path: Annotated[Text, StringConstraints(pattern=r"^/")]
    pattern: Text
    digest: Digest
    hosts: NotRequired[dict[HostName, Digest]]
    host_vars: NotRequired[dict[Text, Text]]  # our variable -> theirs


@with_config(CONFIG)
class Manifest(TypedDict):
    """``manifest.json``."""

    schema: Annotated[int, Field(ge=SCHEMA, le=SCHEMA)]  # a Literal would take true for 1
    tool: Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z.+-]{1,40}\z")]
    cluster: Cluster
    digest: Digest
    plan_digest: Digest
    inventory: Recorded
    nodes: dict[NodeId, Release]
    files: Annotated[list[Entry], Field(max_length=MAX_FILES)]


_MANIFEST: TypeAdapter[Manifest] = TypeAdapter(Manifest)
_ROWS = ([str, str, int, int], [str, str, int, int, int])
_ID = r"n-[0-9a-f]{12}"
_PART = r"[A-Za-z0-9_][A-Za-z0-9._@+-]{0,100}"
_ON_NODE = re.compile(rf"nodes/({_ID})(/.+)", re.DOTALL)
# what people read, and nothing installs: any plain path below these
_FOR_PEOPLE = re.compile(
    rf"plan\.json|REVIEW\.md|review/index\.html|unmanaged-peers/{_ID}(/{_PART})+|cluster(/{_PART}){{1,12}}"
)


def parse_json(raw: bytes, where: str) -> Any:
    """Return what JSON text says. Raises ProblemError for another text, and for a key that is there twice."""
    try:
        return json.loads(raw.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_number)
    except RecursionError:
        fail("IPP502", "unreadable: nested too deeply", location=Location(where))
    except ValueError as error:  # also UnicodeDecodeError, and a number of more digits than Python reads
        fail("IPP502", f"unreadable: {quoted(error, 160)}", location=Location(where))


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        raise ValueError(f"the key {twice[:40]!r} is there twice")
    return found


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number of JSON")


def checked_manifest(document: object, where: str) -> Manifest:
    """Return a manifest whose every part has the type, the form and the place that ours have. Raises ProblemError."""
    if isinstance(document, dict) and document.get("schema") != SCHEMA:
        said = quoted(document.get("schema"))
        fail("IPP502", f"bundle schema {said}, expected {SCHEMA}", location=Location(where), hint=RENDER)
    found: Manifest = _checked(_MANIFEST, document, "unreadable manifest", where)
    problems = [
        Problem("IPP504", f"{quoted(at, 120)} {wrong}", location=Location(where), hint=RENDER)
        for at, wrong in _wrong_files(found)
    ]
    if problems:
        more = len(problems) - SHOWN
        if more > 0:
            problems[SHOWN:] = [Problem("IPP504", f"and {more} more", location=Location(where))]
        raise ProblemError(problems)
    return found


def checked_head(document: Mapping[str, Any], where: str) -> Manifest:
    """Return a manifest without its files, which are never checked twice. Raises ProblemError as for a whole one."""
    head: Manifest = _checked(_MANIFEST, {**document, "files": []}, "unreadable manifest", where)
    return head


RENDER = "a bundle is taken as `ipsecplan render` of this version writes it: render again"


def _checked(shape: TypeAdapter[Any], document: object, what: str, where: str) -> Any:
    try:
        return shape.validate_python(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        fail("IPP502", f"{what}: {quoted(place)}: {first['msg']}", location=Location(where), hint=RENDER)


def _wrong_files(found: Manifest) -> Iterator[tuple[str, str]]:
    """Generate (path, what is wrong) for every file that no bundle of ours has at that place or with that mode."""
    seen: set[str] = set()
    complete: set[str] = set()
    for entry in found["files"]:
        path = entry["path"]
        if path in seen:
            yield path, "is listed twice"
        seen.add(path)
        place = _ON_NODE.fullmatch(path)
        if place and place[1] not in found["nodes"]:
            yield path, "is of a node that the manifest does not name"
        elif place and place[2] == "/node.json":
            complete.add(place[1])
        wanted = mode_of(path)
        if wanted is None:
            yield path, "is no place of a file of ours"
        elif entry["mode"] != wanted or entry["owner"] != OWNER:
            yield path, f"has another mode than {wanted}"
    for node in found["nodes"].keys() - complete:
        yield node, "has no node.json"
    for name, count in Counter(node["name"] for node in found["nodes"].values()).items():
        if count > 1:
            yield name, "is the name of two nodes"


def mode_of(path: str) -> str | None:
    """Return the mode that a manifest gives a file of a bundle; None where no bundle of ours has a file there."""
    if place := _ON_NODE.fullmatch(path):
        return "0644" if place[2] == "/node.json" else mode_at(place[2])
    return "0644" if _FOR_PEOPLE.fullmatch(path) else None


def parse_hosts(raw: bytes, where: str) -> Hosts:
    """Return the hosts of ``plan.json``; what a node's peers take of them is checked there. Raises ProblemError."""
    document = parse_json(raw, where)
    try:
        return hosts_of(document)
    except (KeyError, TypeError, ValueError, AttributeError):
        fail("IPP502", "unreadable plan.json: it has no hosts", location=Location(where), hint=RENDER)


def parse_node(raw: bytes, node: str, manifest: Manifest, hosts: Hosts, where: str) -> NodeJson:
    """Return ``node.json`` of a node as it is with all that it refers to, whose types, ids, addresses and sizes hold.

    Raises ProblemError.
    """
    document = parse_json(raw, where)
    if not isinstance(document, dict):
        fail("IPP502", "unreadable node.json: it is no object", location=Location(where), hint=RENDER)
    _checked(adapter(list[Kind]), document.get("classes"), "unreadable node.json: classes", where)
    if wrong := next(_wrong_rows(document.get("peers"), len(document["classes"])), None):
        fail("IPP502", f"unreadable node.json: {wrong}", location=Location(where), hint=RENDER)
    found = whole(document, hosts, where)
    _checked(adapter(NodeJson), found, "unreadable node.json", where)  # strict, so what it returns is what it got
    if wrong := next(_wrong_facts(found, node, manifest), None):
        fail("IPP502", f"unreadable node.json: {wrong}", location=Location(where), hint=RENDER)
    return found


def _wrong_rows(rows: object, classes: int) -> Iterator[str]:
    """Generate what is wrong with the rows of peers: pair, peer, place of the class, 0 or 1, perhaps a number."""
    if not isinstance(rows, list):
        yield "its peers are no list"
        return
    for row in rows:
        if not isinstance(row, list) or [type(value) for value in row] not in _ROWS:
            yield "a row of a peer has another form"
        elif not 0 <= row[2] < classes or row[3] not in (0, 1):
            yield f"the row of {quoted(row[1])} names a class that is not there, or another number than 0 and 1"


def _wrong_facts(found: NodeJson, node: str, manifest: Manifest) -> Iterator[str]:
    if (found["schema"], found["id"], found["name"]) != (NODE_SCHEMA, node, manifest["nodes"][node]["name"]):
        yield "it is about another node"
    if found["cluster"] != manifest["cluster"]:
        yield "it is about another cluster"
    for peer in found["peers"]:
        if not (ID.fullmatch(peer["id"]) and ID.fullmatch(peer["pair"])) or not peer["children"]:
            yield f"{quoted(peer['id'])} is no peer"
        yield from _wrong_addresses(peer["address"], peer.get("local"))
        yield from _wrong_sizes(peer["link_mtu"], peer["inner_mtu"], peer["outer_packet"])
    if len({peer["pair"] for peer in found["peers"]}) < len(found["peers"]):
        yield "a pair is there twice"
    for station in (found["underlay"], *found.get("networks", ())):
        yield from _wrong_addresses(station["address"])
        yield from _wrong_sizes(station["mtu"])
    yield from _wrong_sizes(found["mtu"]["pod"], *(device["mtu"] for device in found["overlay"]["devices"]))


def _wrong_addresses(*addresses: str | None) -> Iterator[str]:
    for address in addresses:
        try:
            ipaddress.ip_address(address or "0.0.0.0")  # noqa: S104  stands for none; nothing listens there
        except ValueError:
            yield f"{quoted(address)} is no IP address"


def _wrong_sizes(*sizes: int) -> Iterator[str]:
    for size in sizes:
        if not 68 <= size <= 65535:  # the least that IPv4 knows (RFC 791) and the most that its length field holds
            yield f"{size} is no size of a packet"
