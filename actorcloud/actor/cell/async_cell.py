"""The cell of an actor whose handlers are coroutines.

A turn is a task on the loop. While it awaits, other actors run; the actor itself stays busy, so its
messages are handled one at a time. Each step of the task is the actor's code: what it sends and
starts is sent and started by the actor, between two steps it is nobody's.

::

    schedule -> task: step -- await --> suspended -- resumed --> step -- mail empty --> idle
                                           '--- exit signal: the task is cancelled

An exit signal cancels the await it finds the handler in: `CancelledError` unwinds the coroutine, whose
cleaning up may await, and the actor ends with the signal's reason. A kill does not wait for that.

Thread: the loop's, but for `is_at_work_elsewhere` and `Interruption.set`.
"""

from __future__ import annotations

import types
from collections.abc import Coroutine, Generator
from threading import get_ident
from typing import Any, ClassVar

from actorcloud.actor.cell.cell import Cell
from actorcloud.actor.cell.handler import answer, refuse
from actorcloud.actor.errors import ActorExit, Stop, Unwound
from actorcloud.actor.mailbox.mail import Ask
from actorcloud.actor.mailbox.mailbox import DEAD
from actorcloud.actor.thread.context import GUARD, fenced, local
from actorcloud.base.errors import ActorError


class Interruption:
    """What an exit signal sets, in place of the latch of a thread that waits."""

    __slots__ = ("_cell",)

    def __init__(self, cell: AsyncCell) -> None:
        self._cell = cell

    def set(self) -> None:
        """Cancel what the coroutine awaits, unless it has gone on. Thread: any."""
        self._cell.home.post(self._cancel)

    def _cancel(self) -> None:
        cell = self._cell
        latch: object = cell.latch
        if latch is self and cell.task is not None and not cell.is_cancelled:
            # Once: what the coroutine awaits to clean up is its own.
            cell.is_cancelled = True
            cell.task.cancel()


class AsyncCell(Cell):
    """See the module."""

    __slots__ = ("is_cancelled", "task")

    #: A `dispatch.loop.Loop`.
    home: Any

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        #: The turn that runs or is suspended.
        self.task: Any = None
        self.is_cancelled = False

    def turn(self, limit: int, here: dict[str, Any] | None = None) -> int:  # noqa: ARG002  it runs on the loop
        """Begin a turn; it goes on while the loop runs."""
        self.task = self.home.create_task(self._live(limit))
        return 0

    def is_at_work_elsewhere(self) -> bool:
        """Whether a handler is under way, suspended or running, other than on this stack."""
        return isinstance(self.latch, Interruption) or super().is_at_work_elsewhere()

    def frames(self) -> list[types.FrameType]:
        """See `Cell.frames`; of a coroutine that is suspended, where it is."""
        task = self.task
        if self.thread is not None or task is None:
            return super().frames()
        found: list[types.FrameType] = []
        awaited: Any = task.get_coro()
        while (frame := getattr(awaited, "cr_frame", None) or getattr(awaited, "gi_frame", None)) is not None:
            found.append(frame)
            # `_in_steps` awaits nothing in Python's sense: it sends.
            inner = getattr(awaited, "cr_await", None) or getattr(awaited, "gi_yieldfrom", None)
            awaited = inner or (frame.f_locals.get("coroutine") if frame.f_code is _in_steps.__code__ else None)
        return found[::-1]

    # -- the steps of a turn ----------------------------------------------------------------------

    def enter(self) -> None:
        """The next step runs on this thread, as the actor."""
        with GUARD:
            self.thread = get_ident()
            # In this order: who kills it sees at every moment that it is at work.
            self.latch = None
            if self.is_ending():
                fenced.add(self)
        local.cell = self
        self.home.began(self)
        if self.debug is not None:
            self.debug.begin(self)

    def leave(self) -> None:
        """The step is over: the coroutine is suspended, or has ended."""
        if self.debug is not None:
            self.debug.end(self)
        self.home.ended()
        local.cell = None
        if self.task is not None:
            self.latch = Interruption(self)  # type: ignore[assignment]  # only its `set` is used
        with GUARD:
            fenced.discard(self)
            self.thread = None
        if self.latch is not None and self.is_ending():
            # It came before there was a latch to set.
            self.latch.set()

    async def _live(self, limit: int) -> None:
        await _in_steps(self, self._turn(limit))

    async def _turn(self, limit: int) -> None:
        left = limit
        try:
            left = await self._handle_all(limit)
        except (Unwound, GeneratorExit):
            raise
        except BaseException as error:  # noqa: BLE001  whatever a handler raises ends its actor, and only it
            await self._end_by(error)
        self.task = None
        self.is_cancelled = False
        self.quit_thread(rests=left > 0)
        if self.state == DEAD:
            self.actor = None
            self.system.drop_zombie(self)
        elif not left:
            self.schedule()
        elif self.urgent or (self.mail if self.debug is None else self.debug.wants_turn(self)):
            self.wake()

    # -- what `Cell` does, with awaits --------------------------------------------------------------

    async def _handle_all(self, limit: int) -> int:
        """See `Cell.turn`."""
        if self.urgent and not await self._see_to_urgent():
            return limit
        left = limit
        while left and self.mail:
            if self.urgent and not await self._see_to_urgent():
                break
            message = self.mail.popleft() if self.debug is None else self.debug.next_message(self)
            if message is None:
                break
            left -= 1
            self.handled += 1
            if type(message) is Ask:
                await self._handle_ask(message)
            else:
                await _result(self.handle(message))
        if self.urgent:
            await self._see_to_urgent()
        for duty in self.last_duties(handled=left != limit):
            await _result(duty)
        return left

    async def _handle_ask(self, ask: Ask) -> None:
        self.asking = ask
        if self.state == DEAD:
            self.refuse_all(self.reason)  # as `handler._on_ask`
            return
        try:
            value = await _result(self.handle(ask.message))
        except Exception as error:
            if not refuse(self, ask, error):
                raise
            return
        answer(self, ask, value)

    async def _see_to_urgent(self) -> bool:
        """See `Cell.attend`."""
        if self.ends_now():
            return False
        for duty in self.first_duties():
            await _result(duty)
        goes_on = self.serve()
        if self.stopping is not None:
            await self._finish_by(self.stopping[0])
            return False
        return goes_on and self.state != DEAD

    loops: ClassVar[set[types.CodeType]] = {_handle_all.__code__}
    aside: ClassVar[types.CodeType] = _see_to_urgent.__code__

    async def _end_by(self, error: BaseException) -> None:
        """See `Ending.end`."""
        error = self._translated(error)
        if isinstance(error, Stop) and self.state != DEAD:
            await self._finish_by(error.reason)
        else:
            self.end(error)

    async def _finish_by(self, reason: object) -> None:
        """See `Ending.finish`."""
        self.reason = reason
        actor = self.actor
        try:
            if actor is not None:
                if self.kind._has_on_batch_end:  # noqa: SLF001
                    await _result(actor.on_batch_end())
                await _result(actor.on_stop())
        except (Unwound, GeneratorExit):
            raise
        except BaseException as error:  # noqa: BLE001  as in `Ending`
            self.end_failed(self._translated(error))
            return
        self.finished(reason)

    def _translated(self, error: BaseException) -> BaseException:
        """Return what a cancellation means: the exit it was for, or the failure of what was awaited."""
        from asyncio import CancelledError  # noqa: PLC0415  loaded long since: this is its loop

        if not isinstance(error, CancelledError):
            return error
        if self.is_ending():
            return ActorExit(self.end_reason())
        failure = ActorError(f"what a handler of {self.ref} awaited was cancelled, by no exit of the actor")
        failure.__cause__ = error
        failure.__traceback__ = error.__traceback__
        return failure


@types.coroutine
def _in_steps(cell: AsyncCell, coroutine: Coroutine[Any, Any, None]) -> Generator[Any, Any, None]:
    """Run a coroutine; whatever runs of it runs as the actor."""
    send: Any = coroutine.send
    value: Any = None
    while True:
        outer = local.cell  # another's, where a coroutine that was given up is closed in its turn
        cell.enter()
        try:
            awaited = send(value)
        except StopIteration:
            return
        finally:
            cell.leave()
            local.cell = outer
        try:
            value = yield awaited
            send = coroutine.send
        except BaseException as error:  # noqa: BLE001  is raised where the coroutine awaits
            send, value = coroutine.throw, error


async def _result(value: Any) -> Any:
    """Return what a handler returned, plain or a coroutine."""
    return await value if isinstance(value, types.CoroutineType) else value
