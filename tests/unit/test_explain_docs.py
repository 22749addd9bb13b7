"""The manual pages of calc: their tables come from the tables. Their sessions are played by ``test_docs_pages``.

``UPDATE_GOLDEN=1`` writes the pages anew; read the difference before you commit it.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from netplan.stack import parse, solve
from netplan.stack.headers import HEADERS, MACROS
from netplan.stack.transforms import esp_transform
from tests.support.golden import check

DOCS = Path(__file__).parents[2] / "docs"
PAGES = ("mtu-problems.md", "calc.md", "stack-notation.md")
BLOCK = re.compile(r"(?<=^```console\n).*?(?=^```$)", re.MULTILINE | re.DOTALL)
SUITES = (
    *("aes256gcm16", "aes256gcm12", "aes256gcm8", "aes128-sha1", "aes128-sha256", "aes256-sha384", "aes256-sha512"),
    *("aes128ctr-sha256", "3des-md5", "null-sha256"),
)


def headers_table() -> str:
    lines = ["| token | bytes | options | may carry | source |", "|---|---|---|---|---|"]
    for row in HEADERS.values():
        options = [f"`:{name}` {more:+}" for name, (more, _) in row.flags.items()]
        if row.number:
            number = row.number
            each = f", {number.per_unit} each" if number.per_unit > 1 else ""
            options.insert(0, f"`:N` {number.low} to {number.high} {number.unit}{each}")
            options += [f"`:{name}` = {value}" for name, value in number.presets.items()]
            options += [f"`:{kind}` {more:+}" for kind, (more, _) in row.kinds.items()]
        options += [f"after `{place}` {more:+}" for place, (more, _) in row.after.items()]
        size = f"{row.bytes}" + (f" + {row.trailer} behind" if row.trailer else "")
        note = row.note or row.warning
        title = row.title + (f" ({note})" if note else "")
        lines.append(
            f"| `{row.name}` {title} | {size} | {', '.join(options)} | {' '.join(row.carries)} | {row.source} |"
        )
    return "\n".join(lines)


def suites_table() -> str:
    lines = [
        "| proposal | IV | ICV | multiple of | ESP bytes | tunnel on 1500 | NAT-T | VXLAN + transport | NAT-T |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for suite in SUITES:
        t = esp_transform(suite)
        shapes = ("ip4/{}/ip4", "ip4/udp/{}/ip4", "ip4/{}/udp/vxlan/eth/ip4", "ip4/udp/{}/udp/vxlan/eth/ip4")
        mtus = [str(solve(parse(shape.format(f"esp:{suite}")), 1500).inner_mtu) for shape in shapes]
        least = 10 + t.iv + t.icv
        lines.append(
            f"| `{suite}` | {t.iv} | {t.icv} | {t.align} | {least} to {least + t.align - 1} | {' | '.join(mtus)} |"
        )
    return "\n".join(lines)


def macros_text() -> str:
    return ", ".join(f"`{name}` = `{'/'.join(parts)}`" for name, parts in MACROS.items())


TABLES = {"headers": headers_table, "suites": suites_table, "macros": macros_text}


def rewritten(text: str) -> str:
    for name, make in TABLES.items():
        gap = "" if name == "macros" else "\n"
        wanted = f"<!-- {name} -->{gap}{make()}{gap}<!-- /{name} -->"
        text = re.sub(f"<!-- {name} -->.*<!-- /{name} -->", lambda _, w=wanted: w, text, flags=re.DOTALL)
    return text


@pytest.mark.parametrize("page", PAGES)
def test_tables_of_a_page_are_current(page: str) -> None:
    check(DOCS / page, rewritten((DOCS / page).read_text(encoding="utf-8")))


def test_the_pages_hold_what_they_should() -> None:
    problems = (DOCS / "mtu-problems.md").read_text()
    assert len(re.findall(r"^## \d+\. ", problems, re.MULTILINE)) == 10
    questions = re.split(r"^## \d+\. ", problems, flags=re.MULTILINE)[1:]
    assert all(BLOCK.search(question) for question in questions)
    notation = (DOCS / "stack-notation.md").read_text()
    assert all(f"<!-- {name} -->" in notation for name in TABLES)


def test_a_false_table_would_be_noticed() -> None:
    false = "<!-- macros -->wrong<!-- /macros -->\n"
    assert rewritten(false) != false
