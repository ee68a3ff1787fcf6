"""The white-box checker: plays what was committed again, in the order that the store says, on a dict.

Pure. Each commit has a number, and each run the number of the commit at whose state its reads hold. So:

* every read of every run, aborted ones too, is what the dict has at the run's snapshot;
* those of the run that was committed hold also right before its own commit;
* nothing is in the past: whoever begins after another one's end is after it in the order, but for a run
  on what was remembered that came to nothing;
* what must hold where it commits (a fence) does.

Complete, where the black-box checker is not, and linear; but it trusts the store's own numbers.

Reference: store-design 4.2; etcd's tests/robustness/validate.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

from tests.proof.history import APPEND, READ, Anomaly, Call, Op, Outside, Run, outside

#: Of a check in the order of commits.
_order = itemgetter(0, 1)


class _Check(NamedTuple):
    """Reads that hold at the state after the commit `seq`, or a commit that makes that state."""

    seq: int
    #: 0: a commit, 1: reads; in that order.
    rank: int
    call: Call
    run: Run
    seen: Outside


def replay(calls: Sequence[Call]) -> list[Anomaly]:
    """Judge a history whose commits are known; those with the outcome "info" count if they have a number."""
    found = [*_check_numbers(calls), *_check_time(calls)]
    state: dict[Hashable, Any] = {}
    for check in sorted(_checks(calls), key=_order):
        found += _compare(state, check.seen.reads, check, "at its snapshot" if check.rank else "at its commit")
        if check.rank:
            continue
        found += _compare(state, dict(check.call.guards), check, "fenced, at its commit")
        for op in check.run.ops:
            if op.kind != READ:
                _apply(state, op)
    return found


def _checks(calls: Sequence[Call]) -> Iterator[_Check]:
    for call in calls:
        for run in call.runs:
            seen = outside(run)
            if run.snapshot is not None and seen.reads:
                yield _Check(run.snapshot, 1, call, run, seen)
            if call.seq is not None and run.number == call.committed:
                yield _Check(call.seq, 0, call, run, seen)


def _apply(state: dict[Hashable, Any], op: Op) -> None:
    if op.kind == APPEND:
        state[op.key] = (*state.get(op.key, ()), op.value)
    elif op.value is None:
        state.pop(op.key, None)
    else:
        state[op.key] = op.value


def _compare(state: dict[Hashable, Any], reads: dict[Hashable, Any], check: _Check, where: str) -> list[Anomaly]:
    found = []
    for key, value in reads.items():
        held = state.get(key)
        if held != value and not (held is None and value == ()):
            name = f"{check.call.name}#{check.run.number}"
            text = f"{name} {where} {check.seq} has {key} = {value!r}, where the commits before say {held!r}"
            found.append(Anomaly("replay", text))
    return found


def _check_numbers(calls: Sequence[Call]) -> Iterator[Anomaly]:
    known: dict[int, Call] = {}
    for call in calls:
        if call.seq is None:
            if call.outcome == "ok" and not call.is_read_only:
                yield Anomaly("lost", f"{call.name} was told that it is committed, and no commit is its own")
            continue
        if call.outcome == "fail":
            yield Anomaly("resurrected", f"{call.name} was told that it failed, and is the commit {call.seq}")
        other = known.setdefault(call.seq, call)
        if other is not call:
            yield Anomaly("twin", f"{call.name} and {other.name} are both the commit {call.seq}")


def _check_time(calls: Sequence[Call]) -> Iterator[Anomaly]:
    """Whoever ends before another one begins has the smaller number; reads may share one."""
    events: list[tuple[float, int, int, Call]] = []
    for index, call in enumerate(calls):
        events.append((call.invoked, 1, index, call))
        if call.outcome == "ok":
            events.append((call.completed, 0, index, call))
    newest, newest_call = -1, ""
    for _, is_begin, _, call in sorted(events, key=itemgetter(0, 1, 2)):
        number = _place(call)
        if not is_begin:
            if number is not None and number > newest:
                newest, newest_call = number, call.name
        elif number is not None and (number < newest or (call.seq is not None and number == newest)):
            yield Anomaly(
                "realtime", f"{call.name} is at {number}, but began after {newest_call} at {newest} had ended"
            )
        else:
            yield from _check_runs(call, newest, newest_call)


def _check_runs(call: Call, newest: int, newest_call: str) -> Iterator[Anomaly]:
    for run in call.runs:
        if run.number == call.committed or call.may_be_old(run):
            continue
        if run.snapshot is not None and run.snapshot < newest:
            text = (
                f"{call.name}#{run.number} read at {run.snapshot}, but began after {newest_call} at {newest} had ended"
            )
            yield Anomaly("realtime", text)


def _place(call: Call) -> int | None:
    """Return the call's place in the order; None: it has none, or nobody knows."""
    if call.seq is not None:
        return call.seq
    if call.outcome == "ok" and call.runs:
        return call.runs[-1].snapshot
    return None
