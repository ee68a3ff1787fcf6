"""`python -m actorcloud`: the command line, where its script is not on the path."""

from __future__ import annotations

from actorcloud.cli import main

if __name__ == "__main__":
    main()
