"""The job that is meant: by its reference, or by the end of one, as it stands before what a job prints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from actorcloud.base.errors import BadJobRef, NoSuchJob
from actorcloud.base.ids import JobRef, is_end_of_ref
from actorcloud.client import Cloud, listed

#: Jobs that are looked through for an end, the newest.
_LOOKED_THROUGH = 10_000

#: References that are shown where several have the same end.
_SHOWN = 5


def find_job(cloud: Cloud, text: str) -> JobRef[Any]:
    """Return the reference that is meant; whether there is such a job is seen only where its end is given.

    Args:
        cloud: where the job is.
        text: a reference, or its last letters, six of them at least.

    Raises:
        BadJobRef: it is neither, or the end of several.
        NoSuchJob: no job has that end, of the newest ten thousand.
    """
    (found,) = find_jobs(cloud, [text])
    if isinstance(found, NoSuchJob):
        raise found
    return found


def find_jobs(cloud: Cloud, texts: Sequence[str]) -> list[JobRef[Any] | NoSuchJob]:
    """Return the references that are meant, as `find_job` does, and for an end that no job has what is wrong with it.

    Raises:
        BadJobRef: one is neither, or the end of several.
    """
    newest: list[str] = []
    if any(map(is_end_of_ref, texts)):
        newest = [str(JobRef[Any](raw)) for raw, _ in listed(cloud.room.session, None, _LOOKED_THROUGH)]
    return [_find_end(text.upper(), newest) if is_end_of_ref(text) else JobRef[Any].parse(text) for text in texts]


def _find_end(end: str, newest: list[str]) -> JobRef[Any] | NoSuchJob:
    found = [ref for ref in newest if ref.endswith(end)]
    if not found:
        return NoSuchJob(f"none of the newest {_LOOKED_THROUGH:,} jobs ends in {end}: give the whole reference")
    if len(found) > 1:
        raise BadJobRef(f"several jobs end in {end}: {', '.join(found[:_SHOWN])}; give more of it")
    return JobRef[Any].parse(found[0])
