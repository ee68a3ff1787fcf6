"""`python -m actorcloud.worker FD PID`: see `actorcloud.worker.process`."""

from __future__ import annotations

import sys

from actorcloud.worker.process import main

if __name__ == "__main__":
    main(sys.argv)
