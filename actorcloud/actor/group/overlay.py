"""What a scope knows: its own members, and those of the same scope on other peers. Pure.

A scope is one actor on each peer. Scopes of one name on connected peers form an overlay:

* A peer comes up: `Discover` is sent to the scope there. Who gets it answers with `Sync`, all of its own
  members; and if it did not know the sender, watches it and discovers back.
* `Sync` replaces all that is known of its sender.
* Joins and leaves are sent to all known peers; from an unknown one they are ignored.
* A scope or its peer is lost: all of its members are dropped.

Each scope tells only of its own members, so two that are connected agree in the end. There is no
common order, and what is known of a third is not passed on.

The state is changed in place, for there may be a hundred thousand groups; apart from that, (state,
event) -> effects. Members are refs; here they are only compared.

Reference: OTP's `pg`; otp-semantics 4.9.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from actorcloud.actor.group.roll import Group, Members, Roll

# -- events: of this peer ------------------------------------------------------------------------------


class Join(msgspec.Struct, frozen=True, eq=False):
    """Local actors join a group; each once more if it is in it."""

    group: Group
    refs: tuple[Any, ...]


class Leave(msgspec.Struct, frozen=True, eq=False):
    """Local actors leave a group, each once; those that are not in it are left out."""

    group: Group
    refs: tuple[Any, ...]


class MemberDown(msgspec.Struct, frozen=True, eq=False):
    """A local member ended."""

    ref: Any


class PeerUp(msgspec.Struct, frozen=True, eq=False):
    """A peer can be reached."""

    #: The address of the scope of this name there, whether it runs or not.
    scope: Any


class PeerDown(msgspec.Struct, frozen=True, eq=False):
    """A scope ended, or its peer is lost."""

    scope: Any


# -- events: messages of other scopes, which are effects there --------------------------------------------


class Discover(msgspec.Struct, frozen=True):
    """`scope` wants to know the receiver's members."""

    scope: Any


class Sync(msgspec.Struct, frozen=True):
    """All local members of `scope`."""

    scope: Any
    members: Members


class PeerJoined(msgspec.Struct, frozen=True):
    """Local members of `scope` joined."""

    scope: Any
    members: Members


class PeerLeft(msgspec.Struct, frozen=True):
    """Local members of `scope` left or ended."""

    scope: Any
    members: Members


Event = Join | Leave | MemberDown | PeerUp | PeerDown | Discover | Sync | PeerJoined | PeerLeft

# -- effects ------------------------------------------------------------------------------------------


class Send(msgspec.Struct, frozen=True):
    """Send a message to another scope; it need not arrive."""

    to: Any
    message: Discover | Sync | PeerJoined | PeerLeft


class Watch(msgspec.Struct, frozen=True):
    """Say when this ends: a local member (`MemberDown`), or another scope (`PeerDown`)."""

    ref: Any
    is_scope: bool


class Unwatch(msgspec.Struct, frozen=True):
    """This local member is in no group any more."""

    ref: Any


class Changed(msgspec.Struct, frozen=True):
    """Tell those who monitor the group."""

    kind: Literal["join", "leave"]
    group: Group
    refs: tuple[Any, ...]


Effect = Send | Watch | Unwatch | Changed


class Overlay:
    """See the module.

    Args:
        me: the ref of the scope whose knowledge this is.
    """

    __slots__ = ("_groups", "_me", "all", "local", "peers")

    def __init__(self, me: Any) -> None:
        self._me = me
        #: Members on all peers.
        self.all = Roll()
        #: Members on this one.
        self.local = Roll()
        #: The other scopes that are known, and their members.
        self.peers: dict[Any, Roll] = {}
        #: Local member -> the groups that it is in, oldest first.
        self._groups: dict[Any, dict[Group, None]] = {}

    def handle(self, event: Event) -> list[Effect]:
        """Take an event in; return what is to be done."""
        match event:
            case Join(group, refs):
                return self._join(group, refs)
            case Leave(group, refs):
                return self._leave(group, refs)
            case MemberDown(ref):
                return self._member_down(ref)
            case PeerUp(scope):
                return [] if scope == self._me else [Send(scope, Discover(self._me))]
            case PeerDown(scope):
                return self._replace(scope, None)
            case Discover(scope):
                return self._discover(scope)
            case Sync(scope, members):
                return self._sync(scope, members)
            case PeerJoined(scope, members):
                return self._peer_joined(scope, members)
            case PeerLeft(scope, members):
                return self._peer_left(scope, members)

    # -- of this peer -----------------------------------------------------------------------------

    def _join(self, group: Group, refs: tuple[Any, ...]) -> list[Effect]:
        effects: list[Effect] = []
        for ref in refs:
            if ref not in self._groups:
                self._groups[ref] = {}
                effects.append(Watch(ref, is_scope=False))
            self._groups[ref][group] = None
        if not refs:
            return effects
        self.local.add(group, refs)
        self.all.add(group, refs)
        return [*effects, Changed("join", group, refs), *self._to_all(PeerJoined(self._me, {group: refs}))]

    def _leave(self, group: Group, refs: tuple[Any, ...]) -> list[Effect]:
        gone = self.local.remove(group, refs)
        if not gone:
            return []
        self.all.remove(group, gone)
        effects: list[Effect] = []
        for ref in dict.fromkeys(gone):
            groups = self._groups[ref]
            if not self.local.count(group, ref):
                del groups[group]
            if not groups:
                del self._groups[ref]
                effects.append(Unwatch(ref))
        return [*effects, Changed("leave", group, gone), *self._to_all(PeerLeft(self._me, {group: gone}))]

    def _member_down(self, ref: Any) -> list[Effect]:
        left: dict[Group, tuple[Any, ...]] = {}
        for group in self._groups.pop(ref, {}):
            left[group] = self.local.remove(group, [ref] * self.local.count(group, ref))
            self.all.remove(group, left[group])
        if not left:
            return []
        return [*_changes("leave", left), *self._to_all(PeerLeft(self._me, left))]

    def _to_all(self, message: PeerJoined | PeerLeft) -> list[Send]:
        return [Send(scope, message) for scope in self.peers]

    # -- of others --------------------------------------------------------------------------------

    def _discover(self, scope: Any) -> list[Effect]:
        if scope == self._me:
            return []
        answer = Send(scope, Sync(self._me, self.local.all()))
        if scope in self.peers:
            return [answer]
        self.peers[scope] = Roll()
        return [answer, Watch(scope, is_scope=True), Send(scope, Discover(self._me))]

    def _sync(self, scope: Any, members: Members) -> list[Effect]:
        if scope == self._me:
            return []
        effects: list[Effect] = []
        if scope not in self.peers:
            self.peers[scope] = Roll()
            effects.append(Watch(scope, is_scope=True))
        roll = Roll()
        for group, refs in members.items():
            roll.add(group, refs)
        return effects + self._replace(scope, roll)

    def _replace(self, scope: Any, roll: Roll | None) -> list[Effect]:
        """Know these members of a scope and no others; None forgets the scope."""
        old, new = self.peers.pop(scope, Roll()), roll or Roll()
        if roll is not None:
            self.peers[scope] = roll
        left, joined = new.lacks(old), old.lacks(new)
        for group, refs in left.items():
            self.all.remove(group, refs)
        for group, refs in joined.items():
            self.all.add(group, refs)
        return [*_changes("leave", left), *_changes("join", joined)]

    def _peer_joined(self, scope: Any, members: Members) -> list[Effect]:
        roll = self.peers.get(scope)
        if roll is None:
            return []
        for group, refs in members.items():
            roll.add(group, refs)
            self.all.add(group, refs)
        return _changes("join", members)

    def _peer_left(self, scope: Any, members: Members) -> list[Effect]:
        roll = self.peers.get(scope)
        if roll is None:
            return []
        left = {group: roll.remove(group, refs) for group, refs in members.items()}
        for group, refs in left.items():
            self.all.remove(group, refs)
        return _changes("leave", left)


def _changes(kind: Literal["join", "leave"], members: Members) -> list[Effect]:
    return [Changed(kind, group, refs) for group, refs in members.items() if refs]
