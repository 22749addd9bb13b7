"""A rollback on real file systems that are full or read-only: the real revert.sh in a mount namespace. Needs root."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.support.played_node import PAIRS, PlayedNode
from tests.support.revert_script import TX

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
]


def in_namespace(node: PlayedNode, before: str, between: str) -> list[str]:
    """Roll back twice in one mount namespace, after ``before`` and after ``between``; return what is there each time.

    Each is the exit code, whether the transaction is open, and what the node says is left.
    """
    look = (
        f'echo "$? $([ -e {node.root}/open ] && echo open || echo closed) '
        f'$(sed 1d {node.run_folder}/reverting 2>/dev/null | tr "\\n" ";")" >>{node.folder}/looks'
    )
    copies = "".join(f"cp -a {place} {place}.after; " for place in (node.root, node.folder / "etc"))
    run = f"sh {node.script} timer {TX} >>{node.folder}/said 2>&1; {look}"
    script = f"set -u\n{before}\n{run}\nrm -f {node.run_folder}/timer\n{between}\n{run}\n{copies}"
    done = subprocess.run(["unshare", "--mount", "sh", "-c", script], capture_output=True, text=True, timeout=120)
    assert done.stderr == "", done.stderr
    return (node.folder / "looks").read_text().splitlines()


def on_tmpfs(place: Path, size: str) -> str:
    """Return what puts a folder on a small file system of its own, with all that is in it."""
    return f"cp -a {place} {place}.copy; mount -t tmpfs -o size={size} drill {place}; cp -a {place}.copy/. {place}"


@pytest.fixture
def node(tmp_path: Path) -> PlayedNode:
    """A node whose connections file of before has to come back."""
    node = PlayedNode(tmp_path / "node")
    path = node.folder / "etc/swanctl/conf.d/ipsecplan.conf"
    copy = Path(f"{node.tx}/tree{path}")
    copy.parent.mkdir(parents=True)
    copy.write_text("# of before" + "\n" * 20_000)
    listed = (node.tx / "ipsec.list").read_text()
    (node.tx / "ipsec.list").write_text(listed.replace(f"absent {path}", f"present {path}"))
    return node


def test_a_full_disk_keeps_the_transaction_open_and_charon_clear(node: PlayedNode) -> None:
    etc = node.folder / "etc"
    full = f"{on_tmpfs(etc, '64k')}; head -c 1M /dev/zero >{etc}/fill 2>/dev/null"
    first, second = in_namespace(node, full, f"rm {etc}/fill")
    assert first.startswith("1 open ")
    assert "files can't be put back" in first
    assert second == "0 closed "
    assert not [text for text in node.left() if not text.startswith(("file", "timer"))]
    assert (node.folder / "etc.after/swanctl/conf.d/ipsecplan.conf").read_text().startswith("# of before")


def test_a_disk_of_the_state_that_is_full_keeps_the_transaction_open(node: PlayedNode) -> None:
    full = f"{on_tmpfs(node.root, '200k')}; head -c 1M /dev/zero >{node.root}/fill 2>/dev/null"
    first, second = in_namespace(node, full, f"rm {node.root}/fill")
    assert first == f"1 open the state can't be written to {node.root};"
    assert second == "0 closed "
    assert '"state": "none"' in (node.folder / "lib.after/state.json").read_text()


def test_a_read_only_root_keeps_the_transaction_open_and_nothing_loaded(node: PlayedNode) -> None:
    """No file can be changed, so charon gets an empty set of connections from /run."""
    places = (node.folder / "etc", node.root)
    shut = "; ".join(f"mount --bind {p} {p}; mount -o remount,ro,bind {p}" for p in places)
    (first, second) = in_namespace(node, shut, "; ".join(f"umount {p}" for p in places))
    assert first.startswith("1 open ")
    assert "is still there" in first
    assert "connection" not in first
    assert PAIRS[0] not in (node.folder / "said").read_text()
    assert second == "0 closed "
    assert not [text for text in node.left() if not text.startswith(("file", "timer"))]
