"""``python -m netplan`` is ``ipsecplan``."""

from netplan.cli.main import entry

if __name__ == "__main__":  # a worker process imports this again
    entry()
