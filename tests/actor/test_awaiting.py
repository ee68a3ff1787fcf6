"""Answers of actors, awaited in asyncio programs whose loop is their own."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest

from actorcloud.actor import ActorDeadError, AskTimeout, AsyncActor, Future, NoReply, System, Task, current_system
from tests.actor.cast import Boom, Probe, Run, boom, log


def never(actor: Any) -> object:
    actor.waiting_for = actor.sender
    return NoReply


def test_a_program_awaits_answers_on_its_own_loop(pool: System) -> None:
    # Given
    async def program() -> list[Any]:
        refs = [Probe.start() for _ in range(10)]
        return list(await asyncio.gather(*(ref.ask(index, block=False) for index, ref in enumerate(refs))))

    # When, Then
    assert asyncio.run(program()) == list(range(10))


def test_the_loop_goes_on_while_an_answer_is_awaited(pool: System) -> None:
    # Given an answer that comes only after the loop has done something else
    future: Future[str] = Future()

    async def program() -> str:
        asyncio.get_running_loop().call_soon(future.set, "from the loop")
        return await future

    # When, Then
    assert asyncio.run(program()) == "from the loop"


def test_what_the_answerer_raised_is_raised_at_the_await(pool: System) -> None:
    # Given
    async def program(ref: Any) -> None:
        await ref.ask(Run(boom), block=False)

    ref = Probe.start()
    # When, Then
    with pytest.raises(Boom):
        asyncio.run(program(ref))
    with pytest.raises(ActorDeadError):
        asyncio.run(program(ref))


def test_an_await_keeps_the_limit_of_the_ask(pool: System) -> None:
    # Given
    async def program() -> None:
        await Probe.start().ask(Run(never), block=False, timeout=0.01)

    # When, Then
    with pytest.raises(AskTimeout, match=r"0\.01 s"):
        asyncio.run(program())


def test_wait_for_gives_up_and_leaves_nothing_behind(pool: System) -> None:
    # Given
    future: Future[None] = Future()

    async def program() -> None:
        await asyncio.wait_for(future, 0.01)

    # When
    with pytest.raises(TimeoutError):
        asyncio.run(program())
    # Then
    assert future._waiters == ()
    assert future.set()


def test_a_cancelled_task_stops_waiting_and_the_future_lives_on(pool: System) -> None:
    # Given
    ref = Probe.start()
    answer = ref.ask(Run(never), block=False)

    async def program() -> None:
        task = asyncio.ensure_future(answer)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    # When
    asyncio.run(program())
    ref.tell(Run(lambda actor: actor.reply(actor.waiting_for, "late")))
    # Then
    assert answer.get() == "late"


def test_an_answer_after_the_end_of_the_loop_harms_nobody(pool: System) -> None:
    # Given
    future: Future[str] = Future()
    loop = asyncio.new_event_loop()

    async def wait() -> str:
        return await future

    task = loop.create_task(wait())
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    # When, Then
    assert future.set("too late")
    task._log_destroy_pending = False  # type: ignore[attr-defined]
    del task
    gc.collect()


def test_several_tasks_await_one_answer_and_callbacks_are_called_too(pool: System) -> None:
    # Given
    future: Future[int] = Future()
    seen: list[int] = []
    future.add_done_callback(lambda done: seen.append(done.get()))

    async def program() -> list[int]:
        asyncio.get_running_loop().call_soon(future.set, 7)
        return list(await asyncio.gather(future, future, future))

    # When, Then
    assert asyncio.run(program()) == [7, 7, 7]
    assert seen == [7]


class _Awaiting(AsyncActor):
    """Awaits a task of its own, whose value is no message then."""

    def __init__(self) -> None:
        self.log: list[Any] = []

    async def on_receive(self, message: Any) -> Any:
        if not callable(message):
            self.log.append(message)
            return self.log
        try:
            return await Task.start(message)
        except Boom:
            return "failed"


@pytest.mark.shared_memory
def test_an_asyncio_actor_awaits_a_task_and_goes_on(system: System) -> None:
    p = _Awaiting.start()
    assert p.ask(lambda: current_system().sleep(0.01)) is None
    assert p.ask(lambda: 42) == 42
    assert p.ask("last") == ["last"]


def test_a_program_awaits_a_task_as_long_as_it_likes(pool: System) -> None:
    async def program() -> object:
        gate = Probe.start()
        task = Task.start(log, gate, 1)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await task
        gate.tell("go")
        await task
        with pytest.raises(ActorDeadError, match="was taken before"):
            await task
        return "done"

    assert asyncio.run(program()) == "done"
