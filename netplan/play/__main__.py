"""``python -m netplan.play``: started by the collection's action plugins, never by people."""

from __future__ import annotations

from netplan.play.keeper import main

if __name__ == "__main__":
    main()
