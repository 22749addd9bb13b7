"""Write the pages of docs/reference/ from the tables and types of the program: python -m tests.reference_docs."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import click
from pydantic import TypeAdapter

from netplan.agent.places import PLACES
from netplan.bundle.schema import Manifest
from netplan.cli.envelope import SCHEMA_VERSION
from netplan.cli.group import cli
from netplan.cli.result_schemas import RESULTS, schema_of
from netplan.inputs.variable_names import RENAMED, VARIABLES
from netplan.model.planfile import json_schema
from netplan.problems import ExitCode, Problem
from netplan.stack.headers import HEADERS, MACROS
from netplan.stack.transforms import CIPHERS, ESP_ALIGN, INTEGRITY
from tests.support import help_pages

DIRECTORY = Path(__file__).parents[1] / "docs" / "reference"
SCHEMAS = DIRECTORY.parent / "extra" / "schemas"
EXIT_CODES = {
    ExitCode.OK: "done, or nothing to do",
    ExitCode.FAILURE: "it failed, and nothing was changed; or `rotate` stopped between two steps; or a defect (IPP699)",
    ExitCode.USAGE: "a wrong option or argument, or a question that nobody could answer (`--yes` is missing)",
    ExitCode.INVALID: "a file, the inventory or a value is wrong; no node was contacted",
    ExitCode.DIFFERENCE: "a difference was found (`diff`, `status`), or a size is too large (`audit`, `trace`)",
    ExitCode.VERIFY_FAILED: "measured, and not as planned",
    ExitCode.REVERTED: "the change failed or wasn't confirmed: rolled back on every node, and read back",
    ExitCode.REVERT_INCOMPLETE: "rolled back, but not on every node: the message names the others",
    ExitCode.UNREACHABLE: "nodes could not be reached; nothing was changed",
    ExitCode.UNJUDGED: "`audit`, `trace`: nothing is too large, but something could not be judged",
    ExitCode.INTERRUPTED: "interrupted where nothing was under way",
}
NOTE = "Made from the program by `python -m tests.reference_docs`; change that, not this page.\n"


def row(*cells: object) -> str:
    """Return a line of a table."""
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |\n"


def head(*cells: str) -> str:
    """Return the head of a table."""
    return row(*cells) + "|" + " --- |" * len(cells) + "\n"


def verbs() -> str:
    """Return the page of all commands."""
    text = f"# Verbs\n\nEvery verb as `ipsecplan VERB --help` prints it. {NOTE}"
    for page in help_pages.fresh():
        name, _, shown = page.partition("\n")
        text += f"\n## {name}\n\n```text\n{shown.strip()}\n```\n"
    return text


def kind(field: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    """Return what a value of a JSON Schema may be, in words."""
    if "$ref" in field:
        name = field["$ref"].rpartition("/")[2]
        found = definitions[name]
        return f"[{name}](#{name.lower()})" if found.get("properties") else kind(found, definitions)
    for union in ("anyOf", "oneOf"):
        if union in field:
            return ", or ".join(dict.fromkeys(kind(one, definitions) for one in field[union]))
    if "allOf" in field:
        return kind(field["allOf"][0], definitions)
    if "enum" in field:
        return ", ".join(f"`{one}`" for one in field["enum"])
    if "const" in field:
        return f"`{field['const']}`"
    if field.get("type") == "array":
        return f"list of {kind(field['items'], definitions)}" if field.get("items") else "list"
    if field.get("type") == "object":
        more = field.get("additionalProperties")
        return f"mapping to {kind(more, definitions)}" if isinstance(more, dict) else "mapping"
    low, high = field.get("minimum"), field.get("maximum")
    name = {"integer": "whole number", "string": "text", "boolean": "true or false", "null": "nothing"}
    said = name.get(str(field.get("type")), "any")
    return f"{said}, {low} to {high}" if low is not None and high is not None else said


def default(field: Mapping[str, Any], required: bool) -> str:
    """Return the default of a value, in words."""
    if required:
        return "must be given"
    value = field.get("default")
    if isinstance(value, dict):
        value = {key: one for key, one in value.items() if one is not None}
        value = value["shape"] if [*value] == ["shape"] else value  # of a topology: written as one word
    return f"`{json.dumps(value)}`" if value not in (None, [], {}) else ""


def mentioned(part: Mapping[str, Any], definitions: Mapping[str, Any]) -> list[str]:
    """Return the definitions that a part of a schema refers to, and those that these refer to, as one reads them."""
    own = {key: value for key, value in part.items() if key != "$defs"}
    found: list[str] = []
    for name in re.findall(r'"#/\$defs/(\w+)"', json.dumps(own)):
        found += [name, *mentioned(definitions[name], definitions)]
    return list(dict.fromkeys(found))


def _first(definitions: Mapping[str, Any], field: Mapping[str, Any]) -> str:
    """Return the first line about the definition that a key refers to."""
    name = (field.get("items") or field).get("$ref", "").rpartition("/")[2]
    return str(definitions.get(name, {}).get("description", "")).partition("\n")[0].replace("``", "`")


def types(schema: Mapping[str, Any], top: str) -> Iterator[str]:
    """Yield a section for each mapping of a JSON Schema, that of ``top`` first; a column that is empty is left out."""
    definitions = schema.get("$defs", {})
    for name, about in {top: schema, **{name: definitions[name] for name in mentioned(schema, definitions)}}.items():
        if not about.get("properties"):
            continue
        yield f"\n## {name}\n\n"
        if name != top and about.get("description"):
            yield about["description"].partition("\n")[0].replace("``", "`") + "\n\n"
        required = about.get("required", [])
        rows = [("key", "value", "default", "meaning")]
        for key, field in about["properties"].items():
            said = " ".join(str(field.get("description") or _first(definitions, field)).split())
            rows.append((f"`{key}`", kind(field, definitions), default(field, key in required), said))
        kept = [n for n in range(4) if any(cells[n] for cells in rows[1:])]
        yield head(*(rows[0][n] for n in kept))
        yield from (row(*(cells[n] for n in kept)) for cells in rows[1:])


def plan_file() -> str:
    """Return the page of the plan file."""
    schema = json.loads(json_schema())
    about = (
        "# Plan file\n\nA plan is one YAML file. `ipsecplan init` writes one with comments, `ipsecplan lint` checks "
        "it, `ipsecplan schema` prints its JSON Schema for editors. An unknown key is an error. What a host has is in "
        f"the [inventory](host-variables.md). {NOTE}"
    )
    return about + "".join(types(schema, "The file"))


def host_variables() -> str:
    """Return the page of the host variables."""
    text = (
        "# Host variables\n\nWhat a plan reads of each host in the inventory. Values are literal: a template is "
        "refused (IPP307), because it would run code on the control machine. `ipsecplan lint --verbose` lists what was "
        f"read. {NOTE}\n" + head("variable", "form", "meaning")
    )
    text += "".join(row(f"`{name}`", form, meaning) for name, (form, meaning) in VARIABLES.items())
    text += (
        "\nHow nodes are reached comes from Ansible's own variables: `ansible_host`, `ansible_port`, `ansible_user`, "
        "the key file, SSH arguments, `ansible_become*`, `ansible_python_interpreter`; "
        "a password to become root comes as [logins](../how-to/logins.md) says.\n\n"
        "A variable that is a misspelling of one of these is an error (IPP304). So is an earlier name:\n\n"
        + head("earlier", "now")
    )
    return text + "".join(row(f"`{old}`", f"`{new}`") for old, new in RENAMED.items())


def bundle() -> str:
    """Return the page of the bundle."""
    schema = TypeAdapter(Manifest).json_schema()
    if "$ref" in schema:
        schema = {**schema["$defs"].pop(schema["$ref"].rpartition("/")[2]), "$defs": schema["$defs"]}
    text = (
        "# Bundle\n\nThe directory that `ipsecplan render` writes and `ipsecplan apply` carries out, byte for byte.\n\n"
        + head("in the bundle", "what it is")
        + row("`REVIEW.md`", "for people: the numbers, what changes on every node, the order")
        + row("`manifest.json`", "digest, mode and owner of every file; the digests of the plan and of the inventory")
        + row("`plan.json`", "what all nodes share; a `node.json` refers to it")
        + row("`nodes/ID/node.json`", "what the agent on one node is told: [protocol.md](../protocol.md)")
        + row("`nodes/ID/...`", "the files of one node, at their paths below `/`")
        + row("`cluster/STEPS.md`", "what to do in the cluster, in order; with the patches beside it")
        + row("`cluster/firewall/`", "openings for the hosts' own firewall, with `firewall` in the plan")
        + row("`unmanaged-peers/ID/`", "for the administrator of a host with `ipsecplan_managed: false`")
        + "\nPrivate keys, pre-shared keys and certificates are in no bundle.\n\n## Places on a node\n\nA bundle that "
        f"names another place, or another mode, is refused where it is read, and again on the node. {NOTE}\n"
        + head("path", "mode")
    )
    device = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}"
    for pattern, mode in PLACES.items():
        text += row(f"`{pattern.replace(device, 'DEVICE').replace(chr(92), '')}`", mode)
    return (
        text
        + "\n# manifest.json\n".replace("# ", "## ", 1)
        + "".join(types(schema, "Manifest")).replace("\n## ", "\n### ")
    )


def exit_codes() -> str:
    """Return the page of the exit codes."""
    text = (
        "# Exit codes\n\nThey are the same for every verb. A difference is neither 1 nor 2, so that no habit from "
        f"other programs misreads it. What to do is in the [runbook](../runbook.md). {NOTE}\n"
        + head("code", "name", "meaning")
    )
    return text + "".join(row(int(code), code.name.lower(), EXIT_CODES[code]) for code in ExitCode)


def with_json(command: click.Command, words: str) -> Iterator[str]:
    """Yield the commands that have ``--json``."""
    if any("--json" in parameter.opts for parameter in command.params):
        yield words
    if isinstance(command, click.Group):
        for name in command.list_commands(click.Context(command)):
            inner = command.get_command(click.Context(command), name)
            assert inner is not None
            yield from with_json(inner, f"{words} {name}".strip())


def json_page() -> str:
    """Return the page of what ``--json`` prints."""
    problem = Problem("IPP661", "n1 can't be reached").as_json()
    links = ", ".join(f"[{name}](../extra/schemas/{name})" for name in schemas())
    text = (
        "# JSON\n\n`--json` prints one object on stdout, errors of the command line included.\n\n"
        + head("key", "value")
        + row("`schema_version`", f"{SCHEMA_VERSION}; another number when a key changes its meaning")
        + row("`exit_code`", "the [exit code](exit-codes.md) of the process")
        + row("`result`", "what the verb found; null when it failed before that")
        + row("`warnings`, `errors`", "problems, as below")
        + "\nA problem, and its `url` in [errors.md](../errors.md):\n\n```json\n"
        + json.dumps(problem, indent=2)
        + f"\n```\n\nThese verbs have it: {', '.join(f'`{name}`' for name in with_json(cli, ''))}.\n\n"
        f"`audit --sarif` prints SARIF 2.1.0 instead. {NOTE}\n## JSON Schemas\n\n"
        "`ipsecplan schema` prints that of the plan file, `ipsecplan schema VERB` that of what a verb prints. The same "
        f"as files, on the site below `schemas/`: {links}.\n\n## JSON Schema of the plan file\n\n```json\n"
    )
    return text + json_schema().strip() + "\n```\n"


def schemas() -> dict[str, str]:
    """Return every JSON Schema by the name of its file: of the plan file, and of what each verb prints."""
    verbs_ = {name: json.dumps(schema_of(name), indent=2) for name in RESULTS}
    return {f"{name}.json": text.strip() + "\n" for name, text in {"plan-file": json_schema(), **verbs_}.items()}


def layers() -> str:
    """Return the page of all headers and transforms."""
    text = (
        "# Layers and their sources\n\nThe size of every header and transform that the arithmetic knows, and where "
        "it is from. How they are put together is in the [stack notation](../stack-notation.md), what container "
        f"networks take off in [networks.md](../networks.md#what-it-subtracts-from-its-field). {NOTE}\n## Headers\n\n"
        + head("token", "what", "bytes", "source")
    )
    for about in HEADERS.values():
        size = f"{about.bytes}" + (f" + {about.trailer} behind" if about.trailer else "")
        size += f", and {about.number.per_unit} for each of its {about.number.unit}" if about.number else ""
        text += row(f"`{about.name}`", about.title, size, about.source)
    text += "\nShort forms:\n\n" + head("token", "stands for")
    text += "".join(row(f"`{name}`", f"`{'/'.join(parts)}`") for name, parts in MACROS.items())
    text += "\n## Ciphers of ESP\n\n" + head("keyword", "IV", "fills whole", "ICV of its own", "source")
    for name, cipher in CIPHERS.items():
        icv = "" if cipher.icv is None else cipher.icv
        text += row(f"`{name}`", cipher.iv, max(cipher.block, ESP_ALIGN), icv, cipher.source)
    text += "\n## Integrity\n\n" + head("keyword", "ICV", "source")
    return text + "".join(row(f"`{name}`", icv, source) for name, (icv, source) in INTEGRITY.items())


PAGES: dict[str, Callable[[], str]] = {
    "verbs": verbs,
    "plan-file": plan_file,
    "host-variables": host_variables,
    "bundle": bundle,
    "exit-codes": exit_codes,
    "json": json_page,
    "layers": layers,
}


def write() -> None:
    """Write all pages."""
    for name, make in PAGES.items():
        (DIRECTORY / f"{name}.md").write_text(make(), encoding="utf-8")
    for name, text in schemas().items():
        (SCHEMAS / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write()
