"""`bascule`, and ``python -m bascule``: what has to be said before the rest of the program is read in."""

from __future__ import annotations

import gc

GC_THRESHOLD = 50_000
"""Net new container objects before a young collection. What a start makes is there to stay: with the default of 700 the
collector takes a tenth of its CPU time, and finds nothing."""


def main() -> None:
    """Run the command line."""
    gc.set_threshold(GC_THRESHOLD)
    from bascule.cli.main import main as command

    command()


if __name__ == "__main__":
    main()
