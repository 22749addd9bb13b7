"""Answers to the codes of preflight and of joining a bundle with its nodes (IPP630 to IPP655)."""

from __future__ import annotations

from netplan.explain.errors.entry import BEFORE, WARNING, CodeHelp

_WARNED = WARNING + " If everything else was in order, the transaction was carried out."
_LATER = BEFORE + " Where it only shows while MTUs are lowered, the transaction was rolled back."
_PING = "ping -M do -c 3 -s SIZE ADDRESS  # SIZE = MTU minus 28 (IPv4) or 48 (IPv6)"

HELP: dict[str, CodeHelp] = {
    "IPP630": CodeHelp(
        means="The login on the node is not root, and Ansible does not become root.",
        state=BEFORE,
        look=("ssh USER@NODE id -u  # from the control machine: 0 is root", "ssh USER@NODE sudo -n true"),
        remedy="Set ansible_user=root, or ansible_become=true (sudo, su or doas), in the inventory; -K asks for a"
        " password.",
        page="rollout.md#preflight",
    ),
    "IPP631": CodeHelp(
        means="The node lacks a program that the rollout or the guard needs, or /etc/protocols, without which charon"
        " reads no selector with udp.",
        state=BEFORE,
        look=("command -v swanctl nft ip ss nsenter systemd-run openssl",),
        remedy="Install the packages in the hint, for example `apt install strongswan-swanctl charon-systemd nftables"
        " iproute2 netbase`, then apply again.",
        page="rollout.md#preflight",
    ),
    "IPP632": CodeHelp(
        means="The node's clock differs from the controller's by more than 60 s. Certificates are checked against the"
        " clock, so peers would refuse each other.",
        state=BEFORE,
        look=("timedatectl  # on the node and on the control machine", "chronyc tracking"),
        remedy="Set up NTP on the machine that is off (it may be the control machine), wait until the clock is right,"
        " and apply again.",
        page="rollout.md#preflight",
    ),
    "IPP633": CodeHelp(
        means="A systemd timer of one second did not run the revert script, or the script failed its self-test. This"
        " node could not roll back by itself, so nothing may be changed on it.",
        state=BEFORE + " In the phase arm: the transaction was rolled back.",
        look=(
            "systemctl is-system-running; systemctl list-jobs  # does systemd work off its jobs?",
            "systemd-run --on-active=1s --unit=try-a-timer /bin/true; sleep 5; journalctl -u try-a-timer",
            "findmnt -no OPTIONS /run /usr  # noexec or read-only?",
        ),
        remedy="Mend systemd on the node (stuck jobs, a degraded manager, a read-only file system), then apply again.",
        page="rollout.md#preflight",
    ),
    "IPP634": CodeHelp(
        means="UDP 500 or 4500 is not open on the node, or a process other than one charon has it. IKE needs both.",
        state=BEFORE,
        look=(
            "ss -Hlunp 'sport = :500 or sport = :4500'  # one charon-systemd has both",
            "systemctl status strongswan",
        ),
        remedy="Start strongSwan (`systemctl enable --now strongswan`), and stop the other program, such as"
        " strongswan-starter, libreswan or racoon.",
        page="rollout.md#preflight",
    ),
    "IPP635": CodeHelp(
        means="A file system of the node has too little free space or too few inodes for the release, its snapshots"
        " and what a rollback writes. The space is allocated, not estimated.",
        state=BEFORE + " If it filled up later, the transaction was rolled back from space that was reserved.",
        look=("df -h /var/lib /etc /run; df -i /var/lib /etc /run", "du -xsh /var/log /var/lib/* | sort -h | tail"),
        remedy="Make room on the file system that the message names, then apply again.",
        page="decisions/0016-journal-disk-reserve.md",
    ),
    "IPP636": CodeHelp(
        means="In a throwaway network namespace the node's kernel refused what the plan needs: an ESP state with the"
        " planned algorithm and mode, a policy, the guard, an XFRM interface, or reports of nft monitor. Or a setting"
        " (disable_xfrm) lets packets leave the underlay link without IPsec; scripts for VPNs of clouds set it.",
        state=BEFORE,
        look=(
            "uname -r; lsmod | grep -E 'esp4|esp6|xfrm|nf_tables|nft_xfrm'",
            "dmesg | tail -20",
            "sysctl -a -r 'disable_(xfrm|policy)$'",
        ),
        remedy="Load the modules in the hint and keep them with a file in /etc/modules-load.d. If this kernel does not"
        " have the algorithm, choose another ipsec.esp, render again and review. Set disable_xfrm to 0, and let the"
        " script that sets it do so on its own tunnel device only.",
        page="rollout.md#preflight",
    ),
    "IPP637": CodeHelp(
        means="The planned underlay address is not on the node, its link or a route to a peer has a smaller MTU than"
        " planned, or packets to a peer leave with another source address.",
        state=BEFORE,
        look=("ip addr show to ADDRESS", "ip route get PEER from ADDRESS", "ip link show dev DEVICE"),
        remedy="Correct underlay_address, underlay_mtu or underlay.mtu and render again; or mend the link or the route"
        " on the node. dhcpcd, for one, puts the MTU that DHCP says on routes and leaves the link as it is.",
        page="rollout.md#preflight",
    ),
    "IPP638": CodeHelp(
        means="An overlay device of the node is missing, of another kind, or has another VNI, port, peer or lower"
        " device than planned. The kernel can't change these on a live device. As a warning: its forwarding entries"
        " also lead to hosts that are no peers of the node in the plan, and what goes there is in clear.",
        state=_LATER + " As a warning: while there is traffic with those hosts, the soak ends the apply with IPP619;"
        " without any it goes on, and the guard drops what comes later.",
        look=(
            "ip -d link show dev DEVICE  # kind, id, dstport, remote",
            "bridge fdb show dev DEVICE  # dst: the far ends",
            "ipsecplan plan plan.yaml  # what is planned",
        ),
        remedy="Set overlay.vni, overlay.port or cni.plugin in the plan to what the cluster uses, and render again. To"
        " change them on the cluster: `ipsecplan revert bundle`, change all nodes, apply. Hosts that the plan leaves"
        " out: add them to `nodes`, or take them out of the overlay.",
        page="rollout.md#changes-of-what-is-in-force",
    ),
    "IPP639": CodeHelp(
        means="A device has a smaller MTU than the plan says. MTUs rise last and on request, so all nodes would have"
        " to stay at that size; without an earlier release, or below 576 bytes (1280 with IPv6), that is refused.",
        state=BEFORE + " As a warning: all nodes stay at the smallest size, as the question before the change says.",
        look=("ip link show dev DEVICE", "ipsecplan status bundle  # live MTUs of every node"),
        remedy="Raise the device by hand (`ip link set dev DEVICE mtu N`), or leave the node out with --exclude, or"
        " accept the size with --hold-mtu. After the apply: `ipsecplan apply bundle --raise-mtu`.",
        page="decisions/0061-mtu-raised-last-and-on-request.md",
    ),
    "IPP640": CodeHelp(
        means="The node has IPsec policies, SAs or charon connections that are not ipsecplan's. Two programs on one"
        " host would take each other's policies away.",
        state=BEFORE,
        look=(
            "ip xfrm policy; ip xfrm state list nokeys",
            "swanctl --list-conns",
            "ls /etc/swanctl/conf.d /etc/ipsec.d",
        ),
        remedy="Remove the other configuration, or leave that host out of the plan. ipsecplan does not share a host"
        " with another IPsec program.",
        page="rollout.md#limits",
    ),
    "IPP641": CodeHelp(
        means="A ping with the don't-fragment bit in the planned link MTU does not reach a peer; or no ping does.",
        state=BEFORE,
        look=(_PING, "tracepath -n ADDRESS  # where the path gets smaller", "ip route get ADDRESS"),
        remedy="If only large pings vanish: set underlay.mtu, the host's underlay_mtu or underlay.paths to what passes,"
        " render and review. If none passes: mend the network, or open ICMP between the nodes.",
        page="mtu-problems.md#9-only-some-packet-sizes-are-lost",
    ),
    "IPP642": CodeHelp(
        means="The bundle changes ipsec.protect or ipsec.xfrm_interface while another release is in force. No order of"
        " steps keeps both kinds of protection, so it is refused.",
        state=BEFORE + " The release that is confirmed stays in force, encrypted.",
        look=("ipsecplan status bundle", "ipsecplan diff bundle-in-force bundle"),
        remedy="`ipsecplan revert bundle-in-force` (overlay packets are clear from then on), then `ipsecplan apply"
        " bundle`.",
        page="rollout.md#changes-of-what-is-in-force",
    ),
    "IPP643": CodeHelp(
        means="A device or running pods of the container network have another MTU than planned. ipsecplan does not"
        " change a network that makes its own overlay; its own configuration must have been changed before.",
        state=_LATER + " As a warning: pods that are too large are told the size by the host, packet by packet.",
        look=(
            "ip link show dev DEVICE",
            "ipsecplan network --list",
            "kubectl get pods -A -o wide  # which run on this node",
        ),
        remedy="Take the steps of bundle/cluster/STEPS.md in their order: set the MTU, restart the agents, recreate the"
        " pods. Then apply again.",
        page="networks.md#making-it-live",
    ),
    "IPP644": CodeHelp(
        means="The node's strongSwan lacks an algorithm that the bundle offers to its peers.",
        state=BEFORE,
        look=("swanctl --version; swanctl --list-algs",),
        remedy="`ipsecplan facts bundle` writes down what every host has. Then `ipsecplan render plan.yaml --to"
        " bundle`, review, and apply. Or install the plugin that brings the algorithm.",
        page="strongswan.md#mixed-fleets",
    ),
    "IPP645": CodeHelp(
        means="Packets shaped like ESP (protocol 50) or like UDP 4500 did not arrive from one node at another, or only"
        " small ones did. The message names the direction and the network.",
        state=BEFORE + " As a warning only UDP 4500 is concerned, which this pair does not need without a NAT.",
        look=(
            "tcpdump -ni DEVICE 'ip proto 50 or udp port 4500'  # on the receiver, while preflight runs",
            "nft list ruleset | grep -nE 'esp|4500|ip protocol'  # the node's own firewall",
        ),
        remedy="Open protocol 50, UDP 500 and UDP 4500 in every firewall and security group between the nodes. Where"
        " protocol 50 can't be opened: ipsec.nat_traversal: always, render and review.",
        page="networks.md#firewall-openings",
    ),
    "IPP646": CodeHelp(
        means="A program on the underlay NIC (XDP, tc eBPF) or its ESP offload may take packets past netfilter, where"
        " the guard works; or a setting (disable_policy) takes them past the policies, so that the guard is alone. Fail"
        " closed can't be promised there.",
        state=_WARNED + " Pairs are encrypted; only the guard may be passed by, and the block policies still act.",
        look=("ip -d link show dev DEVICE  # xdp", "tc filter show dev DEVICE ingress", "ethtool -k DEVICE | grep esp"),
        remedy="Prove it with `ipsecplan verify bundle`, and again after each change of that program or card. Switch"
        " the offload off (`ethtool -K DEVICE esp-hw-offload off`) if it is not needed, and set disable_policy to 0.",
        page="rollout.md#fail-closed",
    ),
    "IPP647": CodeHelp(
        means="The upstream version of the running strongSwan has published advisories for plugins that are loaded."
        " A distribution may have fixed them under the same version number.",
        state=_WARNED,
        look=(
            "apt-cache policy strongswan-swanctl  # or rpm -q --changelog strongswan",
            "swanctl --stats  # loaded plugins",
        ),
        remedy="Check that the package has the fixes named in the message, and update it. charon turns unused plugins"
        " off when it starts with ipsecplan's configuration.",
        page="rollout.md#preflight",
    ),
    "IPP648": CodeHelp(
        means="A packet was sent through a throwaway SA of the planned kind (IP-TFS, or one for each processor) in two"
        " throwaway network namespaces, and did not arrive. Kernels that are built without CONFIG_XFRM_IPTFS take such"
        " an SA without a word and then drop every packet of it.",
        state=BEFORE,
        look=(
            "grep XFRM_IPTFS /boot/config-$(uname -r)  # not set: the kernel can't; Debian's are so",
            "cat /proc/net/xfrm_stat  # XfrmOutStateModeError rises with each dropped packet",
        ),
        remedy="Take `ipsec.mode: tunnel` in the plan and render again, or boot a kernel that has the feature on every"
        " node. Where the message says that it could not be tried, load veth and esp4 and apply again.",
        page="decisions/0235-a-packet-is-sent.md",
    ),
    "IPP649": CodeHelp(
        means="The table of systems knows this node's package: its swanctl reads another folder than the one in which a"
        " bundle's files lie (Fedora and RHEL), or libreswan runs in strongSwan's place.",
        state=BEFORE,
        look=("cat /etc/os-release; ls -d /etc/swanctl /etc/strongswan/swanctl", "ss -Hlunp 'sport = :500'"),
        remedy="Run the command in the hint: a link makes both folders the same, and libreswan gives way to strongSwan."
        " Then apply again.",
        page="decisions/0236-systems-as-one-table.md",
    ),
    "IPP650": CodeHelp(
        means="A node of the bundle is not in the inventory any more, so it is not known how to reach it.",
        state=BEFORE,
        look=("ansible-inventory -i hosts.yml --graph  # on the control machine",),
        remedy="Put the host back, or render a bundle without it, apply that, and then `ipsecplan revert bundle --limit"
        " NODE` with the old one.",
        page="decisions/0064-removing-a-node.md",
    ),
    "IPP651": CodeHelp(
        means="Variables or groups of hosts in the inventory changed after the bundle was rendered. Addresses in the"
        " inventory decide which machines are changed, so a bundle and its inventory must fit.",
        state=BEFORE,
        look=(
            "ipsecplan lint plan.yaml --verbose  # what is read per host",
            "git diff hosts.yml  # if it is in a repository",
        ),
        remedy="`ipsecplan render plan.yaml --to bundle`, review and apply; or undo the change of the inventory.",
        page="decisions/0121-what-makes-a-bundle-old.md",
    ),
    "IPP652": CodeHelp(
        means="A connection variable can't be used: a password that everyone can read in the inventory, a value that"
        " begins with '-', a Python interpreter that is no path, or host-key checks that are off (an error with"
        " pre-shared keys).",
        state=BEFORE + " As a warning (host keys are not checked): the command went on.",
        look=("ansible-inventory -i hosts.yml --host n1  # on the control machine",),
        remedy="Log in with an SSH key, an agent or a certificate; give sudo's or su's password with -K, or in a vault."
        " Remove StrictHostKeyChecking=no, and let ssh know the hosts: `ssh-keyscan -H NODE >> ~/.ssh/known_hosts`,"
        " after you compared the fingerprints.",
        page="rollout.md#where-things-are",
    ),
    "IPP653": CodeHelp(
        means="ssh is not installed on the control machine, or refuses to run because the user id has no entry in"
        " /etc/passwd (usual in containers).",
        state=BEFORE,
        look=("command -v ssh  # on the control machine", 'getent passwd "$(id -u)"'),
        remedy="Install openssh-client. Give the user an entry in /etc/passwd, or one through libnss-wrapper.",
        page="rollout.md#what-the-control-machine-needs",
    ),
    "IPP654": CodeHelp(
        means="charon has a connection to a peer with `reauth_time`. No file of ours has it. Where both ends have it,"
        " each reauthentication makes an IKE_SA more than it ends: 33 were counted after 7 rounds, with twice as many"
        " states in the kernel; `unique = replace` only holds it down.",
        state=BEFORE + " `status` says the same of a release in force (exit 4).",
        look=(
            "swanctl --list-conns | grep -B3 -i reauth  # on the node",
            "grep -rn reauth_time /etc/swanctl  # also in files of another program that extend ours",
        ),
        remedy="Take it away and `swanctl --load-all --noprompt`; `rekey_time`, which our files have, renews the keys."
        " New credentials are `ipsecplan rotate certificates bundle`.",
        page="strongswan.md#lives-rekeys-and-dpd",
    ),
    "IPP655": CodeHelp(
        means="The password with which a login becomes root is missing or can't be used: it is in a vault whose"
        " password was not given or is another one, it is empty, there is no terminal to ask at, or doas would need"
        " it.",
        state=BEFORE,
        look=("ansible-inventory -i hosts.yml --host n1  # on the control machine",),
        remedy="Give sudo's or su's password with --ask-become-pass (-K) or --become-password-file, the vault's with"
        " --ask-vault-pass or --vault-password-file; let doas in without a password (`permit nopass`).",
        page="how-to/logins.md",
    ),
}
