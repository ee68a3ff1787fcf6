"""How much jobs and named spaces have in the store (tags 52-54): asked of the actor named "store".

A space is named by what the keys of all its values begin with, as in `protocol.transaction`. What is told
is durable.

History: version 1, the first.
"""

from __future__ import annotations

from typing import Any

import msgspec

from actorcloud.base.ids import JobRef
from actorcloud.protocol.message import Message

#: Spaces of one answer.
SPACES_LIMIT = 1000


class SpaceUsage(msgspec.Struct, frozen=True, kw_only=True):
    """What a job or a named space has in the store, and what it may have; for programs."""

    #: The job, or the name.
    space: JobRef[Any] | str
    keys: int
    #: Bytes of its keys and values.
    size_bytes: int
    quota_keys: int
    quota_bytes: int


class UsageLine(msgspec.Struct, frozen=True, array_like=True):
    """What one space has."""

    space: bytes
    keys: int
    #: Of keys and values.
    size_bytes: int


class GetUsage(Message, tag=52, frozen=True):
    """What has this space? Answered with one line, or `Refused`: its job does not exist."""

    space: bytes


class ListSpaces(Message, tag=53, frozen=True):
    """Which spaces are there, and what have they? In the order of their names."""

    #: Those of jobs; else those with names.
    of_jobs: bool = False
    #: The last space that is not wanted any more; empty: from the first.
    after: bytes = b""
    #: At most so many, and at most `SPACES_LIMIT`.
    limit: int = SPACES_LIMIT


class Usages(Message, tag=54, frozen=True):
    """The answer to both."""

    lines: tuple[UsageLine, ...]
    #: What each space may have.
    quota_keys: int
    quota_bytes: int
