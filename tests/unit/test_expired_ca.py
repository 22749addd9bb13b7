"""A CA that has expired: what the runbook says of it is what happens."""

from __future__ import annotations

import datetime
import time
from pathlib import Path

import pytest

from netplan.agent.phases import drift
from netplan.agent.system import paths
from netplan.ipsec import ca
from netplan.ipsec.ca_rollover import rollover
from netplan.problems import ProblemError

LATER = datetime.timedelta(days=ca.CA_DAYS + 1)


def test_rotate_ca_with_an_expired_ca_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ca.open_authority(tmp_path / "ca", "prod")
    now = datetime.datetime.now(datetime.UTC)
    monkeypatch.setattr(ca, "_now", lambda: now + LATER)
    with pytest.raises(ProblemError, match="expired") as stop:
        rollover(tmp_path / "ca", "prod")
    assert stop.value.problems[0].code == "IPP607"


def test_a_new_ca_after_the_expired_one_was_moved_away_signs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = ca.open_authority(tmp_path / "ca", "prod").pem
    now = datetime.datetime.now(datetime.UTC)
    monkeypatch.setattr(ca, "_now", lambda: now + LATER)
    (tmp_path / "ca").rename(tmp_path / "ca-expired")
    new = ca.open_authority(tmp_path / "ca", "prod")
    assert new.pem != old
    assert new.certificate.not_valid_after_utc > now + LATER


@pytest.mark.parametrize(("days", "word", "severity"), [(3651, "runbook.md", "error"), (3000, "rotate ca", "warning")])
def test_status_of_a_ca_names_what_renews_it(
    days: int, word: str, severity: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pem = ca.open_authority(tmp_path / "ca", "prod").pem
    monkeypatch.setattr(drift, "read", lambda path: pem if path == paths.CA else None)
    later = time.time() + days * 86400
    monkeypatch.setattr(time, "time", lambda: later)
    (row,), _ = drift.certificates({"auth": "certificates"})  # type: ignore[typeddict-item]
    assert (row["code"], row["severity"]) == ("IPP684", severity)
    assert word in (row["hint"] or "")
