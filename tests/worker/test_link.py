"""A job's asks over its agent, and the clock by which they wait."""

from __future__ import annotations

import threading
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorcloud.base.errors import NoSuchJob, WireError
from actorcloud.client.link import Waiters
from actorcloud.protocol.job import Answer, GetInfo
from actorcloud.protocol.message import Message, encode
from actorcloud.protocol.signal import Ask, Failed, Forget, Reply
from actorcloud.protocol.worker import Work
from actorcloud.worker.link import JobHead, Link, OutageClock

Parts = list[tuple[Message | Exception, bool]]


class Agent:
    """Keeps what the link sends."""

    def __init__(self) -> None:
        self.got: list[Message] = []
        self.link = Link(self.got.append)

    def reply(self, number: int, message: Message, *, more: bool = False) -> None:
        self.link.receive(Reply(number, msgspec.Raw(encode(message)), more))


@given(steps=st.lists(st.tuples(st.sampled_from(["away", "back", "look"]), st.floats(0, 100))))
def test_the_clock_counts_only_the_time_with_a_head(steps: list[tuple[str, float]]) -> None:
    # Given
    now = [0.0]
    clock = OutageClock(lambda: now[0])
    expected, away = 0.0, False

    for what, seconds in steps:
        # When
        now[0] += seconds
        expected += 0 if away else seconds
        if what == "away":
            clock.stop()
        elif what == "back":
            clock.go_on()
        away = {"away": True, "back": False, "look": away}[what]

        # Then
        assert clock.monotonic() == pytest.approx(expected)
        assert clock.is_stopped == away


def test_each_answer_reaches_its_own_ask() -> None:
    # Given
    agent = Agent()
    head = JobHead(agent.link)
    one: Parts = []
    two: Parts = []
    head.ask("jobs", GetInfo(), lambda *part: one.append(part))
    head.ask("jobs", GetInfo(), lambda *part: two.append(part))

    # When
    agent.reply(2, Answer(changed=True), more=True)
    agent.reply(1, Answer(changed=False))
    agent.reply(2, Answer(changed=False))
    agent.reply(2, Answer(changed=True))

    # Then
    assert one == [(Answer(changed=False), False)]
    assert two == [(Answer(changed=True), True), (Answer(changed=False), False)]


def test_a_failure_comes_as_the_error_of_its_code() -> None:
    # Given
    agent = Agent()
    parts: Parts = []
    JobHead(agent.link).ask("jobs", GetInfo(), lambda *part: parts.append(part))

    # When
    agent.link.receive(Failed(1, NoSuchJob.code, "none"))

    # Then
    ((error, more),) = parts
    assert isinstance(error, NoSuchJob)
    assert not more


def test_what_was_forgotten_is_not_delivered_and_the_agent_is_told_once() -> None:
    # Given
    agent = Agent()
    parts: Parts = []
    asking = JobHead(agent.link).ask("jobs", GetInfo(), lambda *part: parts.append(part))

    # When
    asking.forget()
    asking.forget()
    agent.reply(1, Answer(changed=True))

    # Then
    assert parts == []
    assert [type(message) for message in agent.got] == [Ask, Forget]


def test_the_end_of_a_job_forgets_what_it_left_open_and_only_that() -> None:
    # Given
    agent = Agent()
    ended, other = JobHead(agent.link), JobHead(agent.link)
    for head in (ended, ended, other):
        head.ask("jobs", GetInfo(), lambda *part: None)
    agent.reply(2, Answer(changed=True))

    # When
    ended.close()

    # Then
    assert agent.got[3:] == [Forget(1)]


def test_a_wait_ends_with_the_answer() -> None:
    # Given
    agent = Agent()
    head = JobHead(agent.link)
    parts: Parts = []
    head.ask("jobs", GetInfo(), lambda *part: parts.append(part))
    replier = threading.Thread(target=agent.reply, args=(1, Answer(changed=True)))

    # When
    replier.start()
    answered = head.wait(lambda: bool(parts), 60)
    replier.join()

    # Then
    assert answered


def test_a_wait_does_not_end_while_the_head_is_away() -> None:
    # Given a wait whose time would be over long before its answer comes
    agent = Agent()
    head = JobHead(agent.link)
    agent.link.outage(away=True)
    waiting = threading.Event()
    parts: Parts = []
    results: list[bool] = []
    head.ask("jobs", GetInfo(), lambda *part: parts.append(part))

    def ready() -> bool:
        waiting.set()
        return bool(parts)

    waiter = threading.Thread(target=lambda: results.append(head.wait(ready, 0.001)))

    # When
    waiter.start()
    assert waiting.wait(60)
    waiter.join(0.05)
    assert waiter.is_alive()
    agent.reply(1, Answer(changed=True))
    waiter.join(60)

    # Then
    assert results == [True]


def test_a_wait_whose_time_is_over_says_so() -> None:
    assert JobHead(Agent().link).wait(lambda: False, 0.001) is False


def test_what_no_agent_sends_is_refused() -> None:
    with pytest.raises(WireError, match="Work"):
        Agent().link.receive(Work(()))


def test_a_wait_ends_although_floats_are_not_exact() -> None:
    # Given a clock whose steps are coarser than what is left to wait, as after an outage
    now = 1e9
    clock = OutageClock(lambda: now)
    clock.stop()
    now += 0.1
    clock.go_on()

    class Coarse(Waiters):
        calls = 0

        def wait(self, ready: Callable[[], bool], timeout: float | None) -> bool:
            nonlocal now
            assert timeout is not None
            self.calls += 1
            assert self.calls < 100, "it waits in vain"
            # A little short of it: rounding.
            now += timeout - 3e-7
            return ready()

    link = Link(lambda message: None, Coarse(), clock)
    # When, Then
    assert link.wait(lambda: False, 1.0) is False
