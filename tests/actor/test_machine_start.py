"""State machines that cannot be: what is found before one runs."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from actorcloud.actor import StateMachine, Supervisor, System
from actorcloud.base.errors import ActorError, StartError

pytestmark = pytest.mark.usefixtures("quiet")


def test_handlers_that_are_coroutines_are_refused(system: System) -> None:
    with pytest.raises(TypeError, match=r"handle_event is a coroutine"):

        class _Waiting(StateMachine):
            async def handle_event(self, event: Any, state: Any) -> Any: ...

    class Half(StateMachine):
        initial: ClassVar[str] = "plain"

        def plain(self, event: Any) -> None:
            self.goto(event)

        async def waiting(self, event: Any) -> None: ...

    with pytest.raises(TypeError, match=r"Half.waiting is a coroutine"):
        Half.start().ask("waiting")


@pytest.mark.parametrize("first", [None, "lokced", "stop"])
def test_a_first_state_without_a_method_lets_no_machine_start(first: Any, system: System) -> None:
    class Misspelled(StateMachine):
        initial = first

        def locked(self, event: Any) -> None: ...

    before = system.actors()
    with pytest.raises(ActorError, match=f"Misspelled has no method for the state {first!r}"):
        Misspelled.start()
    assert system.actors() == before
    with pytest.raises(StartError, match="no method for the state"):
        Supervisor.start([Misspelled.child_spec()])
