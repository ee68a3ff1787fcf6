"""What a store's records must have of one another."""

from __future__ import annotations

import re

import msgspec
import pytest

from actorcloud.protocol.record import JobRecord
from actorcloud.store import MemoryEngine, encode_key, keys, recount, stored
from actorcloud.store.maintenance.bulk import Bulk
from actorcloud.store.maintenance.soundness import PROBLEM_LIMIT, find_problems
from actorcloud.store.quota import Usage, pack_usage
from tests.store.local import NOW, OTHER, REF

DIGEST = b"f" * 16


def value(payload: bytes = b"", seq: int = 1) -> bytes:
    return stored.pack(seq, payload)


def job(state: str) -> bytes:
    return value(msgspec.msgpack.encode(JobRecord(state, DIGEST, NOW)))  # type: ignore[arg-type]


SOUND = {
    keys.record(REF): job("done"),
    keys.arguments(REF): value(),
    keys.result(REF): value(),
    keys.function(DIGEST): value(),
    keys.job_key("mine"): value(REF),
    keys.user(REF, b"\x14"): value(),
    keys.usage(keys.space(REF)): value(pack_usage(Usage(1, len(keys.user(REF, b"\x14")) + 9))),
    keys.user("s", b"\x14"): value(),
    keys.usage(keys.space("s")): value(pack_usage(Usage(1, len(keys.user("s", b"\x14")) + 9))),
    keys.once(REF, "paid"): value(),
    keys.garbage(OTHER): value(),
    keys.user(OTHER, b"\x14"): value(),
    keys.once(OTHER, "paid"): value(),
    keys.tombstone(OTHER): value(stored.pack_time(NOW)),
}


def problems(items: dict[bytes, bytes]) -> tuple[str, ...]:
    bulk = Bulk(engine := MemoryEngine(), engine.open("test"))
    bulk.commit(items)
    return find_problems(bulk)


def test_a_sound_store_has_no_problems() -> None:
    assert problems(SOUND) == ()


@pytest.mark.parametrize(
    ("key", "text"),
    [
        (keys.function(DIGEST), "lacks its function"),
        (keys.arguments(REF), "lacks its arguments"),
        (keys.result(REF), "is done and lacks its outcome"),
        (keys.record(REF), "no record"),
        (keys.record(REF), "names a job that is not there"),
        (keys.garbage(OTHER), "the user key .* belongs to a job that is not there"),
        (keys.garbage(OTHER), "the once key .* belongs to a job that is not there"),
    ],
)
def test_what_is_missing_is_told(key: bytes, text: str) -> None:
    found = problems({name: value for name, value in SOUND.items() if name != key})
    assert [line for line in found if re.search(text, line)]


@pytest.mark.parametrize(
    ("items", "text"),
    [
        ({b"\xf0k": value()}, "begins with no known prefix"),
        ({keys.once(REF, "owed"): b"short"}, "has 5 bytes, and no header"),
        ({keys.once(REF, "owed"): value(seq=7)}, "was written by commit 7, but the store is at 1"),
        ({keys.record(b"9" * 16): value(b"\xc1")}, "cannot be read"),
    ],
)
def test_what_has_no_form_is_told_and_the_rest_is_looked_at(items: dict[bytes, bytes], text: str) -> None:
    (found,) = problems(SOUND | items)
    assert text in found


JOB_SPACE, GONE, NAMED = keys.usage(keys.space(REF)), keys.usage(keys.space(OTHER)), keys.usage(keys.space("s"))


@pytest.mark.parametrize(
    ("items", "text"),
    [
        ({NAMED: value(pack_usage(Usage(2, 24)))}, "the space 's' has 1 keys and 14 bytes"),
        ({NAMED: value(b"short")}, "the space 's' has 1 keys"),
        ({keys.user("s", b"\x15\x01"): value(b"four")}, "the space 's' has 2 keys and 33 bytes"),
        ({keys.usage(keys.space("t")): value(pack_usage(Usage(1, 9)))}, "the space 't' has 0 keys and 0 bytes"),
        ({keys.user("r", b"\x14"): value()}, "the space 'r' has 1 keys"),
        ({JOB_SPACE: value(pack_usage(Usage(7, 35)))}, r"the job \w+ has 1 keys and 28 bytes"),
        ({GONE: value(pack_usage(Usage(1, 28)))}, r"the job \w+ has 0 keys"),
    ],
)
def test_what_was_counted_otherwise_is_told_and_can_be_counted_anew(items: dict[bytes, bytes], text: str) -> None:
    # Given
    bulk = Bulk(engine := MemoryEngine(), engine.open("test"))
    bulk.commit(SOUND | items)
    # Then
    (found,) = find_problems(bulk)
    assert re.match(text + ".*store compact", found)
    # When
    assert recount(bulk) == 1
    # Then
    assert find_problems(bulk) == ()
    assert recount(bulk) == 0


def test_spaces_are_counted_over_all_pages_and_written_in_several(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given: spaces that lie across pages, none of them counted.
    monkeypatch.setattr("actorcloud.store.maintenance.bulk.BULK_ITEMS", 7)
    monkeypatch.setattr("actorcloud.store.maintenance.census.BULK_ITEMS", 2)
    items = {keys.user(name, encode_key(key)): value() for name in "abcde" for key in range(10)}
    bulk = Bulk(engine := MemoryEngine(), engine.open("test"))
    bulk.commit(items)
    # When
    assert recount(bulk) == 5
    # Then
    assert bulk.seq == 4
    assert find_problems(bulk) == ()


def test_so_many_problems_are_told_and_no_more() -> None:
    many = {keys.arguments(number.to_bytes(16, "big")): value() for number in range(PROBLEM_LIMIT + 50)}
    assert len(problems(many)) == PROBLEM_LIMIT
