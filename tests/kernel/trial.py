"""Runs on the kernel that is measured: one packet in each kind of SA that is asked for, with the node's own code.

A job is the keywords of ``packet_trial.tried``; a row is what became of the packet, and why.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from netplan.agent.phases import packet_trial
from netplan.agent.phases.kernel_trial import words

if __name__ == "__main__":
    jobs = json.loads(Path(sys.argv[1]).read_text())
    for job in jobs:
        algorithm = words(job.pop("algorithm"))
        assert algorithm
        became, said = packet_trial.tried(job.pop("mode"), algorithm, **job)
        print("ROW " + json.dumps({"became": became, "said": said}), flush=True)
    print(f"END {len(jobs)}", flush=True)
