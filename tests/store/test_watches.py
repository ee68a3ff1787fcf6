"""Watches: who is told that a key has changed, and when."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorcloud.actor import ActorRef, Future, System
from actorcloud.base.ports import Abandoned
from actorcloud.protocol.record import JobRecord
from actorcloud.protocol.transaction import Commit, Committed, KeyChanged, Refused, WatchKey
from actorcloud.store import Apply, Batch, Change, Expect, MemoryEngine, StoreActor, encode_key, keys
from actorcloud.store.stored import pack
from actorcloud.store.view import View
from actorcloud.store.watches import Watches, check_watch, keys_of_watch
from tests.store.local import REF

KEY = keys.user("s", encode_key("k"))
OF_JOB = keys.user(REF, encode_key("k"))
WAIT = 30.0

# -- the pure file --------------------------------------------------------------------------------


def view(seq: int, key: bytes = KEY, *, has_job: bool = True) -> View:
    """Return a state in which `key` was written by the commit `seq`; 0: it is absent."""
    job = pack(1, b"record") if has_job else None
    return View({key: pack(seq, b"v") if seq else None, keys.record(REF): job})


def test_a_watch_of_what_has_changed_already_fires_at_once() -> None:
    watches = Watches()
    assert watches.add(view(5), WatchKey(KEY, 3), "to", "c") == KeyChanged(5)
    assert watches.add(view(0), WatchKey(KEY, 3), "to", "c") == KeyChanged(0)
    assert len(watches) == 0


def test_a_watch_fires_once_with_the_batch_that_changes_its_key() -> None:
    # Given
    watches = Watches()
    assert watches.add(view(3), WatchKey(KEY, 3), "to", "c") is None
    assert list(watches.landed({OF_JOB: pack(4, b"v")})) == []
    # Then
    assert list(watches.landed({KEY: pack(5, b"v")})) == [("to", KeyChanged(5))]
    assert list(watches.landed({KEY: pack(6, b"v")})) == []


def test_a_deletion_is_a_change_and_what_was_made_and_unmade_in_one_batch_is_none() -> None:
    watches = Watches()
    watches.add(view(3), WatchKey(KEY, 3), "present", "c")
    watches.add(view(0), WatchKey(KEY, 0), "absent", "c")
    assert list(watches.landed({KEY: None})) == [("present", KeyChanged(0))]


def test_the_end_of_a_job_ends_the_watches_of_its_keys() -> None:
    # Given
    watches = Watches()
    watches.add(view(3, OF_JOB), WatchKey(OF_JOB, 3), "to", "c")
    watches.add(view(3), WatchKey(KEY, 3), "other", "c")
    # When
    ((to, told),) = watches.deleted([REF, b"x" * 16])
    # Then
    assert (to, told.code) == ("to", "no-such-job")  # type: ignore[union-attr]
    assert len(watches) == 1
    gone = watches.add(view(0, OF_JOB, has_job=False), WatchKey(OF_JOB, 0), "late", "c")
    assert isinstance(gone, Refused)


def test_who_gave_up_is_told_nothing() -> None:
    watches = Watches()
    for to in ("one", "two"):
        watches.add(view(3, OF_JOB), WatchKey(OF_JOB, 3), to, "c")
    watches.drop("one")
    watches.drop("never there")
    assert list(watches.landed({OF_JOB: pack(5, b"v")})) == [("two", KeyChanged(5))]
    assert list(watches.deleted([REF])) == []


def test_a_client_may_watch_so_many_keys_and_another_one_as_many() -> None:
    # Given
    watches = Watches(limit=2)
    tos = [object() for _ in range(4)]
    assert [watches.add(view(3), WatchKey(KEY, 3), to, "c") for to in tos[:2]] == [None, None]
    # Then
    refused = watches.add(view(3), WatchKey(KEY, 3), tos[2], "c")
    assert isinstance(refused, Refused)
    assert (refused.code, refused.text.split()[0]) == ("too-many-watches", "2")
    assert watches.add(view(3), WatchKey(KEY, 3), tos[2], "d") is None
    # When
    watches.drop(tos[0])
    # Then
    assert watches.add(view(3), WatchKey(KEY, 3), tos[3], "c") is None


@pytest.mark.parametrize("watch", [WatchKey(keys.record(REF), 0), WatchKey(b"", 0), WatchKey(KEY, -1)])
def test_keys_that_callers_may_not_touch_are_not_watched(watch: WatchKey) -> None:
    assert check_watch(watch) is not None


STEPS = st.lists(st.tuples(st.sampled_from(["set", "delete", "watch", "drop", "job"]), st.integers(0, 2)), max_size=40)


@given(STEPS)
def test_nobody_waits_whose_key_is_not_as_it_was_seen(steps: list[tuple[str, int]]) -> None:
    # Given: a client for each key; what it has seen, and whether it waits.
    names = [KEY, OF_JOB, keys.user(REF, encode_key("other"))]
    values: dict[bytes, bytes | None] = {**dict.fromkeys(names), keys.record(REF): pack(1, b"")}
    seen = dict.fromkeys(names, 0)
    waits: dict[bytes, bool] = dict.fromkeys(names, False)
    watches = Watches()
    for seq, (what, index) in enumerate(steps, 2):
        name = names[index]
        told: list[Any] = []
        if what == "watch" and not waits[name]:
            answer = watches.add(View(values), WatchKey(name, seen[name]), name, name)
            waits[name] = answer is None
            told = [(name, answer)] if answer is not None else []
        elif what == "drop":
            watches.drop(name)
            waits[name] = False
        elif what in {"set", "delete"} and values[keys.record(REF)] is not None:
            values[name] = pack(seq, b"v") if what == "set" else None
            told = list(watches.landed({name: values[name]}))
        elif what == "job":
            values.update({keys.record(REF): None, names[1]: None, names[2]: None})
            told = [*watches.deleted([REF]), *watches.landed(dict.fromkeys(names[1:]))]
        for to, message in told:
            waits[to] = False
            if isinstance(message, KeyChanged):
                seen[to] = message.seq
        # Then
        for key in names:
            is_as_seen = View(values).seq(key) == seen[key]
            assert not waits[key] or is_as_seen
        assert len(watches) == sum(waits.values())


# -- the actor ------------------------------------------------------------------------------------


class HeldEngine(MemoryEngine):
    """Whose commits wait until they are let go."""

    def __init__(self) -> None:
        super().__init__()
        self.gate: queue.Queue[None] = queue.Queue()

    def commit(self, batch: Batch, *, epoch: int, expect: int, new: int) -> None:
        self.gate.get(timeout=WAIT)
        super().commit(batch, epoch=epoch, expect=expect, new=new)


@pytest.fixture
def engine() -> HeldEngine:
    return HeldEngine()


@pytest.fixture
def store(engine: HeldEngine) -> Iterator[ActorRef[Any]]:
    system = System()
    ref = StoreActor.options(system=system).start(engine)
    yield ref
    for _ in range(100):
        engine.gate.put(None)
    ref.stop()
    system.close()


def put(number: int, key: bytes = KEY, value: bytes | None = b"\x00v") -> Commit:
    return Commit(number.to_bytes(16, "big"), 1, writes=((key, value),))


def ask(store: ActorRef[Any], message: object) -> Future[Any]:
    future: Future[Any] = store.ask(message, block=False)
    return future


def test_a_watch_fires_when_the_change_is_durable_and_not_before(store: ActorRef[Any], engine: HeldEngine) -> None:
    # Given
    watch = ask(store, WatchKey(KEY, 0))
    commit = ask(store, put(1))
    # Another watch comes while the change is on its way.
    late = ask(store, WatchKey(KEY, 0))
    store.ask(WatchKey(KEY, 99))
    assert not watch.is_done()
    assert not late.is_done()
    # When
    engine.gate.put(None)
    # Then
    assert watch.get(timeout=WAIT) == KeyChanged(1)
    assert late.get(timeout=WAIT) == KeyChanged(1)
    assert commit.get(timeout=WAIT) == Committed(1, 1)
    assert store.ask(WatchKey(KEY, 0)) == KeyChanged(1)
    assert isinstance(store.ask(WatchKey(b"", 0)), Refused)


def test_the_deletion_of_a_job_ends_a_watch(store: ActorRef[Any], engine: HeldEngine) -> None:
    # Given
    told: queue.Queue[Any] = queue.Queue()

    class Told:
        def tell(self, message: object) -> None:
            told.put(message)

    def apply(**fields: Any) -> None:
        engine.gate.put(None)
        store.tell(Apply((Change(tag=0, **fields),), Told()))
        told.get(timeout=WAIT)

    record = JobRecord("queued", b"f" * 16, 1.0)
    apply(expect=(Expect(REF, None),), records=((REF, record),))
    watch = ask(store, WatchKey(OF_JOB, 0))
    # When
    apply(expect=(Expect(REF, "queued"),), records=((REF, None),))
    # Then
    answer = watch.get(timeout=WAIT)
    assert isinstance(answer, Refused)
    assert answer.code == "no-such-job"


def test_a_watcher_that_is_gone_is_forgotten(store: ActorRef[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    # Given
    dropped: list[object] = []
    monkeypatch.setattr(Watches, "drop", lambda _, to: dropped.append(to))
    # When
    store.tell(Abandoned("to"))
    store.ask(WatchKey(KEY, 99))
    # Then
    assert dropped == ["to"]


def test_the_keys_that_a_watch_rests_on_are_its_own_and_its_jobs_record() -> None:
    assert keys_of_watch(WatchKey(KEY, 0)) == {KEY}
    assert keys_of_watch(WatchKey(OF_JOB, 0)) == {OF_JOB, keys.record(REF)}
