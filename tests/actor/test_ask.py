"""Asking: answers, and every way not to get one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pykka
import pytest

from actorcloud.actor import (
    Actor,
    ActorDeadError,
    ActorRef,
    AskTimeout,
    CallingSelf,
    Future,
    NoReply,
    Stop,
    System,
    get_all,
    named,
)
from actorcloud.base.errors import NoSuchName
from actorcloud.base.exits import Crash, ExitReason
from tests.actor.cast import PATIENCE, Boom, Probe, Run, boom, end_of, log, run


def test_what_the_handler_returns_is_the_answer(system: System) -> None:
    assert Probe.start().ask("hello") == "hello"


def test_a_crash_reaches_the_asker_as_it_is_and_ends_the_actor(system: System) -> None:
    p = Probe.start()
    with pytest.raises(Boom):
        run(p, boom)
    assert not p.is_alive()


def test_the_asker_hears_of_the_crash_after_everybody_else(system: System) -> None:
    watcher, p = Probe.start(), Probe.start()
    run(watcher, lambda me: me.monitor(p))
    with pytest.raises(Boom):
        run(p, boom)
    assert run(watcher, lambda me: len(me.log)) == 1


def test_asking_the_dead_says_noproc(system: System) -> None:
    p = Probe.start()
    p.stop()
    with pytest.raises(ActorDeadError) as caught:
        p.ask("x")
    assert caught.value.reason is ExitReason.NOPROC
    assert isinstance(caught.value, pykka.ActorDeadError)


def test_asks_queued_at_a_crash_get_its_reason(system: System) -> None:
    p = Probe.start()
    first = p.ask(Run(boom), block=False)
    second = p.ask("x", block=False)
    with pytest.raises(Boom):
        first.get(PATIENCE)
    with pytest.raises(ActorDeadError) as caught:
        second.get(PATIENCE)
    assert isinstance(caught.value.reason, Crash | ExitReason)


def test_an_ask_of_an_actor_that_stops_without_answering_fails_with_its_reason(system: System) -> None:
    def stop(_: Probe) -> None:
        raise Stop("enough")

    with pytest.raises(ActorDeadError) as caught:
        run(Probe.start(), stop)
    assert caught.value.reason == "enough"


def test_an_answer_too_late_is_dropped_but_the_work_is_done(system: System) -> None:
    # Given a server that answers when told to
    class Slow(Actor):
        def __init__(self) -> None:
            self.owed: list[object] = []

        def on_receive(self, message: object) -> object:
            if message == "answer":
                for sender in self.owed:
                    self.reply(sender, "late")  # type: ignore[arg-type]
                    self.reply(sender, "twice")  # type: ignore[arg-type]
                return len(self.owed)
            self.owed.append(self.sender)
            return NoReply

    p = Slow.start()
    # When
    with pytest.raises(AskTimeout) as caught:
        p.ask("x", timeout=0.01)
    # Then
    assert isinstance(caught.value, pykka.Timeout)
    assert isinstance(caught.value, TimeoutError)
    assert p.ask("answer") == 1


@pytest.mark.shared_memory
def test_a_deferred_answer_may_come_from_another_actor(system: System) -> None:
    class Front(Actor):
        def on_receive(self, message: object) -> object:
            sender = self.sender
            back.tell(Run(lambda me: me.reply(sender, "from the back")))
            return NoReply

    back = Probe.start()
    front = Front.start()
    assert front.ask("x") == "from the back"
    assert not front._cell.deferred


def test_a_deferred_answer_fails_when_its_actor_dies(system: System) -> None:
    class Silent(Actor):
        def on_receive(self, message: object) -> object:
            return NoReply

    p = Silent.start()
    asked = p.ask("x", block=False)
    p.stop(reason="gone")
    with pytest.raises(ActorDeadError) as caught:
        asked.get(PATIENCE)
    assert caught.value.reason == "gone"


@pytest.mark.shared_memory
def test_a_deferred_answer_fails_also_when_its_actor_dies_while_it_puts_it_off(system: System) -> None:
    """There is no lock: who kills it may have looked already for what it owes."""

    # Given a reply whose keeper is killed, and has settled what it owed, when it has just been put off
    class Fatal(Future[Any]):
        def __setattr__(self, name: str, value: Any) -> None:
            if name == "keeper":
                value.deferred.clear()
                killer = threading.Thread(target=value.ref.kill)
                killer.start()
                killer.join()
            super().__setattr__(name, value)

    class Silent(Actor):
        def on_receive(self, message: object) -> object:
            return NoReply

    p, reply = Silent.start(), Fatal()
    # When
    p.deliver("x", reply)
    # Then
    with pytest.raises(ActorDeadError):
        reply.get(PATIENCE)
    assert not p._cell.deferred


def test_an_actor_cannot_wait_for_itself(system: System) -> None:
    p = Probe.options(name="me").start()
    with pytest.raises(CallingSelf):
        run(p, lambda me: me.actor_ref.ask("x"))
    q = Probe.options(name="me").start()
    with pytest.raises(CallingSelf):
        run(q, lambda _: named("me").ask("x"))


@pytest.mark.shared_memory
def test_an_actor_may_ask_itself_without_waiting(system: System) -> None:
    p = Probe.start()
    future = run(p, lambda me: me.actor_ref.ask("x", block=False))
    assert future.get(PATIENCE) == "x"


def test_an_uncaught_timeout_crashes_the_asking_actor(system: System) -> None:
    class Silent(Actor):
        def on_receive(self, message: object) -> object:
            return NoReply

    silent, p = Silent.start(), Probe.start()
    with pytest.raises(AskTimeout):
        run(p, lambda _: silent.ask("x", timeout=0.01))
    assert not p.is_alive()


def test_ask_errors_reply_keeps_the_actor_alive(system: System) -> None:
    class Forgiving(Probe):
        ask_errors = "reply"

    p = Forgiving.start()
    with pytest.raises(Boom):
        run(p, boom)
    assert p.ask("x") == "x"


def test_stop_waits_for_the_end_and_tells_whether_there_was_one(system: System) -> None:
    p = Probe.options(name="n").start()
    for number in range(10):
        p.tell(number)
    assert p.stop() is True
    assert system.whereis("n") is None
    assert p.stop() is False


@pytest.mark.case(46)
def test_a_name_is_resolved_at_every_send(system: System) -> None:
    ref = named("n")
    with pytest.raises(NoSuchName):
        ref.tell("x")
    with pytest.raises(ActorDeadError):
        ref.ask("x")
    assert not ref.is_alive()
    first = Probe.options(name="n").start()
    assert ref.ask(1) == 1
    first.stop()
    second = Probe.options(name="n").start()
    ref.tell(2)
    assert log(second, 1) == [2]
    assert ref.proxy().trap_exit.get() is False


@pytest.mark.shared_memory
def test_an_asker_that_dies_does_no_harm(system: System) -> None:
    class Later(Actor):
        def on_receive(self, message: object) -> object:
            return "answer"

    p, later = Probe.start(), Later.start()
    run(p, lambda me: (later.ask("x", block=False), me.stop()))
    end_of(p)
    assert later.ask("x") == "answer"


def test_a_future_is_set_once_and_tells_everyone() -> None:
    # Given
    future: Future[int] = Future()
    told: list[int] = []
    future.add_done_callback(lambda done: told.append(done.get()))
    # When
    assert future.set(1) is True
    assert future.set(2) is False
    assert future.set_exception(Boom()) is False
    # Then
    future.add_done_callback(lambda done: told.append(done.get()))
    assert told == [1, 1]
    with pytest.raises(TypeError):
        future.push("part")


def test_a_future_wakes_every_thread_that_waits() -> None:
    future: Future[str] = Future()
    seen: list[str] = []
    threads = [threading.Thread(target=lambda: seen.append(future.get(PATIENCE))) for _ in range(3)]
    for thread in threads:
        thread.start()
    future.set("x")
    for thread in threads:
        thread.join(PATIENCE)
    assert seen == ["x"] * 3


def test_a_future_can_be_mapped_as_pykkas(system: System) -> None:
    future = Probe.start().ask([1, 2, 3], block=False)
    assert future.map(len).get(timeout=PATIENCE) == 3


def test_a_future_can_be_awaited(pool: System) -> None:
    async def main() -> object:
        p = Probe.start()
        return [await p.ask(1, block=False), await p.ask(2, block=False)]

    assert asyncio.run(main()) == [1, 2]


def test_an_inline_actor_answers_on_the_askers_stack(pool: System) -> None:
    class Quick(Actor):
        inline = True

        def on_receive(self, message: object) -> int:
            return threading.get_ident()

    class Front(Actor):
        def __init__(self) -> None:
            self.quick = Quick.start()

        def on_receive(self, message: object) -> bool:
            return bool(self.quick.ask("x") == threading.get_ident())

    assert Front.start().ask("x") is True


def test_a_crash_of_an_inline_actor_reaches_its_asker(pool: System) -> None:
    class Quick(Probe):
        inline = True

    quick, p = Quick.start(), Probe.start(trap=True)
    with pytest.raises(Boom):
        run(p, lambda _: run(quick, boom))
    assert not quick.is_alive()


def test_an_ask_behind_an_order_to_stop_fails_with_its_reason(system: System) -> None:
    # Given an actor that is stopping
    gate = system.future()

    class Stopping(Actor):
        def on_receive(self, message: object) -> object:
            return gate.get(PATIENCE)

    p = Stopping.start()
    first = p.ask("first", block=False)
    stopped = p.stop(reason="enough", block=False)
    # When
    behind = p.ask("behind", block=False)
    gate.set("answer")
    # Then what came before is answered, what came after is not
    assert first.get(PATIENCE) == "answer"
    with pytest.raises(ActorDeadError) as caught:
        behind.get(PATIENCE)
    assert caught.value.reason == "enough"
    assert stopped.get(PATIENCE) is True


def test_an_ask_too_many_fails_as_its_actor_is_killed(system: System) -> None:
    gate = system.future()

    class Slow(Actor):
        max_mailbox = 2

        def on_receive(self, message: object) -> object:
            return gate.get(PATIENCE)

    p = Slow.start()
    asked = [p.ask(number, block=False) for number in range(5)]
    for future in asked:
        with pytest.raises(ActorDeadError) as caught:
            future.get(PATIENCE)
        assert caught.value.reason in {ExitReason.KILLED, ExitReason.NOPROC}
    gate.set()


def test_a_message_that_no_handler_is_for_is_logged_once_per_kind(
    system: System, caplog: pytest.LogCaptureFixture
) -> None:
    class Deaf(Actor):
        pass

    p, q = Deaf.start(), Deaf.start()
    for message in (1, 2, "x", 3, "y"):
        p.tell(message)
        q.tell(message)
    assert p.ask(4) is None
    assert q.ask("z") is None
    texts = [record.getMessage() for record in caplog.records if "no handler" in record.getMessage()]
    assert sorted(text.partition("no handler for ")[2].split(";")[0] for text in texts) == ["int", "str"]
    assert p.is_alive()


@pytest.mark.parametrize("timeout", ["5", -1, True])
def test_a_timeout_that_is_none_is_refused_and_nothing_is_sent(system: System, timeout: Any) -> None:
    p = Probe.start()
    with pytest.raises(ValueError, match="it must be seconds >= 0, or None"):
        p.ask("x", timeout=timeout)
    assert p.ask("y") == "y"
    assert run(p, lambda me: list(me.log)) == ["y"]


def _ways_to_wait_for_oneself() -> list[Callable[[Any], object]]:
    return [
        lambda me: me.actor_ref.ask("x", block=False).get(),
        lambda me: get_all([me.actor_ref.ask("x", block=False)], timeout=PATIENCE),
        lambda me: me.actor_ref.proxy().log.get(),
        lambda me: me.actor_ref.stop(block=False).get(),
        lambda me: me.actor_ref.ask("x", block=False).map(str).get(),
    ]


@pytest.mark.parametrize("way", range(5))
def test_who_waits_for_itself_is_told_at_once(system: System, way: int) -> None:
    with pytest.raises(CallingSelf, match="waited for on its own stack"):
        run(Probe.start(), _ways_to_wait_for_oneself()[way])


def test_an_own_question_can_be_looked_at(system: System) -> None:
    assert not run(Probe.start(), lambda me: me.actor_ref.ask("x", block=False).wait(0))


class _Secretary(Actor):
    """Has its own questions answered by another."""

    def __init__(self, helper: ActorRef[Any]) -> None:
        self.helper = helper

    def on_receive(self, message: object) -> Any:
        if message == "ask":
            self.asked = self.actor_ref.ask("question", block=False)
        elif message == "question":
            self.question = self.sender
            return NoReply
        elif message == "wait":
            answer, question = self.asked, self.question
            self.helper.tell(Run(lambda _: question.set("by another") if question else None))
            return answer.get(PATIENCE)
        return None


@pytest.mark.shared_memory
def test_an_own_question_that_another_answers_is_waited_for(system: System) -> None:
    p = _Secretary.start(Probe.start())
    p.tell("ask")
    assert p.ask("x") is None
    assert p.ask("wait") == "by another"


def test_the_time_of_several_is_told_in_round_numbers(system: System) -> None:
    p = Probe.start()
    with pytest.raises(AskTimeout, match=r"no answer within 0\.\d{1,3} s from Probe"):
        get_all([p.ask(Run(lambda me: me.sleep()), block=False)], timeout=0.0123456)


def test_the_long_dead_are_told_from_those_that_ended_meanwhile(system: System) -> None:
    p = Probe.start()
    p.stop()
    with pytest.raises(ActorDeadError, match="was dead already when it was asked"):
        p.ask("x")
