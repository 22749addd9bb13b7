"""Write docs/reference/index-of-words.md, every word with the places that explain it: python -m tests.index_docs."""

from __future__ import annotations

import json
import re
from collections import defaultdict

from netplan.cni import ADAPTERS
from netplan.inputs.variable_names import VARIABLES
from netplan.model.planfile import json_schema
from netplan.stack.headers import HEADERS
from tests.support.doc_anchors import anchor
from tests.support.doc_blocks import DOCS, prose

DOC = DOCS / "reference" / "index-of-words.md"
# pages whose headings are words of their own: the generated ones list their words below
MADE = {"errors.md", "protocol.md", *(f"reference/{path.name}" for path in DOC.parent.glob("*.md"))}
HEAD = """# Index of words

Words, keys, verbs and headings with the places that explain them. Error codes are in [errors.md](../errors.md). Made by
`python -m tests.index_docs`; change that, not this page.
"""


def _of_tables(into: dict[str, dict[str, str]]) -> None:
    from netplan.cli.group import cli  # click and all verbs, only when they are asked for

    for verb in cli.commands:
        into[f"`{verb}`"][f"verbs.md#ipsecplan-{verb}"] = "verb"
    for name in VARIABLES:
        into[f"`{name}`"]["host-variables.md"] = "host variable"
    for name in HEADERS:
        into[f"`{name}`"]["layers.md#headers"] = "header"
    for name, adapter in ADAPTERS.items():
        into[f"{adapter.title} (`{name}`)"]["../networks.md#what-each-networks-field-is"] = "network"
    schema = json.loads(json_schema())
    for name, about in {"The file": schema, **schema["$defs"]}.items():
        for key in about.get("properties", {}):
            into[f"`{key}`"][f"plan-file.md#{anchor(name)}"] = f"plan file, {name.lower()}"


def _of_pages(into: dict[str, dict[str, str]]) -> None:
    for path in sorted(DOCS.rglob("*.md")):
        name = str(path.relative_to(DOCS))
        if name in MADE or name == "index.md" or path.parent.name == "decisions":
            continue
        text = path.read_text(encoding="utf-8")
        title = text.partition("\n")[0].removeprefix("# ")
        for heading in re.findall(r"^#{2,3} (.+)$", prose(text), re.MULTILINE):
            bare = re.sub(r"^\d+\. ", "", heading)
            into[bare[0].upper() + bare[1:]][f"../{name}#{anchor(heading)}"] = title
        for word, _ in re.findall(r"^\| \*\*([^|*]+)\*\* \| (.+) \|$", text, re.MULTILINE):
            into[word][f"../{name}"] = title


def document() -> str:
    """Return the page."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    _of_tables(found)
    _of_pages(found)
    text, last = HEAD, ""
    for word in sorted(found, key=lambda w: (_bare(w).lower(), w)):
        letter = _bare(word)[:1].upper()
        if letter != last:
            text += f"\n## {letter}\n\n"
            last = letter
        places = ", ".join(f"[{title}]({link})" for link, title in found[word].items())
        text += f"- {word}: {places}\n"
    return text


def _bare(word: str) -> str:
    return re.sub(r"^[^A-Za-z]*", "", word) or word


if __name__ == "__main__":
    DOC.write_text(document(), encoding="utf-8")
