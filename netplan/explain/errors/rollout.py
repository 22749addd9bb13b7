"""Answers to the codes of a node in the middle of a change (IPP601 to IPP623)."""

from __future__ import annotations

from netplan.explain.errors.entry import ROLLED_BACK, CodeHelp
from netplan.model.cni_facts import PORTS

_STATUS = "ipsecplan status bundle  # per node: open, confirmed or none; who holds the lease"
_SHOW = "ipsecplan show TX  # the phases of the transaction; `ipsecplan history` lists them"
_CHARON = "journalctl -u strongswan -b --no-pager | tail -50  # charon's last words"
_SAS = "swanctl --list-sas  # IKE_SAs and their CHILD_SAs"
_CONNS = "swanctl --list-conns"
_POLICIES = "ip xfrm policy  # policies in the kernel"
_GUARD = "nft list table inet ipsecplan  # the guard, its mode and counters"
# on each suspect
_CLEAR = f"tcpdump -Q out -ni DEVICE 'udp port {PORTS['vxlan']}'  # clear packets? (Geneve: {PORTS['geneve']})"
_MTUS = "ip -d link  # MTU of every device, and why a smaller device limits it"

HELP: dict[str, CodeHelp] = {
    "IPP601": CodeHelp(
        means="A node got a request that its agent refuses: not JSON, an unknown phase, no lease, or a name, path or"
        " digest in a form that ipsecplan never sends. The agent travels with each request, so versions can't differ.",
        state="The node did nothing of this step. Before the first change everything is as it was; later the"
        " transaction was rolled back on every node (exit 6 or 7).",
        look=(_STATUS, _SHOW),
        remedy="Make sure that one installation of ipsecplan is used, and that the bundle was rendered by it. If it"
        " comes again, it is a defect: report it with the journal of the transaction.",
        page="protocol.md",
    ),
    "IPP602": CodeHelp(
        means="A node is busy: another transaction is open on it, another request is being worked off, or another"
        " measurement runs.",
        state="This command changed nothing on that node. The other transaction goes on; unless it is confirmed, its"
        " rollback timer ends it.",
        look=(_STATUS, "systemctl list-timers 'ipsecplan-revert-*' --all  # on the node: when it rolls back"),
        remedy="Wait for the other command. If its control process is dead: `ipsecplan resume bundle` finishes it,"
        " `ipsecplan revert bundle` rolls it back.",
        page="rollout.md#who-may-change-a-node",
    ),
    "IPP603": CodeHelp(
        means="The command is about a transaction or release that the node does not have: it was rolled back there,"
        " it is being rolled back now, or (`rotate`, raising the MTU) this bundle was never confirmed on it.",
        state="`rotate` and `apply --raise-mtu` changed nothing. In a transaction all nodes are rolled back: exit 6, or"
        " 7 while one is not seen to be back.",
        look=(_STATUS, "journalctl -b -u 'ipsecplan-revert-*'  # on the node: when its timer fired"),
        remedy="Wait until `ipsecplan status bundle` shows no open transaction, then `ipsecplan apply bundle`. For"
        " `rotate` name the bundle that is confirmed.",
        page="rollout.md#when-the-controller-dies",
    ),
    "IPP604": CodeHelp(
        means="The revert script failed on a node, or a path that the release writes holds something that is no"
        " regular file (a link, a folder), which is never overwritten.",
        state="While a release is staged, the transaction is rolled back (exit 6 or 7). While a rollback runs, it"
        " stays open on that node, which tries again by timers 15 s to 15 minutes apart and at each boot.",
        look=(_STATUS, "journalctl -b -u 'ipsecplan-revert-*'  # what the script said", "ls -ld PATH; df -h /"),
        remedy="Remove the obstacle that the message names (move the path away, make room). The node goes on by"
        " itself; `ipsecplan revert bundle` tries at once.",
        page="rollout.md#when-the-controller-dies",
    ),
    "IPP605": CodeHelp(
        means="What arrived on a node is not what the manifest says: another content, a file too many or too few, or"
        " a place that no release may write to.",
        state="Nothing of the release was installed on that node. " + ROLLED_BACK,
        look=("ipsecplan diff bundle bundle  # reads the bundle again and checks every digest", _STATUS),
        remedy="Render the bundle again and apply it. If it comes again, something changes data between the control"
        " machine and the node: find out what before you go on.",
        page="architecture.md#what-holds-everywhere",
    ),
    "IPP606": CodeHelp(
        means="The node's private key (/etc/swanctl/private/ipsecplan.pem) can be read by other users, or the new key"
        " of a rotation is gone.",
        state="`status` changed nothing. In `apply` the transaction was rolled back; in `rotate` the old key stays in"
        " use. Pairs are encrypted as before, but somebody on the node may know the key.",
        look=("ls -l /etc/swanctl/private  # expected: -rw------- root root", "last -n 20  # who was on this node"),
        remedy="`chmod 600 /etc/swanctl/private/ipsecplan.pem`, then `ipsecplan rotate certificates bundle`, because"
        " others may have read it.",
        page="strongswan.md#rotation",
    ),
    "IPP607": CodeHelp(
        means="The cluster's CA, its passphrase, a backup, a public key or a node's certificate request can't be used:"
        " missing, damaged, expired, readable by others, of another cluster, or the key of another node. The message"
        " names the file and the reason.",
        state="Live SAs don't use the CA, so encrypted pairs stay encrypted. `ca` and `rotate` changed nothing that was"
        " in use. `apply` that had begun is rolled back (exit 6 or 7).",
        look=(
            "ipsecplan ca show CLUSTER  # the CA, what it issued, days left",
            "ls -lR ~/.local/state/ipsecplan/clusters/CLUSTER/ca  # keys 0600, owned by you",
        ),
        remedy="Restore what is missing: `ipsecplan ca restore CLUSTER ARCHIVE`. Give the passphrase in the file that"
        " IPSECPLAN_CA_PASSPHRASE_FILE names. Without a backup see 'The CA is lost' in runbook.md.",
        page="strongswan.md#credentials",
    ),
    "IPP608": CodeHelp(
        means="The state directory can't be used: it is a symbolic link, belongs to or can be written by somebody"
        " else, can't be read, or another ipsecplan process holds its lock. As a warning of `verify`: an apply began"
        " while it measured.",
        state="This command changed nothing. The process that holds the lock goes on.",
        look=(_STATUS, "ls -ld ~/.local/state/ipsecplan ~/.local/state/ipsecplan/clusters/*  # drwx------, yours"),
        remedy="Wait for the process that the message names (verb, process, start, user@host). Otherwise correct owner"
        " and mode (0700), or name another folder with --state-dir; the CA must come along.",
        page="rollout.md#who-may-change-a-node",
    ),
    "IPP609": CodeHelp(
        means="The agent on a node ended with an error that it does not expect: a defect of ipsecplan, or a file that"
        " disappeared while its rollback timer fired.",
        state=ROLLED_BACK + " In `rotate` live SAs are not affected.",
        look=(_STATUS, _SHOW),
        remedy="Report the message with the output of `ipsecplan show TX`. If IPP676 stands beside it, treat that"
        " first: the timer was the cause.",
        page="rollout.md#when-the-controller-dies",
    ),
    "IPP610": CodeHelp(
        means="A command that must succeed on a node failed (ip, nft, systemctl, ...), or printed what can't be read."
        " The message has the command, its exit code and its words.",
        state=ROLLED_BACK + " In `status` and `verify` nothing was changed.",
        look=(_STATUS, "journalctl -b -n 50 --no-pager  # what the node says of that moment", "dmesg | tail -20"),
        remedy="Run the command of the message on the node, remove its cause, and apply again.",
        page="rollout.md#the-phases",
    ),
    "IPP611": CodeHelp(
        means="charon does not answer on its control socket (vici): it is not running, hangs, or is a strongSwan"
        " without charon-systemd.",
        state="In preflight and `status` nothing was changed; later the transaction was rolled back. From `enforce` on"
        " a node without charon is fail closed: packets to a peer without an SA are dropped, not sent in clear.",
        look=("systemctl status strongswan", _CHARON, "ls -l /run/charon.vici /var/run/charon.vici"),
        remedy="`systemctl restart strongswan` on the node, then `ipsecplan status bundle`. If it does not start, see"
        " 'charon does not start' in runbook.md.",
        page="rollout.md#fail-closed",
    ),
    "IPP612": CodeHelp(
        means="The node did not take the leak guard (the nftables table inet ipsecplan) or a block policy, or the"
        " guard watchdog does not run.",
        state=ROLLED_BACK,
        look=(
            "sh /usr/local/lib/ipsecplan/guard.sh load  # nft's own words, while a release is installed",
            "journalctl -u ipsecplan-watch -b --no-pager | tail",
            "lsmod | grep -E 'nf_tables|nft_xfrm'",
        ),
        remedy="Load the missing modules (`modprobe nf_tables nft_xfrm`), or correct what stops the unit; then apply"
        " again.",
        page="rollout.md#fail-closed",
    ),
    "IPP613": CodeHelp(
        means="charon did not load the credentials or connections: swanctl refused the file, a connection is missing"
        " afterwards, or charon ended meanwhile.",
        state=ROLLED_BACK + " In `rotate` the old credentials stay in use on nodes that had no new ones yet.",
        look=("swanctl --load-all --noprompt  # names the section that is refused", _CONNS, _CHARON),
        remedy="Correct what swanctl names: a foreign file in /etc/swanctl/conf.d with a fault stops all of them."
        " Then apply again, or repeat `ipsecplan rotate certificates bundle`.",
        page="strongswan.md#reading-back",
    ),
    "IPP614": CodeHelp(
        means="A node has no IKE_SA with a peer in the phase ike-check. The message ends with charon's last word on"
        " that peer. Usual causes: UDP 500 or 4500 is filtered, a clock is wrong, a credential is refused.",
        state="Nothing was encrypted yet in this transaction. " + ROLLED_BACK,
        look=(
            _CHARON,
            "tcpdump -ni any 'udp port 500 or udp port 4500'  # do requests arrive, do answers leave?",
            "timedatectl  # synchronized on both nodes?",
        ),
        remedy="AUTHENTICATION_FAILED: credentials or clock. NO_PROPOSAL_CHOSEN: let `ipsecplan facts bundle` collect"
        " what the nodes can, and render again. No answer: open UDP 500 and 4500. Then apply again.",
        page="rollout.md#the-phases",
    ),
    "IPP615": CodeHelp(
        means="A node has CHILD_SAs or IPsec policies for the planned pairs before encryption was switched on. They"
        " are of another program, or of a peer that is ahead.",
        state="Nothing was encrypted by this transaction. " + ROLLED_BACK,
        look=(_SAS, _POLICIES, "ls /etc/swanctl/conf.d /etc/ipsec.d  # whose connections?"),
        remedy="Remove the other program's connections from both nodes, then apply again.",
        page="rollout.md#preflight",
    ),
    "IPP616": CodeHelp(
        means="The kernel did not keep the permissive policy, which lets clear and encrypted packets in while the"
        " ends switch one after the other. Another program manages XFRM policies on the node.",
        state="No packet was encrypted yet. " + ROLLED_BACK,
        look=(_POLICIES, "ip xfrm monitor  # who changes policies?", "ps -eo pid,args | grep -E 'pluto|charon|racoon'"),
        remedy="Stop the program that flushes XFRM policies, then apply again.",
        page="decisions/0065-permissive-policy.md",
    ),
    "IPP617": CodeHelp(
        means="A pair has no CHILD_SA, or one with another algorithm, mode or selector than planned. The message says"
        " what differs, or ends with charon's last word.",
        state=ROLLED_BACK,
        look=(_SAS, _CHARON, "ip -s xfrm state list nokeys  # SAs in the kernel with algorithm and counters"),
        remedy="Compare both ends with `ipsecplan status bundle`. A proposal that one end lacks: `ipsecplan facts"
        " bundle`, then render and apply again.",
        page="strongswan.md#mixed-fleets",
    ),
    "IPP618": CodeHelp(
        means="Not all trap policies are there after the wait, or SAs ended when the traps were loaded. Without a trap"
        " a pair is not negotiated again after its SA ends.",
        state=ROLLED_BACK,
        look=("swanctl --list-pols --trap  # the traps in charon", _SAS, _CHARON),
        remedy="If charon was busy (high load, many pairs), apply again. Otherwise its log names the child that was"
        " refused.",
        page="rollout.md#the-phases",
    ),
    "IPP619": CodeHelp(
        means="The guard counted clear overlay packets, or an XFRM error counter rose, in the phase soak; or the guard"
        " does not drop after enforce. Some sender is not covered by the plan, or packets arrive that no SA fits.",
        state="Clear packets were counted, not dropped, when this was found. " + ROLLED_BACK,
        look=(
            _GUARD,
            "cat /proc/net/xfrm_stat  # which counter: XfrmInNoPols, XfrmInStateMismatch, ...",
            _CLEAR,
        ),
        remedy="Find the sender of the clear packets: a host that is not in the plan, or an end that was left out. Add"
        " it, or give a longer --soak where packets were on their way: `ipsecplan apply bundle --soak 30`.",
        page="rollout.md#the-phases",
    ),
    "IPP620": CodeHelp(
        means="A device, a pod or a route did not take the planned MTU, or had another one when it was read back.",
        state="While the MTU is lowered: "
        + ROLLED_BACK
        + " With --raise-mtu the smaller MTU was set again (exit 5), and encryption stays in force.",
        look=(_MTUS, "ip route show table all | grep mtu", _STATUS),
        remedy="Look for the program that sets the MTU again (systemd-networkd, NetworkManager, the CNI agent) and for"
        " a lower device that is smaller. Then apply again.",
        page="rollout.md#changes-of-what-is-in-force",
    ),
    "IPP621": CodeHelp(
        means="A port of the bridge leads to a pod whose network namespace was found neither in /run/netns nor in a"
        " running process. Its MTU can't be changed from here.",
        state="This is a warning: the change went on. That pod keeps its MTU; full packets from it may be lost or"
        " fragmented until it is recreated.",
        look=("bridge link  # the ports", "lsns -t net  # network namespaces and their processes", _STATUS),
        remedy="Recreate the pod (restart its container): the CNI list gives it the planned MTU.",
        page="rollout.md#limits",
    ),
    "IPP622": CodeHelp(
        means="systemd-networkd did not make a planned overlay device in time, or a device took no route or"
        " forwarding entry for a peer.",
        state=ROLLED_BACK,
        look=("networkctl list; networkctl status DEVICE", "journalctl -u systemd-networkd -b --no-pager | tail -30"),
        remedy="Correct what systemd-networkd says (a foreign .network file that matches first, a missing module:"
        " `modprobe vxlan geneve`), then apply again.",
        page="rollout.md#the-phases",
    ),
    "IPP623": CodeHelp(
        means="A CHILD_SA was rekeyed on purpose, one pair of each class and each two strongSwan releases, and no new"
        " SA came. Mostly the ends share no key exchange in their ESP proposals, or one was built without it: the first"
        " CHILD_SA of an IKE_SA doesn't need it, every rekey does.",
        state=ROLLED_BACK + " The rollback ended the IKE_SA, too: a living one would go on with the old proposals.",
        look=(
            "journalctl -u strongswan -b --no-pager | grep -E 'NO_PROP|rekey' | tail  # on both ends",
            "swanctl --list-conns --raw | grep -A3 esp_proposals  # of 6.1.0 and later; else the file itself",
            "swanctl --list-algs | grep -A20 -E '^(dh|ke):'  # key exchanges that are built in",
        ),
        remedy="Give both ends the same key exchange in ESP (a host that is managed elsewhere: its page under"
        " unmanaged-peers/ in the bundle names the group), then apply again.",
        page="strongswan.md#lives-rekeys-and-dpd",
    ),
}
