"""The command ``ipsecplan``: one file per verb, each imported only when it is called."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code (see :class:`netplan.problems.ExitCode`)."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    from netplan.cli.quick import quick

    try:
        done = quick(arguments)
        if done is not None:
            return done
        from netplan.cli.group import cli
        from netplan.cli.output import run

        return run(cli, arguments)
    except KeyboardInterrupt:  # while it still imports
        return 130
    except Exception as error:  # noqa: BLE001  of an installation that is not whole, say
        from netplan.cli.defect import tell

        tell(error, arguments)
        return 1


def entry() -> None:
    """Console script."""
    from netplan.cli.quick import leave

    leave(main())


if __name__ == "__main__":
    entry()
