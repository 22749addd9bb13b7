"""``ipsecplan calc`` as a user meets it."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import time

import pytest

from netplan.cli.main import main
from netplan.cli.quick import quick
from netplan.problems import ExitCode

VXLAN = "ip4/esp:aes256gcm16/udp/vxlan/eth/ip4"


def run(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    code = main(["calc", *argv])
    out, err = capsys.readouterr()
    return code, out, err


def batch(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, text: str) -> tuple[int, list[dict]]:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    code, out, _ = run(capsys, "--batch", "-")
    return code, [json.loads(line) for line in out.splitlines()]


def test_plain_answer(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, VXLAN, "--mtu", "1500")
    assert (code, err) == (0, "")
    assert "inner MTU      1416" in out
    assert "1376   IPv4; 1356 for IPv6" in out
    assert "the next larger MTU comes at link 1504" in out
    assert "ESP ICV" in out
    assert not [line for line in out.splitlines() if line != line.rstrip()]


def test_1500_is_the_default(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, VXLAN) == run(capsys, VXLAN, "--mtu", "1500")


def test_explain_ends_at_the_answer(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "pppoe/ip4/udp/esp:aes128-sha256/ip4/udp", "--explain")
    assert "rounded down to a multiple of 16" in out
    assert "1422  + 20 + 8: the headers of the inner packet" in out
    assert "1423  must not pass in one piece" in out
    assert "QUIC" in out


def test_reverse(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "ip4/udp/esp:aes128-sha256/ip4", "--reverse", "--payload", "1500")
    assert code == 0
    assert out.startswith("inner packets of 1500 need a link MTU of 1572\n")
    _, out, _ = run(capsys, "ip4/udp/esp:aes128-sha256/ip4", "--reverse", "--payload", "1500", "--json")
    result = json.loads(out)["result"]
    assert (result["payload"], result["link_mtu"], result["inner_mtu"]) == (1500, 1572, 1502)


def test_json_is_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, VXLAN, "--json")
    document = json.loads(out)
    assert code == document["exit_code"] == 0
    assert document["schema_version"] == 1
    assert document["result"]["inner_mtu"] == 1416
    assert document["errors"] == document["warnings"] == []


@pytest.mark.parametrize("extra", [[], ["--json"], ["--explain"]])
def test_the_quick_path_prints_what_click_prints(extra: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    from netplan.cli.group import cli
    from netplan.cli.output import run as run_click

    argv = ["calc", "eth/vlan/ip4/udp/esp:aes256-sha512/ip4", "--mtu=1492", *extra]
    assert quick(argv) == 0
    quick_out = capsys.readouterr()
    assert run_click(cli, argv) == 0
    assert capsys.readouterr() == quick_out


@pytest.mark.parametrize(
    "argv",
    [
        ["lint"],
        ["calc"],
        ["calc", "ip4", "ip6"],
        ["calc", "ip4", "--mtu"],
        ["calc", "ip4", "--mtu", "x"],
        ["calc", "ip4/foo"],
        ["calc", "--batch", "-"],
    ],
)
def test_the_quick_path_leaves_the_rest_to_click(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert quick(argv) is None
    assert capsys.readouterr() == ("", "")


def test_the_quick_path_imports_nothing_dear() -> None:
    dear = ("click", "dataclasses", "inspect", "typing", "rich", "yaml", "pydantic", "netaddr", "difflib", "json")
    script = (
        "import sys; before = set(sys.modules)\n"
        f"from netplan.cli.main import main; assert main(['calc', {VXLAN!r}, '--explain']) == 0\n"
        f"print(sorted((set(sys.modules) - before) & set({dear!r})), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


def test_batch(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    code, answers = batch(capsys, monkeypatch, f"{VXLAN} 1500\n  ip4/ip4\t9000  \n")
    assert code == 0
    assert [(a["stack"], a["link_mtu"], a["inner_mtu"], a["outer_packet"]) for a in answers] == [
        (VXLAN, 1500, 1416, 1500),
        ("ip4/ip4", 9000, 8980, 9000),
    ]


def test_batch_goes_on_after_a_bad_line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    lines = "ip4/foo 1500\n\n# comment\nip4/ip4 abc\nip4/ip4\nip4/ip4 \xff\nip4/ip4 1500\n"
    code, answers = batch(capsys, monkeypatch, lines)
    assert code == ExitCode.INVALID
    assert [a["error"]["line"] for a in answers[:-1]] == [1, 4, 5, 6]
    assert [a["error"]["code"] for a in answers[:-1]] == ["IPP101", "IPP106", "IPP108", "IPP106"]
    assert answers[-1]["inner_mtu"] == 1480


def test_batch_of_nothing_is_nothing(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert batch(capsys, monkeypatch, "") == (0, [])


def test_2000_batch_lines_cost_less_than_a_second(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "".join(
        f"ip4/udp/esp:aes128-sha256/ip4/udp/geneve:8/eth/ip{4 + n % 2 * 2} {1280 + n}\n" for n in range(2000)
    )
    start = time.process_time()
    code, answers = batch(capsys, monkeypatch, text)
    assert time.process_time() - start < 1
    assert code == 0
    assert len(answers) == 2000


@pytest.mark.parametrize(
    "argv",
    [
        [VXLAN, "--reverse"],
        [VXLAN, "--payload", "1500"],
        [VXLAN, "--mtu", "1500", "--reverse", "--payload", "1500"],
        [VXLAN, "--batch", "-"],
    ],
)
def test_usage(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, *argv)
    assert (code, out) == (ExitCode.USAGE, "")
    assert "Error:" in err


def test_a_missing_batch_file_is_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "--batch", "/nonexistent/lines")
    assert code == ExitCode.INVALID
    assert "/nonexistent/lines" in err
