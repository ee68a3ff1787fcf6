"""`run_twice`: find functions that do not do the same thing twice.

A transaction's function may run several times, and nobody sees when. One that counts in a variable,
asks the clock or draws a number of its own is right until the first conflict. Run twice against the
same answers of the store, it must ask for the same and write the same; if not, `ImpureTransaction`
says what differed.

What it cannot find: effects outside the store which change nothing in it, such as a mail.

Reference: store-design 2.6.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from actorcloud.base.errors import ImpureTransaction
from actorcloud.base.ids import JobRef
from actorcloud.protocol.message import Message
from actorcloud.protocol.record import NewJob
from actorcloud.protocol.transaction import Read, Refused
from actorcloud.store import keys
from actorcloud.store.caller.attempt import Attempt
from actorcloud.store.caller.codec import Codec
from actorcloud.store.caller.outcome import Commit, Fail
from actorcloud.store.caller.transaction import Ask
from actorcloud.store.key_codec import decode_key

_ABSENT = object()


class Rehearsing:
    """Whether functions are run twice where the call does not say; set by `rehearsed` alone."""

    by_default = False


@contextmanager
def rehearsed() -> Iterator[None]:
    """Run every transaction's function of this process twice within the block, unless its call says otherwise."""
    before, Rehearsing.by_default = Rehearsing.by_default, True
    try:
        yield
    finally:
        Rehearsing.by_default = before


class Recording:
    """The store's answers to one run, and the same answers for another one.

    Args:
        ask: the way to the store.
    """

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._answers: list[tuple[Message, Message]] = []
        self._at = 0

    def ask(self, message: Message) -> Message:
        """Ask the store and remember what it said."""
        answer = self._ask(message)
        self._answers.append((message, answer))
        return answer

    def again(self, message: Message) -> Message:
        """Answer as the store did the first time; a question that was not asked then is refused."""
        if self._at == len(self._answers):
            return Refused(ImpureTransaction.code, f"the second time the function reads {_wanted(message)}, too")
        asked, answer = self._answers[self._at]
        self._at += 1
        if asked == message:
            return answer
        text = f"the first time the function reads {_wanted(asked)}, the second time {_wanted(message)}"
        return Refused(ImpureTransaction.code, text)


def compare(first: Attempt, second: Attempt, codec: Codec) -> str | None:
    """Return how two runs differ; None: not at all."""
    if dict(first.reads) != dict(second.reads):
        key = _first_difference(dict(first.reads), dict(second.reads))
        return f"only one of two runs reads the key {describe(key)}"
    if first.ranges != second.ranges:
        return f"the first run scans {len(first.ranges)} ranges, the second {len(second.ranges)}, or others"
    before, after = dict(first.writes), dict(second.writes)
    for key in dict.fromkeys((*before, *after)):
        one, two = before.get(key, _ABSENT), after.get(key, _ABSENT)
        if one is _ABSENT or two is _ABSENT:
            return f"only one of two runs writes the key {describe(key)}"
        if not _is_same(one, two, codec):
            shown = f"the first run writes {_shown(one, codec)}, the second {_shown(two, codec)}"
            return f"under the key {describe(key)} {shown}"
    if first.atomics != second.atomics:
        return "two runs have the store do different things with its values"
    if tuple(map(_nameless, first.jobs)) != tuple(map(_nameless, second.jobs)):
        return f"the first run adds {len(first.jobs)} jobs, the second {len(second.jobs)}, or others"
    return None


def compare_ends(first: Commit[Any] | Fail, second: object) -> str | None:
    """Return how the ends of two runs differ in kind; None: not at all."""
    if type(first) is type(second):
        return None
    return f"the first run ends with {type(first).__name__}, the second with {type(second).__name__}"


def describe(key: bytes) -> str:
    """Return an engine key in the words of the user who wrote it."""
    if key[:1] != keys.USER:
        return key.hex()
    owner = keys.owner_of(key, ())
    if owner is not None:
        return f"{decode_key(key[len(keys.job_space(owner)) :])!r} of the job {JobRef(owner)}"
    space = keys.space_of(key)
    return f"{decode_key(key[len(space) :])!r} of {space[2:-1].decode(errors='replace')!r}"


def _wanted(message: Message) -> str:
    if isinstance(message, Read) and message.keys:
        return f"the key {describe(message.keys[0])}"
    return "a range"


def _first_difference(one: dict[bytes, int], two: dict[bytes, int]) -> bytes:
    return next(key for key in dict.fromkeys((*one, *two)) if one.get(key) != two.get(key))


def _is_same(one: Any, two: Any, codec: Codec) -> bool:  # noqa: ANN401  a payload, or None
    if one == two:
        return True
    # Equal objects may be pickled differently: what is shared in them is written once.
    return one is not None and two is not None and bool(codec.loads(one) == codec.loads(two))


def _shown(payload: Any, codec: Codec) -> str:  # noqa: ANN401  a payload, or None
    return "nothing" if payload is None else repr(codec.loads(payload))[:80]


def _nameless(job: NewJob) -> tuple[object, ...]:
    return job.function, job.arguments, job.retries, job.timeout, job.key
