# Copyright: The ipsecplan authors
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase
from ansible_collections.ipsecplan.mesh.plugins.plugin_utils.keeper import ask, failure

ARGUMENTS: dict[str, dict[str, t.Any]] = {
    "phase": {"type": "str", "required": True},
    "run": {"type": "path", "required": True},
}


class ActionModule(ActionBase):
    """Let one phase happen on all nodes, and tell what it did on this host."""

    TRANSFERS_FILES = False
    _supports_check_mode = True

    def run(self, tmp: t.Any = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        arguments = self.validate_argument_spec(argument_spec=ARGUMENTS)[1]
        phase, host = arguments["phase"], str((task_vars or {})["inventory_hostname"])
        asked = {"act": "phase", "task": self._task._uuid, "phase": phase, "host": host}
        told = ask(arguments["run"], asked)
        own, ended = told.get("lines", []), told["ended"]
        result.update(changed=told["changed"], msg=told.get("detail", ""), seconds=told.get("seconds"))
        for key in ("differs", "state", "facts"):
            if key in told:
                result[key] = told[key]
        if told["known"] and ended and ended["failed"]:
            return {**result, "failed": True, "outcome": ended["outcome"], "msg": failure(ended, told.get("wrong", []))}
        if not told["known"]:
            return {**result, "skipped": True, "msg": "no node of this bundle"}
        if not told["happened"]:
            return {**result, "skipped": True, "msg": "not a part of this run"}
        if phase == "status":
            result.update(lines=own, msg="\n".join(own), drifted=told.get("drifted", False))
        elif phase == "preflight" and self._task.check_mode:
            result["changed"] = bool(told.get("differs"))
        result["warnings"] = [p["message"] for p in told.get("problems", []) if p["severity"] == "warning"]
        return result
