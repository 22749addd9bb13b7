"""Audit of many nodes: what is alike is read once, and what is put together decides as each part would."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import audit as bench
from netplan.audit import Given, Report, audit, describe, judge, stacked, texts, world, xfrm
from netplan.audit.model import Configured, Esp, Evidence
from netplan.cni import yaml_document
from netplan.cni.yaml_document import parse
from netplan.path import protection
from netplan.path.model import Host, Interface, Packet, Route
from netplan.path.routing import contains, lookup, network
from netplan.problems import Location

STATE = (
    " \n\tproto esp spi 0x{spi:08x} reqid {reqid} mode {mode}\n\treplay-window 32 \n"
    "\taead rfc4106(gcm(aes)) 0x00 128\n\tanti-replay context: seq 0x{seq:x}, oseq 0x0, bitmap 0x00000000\n"
)
POLICY = (
    " proto udp dport {port} \n\tdir {way} priority 366655 \n\ttmpl src {src} dst {dst}\n"
    "\t\tproto esp {spi}reqid {reqid} mode {mode}\n"
)
MORE = ("", "\tencap type espinudp sport 4500 dport 4500 addr 0.0.0.0\n", "\tmark 0x5/0xff\n", "\tif_id 0x2a\n", "\n")


def drawn(chance: random.Random) -> str:
    """Return a block without ``src A dst B``, some of them odd."""
    mode = chance.choice(("transport", "tunnel", "beet"))
    reqid = chance.choice((0, 1, 77, 16385, "none", 12345678901))
    sel = chance.choice(
        ("", "\tsel src 0.0.0.0/0 dst 0.0.0.0/0 proto udp dport 4789\n", "\tsel src 10.0.0.1/32 dst 10.0.0.2/32\n")
    )
    if chance.random() < 0.5:
        return (
            STATE.format(spi=chance.getrandbits(32), reqid=reqid, mode=mode, seq=chance.randrange(99))
            + chance.choice(MORE)
            + sel
        )
    src, dst = chance.choice((("::", "::"), ("192.0.2.1", "192.0.2.2")))
    spi = chance.choice(("", "spi 0x0000beef ", "spi 0xodd dir ", "reqid 5 ", "\n\treqid 9\n\tx "))
    port, way = chance.choice((4789, 6081)), chance.choice(("in", "out", "fwd"))
    return POLICY.format(port=port, way=way, src=src, dst=dst, reqid=reqid, spi=spi, mode=mode) + chance.choice(MORE)


def test_a_block_without_its_numbers_is_what_it_was_with_them() -> None:
    chance = random.Random(5)
    for _ in range(400):
        block = drawn(chance)
        kind, _, reqid = xfrm._kind.__wrapped__(xfrm._COUNTERS.sub("", block), -1)
        said, found = xfrm._of_block(block)
        assert isinstance(found, str) == isinstance(kind, str), block
        assert (said, found) == (reqid, kind) or isinstance(kind, str), block


def report(folder: Path, nodes: int, monkeypatch: pytest.MonkeyPatch) -> Report:
    for name, number in (("LINKS", 6), ("ROUTES", 9), ("SAS", 12)):
        monkeypatch.setattr(bench, name, number)
    folder.mkdir()
    bench.write(folder, nodes)
    return audit(texts([str(folder)]), Given())


def test_what_is_alike_on_many_nodes_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    xfrm._kind.cache_clear()
    asked: list[object] = []
    real = judge.general_family
    monkeypatch.setattr(judge, "general_family", lambda *args: (asked.append(1), real(*args))[1])
    found = report(tmp_path / "few", 20, monkeypatch)
    assert {v.status for v in found.verdicts} == {"judged"}
    assert {v.exact for v in found.verdicts} == {1416}
    assert xfrm._kind.cache_info().misses == 2, "a state and a policy, of 480 blocks"
    assert len(asked) == 1, "it looks at every host"


def test_a_mesh_is_one_protection_of_many_far_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "SAS", 12)
    bench.write(tmp_path, 2)
    for host in describe(texts([str(tmp_path)])).hosts.values():
        (one,) = host.protections
        assert len(one.dst) == 12


def test_what_is_put_together_covers_the_same_packets() -> None:
    chance = random.Random(3)
    nets = ["10.0.0.1/32", "10.0.0.2/32", "10.0.1.0/24", "10.0.0.0/16"]
    for _ in range(300):
        esps = [
            Esp(
                suite=chance.choice(("aes256gcm16", "aes128-sha256")),
                mode=chance.choice(("transport", "tunnel")),
                location=Location("x", n),
                ports=chance.choice((None, frozenset({4789}))),
                local=("10.0.0.9/32",),
                remote=() if chance.random() < 0.05 else (chance.choice(nets),),
                ends=chance.choice((("", ""), ("192.0.2.1", "192.0.2.2"))),
                live=True,
            )
            for n in range(chance.randrange(1, 6))
        ]
        plain = Host(name="h", protections=tuple(world._protection(e) for e in esps))
        joined = Host(name="h", protections=tuple(world._protections(esps)))
        for dst in ("", "10.0.0.1", "10.0.0.2", "10.0.1.5", "10.0.2.2", "192.0.2.7"):
            packet = Packet(family="ipv4", src=chance.choice(("", "10.0.0.9")), dst=dst, port=4789)
            one, other = protection.of_packet(plain, packet), protection.of_packet(joined, packet)
            assert [replace(p, dst=()) for p in one] == [replace(p, dst=()) for p in other], esps


def read_of(text: str) -> Evidence:
    evidence = Evidence()
    xfrm.read("h1/xfrm.txt", text, evidence)
    return evidence


def test_policies_of_one_state_stay_in_their_order() -> None:
    state = "src 10.0.0.1 dst 10.0.0.2" + STATE.format(spi=1, reqid=7, mode="transport", seq=0)
    policy = POLICY.format(port=4789, way="out", src="::", dst="::", reqid=7, spi="", mode="transport")
    ends = [("10.0.0.9/32", "10.0.0.2/32"), ("10.0.0.0/16", "10.0.0.0/16"), ("0.0.0.0/0", "10.3.0.0/16")]
    text = state + "".join(f"src {src} dst {dst}{policy}" for src, dst in ends)
    (dump,) = read_of(text).xfrm
    found = [(esp.local, esp.remote) for esp in xfrm.joined(dump.states, dump.policies)]
    assert found == [(() if src == "0.0.0.0/0" else (src,), (dst,)) for src, dst in ends]


def test_states_that_are_joined_at_once_protect_as_each_does_alone() -> None:
    chance = random.Random(7)
    for _ in range(60):
        ends = [f"10.0.0.{chance.randrange(1, 6)}" for _ in range(2 * chance.randrange(1, 30))]
        blocks = [drawn(chance) for _ in ends[::2]]
        width = ["" if "replay-window" in block else "/32" for block in blocks]
        heads = [f"src {a}{w} dst {b}{w}" for a, b, w in zip(ends[::2], ends[1::2], width, strict=True)]
        (dump,) = read_of("".join(head + block for head, block in zip(heads, blocks, strict=True))).xfrm
        alone: dict[Esp, Esp] = {}
        for state in dump.states:
            for esp in xfrm.joined([state], dump.policies):
                for far in esp.remote or ("",):
                    one = replace(esp, remote=(far,) if far else ())
                    alone.setdefault(replace(one, location=Location()), one)
        every = sorted(alone.values(), key=lambda e: (str(e.location), e.suite, e.mode, e.nat_t))
        assert world._protections(every) == world._protections(xfrm.joined(dump.states, dump.policies))


def test_the_lines_of_a_text_are_in_memory_once_for_all_its_documents() -> None:
    text = "".join(f"kind: Foo\nmetadata: {{name: x{n}}}\nspec: {{mtu: 1450}}\n---\n" for n in range(30))
    documents = list(parse(text, "objects.yaml"))
    assert len(documents) == 30
    assert [d.location(("spec", "mtu")).line for d in documents] == [3 + 4 * n for n in range(30)]
    assert {id(d.lines) for d in documents} == {id(documents[0].lines)}


def test_json_that_is_no_yaml_is_looked_at_for_positions_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(yaml_document, "compose", lambda text: asked.append(text))
    (document,) = parse('[\n\t{"mtu": 1450},\n\t{"mtu": 1500}\n]\n', "tabs.json")
    assert [document.location((n, "mtu")).path for n in (0, 1)] == ["tabs.json"] * 2
    assert len(asked) == 1


def test_a_route_is_found_by_its_prefix_as_by_looking_at_each() -> None:
    chance = random.Random(7)
    for _ in range(60):
        tables = ("main", "100")
        routes = tuple(
            Route(
                dst=f"10.{chance.randrange(3)}.{chance.randrange(3)}.0/{chance.choice((0, 8, 16, 23, 24))}",
                device=chance.choice("abc"),
                metric=chance.randrange(3),
                table=chance.choice(tables),
            )
            for _ in range(chance.randrange(12))
        )
        host = Host(name="h", routes=routes)
        for _ in range(20):
            dst = f"10.{chance.randrange(4)}.{chance.randrange(4)}.{chance.randrange(256)}"
            held = [r for r in routes if r.table == "main" and contains(r.dst, dst)]
            wanted = min(held, key=lambda r: (-network(r.dst).prefixlen, r.metric, r.device), default=None)  # type: ignore[union-attr]
            found = lookup(host, Packet(family="ipv4", dst=dst))
            assert found == wanted


def test_devices_of_one_host_are_compared_by_name_not_each_with_each(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(stacked, "host_of", lambda path: asked.append(path) or "h")
    names = [f"up{n}" for n in range(50)]
    evidence = Evidence(configured=[Configured(name=name, location=Location("h/x", 1), system="x") for name in names])
    host = Host(
        name="h", interfaces={n: Interface(name=n, mtu=1500, kind="vlan", role="link", lower="no") for n in names}
    )
    list(stacked.findings(evidence, [host]))
    assert len(asked) <= 3 * len(names)
