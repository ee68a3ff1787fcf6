"""`python -m actorcloud.head`: how clients and `actorcloud head` start the process of a head.

The head's own node is started before anything large is imported: the two come up side by side.
"""

from __future__ import annotations

import argparse
import sys

from actorcloud.base.rendezvous import holding
from actorcloud.head.nodeprocess import NodeProcess

#: Seconds; as `head.options.NODE_TIMEOUT_DEFAULT`, which is not loaded yet.
_NODE_TIMEOUT = 15.0


def main() -> int:
    """Read the options and serve."""
    parser = argparse.ArgumentParser(prog="actorcloud.head")
    parser.add_argument("--store", required=True)
    parser.add_argument("--store-fd", type=int)
    parser.add_argument("--existing", action="store_true")
    parser.add_argument("--runtime", required=True)
    parser.add_argument("--listen")
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--node-timeout", type=float, default=_NODE_TIMEOUT)
    parser.add_argument("--quota-keys", type=int, default=argparse.SUPPRESS)
    parser.add_argument("--quota-bytes", type=int, default=argparse.SUPPRESS)
    parser.add_argument("--temporary", action="store_true")
    parser.add_argument("--name", default="head")
    parser.add_argument("--tell-nodes", action="store_true", help="log which nodes join and come back")
    parser.add_argument("--ready-fd", type=int)
    given = parser.parse_args()
    with holding(given.runtime):
        node = NodeProcess(given.runtime, given.workers, given.node_timeout)
        node.begin()
        return _serve(given, node)


def _serve(given: argparse.Namespace, node: NodeProcess) -> int:
    import logging

    from actorcloud.base.console import log_to_standard_error
    from actorcloud.base.errors import ConfigError
    from actorcloud.base.exitcode import exit_code
    from actorcloud.base.location import locate
    from actorcloud.head.options import HeadOptions
    from actorcloud.head.process import serve_head

    log_to_standard_error()
    try:
        settings = vars(given)
        descriptor = settings.pop("store_fd")
        if settings.pop("tell_nodes"):
            logging.getLogger("actorcloud.jobs").setLevel(logging.INFO)
        settings["store"] = locate(given.store if descriptor is None else _read(descriptor))
        options = HeadOptions(**settings)
    except ConfigError as error:
        logging.getLogger("actorcloud.head").error("%s", error)  # noqa: TRY400  its text is for people
        node.end()
        return exit_code(error)
    return serve_head(options, node)


def _read(descriptor: int) -> str:
    with open(descriptor, encoding="utf-8") as pipe:
        return pipe.read()


if __name__ == "__main__":
    sys.exit(main())
