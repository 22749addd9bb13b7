"""Answers to the codes of the plan file and of files that are named (IPP2xx)."""

from __future__ import annotations

from netplan.explain.errors.entry import NO_NODE, CodeHelp

_LINT = "ipsecplan lint plan.yaml  # every fault with file:line:column"
_SCHEMA = "ipsecplan schema  # the JSON Schema: every key with its type and range"
_KEYS = "ipsecplan init /tmp/example.yaml --inventory hosts.yml  # an annotated plan file to compare with"

HELP: dict[str, CodeHelp] = {
    "IPP201": CodeHelp(
        means="A file that the command line or the plan names does not exist, can't be opened, is larger than its"
        " limit, is not text, or is no regular file (a pipe or a device is refused, not waited for).",
        state=NO_NODE,
        look=("ls -l plan.yaml  # owner, mode, size", "namei -l PATH  # which folder of the path refuses"),
        remedy="Correct the path or the mode. `ipsecplan init plan.yaml --inventory hosts.yml` writes a new plan.",
        page="architecture.md#what-holds-everywhere",
    ),
    "IPP202": CodeHelp(
        means="The plan file is not YAML, or uses YAML that a plan may not use: a key that is no plain text, more"
        " than 1 MiB, too many levels or values.",
        state=NO_NODE,
        look=(_LINT, "cat -A plan.yaml  # tabs (^I) and invisible characters at the place in the message"),
        remedy="Correct the line at the caret: indent with blanks, and quote text that contains `: ` or ` #`.",
        page="architecture.md#what-holds-everywhere",
    ),
    "IPP203": CodeHelp(
        means="A key stands twice in one mapping, or a namespace is listed twice. YAML would silently use one of"
        " them, so the plan is refused.",
        state=NO_NODE,
        look=(_LINT,),
        remedy="Keep one of the two. The message names the line of the first.",
        page="networks.md#baseline-policies",
    ),
    "IPP204": CodeHelp(
        means="The plan uses an anchor, an alias, a tag or a merge key. What is reviewed must stand where it is used,"
        " so these are not allowed.",
        state=NO_NODE,
        look=(_LINT,),
        remedy="Write the value out at each place, and remove the tag.",
        page="decisions/0002-plan-file-types.md",
    ),
    "IPP205": CodeHelp(
        means="A number with a leading zero is octal in one version of YAML and decimal in another.",
        state=NO_NODE,
        look=(_LINT,),
        remedy="Remove the leading zero. Where a text is meant, put it into quotes.",
        page="decisions/0002-plan-file-types.md",
    ),
    "IPP206": CodeHelp(
        means="The plan has a key that does not exist at this place, or is no mapping at its top. An unknown key is"
        " an error because a misspelt one would be a setting that has no effect.",
        state=NO_NODE,
        look=(_LINT, _SCHEMA),
        remedy="Take the key that the hint suggests. Keys of an earlier version were renamed: CHANGELOG.md has the"
        " table.",
        page="architecture.md#what-holds-everywhere",
    ),
    "IPP207": CodeHelp(
        means="A key that has no default value is missing from the plan.",
        state=NO_NODE,
        look=(_KEYS, _SCHEMA),
        remedy="Add the key at the place that the message names; the hint says what it takes.",
        page="architecture.md#what-holds-everywhere",
    ),
    "IPP208": CodeHelp(
        means="A value has the wrong type, such as a text where a number is needed, or is not one of the words that"
        " the key takes.",
        state=NO_NODE,
        look=(_LINT, _SCHEMA),
        remedy="Take one of the words in the message. Remove quotes around a number.",
        page="architecture.md#what-holds-everywhere",
    ),
    "IPP209": CodeHelp(
        means="A number is outside the range of its key, or a list has too few or too many entries.",
        state=NO_NODE,
        look=(_LINT, _SCHEMA),
        remedy="Take a value within the bound that the message names.",
        page="architecture.md#what-holds-everywhere",
    ),
    "IPP210": CodeHelp(
        means="A file can't be written: it exists already and is not replaced, its folder refuses, the disk is full,"
        " standard output was closed, or the planner can't change the value in place.",
        state="The file is as it was: files are written whole or not at all. Nodes are not concerned, except where a"
        " verb that changes nodes lost its output; then `ipsecplan status bundle` shows the state.",
        look=("ls -ld FOLDER FILE  # owner and mode", "df -h FOLDER  # free space"),
        remedy="Name another file or an empty folder, or make room. In the planner change such a value in an editor"
        " (F4).",
        page="planner.md#limits",
    ),
    "IPP211": CodeHelp(
        means="A path leads to something of another kind: a bundle where a plan file is wanted, a plan or an inventory"
        " where a bundle is wanted, or a part of a bundle.",
        state=NO_NODE,
        look=("ls -l PATH  # a bundle is a folder with manifest.json and REVIEW.md",),
        remedy="Give the kind that the message asks for. `ipsecplan render plan.yaml --to bundle` makes a bundle from"
        " a plan.",
        page="architecture.md#fifteen-words",
    ),
    "IPP212": CodeHelp(
        means="The operating system refused a file or a folder on the control machine. The message has its reason,"
        " such as no space, no permission, or too many open files.",
        state="The verb stopped at this place on the control machine. Before the first change nothing happened on a"
        " node; after it the nodes roll back, at the latest by their own timers.",
        look=(
            "ipsecplan status bundle  # if the verb changes nodes: does a transaction stand open?",
            "df -h /tmp; df -i /tmp  # space and inodes of the folder for temporary files",
        ),
        remedy="Make room, or set TMPDIR to a folder that can be written, and run the command again. For an open"
        " transaction: `ipsecplan resume bundle` or `ipsecplan revert bundle`.",
        page="rollout.md#what-the-control-machine-needs",
    ),
}
