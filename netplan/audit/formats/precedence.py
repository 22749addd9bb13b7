"""Two settings of one program for one number: the one that wins is judged, of the other it is said that it loses."""

from __future__ import annotations

from netplan.audit.model import Evidence, Finding
from netplan.cni.adapters.calico import ENVIRONMENT

# winner -> loser: Felix takes its environment before its object (felix/config/config_params.go)
_WINS = {("calico", variable): ("calico", f"spec.{field}") for variable, field in ENVIRONMENT.items()}


def settle(evidence: Evidence) -> None:
    """Take out of the settings what another one of the same program overrides, with a finding for each."""
    present = {(s.system, s.field): s for s in evidence.settings}
    lost = {loser: present[winner] for winner, loser in _WINS.items() if winner in present and loser in present}
    for key, winner in lost.items():
        loser = present[key]
        evidence.faults.append(
            Finding(
                code="IPP916",
                severity="warning",
                system=loser.system,
                field=loser.field,
                location=loser.location,
                message=f"{loser.system} {loser.field} {loser.value} has no effect: {winner.field} {winner.value} wins",
                found=loser.value,
                change=f"remove {winner.field} from the DaemonSet, or set it to the same number",
            )
        )
    evidence.settings[:] = [s for s in evidence.settings if (s.system, s.field) not in lost]
