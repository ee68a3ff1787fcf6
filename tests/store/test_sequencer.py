"""Who is in which batch and may hear of what; jobs."""

from __future__ import annotations

from typing import Any

import msgspec

from actorcloud.protocol.record import JobRecord, NewJob
from actorcloud.protocol.transaction import Commit, Committed, Conflict, Refused
from actorcloud.store import Change, Expect, Key, ReadPlan, encode_key, keys
from actorcloud.store import Refused as RefusedChange
from actorcloud.store.sequencer import BATCH_REQUESTS
from tests.store.local import NOW, OTHER, REF, LocalStore, raw, run_of

DIGEST = b"f" * 16


def key(name: Key) -> bytes:
    return keys.user("test", encode_key(name))


def put(number: int, name: Key, value: bytes = raw(b"v"), reads: tuple[tuple[bytes, int], ...] = ()) -> Commit:
    return Commit(number.to_bytes(16, "big"), 1, reads=reads, writes=((key(name), value),))


def queued(order: int = 0, **fields: Any) -> JobRecord:
    return JobRecord("queued", DIGEST, NOW, order=order, **fields)


# -- who may hear of what, and when ---------------------------------------------------------------


def test_no_answer_comes_before_its_batch_is_durable() -> None:
    store = LocalStore()
    answers = store.submit(put(1, "a"), put(2, "b"))
    assert answers == []
    store.land()
    assert answers == [Committed(1, 1), Committed(2, 1)]


def test_a_batch_gathers_while_another_flies() -> None:
    # Given
    store = LocalStore()
    first = store.submit(put(1, "a"))
    flight = store.sequencer.take()
    assert flight is not None
    # When
    second = store.submit(put(2, "b"), put(3, "c"))
    # Then
    assert store.sequencer.take() is None
    store.engine.commit(flight.batch, epoch=store.epoch, expect=flight.expect, new=flight.new)
    store.finish()
    assert (first, second) == ([Committed(1, 1)], [])
    store.land()
    assert second == [Committed(2, 1), Committed(3, 1)]


def test_what_is_said_of_a_batch_waits_for_it_if_there_is_one() -> None:
    # Given
    store = LocalStore()
    said: list[str] = []
    # When
    store.sequencer.when_landed(lambda: said.append("nothing flies"))
    # Then
    assert said == ["nothing flies"]
    # When
    store.submit(put(1, "a"))
    flight = store.sequencer.take()
    assert flight is not None
    store.sequencer.when_landed(lambda: said.append("it has landed"))
    # Then
    assert len(said) == 1
    assert repr(store.sequencer) == "<Sequencer at 0, 1 in flight, 0 gather>"
    store.engine.commit(flight.batch, epoch=store.epoch, expect=flight.expect, new=flight.new)
    store.finish()
    assert said[1:] == ["it has landed"]


def test_a_conflict_with_what_is_not_durable_waits_for_it() -> None:
    store = LocalStore()
    answers = store.submit(put(1, "a", raw(b"new")), put(2, "b", reads=((key("a"), 0),)))
    assert answers == []
    store.land()
    assert answers[1] == Conflict((store.sequencer.incarnation, 1), ((key("a"), (1, raw(b"new"))),))


def test_what_gathers_lies_above_what_flies() -> None:
    # Given
    store = LocalStore()
    store.submit(put(1, "a", raw(b"flies")))
    flight = store.sequencer.take()
    assert flight is not None
    store.submit(put(2, "a", raw(b"gathers")))
    # When
    answers = store.submit(put(3, "b", reads=((key("a"), 2),)), put(4, "c", reads=((key("a"), 1),)))
    # Then
    store.engine.commit(flight.batch, epoch=store.epoch, expect=flight.expect, new=flight.new)
    store.finish()
    assert store.sequencer.durable == 1
    store.land()
    assert answers[0] == Committed(3, 1)
    assert isinstance(answers[1], Conflict)
    assert answers[1].fresh == ((key("a"), (2, raw(b"gathers"))),)


def test_a_conflict_on_more_than_an_answer_holds_brings_nothing() -> None:
    store = LocalStore()
    for number in range(5):
        store.ask(put(number, number, bytes(1_000_000)))
    reads = tuple((key(number), 0) for number in range(5))
    few, many = store.submit(put(8, "few", reads=reads[:4]), put(9, "many", reads=reads))
    assert isinstance(few, Conflict)
    assert isinstance(many, Conflict)
    assert len(few.fresh) == 4
    assert many == Conflict((store.sequencer.incarnation, 5))


def test_a_conflict_with_the_batch_in_flight_waits_for_that() -> None:
    store = LocalStore()
    store.submit(put(1, "a", raw(b"new")))
    flight = store.sequencer.take()
    assert flight is not None
    answers = store.submit(put(2, "b", reads=((key("a"), 0),)))
    assert answers == []
    store.engine.commit(flight.batch, epoch=store.epoch, expect=flight.expect, new=flight.new)
    store.finish()
    assert isinstance(answers[0], Conflict)


def test_a_conflict_with_durable_state_is_answered_at_once() -> None:
    store = LocalStore()
    store.ask(put(1, "a"))
    assert isinstance(store.submit(put(2, "b", reads=((key("a"), 0),)))[0], Conflict)
    assert store.sequencer.take() is None


def test_a_batch_that_was_not_written_leaves_nothing_and_the_rest_is_judged_again() -> None:
    # Given: one accepted in flight, one that conflicted with it, one that gathers on top of it.
    store = LocalStore()
    lost_answers = store.submit(put(1, "a"), put(2, "b", reads=((key("a"), 0),)))
    store.sequencer.take()
    gathered = store.submit(put(3, "c", reads=((key("a"), 1),)))
    # When
    lost, again = store.sequencer.failed()
    # Then
    assert [request.body.txn for request in lost if isinstance(request.body, Commit)] == [put(1, "a").txn]
    assert [request.body.txn for request in again if isinstance(request.body, Commit)] == [
        b"\0" * 15 + b"\2",
        b"\0" * 15 + b"\3",
    ]
    assert (lost_answers, gathered) == ([], [])
    second, third = store.submit(put(2, "b", reads=((key("a"), 0),))), store.submit(put(3, "c", reads=((key("a"), 1),)))
    store.land()
    assert second == [Committed(1, 1)]
    assert isinstance(third[0], Conflict)


def test_a_full_batch_has_no_room() -> None:
    store = LocalStore()
    assert store.sequencer.room == BATCH_REQUESTS
    store.submit(*(put(number, f"k{number}") for number in range(BATCH_REQUESTS)))
    assert store.sequencer.room == 0
    store.sequencer.take()
    assert store.sequencer.room == BATCH_REQUESTS
    for number in range(9):
        store.submit(put(1000 + number, f"big{number}", bytes(1024 * 1024)))
    assert store.sequencer.room == 0


def test_the_same_commit_twice_in_one_batch_counts_once() -> None:
    store = LocalStore()
    answers = store.submit(put(1, "a"), put(1, "a"))
    store.land()
    assert answers == [Committed(1, 1), Committed(1, 1)]
    assert store.sequencer.durable == 1


def test_an_acknowledged_id_is_forgotten() -> None:
    store = LocalStore()
    store.ask(put(1, "a"))
    first = keys.commit_id(put(1, "a").txn)
    assert store.engine.read(ReadPlan([first])).values[first] is not None
    store.ask(msgspec.structs.replace(put(2, "b"), acked=(put(1, "a").txn,)))
    assert store.engine.read(ReadPlan([first])).values[first] is None


# -- jobs -----------------------------------------------------------------------------------------


def test_a_new_record_gets_its_place_in_the_queue() -> None:
    store = LocalStore()
    store.ask(put(1, "a"))
    assert store.change(Change(tag=0, expect=(Expect(REF, None),), records=((REF, queued()),))) is None
    assert store.record(REF) == queued(order=2)
    assert store.durable[-1].jobs == ((REF, queued(order=2)),)


def test_a_record_that_exists_keeps_its_place() -> None:
    store = LocalStore()
    store.change(Change(tag=0, expect=(Expect(REF, None),), records=((REF, queued()),)))
    moved = queued(order=1, attempt=1)
    store.change(Change(tag=0, expect=(Expect(REF, "queued"),), records=((REF, moved),)))
    assert store.record(REF) == moved


def test_a_batch_feeds_the_last_record_of_each_job() -> None:
    store = LocalStore()
    store.submit(
        Change(tag=0, expect=(Expect(REF, None),), records=((REF, queued()),)),
        Change(tag=1, expect=(Expect(OTHER, None),), records=((OTHER, queued()),)),
        Change(tag=2, expect=(Expect(REF, "queued"),), records=((REF, None),)),
    )
    store.land()
    assert store.durable[-1].jobs == ((OTHER, queued(order=2)), (REF, None))


def refusal(store: LocalStore, **fields: Any) -> str:
    refused = store.change(Change(tag=0, **fields))
    assert isinstance(refused, RefusedChange)
    return refused.code


def test_a_change_is_refused_by_what_it_expects() -> None:
    # Given
    store = LocalStore()
    store.add_job(REF, "running", run_of(1))
    store.change(Change(tag=0, puts=((keys.tombstone(OTHER), b""), (keys.job_key("avg"), REF))))
    # Then
    assert refusal(store, expect=(Expect(REF, None),)) == "exists"
    assert refusal(store, expect=(Expect(OTHER, "queued"),)) == "no-such-job"
    assert refusal(store, expect=(Expect(REF, "queued"),)) == "fenced"
    assert refusal(store, expect=(Expect(REF, "running", run_of(2)),)) == "fenced"
    assert refusal(store, absent=(keys.tombstone(OTHER),)) == "deleted"
    assert refusal(store, absent=(keys.job_key("avg"),)) == "exists"
    assert refusal(store, needs=(keys.function(DIGEST),)) == "need-function"
    assert refusal(store, needs=(keys.result(REF),)) == "missing"
    assert refusal(store, reads=((key("a"), 3),)) == "conflict"
    assert refusal(store, writes=((keys.record(REF), b""),)) == "bad-key"
    assert refusal(store, writes=((keys.user(OTHER, b"\x00"), b""),)) == "no-such-job"
    assert refusal(store, expect=(Expect(REF, "running"),), writes=((keys.once(OTHER, "x"), b""),)) == "bad-key"
    assert store.sequencer.durable == 2


def test_a_refused_change_tells_the_record_that_is_there() -> None:
    store = LocalStore()
    store.add_job(REF)
    refused = store.change(Change(tag=0, expect=(Expect(REF, "running"),)))
    assert refused is not None
    assert refused.record == store.record(REF)


def test_a_change_that_is_expected_right_does_all_it_says() -> None:
    store = LocalStore()
    store.add_job(REF, "running", run_of(1))
    done = JobRecord("done", DIGEST, NOW, run=run_of(1))
    change = Change(
        tag=0,
        expect=(Expect(REF, "running", run_of(1)), Expect(OTHER, None)),
        records=((REF, done),),
        puts=((keys.result(REF), b"42"), (keys.function(DIGEST), b"code")),
        deletes=(keys.arguments(REF),),
        needs=(keys.function(DIGEST),),
        absent=(keys.tombstone(REF),),
        reads=((key("a"), 0),),
        writes=((key("a"), raw(b"v")), (keys.once(REF, "x"), raw(b"w")), (keys.user(REF, b"\x00"), raw(b"x"))),
    )
    assert store.change(change) is None
    assert store.record(REF) == done
    assert store.value("test", encode_key("a")) == b"v"
    assert store.value(REF, b"\x00") == b"x"


def test_jobs_added_in_a_transaction_are_records_and_are_fed() -> None:
    # Given
    store = LocalStore()
    store.change(Change(tag=0, puts=((keys.function(DIGEST), b"code"),)))
    job = NewJob(REF, DIGEST, b"arguments", retries=2, timeout=3.0, key="avg")
    # When
    answer = store.ask(msgspec.structs.replace(put(1, "a"), jobs=(job,)))
    # Then
    assert answer == Committed(2, 1)
    record = JobRecord("queued", DIGEST, NOW, order=2, retries=2, timeout=3.0, key="avg", changed_at=NOW)
    assert store.record(REF) == record
    assert store.durable[-1].jobs == ((REF, record),)
    wanted = [keys.arguments(REF), keys.job_key("avg")]
    found = store.engine.read(ReadPlan(wanted)).values
    assert [(found[name] or b"")[9:] for name in wanted] == [b"arguments", REF]


def test_jobs_that_cannot_be_added_refuse_the_whole_transaction() -> None:
    # Given
    store = LocalStore()
    store.add_job(REF)
    puts = ((keys.function(DIGEST), b"code"), (keys.tombstone(OTHER), b""), (keys.job_key("avg"), REF))
    store.change(Change(tag=0, puts=puts))
    new = bytes(15) + b"\x01"

    def code(*jobs: NewJob) -> str:
        answer = store.ask(msgspec.structs.replace(put(1, "a"), jobs=jobs))
        assert isinstance(answer, Refused)
        return answer.code

    # Then
    assert code(NewJob(REF, DIGEST, b"")) == "job-conflict"
    assert code(NewJob(new, DIGEST, b""), NewJob(new, DIGEST, b"")) == "job-conflict"
    assert code(NewJob(OTHER, DIGEST, b"")) == "no-such-job"
    assert code(NewJob(new, DIGEST, b"", key="avg")) == "job-conflict"
    assert code(NewJob(new, b"g" * 16, b"")) == "need-function"
    assert code(NewJob(b"short", DIGEST, b"")) == "bad-job-ref"
    assert code(NewJob(new, b"short", b"")) == "job-conflict"
    assert code(NewJob(new, DIGEST, b"", key="")) == "bad-key"
    assert store.value("test", encode_key("a")) is None


def test_a_transaction_may_write_to_the_job_that_it_adds() -> None:
    store = LocalStore()
    store.change(Change(tag=0, puts=((keys.function(DIGEST), b"code"),)))
    own = ((keys.user(REF, b"\x00"), raw(b"v")),)
    commit = Commit(b"t" * 16, 1, writes=own, jobs=(NewJob(REF, DIGEST, b""),))
    assert isinstance(store.ask(commit), Committed)
    assert store.value(REF, b"\x00") == b"v"
