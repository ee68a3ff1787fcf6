"""Mutants of the store: each takes a rule away from the real code, to prove that the checkers would notice.

Each is a context manager; what it patches is as before when it ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from msgspec.structs import replace

from actorcloud.protocol.transaction import Commit, Read
from actorcloud.store import actor, extension, janitor, keys, query, sequencer, validation
from actorcloud.store.caller import committer, repetition
from actorcloud.store.caller.attempt import Attempt
from actorcloud.store.caller.transaction import Transaction
from actorcloud.store.sequencer import Sequencer
from actorcloud.store.validation import commit as commits
from actorcloud.store.validation import effect
from actorcloud.store.view import View

Change = Callable[[Commit], Commit]

Mutant = Callable[[], Any]


@contextmanager
def _commits_changed(change: Change) -> Iterator[None]:
    """The store judges another commit than it was sent."""
    original = validation.validate_commit

    def validate(view: Any, moment: Any, body: Commit, touched: Any) -> Any:
        return original(view, moment, change(body), touched)

    with patch.object(sequencer, "validate_commit", validate):
        yield


@contextmanager
def _answers_changed(answer: Callable[[Any, Any, Read, Any], Any]) -> Iterator[None]:
    """The store answers reads in another way."""
    with patch.object(query, "answer_read", answer):
        yield


# -- validation -----------------------------------------------------------------------------------


def validates_nothing() -> Any:
    return _commits_changed(lambda body: replace(body, reads=(), ranges=()))


def validates_what_is_written_only() -> Any:
    """Snapshot isolation: of what was read, only what is written, too, must be as it was."""

    def change(body: Commit) -> Commit:
        written = {key for key, _ in body.writes}
        return replace(body, reads=tuple(entry for entry in body.reads if entry[0] in written), ranges=())

    return _commits_changed(change)


def validates_no_absent_keys() -> Any:
    return _commits_changed(lambda body: replace(body, reads=tuple(entry for entry in body.reads if entry[1])))


def validates_no_ranges() -> Any:
    return _commits_changed(lambda body: replace(body, ranges=()))


@contextmanager
def sends_no_reads() -> Iterator[None]:
    """Blind overwrite: the caller keeps to itself what its run has read."""
    with patch.object(Attempt, "reads", ()), patch.object(Attempt, "ranges", ()):
        yield


def applies_operations_to_what_is_on_disk() -> Any:
    """Atomic operations see the engine's values, and not what was accepted since."""
    original = effect.effect_of

    def apply(view: View, *given: Any) -> Any:
        return original(View(view._layers[-1]), *given)

    return patch.object(commits, "effect_of", apply)


def forgets_commit_ids() -> Any:
    original = View.value

    def value(self: View, key: bytes) -> Any:
        return None if key[:1] == keys.COMMIT_ID else original(self, key)

    return patch.object(View, "value", value)


def trusts_the_wall_clock() -> Any:
    """A clock that jumps makes the store forget commits at its next look, which comes at once."""
    original = janitor.Janitor.sweep

    def sweep(self: Any, seq: int) -> None:
        original(self, seq)
        self._old = 1 << 60

    return _both(patch.object(janitor.Janitor, "sweep", sweep), patch.object(actor, "SWEEP_AFTER", 0.0))


def checks_no_fence() -> Any:
    return patch.object(commits, "_holds", lambda view, fence: True)


# -- reading --------------------------------------------------------------------------------------


class _Trusting(View):
    """Everything that was read still holds."""

    def still_holds(self, *_: Any) -> bool:
        return True


def _trusting(view: View) -> View:
    trusting = _Trusting.__new__(_Trusting)
    for kind in View.__mro__:
        for name in getattr(kind, "__slots__", ()):
            setattr(trusting, name, getattr(view, name))
    return trusting


def extends_without_looking() -> Any:
    original = extension.answer_read
    return _answers_changed(lambda view, *rest: original(_trusting(view), *rest))


def takes_absent_keys_for_unchanged() -> Any:
    """A deletion leaves no trace; so "absent now" says nothing about the snapshot."""

    def unchanged(snapshot: Any, view: Any, moment: Any, read: Read) -> bool:
        incarnation, seq = snapshot
        if read.scans or incarnation != moment.incarnation:
            return False
        return all(view.seq(key) <= seq for key in read.keys)

    return patch.object(extension, "_is_unchanged_since", unchanged)


def takes_ranges_for_unchanged() -> Any:
    """Ranges are served at the old snapshot, if no key in them is newer: deletions are not seen."""
    original = extension._is_unchanged_since

    def unchanged(snapshot: Any, view: Any, moment: Any, read: Read) -> bool:
        return bool(read.scans) or original(snapshot, view, moment, read)

    return patch.object(extension, "_is_unchanged_since", unchanged)


def reads_what_is_stale() -> Any:
    """First reads are answered as the last one of the same keys was."""
    original: Any = extension.answer_read
    known = dict[Any, Any]()

    def answer(view: Any, moment: Any, read: Read, touched: Any) -> Any:
        if read.snapshot is not None or read.scans:
            return original(view, moment, read, touched)
        before = known.pop((moment.incarnation, read.keys), None)
        if before is None:
            before = known[moment.incarnation, read.keys] = view, moment
        return original(*before, read, touched)

    return _answers_changed(answer)


def numbers_snapshots_by_a_variable() -> Any:
    """The number of what was read is what the sequencer knows, and not the engine's own."""
    original = Sequencer.moment
    return patch.object(Sequencer, "moment", lambda self, _: original(self, self.durable))


def mixes_what_a_conflict_brought_with_what_is_newer() -> Any:
    original = Attempt.take_in

    def take_in(self: Attempt, *given: Any) -> None:
        ahead = self._ahead
        original(self, *given)
        self._ahead = ahead

    return patch.object(Attempt, "take_in", take_in)


def brings_ranges_as_they_are_on_disk() -> Any:
    """A conflict's ranges are the engine's, without what was accepted since."""
    original = View._range_now
    return patch.object(View, "_range_now", lambda self, entry: original(View(self._layers[-1], self._scans), entry))


def believes_what_it_remembers() -> Any:
    """What a run on remembered things ended in is told, without a commit or a read to confirm it."""
    return patch.object(repetition, "is_unfounded", lambda attempt, outcome: False)


def remembers_what_it_never_saw() -> Any:
    """What the store made of a key at the commit is taken for what was read before."""
    original = Attempt.after

    def after(self: Attempt, seq: int) -> Any:
        with patch.object(Attempt, "atomics", ()):
            return original(self, seq)

    return patch.object(Attempt, "after", after)


# -- answers --------------------------------------------------------------------------------------


def answers_before_durable() -> Any:
    def keep(self: Any, judged: Any, answer: Any) -> None:
        owner = self._gathering if self._gathering.layer else self._flying
        if owner is not None:
            owner.requests.append(judged)
            owner.count += owner is self._gathering
        judged.request.answer(answer)

    return patch.object(Sequencer, "_keep", keep)


def commits_what_swallowed_its_restart() -> Any:
    original = Transaction._check

    def check(self: Any) -> None:
        try:
            original(self)
        finally:
            self.conflict = None

    return patch.object(Transaction, "_check", check)


def takes_a_lost_answer_for_a_failure() -> Any:
    """Whoever ends otherwise after it has sent a commit does not ask what became of that."""
    return patch.object(committer.Committer, "resolve", lambda self: None)


@contextmanager
def _both(first: Any, second: Any) -> Iterator[None]:
    with first, second:
        yield
