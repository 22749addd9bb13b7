# Copyright: The ipsecplan authors
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
from __future__ import annotations

DOCUMENTATION = r"""
---
module: end
short_description: Let the rest of a rollout happen, and tell how it ended
version_added: 1.0.0
author: The ipsecplan authors (@ipsecplan)
description:
  - Lets all phases happen that no task M(ipsecplan.mesh.phase) has asked for, waits for the end and returns the proof.
  - Runs once for all hosts, and fails where the command line would have an exit code other than 0.
options:
  run:
    description: RV(ipsecplan.mesh.begin#module:run) of the task that began.
    type: path
    required: true
seealso:
  - module: ipsecplan.mesh.begin
attributes:
  action:
    description: An action plugin, which runs on the control machine.
    support: full
  check_mode:
    description: Nothing is left to happen.
    support: full
  diff_mode:
    description: There is no text to compare.
    support: none
"""

EXAMPLES = r"""
---
- name: How it ended
  ipsecplan.mesh.end:
    run: "{{ mesh.run }}"
  register: mesh_end
  run_once: true

- name: The proof on the wire
  ansible.builtin.debug:
    var: mesh_end.lines
"""

RETURN = r"""
---
outcome:
  description: How it ended.
  type: str
  returned: always
  sample: confirmed
transaction:
  description: Id of the transaction.
  type: str
  returned: always
until:
  description: UTC time by which a try must be confirmed.
  type: str
  returned: always
lines:
  description: What was measured per direction, and how the run ended, in words.
  type: list
  elements: str
  returned: always
  sample: ["n1 -> n2  DF 1416 passes, 1417 refused, ESP seen (outer 1500), 0 plaintext (1 planted, seen)"]
problems:
  description: Errors and warnings.
  type: list
  elements: dict
  returned: always
"""
