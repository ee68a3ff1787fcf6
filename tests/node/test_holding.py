"""What a node holds."""

from __future__ import annotations

from actorcloud.node import holding
from actorcloud.node.functions import Functions
from actorcloud.node.holding import Holding
from actorcloud.protocol.node import DoneItem, RunItem
from actorcloud.protocol.record import Outcome

READY = {b"f"}


def item(number: int, function: bytes = b"f") -> RunItem:
    return RunItem(bytes([number]), b"run", function, b"")


def end(number: int, value: bytes = b"") -> DoneItem:
    return DoneItem(bytes([number]), b"run", "done", Outcome("done", value))


def run(number: int) -> tuple[bytes, bytes]:
    return bytes([number]), b"run"


def test_a_job_taken_twice_is_held_once() -> None:
    held = Holding()
    held.take([item(1)])
    held.hand("w", 1, READY)
    held.take([item(1)])
    assert held.held() == (run(1),)


def test_jobs_whose_function_is_missing_keep_their_place() -> None:
    held = Holding()
    held.take([item(1, b"g"), item(2), item(3)])
    assert [given.ref for given in held.hand("w", 1, READY)] == [b"\x02"]
    assert [given.ref for given in held.hand("w", 9, {b"f", b"g"})] == [b"\x01", b"\x03"]


def test_what_a_worker_did_not_begin_waits_again_in_its_order() -> None:
    held = Holding()
    held.take([item(number) for number in range(5)])
    held.hand("w", 3, READY)
    held.give_back([run(1), run(2)])
    assert [given.ref[0] for given in held.hand("v", 9, READY)] == [1, 2, 3, 4]


def test_an_end_is_kept_until_it_is_answered() -> None:
    held = Holding()
    held.take([item(1)])
    held.hand("w", 1, READY)
    assert held.end(end(1))
    assert not held.end(end(1))
    assert run(1) in held
    held.answered([run(1), run(1)])
    assert run(1) not in held


def test_too_many_unanswered_ends_fill_the_node() -> None:
    held = Holding()
    held.take([item(1)])
    held.hand("w", 1, READY)
    held.end(end(1, bytes(holding.DONE_LIMIT_BYTES)))
    assert held.is_full
    held.answered([run(1)])
    assert not held.is_full


def test_surplus_is_taken_from_the_end_and_never_from_a_worker() -> None:
    held = Holding()
    held.take([item(number) for number in range(4)])
    held.hand("w", 2, READY)
    assert held.surplus(1) == (run(3), run(2))
    assert held.held() == (run(0), run(1))


def test_functions_are_asked_for_once_and_the_oldest_go_when_memory_is_full() -> None:
    functions = Functions(limit_bytes=10)
    assert functions.missing({b"a", b"b"}) == (b"a", b"b")
    assert functions.missing({b"a"}) == ()
    functions.put(b"a", bytes(6))
    functions.put(b"b", bytes(6))
    assert (b"a" in functions, b"b" in functions) == (False, True)
    assert functions.missing({b"a", b"b"}) == (b"a",)
