"""What the memory of a caller's commits keeps, and for how long: by itself, without a store."""

from __future__ import annotations

from actorcloud.protocol.transaction import AtomicStep
from actorcloud.store.caller.attempt import Attempt, Known
from actorcloud.store.caller.coverage import Coverage
from actorcloud.store.caller.memory import KEPT_KEYS, LIGHT_BYTES, LIGHT_KEYS, Memory
from actorcloud.store.value import INT, pack_int, with_codec

SNAPSHOT = (b"incarnation", 7)


def committed(keys: list[bytes], size: int = 1, number: int = 1) -> Attempt:
    """Return a run that found these keys as it had left them."""
    attempt = Attempt(
        b"t" * 16, number, recall=lambda _: Known(SNAPSHOT, dict.fromkeys(keys, (1, b"x" * size)), Coverage())
    )
    for key in keys:
        attempt.peek(key)
    return attempt


def test_the_longest_unused_is_forgotten_first() -> None:
    memory = Memory()
    for number in range(KEPT_KEYS + 10):
        memory.keep(committed([b"%d" % number]), 8)
    assert len(memory) == KEPT_KEYS
    assert memory.take(b"9") is None
    assert memory.take(b"10") is not None


def test_large_commits_are_not_remembered_and_what_they_changed_is_forgotten() -> None:
    memory = Memory()
    small, many = [b"0"], [b"%d" % number for number in range(LIGHT_KEYS + 1)]
    for heavy, size in ((committed(many), 1), (committed(small), LIGHT_BYTES + 1)):
        memory.keep(committed(small), 8)
        heavy.write(b"0", b"x" * size)
        memory.keep(heavy, 9)
        assert len(memory) == 0


def test_all_that_one_commit_told_is_used_or_forgotten_together() -> None:
    memory = Memory()
    memory.keep(committed([b"a", b"b"]), 8)
    known = memory.take(b"a")
    assert known is not None
    assert known[:2] == ((b"incarnation", 8), {b"a": (1, b"x"), b"b": (1, b"x")})
    assert memory.take(b"b") is None
    memory.keep(committed([b"a", b"b"]), 8)
    memory.keep(committed([b"b", b"c"]), 9)
    assert memory.take(b"a") is None
    assert memory.take(b"c") is not None


def test_a_blind_change_of_ones_own_makes_what_was_known_old() -> None:
    memory = Memory()
    stored, added = Attempt(b"u" * 16, 1), Attempt(b"v" * 16, 1)
    stored.write(b"a", b"y")
    added.do(b"a", AtomicStep("add", with_codec(INT, pack_int(1))))
    for blind in (stored, added):
        memory.keep(committed([b"a", b"b"]), 8)
        memory.keep(blind, 9)
        assert len(memory) == 0


def test_only_a_first_attempt_is_remembered() -> None:
    memory = Memory()
    memory.keep(committed([b"a"], number=2), 8)
    assert len(memory) == 0


def test_a_part_that_an_interrupt_has_left_does_no_harm() -> None:
    memory = Memory()
    memory.keep(committed([b"a", b"b"]), 8)
    del memory._kept[b"a"]
    memory.keep(committed([b"b"]), 9)
    assert memory.take(b"b") is not None


def test_what_is_taken_by_two_threads_is_given_to_one() -> None:
    memory = Memory()
    memory.keep(committed([b"a"]), 8)

    class Meanwhile:
        def __enter__(self) -> None:
            memory._kept.clear()

        def __exit__(self, *_: object) -> None:
            pass

    memory._lock = Meanwhile()  # type: ignore[assignment]
    assert memory.take(b"a") is None
