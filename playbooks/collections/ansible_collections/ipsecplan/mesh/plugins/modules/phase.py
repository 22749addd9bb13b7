# Copyright: The ipsecplan authors
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
from __future__ import annotations

DOCUMENTATION = r"""
---
module: phase
short_description: Let one phase of a rollout happen on all nodes
version_added: 1.0.0
author: The ipsecplan authors (@ipsecplan)
description:
  - Lets the engine that M(ipsecplan.mesh.begin) started go on with a phase, and tells what it did on this host.
  - The engine sends a phase to all nodes together, in the waves that it has planned, and goes on only where its exit
    test holds on all of them. Where it doesn't, all nodes are rolled back, and the task fails on every host.
  - Phases that share a round trip begin together. One that a run doesn't have is skipped, as is a host that is no node.
  - Between two phases no more than half of the rollback timeout may pass; then everything is rolled back.
options:
  phase:
    description: Name of the phase, such as V(arm), V(encrypt), V(enforce) or V(probe).
    type: str
    required: true
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
    description: Nothing happens; V(preflight) says by C(changed) whether this host would change.
    support: full
  diff_mode:
    description: A phase has no text to compare; M(ipsecplan.mesh.begin) has.
    support: none
"""

EXAMPLES = r"""
---
- name: "Encrypt: pairs switch, wave by wave"
  ipsecplan.mesh.phase:
    phase: encrypt
    run: "{{ mesh.run }}"
  when: mesh.open
"""

RETURN = r"""
---
msg:
  description: What the node says of it, or why everything was rolled back.
  type: str
  returned: always
seconds:
  description: Seconds of the node's own time.
  type: float
  returned: when the phase happened
differs:
  description: How the node differs from the bundle.
  type: list
  elements: str
  returned: with V(preflight) and V(status)
state:
  description: V(none), V(open) or V(confirmed).
  type: str
  returned: with V(status)
lines:
  description: The node's state in lines for people, with every difference and its remedy.
  type: list
  elements: str
  returned: with V(status)
facts:
  description: strongSwan's version and algorithms, and what the kernel does with a packet.
  type: dict
  returned: with V(facts)
outcome:
  description: How the run ended.
  type: str
  returned: failure
"""
