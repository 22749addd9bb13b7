"""``ipsecplan explain``: why a number is what it is."""

from __future__ import annotations

import click

from netplan.cli import complete
from netplan.cli.output import as_json, emit, emit_json
from netplan.explain.topics import explain, topics
from netplan.problems import ExitCode
from netplan.stack import parse_size


@click.command(short_help="Why a number is what it is; what other systems subtract instead.")
@click.argument("topic", required=False, shell_complete=complete.topics)
@click.argument("stack", required=False)
@click.option("--mtu", default=None, metavar="N", help="Link MTU in bytes (default 1500, or what the source is about).")
@click.option("--json", "json_wanted", is_flag=True, help="One JSON object.")
def command(topic: str | None, stack: str | None, mtu: str | None, json_wanted: bool) -> int:
    """Explain TOPIC: a stack, a number, a header, an algorithm, an error code, or another system.

    With a system, STACK compares what that system sets with the exact value for your packet.

    \b
    Examples:
      ipsecplan explain cilium
      ipsecplan explain antrea ip4/udp/esp:aes256gcm16/udp/geneve/eth/ip4 --mtu 1460
      ipsecplan explain 1446
      ipsecplan explain IPP103
    """
    with as_json(json_wanted):
        link = parse_size(mtu, "link MTU") if mtu is not None else None
        lines, result = topics() if topic is None else explain(topic, stack, link)
        if json_wanted:
            emit_json(result)
        else:
            emit("\n".join(lines))
    return int(ExitCode.OK)
