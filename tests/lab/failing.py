"""``python -m tests.lab.failing raise|abort VERB ...``: the command line, which fails where it holds secrets.

For ``apply`` of pre-shared keys that is before its first round trip, for ``ca request`` when the key is loaded.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from netplan.cli.main import main
from netplan.ipsec import ca
from netplan.rollout.engine import Engine


def fails(*held: Any, **_: Any) -> None:
    """Fail with everything that this process has in its frames."""
    if sys.argv[1] == "abort":
        os.abort()
    raise RuntimeError(f"provoked, with {len(held)} things at hand")


if __name__ == "__main__":
    Engine.begin = fails  # type: ignore[method-assign]
    ca.request = fails  # type: ignore[assignment]
    sys.exit(main(sys.argv[2:]))
