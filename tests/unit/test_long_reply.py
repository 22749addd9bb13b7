"""A node that never stops to answer: its bytes are counted while they arrive, by the real Ansible with a played ssh."""

from __future__ import annotations

from pathlib import Path

import pytest

from netplan.rollout.nodes.targets import Target
from netplan.rollout.transport import ansible
from netplan.rollout.transport.ansible import AnsibleTransport
from netplan.rollout.transport.reply import Answer, parse

NODE = "n-0123456789ab"
SSH = """#!/bin/sh
cat >/dev/null
printf 'IPSECPLAN-RESULT {{"results": "'
head -c {size} /dev/zero | tr '\\0' x >&{output}
echo '"}}'
"""


def ask(folder: Path, monkeypatch: pytest.MonkeyPatch, size: int, output: int) -> Answer:
    (folder / "ssh").write_text(SSH.format(size=size, output=output))
    (folder / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    monkeypatch.setattr(ansible, "MOST_BYTES", 1 << 20)
    target = Target(NODE, "web1", "0" * 64, {"peers": []}, (), Path("/"), {"ansible_host": "192.0.2.1"})  # type: ignore[typeddict-item]
    with AnsibleTransport() as transport:
        request = {"phases": ["status"]}
        return transport.step({NODE: request}, {NODE: target}, payload=False, fresh=False, arrived=lambda *_: None)[
            NODE
        ]


@pytest.mark.slow
@pytest.mark.parametrize("output", [1, 2])
def test_a_reply_without_end_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, output: int) -> None:
    assert ask(tmp_path, monkeypatch, 1 << 34, output) == Answer(broken="it is too long")


@pytest.mark.slow
def test_a_reply_of_the_size_allowed_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "another shape" in str(ask(tmp_path, monkeypatch, 1 << 19, 1).broken)


def test_what_is_too_long_is_not_parsed() -> None:
    assert parse(" " * (8 * 2**20) + "{}", {"phases": ["arm"]}).broken == "its reply is longer than 8 MiB"  # type: ignore[typeddict-item]
