"""A node in a folder whose charon, kernel and nftables are played with effect: what is loaded there stays there.

``swanctl --load-conns`` does what the real one does in the real order (strongSwan 5.9.8 to 6.1, swanctl/commands/
load_conns.c): it reads the files first, then asks charon what is loaded, then loads each connection, then unloads the
rest. Between these each command waits, for as long as the seed says. ``kernel`` and ``charon`` below the folder have a
file for each policy, SA and connection.
"""

from __future__ import annotations

import random
import socket
import subprocess
import time
from pathlib import Path

from tests.support.revert_script import TX, moved

PAIRS = ("pair-0123456789ab", "pair-0123456789ac")
OWN, PEERS = "192.0.2.1", ("192.0.2.2", "192.0.2.3")
GUARD = 'table inet ipsecplan {\n udp dport 4789 rt ipsec missing counter name "clear_out" drop\n}\n'
PERMISSIVE = f"src 0.0.0.0/0 dst {OWN}/32 proto udp dport 4789"
CLEAR = "src 0.0.0.0/0 dst 0.0.0.0/0 proto udp dport 4789"
_LIBRARY = """exec 9>&-
D={folder}
lag() {{ [ -e "$D/slow" ] || return 0; read -r n <"$D/slow"; set -- $(od -An -N2 -tu2 /dev/urandom)
  if [ $(( $1 % 8 )) -eq 0 ]; then sleep "0.$(( $1 % n + 10 ))"; else sleep "0.0$(( $1 % n ))"; fi; }}
key() {{ printf '%s' "$*" | tr '/ ' '_+'; }}
"""
# A policy's file is named by direction and selector, as the kernel takes one policy for these; its text is the listing.
_IP = """lag
case "$1 $2 $3" in
"xfrm policy add" | "xfrm policy delete")
  what=$3; shift 4; way=$1; shift; select=; rest=
  while [ $# -gt 0 ]; do
    case $1 in action | priority | if_id | tmpl) rest="$*"; break ;; *) select="$select $1"; shift ;; esac
  done
  f=$D/kernel/policies/$(key $way$select)
  for there in "$D"/kernel/policies/*; do
    { read -r line && read -r _ dir _; } <"$there" 2>/dev/null || continue
    [ "$line/$dir" = "${select# }/$way" ] || continue
    [ "$what" = delete ] && rm "$there"
    exit 2
  done
  [ "$what" = add ] || exit 2
  printf '%s\\n\\tdir %s %s\\n' "${select# }" "$way" "$(echo "$rest" | sed 's/ tmpl.*//')" >"$f" ;;
"xfrm policy deleteall") grep -ls "priority 4000050" "$D"/kernel/policies/* | xargs -r rm -f ;;
"xfrm policy list") cat "$D"/kernel/policies/* 2>/dev/null ;;
"xfrm state list") cat "$D"/kernel/states/* 2>/dev/null ;;
"xfrm state deleteall") rm -f "$D/kernel/states/$(key $5 $7)" ;;
"addr add" | "addr del") : ;;
esac
exit 0
"""
_NFT = """lag
case "$1" in
list) cat "$D/guard" 2>/dev/null ;;
delete) [ -e "$D/stuck" ] && exit 1; rm "$D/guard" 2>/dev/null ;;
flush) [ -e "$D/stuck" ] && exit 1; echo 'table inet ipsecplan {}' >"$D/guard" ;;
-f) [ -e "$D/stuck" ] && exit 1; cp "$2" "$D/guard" ;;
esac
"""
_SWANCTL = """[ -e "$D/hung" ] && { lag; exec sleep 1000; }
[ -e "$D/dead" ] && exit 22
lag
case "$*" in
*--load-conns*)
  files="$D/etc/swanctl/conf.d"; case "$*" in *--file*) files=${*##*--file }; esac
  new=$(grep -rhs '^pair-' "$files" | cut -d' ' -f1); start=$(grep -rhs '^start' "$files")
  lag
  old=$(ls "$D/charon/conns")
  for c in $new; do
    lag; : >"$D/charon/conns/$c"
    [ "$start" != "start trap" ] || for p in $(sed -n "s/^$c //p" "$D/peers"); do
      printf 'src %s/32 dst %s/32 proto udp dport 4789 \\n\\tdir out priority 366911\\n' "@OWN@" "$p" \\
        >"$D/kernel/policies/trap+$c"
    done
  done
  for c in $old; do
    case " $(echo $new) " in
    *" $c "*) ;;
    *) lag; rm -f "$D/charon/conns/$c" "$D/kernel/policies/trap+$c" ;;
    esac
  done
  [ ! -e "$D/planted" ] || : >"$D/charon/conns/pair-87caf44150d0" ;;
*--terminate*) for c do :; done; set -- $*; while [ $# -gt 1 ]; do [ "$1" = --ike ] && c=$2; shift; done
  rm -f "$D/charon/sas/$c"; for p in $(sed -n "s/^$c //p" "$D/peers"); do
  rm -f "$D/kernel/states/$(key @OWN@ $p)" "$D/kernel/states/$(key $p @OWN@)"; done ;;
*--list-conns*) for c in $(ls "$D/charon/conns"); do echo "$c: IKEv2, no reauthentication"; done ;;
*--list-sas*) for c in $(ls "$D/charon/sas"); do echo "$c: #1, ESTABLISHED, IKEv2"; done ;;
*--list-pols*) for c in $(ls "$D/kernel/policies" | sed -n 's/^trap+//p'); do echo "$c/$c-out, TRANSPORT"; done ;;
esac
exit 0
"""
_SYSTEMCTL = """case $1 in
list-units) ls "$D/timers" ;;
is-active) [ -e "$D/watch" ] && echo active || { echo inactive; exit 3; } ;;
stop) shift; case $1 in ipsecplan-watch*) rm -f "$D/watch" ;; *) cd "$D/timers" && rm -f $@ ;; esac ;;
esac
exit 0
"""
_RUN = """for word; do case $word in --unit=*) unit=${word#--unit=} ;; esac; done
echo "$*" >"$D/timers/$unit.timer"
"""


class PlayedNode:
    """A node in the middle of an apply: everything of the transaction is there, from its guard to its SAs."""

    def __init__(self, folder: Path, *, slow: int = 0) -> None:
        self.folder, self.root, self.run_folder = folder, folder / "lib", folder / "run"
        self.bin = folder / "bin"
        self.tx = self.root / "tx" / TX
        self.policies, self.states = folder / "kernel" / "policies", folder / "kernel" / "states"
        self.connections, self.sas = folder / "charon" / "conns", folder / "charon" / "sas"
        self.timers = folder / "timers"
        for made in (self.tx, self.root / "base", folder / "bin", self.run_folder, self.policies, self.states):
            made.mkdir(parents=True)
        for made in (self.connections, self.sas, self.timers, folder / "etc/ipsecplan", folder / "etc/swanctl/conf.d"):
            made.mkdir(parents=True)
        library = _LIBRARY.format(folder=folder)
        for name, text in {
            "ip": _IP,
            "nft": _NFT,
            "swanctl": _SWANCTL,
            "systemctl": _SYSTEMCTL,
            "systemd-run": _RUN,
        }.items():
            path = folder / "bin" / name
            path.write_text(f"#!/bin/sh\n{library}{text.replace('@OWN@', OWN)}")
            path.chmod(0o755)
        self.script = folder / "revert.sh"
        self.script.write_text(moved(folder, quick=True))
        if slow:
            (folder / "slow").write_text(f"{slow}\n")
        self._apply()

    def _apply(self) -> None:
        """Put everything there that an apply puts."""
        conf, etc = self.folder / "etc/swanctl/conf.d", self.folder / "etc/ipsecplan"
        installed = {
            conf / "ipsecplan.conf": "".join(f"{pair} {{ }}\n" for pair in PAIRS),
            conf / "ipsecplan-start.conf": "start trap\n",
            etc / "guard.nft": GUARD,
            etc / "guard-count.nft": GUARD.replace(" drop", ""),
            etc / "start-none.conf": "start none\n",
        }
        for path, text in installed.items():
            path.write_text(text)
        for name, text in {
            "about": "apply " + "f" * 64,
            "pairs": "\n".join(PAIRS),
            "peers": "\n".join(f"{OWN} {peer}" for peer in PEERS),
            "port": "4789",
            "policy": PERMISSIVE,
            "both": "action allow priority 1 tmpl src 0.0.0.0 dst 192.0.2.1 proto esp mode tunnel level use",
            "ipsec.list": "\n".join(f"absent {path}" for path in installed),
            "before": "none - -",
        }.items():
            (self.tx / name).write_text(text + "\n")
        (self.root / "open").write_text(TX + "\n")
        (self.root / "last").write_text(TX + "\n")
        (self.folder / "peers").write_text("".join(f"{a} {b}\n" for a, b in zip(PAIRS, PEERS, strict=True)))
        (self.folder / "guard").write_text(GUARD)
        (self.folder / "watch").touch()
        for pair, peer in zip(PAIRS, PEERS, strict=True):
            (self.connections / pair).touch()
            (self.sas / pair).touch()
            text = f"src {OWN}/32 dst {peer}/32 proto udp dport 4789 \n\tdir out priority 366911\n"
            (self.policies / f"trap+{pair}").write_text(text)
            floor = f"src 0.0.0.0/0 dst {peer}/32 proto udp dport 4789 \n\tdir out action block priority 4000050\n"
            (self.policies / f"floor+{peer}").write_text(floor)
            for one, other in ((OWN, peer), (peer, OWN)):
                (self.states / f"{one}+{other}").write_text(f"src {one} dst {other}\n\tproto esp spi 0x1 reqid 1\n")
        with_socket(self.folder)

    def start(self, *words: str, after: float = 0.0) -> subprocess.Popen[str]:
        """Start the script with these words, in a process group of its own."""
        argv = ["/bin/sh", "-c", f'sleep {after:.3f}; exec /bin/sh "$@"', "sh", str(self.script), *words]
        return subprocess.Popen(
            argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
        )

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run the script to its end."""
        process = self.start(*words)
        said = process.communicate(timeout=120)[0]
        return subprocess.CompletedProcess(words, process.returncode, said)

    def fire(self) -> bool:
        """Let the oldest timer fire, whatever its time; False when there is none."""
        left = sorted(self.timers.iterdir())
        if not left:
            return False
        unit = left[0].name.removesuffix(".timer")
        left[0].unlink()
        self.run("timer", TX, unit)
        return True

    def arm(self, unit: str) -> None:
        """Arm a timer as the agent does."""
        (self.timers / f"{unit}.timer").write_text("")
        (self.run_folder / "timer").write_text(unit + "\n")

    def reverting(self) -> list[str]:
        """Return what the node says is left."""
        return (self.run_folder / "reverting").read_text().splitlines()[1:]

    @property
    def closed(self) -> bool:
        return not (self.root / "open").exists()

    def left(self) -> list[str]:
        """Return everything of the transaction that is still there, looked at from outside."""
        found = [f"connection {path.name}" for path in self.connections.iterdir()]
        found += [f"SA {path.name}" for path in self.sas.iterdir()]
        found += [f"policy {path.name}" for path in self.policies.iterdir()]
        found += [f"state {path.name}" for path in self.states.iterdir()]
        found += [f"timer {path.name}" for path in self.timers.iterdir()]
        found += [f"file {path}" for path in self.folder.glob("etc/**/*") if path.is_file()]
        found += ["guard"] if (self.folder / "guard").exists() else []
        return found + (["watch"] if (self.folder / "watch").exists() else [])


def with_socket(folder: Path) -> None:
    """Make the socket of a charon that runs."""
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(folder / "vici"))


def race(node: PlayedNode, seed: int) -> list[str]:
    """Let two timers fire while the controller rolls back, in an order and at a speed that the seed says.

    Returns what every process said. As the agent does, the controller's words come one after the other.
    """
    dice = random.Random(seed)
    units = [f"ipsecplan-revert-{TX}-{number}" for number in (1, 2)]
    node.arm(units[0])
    first = node.start("timer", TX, units[0], after=dice.uniform(0, 0.1))
    (node.timers / f"{units[0]}.timer").unlink()
    time.sleep(dice.uniform(0, 0.15))
    node.arm(units[1])
    second = node.start("timer", TX, units[1], after=dice.uniform(0, 0.6))
    (node.timers / f"{units[1]}.timer").unlink()
    said = []
    for word in ("relax", "plain", "operator"):
        said.append(f"{word}: " + node.run(word).stdout)
        time.sleep(dice.uniform(0, 0.05))
    for process in (first, second):
        said.append("timer: " + process.communicate(timeout=120)[0])
    return said
