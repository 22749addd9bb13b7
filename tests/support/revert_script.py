"""revert.sh as it lies in the product, with its folders elsewhere and its commands played by shell functions."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

from netplan.host import guard

TX = "tx-20260102030405-abcd"

DROPS = 'table inet ipsecplan {\n udp dport 4789 rt ipsec missing counter name "clear_out" drop\n}\n'

COUNTS = 'table inet ipsecplan {\n udp dport 4789 rt ipsec missing counter name "clear_out"\n}\n'


# the script's times in seconds, where a test would wait for them
QUICK = {"ASK_S": "1", "LOCK_S": "1", "PAUSES": '"0.1 0.2"', "SETTLE_S": "0.2"}


def moved(folder: Path, *, quick: bool = False) -> str:
    """Return the script with all its paths below a folder, and its commands looked for in ``bin`` there first."""
    text = guard.script("revert.sh")
    for name, value in QUICK.items() if quick else ():
        text, found = re.subn(f"^{name}=[^#\n]*", f"{name}={value} ", text, flags=re.MULTILINE)
        assert found == 1, name
    for old, new in (
        ("/var/run/charon.vici", f"{folder}/vici"),
        ("/run/charon.vici", f"{folder}/vici"),
        ("/var/lib/ipsecplan", f"{folder}/lib"),
        ("/run/ipsecplan", f"{folder}/run"),
        ("/etc/", f"{folder}/etc/"),
        ("PATH=/usr/sbin", f"PATH={folder}/bin:/usr/sbin"),
    ):
        assert old in text
        text = text.replace(old, new)
    return text


class Node:
    """A node in a folder: the script with its paths moved there, and commands that write down their words.

    They answer what they are told to, until what they list is deleted.
    """

    def __init__(self, folder: Path) -> None:
        self.root, self.bin, self.said = folder / "lib", folder / "bin", folder / "said"
        self.tx = self.root / "tx" / TX
        for made in (self.tx, self.bin, folder / "run"):
            made.mkdir(parents=True)
        self.script = folder / "revert.sh"
        self.script.write_text(moved(folder, quick=True))
        for name in ("ip", "nft", "ping", "systemctl", "systemd-run", "swanctl"):
            self.play(name)
        self.put(open=TX, last=TX)
        self.put(
            folder=self.tx,
            before="none - -",
            port="4789",
            policy="src 0.0.0.0/0 dst 192.0.2.1/32",
            pairs="",
            peers="192.0.2.1 192.0.2.2",
        )
        self.play("nft", answer=DROPS)

    def put(self, *, folder: Path | None = None, **files: str) -> None:
        for name, text in files.items():
            ((folder or self.root) / name).write_text(text + "\n" if text else "")

    def lay(self, *paths: str) -> None:
        """Make files below the folder that say their own paths."""
        for path in paths:
            (self.root.parent / path).parent.mkdir(parents=True, exist_ok=True)
            (self.root.parent / path).write_text(path)

    def play(self, name: str, *, answer: str = "", code: int = 0) -> None:
        """Let a command answer this, with this exit code."""
        path, gone = self.bin / name, self.root.parent / f"gone-{name}"
        path.write_text(f"""#!/bin/sh
echo "{name} $*" >>{self.said}
case "{name} $*" in
"systemctl is-active"*) exit 3 ;;
"nft delete"* | *"state deleteall"*) : >{gone} ;;
*) [ ! -e {gone} ] || exit {1 if name == "nft" else 0} ;;
esac
printf %s '{answer}'
exit {code}
""")
        path.chmod(0o755)

    def prepare(self, *, witness: bool = True) -> None:
        future = {
            "schema": 1,
            "state": "confirmed",
            "tx": TX,
            "release": "f" * 64,
            "cluster": 'a "b" $(id) & \\1',
            "at": "@AT@",
            "last": {"tx": TX, "result": "confirmed", "by": "witness", "at": "@AT@"},
        }
        (self.tx / "confirmed.json").write_text(json.dumps(future) + "\n")
        self.put(folder=self.tx, token="198.18.7.9")
        if witness:
            self.put(folder=self.tx, witness="198.18.7.9 10.244.1.0 ov0")

    def run(self, *words: str) -> str:
        done = subprocess.run(["/bin/sh", str(self.script), *words], capture_output=True, text=True, timeout=60)
        assert not done.stderr, done.stderr
        return self.said.read_text() if self.said.exists() else ""

    @property
    def state(self) -> dict[str, dict[str, str]]:
        found: dict[str, dict[str, str]] = json.loads((self.root / "state.json").read_text())
        return found
