"""`python -m bench [NAME ...] [--json]`: run benchmarks; without a name, all."""

from __future__ import annotations

import argparse
import importlib
import os
import platform
import signal
import sys

from bench.registry import BENCHMARKS, HEADING

MODULES = ("jobs", "latency", "coldstart", "idle", "local_actors", "store")


def main() -> int:
    """Run what was asked for; 2 if a name is unknown."""
    # As an exception, so that peers that were started end, too.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    for module in MODULES:
        importlib.import_module(f"bench.{module}")
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure actorcloud beside its peers.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"no benchmark is called {unknown[0]!r}; there are: {', '.join(BENCHMARKS)}")
    if not options.json:
        print(f"Python {platform.python_version()}, {platform.platform()}, {os.cpu_count()} processors\n\n{HEADING}")
    for name in options.names or BENCHMARKS:
        for run in BENCHMARKS[name]:
            for figure in run():
                print(figure.as_json() if options.json else figure.as_row(), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
