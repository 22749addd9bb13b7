"""Nodes over SSH, with a stand-in for ssh; and dumps of XFRM states whose keys are hidden."""

from __future__ import annotations

import json
import stat

import pytest

from netplan.audit import Given, Text, audit, inputs
from netplan.audit.inputs import ASKED, texts
from netplan.audit.model import Skipped

DEVICES = [
    {"ifname": "eth0", "mtu": 1500, "operstate": "UP", "link_type": "ether"},
    {
        "ifname": "ov0",
        "mtu": 1450,
        "operstate": "UP",
        "link_type": "ether",
        "linkinfo": {"info_kind": "vxlan", "info_data": {"id": 7, "local": "10.0.0.1", "port": 4789}},
    },
]
STATE = (
    "src 10.0.0.1 dst 10.0.0.2\n\tproto esp spi 0xc1 reqid 1 mode transport\n\treplay-window 0\n"
    "\taead rfc4106(gcm(aes)) <<Keys hidden>> 128\n\tencap type espinudp sport 4500 dport 4500 addr 0.0.0.0\n"
)
CBC = (
    "src 10.0.0.1 dst 10.0.0.2\n\tproto esp spi 0xc1 reqid 1 mode transport\n"
    "\tauth-trunc hmac(sha512) <<Keys hidden>> 256\n\tenc cbc(aes) <<Keys hidden>>\n"
)


def program(folder, name, body):
    path = folder / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


@pytest.fixture
def node(tmp_path, monkeypatch):
    """A stand-in for ssh that runs the script here, with a stand-in for ip."""
    (tmp_path / "devices").write_text(json.dumps(DEVICES))
    (tmp_path / "state").write_text(STATE)
    program(tmp_path, "ssh", f'echo "$@" > {tmp_path}/called\nexec sh -s')
    program(
        tmp_path,
        "ip",
        f'case "$*" in *addr) cat {tmp_path}/devices;; *route) echo "[]";; *state*) cat {tmp_path}/state;; esac',
    )
    program(tmp_path, "swanctl", "exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path


def test_a_node_is_judged_from_what_it_says(node):
    outcome = audit(texts(["ssh://root@node-a"]), Given())
    (finding,) = [f for f in outcome.findings if f.location.path == "ssh://root@node-a/ip-addr"]
    assert (finding.ends, finding.exact) == (1450, 1408)
    assert "BatchMode=yes" in (node / "called").read_text()
    assert "-- root@node-a" in (node / "called").read_text()


def test_keys_are_not_asked_for():
    assert "nokeys" in ASKED["ip-xfrm"]


@pytest.mark.parametrize("target", ["ssh://-oProxyCommand=x", "ssh://", "ssh://a b", "ssh://host;id", "ssh://h\n"])
def test_a_target_is_never_an_option_or_a_command(target, node):
    (found,) = list(texts([target]))
    assert found == Skipped(target, "not ssh://[user@]host")
    assert not (node / "called").exists()


def test_an_unreachable_node_is_a_reason(node):
    program(node, "ssh", "echo 'ssh: connect to host node-z port 22: No route to host' >&2; exit 255")
    (found,) = list(texts(["ssh://node-z"]))
    assert isinstance(found, Skipped)
    assert "No route to host" in found.reason


@pytest.mark.parametrize(("state", "exact"), [(STATE, 1408), (CBC, 1392)])
def test_hidden_keys_hide_no_algorithm(state, exact):
    outcome = audit([Text("a.json", json.dumps(DEVICES)), Text("x.txt", state)], Given())
    assert [f.exact for f in outcome.findings] == [exact]


def test_a_node_that_sends_without_end_is_cut_off(node, monkeypatch):
    monkeypatch.setattr(inputs, "MAX_FILE", 1 << 20)
    for output in (1, 2):
        program(node, "ssh", f"exec cat /dev/zero >&{output}")
        (found,) = texts(["ssh://root@node-a"])
        assert isinstance(found, Skipped)
        assert "more than 1 MiB" in found.reason


def test_a_node_that_does_not_end_is_given_up(node, monkeypatch):
    monkeypatch.setattr(inputs, "SSH_SECONDS", 0.2)
    program(node, "ssh", "exec sleep 60")
    (found,) = texts(["ssh://root@node-a"])
    assert found.reason == "no end of an answer in 0.2 s"
