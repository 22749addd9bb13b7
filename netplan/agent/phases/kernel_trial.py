"""Can this kernel do it? Tried for real in a throwaway namespace, because a list of modules proves nothing.

Algorithm names: strongSwan's on the left (kernel_netlink_ipsec.c has the same table), the kernel's crypto API on the
right; a key's length in bytes includes the salt of AEADs (RFC 4106, 4309, 4543, 7634).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

from ..system import addresses
from ..system.core import finding, run, run_json, which
from . import packet_trial, xfrm_interfaces

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..protocol.node_json import NodeJson
    from ..protocol.reply import Finding

NAME = "ipsecplan-test-%d"
WATCH_S = 120  # of which a healthy machine needs one
GUARD_TEST = (
    "table inet ipsecplan_test {\n"
    "chain out { type filter hook output priority 0; udp dport 4789 rt ipsec missing counter drop; }\n"
    "chain in { type filter hook input priority 0; udp dport 4789 meta ipsec missing counter drop; }\n}\n"
)
_AEAD = {
    "AES_GCM": ("rfc4106(gcm(aes))", 4),
    "AES_CCM": ("rfc4309(ccm(aes))", 3),
    "NULL_AES_GMAC": ("rfc4543(gcm(aes))", 4),
}
_CIPHERS = {"AES_CBC": ("cbc(aes)", 0), "AES_CTR": ("rfc3686(ctr(aes))", 4), "CAMELLIA_CBC": ("cbc(camellia)", 0)}
_INTEGRITY = {
    "HMAC_SHA1_96": ("hmac(sha1)", 20, 96),
    "HMAC_SHA2_256_128": ("hmac(sha256)", 32, 128),
    "HMAC_SHA2_384_192": ("hmac(sha384)", 48, 192),
    "HMAC_SHA2_512_256": ("hmac(sha512)", 64, 256),
    "AES_XCBC_96": ("xcbc(aes)", 16, 96),
    "AES_CMAC_96": ("cmac(aes)", 16, 96),
}


def words(negotiated: str) -> list[str] | None:
    """Return the words of ``ip xfrm state`` for an algorithm as charon reports it; None when it isn't in our table."""
    cipher, _, integrity = negotiated.partition("/")
    name, _, bits = cipher.partition("-")
    octets = int(bits or 256) // 8
    if name == "CHACHA20_POLY1305":
        return ["aead", "rfc7539esp(chacha20,poly1305)", _key(36), "128"]
    aead = re.fullmatch(r"(AES_GCM|AES_CCM)_(8|12|16)|(NULL_AES_GMAC)", name)
    if aead:
        known, salt = _AEAD[aead[1] or aead[3]]
        return ["aead", known, _key(octets + salt), str(8 * int(aead[2] or 16))]
    if name not in _CIPHERS or integrity not in _INTEGRITY:
        return None
    known, salt = _CIPHERS[name]
    keyed, length, icv = _INTEGRITY[integrity]
    return ["enc", known, _key(octets + salt), "auth-trunc", keyed, _key(length), str(icv)]


def _key(octets: int) -> str:
    return "0x" + "00" * octets  # an SA that no packet ever meets


def trial(node: NodeJson, watchdog: str | None = None) -> list[Finding]:
    """Make and remove a state and a policy for every planned algorithm, in the planned mode, and load a guard.

    ``watchdog`` is the text of guard.sh, which says whether it would hear that the guard was removed.
    """
    name, wrong = NAME % os.getpid(), []
    made = run("ip", "netns", "add", name)
    if made.code != 0:
        return [finding("IPP636", f"no network namespace can be made: {made.said}")]
    try:
        families = dict.fromkeys(":" in address for address in addresses.addresses(node))
        for algorithm in node["esp"]["negotiated"] if node["esp"]["mode"] != "IPTFS" else ():
            for six in families:
                wrong += _one(name, node, algorithm, six)
        done = run("nsenter", "--net=/run/netns/" + name, "nft", "-f", "-", stdin=GUARD_TEST.encode())
        if done.code != 0:
            wrong.append(finding("IPP636", f"the kernel refuses the guard: {done.said}", "modprobe nf_tables nft_xfrm"))
        elif watchdog:
            wrong += _hears(name, watchdog)
        wrong += xfrm_interfaces.kernel_supports(name, node)
    finally:
        run("ip", "netns", "delete", name)
    return wrong + _packets(node, families)


def _packets(node: NodeJson, families: Iterable[bool]) -> list[Finding]:
    """Send a packet where an SA that the kernel accepts may still carry none."""
    mode, per_cpu = node["esp"]["mode"].lower(), node["esp"].get("per_cpu_sas", False)
    if mode != "iptfs" and not per_cpu:
        return []
    for algorithm in node["esp"]["negotiated"]:
        known = words(algorithm)
        if not known:
            continue
        for six in families:
            wrong = packet_trial.findings(mode, known, six=six, per_cpu=per_cpu)
            if wrong:
                return wrong
    return []


def _hears(name: str, watchdog: str) -> list[Finding]:
    done = run(
        "nsenter", "--net=/run/netns/" + name, "/bin/sh", "-s", "hears", stdin=watchdog.encode(), timeout=WATCH_S
    )
    if done.code == 0:
        return []
    text = f"`nft monitor` doesn't report that a table was removed, so nothing would put the guard back: {done.said}"
    return [finding("IPP636", text, "try it by hand: nft monitor, and nft add and delete a table beside it")]


def _one(name: str, node: NodeJson, algorithm: str, six: bool) -> list[Finding]:
    known, mode = words(algorithm), node["esp"]["mode"].lower()
    if known is None:
        return [
            finding("IPP636", f"{algorithm} is not tried on the kernel: no name of it is known", severity="warning")
        ]
    source, destination, width = ("2001:db8::1", "2001:db8::2", "128") if six else ("192.0.2.1", "192.0.2.2", "32")
    ends = ("src", source, "dst", destination)
    xfrm = ("ip", "-n", name, "xfrm")
    encap = ("encap", "espinudp", "4500", "4500", "::" if six else "0.0.0.0")  # noqa: S104  no address is meant
    uses = any(peer["encap"] and (":" in peer["address"]) == six for peer in node["peers"])
    done = run(
        *xfrm,
        "state",
        "add",
        *ends,
        "proto",
        "esp",
        "spi",
        "0x100",
        "reqid",
        "1",
        "mode",
        mode,
        *known,
        *(encap if uses else ()),
    )
    if done.code != 0:
        hint = f"modprobe {'esp6' if six else 'esp4'}, and the modules of {algorithm}; or choose another ipsec.esp"
        return [finding("IPP636", f"the kernel refuses an ESP state with {algorithm}, {mode} mode: {done.said}", hint)]
    selector = ("src", f"{source}/{width}", "dst", f"{destination}/{width}", "proto", "udp", "dport", "4789")
    template = ("tmpl", *ends, "proto", "esp", "reqid", "1", "mode", mode)
    done = run(*xfrm, "policy", "add", "dir", "out", *selector, *template)
    run(*xfrm, "state", "deleteall")
    run(*xfrm, "policy", "deleteall")
    if done.code != 0:
        return [
            finding("IPP636", f"the kernel refuses an IPsec policy, {mode} mode: {done.said}", "modprobe xfrm_user")
        ]
    return []


def bypasses(device: str) -> list[Finding]:
    """Return warnings where packets of a NIC may pass beside the hooks on which the guard stands."""
    out = []
    if any(link.get("xdp") for link in run_json("ip", "-j", "-d", "link", "show", "dev", device)):
        out.append(f"an XDP program on {device}")
    for side in ("egress", "ingress"):
        if " bpf " in run("tc", "filter", "show", "dev", device, side).out:
            out.append(f"an eBPF program on {device} ({side})")
    if which("ethtool") and re.search(r"(?m)^\s*esp-hw-offload: on", run("ethtool", "-k", device).out):
        out.append(f"ESP offload in {device} (`ethtool -K {device} esp-hw-offload off`)")
    hint = "prove it with `ipsecplan verify` after each change of that program or card; block policies act before it"
    return [
        finding("IPP646", f"{what} may take packets past netfilter: fail closed is not promised here", hint, "warning")
        for what in out
    ]
