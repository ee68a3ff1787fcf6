"""A node: the agent, and a port for each worker process.

=============  ===================================================================================
`agent`        takes jobs from the head, hands them to workers, keeps their ends
`holding`      what the node holds; `functions` what it can run; `pace` how much it wants; pure
`crew`         the workers that can take work
`port`         one worker's conversation; `relay` passes its calls on, `printing` shows its output
`tree`         what is supervised by what; `process`: around it; `options`: its settings
`spawner`      the port through which there are processes; real ones: `starting`, `launcher`, `pipes`
=============  ===================================================================================
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from actorcloud.node.options import NodeOptions
    from actorcloud.node.process import serve_node
    from actorcloud.node.tree import NodeParts, NodeRoot

__all__ = ["NodeOptions", "NodeParts", "NodeRoot", "serve_node"]

_HOMES = {"NodeOptions": "options", "NodeParts": "tree", "NodeRoot": "tree", "serve_node": "process"}


def __getattr__(name: str) -> Any:
    # Lazy: a starting node starts its workers before it loads the rest.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
