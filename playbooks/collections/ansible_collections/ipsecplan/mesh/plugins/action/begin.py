# Copyright: The ipsecplan authors
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
from __future__ import annotations

import os
import sys
import typing as t
from pathlib import Path

from ansible import context
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.ipsecplan.mesh.plugins.plugin_utils.keeper import ask, failure, start

VERBS = ["apply", "try", "confirm", "resume", "verify", "status", "facts", "revert", "rotate"]
ARGUMENTS: dict[str, dict[str, t.Any]] = {
    "verb": {"type": "str", "required": True, "choices": VERBS},
    "bundle": {"type": "path", "required": True},
    "inventory": {"type": "path"},
    "state_dir": {"type": "path"},
    "what": {"type": "str", "choices": ["psk", "certificates", "ca"]},
    "rollback_timeout": {"type": "str", "default": "auto"},
    "soak": {"type": "float", "default": 5.0},
    "confirm_timeout": {"type": "int", "default": 600},
    "forks": {"type": "int"},
    "workers": {"type": "list", "elements": "str", "default": []},
    "wave_size": {"type": "int"},
    "exclude": {"type": "list", "elements": "str", "default": []},
    "skip_unreachable": {"type": "bool", "default": False},
    "raise_mtu": {"type": "bool", "default": False},
    "hold_mtu": {"type": "bool", "default": False},
    "replace": {"type": "list", "elements": "str", "default": []},
    "take_over": {"type": "bool", "default": False},
    "python": {"type": "path"},
}
# variable of a connection -> the option of ansible-playbook that stands for it where a host has none
LOGIN = {
    "ansible_user": "remote_user",
    "ansible_ssh_private_key_file": "private_key_file",
    "ansible_ssh_common_args": "ssh_common_args",
    "ansible_ssh_extra_args": "ssh_extra_args",
}


class ActionModule(ActionBase):
    """Start the engine's process for this play, and tell what a run finds before its first change."""

    TRANSFERS_FILES = False
    BYPASS_HOST_LOOP = True
    _supports_check_mode = True
    _supports_diff = True

    def run(self, tmp: t.Any = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        arguments = self.validate_argument_spec(argument_spec=ARGUMENTS)[1]
        asked = {key: value for key, value in arguments.items() if value is not None and key != "python"}
        timer = asked.pop("rollback_timeout")
        if timer != "auto":
            if not (timer.isascii() and timer.isdigit()):
                raise AnsibleActionFail(f"rollback_timeout: {timer!r} is neither auto nor a number of seconds")
            asked["rollback_timeout"] = int(timer)
        for name in ("exclude", "replace"):
            asked[name] = ",".join(asked[name])
        asked["bundle"] = str(Path(asked["bundle"]).absolute())
        asked["inventory"] = asked.get("inventory") or self._inventory(variables)
        request = {
            **asked,
            "hosts": [str(name) for name in variables.get("ansible_play_hosts_all", [])],
            "watch": os.getppid(),
            "check": bool(self._task.check_mode),
            "diff": bool(self._task.diff),
            "login": self._login(),
        }
        run = start(str(arguments.get("python") or sys.executable), request)
        found = ask(run, {"act": "begin"})
        if found["failed"]:
            return {**result, "failed": True, "msg": failure(found), "problems": found["problems"]}
        result.update(
            run=run,
            open=found["open"],
            changed=self._changed(found),
            outcome=found["outcome"],
            transaction=found["transaction"],
            changes=found["changes"],
            nodes=found["nodes"],
            msg=found["asks"] or "\n".join(found["lines"]),
            problems=found["problems"],
            warnings=[p["message"] for p in found["problems"] if p["severity"] == "warning"],
        )
        if self._task.diff and found["prepared"].strip():
            result["diff"] = {"prepared": found["prepared"]}
        if self._task.diff and found["file"]:
            header = {"before_header": found["file"], "after_header": found["file"]}
            result["diff"] = {"before": found["before"], "after": found["after"], **header}
        return result

    def _changed(self, found: dict[str, t.Any]) -> bool:
        """Tell whether something changes here: a file of facts, or, where it is only checked, what would be done."""
        if found["file"]:
            return bool(found["before"] != found["after"])
        verb = self._task.args["verb"]
        return bool(self._task.check_mode and found["changes"] and verb in ("apply", "try", "revert", "rotate"))

    @staticmethod
    def _inventory(variables: dict[str, t.Any]) -> str | None:
        sources = [str(source) for source in variables.get("ansible_inventory_sources") or []]
        if not sources:
            return None
        if len(sources) == 1 and Path(sources[0]).exists():
            return str(Path(sources[0]).absolute())
        shown = ", ".join(sources)[:200]
        raise AnsibleActionFail(
            f"inventory: one file or folder is wanted, not {shown}; the option `inventory` names it"
        )

    @staticmethod
    def _login() -> dict[str, t.Any]:
        """Return what was said on ansible-playbook's command line about logins."""
        given = context.CLIARGS
        if given.get("ask_pass") or given.get("become_ask_pass"):
            raise AnsibleActionFail("passwords are not taken: an SSH key or agent, and root or sudo without a password")
        login: dict[str, t.Any] = {name: given.get(option) or None for name, option in LOGIN.items()}
        if given.get("become"):
            login["ansible_become"] = True
            login["ansible_become_method"] = given.get("become_method")
            login["ansible_become_user"] = given.get("become_user")
        return login
