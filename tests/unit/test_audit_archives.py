"""Archives of diagnosis tools: members are found, bounded, and damage is one line."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile

import pytest

from netplan.audit import Given, audit, texts
from netplan.audit.inputs import Skipped, Text

LINK = """2: eth0: <BROADCAST,MULTICAST,UP> mtu 1500 qdisc mq state UP group default
9: vx9: <BROADCAST,MULTICAST,UP> mtu 1500 qdisc noqueue state UNKNOWN group default
    link/ether 02:00:00:00:00:01 brd ff:ff:ff:ff:ff:ff promiscuity 0 allmulti 0
    vxlan id 9 remote 192.0.2.2 local 192.0.2.1 srcport 0 0 dstport 4789 ttl auto ageing 300
"""
MEMBERS = {
    "sosreport-a/sos_commands/networking/ip_-d_address": LINK,
    "sosreport-a/etc/cni/net.d/10-x.conflist": '{"cniVersion": "1.0.0", "name": "x", "plugins": [{"type": "bridge"}]}',
    "sosreport-a/var/log/messages": "nothing that counts",
    "sosreport-a/proc/cpuinfo": "x" * 1000,
}


def tar(path, mode, members=None):
    with tarfile.open(path, mode) as archive:
        for name, text in (members or MEMBERS).items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text.encode()))
        link = tarfile.TarInfo("sosreport-a/etc/cni/net.d/11-y.conflist")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)


@pytest.mark.parametrize("kind", ["x.tar", "x.tar.gz", "x.tgz", "x.tar.bz2", "x.tar.xz", "x.zip"])
def test_an_archive_is_read_member_by_member(kind, tmp_path):
    path = tmp_path / kind
    if kind.endswith("zip"):
        with zipfile.ZipFile(path, "w") as archive:
            for name, text in MEMBERS.items():
                archive.writestr(name, text)
    else:
        tar(path, "w:" + {"tgz": "gz", "tar": ""}.get(kind.rpartition(".")[2], kind.rpartition(".")[2]))
    found = list(texts([str(path)]))
    assert [t.path.partition("sosreport-a/")[2] for t in found if isinstance(t, Text)] == [
        "sos_commands/networking/ip_-d_address",
        "etc/cni/net.d/10-x.conflist",
    ]
    report = audit(found, Given())
    assert {f.field for f in report.findings if f.severity == "error"} >= {"vx9 mtu", "plugins[type=bridge].mtu"}


@pytest.mark.parametrize("kind", ["x.tar.gz", "x.tar.xz", "x.tar", "x.zip"])
def test_a_damaged_archive_is_one_line(kind, tmp_path):
    whole = tmp_path / "whole.tar.gz"
    tar(whole, "w:gz")
    path = tmp_path / kind
    path.write_bytes(whole.read_bytes()[:200] if kind != "x.tar.xz" else b"\xfd7zXZ\0 and no more")
    found = list(texts([str(path)]))
    assert any(isinstance(f, Skipped) and "can't be read to its end" in f.reason for f in found), found


def test_a_small_file_that_unpacks_to_a_large_one_is_left(tmp_path, monkeypatch):
    monkeypatch.setattr("netplan.audit.archives.MAX_UNPACKED", 1 << 20)
    path = tmp_path / "x.tar.gz"
    with gzip.open(path, "wb") as raw, tarfile.open(fileobj=raw, mode="w|") as archive:
        info = tarfile.TarInfo("sos_commands/networking/ip_addr")
        info.size = 4 << 20
        archive.addfile(info, io.BytesIO(b"\0" * (4 << 20)))
    (skipped,) = texts([str(path)])
    assert "too large" in skipped.reason


def test_an_archive_of_other_things_says_so(tmp_path):
    path = tmp_path / "x.tar"
    tar(path, "w", {"a/b.txt": "x"})
    found = [t for t in texts([str(path)]) if isinstance(t, Skipped)]
    assert "an archive without a file that audit reads" in found[-1].reason
