"""Assessments: what is judged against which policy, what a planted fault becomes; nothing unknown is good."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as Xml
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from netplan.assess import exports, namespaces, since
from netplan.assess.algorithms import against_offer, against_transform
from netplan.assess.evidence import Evidence, gather, when
from netplan.assess.judge import TITLES, assess
from netplan.assess.page import page
from netplan.assess.policies import KINDS, POLICIES
from netplan.assess.rows import Report, Row, grouped
from netplan.assess.units import units
from netplan.bundle import reader, write
from netplan.codes import CODES
from netplan.model.proposals import esp_proposal
from netplan.model.proposals.profiles import PROFILES
from netplan.model.proposals.words import WORDS
from netplan.problems import ProblemError
from netplan.rollout.record.seen import keep_proof
from netplan.verify.verdict import judge
from tests.support import replies
from tests.support.plans import make_planned
from tests.unit.test_pages import HOSTILE, harmless

AT = 1_790_000_000.0  # 21 September 2026


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("assess") / "bundle"
    planned = make_planned(3)
    write.write(folder, planned.plan, planned.inventory)
    return folder


def status(found: Evidence, node_id: str, **about: Any) -> Any:
    """A node on which the bundle is in force, as its status says."""
    node = found.nodes[node_id]
    pairs = [
        {"peer": p["id"], "name": p["name"], "children": {c: [p["negotiated"][0]] for c in p["children"]}}
        for p in node["peers"]
    ]
    state = {"schema": 1, "state": "confirmed", "tx": "tx-1", "at": "", "last": {}}
    return replies.status(
        state={**state, "release": found.bundle.nodes[node_id]["digest"]},
        guard={"mode": "drop", "clear": {"clear_in": 0}},
        pairs=pairs,
        floor=len(node["peers"]),
        certificates={"ipsecplan.pem": {"used_percent": 10, "days_left": 300.0}},
        **about,
    )


def facts(**about: Any) -> Any:
    return {"version": "6.1.0", "plugins": ["openssl"], "package": "charon-systemd 6.1.0-2", **about}


@pytest.fixture
def offline(rendered: Path, tmp_path: Path) -> Evidence:
    return gather(reader.read(rendered), tmp_path, AT, folder=tmp_path / "clusters" / "demo")


@pytest.fixture
def live(offline: Evidence) -> Evidence:
    return replace(
        offline,
        status={i: status(offline, i) for i in offline.nodes},
        facts={i: facts() for i in offline.nodes},
    )


def rows_of(report: Report, topic: str) -> list[Row]:
    return next(one.rows for one in report.topics if one.name == topic)


# policies


@pytest.mark.parametrize("name", POLICIES)
def test_a_policy_names_its_document_and_knows_its_words(name: str) -> None:
    policy = POLICIES[name]
    assert policy.name == name
    assert policy.title
    assert policy.source
    known = {*TITLES, *KINDS, "lives", "authentication", "forward secrecy", "clear"}
    assert policy.rules.keys() <= known
    assert all(policy.rules.values())
    # forms such as aes192ccm128 are words, too
    bare = {re.sub(r"^ke\d_", "", word) for word in policy.allowed or ()}
    assert bare <= WORDS.keys() | {"aes"}


OFFERS = [
    ("plan", "aes256gcm16-x25519", False, []),
    ("plan", "3des-sha1-modp1024", False, ["encryption"]),
    ("cnsa1", "aes256gcm16-ecp384", False, []),
    ("cnsa1", "aes128gcm16-ecp384", False, ["encryption"]),
    ("cnsa1", "aes256gcm16-x25519", False, ["key exchange"]),
    ("cnsa1", "aes256gcm16-prfsha384-ecp384", True, []),
    ("cnsa1", "aes256gcm16-prfsha256-ecp256", True, ["key exchange", "prf"]),
    ("cnsa2", "aes256gcm16-ecp384", False, ["key exchange"]),
    ("cnsa2", "aes256gcm16-ecp384-ke1_mlkem1024", False, []),
    ("cnsa2", "aes256gcm16-ecp384-ke1_mlkem768", False, ["key exchange"]),
    ("bsi", "aes256gcm16-ecp384", False, []),
    ("bsi", "aes256gcm16", False, ["forward secrecy"]),
    ("bsi", "chacha20poly1305-ecp384", False, ["encryption"]),
    ("bsi", "aes256-sha1-modp2048", False, ["integrity", "key exchange"]),
    ("pci-dss", "aes128-sha256-modp2048", False, []),
    ("pci-dss", "aes128-sha1-modp2048", False, ["integrity"]),
    ("pci-dss", "aes256gcm16-prfsha384-modp1024", True, ["encryption", "key exchange"]),
    ("plan", "serpent256-sha256-modp3072", False, ["encryption"]),
    ("plan", "nonsense-sha256", False, ["encryption"]),
]


@pytest.mark.parametrize(("policy", "offer", "ike", "wrong"), OFFERS)
def test_an_offer_against_a_policy(policy: str, offer: str, ike: bool, wrong: list[str]) -> None:
    assert sorted(against_offer(POLICIES[policy], offer, ike=ike)) == wrong


@pytest.mark.parametrize("policy", POLICIES)
def test_what_is_negotiated_is_judged_as_what_is_offered(policy: str) -> None:
    offers = {esp for profile in PROFILES.values() for esp in profile.esp}
    offers |= {offer for _, offer, ike, _ in OFFERS if not ike and esp_proposal(offer)}
    for offer in sorted(offers):
        found = esp_proposal(offer)
        assert found is not None
        refused = {"encryption", "integrity"} & against_offer(POLICIES[policy], offer, ike=False).keys()
        if found.weakness and "group" in found.weakness:  # it is the key exchange, which no transform shows
            continue
        assert bool(against_transform(POLICIES[policy], found.negotiated)) == bool(refused), offer


@pytest.mark.parametrize("name", ["NULL", "3DES_CBC/HMAC_SHA2_256_128", "AES_CBC-256/HMAC_MD5_96", "WHAT-256", ""])
def test_no_policy_takes_a_transform_that_is_none(name: str) -> None:
    assert all(against_transform(policy, name) for policy in POLICIES.values())


# what is not known is never good


def test_without_nodes_and_journals_no_topic_about_them_is_good(offline: Evidence) -> None:
    report = assess(offline, POLICIES["plan"])
    verdicts = {topic.name: topic.verdict for topic in report.topics}
    assert verdicts == dict.fromkeys(TITLES, "unjudged")
    assert report.verdict == "unjudged"
    assert all(row.change for _, row in report.rows if row.verdict == "unjudged"), "what would have to be given"
    assert all(row.code in CODES for _, row in report.rows if row.verdict != "good")


def test_asked_nodes_that_are_as_planned(live: Evidence) -> None:
    report = assess(live, POLICIES["plan"])
    assert not report.count("bad")
    assert {topic.name for topic in report.topics if topic.verdict == "good"} == {"drift", "advisories"}
    assert {row.check for row in rows_of(report, "pairs")} == {"pair", "offer", "in use", "hosts in clear"}
    (used,) = [row for row in rows_of(report, "pairs") if row.check == "in use"]
    assert (used.number, used.said) == (6, "AES_GCM_16-256 in use")


@pytest.mark.parametrize("topic", ["pairs", "credentials", "exposure", "drift", "advisories"])
def test_a_silent_node_is_named_in_every_topic_that_asks_it(live: Evidence, topic: str) -> None:
    gone = next(iter(live.nodes))
    assert live.status is not None
    assert live.facts is not None
    left = {i: answer for i, answer in live.status.items() if i != gone}
    knew = {i: answer for i, answer in live.facts.items() if i != gone}
    report = assess(replace(live, status=left, facts=knew, silent=(live.name(gone),)), POLICIES["plan"])
    named = [row for row in rows_of(report, topic) if row.verdict == "unjudged" and live.name(gone) in row.subjects]
    assert named


# planted faults

Plant = Callable[[dict[str, Any]], object]
FAULTS: dict[str, tuple[Plant, str, str, str, str]] = {
    "the guard is gone": (lambda s: s["guard"].update(mode="absent"), "exposure", "guard", "bad", "IPP714"),
    "the guard counts": (lambda s: s["guard"].update(mode="count"), "exposure", "guard", "bad", "IPP714"),
    "a block policy is gone": (lambda s: s.update(floor=1), "exposure", "block policies", "bad", "IPP714"),
    "permissive": (lambda s: s.update(permissive=True), "exposure", "clear packets", "bad", "IPP714"),
    "clear packets dropped": (
        lambda s: s["guard"].update(clear={"clear_in": 3}),
        "exposure",
        "clear packets",
        "doubt",
        "IPP714",
    ),
    "nothing applied": (lambda s: s["state"].update(state="none"), "exposure", "transaction", "bad", "IPP714"),
    "another bundle": (lambda s: s["state"].update(release="0" * 64), "exposure", "transaction", "bad", "IPP714"),
    "an open one": (lambda s: s["state"].update(state="open"), "exposure", "transaction", "doubt", "IPP714"),
    "a weak cipher": (
        lambda s: s["pairs"][0]["children"].update(x=["AES_CBC-128/HMAC_SHA1_96"]),
        "pairs",
        "in use",
        "bad",
        "IPP710",
    ),
    "no SA": (lambda s: s["pairs"][0].update(children={}), "pairs", "in use", "doubt", "IPP710"),
    "a certificate near its end": (
        lambda s: s["certificates"]["ipsecplan.pem"].update(days_left=3.0),
        "credentials",
        "certificates on nodes",
        "doubt",
        "IPP712",
    ),
    "an expired certificate": (
        lambda s: s["certificates"]["ipsecplan.pem"].update(days_left=-1.0),
        "credentials",
        "certificates on nodes",
        "bad",
        "IPP712",
    ),
    "drift": (
        lambda s: s["drift"].append(
            {"code": "IPP683", "message": "m", "hint": None, "severity": "error", "found": "", "planned": ""}
        ),
        "drift",
        "drift IPP683",
        "bad",
        "IPP683",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found_explained_and_gone_after_repair(live: Evidence, fault: str) -> None:
    plant, topic, check, verdict, code = FAULTS[fault]
    node = sorted(live.nodes)[0]
    before = assess(live, POLICIES["plan"])
    spoilt = status(live, node)
    plant(spoilt)
    assert live.status is not None
    after = assess(replace(live, status={**live.status, node: spoilt}), POLICIES["plan"])
    (row,) = [r for r in rows_of(after, topic) if r.check == check and r.verdict not in ("good", "unjudged")]
    assert (row.verdict, row.code, row.number) == (verdict, code, 1)
    assert row.change
    assert row.subjects[0].split(" ")[0] == live.name(node)
    assert {c.word for c in since.changes(before, after)} <= {"new", "worse", "not judged"}
    mended = since.changes(after, assess(live, POLICIES["plan"]))
    assert ("mended", check, row.subjects[0]) in {(c.word, c.check, c.subject) for c in mended}
    assert {c.word for c in mended} == {"mended"}


def test_without_a_guard_nobody_counts_clear_packets(live: Evidence) -> None:
    """A table that was flushed took its counters along: that is no sign that nothing was sent."""
    node = sorted(live.nodes)[0]
    assert live.status is not None
    counting, gone = status(live, node), status(live, node)
    counting["guard"] = {"mode": "drop", "clear": {"clear_in": 9}}
    gone["guard"] = {"mode": "absent", "clear": {}}
    before = assess(replace(live, status={**live.status, node: counting}), POLICIES["plan"])
    after = assess(replace(live, status={**live.status, node: gone}), POLICIES["plan"])
    words = {(c.check, c.word) for c in since.changes(before, after)}
    assert words == {("guard", "worse"), ("clear packets", "not judged")}


@pytest.mark.parametrize(
    ("policy", "checks"),
    [
        ("cnsa1", {"offer: key exchange"}),
        ("cnsa2", {"offer: key exchange"}),
        ("bsi", {"offer: key exchange"}),
        ("pci-dss", set()),
        ("plan", set()),
    ],
)
def test_the_default_plan_against_each_policy(live: Evidence, policy: str, checks: set[str]) -> None:
    bad = {row.check for _, row in assess(live, POLICIES[policy]).rows if row.verdict == "bad"}
    assert bad == checks
    rules = {row.rule for _, row in assess(live, POLICIES[policy]).rows if row.verdict == "bad"}
    assert "" not in rules, "each names its section"


def test_what_is_against_a_policy_by_key_and_life(tmp_path: Path) -> None:
    planned = make_planned(2, ipsec={"auth": "psk", "lifetimes": {"child": "4h"}})
    write.write(tmp_path / "bundle", planned.plan, planned.inventory)
    found = gather(reader.read(tmp_path / "bundle"), tmp_path, AT)
    report = assess(found, POLICIES["cnsa1"])
    bad = {row.check: row.said for row in rows_of(report, "credentials") if row.verdict == "bad"}
    assert bad["authentication"] == "peers authenticate by psk, not by certificates"
    assert "lives" not in bad, "a quarter and a tenth more than 4 h are within 8 h"
    lives = [r for r in rows_of(assess(found, POLICIES["bsi"]), "credentials") if r.check == "lives"]
    assert {row.said for row in lives if row.verdict == "bad"} == {
        "the key of one CHILD_SA lives 330m at most, longer than 4h",
        "the key of one CHILD_SA lives 264m at most, longer than 4h",
    }


# the proof


def proven(found: Evidence, folder: Path, *, digest: str = "", wrong: bool = False, left: int = 0) -> None:
    nodes = list(found.nodes.values())
    rows: dict[str, list[Any]] = {
        node["id"]: [
            replies.row(
                peer=p["id"],
                n=p["inner_mtu"],
                outer=p["outer_packet"],
                algorithms=p["negotiated"][:1],
                modes=[node["esp"]["mode"]],
                plaintext=int(wrong),
            )
            for p in node["peers"]
        ]
        for node in nodes
    }
    folder.mkdir(parents=True, exist_ok=True)
    keep_proof(folder, judge(nodes[: len(nodes) - left], rows), digest or found.bundle.digest, "tx-1")


@pytest.mark.parametrize(
    ("how", "days", "verdict", "check"),
    [
        ({}, 0, "good", "measured"),
        ({}, 31, "bad", "age"),
        ({"wrong": True}, 0, "bad", "direction"),
        ({"digest": "0" * 64}, 0, "bad", "measured"),
        ({"left": 1}, 0, "unjudged", "not measured"),
    ],
)
def test_the_proof_counts_while_it_is_young_whole_and_of_this_bundle(
    offline: Evidence, tmp_path: Path, how: dict[str, Any], days: int, verdict: str, check: str
) -> None:
    folder = tmp_path / "clusters" / "demo"
    proven(offline, folder, **how)
    found = gather(offline.bundle, tmp_path, AT, folder=folder)
    assert found.proof is not None
    found = replace(found, at=found.proof.at + days * 86400 + 60)
    report = assess(found, POLICIES["plan"])
    (topic,) = [t for t in report.topics if t.name == "proof"]
    assert (topic.verdict, topic.rows[0].check) == (verdict, check)
    if verdict == "good":
        assert "planted" in topic.rows[0].said, "how it was measured"
        assert when(found.proof.at) in topic.rows[0].seen


# daemons


@pytest.mark.parametrize(
    ("about", "verdict", "words"),
    [
        ({}, "good", "no advisory"),
        ({"version": "6.0.1", "plugins": ["x509"]}, "doubt", "CVE-2026-78131 (x509)"),
        ({"version": "6.0.1", "plugins": []}, "doubt", "CVE-2026-78135 (charon)"),
        ({"version": "5.9.6", "plugins": ["openssl"]}, "good", "no plugin is loaded"),
        ({"version": "5.9.6", "plugins": None}, "unjudged", "CVE-2022-40617"),
        ({"version": "what"}, "unjudged", "not known"),
    ],
)
def test_advisories_by_version_and_plugins(live: Evidence, about: dict[str, Any], verdict: str, words: str) -> None:
    said = {k: v for k, v in facts(**about).items() if v is not None}
    report = assess(replace(live, facts=dict.fromkeys(live.nodes, said)), POLICIES["plan"])
    row = rows_of(report, "advisories")[0]
    assert (row.verdict, words in row.said) == (verdict, True), row.said


def test_an_old_table_of_advisories_says_its_age_and_is_not_judged(live: Evidence) -> None:
    rows = rows_of(assess(replace(live, at=AT + 300 * 86400), POLICIES["plan"]), "advisories")
    assert [row.verdict for row in rows if row.check == "table"] == ["unjudged"]
    assert "days ago" in rows[-1].said


# namespaces


def policy(name: str, spec: Any, of: str = "a") -> dict[str, Any]:
    return {"kind": "NetworkPolicy", "metadata": {"name": name, "namespace": of}, "spec": spec}


EVERY = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


@pytest.mark.parametrize(
    ("name", "policies", "verdict"),
    [
        ("a", [], "bad"),
        ("a", [policy("d", EVERY)], "good"),
        ("a", [policy("d", EVERY, of="b")], "bad"),
        ("a", [policy("d", {"podSelector": {}, "policyTypes": ["Ingress"]})], "doubt"),
        ("a", [policy("d", {"podSelector": {}}), policy("e", {"podSelector": {}, "policyTypes": ["Egress"]})], "good"),
        ("a", [policy("d", {"podSelector": {"matchLabels": {"x": "y"}}, "policyTypes": ["Ingress", "Egress"]})], "bad"),
        ("a", [policy("d", None)], "bad"),
        ("kube-system", [], "doubt"),
    ],
)
def test_namespaces(live: Evidence, name: str, policies: list[Any], verdict: str) -> None:
    objects = ({"kind": "Namespace", "metadata": {"name": name}}, *policies)
    rows = rows_of(assess(replace(live, objects=objects), POLICIES["plan"]), "namespaces")
    assert [(row.verdict, row.subjects) for row in rows] == [(verdict, [name])]


def test_a_dump_without_namespaces_is_not_judged(live: Evidence) -> None:
    assert rows_of(assess(replace(live, objects=()), POLICIES["plan"]), "namespaces")[0].verdict == "unjudged"


DEEP = "[" * 9999  # too deep for Python below 3.14, which says no line then; not ended for all


@pytest.mark.parametrize(
    ("text", "at"),
    [('{"items": [1]}', (None,)), ("{\n  x", (2,)), ("[]", (None,)), ('{"items": {}}', (None,)), (DEEP, (None, 1))],
    ids=["no mapping", "a line", "a list", "no list", "deep"],
)
def test_a_dump_that_is_none(tmp_path: Path, text: str, at: tuple[int | None, ...]) -> None:
    path = tmp_path / "dump.json"
    path.write_text(text)
    with pytest.raises(ProblemError) as error:
        namespaces.read_objects(path)
    assert error.value.problems[0].code == "IPP202"
    assert error.value.problems[0].location.line in at


# two runs


def test_a_fault_of_a_node_that_is_silent_now_is_not_mended(live: Evidence) -> None:
    node = sorted(live.nodes)[0]
    spoilt = status(live, node)
    FAULTS["drift"][0](spoilt)
    FAULTS["a weak cipher"][0](spoilt)
    assert live.status is not None
    before = assess(replace(live, status={**live.status, node: spoilt}), POLICIES["plan"])
    left = {i: answer for i, answer in live.status.items() if i != node}
    now = assess(replace(live, status=left, silent=(live.name(node),)), POLICIES["plan"])
    assert {c.word for c in since.changes(before, now)} == {"not judged"}
    checks = {(c.check, c.word) for c in since.changes(before, now)}
    assert {("drift IPP683", "not judged"), ("in use", "not judged")} <= checks


def test_a_report_is_read_back_as_it_was(live: Evidence, tmp_path: Path) -> None:
    report = assess(live, POLICIES["bsi"])
    path = tmp_path / "assess-1.json"
    path.write_text(json.dumps({"schema_version": 1, "result": {**report.model_dump(), "counts": {}}}))
    assert since.read_report(path) == report
    assert since.changes(since.read_report(path), report) == []
    assert since.newest(tmp_path) == path
    assert since.newest(tmp_path / "none") is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{\n  x", "not JSON"),
        ("[]", "no report of assess"),
        ('{"cluster": 1}', "cluster"),
        ('{"result": {"schema_version": 2}}', "schema_version"),
    ],
)
def test_a_report_that_is_none(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "old.json"
    path.write_text(text)
    with pytest.raises(ProblemError) as error:
        since.read_report(path)
    (problem,) = error.value.problems
    assert (problem.code, words in problem.message, bool(problem.hint)) == ("IPP717", True, True), problem.message


def test_reports_of_other_policies_are_not_compared(live: Evidence) -> None:
    one, other = assess(live, POLICIES["bsi"]), assess(live, POLICIES["cnsa1"])
    with pytest.raises(ProblemError, match="another policy: bsi, not cnsa1"):
        since.check_same(one, other, Path("old.json"))


# forms


def test_a_page_of_hostile_words_is_harmless(live: Evidence) -> None:
    report = assess(live, POLICIES["pci-dss"])
    hostile = grouped(HOSTILE, [(HOSTILE, "bad", HOSTILE)], code="IPP714", rule=HOSTILE, seen=HOSTILE, change=HOSTILE)
    report = report.model_copy(
        update={"topics": [t.model_copy(update={"rows": [*t.rows, *hostile]}) for t in report.topics]}
    )
    clean = assess(live, POLICIES["pci-dss"])
    text = page(report, since.changes(clean, report), clean.at)
    harmless(text)
    assert "BAD IPP714" in text
    assert "NOT JUDGED" in text
    sizes = [len(page(clean, None)), len(text)]
    assert sizes[0] < sizes[1] < 100_000
    Xml.fromstring(exports.junit(report))  # noqa: S314  our own text


def test_sarif_and_junit_have_every_row_that_is_not_good(live: Evidence) -> None:
    report = assess(live, POLICIES["cnsa1"])
    (run,) = exports.sarif(report, "bundle")["runs"]
    assert len(run["results"]) == sum(report.count(word) for word in ("bad", "doubt", "unjudged"))
    for result in run["results"]:
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
    root = Xml.fromstring(exports.junit(report))  # noqa: S314  our own text
    suites = root.findall("testsuite")
    assert [suite.get("name") for suite in suites] == list(TITLES.values())
    for tag, verdict in (("failure", "bad"), ("skipped", "unjudged")):
        said = [one.get("message", "").removeprefix("not judged: ") for one in root.iter(tag)]
        assert said == [row.said for _, row in report.rows if row.verdict == verdict] != []
    assert all(suite.findall("testcase") for suite in suites)


def test_many_subjects_are_counted_and_the_first_are_named() -> None:
    (row,) = grouped("x", [(f"n{i}", "bad", "so") for i in range(1000)], code="IPP714")
    assert (row.number, len(row.subjects), row.about) == (1000, 200, "n0, n1, n2, n3, n4, n5 and 994 more")


def test_units_hold_words_as_they_are() -> None:
    made = units(["/opt/a b/ipsecplan", "assess", "/x/100%/$HOME\\n", 'q"'], cluster="demo")
    assert sorted(made) == ["ipsecplan-assess.service", "ipsecplan-assess.timer"]
    line = next(line for line in made["ipsecplan-assess.service"].splitlines() if line.startswith("ExecStart="))
    assert line == r'ExecStart="/opt/a b/ipsecplan" "assess" "/x/100%%/$$HOME\\n" "q\""'
    with pytest.raises(ProblemError):
        units(["a\nExecStart=/bin/sh"], cluster="demo")
