"""The connections of one node of a bundle, as its swanctl.conf means them."""

from __future__ import annotations

from typing import Any

from netplan.bundle.reader import Bundle
from netplan.ipsec.swanctl import connections_of
from netplan.ipsec.swanctl_parser import read
from netplan.problems import Location, fail, quoted

CONFS = ("etc/swanctl/conf.d/ipsecplan.conf", "etc/ipsecplan/pairs.conf")  # the second where the first is a wildcard
START = "\nipsecplan-start {\n}\n"  # the section that the rollout keeps in a file of its own


def conf_of(bundle: Bundle, node: str) -> str:
    """Return the path in the bundle of the file that has a node's connections."""
    folder = f"nodes/{node}"
    return f"{folder}/{next((path for path in CONFS if f'{folder}/{path}' in bundle.entries), CONFS[0])}"


def connections(bundle: Bundle, node: str) -> dict[str, dict[str, Any]]:
    """Return connection name -> what it means, see :func:`netplan.ipsec.swanctl.connections_of`.

    Raises ProblemError (IPP502) where the file can't be read.
    """
    conf = conf_of(bundle, node)
    try:
        # the reader wants the section that the rollout adds
        return connections_of(read(bundle.content(conf).decode("utf-8") + START))
    except (ValueError, RecursionError) as error:
        fail("IPP502", f"unreadable: {quoted(error, 160)}", location=Location(str(bundle.directory / conf)))
