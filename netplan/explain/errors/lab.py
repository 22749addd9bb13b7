"""Answers to the codes of the lab (IPP8xx)."""

from __future__ import annotations

from netplan.explain.errors.entry import LAB, CodeHelp

_LIST = "ipsecplan lab list  # labs of this machine, and what each runs on"

HELP: dict[str, CodeHelp] = {
    "IPP801": CodeHelp(
        means="The name of a lab, a kernel version, a release or the folder for labs can't be used.",
        state=LAB,
        look=("ipsecplan lab up --help",),
        remedy="Take a name of 1 to 32 of a-z, 0-9 and '-', or set IPSECPLAN_LAB_HOME and XDG_CACHE_HOME to plain paths"
        " that you can write.",
        page="lab.md#commands",
    ),
    "IPP802": CodeHelp(
        means="QEMU, iproute2 or another program of the lab is missing here. The hint has the line that installs it.",
        state=LAB,
        look=("apt-cache policy qemu-system-x86 iproute2",),
        remedy="Run the line in the hint. On other systems than Debian, use a virtual machine with Debian.",
        page="lab.md#requirements",
    ),
    "IPP803": CodeHelp(
        means="The image of the lab's nodes, or the kernel of the backend uml, could not be built or is gone from the"
        " cache: no source of Debian packages, no root for building, no room, apt or the compiler failed. The hint has"
        " their own words.",
        state=LAB,
        look=("apt-get update  # does this machine reach its mirror?", "df -h /var/tmp ~/.cache"),
        remedy="Mend the source or make room, and run `ipsecplan lab up` as root again. A mirror of your own is named"
        " in the file that the hint describes.",
        page="lab.md#requirements",
    ),
    "IPP804": CodeHelp(
        means="This machine can't run the lab with the backend that was asked for, or at all: no Linux on x86_64, no"
        " KVM, a kernel without what the nodes need, or for uml no root.",
        state=LAB,
        look=("ls -l /dev/kvm; uname -srm", "ipsecplan lab up --help  # the backends"),
        remedy="Leave --backend out, so that one that works is taken, or give `ipsecplan lab up --backend emulated`,"
        " which is slower.",
        page="lab.md#backends",
    ),
    "IPP805": CodeHelp(
        means="The lab, its QEMU or one of its nodes did not answer in time, or another command holds its folder.",
        state=LAB,
        look=(_LIST, "uptime; free -m  # is the machine overloaded?"),
        remedy="`ipsecplan lab down`, then `ipsecplan lab up`. On a busy machine wait until the load falls.",
        page="lab.md#cost",
    ),
    "IPP806": CodeHelp(
        means="No lab of this name is running, or it has no node of this name.",
        state=LAB,
        look=(_LIST,),
        remedy="Start it with `ipsecplan lab up`, or take a name from the list.",
        page="lab.md#commands",
    ),
    "IPP807": CodeHelp(
        means="A running lab has this name, but other nodes, link MTU, release or kernel than those given now.",
        state=LAB + " The running lab goes on.",
        look=("ipsecplan lab status  # its parameters",),
        remedy="`ipsecplan lab down` first, or choose another --name.",
        page="lab.md#commands",
    ),
    "IPP808": CodeHelp(
        means="A saved cluster could not be written or restored: nothing was saved, the disk is full, it was made by"
        " another version of QEMU or ipsecplan, or the lab's backend is direct or uml.",
        state=LAB + " A running lab goes on where saving failed.",
        look=(_LIST, "df -h ~/.cache"),
        remedy="Make room and `ipsecplan lab save` again, or start anew with `ipsecplan lab up --fresh`.",
        page="lab.md#commands",
    ),
    "IPP809": CodeHelp(
        means="A command inside the lab ended with an error. The message has node, command and output.",
        state=LAB,
        look=("ipsecplan lab status", "ipsecplan lab exec n1 -- journalctl -b -n 30 --no-pager"),
        remedy="Run the command by hand with `ipsecplan lab exec n1 -- COMMAND`, and correct what it says.",
        page="lab.md#commands",
    ),
}
