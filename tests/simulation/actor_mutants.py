"""Mutants of the actor runtime: each takes one line's worth of OTP away, to prove that the simulation would notice.

A mutant is the runtime's own source with a few words changed, compiled where it stood: so the
simulation gives way in its lines as it does in the true ones. Each is a context manager; what it
patches is as before when it ends.
"""

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from actorcloud.actor import Supervisor
from actorcloud.actor.cell import death, handler
from actorcloud.actor.cell.cell import Cell
from actorcloud.actor.mailbox.mail import Ask
from actorcloud.actor.mailbox.mailbox import Mailbox
from actorcloud.actor.supervision import supervisor
from actorcloud.actor.supervision.intensity import Intensity
from actorcloud.actor.supervision.procedure import Procedural

#: So that annotations are not evaluated, as in the file itself.
_ANNOTATIONS = annotations.compiler_flag


@contextmanager
def edited(owner: Any, name: str, old: str, new: str) -> Iterator[None]:
    """Put a function in whose source `old` reads `new`; both as they stand in the file, indented."""
    function = inspect.getattr_static(owner, name)
    plain: Any = function.fget if isinstance(function, property) else function
    source = inspect.getsource(plain)
    assert source.count(old) == 1, f"the mutant does not apply any more: {plain.__qualname__} has no {old!r}"
    module = sys.modules[plain.__module__]
    tree = ast.parse(textwrap.dedent(source.replace(old, new)))
    ast.increment_lineno(tree, plain.__code__.co_firstlineno - 1)
    code = compile(tree, plain.__code__.co_filename, "exec", _ANNOTATIONS)
    found: dict[str, Any] = {}
    exec(code, vars(module), found)
    with patch.object(owner, name, found[name]):
        yield


# -- turns and mail -------------------------------------------------------------------------------


@contextmanager
def loses_wake_ups() -> Iterator[None]:
    """What came in while a turn ended is not looked for."""
    with edited(Cell, "turn", "self.wake()", "pass"):
        yield


@contextmanager
def runs_an_actor_twice() -> Iterator[None]:
    """Two that find an actor idle both give it a turn."""
    atomic = "            _resting.remove(self)\n"
    in_two_steps = """            if self not in _resting:
                return False
            _resting.discard(self)
"""
    with edited(Mailbox, "claim", atomic, in_two_steps):
        yield


@contextmanager
def forgets_the_ask_at_hand() -> Iterator[None]:
    """Who asks an actor that is killed before its handler begins waits for ever."""
    with (
        edited(handler, "_on_ask", "if cell.state == DEAD:", "if False:"),
        patch.dict(handler.HANDLERS, {Ask: handler._on_ask}),
    ):
        yield


# -- deaths ---------------------------------------------------------------------------------------


@contextmanager
def releases_names_after_down() -> Iterator[None]:
    """Who hears of a death may find the name taken still."""
    forget, refuse = "    cell.system.forget(cell)\n", "    cell.refuse_all(reason)\n"
    with edited(death, "_bury", forget, ""), edited(death, "_settle", refuse, forget + refuse):
        yield


@contextmanager
def tells_links_nothing() -> Iterator[None]:
    with edited(death, "_settle", "(estate.links or {}).values()", "()"):
        yield


# -- supervisors ----------------------------------------------------------------------------------


@contextmanager
def restarts_once_too_often() -> Iterator[None]:
    with (
        edited(Intensity, "add", "[: self.max_restarts + 1]", "[: self.max_restarts + 2]"),
        edited(Intensity, "is_exceeded", "> self.max_restarts", "> self.max_restarts + 1"),
    ):
        yield


@contextmanager
def gives_up_once_too_early() -> Iterator[None]:
    with edited(Intensity, "is_exceeded", "> self.max_restarts", ">= self.max_restarts"):
        yield


@contextmanager
def restarts_in_reverse() -> Iterator[None]:
    with edited(Supervisor, "_renew", "filter(self._is_kept, casualties)", "filter(self._is_kept, casualties[::-1])"):
        yield


@contextmanager
def ends_children_in_start_order() -> Iterator[None]:
    with edited(Supervisor, "_renew", "in reversed(casualties):", "in casualties:"):
        yield


@contextmanager
def restarts_only_the_one() -> Iterator[None]:
    """Whatever the strategy is."""
    with edited(supervisor, "affected", 'if strategy == "one_for_one":', "if True:"):
        yield


@contextmanager
def serves_requests_after_giving_up() -> Iterator[None]:
    with edited(Procedural, "_work_off", " and self._cell.stopping is None", ""):
        yield
