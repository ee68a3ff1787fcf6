"""What others see of an actor's inbox and of its end, and of the threads that run it."""

from __future__ import annotations

import logging
import signal
import threading

import pytest

from actorcloud.actor import Actor, ActorRef, System, log_thread_tracebacks
from tests.actor.cast import PATIENCE, Probe, Run, log, run, tell_run


def test_the_inbox_shows_what_waits(system: System) -> None:
    # Given an actor that handles nothing yet
    seen: ActorRef[Probe] = Probe.start()

    def look(me: Probe) -> tuple[int, bool, str]:
        me.actor_inbox.put("one")
        me.actor_ref.tell("two")
        return me.actor_inbox.qsize(), me.actor_inbox.empty(), repr(me.actor_inbox)

    # When
    waiting, is_empty, text = run(seen, look)
    # Then
    assert (waiting, is_empty) == (2, False)
    assert text == f"<Inbox of {seen} with 2 messages>"
    assert log(seen, 2) == ["one", "two"]
    assert seen.actor_inbox.empty()
    assert Probe.start().actor_inbox.qsize() == 0


def test_actor_stopped_is_set_when_the_actor_has_stopped(system: System) -> None:
    ref = Probe.start()
    stopped = ref.actor_stopped
    assert not stopped.is_set()
    assert run(ref, lambda me: me.actor_stopped.is_set()) is False
    assert stopped.wait(0.001) is False
    assert "unset" in repr(stopped)
    tell_run(ref, lambda me: me.stop())
    assert stopped.wait(PATIENCE) is True
    assert stopped.is_set()
    assert stopped.wait() is True


def test_who_waits_in_small_steps_leaves_no_monitor_behind(system: System) -> None:
    ref = Probe.start()
    for _ in range(3):
        ref.actor_stopped.wait(0)
    assert not ref._cell.monitors


@pytest.mark.shared_memory
@pytest.mark.parametrize("dispatcher", ["pool", "thread"])
def test_the_stacks_of_all_threads_are_logged_with_their_actors(
    pool: System, dispatcher: str, caplog: pytest.LogCaptureFixture
) -> None:
    # Given an actor that hangs
    hangs, go_on = threading.Event(), threading.Event()

    class Hanging(Actor):
        def on_receive(self, message: object) -> None:
            hangs.set()
            go_on.wait(PATIENCE)

    Hanging.dispatcher = dispatcher  # type: ignore[assignment]
    ref = Hanging.start()
    answer = ref.ask(Run(str), block=False)
    assert hangs.wait(PATIENCE)
    # When
    with caplog.at_level(logging.CRITICAL, "actorcloud.actor"):
        log_thread_tracebacks(signal.SIGUSR1, None)
    go_on.set()
    answer.get()
    # Then
    (report,) = [record.getMessage() for record in caplog.records if f"which runs {ref}" in record.getMessage()]
    assert "go_on.wait" in report
    assert any(record.getMessage().startswith("Thread MainThread") for record in caplog.records)
