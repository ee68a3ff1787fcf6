"""Child specs: what a supervisor knows about a child before it runs.

Reference: OTP's `supervisor:child_spec()`; otp-semantics 3.1.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any, Final, Literal, get_args

import msgspec
import pykka

from actorcloud.actor.errors import Stop
from actorcloud.actor.ref.named_ref import NamedRef
from actorcloud.actor.ref.ref import ActorRef
from actorcloud.base.errors import BadChildSpec, StartError

Restart = Literal["permanent", "transient", "temporary"]

RESTARTS: tuple[str, ...] = get_args(Restart)

#: `shutdown`: the child is killed at once.
BRUTAL_KILL: Final = "brutal_kill"

#: `shutdown`: the supervisor waits for the child as long as it takes.
INFINITY: Final = "infinity"

#: Seconds a worker has to end after it was told to; OTP's.
SHUTDOWN_DEFAULT = 5.0


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
    name: str | NamedRef | None = None

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
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
            self._refuse("shutdown", value, "finite seconds >= 0, BRUTAL_KILL, or INFINITY to wait for ever")

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

    def filled(self) -> ChildSpec:
        """Return this spec with `type` and `shutdown` worked out."""
        patience = self.patience
        shutdown = BRUTAL_KILL if self.shutdown == BRUTAL_KILL else INFINITY if patience is None else patience
        return msgspec.structs.replace(self, type=self.child_type, shutdown=shutdown)

    def without_arguments(self) -> ChildSpec:
        """Return this spec as it is kept for a temporary child, which is never started again."""
        return msgspec.structs.replace(self, args=(), kwargs={}) if self.args or self.kwargs else self

    def launch(self) -> tuple[ActorRef[Any] | None, Any]:
        """Start the child as a child of the running actor.

        Returns:
            Its ref, or None for "not now"; and all that its start returned, which may be `(ref, info)`.

        Raises:
            Exception: what the start raised.
            StartError: it raised what is to steer another actor, or returned something else.
        """
        try:
            result = self._start()
        except (Stop, SystemExit) as error:
            # Meant for the child; here it would end the supervisor.
            raise StartError(f"the start of child {self.id!r} raised {error!r}") from error
        ref = result[0] if isinstance(result, tuple) and len(result) == 2 else result  # noqa: PLR2004  (ref, info)
        if ref is not None and not isinstance(ref, ActorRef):
            raise StartError(f"the start function of child {self.id!r} returned {result!r}, not a ref, nor None")
        return ref, result

    def _start(self) -> Any:
        if not self.is_actor_class:
            return self.start(*self.args, **self.kwargs)
        kind: Any = self.start
        return kind.options(name=self.name).start_link(*self.args, **self.kwargs)


def spec_of(kind: Any, args: tuple[Any, ...], kwargs: dict[str, Any], **given: Any) -> ChildSpec:
    """Return the spec of an `Actor` class; what is None in `given` comes from the class.

    See `Actor.child_spec`.
    """
    fields = {name: value for name, value in given.items() if value is not None}
    own = fields.pop("id", kind.id)
    id = own if own is not None else fields.get("name", kind.__name__)
    defaults = {"restart": kind.restart, "shutdown": kind.shutdown}
    return ChildSpec(id=id, start=kind, args=args, kwargs=kwargs, **(defaults | fields))


def to_spec(given: object, *args: Any, **kwargs: Any) -> ChildSpec:
    """Return `given` as a spec: a spec, or an `Actor` class with arguments as for `Actor.child_spec`.

    Raises:
        BadChildSpec: it is neither, or a spec beside which there are arguments.
    """
    if isinstance(given, ChildSpec):
        if args or kwargs:
            raise BadChildSpec(f"child {given.id!r}: arguments are {args!r} {kwargs!r}; a ChildSpec has its own")
        return given
    if isinstance(given, type) and hasattr(given, "child_spec"):
        spec: ChildSpec = given.child_spec(*args, **kwargs)
        return spec
    raise BadChildSpec(f"{given!r} is no child: give SomeActor.child_spec(...), a ChildSpec or an Actor class")


def to_specs(children: object, *, significant: bool) -> list[ChildSpec]:
    """Return the children of a supervisor as specs, checked together.

    Args:
        children: specs or `Actor` classes, in start order.
        significant: whether any may be; not with `auto_shutdown="never"`.

    Raises:
        BadChildSpec: one is wrong, or two have the same id.
    """
    if not isinstance(children, Iterable) or isinstance(children, str | bytes | Mapping):
        raise BadChildSpec(f"children is {children!r}; it must be a list of specs or Actor classes")
    specs: dict[Hashable, ChildSpec] = {}
    for entry in children:
        spec = to_spec(entry)
        if spec.id in specs:
            raise BadChildSpec(f"child {spec.id!r}: id is that of two children; it must be unique in a supervisor")
        if spec.significant and not significant:
            raise BadChildSpec(f"child {spec.id!r}: significant is True; it must be False as auto_shutdown is never")
        specs[spec.id] = spec
    return list(specs.values())
