"""Become root by doas: ansible-core has no plugin for it, and a step loads no collection.

doas reads a password from a terminal only, and a request goes to a node's standard input, which has none. So it has to
let the login in without one; where it doesn't, ``-n`` makes it say so at once.
"""

from __future__ import annotations

import shlex
from typing import Any

from ansible.plugins.become import BecomeBase

DOCUMENTATION = """
name: ipsecplan_doas
short_description: Become root by doas, without a password
description: [Runs commands as another user by doas -n.]
author: the ipsecplan authors
options:
  become_user:
    description: User to become.
    default: root
    vars: [{name: ansible_become_user}]
    keyword: [{name: become_user}]
  become_exe:
    description: The program.
    default: doas
    vars: [{name: ansible_become_exe}]
    keyword: [{name: become_exe}]
  become_flags:
    description: Options of the program.
    default: -n
    vars: [{name: ansible_become_flags}]
    keyword: [{name: become_flags}]
  become_pass:
    description: There is none.
"""


class BecomeModule(BecomeBase):  # type: ignore[misc]
    """``doas -n -u root /bin/sh -c ...``"""

    name = "ipsecplan_doas"
    missing = ("doas: Authentication required", "doas: Authorization required")

    def build_become_command(self, cmd: str, shell: Any) -> str:
        """Return the command that runs ``cmd`` as the user to become."""
        super().build_become_command(cmd, shell)
        if not cmd:
            return cmd
        words = [
            str(self.get_option("become_exe") or "doas"),
            str(self.get_option("become_flags") or ""),
            f"-u {shlex.quote(str(self.get_option('become_user') or 'root'))}",
        ]
        return " ".join([*filter(None, words), str(self._build_success_command(cmd, shell))])
