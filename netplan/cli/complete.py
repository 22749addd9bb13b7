"""Values that the shell completes: plans, bundles, hosts, suites, topics, transactions. Never raises."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from netplan.cli.verbs import VERBS

MOST = 200  # values, and entries of a folder that are looked at
MOST_BYTES = 16 << 20  # of a manifest
Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def _values(find: Callable[[click.Context], Iterable[str]]) -> Complete:
    """Return a function for click: the values that begin with what is typed; after a comma, with the last word."""

    def complete(ctx: click.Context, _: click.Parameter, typed: str) -> list[CompletionItem]:
        before, comma, last = typed.rpartition(",")
        with contextlib.suppress(Exception):
            found = [word for word in find(ctx) if word.startswith(last) and word.isprintable()]
            return [CompletionItem(f"{before}{comma}{word}") for word in found[:MOST]]
        return []

    return complete


def _entries() -> list[Path]:
    return sorted(path for path, _ in zip(Path().iterdir(), range(MOST), strict=False))


def _plans(_: click.Context) -> Iterable[str]:
    from netplan.inputs.path_kinds import kind

    return [str(path) for path in _entries() if path.suffix in (".yaml", ".yml") and kind(path) == "plan"]


def _bundles(_: click.Context) -> Iterable[str]:
    return [str(path) for path in _entries() if (path / "manifest.json").is_file()]


def _nodes(ctx: click.Context) -> Iterable[str]:
    folder = Path(str(ctx.params.get("bundle") or "bundle"))
    path = folder / "manifest.json"
    if path.stat().st_size > MOST_BYTES:
        return []
    return sorted(about["name"] for about in json.loads(path.read_text(encoding="utf-8"))["nodes"].values())


def _suites(_: click.Context) -> Iterable[str]:
    from netplan.explain.numbers import SUITES

    return sorted({*SUITES, "aes128gcm16", "chacha20poly1305", "aes256-sha256"})


def _topics(_: click.Context) -> Iterable[str]:
    from netplan.explain.topics import topics

    groups: dict[str, list[str]] = topics()[1]
    return sorted(word for members in groups.values() for word in members if " " not in word)


def _transactions(_: click.Context) -> Iterable[str]:
    from netplan.rollout.record.history import transactions
    from netplan.rollout.record.journal import state_root

    return [one.transaction for one in transactions(state_root(None), None)]


def _networks(_: click.Context) -> Iterable[str]:
    from netplan.model.cni_facts import NETWORKS

    return sorted(NETWORKS)


def _underlays(_: click.Context) -> Iterable[str]:
    from netplan.explain.presets import ALIASES, UNDERLAYS

    return sorted({*UNDERLAYS, *ALIASES})


def _packets(_: click.Context) -> Iterable[str]:
    from netplan.explain.packets import PACKETS

    return sorted(PACKETS)


plans, bundles, nodes, suites = _values(_plans), _values(_bundles), _values(_nodes), _values(_suites)
topics, transactions, networks = _values(_topics), _values(_transactions), _values(_networks)
underlays, packets = _values(_underlays), _values(_packets)
topics_and_verbs = _values(lambda ctx: [*VERBS, *_topics(ctx)])
