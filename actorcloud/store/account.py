"""What is told of how much jobs and spaces have: which keys and ranges it takes, and what is made of them.

Pure. For the store actor, and for the store without actors.

Reference: quota(1), repquota(8).
"""

from __future__ import annotations

from actorcloud.base.errors import BadKey, NoSuchJob, TransactionTooLarge
from actorcloud.base.ids import JobRef
from actorcloud.protocol.transaction import Refused
from actorcloud.protocol.usage import SPACES_LIMIT, GetUsage, ListSpaces, UsageLine, Usages
from actorcloud.store import keys, stored
from actorcloud.store.engine import Scan
from actorcloud.store.quota import Quota, unpack_usage, usage_of
from actorcloud.store.view import View

Question = GetUsage | ListSpaces


def check_account(question: Question) -> Refused | None:
    """Refuse a question about what is no space, or for too many of them."""
    space = question.space if isinstance(question, GetUsage) else question.after
    if (space or isinstance(question, GetUsage)) and not keys.is_space(space):
        return Refused(BadKey.code, f"{space[:32].hex()} is no space: neither a job's nor one with a name")
    if isinstance(question, ListSpaces) and not 0 < question.limit <= SPACES_LIMIT:
        text = f"{question.limit} spaces in one answer; the limit is {SPACES_LIMIT}: ask again behind the last"
        return Refused(TransactionTooLarge.code, text)
    return None


def keys_of_account(question: Question) -> set[bytes]:
    """Return the engine keys on which the answer to a checked `question` depends."""
    if isinstance(question, ListSpaces):
        return set()
    owner = keys.name_of_space(question.space)
    wanted = {keys.usage(question.space)}
    return wanted | {keys.record(owner)} if isinstance(owner, bytes) else wanted


def scans_of_account(question: Question) -> tuple[Scan, ...]:
    """Return the scans of the engine on which it depends."""
    if isinstance(question, GetUsage):
        return ()
    prefix = keys.usages(of_jobs=question.of_jobs)
    lo = max(prefix, keys.usage(question.after) + b"\0") if question.after else prefix
    return (Scan(lo, keys.after_prefix(prefix), question.limit),)


def answer_account(view: View, question: Question, quota: Quota) -> Usages | Refused:
    """Answer a checked `question`.

    Args:
        view: what there is under `keys_of_account` and in `scans_of_account`.
        question: what was asked.
        quota: of each job and named space.
    """
    if isinstance(question, ListSpaces):
        items = (item for scan in scans_of_account(question) for item in view.items(scan))
        found = ((keys.space_of_usage(key), unpack_usage(stored.payload_of(value))) for key, value in items)
        return Usages(tuple(UsageLine(space, *usage) for space, usage in found), *quota)
    owner = keys.name_of_space(question.space)
    if isinstance(owner, bytes) and not view.has_job(owner):
        return Refused(NoSuchJob.code, f"no job has the reference {JobRef(owner)}")
    return Usages((UsageLine(question.space, *usage_of(view, question.space)),), *quota)
