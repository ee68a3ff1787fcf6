"""An opened engine read in bulk: everything once, in parts that fit into memory."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorcloud.store import MemoryEngine, keys
from actorcloud.store.maintenance.bulk import BULK_BYTES, BULK_ITEMS, Bulk


def filled(items: dict[bytes, bytes]) -> Bulk:
    engine = MemoryEngine()
    bulk = Bulk(engine, engine.open("a test"))
    bulk.commit(items)
    return bulk


def key(number: int) -> bytes:
    return keys.USER + number.to_bytes(4, "big")


@given(
    st.dictionaries(st.integers(0, 40).map(key), st.binary(max_size=60), max_size=30),
    st.integers(1, 7),
    st.integers(1, 200),
    st.integers(0, 40).map(key) | st.just(b""),
)
def test_whatever_a_part_may_hold_each_item_is_read_once_and_in_order(
    items: dict[bytes, bytes], most: int, most_bytes: int, after: bytes
) -> None:
    bulk = filled(items)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("actorcloud.store.maintenance.bulk.BULK_ITEMS", most)
        patch.setattr("actorcloud.store.maintenance.bulk.BULK_BYTES", most_bytes)
        chunks = list(bulk.chunks(after=after))
    assert [item for chunk in chunks for item in chunk] == sorted(item for item in items.items() if item[0] > after)
    assert all(1 <= len(chunk) <= most for chunk in chunks)
    assert all(sum(len(a) + len(b) for a, b in chunk[:-1]) < most_bytes for chunk in chunks)


def test_large_values_come_in_small_parts() -> None:
    value = bytes(BULK_BYTES // 4)
    chunks = list(filled({key(number): value for number in range(10)}).chunks())
    assert [len(chunk) for chunk in chunks] == [4, 4, 2]


def test_small_values_come_in_parts_of_so_many() -> None:
    chunks = list(filled({key(number): b"" for number in range(BULK_ITEMS + 1)}).chunks())
    assert [len(chunk) for chunk in chunks] == [BULK_ITEMS, 1]
