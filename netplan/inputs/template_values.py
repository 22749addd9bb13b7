"""Templates in an inventory, as far as they only refer to other variables: resolved here, and nothing is run.

Jinja's own parser reads a template; what it parsed is walked here, by a list of what is understood. References, texts,
numbers, ``~``, ``+ - *`` of numbers, ``x if y else z`` and pure filters are; statements, calls, tests, look-ups and
everything else are not, and then the template needs code. So there is nothing to escape from: no object of Python is
reached but texts, numbers, lists and mappings out of the inventory. Sizes, depths and numbers of steps are bounded.
"""

from __future__ import annotations

import functools
import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from jinja2 import Environment, TemplateSyntaxError, nodes
from jinja2.parser import Parser

TEMPLATE = re.compile(r"\{\{|\{%|\{#")
LONGEST = 4096  # characters of a template and of what comes of it
DEPTH = 24  # of templates that refer to one another, and of expressions in each other
STEPS = 2000  # of one value, all templates that it refers to included
LARGEST = 2**63
_SIMPLE = (str, int, float, bool)


class NeedsCode(Exception):
    """A template that only Ansible can resolve; the message is empty, or says what is missing."""


@functools.cache
def _environment() -> Environment:
    return Environment(autoescape=False)  # noqa: S701  it parses, and renders nothing


def templated(value: object) -> bool:
    """Tell whether there is a template in a value, or in what it holds."""
    if isinstance(value, str):
        return "{" in value and TEMPLATE.search(value) is not None
    if isinstance(value, dict):
        return any(map(templated, value.values()))
    return isinstance(value, list) and any(map(templated, value))


def resolve(value: object, variables: Mapping[str, Any], host: str, others: Mapping[str, Any] | None = None) -> Any:
    """Return a value with its templates resolved by the variables of a host. Raises NeedsCode.

    ``others``: host -> its variables, for ``hostvars``. A template that is one expression keeps the type of its value.
    """
    return _Resolver(variables, host, others or {}).value(value, 0)


class _Undefined:
    """What a reference to nothing is, until a filter gives it a default."""

    def __init__(self, name: str) -> None:
        self.name = name


class _Variables:
    """The variables of a host as ``hostvars`` has them: read on demand, and not a value by themselves."""

    def __init__(self, host: str, variables: Mapping[str, Any]) -> None:
        self.host, self.variables = host, variables


class _Hosts:
    """``hostvars``."""


class _Resolver:
    def __init__(self, variables: Mapping[str, Any], host: str, others: Mapping[str, Any]) -> None:
        self.variables, self.host, self.others, self.steps = variables, host, others, 0

    def value(self, value: object, depth: int, of: _Variables | None = None) -> Any:
        self._step(depth)
        if isinstance(value, str):
            return self._text(value, depth, of or _Variables(self.host, self.variables))
        if isinstance(value, dict):
            return {key: self.value(item, depth + 1, of) for key, item in value.items()}
        if isinstance(value, list):
            return [self.value(item, depth + 1, of) for item in value]
        return value

    def _step(self, depth: int) -> None:
        self.steps += 1
        if depth > DEPTH or self.steps > STEPS:
            raise NeedsCode("it refers to itself, or to too much")

    def _text(self, text: str, depth: int, of: _Variables) -> Any:
        if not templated(text):
            return text
        if len(text) > LONGEST:
            raise NeedsCode(f"it is longer than {LONGEST} characters")
        try:
            parsed = Parser(_environment(), text).parse()
        except (TemplateSyntaxError, RecursionError, ValueError, OverflowError):
            raise NeedsCode("it is no template that Jinja reads") from None
        parts = list(self._parts(parsed, depth, of))
        if len(parts) == 1:
            return self._whole(parts[0])
        return _short("".join(_plain(self._whole(part)) for part in parts))

    def _parts(self, parsed: nodes.Template, depth: int, of: _Variables) -> Iterator[Any]:
        for statement in parsed.body:
            if not isinstance(statement, nodes.Output):
                raise NeedsCode
            for part in statement.nodes:
                yield part.data if isinstance(part, nodes.TemplateData) else self._of(part, depth + 1, of)

    def _whole(self, value: Any) -> Any:
        if isinstance(value, _Undefined):
            raise NeedsCode(f"{value.name} is not defined in the inventory")
        if isinstance(value, (_Variables, _Hosts)):
            raise NeedsCode
        return value

    def _of(self, node: Any, depth: int, of: _Variables) -> Any:
        """Return the value of an expression; Undefined where it refers to nothing."""
        self._step(depth)
        if isinstance(node, nodes.Const):
            return _number(node.value) if isinstance(node.value, (str, int, float, bool, type(None))) else _no()
        if isinstance(node, nodes.Name):
            return self._name(node.name, depth, of)
        if isinstance(node, nodes.Getattr):
            return self._item(self._of(node.node, depth + 1, of), node.attr, depth)
        if isinstance(node, nodes.Getitem):
            key = self._whole(self._of(node.arg, depth + 1, of))
            return self._item(self._of(node.node, depth + 1, of), key, depth)
        if isinstance(node, (nodes.List, nodes.Tuple)):
            return [self._whole(self._of(item, depth + 1, of)) for item in node.items]
        if isinstance(node, nodes.Concat):
            return _short("".join(_plain(self._whole(self._of(part, depth + 1, of))) for part in node.nodes))
        if isinstance(node, (nodes.Add, nodes.Sub, nodes.Mul)):
            left, right = (self._whole(self._of(side, depth + 1, of)) for side in (node.left, node.right))
            return _arithmetic(node.operator, left, right)
        if isinstance(node, nodes.Neg):
            return _arithmetic("-", 0, self._whole(self._of(node.node, depth + 1, of)))
        if isinstance(node, nodes.CondExpr) and node.expr2 is not None:
            chosen = node.expr1 if self._whole(self._of(node.test, depth + 1, of)) else node.expr2
            return self._of(chosen, depth + 1, of)
        if isinstance(node, nodes.Filter) and node.node is not None:
            return self._filter(node, depth, of)
        raise NeedsCode

    def _name(self, name: str, depth: int, of: _Variables) -> Any:
        if name == "inventory_hostname":
            return of.host
        if name == "inventory_hostname_short":
            return of.host.partition(".")[0]
        if name == "hostvars":
            return _Hosts()
        if name in of.variables:
            return self.value(of.variables[name], depth + 1, of)
        return _Undefined(name)

    def _item(self, holder: Any, key: Any, depth: int) -> Any:
        if isinstance(holder, _Undefined):
            return _Undefined(f"{holder.name}.{key}"[:80])
        if isinstance(holder, _Hosts):
            if key == self.host:
                return _Variables(self.host, self.variables)
            return _Variables(key, self.others[key]) if key in self.others else _Undefined(f"hostvars[{key!r}]"[:80])
        if isinstance(holder, _Variables):
            return self._name(key, depth, holder) if isinstance(key, str) and key != "hostvars" else _no()
        if isinstance(holder, dict):
            known = isinstance(key, _SIMPLE) and key in holder
            return holder[key] if known else _Undefined(str(key)[:80])
        if isinstance(holder, (list, str)) and isinstance(key, int):
            return holder[key] if -len(holder) <= key < len(holder) else _Undefined(str(key))
        raise NeedsCode

    def _filter(self, node: nodes.Filter, depth: int, of: _Variables) -> Any:
        value = self._of(node.node, depth + 1, of)
        given = [self._whole(self._of(argument, depth + 1, of)) for argument in node.args]
        if node.kwargs or node.dyn_args or node.dyn_kwargs:
            raise NeedsCode
        name = node.name.rpartition(".")[2] if node.name.startswith(_COLLECTIONS) else node.name
        if name in ("default", "d"):
            missing = isinstance(value, _Undefined) or (len(given) > 1 and given[1] and not value)
            return (given[0] if given else "") if missing else value
        if name not in FILTERS:
            raise NeedsCode
        try:
            found = FILTERS[name](self._whole(value), *given)
        except (TypeError, ValueError, IndexError, OverflowError, ArithmeticError):
            raise NeedsCode(f"the filter {name} can't take its value") from None
        return _short(found) if isinstance(found, str) else found


def _no() -> Any:
    raise NeedsCode


def _short(text: str) -> str:
    if len(text) > LONGEST:
        raise NeedsCode(f"it becomes longer than {LONGEST} characters")
    return text


def _number(value: Any) -> Any:
    if isinstance(value, int) and abs(value) > LARGEST:
        raise NeedsCode("a number in it is too large")
    return value


def _plain(value: Any) -> str:
    if value is None or not isinstance(value, _SIMPLE):
        raise NeedsCode
    return str(value)


def _arithmetic(operator: str, left: Any, right: Any) -> Any:
    if not all(isinstance(side, int) and not isinstance(side, bool) for side in (left, right)):
        raise NeedsCode
    found = left + right if operator == "+" else left - right if operator == "-" else left * right
    return _number(found)


def _int(value: Any, default: int = 0) -> int:
    try:
        return int(_number(int(str(value).strip()[:40])))
    except ValueError:
        return int(default)


def _join(value: list[Any], between: str = "") -> str:
    if not isinstance(value, list) or sum(len(_plain(item)) + len(between) for item in value) > 2 * LONGEST:
        raise TypeError
    return between.join(map(_plain, value))


def _split(value: str, between: str | None = None) -> list[str]:
    return _text(value).split(between)


def _text(value: Any) -> str:
    return _short(_plain(value))


def _replace(value: str, old: str, new: str) -> str:
    text, old, new = _text(value), _text(old), _text(new)
    if len(text) + text.count(old) * len(new) > 2 * LONGEST or not old:
        raise ValueError
    return text.replace(old, new)


def _interface(value: Any) -> Any:
    return ipaddress.ip_interface(_text(value))


def _ipaddr(value: Any, query: Any = "", version: int = 0) -> Any:
    """As ansible.utils.ipaddr: false for what is none; the query is a word, or the number of a host."""
    try:
        found = _interface(value)
    except ValueError:
        return False
    if version and found.version != version:
        return False
    network = found.network
    if isinstance(query, int) and not isinstance(query, bool):
        return f"{network[query]}/{network.prefixlen}"
    alone = network.prefixlen == network.max_prefixlen and "/" not in _text(value)
    answers: dict[str, Callable[[], Any]] = {
        "": lambda: str(found.ip) if alone else str(found),
        "address": lambda: str(found.ip),
        "ip": lambda: str(found.ip),
        "host": lambda: str(found),
        "network": lambda: str(network.network_address),
        "broadcast": lambda: str(network.broadcast_address),
        "netmask": lambda: str(network.netmask),
        "prefix": lambda: network.prefixlen,
        "subnet": lambda: str(network),
        "net": lambda: str(network),
        "network/prefix": lambda: str(network),
        "address/prefix": lambda: str(found),
        "version": lambda: found.version,
    }
    return answers[query]() if query in answers else _no()


def _ipmath(value: Any, add: int) -> str:
    return str(ipaddress.ip_address(str(_interface(value).ip)) + int(add))


def _ipsubnet(value: Any, size: Any = "", index: Any = None) -> Any:
    network = _interface(value).network
    if size == "":
        return str(network)
    bits = int(size) - network.prefixlen
    if not 0 <= bits <= network.max_prefixlen - network.prefixlen:
        return False
    if index is None:
        return str(2**bits)
    at = int(index) if int(index) >= 0 else 2**bits + int(index)
    if not 0 <= at < 2**bits:
        return False
    step = 2 ** (network.max_prefixlen - int(size))
    return f"{network.network_address + at * step}/{int(size)}"


_COLLECTIONS = ("ansible.utils.", "ansible.netcommon.", "ansible.builtin.")
FILTERS: dict[str, Callable[..., Any]] = {
    "int": _int,
    "string": _text,
    "bool": lambda value: str(value).lower() in ("true", "yes", "on", "1"),
    "lower": lambda value: _text(value).lower(),
    "upper": lambda value: _text(value).upper(),
    "trim": lambda value: _text(value).strip(),
    "replace": _replace,
    "split": _split,
    "join": _join,
    "first": lambda value: value[0] if isinstance(value, (list, str)) else _no(),
    "last": lambda value: value[-1] if isinstance(value, (list, str)) else _no(),
    "ipaddr": _ipaddr,
    "ipv4": lambda value, query="": _ipaddr(value, query, 4),
    "ipv6": lambda value, query="": _ipaddr(value, query, 6),
    "ipmath": _ipmath,
    "ipsubnet": _ipsubnet,
    "nthhost": lambda value, index: str(_interface(value).network[int(index)]),
}
