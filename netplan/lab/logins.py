"""How a lab's nodes are logged in to: as root, or as a user who becomes root; directly or through a bastion."""

from __future__ import annotations

import re
import secrets
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netplan.lab.config import GUEST, LabNode
from netplan.lab.paths import write
from netplan.lab.ssh import CONFIG, KEY_FILE, KNOWN_HOSTS, Ssh
from netplan.problems import ExitCode, fail, quoted

ROOT = "root"
METHODS = ("sudo", "sudo-password", "doas", "su")  # how a user becomes root
BY_PASSWORD = ("sudo-password", "su")
PASSWORD_FILE = "become-password"  # noqa: S105  a file of the lab's folder
_USER = re.compile(r"[a-z][a-z0-9-]{0,30}")
LIMIT_S = 300.0
# SHA512 because checking Debian's usual yescrypt takes tens of seconds under emulation; it is long and random.
# Standard input: the password. sshd without PAM lets nobody in whose password is locked ("!"); "*" is no password.
_MAKE = """
read -r password || :
if [ "$1" != root ]; then
    id "$1" >/dev/null 2>&1 || useradd --create-home --shell /bin/sh --password '*' "$1"
    install -d -m 700 -o "$1" "/home/$1/.ssh"
    install -m 600 -o "$1" /root/.ssh/authorized_keys "/home/$1/.ssh/authorized_keys"
fi
rm -f /etc/sudoers.d/lab /etc/doas.conf
umask 337
case $2 in
sudo) echo "$1 ALL=(ALL) NOPASSWD: ALL" >/etc/sudoers.d/lab ;;
sudo-password)
    echo "$1 ALL=(ALL) ALL" >/etc/sudoers.d/lab
    echo "$1:$password" | chpasswd --crypt-method SHA512 --sha-rounds 1000 ;;
doas) echo "permit nopass $1 as root" >/etc/doas.conf ;;
su) echo "root:$password" | chpasswd --crypt-method SHA512 --sha-rounds 1000 ;;
esac
"""


@dataclass(frozen=True, slots=True)
class Login:
    """``user`` on the nodes; ``become``: one of METHODS, "" for root; ``bastion``: only through the machine around."""

    user: str = ROOT
    become: str = ""
    bastion: bool = False

    def __post_init__(self) -> None:
        if not _USER.fullmatch(self.user):
            fail("IPP801", f"no name for a user of the nodes: {quoted(self.user)}", hint="1 to 31 of a-z, 0-9 and '-'")
        if self.become not in ("", *METHODS):
            fail("IPP801", f"a user becomes root by {', '.join(METHODS)}, not {quoted(self.become)}")
        if (self.user == ROOT) != (not self.become):
            fail("IPP801", "root has nothing to become, and every other user has to become root")

    @property
    def words(self) -> str:
        """The login in a few words."""
        return self.user + (f" with {self.become}" if self.become else "") + (", by a bastion" if self.bastion else "")

    def variables(self, folder: Path, options: Sequence[str]) -> dict[str, Any]:
        """Return the connection variables of all nodes; ``options`` are those of ssh_config that say whom to trust."""
        words = [f"-o {shlex.quote(option)}" for option in options]
        if self.bastion:
            words += [f"-F {shlex.quote(str(folder / CONFIG))}", f"-J {GUEST}"]
        found: dict[str, Any] = {
            "ansible_user": self.user,
            "ansible_ssh_private_key_file": str(folder / KEY_FILE),
            "ansible_ssh_common_args": " ".join(words),
        }
        if self.become:
            found |= {"ansible_become": True, "ansible_become_method": self.become.partition("-")[0]}
        return found

    def address(self, node: LabNode, port: int) -> dict[str, Any]:
        """Return where a node is reached; ``port``: of 127.0.0.1, which leads to it."""
        if self.bastion:
            return {"ansible_host": node.management_address}
        return {"ansible_host": "127.0.0.1", "ansible_port": port}


def make(login: Login, ssh: Ssh, nodes: Sequence[LabNode], host_keys: dict[str, str]) -> None:
    """Make the login on the nodes; a password that it needs is made up, and kept in a file of the lab's folder."""
    password = secrets.token_urlsafe(24)
    (ssh.folder / PASSWORD_FILE).unlink(missing_ok=True)
    if login.become in BY_PASSWORD:
        write(ssh.folder / PASSWORD_FILE, password + "\n")
    if login.bastion:  # a node is known by its own address, too
        known = ssh.folder / KNOWN_HOSTS
        more = "".join(f"{node.management_address} {host_keys[node.name]}\n" for node in nodes)
        write(known, known.read_text(encoding="utf-8") + more)
    if login == Login():
        return
    for node in nodes:
        argv = ["sh", "-ec", _MAKE, "-", login.user, login.become]
        done = ssh.run(node.name, argv, stdin=f"{password}\n".encode(), timeout=LIMIT_S)
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip()
            fail("IPP809", f"no login {login.words} on {node.name}: {said}", exit_code=ExitCode.FAILURE)
