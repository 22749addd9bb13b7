"""route.sh on this machine's own kernel: what the rule by port leads where, and what the prohibition stops.

Bridges stand for XFRM interfaces, which this kernel may lack; the lab has real ones. Needs root and iproute2;
everything happens in a network namespace that the test makes.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "netplan" / "templates" / "node" / "route.sh"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("ip"), reason="needs root and ip"),
]
LOOK = """
import sys
from netplan.agent.phases import xfrm_interfaces as ways
peers = [{"address": a, "device": d} for a, d in (word.split("=") for word in sys.argv[2:])]
node = {"underlay": {"address": sys.argv[1]}, "overlay": {"port": 4789}, "peers": peers}
print(sorted(ways.routed_peers(node)), sorted(ways.prohibited(node)), ways.rule_present(node))
"""


class Space:
    """A namespace with a link and two stand-ins, and route.sh with its file moved."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.file, self.script = name, folder / "routes", folder / "route.sh"
        self.script.write_text(SCRIPT.read_text().replace("/etc/ipsecplan/routes", str(self.file)))

    def run(self, *argv: str, code: int | None = 0) -> str:
        done = subprocess.run(["ip", "netns", "exec", self.name, *argv], cwd=ROOT, capture_output=True, text=True)
        assert code is None or done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def sh(self, *words: str, code: int = 0) -> str:
        return self.run("/bin/sh", str(self.script), *words, code=code)

    def way(self, *words: str) -> str:
        return self.run("ip", "route", "get", *words, code=None)


@pytest.fixture(params=[("10.9.0.", "24"), ("fd09::", "64")], ids=["ipv4", "ipv6"])
def space(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Space, str]]:
    net, width = request.param
    name = f"ipsecplan-r{uuid.uuid4().hex[:6]}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        made = Space(name, tmp_path)
        for device in ("u", "xi-00000011", "xi-00000012", "xi-0000dead"):
            made.run("ip", "link", "add", device, "type", "bridge")
        made.run("ip", "link", "set", "lo", "up")
        made.run("ip", "link", "set", "u", "up")
        made.run("ip", "addr", "add", f"{net}1/{width}", "dev", "u", *(["nodad"] if ":" in net else []))
        made.file.write_text("".join(f"4789 {net}1 {net}{n} xi-0000001{n - 1} {n} 1446\n" for n in (2, 3)))
        yield made, net
    finally:
        subprocess.run(["ip", "netns", "del", name], check=True)


def test_only_the_overlays_port_is_led_in_and_nothing_leaves_beside_it(space: tuple[Space, str]) -> None:
    here, net = space
    overlay, ike = ("ipproto", "udp", "dport", "4789"), ("ipproto", "udp", "dport", "4500")
    here.sh("make", str(here.file))
    here.sh("check", code=1)
    assert " dev u " in here.way(f"{net}2", *overlay), "an interface that is there leads nothing in"

    here.sh("enter", str(here.file), "xi-00000012")
    assert " dev xi-00000012 " in here.way(f"{net}3", *overlay)
    assert f" src {net}1 " in here.way(f"{net}3", *overlay)
    assert " dev u " in here.way(f"{net}2", *overlay), "the other pair has not switched yet"
    for other in (ike, ()):
        assert " dev u " in here.way(f"{net}3", *other), "ESP and IKE are led into themselves"

    here.sh("load")
    here.sh("check")
    assert "xi-0000dead" not in here.run("ip", "-br", "link"), "a former peer's interface stays"
    peers = [f"{net}{n}=xi-0000001{n - 1}" for n in (2, 3)]
    seen = here.run(sys.executable, "-c", LOOK, f"{net}1", *peers)
    both = [f"{net}2", f"{net}3"]
    assert seen.strip() == f"{both} {both} True", seen
    rules = here.run("ip", "-6" if ":" in net else "-4", "rule")
    here.sh("load")
    assert here.run("ip", "-6" if ":" in net else "-4", "rule") == rules, "the rule stands twice"

    here.run("ip", "link", "delete", "xi-00000011")
    assert "denied" in here.way(f"{net}2", *overlay).lower(), "an interface that is gone means clear"
    assert " dev u " in here.way(f"{net}2", *ike)
    here.sh("check", code=1)

    here.file.write_text(here.file.read_text().splitlines(keepends=True)[1])  # the first peer leaves
    here.sh("load")
    assert " dev u " in here.way(f"{net}2", *overlay)
    assert " dev xi-00000012 " in here.way(f"{net}3", *overlay)
