"""How much one transaction may touch: to the last entry, record and byte."""

from __future__ import annotations

from typing import Any

import pytest

from actorcloud.base.errors import TransactionTooLarge, ValueTooLarge
from actorcloud.protocol.transaction import (
    COMMIT_LIMIT_BYTES,
    ENTRY_LIMIT,
    RANGE_LIMIT,
    RECORD_LIMIT,
    VALUE_LIMIT_BYTES,
    Atomic,
    AtomicStep,
    Commit,
    RangeEntry,
    RangeRead,
)
from actorcloud.store import check_footprint, encode_key, keys
from actorcloud.store.validation import check_ranges
from tests.store.local import raw

DIGEST = bytes(16)


def key(name: str | int) -> bytes:
    return keys.user("test", encode_key(name))


def refusal(**fields: Any) -> str:
    """Return what is said of a transaction that is too large; nothing if it is not."""
    try:
        check_footprint(Commit(b"t" * 16, 1, **fields))
    except (TransactionTooLarge, ValueTooLarge) as error:
        return str(error)
    return ""


def test_a_transaction_writes_so_many_keys_and_does_so_many_steps_and_no_more() -> None:
    def writes(count: int) -> tuple[tuple[bytes, bytes], ...]:
        return tuple((key(number), raw(b"")) for number in range(count))

    push = (Atomic(key("q")[:-1], (AtomicStep("push", raw(b"")), AtomicStep("push", raw(b"")))),)
    assert refusal(writes=writes(ENTRY_LIMIT)) == ""
    assert f"{ENTRY_LIMIT + 1} entries" in refusal(writes=writes(ENTRY_LIMIT + 1))
    assert refusal(writes=writes(ENTRY_LIMIT - 2), atomics=push) == ""
    assert f"{ENTRY_LIMIT + 1} entries" in refusal(writes=writes(ENTRY_LIMIT - 1), atomics=push)


def test_a_value_that_is_too_large_says_by_how_much() -> None:
    assert f"{VALUE_LIMIT_BYTES + 1} bytes" in refusal(writes=((key("k"), raw(bytes(VALUE_LIMIT_BYTES + 1))),))


def test_all_that_a_transaction_carries_counts_to_the_last_byte() -> None:
    # Given: something of each kind, and values that fill what is left.
    reads = ((key("read"), 1), (key("read too"), 0))
    ranges = tuple(RangeEntry(key(number), key(f"{number}~"), 0, DIGEST) for number in range(3))
    step = AtomicStep("compare_and_set", raw(b"new"), raw(b"expected"))
    sizes = [len(name) for name, _ in reads]
    sizes += [len(entry.lo) + len(entry.hi) for entry in ranges]
    sizes += [len(key("atomic")), len(step.value), len(step.expected), len(key("deleted"))]
    left = COMMIT_LIMIT_BYTES - sum(sizes) - sum(len(key(number)) for number in range(5))

    def fields(more: int) -> dict[str, Any]:
        whole = [(key(number), raw(bytes(left // 5 - 1))) for number in range(4)]
        rest = (key(4), raw(bytes(left - left // 5 * 4 - 1 + more)))
        writes = (*whole, rest, (key("deleted"), None))
        return {"reads": reads, "ranges": ranges, "writes": writes, "atomics": (Atomic(key("atomic"), (step,)),)}

    # Then
    assert refusal(**fields(0)) == ""
    assert f"{COMMIT_LIMIT_BYTES + 1} bytes" in refusal(**fields(1))


def test_ranges_hold_so_many_records_and_no_more() -> None:
    def entry(count: int) -> RangeEntry:
        return RangeEntry(key("a"), key("b"), count, DIGEST)

    check_ranges((entry(RECORD_LIMIT - 1), entry(1)))
    with pytest.raises(TransactionTooLarge, match=f"^{RECORD_LIMIT + 1} records .* up to 0 more; .* split it$"):
        check_ranges((entry(RECORD_LIMIT), entry(1)))
    with pytest.raises(TransactionTooLarge, match=f"^0 records .* up to {RECORD_LIMIT + 1} more"):
        check_ranges((), (RangeRead(key("a"), key("b"), RECORD_LIMIT + 1),))


def test_there_are_so_many_ranges_and_no_more_those_that_are_asked_for_included() -> None:
    entries = (RangeEntry(key("a"), key("b"), 0, DIGEST),) * (RANGE_LIMIT - 1)
    wanted = (RangeRead(key("a"), key("b"), 1),) * 2
    check_ranges(entries, wanted[:1])
    with pytest.raises(TransactionTooLarge, match=f"^{RANGE_LIMIT + 1} ranges .*: scan one larger range, or split it$"):
        check_ranges(entries, wanted)


def test_a_scan_that_goes_on_where_a_range_ended_is_no_further_range() -> None:
    # Given
    entries = tuple(RangeEntry(key(4 * number), key(4 * number + 1), 0, DIGEST) for number in range(RANGE_LIMIT))
    # Each answer may end before the next range begins.
    on = RangeRead(key(1), key(2), 1)
    back = RangeRead(key(-1), key(0), 1, reverse=True)
    # Then
    check_ranges(entries, (on, back))
    for other in (RangeRead(on.lo, on.hi, 1, reverse=True), RangeRead(back.lo, back.hi, 1)):
        with pytest.raises(TransactionTooLarge, match=f"^{RANGE_LIMIT + 1} ranges"):
            check_ranges(entries, (on, other))
    with pytest.raises(TransactionTooLarge, match=f"^{RANGE_LIMIT + 1} ranges"):
        check_ranges((), (on,) * (RANGE_LIMIT + 1))
    with pytest.raises(TransactionTooLarge, match=f"^{RANGE_LIMIT + 1} ranges"):
        check_ranges(entries[:1], (on,) * (RANGE_LIMIT + 1))
