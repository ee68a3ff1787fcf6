"""The process that holds the store and the jobs.

================  ================================================================================
`tree`            what is supervised by what
`process`         the process around it: signals, readiness, exit codes
`identity`        who it is for other machines
`clients`         who uses a private head
`nodeprocess`     the head's own node
`options`         its settings
`place`           the engine of a store, and what lies beside it
`offline`         a store without its head; `jobreader`: its jobs
`administration`  looking after a store: backups, exports, compaction
================  ================================================================================
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from actorcloud.head.administration import (
        back_up_store,
        check_store,
        compact_store,
        export_store,
        import_store,
        restore_store,
    )
    from actorcloud.head.offline import open_offline
    from actorcloud.head.options import HeadOptions
    from actorcloud.head.process import serve_head
    from actorcloud.head.tree import Core, Parts

__all__ = [
    "Core",
    "HeadOptions",
    "Parts",
    "back_up_store",
    "check_store",
    "compact_store",
    "export_store",
    "import_store",
    "open_offline",
    "restore_store",
    "serve_head",
]

_HOMES = {
    "administration": (
        "back_up_store",
        "check_store",
        "compact_store",
        "export_store",
        "import_store",
        "restore_store",
    ),
    "offline": ("open_offline",),
    "options": ("HeadOptions",),
    "process": ("serve_head",),
    "tree": ("Core", "Parts"),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    # Lazy: a starting head starts its node before it loads the rest.
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME_OF[name]}"), name)
