"""What a worker sends is read with bounds: nothing in it ends the control machine's program, or writes its files."""

from __future__ import annotations

import base64
import json
import os
import random
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ansible_runner
import pytest

from netplan.rollout.nodes.targets import Target
from netplan.rollout.transport import worker_stream
from netplan.rollout.transport.reply import MOST_BYTES
from netplan.rollout.transport.worker_shard import answer_of
from netplan.rollout.transport.worker_stream import BrokenStreamError, Stream

HOST = "n-0123456789ab"
EOF = b'{"eof": true}\n'


def event(**more: object) -> dict[str, Any]:
    return {"event": "runner_on_ok", "counter": 3, "uuid": "u", "event_data": {"host": HOST, "res": {}}, **more}


def lines(*said: object) -> bytes:
    return b"".join(s if isinstance(s, bytes) else json.dumps(s).encode() + b"\n" for s in said)


def streamed(data: bytes, silent_s: float = 5, most_s: float = 20, *, close: bool = True) -> Stream:
    read, write = os.pipe()

    def send() -> None:
        with os.fdopen(write, "wb", closefd=close) as pipe:
            try:
                pipe.write(data)
                pipe.flush()
            except BrokenPipeError:
                pass

    threading.Thread(target=send, daemon=True).start()
    return Stream(read, silent_s, most_s)


def taken(stream: Stream) -> Iterator[dict[str, Any]]:
    while not stream.ended:
        yield json.loads(stream.readline())


def test_what_is_of_use_gets_through_in_a_form_of_ours() -> None:
    zipped = b"PK" * 500
    said = lines(
        {"status": "starting", "command": ["x"], "env": {"HOME": "/root"}},
        {"event": "keepalive", "counter": 0, "uuid": 0},
        event(uuid="../../../etc/passwd", stdout="hello", event_data={"host": HOST, "res": {"said": "x", "other": 1}}),
        {"event": "playbook_on_stats", "counter": 4, "event_data": {}},
        {"status": "successful"},
        json.dumps({"zipfile": len(zipped)}).encode() + b"\n" + base64.b64encode(zipped),
        EOF,
    )
    stream = streamed(said)
    assert list(taken(stream)) == [
        {"status": "starting"},
        {**event(), "uuid": "0", "event_data": {"host": HOST, "res": {"said": "x"}}},
        {"status": "successful"},
        {"eof": True},
    ]
    assert (stream.ended, stream.why, stream.printed) == (True, "", "hello")


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "its connection ended"),
        (b"Welcome to w1!\n", "what is no JSON"),
        (b"[" * 100_000 + b"\n", "what is no JSON"),
        (b"1\n", "no object"),
        (b'["status"]\n', "no object"),
        (lines({"status": "owned"}), "a status that there isn't"),
        (lines({"status": ["failed"]}), "a status that there isn't"),
        (lines({"zipfile": -1}), "of a size"),
        (lines({"zipfile": 2**40}), "of a size"),
        (lines({"zipfile": True}), "of a size"),
        (lines({"zipfile": 300}, b"AAAA"), "its connection ended"),
        (lines(event(counter="../../x")), "without a name or a number"),
        (lines(event(counter=0)), "without a name or a number"),
        (lines({}), "without a name or a number"),
    ],
)
def test_what_makes_no_sense_ends_it_with_a_reason(data: bytes, why: str) -> None:
    stream = streamed(data)
    with pytest.raises(BrokenStreamError, match=why):
        list(taken(stream))
    assert why in stream.why


def test_a_line_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_stream, "MOST_LINE", 1 << 20)
    with pytest.raises(BrokenStreamError, match="a line of more than 1 MiB"):
        streamed(b"x" * (2 << 20)).readline()


@pytest.mark.parametrize(("silent_s", "most_s", "why"), [(0.1, 9, "nothing came from it for"), (9, 0.1, "too long")])
def test_silence_and_endless_talk_are_bounded(silent_s: float, most_s: float, why: str) -> None:
    stream = streamed(lines({"status": "running"}), silent_s, most_s, close=False)
    assert stream.readline()
    with pytest.raises(BrokenStreamError, match=why):
        stream.readline()


def test_ansible_runner_reads_rubbish_to_its_end_and_writes_nothing(tmp_path: Path) -> None:
    """Streams of a seed, damaged anywhere: ``process`` returns every time, and only its own folder has files."""
    chance = random.Random(5)
    whole = lines({"status": "starting"}, *(event(counter=n) for n in range(1, 5)), {"status": "successful"}, EOF)
    heard: list[dict[str, Any]] = []
    for number in range(200):
        data = bytearray(whole)
        for _ in range(chance.randrange(1, 9)):
            at = chance.randrange(len(data))
            data[at : at + chance.randrange(3)] = chance.randbytes(chance.randrange(4))
        folder = tmp_path / f"r{number}"
        folder.mkdir()
        done = ansible_runner.run(
            streamer="process",
            _input=streamed(bytes(data)),
            private_data_dir=str(folder),
            settings={},
            quiet=True,
            event_handler=lambda said: bool(heard.append(said)),
            cancel_callback=lambda: False,
        )
        assert done.status in {*worker_stream.STATES}
    assert len(heard) > 100
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def packed(text: str) -> str:
    return base64.b64encode(zlib.compress(text.encode())).decode()


@pytest.mark.parametrize(
    ("kind", "result", "said"),
    [
        ("runner_on_unreachable", {"msg": "Task failed: Failed to connect: no route\nx"}, "unreachable='x'"),
        ("runner_on_unreachable", {"msg": ["x"]}, "unreachable=\"['x']\""),
        ("runner_on_ok", {"said": packed('{"broken": "exit 1"}')}, "broken='exit 1'"),
        ("runner_on_ok", {"said": packed("nonsense")}, "not JSON"),
        ("runner_on_ok", {"said": "%%%"}, "damaged on its way"),
        ("runner_on_ok", {"said": 7}, "damaged on its way"),
        ("runner_on_ok", {"said": "é"}, "damaged on its way"),
        ("runner_on_ok", {"said": packed(" " * (MOST_BYTES + 5))}, "longer than"),
        ("runner_on_failed", {"msg": "Incorrect sudo password"}, "sudo"),
    ],
)
def test_an_answer_out_of_an_event_is_as_little_trusted(kind: str, result: dict[str, Any], said: str) -> None:
    target = Target(HOST, "web1", "0" * 64, {}, (), {}, {"ansible_become": True})  # type: ignore[typeddict-item]
    found = {**event(), "event": kind, "event_data": {"host": HOST, "res": result}}
    answer = answer_of(found, {"phases": ["status"]}, target, False)  # type: ignore[typeddict-item]
    assert said in repr(answer), answer
