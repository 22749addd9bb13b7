"""Answers to the codes of a rollout as the control machine sees it (IPP658 to IPP676, IPP699)."""

from __future__ import annotations

from netplan.explain.errors.entry import BEFORE, ROLLED_BACK, WARNING, CodeHelp

_STATUS = "ipsecplan status bundle  # per node: open, confirmed or none; lease; drift"
_HISTORY = "ipsecplan history  # transactions and how they ended"
_SHOW = "ipsecplan show TX  # phases, seconds per node, every problem"
_PSK = "ls -l ~/.local/state/ipsecplan/clusters/CLUSTER  # the store of keys: 0600, owned by you"

HELP: dict[str, CodeHelp] = {
    "IPP656": CodeHelp(
        means="A machine named with --workers gave no usable answer when it was looked at: ssh has no way to it or"
        " would ask a question, it has no python3, or no room for a folder of its own. The message has ssh's reason.",
        state=BEFORE,
        look=(
            "ssh WORKER python3 --version  # from the control machine: no question may be asked",
            "ssh WORKER df -h /dev/shm /tmp",
        ),
        remedy="Mend that, or leave the worker out of --workers. Once a run has begun, a worker that fails is no error:"
        " the others ask its nodes.",
        page="how-to/workers.md",
    ),
    "IPP657": CodeHelp(
        means="A worker has no ansible-core or ansible-runner where it is looked for, or one of another series: both"
        " machines must have the same first two numbers, such as 2.19.",
        state=BEFORE,
        look=(
            "ssh WORKER ~/ipsecplan/bin/ansible-playbook --version",
            "ansible-playbook --version; ansible-runner --version  # on the control machine",
        ),
        remedy="Install what the hint names on the worker, in ~/ipsecplan as on the control machine, or in the PATH of"
        " a session of ssh.",
        page="how-to/workers.md",
    ),
    "IPP658": CodeHelp(
        means="A task of the collection ipsecplan.mesh asks for something that the engine doesn't do: an argument out"
        " of its range, a collection of another version than the program, or a verb about every node in a play that has"
        " only some of them as hosts (rotate, verify).",
        state=BEFORE,
        look=(
            "ansible-galaxy collection list ipsecplan.mesh",
            "ansible-doc ipsecplan.mesh.begin  # the arguments and their ranges",
            "ansible-playbook -i INVENTORY PLAYBOOK --list-hosts",
        ),
        remedy="Take the collection that comes with the installed ipsecplan, and leave --limit out where the message"
        " says so.",
        page="ansible.md#which-nodes",
    ),
    "IPP659": CodeHelp(
        means="Between two phases of a play more than half of the nodes' rollback timer passed before the next phase"
        " was asked for: a task between them takes long, the play was paused, or it has many hosts and few forks.",
        state=ROLLED_BACK,
        look=(_HISTORY, "uptime  # load of the control machine"),
        remedy="Put no slow task between the phases. With many hosts: more forks for ansible-playbook and a longer"
        " timer, such as `-e node_rollback_timeout=900`.",
        page="ansible.md#what-holds-and-what-ends-it",
    ),
    "IPP660": CodeHelp(
        means="Ctrl-C or SIGTERM reached the command. It ended the phase that was under way and stopped before the"
        " next one.",
        state=ROLLED_BACK + " Stopped while raising the MTU: the smaller MTU was set again (exit 5), encryption stays.",
        look=(_STATUS, _HISTORY),
        remedy="Nothing has to be mended. `ipsecplan apply bundle` starts again.",
        page="rollout.md#the-phases",
    ),
    "IPP661": CodeHelp(
        means="The control machine has no SSH connection to a node. The message has ssh's reason, the hint how long"
        " was waited for a connection and for a sign of life.",
        state="Before the first change: no node was changed (exit 8). Later: the others were rolled back (exit 7), and"
        " this node rolls back by its own timer. What was confirmed stays in force: a node needs no controller.",
        look=(
            "ssh USER@NODE true  # from the control machine, as the inventory says; -v for the reason",
            "ping -c 3 NODE",
            _STATUS,
        ),
        remedy="Mend the way to the node, then repeat the command. To go on without it: `ipsecplan apply bundle"
        " --skip-unreachable`; its pairs stay as they are until the bundle is applied again.",
        page="rollout.md#which-nodes-in-what-order",
    ),
    "IPP662": CodeHelp(
        means="A node was reached and gave no usable answer: its agent was ended, it answered in another shape, too"
        " much or nothing, or it said that a phase failed and not why.",
        state="Before the first change: no node was changed. Later: " + ROLLED_BACK,
        look=(
            "ssh USER@NODE python3 --version  # from the control machine: 3.8 or later",
            "journalctl -b -k | grep -i 'out of memory'  # on the node: was the agent killed?",
            _SHOW,
        ),
        remedy="Remove what ended the agent (memory, a shell profile that prints or waits), then apply again. If IPP676"
        " stands beside it, the node's timer ended it: treat that.",
        page="protocol.md",
    ),
    "IPP663": CodeHelp(
        means="The controller rolled back and did not read back from every node that all is as before: a node could"
        " not be reached, or something is left on it. The message names the nodes.",
        state="Exit 7. Nodes that were read back are as before. A node that could not be reached rolls back by its"
        " timer within the seconds in the hint. A node on which something is left tries again by timers 15 s to 15"
        " minutes apart, and at each boot. While nodes differ, clear packets between them may be dropped.",
        look=(
            _STATUS,
            "systemctl list-timers 'ipsecplan-revert-*' --all  # on the node",
            "journalctl -b -u 'ipsecplan-revert-*' --no-pager | tail -30  # on the node: what it could not undo",
        ),
        remedy="Wait for the time in the hint, then look with `ipsecplan status bundle`. If the transaction is still"
        " open: `ipsecplan revert bundle`, with --take-over from another control machine. See runbook.md, exit 7.",
        page="rollout.md#when-the-controller-dies",
    ),
    "IPP664": CodeHelp(
        means="`ipsecplan try` verified the change, and nobody answered `yes` within --confirm-timeout.",
        state="As promised before the change: " + ROLLED_BACK,
        look=(_STATUS, _SHOW),
        remedy="Run `ipsecplan try bundle --confirm-timeout 1800` again and answer in time, or use `ipsecplan apply"
        " bundle`, which confirms after verification.",
        page="rollout.md#try",
    ),
    "IPP665": CodeHelp(
        means="`confirm` or `resume` found nothing that it can go on with: nothing is open, different transactions are"
        " open, another bundle is open, a node has rolled back already, or verification had not been reached.",
        state="This command changed nothing. Open transactions end by their rollback timers.",
        look=(_STATUS, _HISTORY),
        remedy="Nothing open: `ipsecplan apply bundle`. Different transactions or a node rolled back: `ipsecplan revert"
        " bundle`, or wait for the timers. Another bundle: name the one that was being applied.",
        page="rollout.md#when-the-controller-dies",
    ),
    "IPP666": CodeHelp(
        means="`show` found no journal whose transaction begins with this text, or several.",
        state="`show` only reads journals on the control machine. No node was contacted.",
        look=(_HISTORY, "ls ~/.local/state/ipsecplan/clusters/*/journal  # is this the right state directory?"),
        remedy="Give more of the id. A transaction of another control machine has its journal there.",
        page="rollout.md#when-the-controller-dies",
    ),
    "IPP667": CodeHelp(
        means="A node can't ping its witness through the tunnel. It would ask that peer whether the transaction was"
        " confirmed, if the controller died in the middle of confirming.",
        state=WARNING + " Only if the controller dies within `confirm` could this node roll back alone.",
        look=(_STATUS, "ping -c 3 OVERLAY-ADDRESS  # on the node: the peer in the message"),
        remedy="Find out why ICMP does not pass in the overlay between the hosts. If the controller did die:"
        " `ipsecplan resume bundle` settles it.",
        page="decisions/0014-atomic-confirm.md",
    ),
    "IPP668": CodeHelp(
        means="The journal of the transaction can't be written on the control machine, or there is no room for it."
        " Without it a change could not be retraced.",
        state="At the beginning: no node was changed. Later: " + ROLLED_BACK,
        look=("df -h ~/.local/state/ipsecplan; df -i ~/.local/state/ipsecplan", _STATUS),
        remedy="Make room there, or give another folder with --state-dir; the CA in it must come along.",
        page="decisions/0016-journal-disk-reserve.md",
    ),
    "IPP670": CodeHelp(
        means="The store of pre-shared keys, the password of its vault, an imported file, or a step of a rotation can't"
        " be used: damaged, readable by others, a weak or repeated key, a pair without a key, nodes two phases apart.",
        state="Live SAs don't use these keys, so encrypted pairs stay encrypted. `psk` changed no store, and `rotate"
        " psk` stopped between two phases, where all nodes still accept each other.",
        look=(_PSK, _STATUS),
        remedy="Do what the hint says: `chmod 600`, `ipsecplan psk import CLUSTER FILE`, or `ipsecplan ca restore"
        " CLUSTER ARCHIVE`. A rotation that stopped is continued by `ipsecplan rotate psk bundle`.",
        page="strongswan.md#rotation",
    ),
    "IPP671": CodeHelp(
        means="Another control process holds the lease of a node. The message names user@host and the seconds left. As"
        " a warning: the lease was taken over, or a transaction of somebody else is open while `verify` measured.",
        state="This command changed nothing on that node. The other process goes on, or is dead and its lease ends.",
        look=(_STATUS, "ps -eo pid,lstart,args | grep ipsecplan  # on the host that the message names"),
        remedy="Ask whoever holds it, or wait for the lease to end. If that process is dead: `ipsecplan resume bundle"
        " --take-over` or `ipsecplan revert bundle --take-over`.",
        page="rollout.md#who-may-change-a-node",
    ),
    "IPP672": CodeHelp(
        means="--limit, --exclude and --skip-unreachable leave fewer nodes than the verb needs: two for a pair, one for"
        " `revert`.",
        state=BEFORE,
        look=("ansible-inventory -i hosts.yml --graph  # on the control machine: which hosts a pattern means", _STATUS),
        remedy="Widen the pattern, or wait until more nodes can be reached.",
        page="rollout.md#which-nodes-in-what-order",
    ),
    "IPP673": CodeHelp(
        means="`revert --limit` would turn nodes off with which others still have encrypted pairs. Those pairs would"
        " be cut off, because the others drop clear packets.",
        state=BEFORE,
        look=(_STATUS,),
        remedy="Apply a bundle without the nodes that leave (`ipsecplan apply bundle-without`). Then `ipsecplan revert"
        " bundle --limit NODE` with the old one.",
        page="decisions/0064-removing-a-node.md",
    ),
    "IPP674": CodeHelp(
        means="A node knows nothing of a release that its peers keep with it, or has another key than the confirmed"
        " one: it is another machine at that address. Or --replace names a node that was not replaced.",
        state="Before the first change: no node was changed. Another key shows when the node asks for its"
        " certificate: then the transaction was rolled back (exit 6 or 7). As a warning after the change: what the"
        " machine before still knows.",
        look=(
            _STATUS,
            "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub  # on the node's console: is it your machine?",
        ),
        remedy="If you reinstalled it: `ipsecplan apply bundle --replace NODE`, and afterwards `ipsecplan rotate ca"
        " bundle` (or psk), so that the machine before is worth nothing. If nobody did, treat it as an intruder.",
        page="decisions/0078-replaced-machines.md",
    ),
    "IPP675": CodeHelp(
        means="A healthy but slow node would roll back by itself: --rollback-timeout or --confirm-timeout is shorter"
        " than what was measured needs, or no timer up to the limit is long enough.",
        state="Before the first change: no node was changed. In the middle: " + ROLLED_BACK,
        look=("uptime  # on the control machine and on the slowest node", "ping -c 20 NODE  # loss and round trips"),
        remedy="Leave --rollback-timeout at auto, or give the number in the hint. If none will do, find what is slow,"
        " or take fewer nodes: `ipsecplan apply bundle --limit PATTERN`.",
        page="rollout.md#how-long-the-timer-is",
    ),
    "IPP676": CodeHelp(
        means="A node's rollback timer fired while the run was still at work: it heard nothing from the controller for"
        " longer than its timer. Other problems in the same message follow from this.",
        state=ROLLED_BACK,
        look=(_SHOW, "journalctl -b -u 'ipsecplan-revert-*'  # on the node", "uptime  # load on both ends"),
        remedy="Apply again: auto measures anew. If you chose a timer, give the number in the hint: `ipsecplan apply"
        " bundle --rollback-timeout 600`.",
        page="rollout.md#how-long-the-timer-is",
    ),
    "IPP677": CodeHelp(
        means="A machine of --workers broke off in the middle of a step: it was ended or cut off, nothing came from it"
        " for too long, or what came made no sense. The message says which, and who asked its nodes again.",
        state=WARNING + " The run went on without that worker, in the same order and by the same journal.",
        look=(_SHOW, "ssh WORKER 'uptime; df -h /dev/shm /tmp; journalctl -b -k | tail -20'"),
        remedy="Mend the worker before it is named again. Nothing has to be done on the nodes: a request of the lost"
        " worker that was still on its way is refused there.",
        page="how-to/workers.md#when-a-worker-is-lost",
    ),
    "IPP699": CodeHelp(
        means="ipsecplan met an error that it does not expect, or a guarantee of its own does not hold. The exit code"
        " is 1, and the hint names a report without secrets.",
        state="A verb that only reads changed nothing. If a transaction was open, every node rolls back by its own"
        " rollback timer unless it is resumed.",
        look=(_STATUS, "ls -t ~/.local/state/ipsecplan/crashes | head  # the report"),
        remedy="If a transaction is open: `ipsecplan resume bundle` or `ipsecplan revert bundle`. Send the report to"
        " the project. IPSECPLAN_DEBUG=1 shows the traceback instead.",
        page="rollout.md#what-the-control-machine-needs",
    ),
}
