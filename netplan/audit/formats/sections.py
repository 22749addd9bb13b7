"""A file with the output of several commands, as people paste it: one text for each, in its own lines."""

from __future__ import annotations

import re

from netplan.audit.inputs import Text

MAX_PARTS = 200
_COMMANDS = (
    r"(?:ip (?:-\S+ )*(?:a|addr\w*|l|link|r|route|rule|x|xfrm|tun\w*)\b|"
    r"ifconfig|swanctl --|ipsec (?:status|whack)|wg show|"
    r"ovs-vsctl |networkctl|nmcli|docker (?:info|network)|podman network|iptables-save|nft |cat /|kubectl get|oc get)"
)
# root@node:~#, [root@node ~]#, node$: certain prompts; a bare # may be a comment
_PROMPT = re.compile(
    r"^(?:\[[^\]]{1,80}\][#$]|[\w.-]{1,40}@[\w.-]{1,60}:?\S{0,80}[#$>]|[\w.-]{1,60}(?::\S{0,60} ?)?[#$]|\$)\s*"
    rf"(?:sudo )?{_COMMANDS}"
)
_COMMENT = re.compile(rf"^#\s*(?:sudo )?{_COMMANDS}")
_RULER = re.compile(rf"^(?:={{3,}}|-{{3,}}|#{{3,}})\s*(?:sudo )?{_COMMANDS}")
_MARKS = ("#", "$", ">", "===", "---")  # each of the three above has one; dumps of thousands of lines have none


def plain(text: Text) -> Text:
    """Return a text without what a web page or a mail puts around it: fences, quotation marks, a common indentation.

    Line numbers stay. A text without these is returned as it is.
    """
    if text.text[:1] not in ("", " ", "\t", "\n", "\r", ">") and "```" not in text.text:
        return text
    head = [line for line in text.text[:65536].splitlines() if line.strip()]
    if not head or len(text.text) > 4 << 20:
        return text
    quoted = all(line.startswith(">") for line in head)
    fenced = sum(line.startswith("```") for line in head) > 1
    indent = min(len(line) - len(line.lstrip(" \t")) for line in head)
    if not (quoted or fenced or indent):
        return text
    lines = text.text.splitlines()
    if quoted:
        lines = [re.sub(r"^> ?", "", line) for line in lines]
    if fenced:
        lines = _inside(lines)
    if indent and not quoted:
        lines = [line[indent:] for line in lines]
    return Text(text.path, "\n".join(lines) + "\n")


def _inside(lines: list[str]) -> list[str]:
    """The lines between fences; those around them become empty."""
    inside, found = False, []
    for line in lines:
        fence = line.startswith("```")
        found.append(line if inside and not fence else "")
        inside = inside != fence
    return found


def split(text: Text) -> list[Text]:
    """Return the parts of a text with several commands; empty for a text of one kind.

    Every part keeps its line numbers: what stands before it is empty lines.
    """
    if len(text.text) > 4 << 20 or re.match(r"\s*([{\[]|---|apiVersion:|kind:)", text.text):
        return []
    if not any(mark in text.text for mark in _MARKS):
        return []
    lines = text.text.splitlines()
    flush = [(n, line[:300]) for n, line in enumerate(lines) if line[:1] not in ("", " ", "\t")]
    certain = [n for n, line in flush if _PROMPT.match(line) or _RULER.match(line)]
    doubtful = [n for n, line in flush if _COMMENT.match(line)]
    at = sorted(certain + (doubtful if certain or len(doubtful) > 1 else []))
    if not at or len(at) > MAX_PARTS:
        return []
    starts = [*([0] if any(line.strip() for line in lines[: at[0]]) else []), *(n + 1 for n in at)]
    ends = [*(at if starts[0] == 0 and at[0] != 0 else at[1:]), len(lines)]
    found = []
    for start, end in zip(starts, ends, strict=False):
        body = lines[start:end]
        if any(line.strip() for line in body):
            found.append(Text(text.path, "\n" * start + "\n".join(body) + "\n"))
    return found
