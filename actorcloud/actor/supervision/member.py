"""The children of a supervisor, as it keeps them."""

from __future__ import annotations

from collections.abc import Collection, Hashable
from typing import Any

import msgspec

from actorcloud.actor.child import ChildSpec
from actorcloud.actor.ref.ref import ActorRef
from actorcloud.actor.supervision.report import Offender
from actorcloud.actor.supervision.supervisor_ref import ChildCount, ChildInfo


class Child:
    """A child of a supervisor."""

    __slots__ = ("is_restarting", "key", "ref", "restarts", "spec")

    def __init__(self, spec: ChildSpec, key: Hashable = None) -> None:
        self.spec = spec
        #: Under which the supervisor keeps it.
        self.key = key
        #: None while it does not run.
        self.ref: ActorRef[Any] | None = None
        #: Its restart failed and will be tried again.
        self.is_restarting = False
        #: How often it was started anew, not counting what was asked for.
        self.restarts = 0

    def info(self, id: Hashable) -> ChildInfo:
        """Return what the supervisor tells about it."""
        return ChildInfo(
            id=id, ref=self.ref, is_restarting=self.is_restarting, type=self.spec.child_type, restarts=self.restarts
        )

    def offender(self, ref: object) -> Offender:
        """Return what a report tells about it; `ref` is who it was."""
        spec = self.spec.filled()
        return Offender(
            id=spec.id,
            ref=None if ref is None else str(ref),
            start=getattr(spec.start, "__qualname__", repr(spec.start)),
            restart=spec.restart,
            shutdown=spec.shutdown,
            significant=spec.significant,
            type=spec.type,
            restarts=self.restarts,
        )


class Ended(msgspec.Struct, frozen=True, eq=False):
    """The end of a child that is still to be reported, with what was done about it."""

    child: Child
    ref: ActorRef[Any]
    reason: object


def count(children: Collection[Child]) -> ChildCount:
    """Return the counts of these children."""
    supervisors = sum(child.spec.child_type == "supervisor" for child in children)
    return ChildCount(
        specs=len(children),
        active=sum(child.ref is not None and child.ref.is_alive() for child in children),
        supervisors=supervisors,
        workers=len(children) - supervisors,
    )
