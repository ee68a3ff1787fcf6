"""What is collected: functions that no job has, and everything of a deleted job."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from actorcloud.protocol.record import JobRecord, NewJob
from actorcloud.protocol.transaction import Commit, Refused
from actorcloud.store import Change, EngineScan, Expect, ReadPlan, keys
from actorcloud.store import Refused as RefusedChange
from actorcloud.store.janitor import SWEEP_KEYS, Janitor
from actorcloud.store.sequencer import Request, check
from actorcloud.store.validation import Touched
from tests.store.local import NOW, OTHER, REF, LocalStore


def digest(number: int) -> bytes:
    return bytes([number]) * 16


def ref(number: int) -> bytes:
    return bytes([number]) * 16


def add(job: bytes, function: bytes, *, code: bool = True) -> Change:
    record = JobRecord("queued", function, NOW)
    return Change(
        tag=0,
        expect=(Expect(job, None),),
        records=((job, record),),
        puts=((keys.function(function), b"code"),) if code else (),
        needs=(keys.function(function),),
    )


def delete(job: bytes) -> Change:
    return Change(tag=0, expect=(Expect(job, "queued"),), records=((job, None),), puts=((keys.garbage(job), b""),))


class Cleaning:
    """A store and its janitor, a step at a time as the store actor takes them."""

    def __init__(self) -> None:
        self.store = LocalStore()
        self.janitor = Janitor(self.store.sequencer)

    def scan(self) -> list[tuple[bytes, bytes]] | None:
        """Read what the janitor wants to see; None: nothing."""
        scan = self.janitor.next()
        return None if scan is None else self.store.engine.read(ReadPlan((), (scan,))).scans[0]

    def throw_away(self, items: list[tuple[bytes, bytes]]) -> None:
        change = self.janitor.found(items, NOW)
        if change is not None:
            touched = check(change)
            assert isinstance(touched, Touched)
            view = self.store.engine.read(ReadPlan(touched.keys))
            self.store.sequencer.add([Request(change, touched, lambda _: None)], view.values, NOW)

    def finish(self) -> None:
        while (items := self.scan()) is not None:
            self.throw_away(items)
            self.store.land()

    def functions(self) -> set[bytes]:
        return {keys.digest_of(key) for key in self.keys(keys.FUNCTION)}

    def keys(self, prefix: bytes) -> list[bytes]:
        scan = EngineScan(prefix, keys.after_prefix(prefix), 1 << 30)
        return [key for key, _ in self.store.engine.read(ReadPlan((), (scan,))).scans[0]]


def test_a_function_goes_with_its_last_job() -> None:
    # Given
    cleaning = Cleaning()
    for job in (add(REF, digest(1)), add(OTHER, digest(1)), add(ref(9), digest(2)), delete(REF), delete(ref(9))):
        assert cleaning.store.change(job) is None
    # When
    cleaning.janitor.collect_functions()
    cleaning.finish()
    # Then
    assert cleaning.functions() == {digest(1)}


def test_a_job_added_while_functions_are_looked_through_keeps_its_function() -> None:
    # Given: all records have been read, and the function of none is this one.
    cleaning = Cleaning()
    cleaning.store.change(Change(tag=0, puts=((keys.function(digest(1)), b"code"),)))
    cleaning.janitor.collect_functions()
    cleaning.throw_away(cleaning.scan() or [])
    items = cleaning.scan()
    assert items is not None
    assert len(items) == 1
    # When
    answers = cleaning.store.submit(add(REF, digest(1), code=False))
    cleaning.throw_away(items)
    cleaning.store.land()
    # Then
    assert answers == [None]
    assert cleaning.functions() == {digest(1)}


def test_a_job_added_after_its_function_was_thrown_away_is_told_that_it_is_needed() -> None:
    # Given
    cleaning = Cleaning()
    cleaning.store.change(Change(tag=0, puts=((keys.function(digest(1)), b"code"),)))
    cleaning.janitor.collect_functions()
    cleaning.throw_away(cleaning.scan() or [])
    # When: the deletion is judged, and not durable yet.
    cleaning.throw_away(cleaning.scan() or [])
    job = Commit(bytes(16), 1, jobs=(NewJob(REF, digest(1), b""),))
    answers = cleaning.store.submit(add(REF, digest(1), code=False), job)
    cleaning.store.land()
    # Then
    assert [(answer.code, answer.text) for answer in answers if isinstance(answer, RefusedChange | Refused)] == [
        ("need-function", digest(1).hex())
    ] * 2
    assert cleaning.functions() == set()


def test_what_was_not_written_for_want_of_space_is_looked_at_anew() -> None:
    # Given
    cleaning = Cleaning()
    cleaning.store.change(Change(tag=0, puts=((keys.function(digest(1)), b"code"),)))
    cleaning.janitor.collect_functions()
    cleaning.throw_away(cleaning.scan() or [])
    cleaning.throw_away(cleaning.scan() or [])
    assert cleaning.store.sequencer.take() is not None
    # When
    cleaning.store.sequencer.failed()
    assert cleaning.store.change(add(REF, digest(1), code=False)) is None
    cleaning.janitor.put_off()
    cleaning.finish()
    # Then
    assert cleaning.functions() == {digest(1)}


def test_a_deleted_jobs_reference_is_in_no_key_and_no_value_but_its_tombstone() -> None:
    # Given
    cleaning = Cleaning()
    store = cleaning.store
    spaces = tuple((keys.user(REF, b"\x15%c" % n), b"v") for n in range(1, 200))
    store.change(msgspec.structs.replace(add(REF, digest(1)), puts=((keys.function(digest(1)), b"code"), *spaces)))
    store.change(Change(tag=0, puts=((keys.once(REF, "paid"), b"v"), (keys.user("s", b"\x14"), b"stays"))))
    store.change(msgspec.structs.replace(delete(REF), puts=((keys.garbage(REF), b""), (keys.tombstone(REF), bytes(8)))))
    # When
    cleaning.janitor.start(cleaning.keys(keys.GARBAGE))
    cleaning.janitor.collect_functions()
    cleaning.finish()
    # Then
    everything = store.engine.read(ReadPlan((), (EngineScan(b"", b"\xff", 1 << 30),))).scans[0]
    assert [key for key, value in everything if REF in key or REF in value] == [keys.tombstone(REF)]
    assert store.value("s", b"\x14") == b"stays"
    assert cleaning.functions() == set()


def test_more_records_than_one_look_takes_are_all_read() -> None:
    # Given
    cleaning = Cleaning()
    many = [number.to_bytes(16, "big") for number in range(1, SWEEP_KEYS + 50)]
    store = cleaning.store
    for start in range(0, len(many), 400):
        records = tuple((job, JobRecord("done", job, NOW)) for job in many[start : start + 400])
        store.change(Change(tag=0, records=records, puts=tuple((keys.function(job), b"") for job, _ in records)))
    store.change(Change(tag=0, puts=((keys.function(digest(250)), b""),)))
    # When
    cleaning.janitor.collect_functions()
    cleaning.finish()
    # Then
    assert cleaning.functions() == set(many)


class Collections(RuleBasedStateMachine):
    """Jobs come and go while functions are looked through; no job ever lacks its function."""

    def __init__(self) -> None:
        super().__init__()
        self.cleaning = Cleaning()
        self.items: list[tuple[bytes, bytes]] | None = None

    @rule(job=st.integers(1, 6), function=st.integers(1, 3), code=st.booleans(), txn=st.booleans())
    def add(self, *, job: int, function: int, code: bool, txn: bool) -> None:
        body: Any = add(ref(job), digest(function), code=code)
        if txn:
            body = Commit(bytes([job, function]) * 8, 1, jobs=(NewJob(ref(job), digest(function), b""),), acked=())
        self.cleaning.store.submit(body)

    @rule(job=st.integers(1, 6))
    def delete(self, job: int) -> None:
        self.cleaning.store.submit(delete(ref(job)))

    @rule(function=st.integers(1, 3))
    def bring(self, function: int) -> None:
        self.cleaning.store.submit(Change(tag=0, puts=((keys.function(digest(function)), b"code"),)))

    @rule()
    def begin(self) -> None:
        if self.items is None:
            self.cleaning.janitor.collect_functions()

    @rule()
    def scan(self) -> None:
        if self.items is None:
            self.items = self.cleaning.scan()

    @rule()
    def throw_away(self) -> None:
        if self.items is not None:
            items, self.items = self.items, None
            self.cleaning.throw_away(items)

    @rule()
    def land(self) -> None:
        self.cleaning.store.land()

    @invariant()
    def every_job_has_its_function(self) -> None:
        cleaning = self.cleaning
        jobs = cleaning.keys(keys.RECORD)
        records = [cleaning.store.record(keys.ref_of(key)) for key in jobs]
        assert {record.function for record in records if record is not None} <= cleaning.functions()

    def teardown(self) -> None:
        self.land()
        if self.items is not None:
            self.throw_away()
        self.cleaning.finish()
        self.cleaning.janitor.collect_functions()
        self.cleaning.finish()
        records = [self.cleaning.store.record(keys.ref_of(key)) for key in self.cleaning.keys(keys.RECORD)]
        assert self.cleaning.functions() == {record.function for record in records if record is not None}


TestCollections = Collections.TestCase
TestCollections.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
