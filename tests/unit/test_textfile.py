"""The file that a node writes for node_exporter: what it says, that it says nothing twice, and how much there is."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from netplan.agent import places
from netplan.agent.textfile import exposition, families, memory
from netplan.agent.textfile.exposition import Family
from netplan.agent.textfile.memory import Memory
from netplan.host import monitoring
from netplan.monitoring import alerts, dashboard
from tests.support import replies


def peers(number: int) -> list[dict[str, Any]]:
    return [
        {"id": f"n-{i}", "pair": f"pair-{i}", "name": f"host{i}", "children": ["out", "in"], "address": f"192.0.2.{i}"}
        for i in range(number)
    ]


def node(number: int = 1) -> Any:
    return replies.node_json("n-a", peers(number))


def everything(here: Any, found: Any, kept: Memory) -> list[Family]:
    return [
        *families.of_pairs(here, found, kept),
        *families.of_ike(found, kept),
        *families.of_kernel(here, found),
        *families.of_change(replies.status()["state"], {"left_s": 12.5}, {"left_s": 3}),  # type: ignore[arg-type, typeddict-item]
        *families.of_certificates({"leaf": (1.0, 2.0), "ca": (1.0, 3.0)}),
        *families.of_run(here, 0.0, 0.1),
    ]


def series(text: str) -> list[str]:
    return [line.rpartition(" ")[0] for line in text.splitlines() if not line.startswith("#")]


def test_a_file_has_no_series_twice_and_ends_with_a_newline() -> None:
    here = node(3)
    text = exposition.text(everything(here, replies.counters(here, path_mtu={"n-1": 1300}), Memory()))
    assert text.endswith("\n")
    assert len(set(series(text))) == len(series(text))
    assert 'ipsecplan_pair_sa_installed{peer="host0",network=""} 1' in text
    assert 'ipsecplan_path_mtu_bytes{peer="host1",network=""} 1300' in text
    for line in text.splitlines():
        assert re.fullmatch(r"# (HELP|TYPE) ipsecplan_\S+ .+|ipsecplan_[a-z_]+(\{.*\})? -?[0-9.e+-]+", line), line


def test_names_and_units_are_those_of_the_conventions() -> None:
    here = node(1)
    for family in everything(here, replies.counters(here), Memory()):
        assert family.name.startswith(exposition.PREFIX)
        assert not re.search(r"_(ms|days|minutes|percent|count)(_|$)", family.name), family.name
        assert not family.about.endswith(" ")
        assert family.about.endswith(".")
    with pytest.raises(ValueError, match="ends in _total"):
        Family("bytes", "counter", "X.")
    with pytest.raises(ValueError, match="ends in _total"):
        Family("bytes_total", "gauge", "X.")


def test_a_series_or_a_family_twice_is_refused_here_because_nobody_else_says_so() -> None:
    one = Family("x", "gauge", "X.", ["a"])
    one.add(1, "b")
    with pytest.raises(ValueError, match="there already"):
        one.add(2, "b")
    with pytest.raises(ValueError, match="twice"):
        exposition.text([one, Family("x", "gauge", "X.")])


def test_names_of_users_can_not_leave_their_label() -> None:
    one = Family("x", "gauge", "X.", ["peer"])
    one.add(1, 'a"} 9\nipsecplan_y 5\\')
    assert one.lines()[2:] == ['ipsecplan_x{peer="a\\"} 9\\nipsecplan_y 5\\\\"} 1']


def test_a_thousand_peers_are_sums_and_outliers() -> None:
    here = node(1000)
    found = replies.counters(here)
    found["pairs"][7]["installed"] = 0
    found["pairs"][8]["due_s"] = -500
    found["path_mtu"] = {"n-9": 1300}
    text = exposition.text(everything(here, found, Memory()))
    named = set(re.findall(r'peer="([^"]*)"', text))
    assert named == {"host7", "host8", "host9"}
    assert "ipsecplan_pairs_planned 1000" in text
    assert "ipsecplan_pairs_up 999" in text
    assert "ipsecplan_pairs_rekey_overdue 1" in text
    assert len(series(text)) < 120


def test_when_every_pair_is_odd_the_number_of_series_is_still_bounded() -> None:
    here = node(1000)
    found = replies.counters(here)
    for pair in found["pairs"]:
        pair["installed"] = 0
    text = exposition.text(everything(here, found, Memory()))
    assert len(set(re.findall(r'peer="([^"]*)"', text))) == families.NAMED
    assert "ipsecplan_pairs_up 0" in text


def pair(*children: tuple[int, int]) -> Any:
    rows = [{"id": i, "bytes_in": n, "bytes_out": n, "packets_in": 1, "packets_out": 1} for i, n in children]
    return {"peer": "n-b", "network": "", "children": rows}


def test_sums_go_on_over_a_rekey() -> None:
    kept = Memory()
    for seen in (pair((1, 1000)), pair((1, 1280), (2, 0)), pair((1, 1280), (2, 50)), pair((2, 70))):
        kept.count([seen])
    assert kept.sums["n-b/"]["bytes_out"] == 1280 + 70
    assert kept.all["bytes_out"] == 1350


def test_charon_that_began_anew_numbers_its_sas_again() -> None:
    kept = Memory()
    kept.count([pair((1, 1000))])
    kept.count([pair((1, 30))])
    assert kept.sums["n-b/"]["bytes_in"] == 1030


def test_a_pair_that_is_gone_leaves_the_sum_of_all() -> None:
    kept = Memory()
    kept.count([pair((1, 1000))])
    kept.count([])
    assert kept.sums == {}
    assert kept.all["bytes_in"] == 1000


def test_memory_comes_back_from_its_file_and_a_damaged_file_is_none() -> None:
    kept = Memory()
    kept.count([pair((1, 1000))])
    kept.hear("retransmit 3 of request with message ID 0", "pair-1")
    again = Memory(kept.dump())
    assert again.dump() == kept.dump()
    for damaged in ("{", "[]", '{"sums": 3}', '{"all": {"bytes_in": "x"}}', "null"):
        assert Memory(damaged).dump() == Memory().dump()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("received AUTHENTICATION_FAILED notify error", "authentication"),
        ("received NO_PROPOSAL_CHOSEN notify error", "proposal"),
        ("received TS_UNACCEPTABLE notify, no CHILD_SA built", "selectors"),
        ("giving up after 5 retransmits", "no-answer"),
        ("verifying encrypted payload integrity failed", "integrity"),
        ("could not decrypt payloads", "integrity"),
        # what the end says that refuses; it receives no notify
        ("received proposals unacceptable", "proposal"),
        ("no acceptable proposal found", "proposal"),
        ("no matching proposal found, trying alternative config", None),
        ("peer didn't accept key exchange method ECP_384, it requested CURVE_25519", None),
        ("looking for peer configs matching 192.0.2.1[%any]...192.0.2.2[stranger@example.org]", None),
        ("no matching peer config found", "authentication"),
        ("tried 1 shared key for 'a' - 'b', but MAC mismatched", "authentication"),
        ("no trusted ECDSA public key found for 'n-b'", "authentication"),
        ("traffic selectors 192.0.2.1/32 === 192.0.2.9/32 unacceptable", "selectors"),
        ("rekeying IKE_SA failed, peer not responding", "rekey"),
        ("failed to establish CHILD_SA, keeping IKE_SA", "rekey"),
        ("IKE_SA pair-1[1] established between 192.0.2.1[a]...192.0.2.2[b]", None),
        ("retransmit 1 of request with message ID 5", None),
    ],
)
def test_charons_words_are_counted_by_their_text(line: str, reason: str | None) -> None:
    kept = Memory()
    kept.hear(line, None)
    assert kept.failures == ({reason: 1} if reason else {})


def test_a_line_without_an_ike_sas_name_blames_no_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Memory()
    said = [
        {"MESSAGE": "retransmit 1 of request with message ID 0", "IKE_SA_NAME": "pair-1", "__CURSOR": "c1"},
        {"MESSAGE": "retransmit 1 of request with message ID 0", "__CURSOR": "c2"},
        {"MESSAGE": [1, 2], "__CURSOR": "c3"},
    ]
    out = "\n".join([*map(json.dumps, said), "no JSON", "7"])
    asked: list[tuple[object, ...]] = []

    def run(*words: object, **_: object) -> memory.core.Done:
        asked.append(words)
        return memory.core.Done(0, out, "")

    monkeypatch.setattr(memory.core, "run", run)
    kept.listen()
    assert (kept.retransmits, kept.cursor) == ({"pair-1": 1}, "c3")
    kept.listen()
    assert "-b" in asked[0]
    assert asked[1][asked[1].index("--after-cursor") + 1] == "c3"


def test_the_script_is_the_agents_modules_and_runs_by_itself(tmp_path: Path) -> None:
    script = tmp_path / "metrics.py"
    script.write_text(monitoring.script(), encoding="utf-8")
    done = subprocess.run([sys.executable, "-I", "-S", str(script)], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (1, "ipsecplan: /etc/ipsecplan/node.json is not there\n")
    assert {"phases/counters.py", "system/vici.py", "textfile/main.py"} <= monitoring.modules()
    assert not [path for path in monitoring.modules() if path.startswith("phases/ike")]
    # charon is asked for what is there: its events tell strangers from peers no better than its log, `alert` is 6.1's
    # alone, and get-counters of a connection leave out what came before the connection was known
    asked = script.read_text(encoding="utf-8")
    assert not re.search(r"ike-updown|child-updown|get-counters", asked)


def test_what_is_for_monitoring_has_its_places() -> None:
    for path, text in monitoring.files(60).items():
        mode = "0755" if path == monitoring.SCRIPT else "0644"
        assert places.mode_at("/" + path) == mode
        assert text.endswith("\n")
    assert "OnUnitActiveSec=60\n" in monitoring.files(60)[monitoring.TIMER]


def test_rules_and_dashboard_ask_for_nothing_that_nobody_says() -> None:
    here = node(1)
    from netplan.monitoring import exporter

    known = {family.name for family in everything(here, replies.counters(here), Memory())}
    known |= {exporter.PREFIX + name for name in exporter.METRICS}
    asked = " ".join([*dashboard.queries(), *alerts.RECORDED.values(), *_expressions()])
    without = re.sub(r"[a-z]+:ipsecplan_[a-z_:0-9]+", " ", asked)
    assert set(re.findall(r"ipsecplan_[a-z_]+", without)) <= known
    recorded = set(re.findall(r"[a-z]+:ipsecplan_[a-z_]+:[a-z0-9]+", asked))
    assert recorded == set(alerts.RECORDED)


def _expressions() -> list[str]:
    from types import SimpleNamespace

    ipsec = SimpleNamespace(auth="certificates", topology=SimpleNamespace(shape="full-mesh"))
    plan: Any = SimpleNamespace(file=SimpleNamespace(monitoring=None, ipsec=ipsec))
    return [alert.expr for alert in alerts.alerts(plan)]
