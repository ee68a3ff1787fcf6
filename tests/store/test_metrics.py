"""What is counted in the store."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from actorcloud.actor import System
from actorcloud.protocol.storestats import GetStoreStats
from actorcloud.protocol.transaction import Commit, Committed, Conflict, Fenced, Read, Refused
from actorcloud.store import EngineStats, MemoryEngine, StoreActor, encode_key, keys
from actorcloud.store.metrics import Histogram, Metrics


@given(values=st.lists(st.floats(1e-5, 1e4), min_size=1, max_size=200), share=st.floats(0.01, 1.0))
def test_a_quantile_is_right_to_a_fifth(values: list[float], share: float) -> None:
    # Given
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    # When
    found = histogram.quantile(share)
    # Then
    exact = sorted(values)[max(0, -int(-len(values) * share // 1) - 1)]
    assert exact / 1.2 <= found <= exact * 1.2


def test_what_is_always_the_same_is_told_as_it_is() -> None:
    histogram = Histogram()
    for _ in range(3):
        histogram.add(1)
    assert (histogram.quantile(0.5), histogram.quantile(0.99)) == (1, 1)


def test_what_no_bucket_fits_is_counted_in_the_outermost() -> None:
    histogram = Histogram()
    for value in (0.0, -1.0, 1e30):
        histogram.add(value)
    assert histogram.count == 3
    assert histogram.quantile(0.3) < 1e-5
    assert histogram.quantile(1.0) > 1e5


def test_an_empty_histogram_has_no_quantile() -> None:
    assert Histogram().quantile(0.99) == 0.0


def test_verdicts_and_batches_are_counted() -> None:
    # Given
    metrics = Metrics()
    # When
    for verdict in (Committed(1, 1), Conflict((b"", 1)), Conflict((b"", 1)), Fenced(), Refused("no-such-job", "")):
        metrics.judged(verdict)
    metrics.turned_away()
    metrics.landed(3, 0.001)
    metrics.landed(1, 0.1)
    # Then
    told = metrics.figures(EngineStats(7, 4096, 8192, 2), seq=9, pending=5, cleaning=1)
    assert (told.commits, told.conflicts, told.refused, told.busy, told.batches) == (4, 2, 2, 1, 2)
    assert (told.seq, told.pending, told.cleaning) == (9, 5, 1)
    assert (told.entries, told.used_bytes, told.limit_bytes, told.readers) == (7, 4096, 8192, 2)
    assert 0.0008 < told.commit_p50 < 0.0012
    assert 0.08 < told.commit_p99 < 0.12


def test_conflicts_and_refusals_of_reads_are_counted_and_what_is_refused_unjudged() -> None:
    # Given
    key, other = (keys.user("s", encode_key(name)) for name in "ab")
    with System() as system:
        store = StoreActor.options(system=system).start(MemoryEngine())
        seen = store.ask(Read((key,))).snapshot
        store.ask(Commit(bytes(16), 1, writes=((key, b"\0v"),)))
        # When: of what was read something has changed; there is no such job; a key is none
        answers = [
            store.ask(Read((other,), seen, ((key, 0),))),
            store.ask(Read((keys.user(bytes(16), encode_key("k")),))),
            store.ask(Read((b"",))),
            store.ask(Commit(bytes(16), 1, writes=((b"", b"\0v"),))),
        ]
        told = store.ask(GetStoreStats()).figures
    # Then
    assert [type(answer) for answer in answers] == [Conflict, Refused, Refused, Refused]
    assert (told.commits, told.conflicts, told.refused) == (1, 1, 3)
