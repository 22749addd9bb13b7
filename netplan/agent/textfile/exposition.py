"""Prometheus' text format, in the dialect that node_exporter's textfile collector takes.

That one drops a whole file for a doubled HELP, a timestamp or a last line without its end, and one of two equal series
without a word. So a family is made once, a series that is there already is a defect, and the file ends with a newline.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Literal

    Kind = Literal["gauge", "counter"]
    Value = int | float | bool

PREFIX = "ipsecplan_"


def escaped(text: str) -> str:
    """Return a label's value as the format has it."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


class Family:
    """One metric: name without the prefix, kind, help, and its series by label values."""

    def __init__(self, name: str, kind: Kind, about: str, labels: Iterable[str] = ()) -> None:
        if (kind == "counter") != name.endswith("_total"):
            raise ValueError(name + ": a counter ends in _total, and nothing else does")
        self.name, self.kind, self.about, self.labels = PREFIX + name, kind, about, tuple(labels)
        self._series: dict[tuple[str, ...], Value] = {}

    def add(self, value: Value, *labels: str) -> None:
        """Add one series. Raises ValueError for one that is there already or has other labels."""
        if labels in self._series or len(labels) != len(self.labels):
            raise ValueError(f"{self.name}{labels} is there already, or has other labels than {self.labels}")
        self._series[labels] = value

    def lines(self) -> list[str]:
        """Return the family as text; nothing where it has no series."""
        if not self._series:
            return []
        out = [f"# HELP {self.name} {self.about}", f"# TYPE {self.name} {self.kind}"]
        for values, value in self._series.items():
            pairs = ",".join(f'{name}="{escaped(text)}"' for name, text in zip(self.labels, values))  # noqa: B905
            out.append(f"{self.name}{'{' + pairs + '}' if pairs else ''} {_number(value)}")
        return out


def _number(value: Value) -> str:
    return str(int(value)) if isinstance(value, (bool, int)) else repr(float(value))


def text(families: Iterable[Family]) -> str:
    """Return a whole file. Raises ValueError where two families have one name."""
    out: list[str] = []
    names: set[str] = set()
    for family in families:
        if family.name in names:
            raise ValueError(family.name + " is there twice")
        names.add(family.name)
        out += family.lines()
    return "\n".join(out) + "\n"
