"""Which queued job goes to which node."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from actorcloud.jobs.placement import Placement


def refs(*numbers: int) -> list[bytes]:
    return [number.to_bytes(16, "big") for number in numbers]


def test_jobs_go_in_order_to_the_least_loaded_node() -> None:
    # Given two nodes, one of which is twice as large
    placement = Placement()
    placement.seat("big", 2, 4)
    placement.seat("small", 1, 2)
    placement.enqueue(refs(1, 2, 3, 4, 5, 6, 7))
    # When the jobs are placed
    placed = placement.assign()
    # Then all room is used, in order, and the loads are even
    assert [ref for ref, _ in placed] == refs(1, 2, 3, 4, 5, 6)
    assert len(placement.seats["big"].held) == 4
    assert len(placement.seats["small"].held) == 2
    assert placement.queued == 1


def test_a_job_queued_again_goes_before_all_new_ones() -> None:
    placement = Placement()
    placement.enqueue(refs(1, 2))
    placement.enqueue(refs(9), again=True)
    placement.seat("n", 1, 1)
    assert placement.assign() == [(refs(9)[0], "n")]


def test_freeing_twice_makes_no_second_credit() -> None:
    placement = Placement()
    placement.seat("n", 1, 1)
    placement.enqueue(refs(1, 2, 3))
    placement.assign()
    placement.withdraw(refs(1)[0])
    placement.withdraw(refs(1)[0])
    assert placement.assign() == [(refs(2)[0], "n")]


def test_a_closed_node_gets_nothing_until_it_is_opened() -> None:
    placement = Placement()
    placement.seat("n", 1, 1)
    placement.close("n")
    placement.enqueue(refs(1))
    assert placement.assign() == []
    placement.open("n")
    assert placement.assign() == [(refs(1)[0], "n")]


def test_a_job_that_goes_alone_waits_for_an_empty_node_and_keeps_it_to_itself() -> None:
    # Given a node with a job, and one that must go alone
    placement = Placement()
    placement.seat("n", 4, 4)
    placement.seat("full", 1, 1)
    placement.enqueue(refs(1, 2))
    placement.assign()
    placement.enqueue(refs(7), alone=True)
    placement.enqueue(refs(3))
    # Then nothing is placed until the node is empty
    assert placement.assign() == []
    placement.withdraw(refs(1)[0])
    placement.withdraw(refs(2)[0])
    assert placement.assign() == [(refs(7)[0], "n"), (refs(3)[0], "full")]
    # And nothing beside it; afterwards the node is as it was
    placement.enqueue(refs(4))
    assert placement.assign() == []
    placement.withdraw(refs(7)[0])
    assert placement.assign() == [(refs(4)[0], "n")]


def test_on_the_only_node_a_job_that_goes_alone_begins_alone_and_keeps_nobody_from_joining_it() -> None:
    # Given
    placement = Placement()
    placement.seat("n", 4, 4)
    placement.enqueue(refs(1))
    placement.assign()
    placement.enqueue(refs(7), alone=True)
    placement.enqueue(refs(2))
    # When the node is empty
    assert placement.assign() == []
    placement.withdraw(refs(1)[0])
    # Then what it may be waiting for runs beside it
    assert placement.assign() == [(refs(7)[0], "n"), (refs(2)[0], "n")]
    # And the next one that goes alone waits until all of them have ended, and holds up nobody before
    placement.enqueue(refs(8), alone=True)
    placement.enqueue(refs(3))
    assert placement.assign() == [(refs(3)[0], "n")]
    placement.withdraw(refs(7)[0])
    placement.enqueue(refs(4))
    assert placement.assign() == []
    placement.withdraw(refs(2)[0])
    placement.withdraw(refs(3)[0])
    assert placement.assign()[0] == (refs(8)[0], "n")


def test_a_cancelled_lonely_job_gives_the_reserved_node_back() -> None:
    placement = Placement()
    placement.seat("n", 2, 2)
    placement.enqueue(refs(1))
    placement.assign()
    placement.enqueue(refs(7), alone=True)
    placement.assign()
    placement.withdraw(refs(7)[0])
    placement.enqueue(refs(2))
    assert placement.assign() == [(refs(2)[0], "n")]


class PlacementModel(RuleBasedStateMachine):
    """Nothing is placed twice, lost, or beyond a node's capacity, whatever happens."""

    jobs = Bundle("jobs")

    @initialize()
    def begin(self) -> None:
        self.placement = Placement()
        self.known: set[bytes] = set()
        self.placed: dict[bytes, str] = {}
        self.count = 0

    @rule(target=jobs, again=st.booleans(), alone=st.booleans())
    def enqueue(self, *, again: bool, alone: bool) -> bytes:
        self.count += 1
        ref = refs(self.count)[0]
        self.placement.enqueue([ref], again=again, alone=alone)
        self.known.add(ref)
        return ref

    @rule(ref=jobs)
    def withdraw(self, ref: bytes) -> None:
        self.placement.withdraw(ref)
        self.known.discard(ref)
        self.placed.pop(ref, None)

    @rule(node=st.sampled_from("abc"), slots=st.integers(1, 3), prefetch=st.integers(0, 3))
    def seat(self, node: str, slots: int, prefetch: int) -> None:
        self.remove(node)
        self.placement.seat(node, slots, slots + prefetch)

    @rule(node=st.sampled_from("abc"))
    def remove(self, node: str) -> None:
        self.placement.remove(node)
        for ref in [ref for ref, where in self.placed.items() if where == node]:
            del self.placed[ref]
            self.known.discard(ref)

    @rule()
    def assign(self) -> None:
        for ref, node in self.placement.assign():
            assert ref in self.known
            assert ref not in self.placed
            self.placed[ref] = node

    @invariant()
    def every_job_is_queued_or_placed_once(self) -> None:
        assert self.placement.queued + len(self.placed) == len(self.known)
        for node, seat in self.placement.seats.items():
            assert seat.held == {ref for ref, where in self.placed.items() if where == node}
            assert len(seat.held) <= seat.capacity


TestPlacementModel = PlacementModel.TestCase


def test_jobs_that_go_alone_leave_one_node_to_those_they_may_wait_for() -> None:
    # Given two busy nodes, and two jobs that must go alone
    placement = Placement()
    for node in ("n1", "n2"):
        placement.seat(node, 1, 1)
    placement.enqueue([b"a", b"b"])
    assert len(placement.assign()) == 2
    placement.enqueue([b"x", b"y"], alone=True)
    assert placement.assign() == []
    # When one node after the other is empty
    placement.withdraw(b"a")
    placement.withdraw(b"b")
    ((first, node),) = placement.assign()
    assert first == b"x"
    # Then the other one takes ordinary jobs, whatever else must go alone
    placement.enqueue([b"c"])
    ((ref, other),) = placement.assign()
    assert ref == b"c"
    assert other != node
    # And the second goes when the first has ended.
    placement.withdraw(b"x")
    assert placement.assign() == [(b"y", node)]


def test_a_node_that_takes_nothing_does_not_count_as_one_for_the_others() -> None:
    # Given a job that goes alone, and another node that wants no jobs
    placement = Placement()
    placement.seat("n", 2, 2)
    placement.seat("full", 2, 0)
    placement.enqueue(refs(7), alone=True)
    assert placement.assign() == [(refs(7)[0], "n")]
    # When it waits for a job of its own
    placement.enqueue(refs(1))
    # Then
    assert placement.assign() == [(refs(1)[0], "n")]
