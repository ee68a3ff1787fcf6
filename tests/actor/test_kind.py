"""What an actor's class says of itself: a wrong word is an error of the class, at once."""

from __future__ import annotations

import re
from typing import Any

import pytest

from actorcloud.actor import Actor, AsyncActor, MailboxLimit
from actorcloud.base.errors import ConfigError


@pytest.mark.parametrize(
    ("attribute", "value", "allowed"),
    [
        ("ask_errors", "replay", '"crash" or "reply"'),
        ("isolation", "thread", 'None or "process"'),
        ("idle_timeout", "1", "finite seconds >= 0, or None for never"),
        ("idle_timeout", -1, "finite seconds >= 0, or None for never"),
        ("idle_timeout", True, "finite seconds >= 0, or None for never"),
        ("max_mailbox", -1, "an integer >= 1, a MailboxLimit, or None for no limit"),
        ("max_mailbox", "9", "an integer >= 1, a MailboxLimit, or None for no limit"),
    ],
)
def test_a_wrong_attribute_is_refused_with_its_class(attribute: str, value: object, allowed: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(f"Clerk.{attribute} is {value!r}; it must be {allowed}")):
        type("Clerk", (Actor,), {attribute: value})


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("ask_errors", "reply"),
        ("isolation", "process"),
        ("idle_timeout", 0),
        ("idle_timeout", 1.5),
        ("idle_timeout", property(lambda _: 1.0)),
        ("max_mailbox", 1),
        ("max_mailbox", MailboxLimit(3)),
    ],
)
def test_a_right_attribute_is_taken(attribute: str, value: object) -> None:
    assert getattr(type("Clerk", (Actor,), {attribute: value}), attribute) is value


@pytest.mark.parametrize("base", [Actor, AsyncActor])
@pytest.mark.parametrize("method", ["__init__", "on_failure"])
def test_what_is_plain_everywhere_may_be_no_coroutine(base: Any, method: str) -> None:
    async def coroutine(self: object) -> None:
        """Never runs."""

    with pytest.raises(TypeError, match=f"Clerk.{method} is a coroutine: it must be plain"):
        type("Clerk", (base,), {method: coroutine})


@pytest.mark.parametrize(("attribute", "value"), [("dispatcher", "thread"), ("isolation", "process")])
def test_who_lives_on_a_thread_or_in_a_process_of_its_own_is_not_inline(attribute: str, value: str) -> None:
    with pytest.raises(TypeError, match=f'Clerk says inline = True and {attribute} = "{value}"'):
        type("Clerk", (Actor,), {"inline": True, attribute: value})
