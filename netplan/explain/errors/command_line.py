"""Answers to the codes of the command line and of the stack notation (IPP0xx, IPP1xx)."""

from __future__ import annotations

from netplan.explain.errors.entry import NO_NODE, CodeHelp

_PURE = "`calc` and `explain` only compute. They contact no node and write no file."

HELP: dict[str, CodeHelp] = {
    "IPP001": CodeHelp(
        means="The command line can't be understood: an unknown verb or option, a missing argument, or a value that"
        " an option does not take. The exit code is 2.",
        state=NO_NODE,
        look=("ipsecplan --help  # all verbs", "ipsecplan apply --help  # the options of one verb, with examples"),
        remedy="Correct the word that the message names. An option of an earlier version has no alias: CHANGELOG.md"
        " lists the old and the new names.",
        page="rollout.md",
    ),
    "IPP101": CodeHelp(
        means="A word between two slashes is no header that can be sized. The message lists the headers that fit at"
        " this place.",
        state=_PURE,
        look=("ipsecplan explain  # all headers", "ipsecplan explain vxlan  # what one header carries and follows"),
        remedy="Write the header under the name in the list. The hint has the nearest name.",
        page="stack-notation.md#headers",
    ),
    "IPP102": CodeHelp(
        means="An option stands after a colon, such as geneve:8, gre:key:seq or ah:sha256:align8. This header does"
        " not have the option, the number is outside its range, or the option is given twice.",
        state=_PURE,
        look=("ipsecplan explain geneve  # the options and the range of a header",),
        remedy="Take an option from the list in the message, once each.",
        page="stack-notation.md#headers",
    ),
    "IPP103": CodeHelp(
        means="Headers follow each other as on the wire, outermost first. This one can't follow the one before it."
        " Most often a header between the two is missing: vxlan travels in udp and carries eth.",
        state=_PURE,
        look=("ipsecplan explain vxlan  # the lines 'carries' and 'follows'",),
        remedy="Insert the missing header, or change the order: ip4/udp/vxlan/eth/ip4.",
        page="stack-notation.md#when-it-is-wrong",
    ),
    "IPP104": CodeHelp(
        means="The stack has no header, an empty place between two slashes, or more headers than a packet has.",
        state=_PURE,
        look=("ipsecplan calc ip4/esp:aes256gcm16/ip4  # a stack that works",),
        remedy="Write headers with one slash between two of them, and none at the beginning or the end.",
        page="stack-notation.md",
    ),
    "IPP105": CodeHelp(
        means="The headers of the stack alone don't fit into the link MTU, so there is no room for a packet inside.",
        state=_PURE,
        look=("ipsecplan calc ip4/esp:aes256gcm16/ip4 --reverse --payload 1500  # the link MTU for full packets",),
        remedy="The hint says which link MTU IPv4 and IPv6 need inside. Give a larger --mtu, or take a header out.",
        page="calc.md#the-other-way-which-link-do-i-need",
    ),
    "IPP106": CodeHelp(
        means="A size is not a whole number of bytes in its range: a link MTU is 68 (RFC 791) to 65535, an inner"
        " packet is at least as large as its own headers, and the packet around it has at most 65535.",
        state=_PURE,
        look=("ip -br link  # on the host: the real link MTU is in `ip link show dev DEVICE`",),
        remedy="Write plain digits within the range that the message names.",
        page="stack-notation.md#what-the-answer-means",
    ),
    "IPP107": CodeHelp(
        means="The algorithm after esp: or ah: is missing, unknown, or unfit for that header. Algorithms are"
        " strongSwan proposal keywords: aes256gcm16, chacha20poly1305, aes128-sha256. Key exchange (-x25519), PRF"
        " and -esn may follow and cost nothing.",
        state=_PURE,
        look=("ipsecplan explain aes256gcm16  # IV, padding and ICV of one algorithm",),
        remedy="Write the keyword that the hint suggests. A packet has one cipher; compare several with --compare.",
        page="stack-notation.md#esp-and-ah",
    ),
    "IPP108": CodeHelp(
        means="A line of the file given to --batch is not a stack, blanks and a link MTU. Empty lines and lines that"
        " begin with # are skipped. The other lines of the file were computed.",
        state=_PURE,
        look=("ipsecplan calc --help",),
        remedy="Correct the line that the message names, such as: ip4/esp:aes256gcm16/ip4 1500",
        page="calc.md#many-questions-at-once",
    ),
    "IPP109": CodeHelp(
        means="The stack ends with a header that must carry something, so the size of the packet inside is unknown.",
        state=_PURE,
        look=("ipsecplan explain vxlan  # the line 'carries'",),
        remedy="End the stack with the packet inside, such as /ip4 or /eth/ip4.",
        page="stack-notation.md",
    ),
    "IPP111": CodeHelp(
        means="`explain` has no page for this word. It is no header, algorithm, system, number, packet or code that"
        " ipsecplan knows.",
        state=_PURE,
        look=("ipsecplan explain  # all topics",),
        remedy="Take the near word from the hint, or a topic from the list.",
        page="calc.md#other-peoples-numbers",
    ),
    "IPP112": CodeHelp(
        means="--underlay names a cloud or fabric that is not in the list of presets.",
        state=_PURE,
        look=("ipsecplan explain underlays  # all names, with the source of each number",),
        remedy="Take a name from the list, or give the link MTU itself with --mtu.",
        page="calc.md#a-link-you-dont-know-by-heart",
    ),
}
