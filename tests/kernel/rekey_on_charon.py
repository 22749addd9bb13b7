"""Two real charons on a real kernel, and the phase `rekey` of our agent between them; runs where measure.py runs.

A job has the Debian roots with strongSwan (``roots``, one an end), and for both ends: address, node.json,
swanctl.conf as rendered, and the same with another key exchange (``changed``). Each act prints a ROW.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from netplan.agent.phases import ike, rekey
from netplan.agent.system import vici
from netplan.agent.system.core import Stop
from netplan.agent.transaction import state

HOME = Path("/mnt")
START = "ipsecplan-start {\n    start_action = none\n}\n"
SETTINGS = """charon-systemd {{
    filelog {{
        log {{
            path = /run/log
            default = 1
            flush_line = yes
            ike_name = yes
        }}
    }}
    plugins {{
        bypass-lan {{
            load = no
        }}
    }}
    journal {{
        default = -1
    }}
}}
"""


def run(*words: str, check: bool = True) -> str:
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(words)}: {done.stderr.strip()} {done.stdout.strip()}")
    return done.stdout


class End:
    """One charon in namespaces of its own."""

    def __init__(self, name: str, root: str, about: dict[str, Any]) -> None:
        self.name, self.root, self.about = name, root, about
        self.home = HOME / name
        for folder in ("run", "swanctl/conf.d"):
            (self.home / folder).mkdir(parents=True)
        (self.home / "strongswan.conf").write_text(SETTINGS.format())
        (self.home / "swanctl/swanctl.conf").write_text("include conf.d/*.conf\n")
        (self.home / "swanctl/conf.d/start.conf").write_text(START)
        (self.home / "swanctl/conf.d/secret.conf").write_text(about["secret"])
        mounts = (
            f"mount --make-rprivate / && mount --bind {root} {root} && mount -t proc proc {root}/proc"
            f" && mount --bind /dev {root}/dev"
            f" && mount --bind {self.home}/run {root}/run && mount --bind {self.home}/swanctl {root}/etc/swanctl"
            f" && mount --bind {self.home}/strongswan.conf {root}/etc/strongswan.conf"
            f" && exec chroot {root} /usr/sbin/charon-systemd"
        )
        out = (self.home / "out").open("wb")
        self.process = subprocess.Popen(
            ["ip", "netns", "exec", name, "unshare", "--mount", "sh", "-c", mounts],
            stdout=out,
            stderr=out,
            stdin=subprocess.DEVNULL,
        )
        end = time.monotonic() + 60
        while not (self.home / "run/charon.vici").exists():
            if time.monotonic() > end or self.process.poll() is not None:
                raise RuntimeError("charon does not start: " + (self.home / "out").read_text()[-800:])
            time.sleep(0.2)

    def load(self, text: str) -> str:
        (self.home / "swanctl/conf.d/ipsecplan.conf").write_text(text)
        inside = ["nsenter", "-t", str(self.process.pid), "-m", "-n", "chroot", self.root]
        if self.process.poll() is not None:
            raise RuntimeError(f"charon has ended: {(self.home / 'out').read_text()[-600:]} {self.log[-600:]}")
        return run(*inside, "swanctl", "--load-all", "--noprompt")

    def call(self, what: str, **words: Any) -> Any:
        vici.SOCKETS = (str(self.home / "run/charon.vici"),)
        with vici.Vici() as link:
            return link.call(what, **words)

    def sas(self) -> list[tuple[str, Any]]:
        vici.SOCKETS = (str(self.home / "run/charon.vici"),)
        return vici.sas()

    @property
    def log(self) -> str:
        path = self.home / "run/log"
        return path.read_text(errors="replace") if path.exists() else ""


def main(path: str, act: Callable[[dict[str, Any]], None]) -> None:
    """Do each job of a file; the rig reads what is printed."""
    jobs = json.loads(Path(path).read_text())
    for job in jobs:
        try:
            act(job)
        except Exception as error:  # noqa: BLE001
            print("ROW", json.dumps({"failed": f"{type(error).__name__}: {error}"}), flush=True)
    print("END", len(jobs), flush=True)


def act(job: dict[str, Any]) -> None:
    run("ip", "netns", "add", "a")
    run("ip", "netns", "add", "b")
    run("ip", "link", "add", "a0", "netns", "a", "type", "veth", "peer", "name", "b0", "netns", "b")
    for name in ("a", "b"):
        run("ip", "-n", name, "address", "add", job[name]["address"] + "/24", "dev", name + "0")
        run("ip", "-n", name, "link", "set", name + "0", "up")
    a, b = (End(name, root, job[name]) for name, root in zip(("a", "b"), job["roots"], strict=True))
    for end in (a, b):
        end.load(end.about["conf"])
    node = job["a"]["node"]
    (peer,) = node["peers"]
    out = peer["children"][0]
    back = job["b"]["node"]["peers"][0]["children"][0]

    def say(what: str, **more: Any) -> None:
        print("ROW", json.dumps({"act": what, **more}), flush=True)

    def up() -> None:
        a.call("initiate", ike=peer["pair"], timeout=20000)
        a.call("initiate", ike=peer["pair"], child=out, timeout=20000)
        b.call("initiate", ike=peer["pair"], child=back, timeout=20000)

    up()
    say("up", children=sorted(c["name"] for _, sa in a.sas() for c in sa["child-sas"].values()))
    folder = HOME / "tx"
    folder.mkdir()
    state.tx_folder = lambda _: str(folder)
    ike.log_of_charon = lambda: ["see the log"]

    def proof(what: str, before: str) -> None:
        """The phase on one end and on the other; in a rollout they are at work at the same time."""
        (folder / "before").write_text(before)
        for end in (a, b):
            vici.SOCKETS = (str(end.home / "run/charon.vici"),)
            begin = time.monotonic()
            about = {"node": end.about["node"], "tx": "tx-1", "patience": 12, "rekey": [peer["pair"]]}
            try:
                said = rekey.rekey(about)["detail"]
            except Stop as stop:
                said = " ".join((stop.findings[0]["code"], stop.findings[0]["message"]))
            time.sleep(0.5)
            sas = [(c["name"], c["state"]) for _, sa in end.sas() for c in sa["child-sas"].values()]
            live = sorted(name for name, at in sas if at == "INSTALLED")
            say(what, end=end.name, said=said, seconds=round(time.monotonic() - begin, 1), live=live)

    proof("first release", "none - -")
    proof("same release again", "confirmed tx-0 r")
    b.load(b.about["changed"])
    proof("changed at one end, live SA rekeyed", "none - -")
    proof("changed at one end", "confirmed tx-0 r")
    a.load(a.about["changed"])
    proof("changed at both ends", "confirmed tx-0 r")
    for end in (a, b):
        end.call("terminate", ike=peer["pair"], force="yes", timeout=5000)
    a.load(a.about["conf"])
    b.load(b.about["conf"])
    up()
    proof("rolled back, IKE_SA ended", "none - -")
    for end in (a, b):
        end.process.terminate()


if __name__ == "__main__":
    main(sys.argv[1], act)
