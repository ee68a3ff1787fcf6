"""The process in which user code runs: jobs come over an inherited socketpair, one runs at a time.

Started by a node's agent with `python -m actorcloud.worker`; nothing here is for import by others.
No zmq, no lmdb, no pykka is ever loaded.
"""

from __future__ import annotations
