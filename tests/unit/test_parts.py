"""What is sent once a run and node: the agent's code, node.json; and what happens where a node has lost it."""

from __future__ import annotations

import ast
import io
import json
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest

from netplan.agent import main
from netplan.agent.system import kept
from netplan.agent.transaction import state
from netplan.rollout.transport.bare_source import bare
from netplan.rollout.transport.parts import AGENT, Parts, agent_code, agent_files
from tests.support.agent_requests import WHOLE
from tests.unit.test_agent_bootstrap import loaded

ID = "n-0123456789ab"
NODE: dict[str, Any] = {"id": ID, "peers": [{"id": f"n-{n:012}", "pair": f"pair-{n:012}"} for n in range(1000)]}


def asked(**more: Any) -> Any:
    return {**WHOLE, "node": NODE, "files": [{"path": "/etc/x"}], **more}


def bytes_sent(folder: Path, parts: Parts, request: Any, *, whole: bool = False) -> int:
    """Return how many bytes the plugin sends for a request."""
    (folder / "in").mkdir(exist_ok=True)
    rest, about = parts.split(ID, request)
    (folder / "in" / f"{ID}.parts").write_text(json.dumps(about))
    message = loaded().message(folder, ID, json.dumps(rest).encode(), b"", whole=whole)
    parts.answered(ID, about, again=whole)
    return len(message)


def test_code_and_node_json_travel_once(tmp_path: Path) -> None:
    parts = Parts(tmp_path)
    first, *later = (bytes_sent(tmp_path, parts, asked(phases=[phase])) for phase in ("status", "arm", "stage", "trap"))
    assert len(agent_code()[1]) < first < len(agent_code()[1]) + len(json.dumps(NODE)) / 4, "node.json is compressed"
    assert max(later) < 1024, "whatever the number of peers"
    held = {**NODE, "mtu": {"pod": 1400}}
    assert len(agent_code()[1]) > bytes_sent(tmp_path, parts, asked(node=held)) > 4000, "it was fitted to the run"
    assert bytes_sent(tmp_path, parts, asked(node=held)) < 1024


def test_a_node_that_keeps_nothing_is_always_sent_all(tmp_path: Path) -> None:
    parts = Parts(tmp_path)
    bytes_sent(tmp_path, parts, asked())
    for _ in range(2):
        assert bytes_sent(tmp_path, parts, asked(), whole=True) > 40_000
    assert bytes_sent(tmp_path, parts, asked()) > 40_000


def test_the_code_is_compressed() -> None:
    digest, code = agent_code()
    assert len(digest) == 64
    assert 3 * len(code) < sum(map(len, agent_files().values()))


def serve(request: dict[str, Any], about: bytes, digest: str, *, sent: bool) -> str:
    """Return what a node answers, as text."""
    text, packed = json.dumps(request).encode(), zlib.compress(about)
    header: Any = {"digest": "", "code": 0, "about_digest": digest, "about": len(packed) if sent else 0}
    header |= {"request": len(text), "archive": 0}
    out = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stdout", out)
        patch.setattr(main.os, "setsid", lambda: None)
        patch.setattr(main.os, "umask", lambda _: 0)
        main.main(header, io.BytesIO((packed if sent else b"") + text))
    return out.getvalue().partition(main.SENTINEL)[2].strip()


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(state, "RUN", str(tmp_path))
    monkeypatch.setattr(state, "ROOT", str(tmp_path / "lib"))
    monkeypatch.setattr(
        main, "function_of", lambda _: lambda request: {"changed": False, "detail": request["node"]["id"]}
    )
    return tmp_path


def test_a_node_keeps_a_part_and_checks_its_digest(node: Path) -> None:
    about = json.dumps({"node": NODE, "files": []}, sort_keys=True).encode()
    request = {key: value for key, value in WHOLE.items() if key not in ("node", "files")} | {"phases": ["facts"]}
    digest = kept.core.sha256(about)
    assert serve(request, about, digest, sent=False) == main.LACKS
    for sent in (True, False, False):
        (result,) = json.loads(serve(request, about, digest, sent=sent))["results"]
        assert (result["ok"], result["detail"]) == (True, ID)
    (path,) = node.glob("part-*")
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_bytes(about.replace(b"pair-0", b"pair-f"))
    assert serve(request, about, digest, sent=False) == main.LACKS
    path.write_bytes(about)
    path.chmod(0o644)
    assert serve(request, about, digest, sent=False) == main.LACKS, "others could have written it"
    assert serve(request, about, "../state.json", sent=False) == main.LACKS
    assert serve(request, b"{}", digest, sent=True) == main.LACKS, "what came is not what was meant"


def test_few_parts_are_kept(node: Path) -> None:
    for number in range(9):
        part = json.dumps({"node": {"id": number}}).encode()
        assert kept.part(str(node), kept.core.sha256(part), part) == part
    assert len(list(node.glob("part-*"))) == kept.MOST


def test_without_room_a_part_serves_once() -> None:
    part = b"{}"
    assert kept.part("/proc/nothing", kept.core.sha256(part), part) == part
    assert kept.part("/proc/nothing", kept.core.sha256(part), None) is None


def code_of(text: str) -> tuple[str, list[int]]:
    """What a source does: its tree without docstrings, and the line of each of its statements."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node) is not None:
            del node.body[0]
    return ast.dump(tree), [node.lineno for node in ast.walk(tree) if isinstance(node, ast.stmt)]


def test_what_is_sent_of_a_source_does_the_same_on_the_same_lines() -> None:
    for name, text in agent_files().items():
        whole = (AGENT / name).read_text()
        assert code_of(text) == code_of(whole), name
        assert len(text) < len(whole) or not whole, name


def test_a_docstring_is_taken_out_where_nothing_else_is_on_its_lines() -> None:
    text = 'class A:\n    """One.\n\n    Two."""\n\n\ndef f():  # 1\n    """é"""; return "#"\n\n\ndef g(): """x"""\n'
    assert bare(text) == 'class A:\n    ""\n\n\n\n\ndef f():\n    """é"""; return "#"\n\n\ndef g(): """x"""\n'
    assert bare('"""About."""\n\nX = """# no comment\n"""  # one\n') == '\n\nX = """# no comment\n"""\n'


def test_every_module_that_is_sent_is_imported_from_what_is_sent(tmp_path: Path) -> None:
    names = []
    for name, text in agent_files().items():
        path = tmp_path / "ipsecplan_node" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        names.append("ipsecplan_node/" + name.removesuffix(".py").removesuffix("/__init__"))
    program = "import importlib, sys; sys.path[:0] = ['.']; [importlib.import_module(n) for n in sys.argv[1:]]"
    argv = [sys.executable, "-I", "-S", "-c", program, *(name.replace("/", ".") for name in names)]
    subprocess.run(argv, cwd=tmp_path, check=True, timeout=60)
