"""Host variables that are written nearly like ours are errors; what is somebody's own is not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from netplan.cli.main import main
from netplan.inputs.variable_names import VARIABLES, distance, meant


@pytest.mark.parametrize(
    ("written", "known"),
    [
        ("underlay_adress", "underlay_address"),
        ("underlay_mut", "underlay_mtu"),
        ("underlay-mtu", "underlay_mtu"),
        ("Underlay_MTU", "underlay_mtu"),
        ("pod_cird", "pod_cidr"),
        ("podcidr", "pod_cidr"),
        ("pod_cidrs", "pod_cidr"),
        ("behind_nta", "behind_nat"),
        ("strongswan_versoin", "strongswan_version"),
        ("ipsecplan_manage", "ipsecplan_managed"),
        ("ipsecplan_anything", "ipsecplan_managed"),
        ("underlay_nat", "behind_nat"),
    ],
)
def test_a_variable_that_is_nearly_ours_is_a_misspelling(written: str, known: str) -> None:
    assert meant(written) == known


@pytest.mark.parametrize(
    "written",
    [*VARIABLES, "node_cidr", "pod_cidr6", "underlay_interface", "strongswan_package", "motd", "", "p", "ansible_host"],
)
def test_a_variable_of_somebody_else_is_left_alone(written: str) -> None:
    assert meant(written) is None


@pytest.mark.parametrize(
    ("one", "other", "letters"),
    [
        ("a", "a", 0),
        ("ab", "ba", 1),
        ("ab", "abc", 1),
        ("abc", "ab", 1),
        ("abc", "axc", 1),
        ("abc", "cab", 2),
        ("", "abcd", 3),
    ],
)
def test_the_distance_counts_letters(one: str, other: str, letters: int) -> None:
    assert distance(one, other) == letters


def test_lint_lists_what_was_read_of_each_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("plan.yaml").write_text("name: demo\ninventory: hosts.ini\nnodes: all\n")
    Path("hosts.ini").write_text(
        "n1 underlay_address=10.0.0.1 pod_cidr=10.1.0.0/24 underlay_mtu=1450 motd=x ansible_user=root\n"
        "n2 ansible_host=10.0.0.2 pod_cidr=10.2.0.0/24\n"
    )
    algorithms = ["AES_GCM_16", "CURVE_25519", "PRF_HMAC_SHA2_256", "PRF_HMAC_SHA2_384", "ECP_384"]
    seen = {"strongswan_version": "5.9.8", "strongswan_algorithms": algorithms}
    Path("hosts.ini.facts.json").write_text(json.dumps({"schema": 1, "hosts": {"n2": seen}}))
    assert main(["lint", "--verbose"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "n1: underlay_address='10.0.0.1', underlay_mtu='1450', pod_cidr='10.1.0.0/24'"
    assert said[1] == "  not read: motd"
    assert said[2].startswith("n2: ansible_host='10.0.0.2', pod_cidr='10.2.0.0/24', strongswan_version='5.9.8' (by ")
    Path("hosts.ini").write_text(
        "n1 underlay_address=10.0.0.1 pod_cird=10.1.0.0/24\nn2 ansible_host=10.0.0.2 pod_cidr=10.2.0.0/24\n"
    )
    assert main(["lint"]) == 3
    wrong = capsys.readouterr().err
    assert "hosts.ini:1:" in wrong
    assert "unknown variable 'pod_cird'" in wrong
    assert "did you mean pod_cidr?" in wrong
    assert "no pod_cidr" not in wrong
