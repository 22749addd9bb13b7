"""The tables of docs/networks.md and docs/audit.md come from the registry.

``UPDATE_GOLDEN=1`` writes them anew; read the difference before you commit it.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from netplan.cni import ADAPTERS
from netplan.cni.render import OPTIONS
from netplan.codes import CODES
from netplan.host.links import HOSTS
from tests.support.golden import check
from tests.support.networks import IPSEC, planned

DOCS = Path(__file__).parents[2] / "docs"
LINK = 1500


def networks() -> list[str]:
    rows = [
        "| plugin | network | its number | field | automatic at 1500 | goes live | running pods | checked against |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, a in ADAPTERS.items():
        automatic = "does not look at the link"
        if a.automatic is not None:
            table = a.automatic.by
            encaps = dict.fromkeys(encap for encap, _ in table)
            automatic = ", ".join(
                f"{encap} " + "/".join(str(LINK - table[encap, f]) for f in ("ipv4", "ipv6") if (encap, f) in table)
                for encap in encaps
            )
        keep = "keep theirs" if a.pods_keep else "follow"
        rows.append(
            f"| `{name}` | {a.title} | {a.semantics} | {a.field} | {automatic} | {a.goes_live} | {keep} "
            f"| {a.facts.checked_against} |"
        )
    unsure = [f"- `{name}`: {a.unverified}" for name, a in ADAPTERS.items() if a.unverified]
    return [*rows, "", "Not verified against source:", "", *unsure]


def takes() -> list[str]:
    rows = ["| plugin | encapsulation | IPv4 | IPv6 |", "|---|---|---|---|"]
    for name, a in ADAPTERS.items():
        for encap in dict.fromkeys(e for e, _ in a.overhead.by):
            four, six = (a.overhead.by.get((encap, f)) for f in ("ipv4", "ipv6"))
            if four or six:
                rows.append(f"| `{name}` | {encap} | {'-' if four is None else four} | {'-' if six is None else six} |")
    return rows


def numbers() -> list[str]:
    """Every network, encapsulation and family under every kind of IPsec: the number for its field."""
    rows = [
        "| plugin | over | no IPsec | GCM | CBC, SHA-256 | GCM, NAT-T | CBC, SHA-256, NAT-T |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, a in ADAPTERS.items():
        for encap, family in a.overhead.by:
            cells = []
            for ipsec in IPSEC:
                network = planned(a, encap, family, ipsec)
                value = a.field_value(network)
                cells.append(str(value) if value == network.pod_mtu else f"{value} ({network.pod_mtu})")
            rows.append(f"| `{name}` | {encap}, {family} | {' | '.join(cells)} |")
    return rows


def collisions() -> list[str]:
    return [f"- `{name}`: {a.brings_ipsec}." for name, a in ADAPTERS.items() if a.brings_ipsec]


def options() -> list[str]:
    rows = ["| option | what it is |", "|---|---|"]
    return rows + [f"| `{key}` | {text} |" for key, (text, _) in OPTIONS.items()]


def hosts() -> list[str]:
    rows = ["| configurator | field | goes live | checked against |", "|---|---|---|---|"]
    return rows + [f"| {h.title} | `{h.field}` | {h.goes_live} | {h.checked_against} |" for h in HOSTS.values()]


def codes() -> list[str]:
    rows = ["| code | meaning |", "|---|---|"]
    return rows + [
        f"| {code} | {text} |" for code, text in CODES.items() if "IPP910" <= code <= "IPP919" or code == "IPP921"
    ]


TABLES = [
    ("networks.md", "networks", networks),
    ("networks.md", "takes", takes),
    ("networks.md", "numbers", numbers),
    ("networks.md", "collisions", collisions),
    ("networks.md", "options", options),
    ("networks.md", "hosts", hosts),
    ("audit.md", "codes", codes),
]


@pytest.mark.parametrize(("page", "name", "make"), TABLES, ids=[f"{p}-{n}" for p, n, _ in TABLES])
def test_tables_are_current(page, name, make):
    path = DOCS / page
    text = path.read_text()
    pattern = re.compile(rf"(?<=<!-- {name}: generated -->\n).*?(?=<!-- /{name} -->)", re.DOTALL)
    assert pattern.search(text), "the page has lost its marks"
    wanted = "\n" + "\n".join(make()) + "\n\n"
    check(path, pattern.sub(lambda _: wanted, text))
