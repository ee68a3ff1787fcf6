"""How much jobs and spaces have, as callers ask for it."""

from __future__ import annotations

from actorcloud.base.errors import from_code
from actorcloud.base.ids import JobRef
from actorcloud.protocol.transaction import Refused
from actorcloud.protocol.usage import GetUsage, ListSpaces, SpaceUsage, UsageLine, Usages
from actorcloud.store import keys
from actorcloud.store.caller.space import Space, space_key
from actorcloud.store.caller.transaction import Ask


def usage_of(ask: Ask, space: Space) -> SpaceUsage:
    """Return what a space has.

    Raises:
        NoSuchJob: it is a job's, which does not exist.
        BadKey: no space can have that name.
    """
    (found,) = _asked(ask, GetUsage(space_key(space)))
    return found


def list_spaces(ask: Ask, after: Space | None, limit: int, *, of_jobs: bool) -> list[SpaceUsage]:
    """Return what named spaces have, or the jobs' own, in the order of their names.

    Args:
        ask: how to reach the store.
        after: the last one that is not wanted any more; None: from the first.
        limit: at most so many, and at most `SPACES_LIMIT`.
        of_jobs: those of jobs, and no others.

    Raises:
        TypeError: the limit is no number.
        TransactionTooLarge: more than one answer holds.
    """
    if type(limit) is not int:
        raise TypeError(f"the limit of a list of spaces is an int, not {limit!r}")
    return _asked(ask, ListSpaces(of_jobs, _behind(after, of_jobs=of_jobs), limit))


def _behind(after: Space | None, *, of_jobs: bool) -> bytes:
    if isinstance(after, str) and not of_jobs:
        # Also if it is the text of a job: in an older store a space may have such a name, and the list goes on there.
        return keys.space(after)
    return b"" if after is None else space_key(after)


def _asked(ask: Ask, question: GetUsage | ListSpaces) -> list[SpaceUsage]:
    answer = ask(question)
    match answer:
        case Usages(lines, quota_keys, quota_bytes):
            return [_usage(line, quota_keys, quota_bytes) for line in lines]
        case Refused(code, text):
            raise from_code(code, text)
    raise TypeError(f"the store answered {question!r} with {answer!r}")


def _usage(line: UsageLine, quota_keys: int, quota_bytes: int) -> SpaceUsage:
    name = keys.name_of_space(line.space)
    return SpaceUsage(
        space=JobRef(name) if isinstance(name, bytes) else name,
        keys=line.keys,
        size_bytes=line.size_bytes,
        quota_keys=quota_keys,
        quota_bytes=quota_bytes,
    )
