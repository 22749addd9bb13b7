"""What the played disk does at once is what the agent does by itself."""

from __future__ import annotations

import random

from netplan.agent.system.core import write as core_write
from tests.simulation.disk import PowerCut
from tests.simulation.led import led
from tests.simulation.run import cluster
from tests.simulation.world import World


def test_a_file_is_written_at_once_as_the_agent_writes_it() -> None:
    """The same content, room and folders, whatever was there; and next to a cut of power it is the agent's own way."""
    chance = random.Random(9)
    world = World(1)
    cluster(world, 2, "pairs")
    quick, whole = world.nodes.values()
    paths = ["/run/a", "/var/lib/ipsecplan/tx/b", "/etc/ipsecplan/c"]
    with led(world, 1):
        for number in range(300):
            path, mode = chance.choice(paths), chance.choice((0o600, 0o644))
            data = chance.choice(("", "x\n", b"yy", "z" * chance.randrange(200)))
            cut = chance.choice((None, None, None, 1, 4, 20))
            said = []
            for node, write in ((quick, quick.disk.write), (whole, core_write)):
                node.disk.cut_in, node.disk.dead = cut, False
                node.disk.free = 150 if number % 40 == 39 else 10**6
                with world.entered(node):
                    try:
                        said.append(write(path, data, mode))
                    except (OSError, PowerCut) as error:
                        said.append(type(error))
            assert said[0] == said[1], (number, said)
            assert quick.disk.free == whole.disk.free
            assert quick.disk.folders == whole.disk.folders
            held = [{p: (f.data, f.mode) for p, f in node.disk.files.items()} for node in (quick, whole)]
            assert held[0] == held[1]
