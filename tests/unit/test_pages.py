"""Pages for a browser: no script, nothing from elsewhere, every name escaped, bounded however many hosts."""

from __future__ import annotations

import re
import xml.etree.ElementTree as Xml
from pathlib import Path

import pytest

from netplan.agent.phase_table import PHASES
from netplan.audit import Given, Text, audit
from netplan.audit.page import page as audit_page
from netplan.bundle import compare, diff_page, reader, write
from netplan.bundle.heat import MOST_HOSTS, heat
from netplan.bundle.node_files import NodeFiles
from netplan.bundle.review_page import APPLY, MOST_KINDS, review_page
from netplan.cni.render import network_plan
from netplan.explain.drawing import WIDTH, figure, svg
from netplan.plan.types import Plan
from netplan.problems import Problem
from netplan.stack import parse, solve
from netplan.verify.page import MOST_PROBLEMS
from netplan.verify.page import page as verify_page
from netplan.verify.verdict import Check, PairVerdict
from tests.support.plans import make_planned
from tests.support.verdicts import verdict_of

HOSTILE = "<script>alert(1)</script>\"'&\u202e\x1b[31m"
MOST_BYTES = 400_000


def of(plan: Plan) -> str:
    return review_page(plan, network_plan(plan), NodeFiles(plan))


def harmless(text: str) -> None:
    """Fail where a page runs, loads or sends anything, or shows what is not to be seen."""
    assert not re.search(r"<(script|iframe|object|embed|link|img|form|base)\b", text, re.IGNORECASE)
    assert not re.search(r"\son[a-z]+=", text, re.IGNORECASE)
    assert not re.search(r"(src|srcset|href|action)=\"(?!#|\.\./)", text)
    assert "url(" not in text
    assert "@import" not in text
    assert "default-src 'none'" in text
    assert "\u202e" not in text
    assert "\x1b" not in text


def direction(one: str, other: str, *, wrong: str | None = None) -> PairVerdict:
    return PairVerdict(
        source=one,
        destination=other,
        inner_mtu=1416,
        passes=wrong is None,
        refused=True,
        outer=1500,
        outer_planned=1500,
        esp=3,
        plaintext=0,
        planted=1,
        planted_seen=1,
        algorithms=("AES_GCM_16_256",),
        flow_sent=10,
        flow_gap=0,
        checks=(Check("full", wrong),),
        over=1417,
    )


def test_the_review_says_what_and_why_and_how_to_get_out() -> None:
    plan = make_planned(5, {2: {"underlay_mtu": 1450}}).plan
    text = of(plan)
    harmless(text)
    for word in ("1364", "1 of 5 hosts: n2", "ipsecplan revert", "Ctrl-C", "../REVIEW.md", "prefers-color-scheme:dark"):
        assert word in text
    assert text.count('class="m0">1364') == 8, "four pairs in both directions"
    assert text.count('class="m4">1416') == 12
    assert "<mark>" in text, "n1 and n3 have other addresses"


def test_the_review_follows_from_the_plan_alone() -> None:
    assert of(make_planned(3).plan) == of(make_planned(3).plan)


def test_a_container_networks_own_steps_come_first() -> None:
    text = of(make_planned(3, cni={"plugin": "calico"}).plan)
    assert text.index("kubectl patch installation") < text.index("<b>preflight</b>")
    assert "cluster/STEPS.md" in text


def test_the_phases_are_those_of_apply() -> None:
    assert set(APPLY) <= set(PHASES)
    kept = [name for name in PHASES if name in APPLY]
    assert list(APPLY) == kept, "in the table's order"


@pytest.mark.parametrize("count", [2, MOST_HOSTS, MOST_HOSTS + 1, 300])
def test_a_page_is_bounded(count: int) -> None:
    variables = {n: {"underlay_mtu": 1300 + n} for n in range(1, min(count, 40))}
    plan = make_planned(count, variables).plan
    text = of(plan)
    assert len(text.encode()) < MOST_BYTES
    assert text.count("compared with") <= MOST_KINDS
    assert len(heat(plan).rows) <= MOST_HOSTS


def test_kinds_stand_for_many_hosts() -> None:
    found = heat(make_planned(60, {7: {"underlay_mtu": 1450}}).plan)
    assert [head.title for head in found.members] == [
        "59 hosts, link 1500: n1, n2, n3, n4 and 55 more",
        "1 host, link 1450: n7",
    ]
    cells = [[cell.text for cell in row] for _, row in found.rows]
    assert cells == [["1416", "1364"], ["1364", ""]]


def test_a_clear_pair_is_no_colour_of_a_good_one() -> None:
    found = heat(make_planned(4, ipsec={"topology": {"hub": "n1"}}).plan)
    assert {cell.kind for _, row in found.rows for cell in row} == {"self", "m4", "open"}


def test_hostile_words_are_text() -> None:
    pairs = (direction(HOSTILE, "b", wrong=HOSTILE),)
    verdict = verdict_of(pairs, {HOSTILE: {"XfrmInError": 1}}, (HOSTILE,))
    text = verify_page(
        verdict, cluster=HOSTILE, digest="d" * 64, at="now", seconds=1, problems=verdict.problems(), left_out=[HOSTILE]
    )
    harmless(text)
    assert "&lt;script&gt;alert(1)" in text
    conflist = '{"cniVersion":"0.4.0","name":"<script>","plugins":[{"type":"bridge","mtu":9000}]}'
    found = Text("<script>x</script>.conflist", conflist)
    text = audit_page(audit([found], Given(link_mtu=1500, stack=None, said="--mtu")))
    harmless(text)
    assert "&lt;script&gt;x" in text


def test_a_verdict_shows_what_failed_first() -> None:
    names = [f"n{n}" for n in range(30)]
    pairs = tuple(direction(a, b, wrong="lost" if b == "n9" else None) for a in names for b in names if a != b)
    text = verify_page(
        verdict_of(pairs),
        cluster="c",
        digest="d" * 64,
        at="now",
        seconds=1,
        problems=[Problem("IPP703", "x")] * (MOST_PROBLEMS + 2),
    )
    harmless(text)
    assert text.index("<td>n9</td>") < text.index(">PASS</td>")
    assert "and 470 more directions" in text
    assert "and 2 more problems" in text
    assert len(text.encode()) < MOST_BYTES


def test_nothing_measured_is_no_pass() -> None:
    text = verify_page(None, cluster="c", digest="", at="now", seconds=0, problems=[Problem("IPP701", "nothing")])
    assert ">FAIL</b>" in text
    assert ">PASS</b>" not in text


def test_a_difference_marks_the_words(tmp_path: Path) -> None:
    one, other = make_planned(3), make_planned(3, ipsec={"esp": ["aes256-sha256-x25519"]})
    bundles = [write.write(tmp_path / name, made.plan, made.inventory) for name, made in (("a", one), ("b", other))]
    old, new = (reader.read(tmp_path / name, files=False) for name in ("a", "b"))
    assert len(bundles) == 2
    changes = list(compare.file_changes(old.entries, new.entries))
    text = diff_page.diff_page(old, new, changes, {}, ["<b>traffic</b>"])
    harmless(text)
    assert "<del>aes256gcm16</del>" in text
    assert "<ins>aes256-sha256</ins>" in text.replace("</ins><ins>", "")
    assert "&lt;b&gt;traffic" in text
    assert text.index("/etc/swanctl/conf.d") < text.index("REVIEW.md")


def test_a_packet_is_drawn_to_scale() -> None:
    solution = solve(parse("eth/ip4/esp:aes256gcm16/udp/vxlan/eth/ip4"), 1503)
    drawn = figure(solution)
    assert sum(box.bytes for box in drawn.boxes) == solution.link_mtu + 14 == 1517
    assert sum(float(box.width) for box in drawn.boxes) == pytest.approx(WIDTH, abs=1)
    assert sum(float(box.head_width) for box in drawn.boxes) == pytest.approx(WIDTH, abs=1)
    inner = next(box for box in drawn.boxes if box.kind == "carried")
    assert float(inner.width) / WIDTH == pytest.approx(inner.bytes / 1517, abs=0.001)
    assert {box.kind for box in drawn.boxes} == {"clear", "hidden", "carried", "unused"}


def test_a_drawing_is_a_file_of_its_own() -> None:
    text = svg(solve(parse("ip4/esp:aes256gcm16/ip4"), 1500))
    root = Xml.fromstring(text)  # noqa: S314  our own
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert "1446" in text
    assert not re.search(r"<script|href|url\(", text)
