"""Phase ``preflight``: everything that could make the change fail, looked for before anything is changed."""

from __future__ import annotations

import json
import os
import re

from . import core, mtu, state, vici, xfrm
from .core import Stop, finding, read, remove, run, which

TOOLS = {
    "swanctl": "strongswan-swanctl", "nft": "nftables", "ip": "iproute2", "nsenter": "util-linux", "ping": "iputils-ping",
    "systemd-run": "systemd", "timeout": "coreutils", "ss": "iproute2",
}  # fmt: skip
SKEW_S = 60
GUARD_TEST = (
    "table inet ipsecplan_test { chain out { type filter hook output priority 0; udp dport 4789 rt ipsec missing counter drop; }; "
    "chain in { type filter hook input priority 0; udp dport 4789 meta ipsec missing counter drop; }; }\n"
)


def preflight(node, tx, skew, payload_bytes):
    """Look at everything and report all findings at once. ``skew``: this clock minus the controller's, in seconds."""
    if os.geteuid() != 0:
        raise Stop(finding("IPP630", "the login is not root", "set ansible_user=root or ansible_become=true"))
    missing = sorted(name for name in TOOLS if not which(name))
    if not which("openssl") and not which("pki"):
        missing.append("openssl")
    if missing:
        packages = " ".join(sorted({TOOLS.get(name, name) for name in missing}))
        raise Stop(finding("IPP631", "programs are missing: %s" % " ".join(missing), "install %s" % packages))
    wrong = []
    test = _timer_start()
    if abs(skew) > SKEW_S:
        wrong.append(finding("IPP632", "the clock is %+d s off the controller's" % skew, "certificates need true time: set NTP up"))
    wrong += _charon() + _disk(payload_bytes) + _kernel() + _underlay(node) + _overlay(node) + _other(node, tx)
    wrong += _paths(node)
    if not _timer_fired(test):
        wrong.append(finding("IPP633", "a systemd-run timer of 1 s did not fire within 15 s: no dead-man timer here"))
    if any(f["severity"] == "error" for f in wrong):
        raise Stop(*wrong)
    return {"changed": False, "notes": wrong,
            "detail": "ready; %d bytes reach %d peers" % (node["underlay"]["mtu"], len(node["peers"]))}  # fmt: skip


def _timer_start():
    mark = "%s/self-test-%d" % (state.RUN, os.getpid())
    unit = "ipsecplan-self-test-%d" % os.getpid()
    run("systemd-run", "--quiet", "--collect", "--unit=" + unit, "--on-active=1s",
        "--timer-property=AccuracySec=100ms", which("touch"), mark)  # fmt: skip
    return mark


def _timer_fired(mark):
    return core.wait(lambda: os.path.exists(mark), 15) and remove(mark)


def _charon():
    wrong, everything = [], run("ss", "-Hlunp").out.splitlines()
    for port in (500, 4500):
        lines = [line for line in everything if re.search(r":%d\s" % port, line)]
        owners = {(name, pid) for line in lines for name, pid in re.findall(r'\("([^"]+)",pid=(\d+)', line)}
        if not owners:
            wrong.append(finding("IPP634", "nothing listens on UDP %d" % port, "start strongSwan: systemctl start strongswan"))
        elif len({pid for _, pid in owners}) > 1 or not all("charon" in name for name, _ in owners):
            names = ", ".join("%s (%s)" % owner for owner in sorted(owners))
            wrong.append(finding("IPP634", "UDP %d is held by %s" % (port, names), "one charon must own it alone"))
    return wrong


def _disk(payload_bytes):
    wrong, needed = [], 8 * 2**20 + 3 * payload_bytes
    for folder in ("/etc", "/var/lib", "/run"):
        disk = os.statvfs(folder)
        free = disk.f_bavail * disk.f_frsize
        if free < needed or (disk.f_files and disk.f_favail < 500):
            wrong.append(finding("IPP635", "%s has %d KiB free, %d are needed" % (folder, free // 1024, needed // 1024)))
    return wrong


def _kernel():
    """Try ESP and the guard for real in a throwaway namespace: a module list proves nothing."""
    name, wrong = "ipsecplan-test-%d" % os.getpid(), []
    run("ip", "netns", "add", name)
    try:
        done = run(
            "ip", "-n", name, "xfrm", "state", "add", "src", "192.0.2.1", "dst", "192.0.2.2", "proto", "esp", "spi", "0x100",
            "reqid", "1", "mode", "transport", "aead", "rfc4106(gcm(aes))", "0x" + "00" * 36, "128",
        )  # fmt: skip
        if done.code != 0:
            wrong.append(finding("IPP636", "the kernel refuses an ESP state (AES-GCM): %s" % done.said, "modprobe esp4 esp6 gcm"))
        done = run("nsenter", "--net=/run/netns/" + name, "nft", "-f", "-", stdin=GUARD_TEST.encode())
        if done.code != 0:
            wrong.append(finding("IPP636", "the kernel refuses the guard: %s" % done.said, "modprobe nf_tables nft_xfrm"))
    finally:
        run("ip", "netns", "delete", name)
    return wrong


def _underlay(node):
    address, planned = node["underlay"]["address"], node["underlay"]["mtu"]
    try:
        links = json.loads(run("ip", "-j", "addr", "show", "to", address).out or "[]")
    except ValueError:
        links = []
    links = [link for link in links if link.get("addr_info")]
    if not links:
        return [finding("IPP637", "the underlay address %s is not on this node" % address)]
    if links[0]["mtu"] < planned:
        text = "%s has MTU %d, the plan says %d" % (links[0]["ifname"], links[0]["mtu"], planned)
        return [finding("IPP637", text, "correct underlay.mtu in the plan and render again")]
    return []


def _overlay(node):
    wrong, overlay = [], node["overlay"]
    here = mtu.links(extra=("type", overlay["type"]))
    everything = mtu.links()
    for device in overlay["devices"]:
        link = everything.get(device["name"])
        if link is None:
            if run("systemctl", "is-active", "systemd-networkd").out.strip() != "active":
                wrong.append(finding("IPP638", "%s is missing and systemd-networkd, which would make it, is not active" % device["name"]))
            continue
        if device["name"] not in here:
            wrong.append(finding("IPP638", "%s exists and is no %s device" % (device["name"], overlay["type"])))
            continue
        detail = json.loads(run("ip", "-d", "-j", "link", "show", "dev", device["name"]).out)[0]
        data = detail.get("linkinfo", {}).get("info_data", {})
        found = (data.get("id"), data.get("port"))
        if found != (overlay["vni"], overlay["port"]):
            wrong.append(finding("IPP638", "%s has VNI %s and port %s, the plan says %d and %d" % (
                device["name"], found[0], found[1], overlay["vni"], overlay["port"])))  # fmt: skip
        if link["mtu"] < device["mtu"]:
            wrong.append(finding("IPP639", "%s has MTU %d and the plan would raise it to %d" % (device["name"], link["mtu"], device["mtu"]),
                                 "an MTU is never raised under encryption: revert first (it raises the MTU), then apply"))  # fmt: skip
    return wrong


def _other(node, tx):
    """Other transactions, other IPsec on this node."""
    wrong, now = [], state.load()
    if now["state"] == "open" and now["tx"] != tx:
        wrong.append(finding("IPP602", "another transaction is open on this node: %s" % now["tx"],
                             "wait for its timer, or `ipsecplan revert` it"))  # fmt: skip
    ours = now["state"] != "none"
    policies = xfrm.policies()
    mine = [p for p in policies if xfrm.of_overlay(p, node["overlay"]["port"])]
    foreign = len(policies) - len(mine)
    peers = {node["underlay"]["address"]} | {peer["address"] for peer in node["peers"]}
    strange = [s for s in xfrm.states() if not (ours and s[0] in peers and s[1] in peers)]
    if foreign or (mine and not ours) or strange:
        count = foreign + (0 if ours else len(mine))
        wrong.append(finding("IPP640", "%d IPsec policies and %d states here are not ours" % (count, len(strange)),
                             "another IPsec program is at work; ipsecplan does not share a host with it yet"))  # fmt: skip
    try:
        loaded = set(vici.connections())
    except Stop as stop:
        return wrong + stop.findings
    old = set((read(state.tx_folder(now["tx"]) + "/pairs") or "").split()) if now["tx"] else set()
    alien = sorted(loaded - {peer["pair"] for peer in node["peers"]} - old)
    if alien or (loaded and not ours):
        wrong.append(finding("IPP640", "charon has connections that are not ours: %s" % ", ".join(alien or sorted(loaded))))
    return wrong


def _paths(node):
    """DF pings of the whole underlay MTU through the real path to every peer."""
    size = node["underlay"]["mtu"]

    def one(peer):
        mtu_here = peer.get("link_mtu", size)
        answers, refused, said = mtu.ping((), peer["address"], mtu_here, 2, 3)
        if answers:
            return []
        small = mtu.ping((), peer["address"], 500, 1, 2)[0]
        if not small:
            return [finding("IPP641", "%s (%s) does not answer a ping" % (peer["name"], peer["address"]), said)]
        why = said if refused else "a larger packet vanishes on the way"
        return [finding("IPP641", "a DF packet of %d bytes does not reach %s: %s" % (mtu_here, peer["name"], why),
                        "the path MTU is smaller than the plan says: set underlay.mtu or underlay.paths")]  # fmt: skip

    return [f for found in core.each(one, node["peers"]) for f in found]
