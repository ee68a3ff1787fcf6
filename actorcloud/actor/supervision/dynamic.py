"""Supervisors of children that come and go: no order, no ids, one_for_one.

All children are told to end at the same time when the supervisor ends.

With a `template` it is OTP's `simple_one_for_one`: all children are started by one spec, with
arguments of their own behind those of the template.

Reference: Elixir's `DynamicSupervisor`; otp-semantics 3.10, 3.12.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import msgspec

from actorcloud.actor.child import ChildSpec, to_spec
from actorcloud.actor.errors import Ignore, MaxChildren
from actorcloud.actor.future.reply import ReplyTo
from actorcloud.actor.ref.named_ref import NamedRef
from actorcloud.actor.ref.ref import ActorRef
from actorcloud.actor.supervision.member import Child
from actorcloud.actor.supervision.oversight import Overseer
from actorcloud.actor.supervision.procedure import Procedure, Steps
from actorcloud.actor.supervision.supervisor_ref import (
    VERBS,
    ChildInfo,
    CountChildren,
    DeleteChild,
    GetChild,
    RestartChild,
    StartAnother,
    StartChild,
    SupervisorRef,
)
from actorcloud.base.errors import ActorError, BadChildSpec, ConfigError, NoSuchChild


class DynamicFlags(msgspec.Struct, frozen=True, kw_only=True):
    """What the `init` of a `DynamicSupervisor` returns."""

    #: How many children may run or be restarting; None: the class's.
    max_children: int | None = None
    max_restarts: int | None = None
    max_seconds: float | None = None
    #: Put before the arguments of every child.
    extra_arguments: Sequence[Any] = ()
    #: The spec of all children, or an `Actor` class.
    template: Any = None
    #: See `Supervisor`; only with a template, which may be significant then.
    auto_shutdown: str = "never"

    def __post_init__(self) -> None:
        limit: object = self.max_children
        if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 0):
            raise ConfigError(f"max_children is {limit!r}; it must be an integer >= 0, or None")
        if not isinstance(self.extra_arguments, list | tuple):
            raise ConfigError(f"extra_arguments is {self.extra_arguments!r}; it must be a list or a tuple")
        if self.auto_shutdown != "never" and self.template is None:
            raise ConfigError(f"auto_shutdown is {self.auto_shutdown!r}; it must be never unless there is a template")


class DynamicSupervisor(Overseer):
    """Watches any number of children, started by `ref.start_child(spec)`.

    Either `DynamicSupervisor.start(max_children=100)`, or a subclass whose `init` returns the
    `DynamicFlags`.

    A child is known by its ref. While its restart fails it is known by its old one, so that
    `terminate_child` can give it up.

    >>> class Session(Actor):
    ...     def __init__(self, user):
    ...         self.user = user
    >>> sessions = DynamicSupervisor.start(max_children=100)
    >>> joe = sessions.start_child(Session, "joe")
    >>> sessions.count_children().active
    1
    >>> sessions.terminate_child(joe)
    >>> sessions.stop()
    True
    """

    #: How many children may run or be restarting; None means no limit.
    max_children: ClassVar[int | None] = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        flags: object = self.init(*args, **kwargs)
        if flags is None:
            raise Ignore
        if not isinstance(flags, DynamicFlags):
            raise ConfigError(f"{type(self).__name__}.init returned {flags!r}; it must be DynamicFlags")
        self._open(flags.max_restarts, flags.max_seconds, flags.auto_shutdown)
        self._limit = self.max_children if flags.max_children is None else flags.max_children
        self._extra = tuple(flags.extra_arguments)
        self._template = None if flags.template is None else self._checked(flags.template)

    def init(self, **flags: Any) -> DynamicFlags | None:
        """Return the flags, or None for "not now"; overridden by subclasses, with arguments of their own.

        Args:
            flags: the fields of `DynamicFlags`.
        """
        return DynamicFlags(**flags)

    @classmethod
    def start(cls, *args: Any, **kwargs: Any) -> SupervisorRef:  # a ref with more verbs
        """Start the supervisor, without children; see `init` for the arguments.

        Raises:
            ConfigError: a flag is wrong.
            BadChildSpec: the template is wrong.
        """
        ref: Any = super().start(*args, **kwargs)
        return ref  # type: ignore[no-any-return]  # made by `_ref_class`

    # -- how children are kept --------------------------------------------------------------------

    def _known(self, id: Any) -> Child:
        ref = _meant(id)
        child = None if ref is None else self._children.get(ref.id)
        if child is None:
            raise NoSuchChild(f"{id!r} is no child of {self}; give the ref that its start returned")
        return child

    def _terminate_child(self, id: Any, sender: ReplyTo | None) -> Procedure:
        """See `Overseer._terminate_child`; by a template a child that has ended already is no error, as in OTP."""
        ref = _meant(id)
        if self._template is None or ref is None or ref.id in self._children or ref.is_alive():
            yield from super()._terminate_child(id, sender)
        else:
            self._answer(sender, None)

    def _child_of(self, ref: ActorRef[Any]) -> Child | None:
        return self._children.get(ref.id)

    def _info(self, child: Child) -> ChildInfo:
        return child.info(None)

    def _is_kept(self, child: Child) -> bool:  # noqa: ARG002  none is, without a ref it has no name
        return False

    def _renew(self, child: Child) -> Steps[tuple[Child, Exception] | None]:
        yield from ()
        try:
            self._launch(child)
        except Exception as error:  # noqa: BLE001  whatever it is, it counts and is tried again
            return child, error
        self._renewed(child)
        del self._children[child.key]
        self._keep(child)
        return None

    def _keep(self, child: Child) -> None:
        if child.ref is not None:
            child.key = child.ref.id
            self._children[child.key] = child

    def _end_all(self) -> Procedure:
        return self._terminate(self._children.values())

    # -- requests ---------------------------------------------------------------------------------

    def _request(self, message: Any) -> object:
        """See `Overseer._request`."""
        match message:
            case StartChild(spec):
                return self._start_child(spec)
            case StartAnother(args, kwargs):
                return self._start_another(args, kwargs)
            case CountChildren() if self._template is not None:
                found: Any = super()._request(message)
                return msgspec.structs.replace(found, specs=1)
            case GetChild() | RestartChild() | DeleteChild():
                verb = VERBS[type(message)]
                raise ActorError(f"{self} does not do {verb}: its children have no ids, and are forgotten as they end")
            case _:
                return super()._request(message)

    def _checked(self, entry: object) -> ChildSpec:
        spec = to_spec(entry)
        if spec.significant and self._auto == "never":
            raise BadChildSpec(
                f"child {spec.id!r}: significant is True; it must be False in a DynamicSupervisor, but for a template"
            )
        return spec

    def _start_child(self, entry: object) -> object:
        if self._template is not None:
            raise BadChildSpec(f"{self} has a template: use start_another, with the arguments of the new child")
        return self._admit(self._checked(entry))

    def _start_another(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> object:
        template = self._template
        if template is None:
            raise BadChildSpec(f"{self} has no template: use start_child, with a spec")
        return self._admit(
            msgspec.structs.replace(template, args=(*template.args, *args), kwargs={**template.kwargs, **kwargs})
        )

    def _admit(self, spec: ChildSpec) -> object:
        if self._limit is not None and len(self._children) >= self._limit:
            raise MaxChildren(f"{self} has {len(self._children)} children; max_children is {self._limit}")
        if self._extra:
            spec = msgspec.structs.replace(spec, args=(*self._extra, *spec.args))
        child = Child(spec)
        result = self._launch_or_refuse(child)
        self._keep(child)
        return result


def _meant(id: Any) -> ActorRef[Any] | None:
    """Return the actor that a ref means now, also one by name; None if there is none."""
    try:
        found = id.name.whereis() if isinstance(id, NamedRef) else id
    except ActorError:
        return None
    return found if isinstance(found, ActorRef) else None
