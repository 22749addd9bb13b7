"""Hosts from a cluster's API server: answers as kube-apiserver gives them, by HTTPS with its own CA, token or key."""

from __future__ import annotations

import base64
import http.server
import ipaddress
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from netplan.cli import init
from netplan.inputs import kubernetes_api
from netplan.inputs.kubernetes_hosts import from_kubeconfig
from netplan.problems import ProblemError

TOKEN = "token-" + "k8s" * 12
FORBIDDEN = {"kind": "Status", "status": "Failure", "message": 'nodes is forbidden: User "u" can\'t list', "code": 403}


def node(number: int) -> dict[str, Any]:
    """A node as the API server of a cluster made by kubeadm lists it; items of a list have no kind."""
    name = f"worker-{number}.example.org"
    return {
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}, "uid": f"u{number}"},
        "spec": {"podCIDR": f"10.244.{number}.0/24", "podCIDRs": [f"10.244.{number}.0/24", f"fd00:{number}::/64"]},
        "status": {
            "addresses": [
                {"type": "ExternalIP", "address": f"203.0.113.{number}"},
                {"type": "InternalIP", "address": f"192.0.2.{number}"},
                {"type": "Hostname", "address": name},
            ],
            "nodeInfo": {"kubeletVersion": "v1.33.1", "containerRuntimeVersion": "containerd://2.1.1"},
        },
    }


@dataclass
class Certificates:
    """A CA, a server's certificate for api.example.org and 127.0.0.1, and a client's; PEM."""

    folder: Path
    files: dict[str, Path] = field(default_factory=dict)

    def __post_init__(self) -> None:
        authority = ec.generate_private_key(ec.SECP256R1())
        self.issue("ca", authority.public_key(), "ca", authority, authority, ca=True)
        for name in ("server", "client"):
            key = ec.generate_private_key(ec.SECP256R1())
            self.issue(name, key.public_key(), "ca", authority, key)

    def issue(self, name: str, public: Any, issuer: str, signer: Any, own: Any, *, ca: bool = False) -> None:
        def called(text: str) -> x509.Name:
            return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

        now = datetime.now(UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(called(name))
            .issuer_name(called(issuer))
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
            .add_extension(
                x509.SubjectAlternativeName(
                    [x509.DNSName("api.example.org"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
                ),
                critical=False,
            )
            .sign(signer, hashes.SHA256())
        )
        key = own.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        for kind, data in (("crt", made.public_bytes(serialization.Encoding.PEM)), ("key", key)):
            self.files[f"{name}.{kind}"] = self.folder / f"{name}.{kind}"
            self.files[f"{name}.{kind}"].write_bytes(data)


@dataclass
class Server:
    """An API server with some nodes, that gives them ``page`` at a time; ``seen``: what was asked, with what token."""

    port: int
    certificates: Certificates
    answer: Callable[[str], tuple[int, Any]]
    seen: list[tuple[str, str | None]] = field(default_factory=list)

    def kubeconfig(self, user: dict[str, Any], **cluster: Any) -> Path:
        path = self.certificates.folder / "config"
        about = {"server": f"https://127.0.0.1:{self.port}/k8s/", "certificate-authority": "ca.crt", **cluster}
        path.write_text(
            yaml.safe_dump(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "current-context": "here",
                    "contexts": [
                        {"name": "other", "context": {"cluster": "x", "user": "x"}},
                        {"name": "here", "context": {"cluster": "c", "user": "u"}},
                    ],
                    "clusters": [{"name": "c", "cluster": {k: v for k, v in about.items() if v is not None}}],
                    "users": [{"name": "u", "user": user}],
                }
            )
        )
        return path


def paged(number: int) -> Callable[[str], tuple[int, Any]]:
    def answer(query: str) -> tuple[int, Any]:
        asked = parse_qs(query)
        first = int(asked.get("continue", ["0"])[0])
        rest = number - first - 2
        more = {"continue": str(first + 2)} if rest > 0 else {}
        items = [node(n + 1) for n in range(first, min(first + 2, number))]
        return 200, {
            "kind": "NodeList",
            "apiVersion": "v1",
            "metadata": {"resourceVersion": "9", **more},
            "items": items,
        }

    return answer


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("kube"))


@pytest.fixture
def server(certificates: Certificates) -> Iterator[Server]:
    """Serve by TLS; a client needs a certificate of the CA or the token, as in a cluster."""
    at = Server(0, certificates, paged(5))

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            token = self.headers.get("Authorization")
            at.seen.append((self.path, token))
            known = token == f"Bearer {TOKEN}" or bool(self.connection.getpeercert())  # type: ignore[attr-defined]
            status, said = at.answer(urlsplit(self.path).query) if known else (401, {"message": "Unauthorized"})
            body = json.dumps(said).encode() if not isinstance(said, bytes) else said
            self.send_response(status)
            self.send_header("Location", "https://127.0.0.1:1/")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Print nothing."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    files = certificates.files
    context.load_cert_chain(files["server.crt"], files["server.key"])
    context.load_verify_locations(files["ca.crt"])
    context.verify_mode = ssl.CERT_OPTIONAL
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as serving:
        serving.socket = context.wrap_socket(serving.socket, server_side=True)
        at.port = serving.server_address[1]
        thread = threading.Thread(target=serving.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield at
        serving.shutdown()
        thread.join()


def as_data(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


def test_a_token_and_pages(server: Server) -> None:
    found = from_kubeconfig(server.kubeconfig({"token": TOKEN}))
    assert list(found) == [f"worker-{n}.example.org" for n in range(1, 6)]
    assert found["worker-5.example.org"] == {
        "underlay_address": "192.0.2.5",
        "ansible_host": "192.0.2.5",
        "pod_cidr": "10.244.5.0/24",
    }
    assert [path for path, _ in server.seen] == [
        "/k8s/api/v1/nodes?limit=500",
        "/k8s/api/v1/nodes?limit=500&continue=2",
        "/k8s/api/v1/nodes?limit=500&continue=4",
    ]


def test_a_token_in_a_file(server: Server) -> None:
    (server.certificates.folder / "token").write_text(TOKEN + "\n")
    assert len(from_kubeconfig(server.kubeconfig({"tokenFile": "token"}))) == 5


def test_a_client_s_certificate_by_name_and_as_data(server: Server) -> None:
    files = server.certificates.files
    named = {"client-certificate": "client.crt", "client-key": str(files["client.key"])}
    assert len(from_kubeconfig(server.kubeconfig(named))) == 5
    inline = {"client-certificate-data": as_data(files["client.crt"]), "client-key-data": as_data(files["client.key"])}
    data = as_data(files["ca.crt"])
    path = server.kubeconfig(inline, **{"certificate-authority": None, "certificate-authority-data": data})
    assert len(from_kubeconfig(path)) == 5
    assert {token for _, token in server.seen} == {None}


def test_the_name_that_the_certificate_must_have(server: Server) -> None:
    assert from_kubeconfig(server.kubeconfig({"token": TOKEN}, **{"tls-server-name": "api.example.org"}))
    with pytest.raises(ProblemError, match="CERTIFICATE_VERIFY_FAILED"):
        from_kubeconfig(server.kubeconfig({"token": TOKEN}, **{"tls-server-name": "evil.example.org"}))


def test_a_server_that_its_ca_did_not_sign_gets_no_token(server: Server) -> None:
    with pytest.raises(ProblemError, match="CERTIFICATE_VERIFY_FAILED"):
        from_kubeconfig(server.kubeconfig({"token": TOKEN}, **{"certificate-authority": None}))
    assert server.seen == []


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((403, FORBIDDEN), "refused: 403 .nodes is forbidden"),
        ((302, b""), "refused: 302"),
        ((200, b"<html>"), "refused: 200"),
        ((200, [1]), "refused: 200"),
        ((200, {"items": "x"}), "no node in it"),
        ((200, {"items": [{"metadata": {"name": "a b"}}, 7]}), "no node in it"),
    ],
)
def test_what_a_server_may_say_instead(server: Server, answer: tuple[int, Any], words: str) -> None:
    server.answer = lambda _: answer
    with pytest.raises(ProblemError, match=words) as caught:
        from_kubeconfig(server.kubeconfig({"token": TOKEN}))
    assert TOKEN not in repr(caught.value.problems)
    assert len(server.seen) == 1, "no redirection is followed"


def test_a_list_without_end_ends(server: Server) -> None:
    server.answer = lambda _: (200, {"metadata": {"continue": "again"}, "items": [node(1)]})
    assert len(from_kubeconfig(server.kubeconfig({"token": TOKEN}))) == 1
    assert len(server.seen) == kubernetes_api.MOST_PAGES


@pytest.mark.parametrize(
    ("user", "cluster", "words"),
    [
        ({"token": TOKEN}, {"insecure-skip-tls-verify": True}, "turns the check"),
        ({"token": TOKEN}, {"server": "http://127.0.0.1:1"}, "in the clear"),
        ({"token": TOKEN}, {"server": "ftp://x"}, "no address of a server"),
        ({"token": TOKEN}, {"server": "https://x:99999"}, "no address of a server"),
        ({"token": "a\nb"}, {}, "no line of ASCII"),
        ({"client-key-data": "%"}, {}, "not base64"),
        ({"client-key": "gone"}, {}, "No such file"),
        ({"exec": {"command": "touch"}}, {}, "kubectl"),
        ({"token": TOKEN}, {"proxy-url": "http://x"}, "kubectl"),
    ],
)
def test_what_is_refused_before_anything_is_sent(
    server: Server, monkeypatch: pytest.MonkeyPatch, user: dict[str, Any], cluster: dict[str, Any], words: str
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(ProblemError, match=words) as caught:
        from_kubeconfig(server.kubeconfig(user, **cluster))
    assert [p.code for p in caught.value.problems] == ["IPP301"]
    assert server.seen == []


@pytest.mark.parametrize("text", ["", "[", "a: b", "current-context: x", "\x00", "current-context: x\ncontexts: 3"])
def test_no_kubeconfig(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config"
    path.write_text(text)
    with pytest.raises(ProblemError) as caught:
        from_kubeconfig(path)
    assert [p.code for p in caught.value.problems] == ["IPP301"]


def test_init_writes_a_plan_and_an_inventory_that_lint_takes(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = server.kubeconfig({"token": TOKEN})
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(init.command, ["--cni", "calico", "--from-kubeconfig", str(config), "plan.yaml"])
    assert (done.exit_code, done.exception) == (0, None)
    assert "inventory.yml: 5 hosts written" in done.output
    assert "next: ipsecplan plan plan.yaml" in done.output
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and TOKEN in path.read_text()]
    assert repr(kubernetes_api.access(config)).count(TOKEN) == 0
