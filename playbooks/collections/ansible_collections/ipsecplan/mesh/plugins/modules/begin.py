# Copyright: The ipsecplan authors
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
from __future__ import annotations

DOCUMENTATION = r"""
---
module: begin
short_description: Begin a rollout of ipsecplan, and tell what it would change
version_added: 1.0.0
author: The ipsecplan authors (@ipsecplan)
description:
  - Starts the engine of the program C(ipsecplan) on the control machine, for this play, and looks at every node.
  - Nothing is changed before a task M(ipsecplan.mesh.phase) asks for a phase, or M(ipsecplan.mesh.end) for all of them.
  - The engine's process lives as long as C(ansible-playbook). Where that is killed, every node rolls back by its own
    timer, and C(ipsecplan resume) can go on until then. Ctrl-C in a task has everything rolled back in order.
  - Runs once for all hosts; give the task C(run_once), so that all of them have what it registers. Nodes of the bundle
    that are no hosts of the play are left out, as with C(--limit).
  - On the command line of C(ansible-playbook), C(-u), C(--private-key), C(--ssh-common-args), C(--ssh-extra-args) and
    C(-b) count for hosts whose inventory has nothing of that kind. Extra variables don't, nor do passwords.
requirements:
  - ipsecplan, for the Python that I(python) names
options:
  verb:
    description: What to do with the bundle.
    type: str
    required: true
    choices: [apply, try, confirm, resume, verify, status, facts, revert, rotate]
  bundle:
    description: Folder that C(ipsecplan render) wrote; a relative path counts from the working directory.
    type: path
    required: true
  inventory:
    description:
      - Inventory of the nodes' connections.
      - Without it the one of the play, or the one that the bundle was made from. That one must not have changed since.
    type: path
  state_dir:
    description: State directory (journal, certificate authority, keys), as C(--state-dir) of the command line.
    type: path
  what:
    description: What O(verb=rotate) replaces.
    type: str
    choices: [psk, certificates, ca]
  rollback_timeout:
    description: Seconds after which a node that hears nothing rolls back by itself, or V(auto).
    type: str
    default: auto
  soak:
    description: Seconds without a clear packet before clear packets are dropped.
    type: float
    default: 5.0
  confirm_timeout:
    description: Seconds that O(verb=try) waits for its confirmation.
    type: int
    default: 600
  forks:
    description: Nodes that the engine talks to at the same time; without it by processors and measured round trips.
    type: int
  workers:
    description: SSH destinations of machines that talk to the nodes, each to a part of them.
    type: list
    elements: str
    default: []
  wave_size:
    description: Largest number of nodes whose pairs switch in one wave.
    type: int
  exclude:
    description: Nodes, or patterns of them, that are left out.
    type: list
    elements: str
    default: []
  skip_unreachable:
    description: Leave out nodes that can't be reached; their pairs stay as they are.
    type: bool
    default: false
  raise_mtu:
    description: Raise MTUs that are below the planned one after the confirmation.
    type: bool
    default: false
  hold_mtu:
    description: Let all nodes go down to the smallest live MTU, also below the one that was confirmed.
    type: bool
    default: false
  replace:
    description: Names of nodes that were reinstalled.
    type: list
    elements: str
    default: []
  take_over:
    description: Take over nodes that a control process on another machine still holds.
    type: bool
    default: false
  python:
    description: Interpreter that has ipsecplan; without it the one that runs Ansible.
    type: path
seealso:
  - module: ipsecplan.mesh.phase
  - module: ipsecplan.mesh.end
attributes:
  action:
    description: An action plugin, which runs on the control machine.
    support: full
  check_mode:
    description: Everything is looked for that preflight looks for; C(changed) says whether nodes would change.
    support: full
  diff_mode:
    description: What O(verb=apply) or O(verb=try) does to the traffic of which pair, and the file of O(verb=facts).
    support: full
"""

EXAMPLES = r"""
---
- name: Look at every node, and tell what would change
  ipsecplan.mesh.begin:
    verb: apply
    bundle: bundle
  register: mesh
  run_once: true

- name: "Arm: rollback timer on every node"
  ipsecplan.mesh.phase:
    phase: arm
    run: "{{ mesh.run }}"
  when: mesh.open

- name: All other phases, and the proof
  ipsecplan.mesh.end:
    run: "{{ mesh.run }}"
"""

RETURN = r"""
---
run:
  description: What the tasks after this one name the run by.
  type: str
  returned: success
open:
  description: Whether there is anything to do. False in check mode.
  type: bool
  returned: success
outcome:
  description: How it ended where it is over already, else V(open).
  type: str
  returned: success
  sample: unchanged
transaction:
  description: Id of the transaction where the run is over.
  type: str
  returned: success
changes:
  description: Number of nodes that differ from the bundle.
  type: int
  returned: success
nodes:
  description: Names of the bundle's nodes.
  type: list
  elements: str
  returned: success
problems:
  description: Errors and warnings, each with C(code), C(severity), C(message) and C(hint).
  type: list
  elements: dict
  returned: always
"""
