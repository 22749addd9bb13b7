"""A linear reader of the connections in a rendered swanctl.conf: it takes nothing but the stanzas that we write.

The whole grammar is read by :mod:`.swanctl_parser`, once for each kind of stanza. What is left to be wrong in one file
is how its stanzas were joined, and which pair, address and identity each holds: that is read here, in every file. It
shares nothing with the renderer.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What the stanzas of a plan's files have: ``networks``, connections of additional networks among them."""

    hosts: bool
    raw_keys: bool
    networks: bool
    interfaces: bool


@dataclass(slots=True)
class Columns:
    """What the stanzas of one file say, a list each, in the order of the file; ``""`` where a stanza is silent."""

    pairs: list[str]
    templates: list[str]
    addresses: list[str]
    identities: list[str]
    local_addresses: list[str]
    local_identities: list[str]
    numbers: list[str]
    keys: list[str]


@functools.cache
def _stanza(shape: Shape) -> re.Pattern[str]:
    local = r'(?: local_addrs = "([^"\\\n]*)"\n)?(?: local \{ id = "([^"\\\n]*)" \}\n)?' if shape.networks else ""
    number = r"(?: if_id_in = (\d+)\n if_id_out = (?P=number)\n)?".replace(r"(\d+)", r"(?P<number>\d+)")
    remote = r' remote \{ id = "([^"\\\n]*)" \}\n'
    if shape.raw_keys:
        remote = r' remote \{\n  id = "([^"\\\n]*)"\n  pubkeys = ipsecplan-([^ \n]+)\.pem\n \}\n'
    children = r" children \{ (?P=pair)-out : (?P=template)o \{ \} (?P=pair)-in : (?P=template)i \{ \} \}\n"
    if shape.hosts:
        children = r" children \{ (?P=pair)-all : (?P=template)a \{ \} \}\n"
    return re.compile(
        r"(?P<pair>pair-[0-9a-f]{12}) : (?P<template>ipp-\d+) \{\n"
        r' remote_addrs = "([^"\\\n]*)"\n' + local + (number if shape.interfaces else "") + remote + children + r"\}\n"
    )


def scan(text: str, shape: Shape) -> Columns | None:
    """Return what the stanzas of a file's ``connections`` say; None when there is anything but such stanzas.

    ``text`` is what stands between the opening line of ``connections`` and its closing brace.
    """
    pattern = _stanza(shape)
    parts = pattern.split(text)
    step = pattern.groups + 1
    if any(parts[::step]):
        return None
    columns = iter(parts[at::step] for at in range(1, step))
    none = [""] * (len(parts) // step)

    def column(there: bool = True) -> list[str]:
        return [found or "" for found in next(columns)] if there else none

    pairs, templates, addresses = next(columns), next(columns), next(columns)
    local_addresses, local_identities = column(shape.networks), column(shape.networks)
    numbers = column(shape.interfaces)
    return Columns(
        pairs=pairs,
        templates=templates,
        addresses=addresses,
        local_addresses=local_addresses,
        local_identities=local_identities,
        numbers=numbers,
        identities=next(columns),
        keys=column(shape.raw_keys),
    )
