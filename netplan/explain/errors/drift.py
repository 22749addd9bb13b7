"""Answers to the codes of drift, of what a rollback left, and of verification (IPP680 to IPP691, IPP7xx)."""

from __future__ import annotations

from netplan.explain.errors.entry import BEFORE, LOOKED, CodeHelp

_STATUS = "ipsecplan status bundle  # every difference with its fix"
_AGAIN = "`ipsecplan apply bundle` puts back everything that differs, with exit checks and a rollback timer."
_SAS = "swanctl --list-sas"
_CHARON = "journalctl -u strongswan -b --no-pager | tail -50"
_MEASURED = (
    "`verify` only measures: nothing was changed (exit 5). In `apply`, `try` and `confirm` the transaction was rolled"
    " back (exit 6 or 7); after --raise-mtu the smaller MTU was set again (exit 5)."
)

HELP: dict[str, CodeHelp] = {
    "IPP680": CodeHelp(
        means="A file of the confirmed release is missing, changed, or has another mode on a node; a file of a former"
        " release is still there; or the node has another release, or none.",
        state=LOOKED + " Live SAs and the guard in the kernel don't follow a file until something reloads it.",
        look=(
            _STATUS,
            "ipsecplan diff --live bundle  # what applying would change, and its effect on traffic",
            "stat PATH  # on the node: when was it changed?",
        ),
        remedy="Find out who changed it (configuration management, a package update). " + _AGAIN,
        page="rollout.md#drift",
    ),
    "IPP681": CodeHelp(
        means="A live MTU differs from the plan: of the underlay link, an overlay device, the bridge, a pod, a route,"
        " or of a path for which the kernel learned a smaller one.",
        state=LOOKED
        + " Pairs are encrypted. Where the MTU is too large, or the path too small, full packets are lost.",
        look=(
            "ip link show dev DEVICE; ip route get PEER  # on the node: MTU of the device and of the path",
            "tracepath -n PEER  # on the node: where it gets smaller",
            "ipsecplan verify bundle  # is a full packet lost now?",
        ),
        remedy="A smaller path: mend it, or write it into underlay.paths, render and apply. A device that somebody set:"
        " `ipsecplan apply bundle`; a larger MTU is set only by `ipsecplan apply bundle --raise-mtu`.",
        page="rollout.md#drift",
    ),
    "IPP682": CodeHelp(
        means="charon has not what was confirmed: a connection or trap is missing, an SA has another algorithm, mode or"
        " identity, or a pair is deferred because a node was left out.",
        state=LOOKED + " A deferred pair is clear until it is completed. Any other pair without an SA is fail closed:"
        " its clear packets are dropped.",
        look=(_STATUS, _SAS, "swanctl --list-conns; swanctl --list-pols --trap"),
        remedy="Missing connections or traps: `swanctl --load-all --noprompt` on the node. A deferred pair: `ipsecplan"
        " apply bundle` when that node is back. A foreign identity: look at that host before anything else.",
        page="rollout.md#drift",
    ),
    "IPP683": CodeHelp(
        means="Fail closed has a gap: the guard is not loaded, changed or only counts; block policies are missing or"
        " too many; the guard watchdog does not run; the permissive policy is still there; a setting (disable_xfrm,"
        " disable_policy) takes IPsec off the underlay link; or a rollback timer is armed on a confirmed node.",
        state=LOOKED + " Live pairs are encrypted. If both guard and block policies are gone, a pair without an SA"
        " would send in clear.",
        look=(
            "nft list table inet ipsecplan",
            "ip xfrm policy | grep -B1 -A2 'action block'  # one per peer",
            "systemctl status ipsecplan-watch ipsecplan-guard; journalctl -u ipsecplan-watch -b | tail",
            "systemctl list-timers 'ipsecplan-revert-*' --all",
        ),
        remedy="`systemctl restart ipsecplan-guard ipsecplan-watch` on the node loads both again. Then find out who"
        " flushes nftables or XFRM. A timer of a confirmed release: `systemctl stop` it, as the hint says. " + _AGAIN,
        page="rollout.md#fail-closed",
    ),
    "IPP684": CodeHelp(
        means="A node's certificate or the CA has used two thirds of its life (a warning), has expired, or is not valid"
        " yet because the clock is wrong.",
        state=LOOKED
        + " Live SAs go on and are rekeyed. With an expired certificate no new IKE_SA is made: a pair is lost"
        " when charon restarts, the node reboots or the peer is given up, and then its packets are dropped.",
        look=(
            "ipsecplan ca show CLUSTER  # days left of the CA and of every certificate",
            "openssl x509 -noout -dates -in /etc/swanctl/x509/ipsecplan.pem  # on the node",
            "timedatectl  # on the node",
        ),
        remedy="`ipsecplan rotate certificates bundle`, or `ipsecplan rotate ca bundle` where the CA is due and still"
        " valid. Both work under live SAs. A CA that has expired signs nothing any more: see 'A certificate has"
        " expired' in runbook.md.",
        page="strongswan.md#rotation",
    ),
    "IPP685": CodeHelp(
        means="The kernel has SAs with peers that charon doesn't know: a charon that was killed left them, and nobody"
        " will rekey them. Its successor lists no SA while they carry everything, so an empty list is not 'no traffic'."
        " Or charon lists SAs that the kernel lacks: somebody flushed its states.",
        state=LOOKED + " Into SAs that charon doesn't know peers send until they expire; then the pair drops until a"
        " new SA is made. What would need an SA that the kernel lacks is dropped now, and charon isn't told.",
        look=("ip -s xfrm state list nokeys  # SPIs and counters", _SAS, _CHARON),
        remedy="`systemctl restart strongswan` on the node: a starting charon removes them and tells the peers"
        " (pairs of that node pause for some seconds; 4 s were measured).",
        page="rollout.md#fail-closed",
    ),
    "IPP686": CodeHelp(
        means="A rollback has not removed everything: a connection, SA, policy, the guard, a file or a timer of ours is"
        " left on the node, or the rollback is under way.",
        state="The transaction stays open on that node, which tries again by timers 15 s to 15 minutes apart and at"
        " each boot. Preflight and `arm` report as a warning what an earlier version left; `arm` removes it.",
        look=(
            _STATUS,
            "journalctl -b -u 'ipsecplan-revert-*' --no-pager | tail -30  # on the node",
            "systemctl list-timers 'ipsecplan-*' --all  # on the node: when it tries again",
        ),
        remedy="Wait for its next try, or `ipsecplan revert bundle`, which rolls back at once. If it stays, remove what"
        " holds it (a charon that hangs, a read-only file system).",
        page="rollout.md#when-the-controller-dies",
    ),
    "IPP687": CodeHelp(
        means="CHILD_SAs are there though charon's times for them are over ('rekeying in -35 s, expires in -27 s')."
        " The kernel counts an SA's life by the wall clock, charon by the monotonic one: after a clock that went back"
        " they are neither rekeyed nor ended until it is where it was. IKE_SAs are rekeyed all the same.",
        state=LOOKED + " Traffic goes on, with keys that get older; no packet is lost by it.",
        look=(
            "swanctl --list-sas | grep -E 'rekeying|expires'  # negative times",
            "timedatectl; journalctl -b | grep -i 'time.*changed\\|clock' | tail  # on the node",
        ),
        remedy="Set the clock right, then `swanctl --rekey --child NAME` once for each: the new SAs have right times on"
        " both ends. One end with a right clock is enough, which rekeys by itself. A clock that goes forward needs"
        " nothing, but one that was ahead at both ends goes back when it is set right.",
        page="strongswan.md#lives-rekeys-and-dpd",
    ),
    "IPP690": CodeHelp(
        means="With ipsec.xfrm_interface: an interface towards a peer, its route, the rule, or the prohibit route"
        " behind it is not as planned.",
        state="`status` changed nothing. In a change the transaction was rolled back. Without a route into its"
        " interface a peer's packets meet the prohibit route and are dropped.",
        look=(
            "ip -d link show type xfrm",
            "ip rule; ip route show table all | grep -E 'ipsecplan|prohibit'",
            "sh /usr/local/lib/ipsecplan/route.sh check; echo $?  # on the node: 1 where something is missing",
        ),
        remedy="Missing routes: `sh /usr/local/lib/ipsecplan/route.sh hold` on the node. Delete an interface that is"
        " not as planned (`ip link delete NAME`). " + _AGAIN,
        page="strongswan.md#route-based-tunnels",
    ),
    "IPP691": CodeHelp(
        means="The routing table or an interface name that route-based tunnels need is used by something else on the"
        " node.",
        state=BEFORE,
        look=("ip route show table all | grep -v 'table local'", "ip -d link show type xfrm"),
        remedy="Free what the message names, or use ipsec.xfrm_interface: false, render and review.",
        page="strongswan.md#route-based-tunnels",
    ),
    "IPP701": CodeHelp(
        means="A node could not measure: the CNI list or a CNI plugin is missing, no probe pod could be made, no pod"
        " address is free, or no pair is left.",
        state=_MEASURED,
        look=("ls /etc/cni/net.d /opt/cni/bin /usr/lib/cni  # on the node", _STATUS),
        remedy="Install the plugins that the message names (containernetworking-plugins), or free addresses of the"
        " node's pod_cidr. Then `ipsecplan verify bundle`.",
        page="rollout.md#verification",
    ),
    "IPP702": CodeHelp(
        means="The node's routing table has no route to the underlay address of a peer.",
        state="In preflight and `verify` nothing was changed; later the transaction was rolled back (exit 6 or 7).",
        look=("ip route get PEER", "ip -br addr; ip route  # on the node: is the link up, is there a default route?"),
        remedy="Bring the link up, or restore the route; then repeat the command.",
        page="rollout.md#preflight",
    ),
    "IPP703": CodeHelp(
        means="One direction of a pair is not as planned. The message lists what: the full packet does not arrive, one"
        " byte more was not refused, no ESP or ESP of another size left, plaintext was seen, or the flow was broken.",
        state=_MEASURED,
        look=(
            "ipsecplan verify bundle  # again: was something else changing meanwhile?",
            _STATUS,
            "tcpdump -Q out -ni DEVICE -c 20 'esp or udp port 4500'  # on the node: sizes on the wire",
            "ping -M do -c 3 -s SIZE PEER  # on the node: does the underlay carry the planned MTU?",
        ),
        remedy="'does not arrive': the path is smaller than planned, set underlay.paths, render, apply. Plaintext seen:"
        " look for IPP683 in `ipsecplan status bundle` first. Not measured: see the problem of that node.",
        page="rollout.md#verification",
    ),
    "IPP704": CodeHelp(
        means="An XFRM error counter of a node rose while a measurement ran: packets came that no SA or policy fits, or"
        " that were replayed or damaged.",
        state=_MEASURED,
        look=(
            "cat /proc/net/xfrm_stat  # on the node, twice: which counter rises?",
            "ip -s xfrm state list nokeys",
            _SAS,
        ),
        remedy="XfrmInNoStates: a peer sends into an SA that is gone, restart strongswan there. XfrmInNoPols or"
        " XfrmInTmplMismatch: clear packets arrive where ESP is due, look for their sender. Then `ipsecplan verify"
        " bundle`.",
        page="rollout.md#verification",
    ),
    "IPP705": CodeHelp(
        means="A node was left out of the confirmed transaction (--skip-unreachable or --exclude), so its pairs are not"
        " measured.",
        state="`verify` changed nothing (exit 5). The pairs of that node are as they were before that transaction;"
        " `status` lists them as deferred. All others were measured.",
        look=(_STATUS, "ssh USER@NODE true  # from the control machine: is it back?"),
        remedy="When it is back: `ipsecplan apply bundle` completes its pairs. To measure without it: `ipsecplan verify"
        " bundle --exclude NODE`.",
        page="rollout.md#which-nodes-in-what-order",
    ),
}
