"""The job that is meant: by its reference, or by the end of one, as it stands before what a job prints."""

from __future__ import annotations

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
    if not is_end_of_ref(text):
        return JobRef[Any].parse(text)
    refs = (JobRef[Any](raw) for raw, _ in listed(cloud.room.session, None, _LOOKED_THROUGH))
    found = [ref for ref in refs if str(ref).endswith(text.upper())]
    if not found:
        raise NoSuchJob(f"none of the newest {_LOOKED_THROUGH:,} jobs ends in {text.upper()}: give the whole reference")
    if len(found) > 1:
        raise BadJobRef(f"several jobs end in {text.upper()}: {', '.join(map(str, found[:_SHOWN]))}; give more of it")
    return found[0]
