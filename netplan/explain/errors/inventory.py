"""Answers to the codes of the inventory (IPP3xx)."""

from __future__ import annotations

from netplan.explain.errors.entry import NO_NODE, CodeHelp

_LIST = "ansible-inventory -i hosts.yml --list  # on the control machine: what Ansible reads"
_VERBOSE = "ipsecplan lint plan.yaml --verbose  # every host with the variables that were read"

HELP: dict[str, CodeHelp] = {
    "IPP301": CodeHelp(
        means="The inventory that the plan, the bundle or --inventory names does not exist, can't be read, or is"
        " neither a file nor a directory.",
        state=NO_NODE,
        look=("ls -ld hosts.yml", "grep -n '^inventory' plan.yaml  # the path counts from the plan's folder"),
        remedy="Correct the path in the plan and render again, or give the file with --inventory.",
        page="rollout.md#where-things-are",
    ),
    "IPP302": CodeHelp(
        means="Ansible can't read the inventory, gives no answer in time, or is not installed. A program below an"
        " inventory directory is not run.",
        state=NO_NODE,
        look=(_LIST,),
        remedy="Correct the place that the message names. Name a program that you want to run as the inventory itself;"
        " otherwise remove its execute bit (chmod -x).",
        page="threat-model.md#what-is-defended",
    ),
    "IPP303": CodeHelp(
        means="The host pattern (`nodes` in the plan) matches no host of the inventory, or is no pattern.",
        state=NO_NODE,
        look=("ansible-inventory -i hosts.yml --graph  # on the control machine: groups and their hosts",),
        remedy="Take a group from the hint, such as nodes: k8s_nodes.",
        page="architecture.md#five-walks",
    ),
    "IPP304": CodeHelp(
        means="A host variable that the plan needs is missing, misspelt, or has a value of the wrong kind: an address,"
        " subnet, MTU, true or false, a strongSwan version.",
        state=NO_NODE,
        look=(_VERBOSE, "ansible-inventory -i hosts.yml --host n1  # on the control machine: all variables of n1"),
        remedy="Correct the variable of the host that the message names. The hint says what it takes.",
        page="decisions/0122-misspelt-host-variables.md",
    ),
    "IPP305": CodeHelp(
        means="A host name has characters that ipsecplan does not take, or more than 253 of them.",
        state=NO_NODE,
        look=("ansible-inventory -i hosts.yml --graph  # on the control machine: the names as Ansible has them",),
        remedy="Rename the host: letters, digits, '.', '_' and '-'. The address goes into ansible_host.",
        page="decisions/0001-names-are-ids.md",
    ),
    "IPP306": CodeHelp(
        means="The plan or one of its additional networks has fewer than two hosts. A tunnel needs two ends.",
        state=NO_NODE,
        look=(_VERBOSE,),
        remedy="Widen the pattern `nodes`, or give more hosts an address on that network.",
        page="strongswan.md#several-networks-between-the-hosts",
    ),
    "IPP307": CodeHelp(
        means="A host variable that ipsecplan reads holds a template ({{ ... }} or {% ... %}) that is more than"
        " references to other variables of the inventory and pure filters (default, int, join, ipaddr ...), or refers"
        " to what is not in it. Such templates run code on this machine, so they are not evaluated.",
        state=NO_NODE,
        look=("ansible-inventory -i hosts.yml --host n1  # on the control machine",),
        remedy="Write the value itself into the inventory, for each host, or a reference such as {{ ip }}.",
        page="decisions/0238-references-are-resolved.md",
    ),
    "IPP308": CodeHelp(
        means="Two hosts have the same underlay address. Their connections would end at one of the two.",
        state=NO_NODE,
        look=(_VERBOSE, "ip -br addr  # on both hosts"),
        remedy="Correct underlay_address, or the address in underlay_networks, of one of them.",
        page="strongswan.md#several-networks-between-the-hosts",
    ),
    "IPP309": CodeHelp(
        means="The pod subnets of two hosts overlap, or an underlay address lies in a pod subnet. Packets to it would"
        " take the overlay, and ESP would be led into itself.",
        state=NO_NODE,
        look=(_VERBOSE, "ip route  # on the host: which subnet leads where"),
        remedy="Give each host its own pod_cidr, apart from the underlay.",
        page="networks.md#in-a-plan-file",
    ),
    "IPP310": CodeHelp(
        means="The file of collected facts beside the inventory was damaged, or is no file of `ipsecplan facts`.",
        state=NO_NODE,
        look=("ls -l .  # beside the inventory: the file that the message names",),
        remedy="Remove the file, or let `ipsecplan facts bundle` write it again.",
        page="decisions/0028-collected-facts.md",
    ),
    "IPP311": CodeHelp(
        means="Ansible needs a UTF-8 locale, and the control machine has none installed.",
        state=NO_NODE,
        look=("locale -a  # on the control machine: is there one that ends in utf8?",),
        remedy="Install one: `apt install locales` or `dnf install glibc-langpack-en`. C.UTF-8 will do.",
        page="rollout.md#what-the-control-machine-needs",
    ),
    "IPP312": CodeHelp(
        means="The inventory that the bundle names is an executable file or no regular file. A bundle may come from"
        " somebody else, so nothing that it names is run.",
        state=NO_NODE,
        look=("ls -l INVENTORY  # what is it, and who wrote it?",),
        remedy="If you know what it does, name it yourself: `ipsecplan apply bundle --inventory INVENTORY`. If it is"
        " plain data, remove the execute bit.",
        page="decisions/0120-a-bundle-is-somebody-elses.md",
    ),
    "IPP313": CodeHelp(
        means="The host has no underlay_address, so ansible_host would be taken, the address that this machine manages"
        " it by. Another variable of the inventory, which other projects use for the address between the hosts (ip of"
        " Kubespray, node-ip of RKE2 and k3s), says a different one.",
        state=NO_NODE,
        look=(_VERBOSE, "ip -br addr  # on the host: which of the two is on the link to the others?"),
        remedy="Say in the plan which variable it is: `host_vars: {underlay_address: ip}`. Where ansible_host is right,"
        " give the host `underlay_address` with the same address.",
        page="decisions/0239-whose-variables-they-are.md",
    ),
}
