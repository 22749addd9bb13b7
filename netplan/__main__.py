"""``python -m netplan`` is ``ipsecplan``."""

from netplan.cli.main import entry

entry()
