"""``ipsecplan explain`` as a user meets it."""

from __future__ import annotations

import json

import pytest

from netplan.cli.main import main
from netplan.codes import CODES
from netplan.explain.advice import advice
from netplan.explain.claims import CLAIMS, HARMLESS, SYSTEMS, evaluate
from netplan.explain.glossary import ALIASES, WORDS
from netplan.explain.numbers import packets_of
from netplan.explain.presets import UNDERLAYS
from netplan.explain.topics import explain, topics
from netplan.problems import ProblemError
from netplan.stack import parse, solve
from netplan.stack.headers import HEADERS

REQUIRED = (
    *("cilium", "flannel", "openshift", "antrea", "kube-ovn", "docker", "submariner", "weave"),
    *("aws-vpn", "gcp-vpn", "azure-vpn", "istio", "linkerd", "tls"),
)


def run(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    code = main(["explain", *argv])
    out, err = capsys.readouterr()
    return code, out, err


@pytest.mark.parametrize("topic", REQUIRED)
def test_the_systems_people_ask_about(topic: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, topic)
    assert (code, err) == (0, "")
    assert out.startswith(topic)
    if topic in SYSTEMS:
        assert "exact" in out
        assert "source: " in out


@pytest.mark.parametrize(
    "topic",
    [*HEADERS, "esp", "ah", "ipip", "sit", *WORDS, *ALIASES, *UNDERLAYS, *HARMLESS, *SYSTEMS, *CODES, "underlays"],
)
def test_every_topic_has_a_page(topic: str) -> None:
    lines, result = explain(topic)
    assert lines
    assert json.dumps(result)
    assert all(line == line.rstrip() and len(line) < 200 for line in lines)


def test_the_list_of_topics_is_complete(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys)
    assert code == 0
    for word in (*SYSTEMS, *HARMLESS, *HEADERS, *WORDS, *UNDERLAYS, *CODES):
        assert word in out
    assert json.loads(run(capsys, "--json")[1])["result"] == topics()[1]


def test_unknown_topic(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "celium")
    assert code == 3
    assert "IPP111" in err
    assert "did you mean cilium?" in err


def test_a_system_on_my_packet_and_link(capsys: pytest.CaptureFixture[str]) -> None:
    mine = "ip4/udp/esp:aes256gcm16/udp/geneve/eth/ip4"
    _, out, _ = run(capsys, "antrea", mine, "--mtu", "1460", "--json")
    result = json.loads(out)["result"]
    first = next(v for v in result if v["when"] == "Geneve + IPsec")
    assert (first["value"], first["exact"], first["delta"], first["safe"]) == (1372, 1368, 4, False)
    _, out, _ = run(capsys, "antrea", mine, "--mtu", "1460")
    assert "UNSAFE: 4 too large" in out


def test_verdict_words() -> None:
    docker = next(c for c in CLAIMS if c.system == "docker" and "IPv6" not in c.when)
    assert evaluate(docker, 1500).words == "exact"
    assert evaluate(docker, 1500, parse("ip4/esp:aes128gcm8/ip4")).words == "safe, 30 below exact"
    assert evaluate(docker, 1500, parse("ip6/esp:aes128gcm16/udp/vxlan/eth/ip4")).words == "UNSAFE: 28 too large"


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda c: f"{c.system}-{c.when}")
def test_every_claim_can_be_judged_on_any_link(claim: object) -> None:
    assert claim.source  # type: ignore[attr-defined]
    for link in (1280, 1500, 9000):
        verdict = evaluate(claim, link)  # type: ignore[arg-type]
        assert verdict.safe == (verdict.value <= verdict.exact)


def test_a_number(capsys: pytest.CaptureFixture[str]) -> None:
    assert (1500, "ip4/esp:aes256gcm16/ip4") in packets_of(1446)
    _, out, _ = run(capsys, "1446", "--mtu", "1500")
    assert "largest inner packet of ip4/esp:aes256gcm16/ip4 on a link of 1500" in out
    assert "aws-vpn" in out
    assert "no usual packet" in run(capsys, "3")[1]
    assert "link MTU of gcp:" in run(capsys, "1460")[1]


def test_a_packet_shares_the_ledger_with_calc(capsys: pytest.CaptureFixture[str]) -> None:
    _, told, _ = run(capsys, "ip4/esp:aes256gcm16/ip4", "--mtu", "1460")
    assert main(["calc", "ip4/esp:aes256gcm16/ip4", "--mtu", "1460", "--explain"]) == 0
    assert capsys.readouterr().out == told
    _, told, _ = run(capsys, "ip4/esp:aes256gcm16/ip4", "--json")
    assert json.loads(told)["result"]["ledger"]


@pytest.mark.parametrize(
    ("link", "word"),
    [(1500, "1200-byte payload fits (needs"), (1290, "fits over IPv4 (1228) but not"), (1200, "payload doesn't fit")],
)
def test_advice_on_quic(link: int, word: str) -> None:
    assert any("QUIC" in line and word in line for line in advice(solve(parse("ip4/esp:aes256gcm16/ip4"), link)))


def test_advice_below_1280_says_the_way_out() -> None:
    lines = advice(solve(parse("ip6/esp:aes256gcm16/ip6"), 1280))
    assert any("raise the link to 1356" in line for line in lines)


def test_an_unfit_proposal_is_an_unknown_topic() -> None:
    with pytest.raises(ProblemError):
        explain("aes128-aes256-sha256")
    assert explain("aes256gcm16-x25519")[1]["least"] == 34
