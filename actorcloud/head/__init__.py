"""The process that holds the store and the jobs.

=============  ===================================================================================
`tree`         what is supervised by what
`process`      the process around it: signals, readiness, exit codes
`identity`     who it is for other machines
`clients`      who uses a private head
`nodeprocess`  the head's own node
`offline`      a store without its head
`options`      its settings
=============  ===================================================================================
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from actorcloud.head.offline import open_offline
    from actorcloud.head.options import HeadOptions
    from actorcloud.head.process import serve_head
    from actorcloud.head.tree import Core, Parts

__all__ = ["Core", "HeadOptions", "Parts", "open_offline", "serve_head"]

_HOMES = {"Core": "tree", "HeadOptions": "options", "Parts": "tree", "open_offline": "offline", "serve_head": "process"}


def __getattr__(name: str) -> Any:
    # Lazy: a starting head starts its node before it loads the rest.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
