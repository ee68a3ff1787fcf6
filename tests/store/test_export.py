"""A store as a file, and a store from one: all of it or nothing, and nobody's old stamp fits it."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable, Iterable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorcloud.base.errors import BadExport, StoreDamaged, StoreNotEmpty, StoreTooNew
from actorcloud.protocol.record import JobRecord
from actorcloud.store import Engine, EngineFailed, MemoryEngine, keys, stored
from actorcloud.store.format import FORMAT, FORMAT_MAJOR, check_format
from actorcloud.store.maintenance.bulk import Bulk
from actorcloud.store.maintenance.export import (
    EXPORT_VERSION,
    FRAME_BYTES,
    FRAME_ITEMS,
    MAGIC,
    ExportHeader,
    ExportReader,
    Item,
    write_export,
)
from actorcloud.store.maintenance.migration import UNFINISHED, prepare
from actorcloud.store.maintenance.renewal import SEQ_JUMP, header_of, import_items, renew
from tests.store.local import NOW, OTHER, REF, run_of

HEADER = ExportHeader(41, FORMAT_MAJOR, "0.1.0")

KEYS = st.binary(min_size=1, max_size=40).filter(lambda key: key[:1] not in {keys.META, b"\xff"})
ITEMS = st.dictionaries(KEYS, st.binary(max_size=60), max_size=40).map(lambda items: sorted(items.items()))


def exported(items: Iterable[Item], header: ExportHeader = HEADER) -> bytes:
    stream = io.BytesIO()
    write_export(stream, header, items)
    return stream.getvalue()


def read(data: bytes) -> list[Item]:
    return [item for items in ExportReader(io.BytesIO(data), "it") for item in items]


@given(items=ITEMS, seq=st.integers(0, 2**40))
def test_what_was_exported_is_read(items: list[Item], seq: int) -> None:
    data = exported(items, ExportHeader(seq, 1, "1.2.3"))
    reader = ExportReader(io.BytesIO(data), "it")
    assert [item for chunk in reader for item in chunk] == items
    assert (reader.header.seq, reader.header.created_by, reader.count) == (seq, "1.2.3", len(items))


def test_many_and_large_items_are_cut_into_frames() -> None:
    items = [(b"\x03" + number.to_bytes(4, "big"), bytes(number % 7)) for number in range(2 * FRAME_ITEMS + 1)]
    items.append((b"\x09big", bytes(FRAME_BYTES + 5)))
    chunks = list(ExportReader(io.BytesIO(exported(items)), "it"))
    assert [len(chunk) for chunk in chunks] == [FRAME_ITEMS, FRAME_ITEMS, 2]


SMALL = exported([(b"\x02a", b"one"), (b"\x03b", b"two")])


@pytest.mark.parametrize("size", range(len(SMALL)))
def test_an_export_that_was_cut_short_anywhere_is_refused(size: int) -> None:
    with pytest.raises(BadExport, match="ends too early"):
        read(SMALL[:size])


@pytest.mark.parametrize("place", range(len(SMALL)))
def test_an_export_that_was_changed_anywhere_is_refused(place: int) -> None:
    changed = bytearray(SMALL)
    changed[place] ^= 0x41
    with pytest.raises((BadExport, StoreTooNew)):
        read(bytes(changed))


def sealed(*frames: object, count: int = 0) -> bytes:
    """Return an export of any frames, with the digest that they have."""
    packed = [frame if isinstance(frame, bytes) else msgspec.msgpack.encode(frame) for frame in frames]
    body = MAGIC + b"".join(len(frame).to_bytes(4, "big") + frame for frame in packed)
    body += bytes(4) + count.to_bytes(8, "big")
    return body + hashlib.blake2b(body, digest_size=32).digest()


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (b"dear reader" * 10, "no export"),
        (SMALL + b"x", "after its end"),
        (sealed({"seq": 1}), "no header"),
        (sealed(HEADER, b"\xc1"), "frame that is none"),
        (sealed(HEADER, [(b"\x03b", b""), (b"\x03a", b"")], count=2), "may not be"),
        (sealed(HEADER, [(b"\x03b", b"")], [(b"\x03b", b"")], count=2), "may not be"),
        (sealed(HEADER, [(keys.meta("seq"), b"")], count=1), "may not be"),
        (sealed(HEADER, [(b"", b"")], count=1), "may not be"),
        (sealed(HEADER, [(b"\x03" * 512, b"")], count=1), "may not be"),
        (sealed(HEADER, count=3), "digest"),
        (MAGIC + b"\xff\xff\xff\xff", "the limit is"),
    ],
)
def test_what_is_no_whole_export_is_refused_in_words(data: bytes, match: str) -> None:
    with pytest.raises(BadExport, match=match):
        read(data)


def test_an_export_of_a_newer_version_is_refused() -> None:
    with pytest.raises(StoreTooNew, match=r"written by actorcloud 9\.0"):
        read(sealed(ExportHeader(1, 1, "9.0", version=EXPORT_VERSION + 1)))


# -- a store from it -------------------------------------------------------------------------------


def record(run: bytes, state: str = "running") -> bytes:
    return msgspec.msgpack.encode(JobRecord(state, b"f" * 16, NOW, run=run))  # type: ignore[arg-type]


def filled(engine: Engine) -> Bulk:
    bulk = Bulk(engine, engine.open("original"))
    items = {
        keys.record(REF): stored.pack(3, record(run_of(7))),
        keys.record(OTHER): stored.pack(4, record(b"", "queued")),
        keys.user("s", b"\x14"): stored.pack(5, b"value"),
        keys.tombstone(bytes(16)): stored.pack(6, stored.pack_time(NOW)),
    }
    bulk.commit(items, new=9)
    return bulk


def contents(bulk: Bulk) -> dict[bytes, bytes]:
    return dict(item for items in bulk.chunks() for item in items)


def test_an_imported_store_holds_the_same_and_no_old_stamp_fits_it(make_engine: Callable[[], Engine]) -> None:
    # Given
    original = filled(MemoryEngine())
    data = exported(contents(original).items(), header_of(original))
    # When
    engine = make_engine()
    bulk = Bulk(engine, engine.open("import"))
    count = import_items(bulk, ExportReader(io.BytesIO(data), "it"), os.urandom)
    # Then
    before, after = contents(original), contents(bulk)
    assert count == len(before)
    changed = {key for key in before if before[key] != after[key]}
    assert before.keys() == after.keys()
    assert changed == {keys.record(REF)}
    job = msgspec.msgpack.decode(stored.payload_of(after[keys.record(REF)]), type=JobRecord)
    assert job.run != run_of(7)
    assert len(job.run) == 16
    assert stored.seq_of(after[keys.record(REF)]) == bulk.seq == 9 + SEQ_JUMP
    engine.close()
    opened = engine.open("next")
    assert opened.incarnation != original.opened.incarnation
    assert opened.seq == 9 + SEQ_JUMP
    assert prepare(engine, opened, "next") == opened


def test_a_restored_copy_is_a_store_of_its_own(make_engine: Callable[[], Engine]) -> None:
    # Given: the copy has the stamps of the original.
    engine = make_engine()
    bulk = filled(engine)
    before = contents(bulk)
    # When
    renew(bulk, os.urandom)
    # Then
    after = contents(bulk)
    assert {key for key in before if before[key] != after[key]} == {keys.record(REF)}
    engine.close()
    opened = engine.open("next")
    assert opened.incarnation != bulk.opened.incarnation
    assert opened.seq == 9 + SEQ_JUMP


def test_an_export_goes_into_a_new_store_only() -> None:
    bulk = filled(MemoryEngine())
    with pytest.raises(StoreNotEmpty):
        import_items(bulk, ExportReader(io.BytesIO(SMALL), "it"), os.urandom)
    assert bulk.seq == 9


def test_an_export_of_a_newer_format_writes_nothing() -> None:
    engine = MemoryEngine()
    bulk = Bulk(engine, engine.open("import"))
    data = exported([], ExportHeader(1, FORMAT_MAJOR + 1, "9.0"))
    with pytest.raises(StoreTooNew, match=r"9\.0"):
        import_items(bulk, ExportReader(io.BytesIO(data), "it"), os.urandom)
    assert engine.disk.seq == 0


def test_an_export_of_an_older_format_is_migrated_by_the_next_open() -> None:
    engine = MemoryEngine()
    bulk = Bulk(engine, engine.open("import"))
    data = exported([], ExportHeader(1, FORMAT_MAJOR - 1, "0.0.1"))
    import_items(bulk, ExportReader(io.BytesIO(data), "it"), os.urandom)
    assert check_format("it", bulk.get(FORMAT)).major == FORMAT_MAJOR - 1


def test_an_export_that_changes_while_it_is_imported_leaves_no_store() -> None:
    # Given
    engine = MemoryEngine()
    opened = engine.open("import")
    reader = ExportReader(io.BytesIO(SMALL[:-1] + b"x"), "it")
    # When
    with pytest.raises(BadExport):
        import_items(Bulk(engine, opened), reader, os.urandom)
    # Then
    assert engine.disk.get(UNFINISHED) is not None
    with pytest.raises(StoreDamaged, match="import"):
        prepare(engine, engine.open("next"), "next")


def test_a_bulk_commit_is_refused_to_whom_the_store_no_longer_is() -> None:
    engine = MemoryEngine()
    bulk = Bulk(engine, engine.open("first"))
    engine.disk.seq = 5
    with pytest.raises(EngineFailed):
        bulk.commit({b"\x03k": b"v"})
