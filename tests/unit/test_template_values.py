"""References in an inventory: what is resolved, as Jinja would; what needs code; hostile templates by the thousand."""

from __future__ import annotations

import random
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from jinja2 import StrictUndefined
from jinja2.sandbox import SandboxedEnvironment

from netplan.inputs import inventory
from netplan.inputs.host_variables import HostContext, read_hosts
from netplan.inputs.template_values import DEPTH, LONGEST, NeedsCode, resolve, templated
from tests.support.plans import make_planned

VARIABLES: dict[str, Any] = {
    "ip": "10.3.0.11",
    "net": "10.3.0",
    "cidr": "10.3.0.11/24",
    "six": "fd00::11/64",
    "number": 11,
    "text": "7",
    "yes": True,
    "empty": "",
    "again": "{{ ip }}",
    "twice": "{{ again }}",
    "config": {"node-ip": "{{ ip }}", "list": ["a", "b"]},
    "words": ["10.1.0.1", "10.1.0.2"],
    "a": "{{ b }}",
    "b": "{{ a }}",
}
OTHERS = {"n2": {"ip": "10.3.0.12", "own": "{{ inventory_hostname }}-{{ ip }}"}}


def value(template: str) -> Any:
    return resolve(template, VARIABLES, "n1.example.org", OTHERS)


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{ ip }}", "10.3.0.11"),
        ("{{ twice }}", "10.3.0.11"),
        ("{{ net }}.{{ number }}", "10.3.0.11"),
        ("{{ net ~ '.' ~ (10 + number) }}", "10.3.0.21"),
        ("{{ number }}", 11),
        ("{{ yes }}", True),
        ("{{ config['node-ip'] }}", "10.3.0.11"),
        ("{{ config.list[1] }}{{ words[-1] }}", "b10.1.0.2"),
        ("{{ config.list }}", ["a", "b"]),
        ("{{ missing | default(ip) }}", "10.3.0.11"),
        ("{{ missing.deeper | default('x') }}", "x"),
        ("{{ empty | default('x', true) }}", "x"),
        ("{{ empty | default('x') }}", ""),
        ("{{ text | int + 1 }}", 8),
        ("{{ 'no' | int(5) }}", 5),
        ("{{ words | join(',') }}", "10.1.0.1,10.1.0.2"),
        ("{{ words | first }}", "10.1.0.1"),
        ("{{ (cidr | split('/'))[0] }}", "10.3.0.11"),
        ("{{ ip | replace('.3.', '.9.') }}", "10.9.0.11"),
        ("{{ ip if yes else missing }}", "10.3.0.11"),
        ("{{ inventory_hostname }} {{ inventory_hostname_short }}", "n1.example.org n1"),
        ("{{ hostvars[inventory_hostname].ip }}", "10.3.0.11"),
        ("{{ hostvars['n2']['own'] }}", "n2-10.3.0.12"),
        ("{{ cidr | ipaddr('address') }}", "10.3.0.11"),
        ("{{ cidr | ansible.utils.ipaddr('network') }}", "10.3.0.0"),
        ("{{ cidr | ansible.utils.ipaddr('subnet') }}", "10.3.0.0/24"),
        ("{{ cidr | ansible.utils.ipaddr('prefix') }}", 24),
        ("{{ cidr | ansible.utils.ipaddr('netmask') }}", "255.255.255.0"),
        ("{{ cidr | ansible.utils.ipaddr(5) }}", "10.3.0.5/24"),
        ("{{ ip | ansible.utils.ipaddr }}", "10.3.0.11"),
        ("{{ 'x' | ansible.utils.ipaddr }}", False),
        ("{{ six | ansible.utils.ipv4 }}", False),
        ("{{ six | ansible.utils.ipv6('address') }}", "fd00::11"),
        ("{{ ip | ansible.utils.ipmath(5) }}", "10.3.0.16"),
        ("{{ '10.244.0.0/16' | ansible.utils.ipsubnet(24, number) }}", "10.244.11.0/24"),
        ("{{ '10.244.0.0/16' | ansible.utils.ipsubnet(24, -1) }}", "10.244.255.0/24"),
        ("{{ '10.244.0.0/24' | ansible.utils.ipsubnet(16, 1) }}", False),
        ("{{ '10.9.0.0/24' | ansible.utils.nthhost(9) }}", "10.9.0.9"),
        ("plain", "plain"),
        ("{# nothing #}{{ ip }}", "10.3.0.11"),
    ],
)
def test_references_and_pure_filters(template: str, expected: Any) -> None:
    assert value(template) == expected
    assert type(value(template)) is type(expected)


PURE = [
    "{{ ip }}",
    "{{ net }}.{{ number }}",
    "{{ net ~ '.' ~ (10 + number) }}",
    "{{ config['list'][0] }}",
    "{{ missing | default(ip) }}",
    "{{ empty | default('x', true) }}",
    "{{ text | int + 1 }}-{{ number - 20 }}-{{ number * 3 }}-{{ -number }}",
    "{{ 'no' | int(5) }}",
    "{{ words | join('; ') | upper }}",
    "{{ words | last | replace('.', '-') | trim }}",
    "{{ ip if yes else net }}{{ ip if empty else net }}",
    "  {{ number | string }}  {{ 'A' | lower }}",
    "{{ [1, ip, 'x'] | join }}",
]


@pytest.mark.parametrize("template", PURE)
def test_it_is_what_jinja_makes_of_it(template: str) -> None:
    jinja = SandboxedEnvironment(undefined=StrictUndefined)
    flat = {key: item for key, item in VARIABLES.items() if not templated(item)} | {"config": {"list": ["a", "b"]}}
    assert str(value(template)) == jinja.from_string(template).render(flat)


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("{{ lookup('pipe', 'id') }}", ""),
        ("{{ query('env', 'HOME') }}", ""),
        ("{{ ip.split('/')[0] }}", ""),
        ("{% for i in words %}{{ i }}{% endfor %}", ""),
        ("{{ ip.__class__.__mro__ }}", ""),
        ("{{ words | map('upper') | list }}", ""),
        ("{{ ip | regex_replace('x', 'y') }}", ""),
        ("{{ ip is defined }}", ""),
        ("{{ hostvars }}", ""),
        ("{{ 'x' * 99 }}", ""),
        ("{{ 2 ** 99 }}", ""),
        ("{{ '%099d' % number }}", ""),
        ("{{ words[1:] }}", ""),
        ("{{ self }}", "self is not defined"),
        ("{{ nothing }}", "nothing is not defined in the inventory"),
        ("{{ ansible_default_ipv4.address }}", "ansible_default_ipv4.address is not defined"),
        ("{{ hostvars['n9'].ip }}", "hostvars['n9'].ip is not defined"),
        ("{{ a }}", "it refers to itself"),
        ("{{ ip", "no template that Jinja reads"),
        ("{{ ip | ipmath('x') }}", "the filter ipmath can't take its value"),
        ("{{ 9223372036854775807 * 9 }}", "too large"),
        ("{{ ip }}" + "x" * LONGEST, "longer than"),
        ("{{ " + "(" * 3000 + "1" + ")" * 3000, "longer than"),
        ("{{ " + "(" * 1500 + "1" + ")" * 1500 + " }}", "no template that Jinja reads"),
        ("{{ " + "-" * 2000 + "1 }}", ""),
    ],
)
def test_what_needs_code_is_refused(template: str, why: str) -> None:
    with pytest.raises(NeedsCode) as raised:
        value(template)
    assert why in str(raised.value)
    if not why:
        assert str(raised.value) in ("", "it refers to itself, or to too much", "it is no template that Jinja reads")


# pieces of attacks on template engines, put together at random
PIECES = [
    *("{{", "}}", "{%", "%}", "{#", "#}", "(", ")", "[", "]", "{", "}", "|", ".", ",", "~", "-", "+", "*", "**", "//"),
    *("%", "'", '"', "\\", "0", "99999999999", "1e999", "''", "'x'", " ", "\n", "is", "in", "not", "if", "else", "for"),
    *("ip", "a", "words", "config", "hostvars", "self", "lookup('pipe','touch MARK')", "query('file','/etc/passwd')"),
    *("cycler", "joiner", "namespace()", "range(10**9)", "lipsum()", "dict", "url_for", "config.items()", "__class__"),
    *("__mro__[1].__subclasses__()", "__globals__['os'].system('touch MARK')", "__init__", "attr('__class__')"),
    *(
        "map('attr','x')",
        "format(ip)",
        "'%s' % ip",
        "'{0.__class__}'.format(ip)",
        "join(words)",
        "default(ip)",
        "int(9)",
    ),
    *("replace('1', 'xxxxxxxxxxxxxxxx')", "split('.')", "ipaddr(99999999999999)", "ipsubnet(999, 9)", "ipmath(10**99)"),
    *("set x = ip", "include '/etc/passwd'", "import 'os' as o", "macro m()", "endmacro", "raw", "endraw", "do ip.x()"),
]
WHOLE = [
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ cycler.__init__.__globals__.os.system('touch MARK') }}",
    "{{ lookup('ansible.builtin.pipe', 'touch MARK') }}",
    "{{ lipsum.__globals__['os'].popen('touch MARK').read() }}",
    "{{ (words * 99999999) | join }}",
    "{% for x in range(10 ** 9) %}{% endfor %}",
    "{{ x | default(y | default(z | default(w))) }}",
    "{{ [" * 300 + "1" + "] }}" * 300,
    "{{ ip | replace('', 'x') }}",
    "{{ " + "ip ~ " * 700 + "ip }}",
    "{{ " + "ip | replace('1', '11') " + "| replace('1', '11') " * 20 + "}}",
    "{{" * 2000,
    "{{ ip" + " | upper" * 500 + " }}",
    "{{ a" + ".b" * 1500 + " }}",
    "{{ a" + "[0]" * 1000 + " }}",
    "{{ '" + "\\x41" * 900 + "' }}",
    "{{ 0x" + "f" * 4000 + " }}",
    "{{ " + "9" * 4000 + " }}",
]


def test_a_thousand_hostile_templates_run_nothing_and_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    events: list[str] = []
    watching = True

    def hook(event: str, _: object) -> None:
        if watching and (event.startswith(("os.", "subprocess.", "socket.", "exec", "import")) or event == "open"):
            events.append(event)

    for warm in WHOLE[:3]:  # what is imported at first use
        with pytest.raises(NeedsCode):
            value(warm)
    dice = random.Random(235)
    made = [*WHOLE, *("{{ " + "".join(dice.choices(PIECES, k=dice.randint(1, 40))) + " }}" for _ in range(1200))]
    sys.addaudithook(hook)
    slowest, begin = 0.0, time.process_time()
    try:
        for template in made:
            before = time.process_time()
            try:
                found = value(template)
            except NeedsCode:
                found = ""
            slowest = max(slowest, time.process_time() - before)
            assert len(str(found)) <= LONGEST * (DEPTH + 1)
    finally:
        watching = False
    assert not events
    assert list(tmp_path.iterdir()) == []
    assert slowest < 1
    assert time.process_time() - begin < 20


def test_a_value_that_doubles_at_each_step_ends() -> None:
    bomb = {f"v{n}": f"{{{{ v{n + 1} ~ v{n + 1} }}}}" for n in range(20)} | {"v20": "x" * 100}
    begin = time.process_time()
    with pytest.raises(NeedsCode):
        resolve("{{ v0 }}", bomb, "n1")
    lists: dict[str, Any] = {f"v{n}": [f"{{{{ v{n + 1} }}}}"] * 50 for n in range(20)} | {"v20": 1}
    with pytest.raises(NeedsCode):
        resolve("{{ v0 }}", lists, "n1")
    assert time.process_time() - begin < 2


# in an inventory

HOSTS = """\
all:
  vars: {domain: 10.77.0, pods: 10.244.0.0/16}
  hosts:
    n1: {id: 1, ansible_host: "{{ domain }}.11", underlay_address: "{{ ip }}", ip: 10.3.0.11, pod_cidr: POD}
    n2: {id: 2, ansible_host: "{{ domain }}.12", underlay_address: "{{ ip }}", ip: 10.3.0.12, pod_cidr: POD}
"""
SUBNET = "'{{ pods | ansible.utils.ipsubnet(24, id) }}'"


@pytest.mark.slow
def test_an_inventory_with_references_is_a_plans(tmp_path: Path) -> None:
    path = tmp_path / "hosts.yml"
    path.write_text(HOSTS.replace("POD", SUBNET))
    found = inventory.read(path)
    assert [host.variables["ansible_host"] for host in found.hosts] == ["10.77.0.11", "10.77.0.12"]
    typed = read_hosts(HostContext.of(make_planned(2).plan.file), found)
    assert not typed.problems
    assert [(n.address, n.pod_cidr) for n in typed.found] == [
        ("10.3.0.11", "10.244.1.0/24"),
        ("10.3.0.12", "10.244.2.0/24"),
    ]
    path.write_text(HOSTS.replace("POD", SUBNET).replace("ip: 10.3.0.12", "ip: 10.3.0.13"))
    assert inventory.read(path).digests["n1"] == found.digests["n1"]
    assert inventory.read(path).digests["n2"] != found.digests["n2"], "a bundle was made from the value"


@pytest.mark.slow
def test_what_can_not_be_resolved_is_said_where_it_is(tmp_path: Path) -> None:
    path = tmp_path / "hosts.yml"
    path.write_text(HOSTS.replace("POD", "'{{ pod_net }}'", 1).replace("POD", '\'{{ lookup("pipe", "id") }}\''))
    one, two = read_hosts(HostContext.of(make_planned(2).plan.file), inventory.read(path)).problems
    assert (one.code, one.location and one.location.line) == ("IPP307", 4)
    assert "pod_cidr holds a template that can't be resolved: pod_net is not defined in the inventory" in one.message
    assert "pod_cidr holds a template; what a plan reads must be literal" in two.message
    assert (two.code, two.location and two.location.line) == ("IPP307", 5)


@pytest.mark.slow
def test_passwords_are_left_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "hosts.ini"
    path.write_text("n1 ansible_become_password='{{ secret }}' ansible_user='{{ who }}' who=ops secret=x\n")
    (host,) = inventory.read(path).hosts
    assert host.variables["ansible_become_password"] == "{{ secret }}"
    assert host.variables["ansible_user"] == "ops"
