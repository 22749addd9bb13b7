"""The list of nodes from a cluster's API server, as a kubeconfig names it: one request, paged, no program run.

A token goes into a header of that connection and nowhere else; a client's key is handed to TLS through memory. The
server's certificate is always checked, redirections are not followed, and no proxy is asked.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import http.client
import os
import socket
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import yaml

from netplan.files import parse_json, read_regular
from netplan.problems import Location, fail, quoted
from netplan.refusals import refusals

TIMEOUT_S = 30
MOST_BYTES = 64 << 20  # of an answer
MAX_CONFIG = 4 << 20  # bytes of a kubeconfig and of a file that it names
PAGE = 500  # nodes that are asked for at once
MOST_PAGES = 40
NEEDS_KUBECTL = ("exec", "auth-provider", "username", "password")  # of a user; the first two run programs


@dataclass(frozen=True, slots=True)
class Access:
    """How an API server is reached. PEM texts are bytes; ``name`` is the one that its certificate must have."""

    host: str
    port: int
    path: str
    tls: bool
    name: str
    authority: bytes | None = None
    token: str | None = field(default=None, repr=False)
    certificate: bytes | None = None
    key: bytes | None = field(default=None, repr=False)


def access(path: Path) -> Access | None:
    """Return how the current context of a kubeconfig is reached; None where only kubectl can (a program, a proxy).

    Raises ProblemError (IPP301).
    """
    with refusals(path, "read", "IPP301"):
        text = read_regular(path, MAX_CONFIG, follow=True)
    try:
        document = yaml.safe_load(text)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError):
        fail("IPP301", "this is no kubeconfig: no YAML", location=Location(str(path)))
    context = _named(document, "contexts", "context", _text(document, "current-context"), path)
    cluster = _named(document, "clusters", "cluster", _text(context, "cluster"), path)
    user = _named(document, "users", "user", _text(context, "user"), path)
    if any(user.get(name) for name in NEEDS_KUBECTL) or cluster.get("proxy-url"):
        return None
    server = urlsplit(_text(cluster, "server"))
    try:
        port = server.port or (443 if server.scheme == "https" else 80)
    except ValueError:
        port = 0
    if server.scheme not in ("https", "http") or not server.hostname or not port or server.username:
        fail("IPP301", f"no address of a server: {quoted(cluster.get('server'))}", location=Location(str(path)))
    if cluster.get("insecure-skip-tls-verify"):
        hint = "name the server's CA: certificate-authority or certificate-authority-data"
        fail("IPP301", "it turns the check of the server's certificate off", location=Location(str(path)), hint=hint)
    found = Access(
        server.hostname,
        port,
        server.path.rstrip("/"),
        server.scheme == "https",
        str(cluster.get("tls-server-name") or server.hostname),
        _content(cluster, "certificate-authority", path),
        _token(user, path),
        _content(user, "client-certificate", path),
        _content(user, "client-key", path),
    )
    if not found.tls and (found.token or found.key):
        fail("IPP301", "credentials would travel in the clear to http://", location=Location(str(path)))
    return found


def nodes(at: Access, shown: str) -> dict[str, Any]:
    """Return the NodeList of a cluster; ``shown`` names the kubeconfig. Raises ProblemError (IPP301)."""
    items: list[Any] = []
    more = ""
    try:
        with contextlib.closing(_connection(at)) as connection:
            for _ in range(MOST_PAGES):
                page = _page(connection, at, more, shown)
                found = page.get("items")
                items += found if isinstance(found, list) else []
                about = page.get("metadata")
                more = str(about.get("continue") or "") if isinstance(about, dict) else ""
                if not more:
                    break
    except (OSError, http.client.HTTPException, ValueError) as error:
        fail("IPP301", f"no answer from {_where(at)}: {quoted(error, 200)}", location=Location(shown))
    return {"kind": "List", "items": [{**item, "kind": "Node"} for item in items if isinstance(item, dict)]}


def _page(connection: http.client.HTTPConnection, at: Access, more: str, shown: str) -> Mapping[str, Any]:
    headers = {"Accept": "application/json", "Host": at.host if at.port in (80, 443) else f"{at.host}:{at.port}"}
    if at.token:
        headers["Authorization"] = f"Bearer {at.token}"
    query = f"?limit={PAGE}" + (f"&continue={quote(more, safe='')}" if more else "")
    connection.request("GET", f"{at.path}/api/v1/nodes{query}", headers=headers)
    answer = connection.getresponse()
    body = answer.read(MOST_BYTES + 1)
    if len(body) > MOST_BYTES:
        fail("IPP301", f"{_where(at)} answers more than {MOST_BYTES >> 20} MiB", location=Location(shown))
    try:
        said = parse_json(body)
    except (ValueError, RecursionError):
        said = None
    if answer.status != http.HTTPStatus.OK or not isinstance(said, dict):
        words = said.get("message") if isinstance(said, dict) else None
        hint = "may this user list nodes? `kubectl auth can-i list nodes`" if answer.status in (401, 403) else None
        text = f"{_where(at)} refused: {answer.status}" + (f" {quoted(words, 200)}" if words else "")
        fail("IPP301", text, location=Location(shown), hint=hint)
    return said


def _where(at: Access) -> str:
    return f"{'https' if at.tls else 'http'}://{at.host}:{at.port}"


class _Named(http.client.HTTPSConnection):
    """A connection whose certificate has to have a name that need not be the address."""

    def __init__(self, at: Access, context: ssl.SSLContext) -> None:
        super().__init__(at.host, at.port, timeout=TIMEOUT_S, context=context)
        self._at, self._tls = at, context

    def connect(self) -> None:
        plain = socket.create_connection((self._at.host, self._at.port), TIMEOUT_S)
        self.sock = self._tls.wrap_socket(plain, server_hostname=self._at.name)


def _connection(at: Access) -> http.client.HTTPConnection:
    if not at.tls:
        return http.client.HTTPConnection(at.host, at.port, timeout=TIMEOUT_S)
    context = ssl.create_default_context(cadata=at.authority.decode("ascii") if at.authority else None)
    if at.authority:
        # Python 3.13 wants extensions of RFC 5280 that clusters' own CAs often lack, and kubectl doesn't ask for
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if at.certificate and at.key:
        with _in_memory(at.certificate + b"\n" + at.key) as path:
            context.load_cert_chain(path, password="")  # an encrypted key is refused, and nobody is asked
    return _Named(at, context)


@contextlib.contextmanager
def _in_memory(data: bytes) -> Iterator[str]:
    """Give data a path, for a library that takes nothing else: of memory, not of a disk."""
    with os.fdopen(os.memfd_create("client", os.MFD_CLOEXEC), "r+b") as file:
        file.write(data)
        file.flush()
        yield f"/proc/self/fd/{file.fileno()}"


def _text(of: object, name: str) -> str:
    value = of.get(name) if isinstance(of, dict) else None
    return value if isinstance(value, str) else ""


def _named(document: object, kind: str, inner: str, name: str, path: Path) -> dict[str, Any]:
    """Return what a kubeconfig has under a name, such as a cluster."""
    rows = document.get(kind) if isinstance(document, dict) else None
    known = rows if name and isinstance(rows, list) else []
    fitting = [row for row in known if isinstance(row, dict) and row.get("name") == name]
    if fitting and isinstance(fitting[0].get(inner), dict):
        found: dict[str, Any] = fitting[0][inner]
        return found
    hint = "`kubectl config use-context NAME` chooses one" if kind == "contexts" else None
    said = f"it has no {inner} {quoted(name)}" if name else f"it names no {inner}"
    return fail("IPP301", said, location=Location(str(path)), hint=hint)


def _content(of: Mapping[str, Any], name: str, path: Path) -> bytes | None:
    """Return what ``NAME-data`` has, in base64, or the file that ``NAME`` names, relative to the kubeconfig."""
    if data := _text(of, f"{name}-data"):
        try:
            return base64.b64decode(data, validate=True)
        except (binascii.Error, ValueError):
            fail("IPP301", f"{name}-data is not base64", location=Location(str(path)))
    return _file(path.parent / file) if (file := _text(of, name)) else None


def _token(user: Mapping[str, Any], path: Path) -> str | None:
    token = _text(user, "token")
    if not token and (file := _text(user, "tokenFile")):
        token = _file(path.parent / file).decode("utf-8", "replace").strip()
    if not token.isascii() or not token.isprintable():
        fail("IPP301", "its token is no line of ASCII", location=Location(str(path)))
    return token or None


def _file(named: Path) -> bytes:
    with refusals(named, "read", "IPP301"):
        return read_regular(named, MAX_CONFIG, follow=True)
