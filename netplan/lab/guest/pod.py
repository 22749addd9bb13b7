#!/usr/bin/python3
"""pod add|del|check NAME [ADDRESS]: a network namespace wired by the CNI plugins, as a container runtime would do it.

Like a runtime, it reads the first ``*.conflist`` of /etc/cni/net.d in lexical order at the moment of the call, so a new
MTU in that file holds for pods made afterwards. ADDRESS asks for one address; ``pod1`` gets host number 2 of the node's
subnet, so that it has the same address after a reboot or a power cut.
"""

from __future__ import annotations

import ipaddress
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

CONFIG = Path("/etc/cni/net.d")
PLUGINS = "/usr/lib/cni"


def first_conflist() -> dict[str, Any]:
    files = sorted(CONFIG.glob("*.conflist"))
    if not files:
        sys.exit(f"pod: no *.conflist in {CONFIG}")
    document: dict[str, Any] = json.loads(files[0].read_text(encoding="utf-8"))
    return document


def second_address(conflist: dict[str, Any]) -> str:
    ipam = conflist["plugins"][0]["ipam"]
    subnet = ipam["subnet"] if "subnet" in ipam else ipam["ranges"][0][0]["subnet"]
    return str(ipaddress.ip_network(subnet)[2])


def call(
    command: str, name: str, conflist: dict[str, Any], plugin: dict[str, Any], previous: Any, address: str | None
) -> Any:
    config = {"cniVersion": conflist.get("cniVersion", "0.4.0"), "name": conflist["name"], **plugin}
    if previous is not None:
        config["prevResult"] = previous
    environment = {
        "PATH": os.environ.get("PATH", "/usr/sbin:/usr/bin"),
        "CNI_COMMAND": command,
        "CNI_CONTAINERID": name,
        "CNI_NETNS": f"/run/netns/{name}",
        "CNI_IFNAME": "eth0",
        "CNI_PATH": PLUGINS,
    }
    if address and command == "ADD":
        environment["CNI_ARGS"] = f"IgnoreUnknown=1;IP={address}"
    done = subprocess.run(
        [f"{PLUGINS}/{plugin['type']}"],
        input=json.dumps(config),
        env=environment,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=60,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{plugin['type']} {command}: {done.stdout.strip() or done.stderr.strip()}")
    return json.loads(done.stdout) if done.stdout.strip() else None


def delete(name: str, conflist: dict[str, Any]) -> None:
    for plugin in reversed(conflist["plugins"]):
        call("DEL", name, conflist, plugin, None, None)


def main() -> None:
    if len(sys.argv) not in (3, 4) or sys.argv[1] not in ("add", "del", "check"):
        sys.exit("usage: pod add|del|check NAME [ADDRESS]")
    verb, name = sys.argv[1:3]
    namespace = Path("/run/netns") / name
    conflist = first_conflist()
    result = None
    if verb == "add":
        address = sys.argv[3] if len(sys.argv) == 4 else second_address(conflist) if name == "pod1" else None
        if not namespace.exists():
            delete(name, conflist)  # gives back the address that a power cut left taken
            subprocess.run(["ip", "netns", "add", name], check=True)
            subprocess.run(["ip", "-n", name, "link", "set", "lo", "up"], check=True)
        for plugin in conflist["plugins"]:
            result = call("ADD", name, conflist, plugin, result, address)
        sys.stdout.write(json.dumps(result, indent=1) + "\n")
    elif verb == "del":
        delete(name, conflist)
        subprocess.run(["ip", "netns", "del", name], check=False)
    elif not namespace.exists():
        sys.exit(f"pod: no pod {name}")


if __name__ == "__main__":
    try:
        main()
    except RuntimeError as error:
        sys.exit(f"pod: {error}")
