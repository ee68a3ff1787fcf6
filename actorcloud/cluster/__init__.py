"""Actors across peers: refs that reach elsewhere, and the gateway through which all comes in.

===========  =====================================================================================
payload      bodies of messages; who may unpickle
reason       exit reasons across the wire; pure
line         the asking half of a stream: asks, watches; over any `Link`
serving      the answering half: `RemoteReply`
neighbours   the peers of this process, and how refs find their way
remote       `RemoteRef`
gateway      the actor between the transport and the others
===========  =====================================================================================

It never imports `net`: a transport is handed in. So nothing here loads zmq.
"""

from __future__ import annotations

from actorcloud.cluster.gateway import Gateway, Subscribe
from actorcloud.cluster.line import Asking, Line, Link, OnReply
from actorcloud.cluster.neighbours import Neighbours
from actorcloud.cluster.payload import pack, pack_error, unpack, unpack_error
from actorcloud.cluster.remote import RemoteRef
from actorcloud.cluster.serving import RemoteReply

__all__ = [
    "Asking",
    "Gateway",
    "Line",
    "Link",
    "Neighbours",
    "OnReply",
    "RemoteRef",
    "RemoteReply",
    "Subscribe",
    "pack",
    "pack_error",
    "unpack",
    "unpack_error",
]
