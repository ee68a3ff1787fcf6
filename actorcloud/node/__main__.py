"""`python -m actorcloud.node`: how heads and `actorcloud node` start the process of a node.

The workers are started before anything large is imported: they and the node come up side by side.
"""

from __future__ import annotations

import argparse
import contextlib
import sys

from actorcloud.base.starting import WORKER, Started, start_process

#: Seconds; as in `node.options`, which is not loaded yet.
_NODE_TIMEOUT, _ORPHAN_TIME = 15.0, 600.0


def main() -> int:
    """Read the options and serve."""
    parser = argparse.ArgumentParser(prog="actorcloud.node")
    parser.add_argument("--name", required=True)
    parser.add_argument("--runtime", required=True)
    parser.add_argument("--workers", type=int, required=True)
    parser.add_argument("--head")
    parser.add_argument("--join")
    parser.add_argument("--listen")
    parser.add_argument("--keys")
    parser.add_argument("--node-timeout", type=float, default=_NODE_TIMEOUT)
    parser.add_argument("--orphan-time", type=float, default=_ORPHAN_TIME)
    parser.add_argument("--private", action="store_true")
    parser.add_argument("--lock-fd", type=int)
    given = parser.parse_args()
    started: list[Started] = []
    # The node itself tells why none can be started; only as many as surely will be wanted.
    with contextlib.suppress(OSError):
        started.extend(start_process(WORKER) for _ in range(min(given.workers, 64)))
    return _serve(given, started)


def _serve(given: argparse.Namespace, started: list[Started]) -> int:
    import logging

    from actorcloud.base.console import log_to_standard_error
    from actorcloud.base.errors import ActorCloudError
    from actorcloud.base.exitcode import exit_code
    from actorcloud.node.options import NodeOptions
    from actorcloud.node.process import serve_node

    log_to_standard_error()
    try:
        return serve_node(NodeOptions(**vars(given)), started)
    except ActorCloudError as error:
        logging.getLogger("actorcloud.node").error("%s", error)  # noqa: TRY400  its text is for people
        return exit_code(error)


if __name__ == "__main__":
    sys.exit(main())
