"""Answers to the codes of container networks, hosts and audit (IPP9xx)."""

from __future__ import annotations

from netplan.explain.errors.entry import PATCHES, READ_ONLY, CodeHelp
from netplan.model.cni_facts import KERNEL_VXLAN, PORTS

_OVERLAYS = " or ".join(f"udp port {port}" for port in (PORTS["vxlan"], KERNEL_VXLAN, PORTS["geneve"]))
_CLEAR = f"tcpdump -Q out -ni DEVICE '{_OVERLAYS}'  # clear packets that leave"
_LIST = "ipsecplan network --list  # networks, what they carry, their field for the MTU"
_AUDIT = "ipsecplan audit DUMP --explain  # every finding with its byte ledger"

HELP: dict[str, CodeHelp] = {
    "IPP901": CodeHelp(
        means="The container network does not have what the plan or the options ask for: this encapsulation, this"
        " address family, IPsec of its own; or its name is unknown.",
        state=PATCHES,
        look=(_LIST,),
        remedy="Take an encapsulation that the hint lists, or correct cni.plugin.",
        page="networks.md#in-a-plan-file",
    ),
    "IPP902": CodeHelp(
        means="The network encrypts with IPsec of its own, and the plan encrypts between the hosts, too. Two programs"
        " would manage one kernel's policies, and each byte would be encrypted twice.",
        state=PATCHES,
        look=(_LIST, "swanctl --list-conns; ip xfrm policy  # on a node: who has set up IPsec?"),
        remedy="Switch one of the two off: the network's encryption, or this plan.",
        page="networks.md#networks-with-ipsec-of-their-own",
    ),
    "IPP903": CodeHelp(
        means="The computed MTU is below what pods or the link can use (576 for IPv4, 1280 for IPv6), or above what the"
        " network's field takes.",
        state=PATCHES,
        look=("ipsecplan plan plan.yaml  # which class of pairs sets the MTU",),
        remedy="Raise the smallest link, or leave out the host whose path is small; or plan a smaller MTU where the"
        " field has a limit.",
        page="networks.md#the-number-for-every-case",
    ),
    "IPP904": CodeHelp(
        means="A file given as the present configuration can't be read, or a file that would be written breaks the"
        " network's own schema: an unknown field or a value of the wrong type.",
        state=PATCHES,
        look=("kubectl get OBJECT -o yaml  # the object as the cluster has it", _LIST),
        remedy="Give the object as the API server prints it, whole. Correct the field that the message names: the API"
        " server would drop an unknown one silently.",
        page="networks.md#what-is-written",
    ),
    "IPP905": CodeHelp(
        means="Values that are right by themselves don't fit together, such as a pod MTU too near to the link MTU. As a"
        " warning: something has no effect, stays as it is, or is written whole.",
        state=PATCHES,
        look=(_LIST, "ipsecplan network --help"),
        remedy="Follow the hint. Give present objects with --existing, so that they are changed and not replaced.",
        page="networks.md#what-is-written",
    ),
    "IPP910": CodeHelp(
        means="A file was not checked: too large, no text, or of a format that audit does not read. The other files"
        " were checked.",
        state=READ_ONLY,
        look=("ipsecplan audit --help  # what it reads", "file PATH; ls -l PATH"),
        remedy="Send the text output of the command instead (`ip -d link`, `kubectl get ... -o yaml`).",
        page="audit.md#what-it-reads",
    ),
    "IPP911": CodeHelp(
        means="An MTU or MSS is larger than what fits into the link with the headers that were found. Full packets are"
        " lost or fragmented; small ones pass, so logins work and transfers hang.",
        state=READ_ONLY + " The cluster loses packets of this size now, if it carries them.",
        look=(
            _AUDIT,
            "ipsecplan trace SRC DST DUMP  # hop by hop: where a full packet is lost",
            "ping -M do -c 3 -s SIZE POD  # from a pod: MTU minus 28 for IPv4",
        ),
        remedy="Set the exact number that the finding names, where it says, and recreate pods where it says so.",
        page="audit.md#how-the-exact-size-is-computed",
    ),
    "IPP912": CodeHelp(
        means="An MTU or MSS is smaller than it has to be. Nothing is lost; each packet carries fewer bytes than"
        " possible.",
        state=READ_ONLY + " Traffic works.",
        look=(_AUDIT,),
        remedy="Check first that audit knows the link and the overlay: give --mtu and --stack. Then raise it receivers"
        " first, if the gain is worth it.",
        page="audit.md#how-the-exact-size-is-computed",
    ),
    "IPP913": CodeHelp(
        means="IPsec is set up, but its selectors don't cover the ports or addresses of the overlay, so pod packets"
        " leave in clear.",
        state=READ_ONLY + " Pod traffic between the hosts is in clear, as far as the inputs show.",
        look=(
            _AUDIT,
            "ip xfrm policy  # on the host: is the overlay's UDP port in a selector?",
            _CLEAR,
        ),
        remedy="Correct the selector to the port that the finding names, or let ipsecplan plan it.",
        page="audit.md#codes-and-exit-codes",
    ),
    "IPP914": CodeHelp(
        means="Two programs set up IPsec on the same hosts, such as the container network and a strongSwan of the"
        " administrator. Each may remove the other's policies, and bytes may be encrypted twice.",
        state=READ_ONLY,
        look=(_AUDIT, "swanctl --list-conns; ip xfrm policy  # on the host"),
        remedy="Keep one of the two and switch the other off.",
        page="networks.md#networks-with-ipsec-of-their-own",
    ),
    "IPP915": CodeHelp(
        means="A running MTU fits, but is not what the configuration says. The next pod or restart gets another value.",
        state=READ_ONLY + " Traffic works until then.",
        look=(_AUDIT, "ip link show dev DEVICE  # on the host"),
        remedy="Restart the network's agent or recreate the pods in a maintenance window; or correct the configuration"
        " if the running value is meant.",
        page="networks.md#making-it-live",
    ),
    "IPP916": CodeHelp(
        means="The MTU stands in a field or option that the program ignores, or that loses against another one. The"
        " number has no effect.",
        state=READ_ONLY,
        look=(_AUDIT, "ip link show dev DEVICE  # on the host: the MTU that is really used"),
        remedy="Write the number where the finding says, and remove it here.",
        page="networks.md#what-each-networks-field-is",
    ),
    "IPP917": CodeHelp(
        means="IPv6 is on and an MTU is below 1280 (RFC 8200, section 5). Linux removes the IPv6 addresses of such a"
        " device, and Docker and Podman start no container on such a network.",
        state=READ_ONLY + " IPv6 does not work there.",
        look=(_AUDIT, "ip -6 addr show dev DEVICE  # on the host: no address"),
        remedy="Set 1280 or more, or switch IPv6 off on that device.",
        page="audit.md#codes-and-exit-codes",
    ),
    "IPP918": CodeHelp(
        means="A number was found, but the inputs don't say enough to compute the exact one: which overlay, which link,"
        " or what the program does with the number. The finding says what is missing.",
        state=READ_ONLY + " Whether this number is right is open: exit 9, unless something else is too large (exit 4).",
        look=(
            "ip -d link; ip xfrm state list nokeys  # on the host: give these outputs to audit, too",
            "ipsecplan audit --help",
        ),
        remedy="Give what the message asks for: `ipsecplan audit DUMP --mtu 1500 --stack"
        " ip4/esp:aes256gcm16/udp/vxlan/eth/ip4`, or more outputs of the same host.",
        page="audit.md#limits",
    ),
    "IPP919": CodeHelp(
        means="None of the inputs has an MTU or IPsec setting in a format that audit reads. That is no clean bill.",
        state=READ_ONLY,
        look=("ipsecplan audit --help  # formats, and commands whose output it reads",),
        remedy="Give other inputs: configuration of the network, `ip -d link`, `swanctl --list-sas`, or host names for"
        " SSH.",
        page="audit.md#what-it-reads",
    ),
    "IPP920": CodeHelp(
        means="`trace` can't follow the packet: the inputs lack the host that SRC is on, a device, a route or the next"
        " host. The message says what is missing. The exit code is 9.",
        state="`trace` only reads. Nothing is said about whether the packet arrives.",
        look=("ipsecplan trace --help  # the forms of SRC", "ip -d addr; ip route show table all  # on each host"),
        remedy="Give the outputs of every host on the way, or name the hosts: `ipsecplan trace SRC DST ssh://root@node-a"
        " ssh://root@node-b`.",
        page="audit.md#trace-one-packet",
    ),
    "IPP921": CodeHelp(
        means="A lifetime in a strongSwan or libreswan configuration takes the tunnel down now and then: `reauth_time`"
        " (strongSwan before 6.0 ends the old IKE_SA before it makes the new one, and with it on both ends IKE_SAs"
        " multiply), or an SA that ends before, or so shortly after, its rekey that a lost answer makes a hole.",
        state=READ_ONLY + " An error is exit 4; a warning fails with `--strict` only.",
        look=(_AUDIT, "swanctl --list-conns; swanctl --list-sas  # on the host: reauthentication and rekey times"),
        remedy="Take `reauth_time` out (`reauth=no` in ipsec.conf), give `life_time` 14 s or more above `rekey_time`,"
        " or leave all of them at strongSwan's defaults. What ipsecplan renders has none of these.",
        page="audit.md#codes-and-exit-codes",
    ),
}
