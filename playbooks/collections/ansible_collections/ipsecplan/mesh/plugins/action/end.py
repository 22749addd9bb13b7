# Copyright: The ipsecplan authors
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase
from ansible_collections.ipsecplan.mesh.plugins.plugin_utils.keeper import ask, failure

ARGUMENTS: dict[str, dict[str, t.Any]] = {"run": {"type": "path", "required": True}}


class ActionModule(ActionBase):
    """Let what is left of a run happen, and tell how it ended."""

    TRANSFERS_FILES = False
    BYPASS_HOST_LOOP = True
    _supports_check_mode = True

    def run(self, tmp: t.Any = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        arguments = self.validate_argument_spec(argument_spec=ARGUMENTS)[1]
        ended = ask(arguments["run"], {"act": "end"})
        result.update(
            changed=ended["raised"],
            outcome=ended["outcome"],
            transaction=ended["transaction"],
            until=ended["until"],
            lines=ended["lines"],
            problems=ended["problems"],
            msg="\n".join(ended["lines"]),
        )
        if ended["failed"]:
            result.update(failed=True, msg=failure(ended))
        result["warnings"] = [p["message"] for p in ended["problems"] if p["severity"] == "warning"]
        return result
