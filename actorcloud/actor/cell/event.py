"""Events of one actor: what debug functions are shown, in the actor's own turns.

Reference: OTP's system events; otp-semantics 2.8.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from actorcloud.base.brief import brief

#: "in": a message, before it is handled. "out": an answer, before it is sent. "noreply": the handler
#: of an ask left the answer for later. "continue": before `on_continue`.
Kind = Literal["in", "out", "noreply", "continue"]

_VERBS = {"in": "got", "out": "sent", "noreply": "owes an answer to", "continue": "goes on with"}


class Event(msgspec.Struct, frozen=True, eq=False):
    """Something that one actor did."""

    kind: Kind
    #: The message, the answer (an exception is one too), the term.
    value: Any
    #: UTC seconds since 1970.
    at: float
    #: Whether someone waits for the answer; of `in` only.
    is_ask: bool = False

    def __str__(self) -> str:
        return f"{_VERBS[self.kind]} {'ask ' if self.is_ask else ''}{brief(self.value)}"
