"""The order of a state machine's events, against the rules as they are written down."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorcloud.actor.statemachine.agenda import NOW, STAY, Agenda, Outcome, Start, StartTimer, StopTimer, Update
from actorcloud.actor.statemachine.event import Event, EventTimeout, StateTimeout, timed_out


def outcome(
    state: Any = STAY,
    *,
    is_postponed: bool = False,
    inserted: tuple[Any, ...] = (),
    timeouts: tuple[Start | Update, ...] = (),
) -> Outcome:
    wanted = Outcome()
    wanted.state = state
    wanted.is_postponed = is_postponed
    wanted.inserted = [Event(message) for message in inserted]
    wanted.timeouts = list(timeouts)
    return wanted


def settle(agenda: Agenda, event: Event, wanted: Outcome) -> list[Any]:
    """One whole transition."""
    return agenda.change(event, wanted) + agenda.arrange(wanted)


def drain(agenda: Agenda) -> list[Any]:
    """Take all events, without effect."""
    found = []
    while (event := agenda.take()[0]) is not None:
        found.append(event.message)
    return found


@pytest.mark.case(278)
def test_inserted_events_come_before_postponed_ones_and_those_before_timeouts_of_no_time() -> None:
    # Given two postponed events
    agenda = Agenda("a")
    for number in (1, 2):
        settle(agenda, Event(f"postponed {number}"), outcome(is_postponed=True))
    assert agenda.take() == (None, [])
    # When
    zero = Start(EventTimeout, "never", NOW)
    settle(agenda, Event("change"), outcome("b", inserted=("inserted 1", "inserted 2"), timeouts=(zero,)))
    # Then
    assert drain(agenda) == ["inserted 1", "inserted 2", "postponed 1", "postponed 2"]


def test_a_timer_that_was_stopped_or_set_anew_brings_nothing() -> None:
    agenda = Agenda("a")
    (first,) = settle(agenda, Event(1), outcome(timeouts=(Start("n", 1, 5.0),)))
    stop, second = settle(agenda, Event(2), outcome(timeouts=(Start("n", 2, 6.0),)))
    assert (stop, second) == (StopTimer("n"), StartTimer("n", second.serial, 6.0))
    agenda.fire("n", first.serial)
    assert drain(agenda) == []
    agenda.fire("n", second.serial)
    assert drain(agenda) == [timed_out("n", 2)]
    agenda.fire("n", second.serial)
    assert drain(agenda) == []


def test_what_runs_can_be_seen() -> None:
    agenda = Agenda("a")
    settle(agenda, Event(1), outcome(is_postponed=True, timeouts=(Start("n", 1, 5.0), Start("now", 2, NOW))))
    assert agenda.timeouts == {"n": 1, "now": 2}
    assert len(agenda) == 1


class Model:
    """The rules of otp-semantics 2.9, word by word, with lists."""

    def __init__(self) -> None:
        self.state: Any = 0
        self.queue: list[Any] = []
        self.postponed: list[Any] = []
        self.instant: list[tuple[Any, Any]] = []
        self.timers: dict[Any, Any] = {}

    def take(self) -> Any:
        if self.queue:
            message = self.queue[0]
            self.queue = self.queue[1:]
        elif self.instant:
            (key, content), *self.instant = self.instant
            message = timed_out(key, content)
        else:
            return None
        self.cancel(EventTimeout)
        return message

    def cancel(self, key: Any) -> None:
        self.instant = [pair for pair in self.instant if pair[0] != key]
        self.timers.pop(key, None)

    def settle(self, message: Any, wanted: Outcome) -> None:
        if wanted.is_postponed:
            self.postponed = [*self.postponed, message]
        if wanted.state is not STAY and wanted.state != self.state:
            self.state = wanted.state
            self.queue = self.postponed + self.queue
            self.postponed = []
            self.cancel(StateTimeout)
        self.queue = [event.message for event in wanted.inserted] + self.queue
        for timeout in wanted.timeouts:
            self.set(timeout)

    def set(self, timeout: Start | Update) -> None:
        if isinstance(timeout, Update):
            if timeout.key in self.timers:
                self.timers[timeout.key] = timeout.content
            elif any(key == timeout.key for key, _ in self.instant):
                self.instant = [(k, timeout.content if k == timeout.key else c) for k, c in self.instant]
            else:
                self.instant = [*self.instant, (timeout.key, timeout.content)]
            return
        self.cancel(timeout.key)
        if timeout.deadline == NOW:
            self.instant = [*self.instant, (timeout.key, timeout.content)]
        elif timeout.deadline is not None:
            self.timers[timeout.key] = timeout.content


TIMEOUT_KEYS = st.sampled_from([StateTimeout, EventTimeout, "a", "b"])
CONTENTS = st.integers(0, 9)
TIMEOUTS = st.builds(Start, TIMEOUT_KEYS, CONTENTS, st.sampled_from([NOW, 1.0, None])) | st.builds(
    Update, TIMEOUT_KEYS, CONTENTS
)
OUTCOMES = st.tuples(
    st.sampled_from([STAY, 0, 1, 2]), st.booleans(), st.lists(CONTENTS, max_size=2), st.lists(TIMEOUTS, max_size=3)
)
#: Mail, the handling of the next event, or the timer of a key.
STEPS = st.lists(CONTENTS | OUTCOMES | TIMEOUT_KEYS, max_size=30)


@given(STEPS)
def test_the_agenda_does_what_the_rules_say(steps: list[Any]) -> None:
    agenda, model = Agenda(0), Model()
    running: dict[Any, int] = {}

    def perform(effects: list[Any]) -> None:
        for effect in effects:
            if isinstance(effect, StopTimer):
                del running[effect.key]
            else:
                running[effect.key] = effect.serial

    for step in steps:
        if isinstance(step, int):
            agenda.arrive(Event(step))
            model.queue.append(step)
        elif isinstance(step, tuple):
            event, effects = agenda.take()
            perform(effects)
            message = model.take()
            assert (None if event is None else event.message) == message
            if event is not None:
                state, is_postponed, inserted, timeouts = step
                wanted = outcome(state, is_postponed=is_postponed, inserted=tuple(inserted), timeouts=tuple(timeouts))
                perform(settle(agenda, event, wanted))
                model.settle(message, wanted)
        elif step in running:
            agenda.fire(step, running.pop(step))
            model.queue.append(timed_out(step, model.timers.pop(step)))
        assert agenda.state == model.state
        assert [event.message for event in agenda.queue] == model.queue
        assert [event.message for event in agenda.postponed] == model.postponed
        assert agenda.timeouts == model.timers | dict(model.instant)
        assert set(running) == set(model.timers)
