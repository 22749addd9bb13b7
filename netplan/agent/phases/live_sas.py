"""What charon says of its SAs against what the kernel has, and against its own clock: neither alone is the truth.

A charon that was killed comes back with an empty list while the kernel goes on with its states; and the kernel counts
an SA's life by the wall clock, charon by the monotonic one, so after a step back an SA is neither rekeyed nor ended.
"""

from __future__ import annotations

from ..system import addresses, vici, xfrm
from ..system.core import counted, finding, wait

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..protocol.node_json import NodeJson
    from ..protocol.reply import DriftRow, Finding
    from ..protocol.words import Json

LATE_S = 180  # a rekey is retried every 15 s, and given up after all retransmissions of a request, which take 165 s
RESTART = "systemctl restart strongswan: it removes them when it starts"


def unlike_the_kernel(node: NodeJson) -> list[DriftRow]:
    """Return SAs with peers that the kernel has and charon doesn't know, and the other way round."""
    orphans: list[str] = []
    lost: list[str] = []
    listed: set[str] = set()

    def equal() -> bool:  # a rekey in this very moment is no difference: look again
        sas = [c for _, sa in vici.sas() for c in sa.get("child-sas", {}).values()]
        every = {spi for c in sas for spi in _spis(c)}
        # inbound alone: the outbound one of a rekey is installed only when the peer has it
        installed = {spi for c in sas if c.get("state") == "INSTALLED" for spi in _spis(c, "spi-in")}
        ours = {*addresses.addresses(node), *(peer["address"] for peer in node["peers"])}
        states = [(source, destination, spi[2:].rjust(8, "0")) for source, destination, spi in xfrm.states()]
        there = {spi for _, _, spi in states}
        orphans[:] = [
            spi
            for source, destination, spi in states
            if source in ours and destination in ours and int(spi or "0", 16) and spi not in every
        ]
        lost[:] = sorted(installed - there)
        listed.clear()
        listed.update(every)
        return not orphans and not lost

    if wait(equal, 1.5, 0.5):
        return []
    out = []
    if orphans:
        text = f"unknown to charon: {counted(len(orphans), 'kernel SA')}, first 0x{orphans[0]}"
        if not listed:
            text = (
                f"charon lists none, but the kernel has {counted(len(orphans), 'SA')} "
                "with peers, which carry the traffic"
            )
        out.append(_row(finding("IPP685", text, RESTART), len(orphans), 0))
    if lost:
        text = (
            f"not in the kernel: {counted(len(lost), 'SA')} of charon's list, "
            f"first 0x{lost[0]}; what needs it is dropped"
        )
        hint = "systemctl restart strongswan; somebody flushed the kernel's states (`ip xfrm state flush`)"
        out.append(_row(finding("IPP685", text, hint), len(lost), 0))
    return out


def _spis(child: Json, *keys: str) -> list[str]:
    return [child[key].rjust(8, "0") for key in keys or ("spi-in", "spi-out") if child.get(key)]


def overdue(node: NodeJson, children: dict[tuple[str, str], list[Json]]) -> list[DriftRow]:
    """Return CHILD_SAs that should have been rekeyed or ended by now: times of charon below zero."""
    names = {peer["pair"]: peer["name"] for peer in node["peers"]}
    ended: list[str] = []
    late: list[str] = []
    for (pair, name), sas in children.items():
        for sa in sas:
            rekeying, expires = vici.seconds(sa.get("rekey-time")), vici.seconds(sa.get("life-time"))
            if sa.get("state") != "INSTALLED":
                continue
            if expires is not None and expires < 0:
                ended.append(f"{name} with {names[pair]}: rekeying in {rekeying} s, expires in {expires} s")
            elif rekeying is not None and rekeying < -LATE_S:
                late.append(f"{name} with {names[pair]}: rekeying in {rekeying} s")
    out = []
    if ended:
        text = f"{counted(len(ended), 'CHILD_SA')} past the end of life, because the clock went back; first {ended[0]}"
        hint = "set the clock right; `swanctl --rekey --child NAME` here once for each gives them right times"
        out.append(_row(finding("IPP687", text, hint), len(ended), 0))
    if late:
        text = f"{counted(len(late), 'CHILD_SA')} due for a rekey that has not come; first {late[0]}"
        hint = (
            "`swanctl --rekey --child NAME` here; where that fails the ends differ in their key exchange: "
            "journalctl -u strongswan"
        )
        out.append(_row(finding("IPP687", text, hint), len(late), 0))
    return out


def reauthenticating(node: NodeJson, loaded: Json) -> list[Finding]:
    """Return a finding for each loaded connection to a peer that has ``reauth_time``: both ends would do it."""
    theirs = {peer["address"] for peer in node["peers"]}
    own = {peer["pair"] for peer in node["peers"]}
    out = []
    for name, body in sorted(loaded.items()):
        about = name in own or theirs & set(body.get("remote_addrs") or ())
        if about and (vici.seconds(body.get("reauth_time")) or 0) > 0:
            text = f"the connection {name} has reauth_time ({body['reauth_time']} s), and its peer may have it, too"
            hint = (
                "take it out of /etc/swanctl (an ipsecplan-conn section in another file counts, too), then swanctl "
                "--load-all: with it on both ends IKE_SAs multiply without end; rekey_time does the work"
            )
            out.append(finding("IPP654", text, hint))
    return out


def _row(found: Finding, seen: object, planned: object) -> DriftRow:
    return {**found, "found": str(seen), "planned": str(planned)}
