"""A look-up for Ansible: the password with which a login becomes root, from the control process, through its socket.

``lookup('ipsecplan_login_password', DIR)`` asks at ``DIR/handover`` for the password of the host at hand. It is asked
for by the worker of that host when it connects, and is in no file, argument, environment or variable of a run.
"""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase

PATIENCE_S = 300  # the control process serves one node after the other


class LookupModule(LookupBase):  # type: ignore[misc]
    """One term: the directory of the step; see the module."""

    def run(self, terms: list[Any], variables: Any = None, **_: Any) -> list[str]:
        """Return the password in a list. Raises AnsibleError where there is none."""
        host = str((variables or {}).get("inventory_hostname", ""))
        with socket.socket(socket.AF_UNIX) as hand:
            hand.settimeout(PATIENCE_S)
            hand.connect(str((Path(str(terms[0])) / "handover").readlink()))
            hand.sendall(f"password:{host}".encode())
            with hand.makefile("rb") as said:
                password = said.read()
        if not password:
            raise AnsibleError("there is no password for this host")
        return [password.decode("utf-8", "surrogateescape")]
