"""Child specs: what a supervisor knows about a child before it runs.

Reference: OTP's `supervisor:child_spec()`; otp-semantics 3.1.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, Final, Literal, get_args

import msgspec
import pykka

from actorcloud.actor.ref import ActorRef
from actorcloud.base.errors import BadChildSpec

Restart = Literal["permanent", "transient", "temporary"]

RESTARTS: tuple[str, ...] = get_args(Restart)

#: `shutdown`: the child is killed at once.
BRUTAL_KILL: Final = "brutal_kill"

#: `shutdown`: the supervisor waits for the child as long as it takes.
INFINITY: Final = "infinity"

#: Seconds a worker has to end after it was told to; OTP's.
SHUTDOWN_DEFAULT = 5.0

#: What start functions may return.
Started = ActorRef[Any] | tuple[ActorRef[Any], object] | None


class ChildSpec(msgspec.Struct, frozen=True, kw_only=True):
    """How to start, restart and stop a child; checked when it is made.

    Usually made by `SomeActor.child_spec(...)`.
    """

    #: Unique in the supervisor; a `DynamicSupervisor` does not look at it.
    id: Hashable
    #: An `Actor` class, started linked; or a function that starts and links an actor and returns its
    #: ref, `(ref, info)`, or None for "not now". It runs inside the supervisor.
    start: Callable[..., Any]
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = msgspec.field(default_factory=dict)
    #: permanent: always restarted. transient: after an abnormal end. temporary: never, and forgotten.
    restart: str = "permanent"
    #: Seconds to end in, `BRUTAL_KILL` or `INFINITY`; None: 5 s for a worker, `INFINITY` for a supervisor.
    shutdown: float | str | None = None
    #: "worker" or "supervisor"; None: by the class.
    type: str | None = None
    #: Its own end may end the supervisor, see `auto_shutdown`.
    significant: bool = False
    #: Registered at each start; only with an `Actor` class.
    name: str | None = None

    def __post_init__(self) -> None:
        self._check_start()
        if self.restart not in RESTARTS:
            self._refuse("restart", self.restart, "one of " + ", ".join(RESTARTS))
        if self.type is not None and self.type not in {"worker", "supervisor"}:
            self._refuse("type", self.type, "worker or supervisor")
        self._check_shutdown()
        significant: object = self.significant
        if not isinstance(significant, bool):
            self._refuse("significant", significant, "True or False")
        if self.significant and self.restart == "permanent":
            self._refuse("significant", True, "False in a permanent child, which never ends for good")

    def _check_start(self) -> None:
        try:
            hash(self.id)
        except TypeError:
            self._refuse("id", self.id, "hashable")
        start: object = self.start
        if not callable(start):
            self._refuse("start", start, "an Actor class or a function")
        if self.name is not None and not self.is_actor_class:
            self._refuse("name", self.name, "None unless start is an Actor class; the function registers it")

    def _check_shutdown(self) -> None:
        value = self.shutdown
        if value is None or value in (BRUTAL_KILL, INFINITY):
            return
        if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
            self._refuse("shutdown", value, "seconds >= 0, BRUTAL_KILL or INFINITY")

    def _refuse(self, field: str, value: object, allowed: str) -> None:
        raise BadChildSpec(f"child {self.id!r}: {field} is {value!r}; it must be {allowed}")

    @property
    def is_actor_class(self) -> bool:
        """Whether `start` is a class of actors, not a function."""
        return isinstance(self.start, type) and issubclass(self.start, pykka.Actor)

    @property
    def child_type(self) -> str:
        """`type`, worked out."""
        return self.type or ("supervisor" if getattr(self.start, "_reports_children", False) else "worker")

    @property
    def patience(self) -> float | None:
        """Seconds to wait for its end; None for ever; 0 with `BRUTAL_KILL`."""
        if self.shutdown is None:
            return None if self.child_type == "supervisor" else SHUTDOWN_DEFAULT
        if isinstance(self.shutdown, str):
            return None if self.shutdown == INFINITY else 0.0
        return self.shutdown

    def launch(self) -> tuple[ActorRef[Any] | None, object]:
        """Start the child as a child of the running actor.

        Returns:
            Its ref, or None for "not now"; and the info that a start function gave.

        Raises:
            Exception: what the start raised; TypeError if it returned something else.
        """
        if self.is_actor_class:
            kind: Any = self.start
            return kind.options(name=self.name).start_link(*self.args, **self.kwargs), None
        result = self.start(*self.args, **self.kwargs)
        ref, info = result if isinstance(result, tuple) and len(result) == 2 else (result, None)  # noqa: PLR2004
        if ref is not None and not isinstance(ref, ActorRef):
            raise TypeError(f"the start function of child {self.id!r} returned {result!r}, not a ref")
        return ref, info


def spec_of(kind: Any, args: tuple[Any, ...], kwargs: dict[str, Any], **given: Any) -> ChildSpec:
    """Return the spec of an `Actor` class; what is None in `given` comes from the class.

    See `Actor.child_spec`.
    """
    fields = {name: value for name, value in given.items() if value is not None}
    own = fields.pop("id", kind.id)
    id = own if own is not None else fields.get("name", kind.__name__)
    defaults = {"restart": kind.restart, "shutdown": kind.shutdown}
    return ChildSpec(id=id, start=kind, args=args, kwargs=kwargs, **(defaults | fields))


def to_spec(given: object) -> ChildSpec:
    """Return `given` as a spec: a spec, or an `Actor` class that needs no arguments.

    Raises:
        BadChildSpec: it is neither.
    """
    if isinstance(given, ChildSpec):
        return given
    if isinstance(given, type) and hasattr(given, "child_spec"):
        spec: ChildSpec = given.child_spec()
        return spec
    raise BadChildSpec(f"{given!r} is no child: give SomeActor.child_spec(...), a ChildSpec or an Actor class")
