"""What `Cloud(...)` opens: a private head, a head to join, or none at all.

::

    workers=0                        jobs run here, inside `result` (client.inline)
    where, or ACTORCLOUD_HEAD        a cluster's head (client.connect)
    path, or nothing                 a private head of this user (client.private)
"""

from __future__ import annotations

import os
from collections.abc import Callable
from os import PathLike

from actorcloud.base.errors import ConfigError
from actorcloud.base.location import locate
from actorcloud.client.room import Room
from actorcloud.client.session import Session

#: The join string, or `host:port`, of the head that programs use when they name none.
HEAD_VARIABLE = "ACTORCLOUD_HEAD"


def open_room(
    where: str | None, path: str | PathLike[str] | None, workers: int | None, open_cloud: Callable[..., object]
) -> Room:
    """Open what the arguments of `Cloud` ask for.

    Args:
        where: as given to `Cloud`.
        path: as given to `Cloud`.
        workers: as given to `Cloud`.
        open_cloud: `Cloud.over`, for jobs that run in this process.

    Raises:
        ConfigError: they contradict each other.
        UnknownHead, HeadUnreachable: as `Cloud` says.
    """
    _check(where, path, workers)
    if workers == 0:
        from actorcloud.client.inline import InlineHead  # noqa: PLC0415  loads the store

        return Room(
            Session(InlineHead(open_cloud)), kind="workers=0, in this process", fate="gone, for workers=0 keeps nothing"
        )
    if where is None and path is None:
        # The same script runs alone and in a cluster; its `workers` are for when it is alone.
        where = os.environ.get(HEAD_VARIABLE) or None
    if where is not None:
        from actorcloud.client.connect import describe, join  # noqa: PLC0415  loads the network

        fate = "those of all programs; they go on in the cluster"
        return Room(Session(join(where)), kind=f"cluster at {describe(where)}", fate=fate)
    from actorcloud.client.private import open_private  # noqa: PLC0415  as above

    return open_private(path, workers)


def _check(where: str | None, path: str | PathLike[str] | None, workers: int | None) -> None:
    if workers is not None and (type(workers) is not int or workers < 0):
        raise ConfigError(f"workers={workers!r}: the number of worker processes is needed, or 0 to run jobs in here")
    if where is not None and not isinstance(where, str):
        raise ConfigError(f"where={where!r}: a join string is needed, or host:port of a head that is known here")
    if path is not None and not isinstance(os.fspath(path) if isinstance(path, PathLike) else path, str):
        # Not shown: it may be the address of a database, with a password.
        raise ConfigError(f"path is {type(path).__name__}: a text or a Path is needed, or None for a temporary store")
    if where is not None and (path is not None or workers is not None):
        given = "path" if path is not None else "workers"
        raise ConfigError(
            f"Cloud({where!r}, {given}=...): a head that is joined has its own store and workers; leave {given} away"
        )
    if path is not None and workers == 0:
        raise ConfigError(
            f"path={locate(path).name!r} with workers=0: jobs that run in here are not durable; leave one of them away"
        )
