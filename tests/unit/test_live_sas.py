"""What status finds between charon, the kernel and the clock; each form was seen on a real charon."""

from __future__ import annotations

from typing import Any

import pytest

from netplan.agent.phases import live_sas
from netplan.agent.system import vici, xfrm

FACTS: Any = {
    "underlay": {"address": "10.0.0.1"},
    "peers": [{"pair": "pair-1", "name": "n2", "address": "10.0.0.2", "children": ["pair-1-out", "pair-1-in"]}],
}
BOTH = [("10.0.0.1", "10.0.0.2", "0xc0ffee00"), ("10.0.0.2", "10.0.0.1", "0xc1a2b3c")]
SA = {"state": "INSTALLED", "spi-in": "0c1a2b3c", "spi-out": "c0ffee00"}


@pytest.mark.parametrize(
    ("listed", "states", "said"),
    [
        ([SA], BOTH, []),
        ([SA], [*BOTH, ("10.0.0.1", "10.0.0.2", "0x00000000")], []),
        ([SA], [*BOTH, ("192.0.2.1", "192.0.2.2", "0xdeadbeef")], []),
        ([SA], [*BOTH, ("10.0.0.1", "10.0.0.2", "0xdeadbeef")], ["unknown to charon: 1 kernel SA"]),
        ([], BOTH, ["charon lists none, but the kernel has 2 SAs with peers, which carry the traffic"]),
        ([SA], [], ["not in the kernel: 1 SA of charon's list, first 0x0c1a2b3c"]),
        ([SA], [BOTH[1]], []),
        ([{**SA, "state": "DELETING"}], [], []),
        (
            [SA],
            [("10.0.0.1", "10.0.0.2", "0xdeadbeef")],
            ["unknown to charon: 1 kernel SA,", "not in the kernel: 1 SA of"],
        ),
    ],
    ids=[
        "equal",
        "the kernel asks for an SA",
        "somebody else's",
        "an orphan",
        "a killed charon",
        "flushed",
        "outbound to come",
        "being ended",
        "both",
    ],
)
def test_charon_and_the_kernel_are_compared_in_both_directions(
    monkeypatch: pytest.MonkeyPatch, listed: list[Any], states: list[Any], said: list[str]
) -> None:
    sas = [("pair-1", {"child-sas": {str(n): sa for n, sa in enumerate(listed)}})]
    monkeypatch.setattr(vici, "sas", lambda: sas)
    monkeypatch.setattr(xfrm, "states", lambda: states)
    monkeypatch.setattr(live_sas, "wait", lambda check, *_: check())
    found = live_sas.unlike_the_kernel(FACTS)
    assert [(f["code"], f["message"][: len(text)]) for f, text in zip(found, said, strict=True)] == [
        ("IPP685", text) for text in said
    ]
    assert all(f["hint"] for f in found)


@pytest.mark.parametrize(
    ("rekeying", "expires", "state", "said"),
    [
        ("3250", "3949", "INSTALLED", ""),
        ("-35", "-27", "INSTALLED", "1 CHILD_SA past the end of life, because the clock went back"),
        (str(2**64 - 35), str(2**64 - 27), "INSTALLED", "expires in -27 s"),
        ("-35", "300", "INSTALLED", ""),  # a rekey under way, or tried again
        ("-200", "160", "INSTALLED", "1 CHILD_SA due for a rekey that has not come"),
        ("-35", "-27", "REKEYED", ""),
        (None, None, "INSTALLED", ""),
    ],
    ids=["right", "clock back", "unsigned", "under way", "never came", "replaced", "no times"],
)
def test_times_below_zero_are_named_with_the_repair(rekeying: Any, expires: Any, state: str, said: str) -> None:
    sa = {"state": state, "rekey-time": rekeying, "life-time": expires}
    found = live_sas.overdue(FACTS, {("pair-1", "pair-1-out"): [sa]})
    assert [f["code"] for f in found] == (["IPP687"] if said else [])
    assert all(said in f["message"] and "pair-1-out with n2" in f["message"] for f in found)
    assert all("swanctl --rekey --child" in str(f["hint"]) for f in found)


@pytest.mark.parametrize(
    ("name", "body", "refused"),
    [
        ("pair-1", {"reauth_time": "0", "remote_addrs": ["10.0.0.2"]}, False),
        ("pair-1", {"reauth_time": "3600", "remote_addrs": ["10.0.0.2"]}, True),
        ("site", {"reauth_time": "10800", "remote_addrs": ["10.0.0.2"]}, True),
        ("site", {"reauth_time": "10800", "remote_addrs": ["192.0.2.7"]}, False),
        ("pair-1", {}, False),
    ],
)
def test_a_loaded_connection_to_a_peer_that_reauthenticates_is_refused(name: str, body: Any, refused: bool) -> None:
    found = live_sas.reauthenticating(FACTS, {name: body})
    assert [f["code"] for f in found] == (["IPP654"] if refused else [])
    assert all("multiply" in str(f["hint"]) for f in found)
