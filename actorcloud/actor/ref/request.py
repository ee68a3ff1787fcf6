"""What the types of messages say to a type checker; nothing here costs anything at run time.

An actor says what it takes by the annotation of its `on_receive`, a message what it is answered
with by its base `Request[R]`. `ActorRef.tell` and `ask` bring the two together: a message that the
actor does not take is an error, and an answer has a type.

Reference: Pekko's typed `ask`, in which the message names the type of its answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Protocol, Self, TypeVar

R = TypeVar("R")
M_co = TypeVar("M_co", covariant=True)
M_contra = TypeVar("M_contra", contravariant=True)
R_co = TypeVar("R_co", covariant=True)


class Request(Generic[R]):
    """The base of a message that is answered with an `R`.

    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Get(Request[int]):
    ...     key: str

    `ref.ask(Get("a"))` is an `int` then, `ref.ask(Get("a"), block=False)` a `Future[int]`. It goes
    well with a `msgspec.Struct`: `class Get(msgspec.Struct, Request[int], frozen=True)`.
    """

    __slots__ = ()

    if TYPE_CHECKING:

        def _question_and_answer(self) -> tuple[Self, R]: ...


class Receives(Protocol[M_contra]):
    """An actor that takes messages of this type; what a ref looks like to `tell`."""

    def on_receive(self, message: M_contra, /) -> Any:
        """Handle a message."""
        ...


class Asks(Protocol[M_co, R_co]):
    """A `Request` that is an `M` and is answered with an `R`; what a message looks like to `ask`."""

    def _question_and_answer(self) -> tuple[M_co, R_co]: ...
