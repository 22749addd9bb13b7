"""Answers to the codes of rules across the plan, and of the bundle on disk (IPP4xx, IPP5xx)."""

from __future__ import annotations

from netplan.explain.errors.entry import NO_NODE, WARNING, CodeHelp

_LINT = "ipsecplan lint plan.yaml  # every fault with file:line:column"
_PLAN = "ipsecplan plan plan.yaml  # classes, proposals, and the pairs"
_UNTOUCHED = "No node was contacted. The bundle on disk and what is confirmed on the nodes are as they were."

HELP: dict[str, CodeHelp] = {
    "IPP401": CodeHelp(
        means="A name can't be used: of the cluster, a device, a network, a namespace, a version, the inventory or"
        " the host pattern. Names become folders and devices, so each has a fixed form.",
        state=NO_NODE,
        look=(_LINT,),
        remedy="Write the name in the form that the hint gives: a cluster has at most 40 lower-case letters, digits"
        " and '-', a device at most 15 characters.",
        page="decisions/0001-names-are-ids.md",
    ),
    "IPP402": CodeHelp(
        means="Two choices of the plan don't go together, or this version does not support one of them, such as"
        " trap-any with IPv6, xfrm_interface in transport mode, or a container network that can't be protected.",
        state=NO_NODE,
        look=(_LINT, "ipsecplan network --list  # the container networks that are known"),
        remedy="Follow the hint; the message gives the reason for the refusal.",
        page="strongswan.md#every-combination",
    ),
    "IPP403": CodeHelp(
        means="ipsec.esp or ipsec.ike has a text that is no strongSwan proposal, or a word in it is unknown.",
        state=NO_NODE,
        look=(_LINT, "ipsecplan explain aes256gcm16  # an algorithm with its sizes"),
        remedy="ESP: an AEAD with a key exchange, such as aes256gcm16-x25519, or cipher-integrity-key exchange."
        " IKE: such as aes256gcm16-prfsha384-ecp384.",
        page="strongswan.md#profiles",
    ),
    "IPP404": CodeHelp(
        means="A choice would break or weaken protection, so it is refused: a weak algorithm, one outside the"
        " profile, IKE or the overlay among the clear services, a reserved port, default deny in a system namespace.",
        state=NO_NODE,
        look=(_LINT,),
        remedy="Take the proposal or the value that the hint names. There is no option that forces it.",
        page="strongswan.md#profiles",
    ),
    "IPP405": CodeHelp(
        means="A setting is allowed, but unusual or weaker than it could be: no forward secrecy, SSH inside IPsec, a"
        " network version newer than the one that was checked.",
        state=WARNING + " No node is changed by it.",
        look=(_LINT,),
        remedy="Take the value in the hint, or leave the setting if you mean it.",
        page="strongswan.md#profiles",
    ),
    "IPP406": CodeHelp(
        means="An IPv6 link has at least 1280 bytes (RFC 8200, section 5). The plan or a host variable says less.",
        state=NO_NODE,
        look=("ip link show dev DEVICE  # on the host: the real MTU",),
        remedy="Correct underlay.mtu or the host's underlay_mtu. On a path that really is smaller, IPv6 can't work.",
        page="stack-notation.md#what-counts-against-the-link-mtu",
    ),
    "IPP407": CodeHelp(
        means="underlay.paths or ipsec.topology names a group or host that the inventory does not have, or puts a"
        " host into two zones.",
        state=NO_NODE,
        look=("ansible-inventory -i hosts.yml --graph  # on the control machine", _PLAN),
        remedy="Take a name from the hint. `between` takes any pairs of groups where zones would overlap.",
        page="strongswan.md#which-pairs",
    ),
    "IPP408": CodeHelp(
        means="A host has no peer under this topology, or its strongSwan shares no proposal with a peer, or (with"
        " trap-any) no proposal is known to every host.",
        state=NO_NODE,
        look=(_PLAN, "swanctl --version; swanctl --list-algs  # on the host"),
        remedy="Let `ipsecplan facts bundle` collect versions and algorithms, add a proposal that both ends have, or"
        " change the topology.",
        page="strongswan.md#mixed-fleets",
    ),
    "IPP409": CodeHelp(
        means="ipsec.lifetimes has a value that is no time, or a time outside its limits. SAs of the responder may"
        " live longer than the value by the rekey margin, and that time must be within the limit, too.",
        state=NO_NODE,
        look=(_LINT,),
        remedy="Write a time such as 4h, 90m or 3600s, below the limit in the message.",
        page="strongswan.md#profiles",
    ),
    "IPP410": CodeHelp(
        means="ipsec.mode iptfs or ipsec.per_cpu_sas is asked for, and a host's kernel or strongSwan was not seen to do"
        " it. A kernel without IP-TFS takes such an SA and then drops every packet, while charon says INSTALLED, so"
        " only a packet that came through counts. Debian's kernels (6.12 to 7.3) have no IP-TFS.",
        state=NO_NODE,
        look=(
            "ipsecplan facts bundle  # tries both with a packet in a namespace, and writes what became of it",
            "grep XFRM_IPTFS /boot/config-$(uname -r)  # on the host",
        ),
        remedy="mode: tunnel, or one SA for all processors, until the kernel has it. Where it has: `ipsecplan facts"
        " bundle` with a bundle of today's plan, then plan again.",
        page="strongswan.md#rarer-modes",
    ),
    "IPP501": CodeHelp(
        means="The target of `render` is a file, a symbolic link, a folder with something else in it, or a place that"
        " can't be replaced as a whole. Rendering replaces the folder, so only a bundle or an empty one is taken.",
        state=_UNTOUCHED,
        look=("ls -la TARGET",),
        remedy="Choose a new folder: `ipsecplan render plan.yaml --to bundle`.",
        page="architecture.md#five-walks",
    ),
    "IPP502": CodeHelp(
        means="There is no manifest.json at this path, or the bundle can't be read: damaged, or written by a version"
        " with another bundle schema.",
        state=_UNTOUCHED,
        look=("ls -l bundle/manifest.json bundle/REVIEW.md",),
        remedy="Give the right folder, or make the bundle again with `ipsecplan render plan.yaml --to bundle`, and"
        " review it.",
        page="rollout.md",
    ),
    "IPP503": CodeHelp(
        means="A file of the bundle is missing, was added, or has another content or digest than the manifest says."
        " What is applied must be what was reviewed, so the bundle is refused.",
        state=_UNTOUCHED,
        look=("git -C bundle status  # if the bundle is in a repository: what changed", "ls -lR bundle"),
        remedy="Never edit a bundle. Change the plan, then `ipsecplan render plan.yaml --to bundle`. If nobody changed"
        " it, find out who did before you apply anything.",
        page="architecture.md#what-holds-everywhere",
    ),
    "IPP504": CodeHelp(
        means="The manifest names a place on the node, a mode or an owner that no bundle of ours has. Such a bundle"
        " could write anywhere as root, so it is refused unread.",
        state=_UNTOUCHED,
        look=("grep -n '\"path\"' bundle/manifest.json  # the places of all files",),
        remedy="Find out where the bundle came from. Make your own with `ipsecplan render plan.yaml --to bundle`.",
        page="decisions/0120-a-bundle-is-somebody-elses.md",
    ),
    "IPP505": CodeHelp(
        means="The plan beside the bundle was changed after the bundle was rendered. `apply` applies the bundle, so"
        " what you changed since is not in it.",
        state=WARNING + " It stands before the question, and nothing is changed until that is answered.",
        look=(
            "ipsecplan render plan.yaml --to bundle-new",
            "ipsecplan diff bundle bundle-new  # what the newer plan would change",
        ),
        remedy="Render and review again if the newer plan is meant. Otherwise answer the question.",
        page="decisions/0121-what-makes-a-bundle-old.md",
    ),
}
