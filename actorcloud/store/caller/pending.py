"""What one run of a transaction's function wants to be written.

Pure. One entry a key: a value that is set, or none (deleted); or steps that the store carries out at the
commit (`store.atomic`), joined where they can be. A step on a key that this run has set is carried out
at once. Pushed values have no key yet.

Thread: the one that runs the function.

Reference: store-design 2.5, 2.7.
"""

from __future__ import annotations

from collections.abc import Mapping

from actorcloud.protocol.transaction import Atomic, AtomicStep, Found, Write
from actorcloud.store.atomic import CONDITIONS, apply, joined


class Pending:
    """See the module."""

    def __init__(self) -> None:
        self._writes: dict[bytes, bytes | None] = {}
        self._steps: dict[bytes, list[AtomicStep]] = {}
        self._pushes: dict[bytes, list[AtomicStep]] = {}

    def __len__(self) -> int:
        return len(self._writes) + len(self._steps) + len(self._pushes)

    @property
    def keys(self) -> list[bytes]:
        """All of them."""
        return [*self._writes, *self._steps, *self._pushes]

    @property
    def writes(self) -> tuple[Write, ...]:
        """The keys that are set or deleted."""
        return tuple(self._writes.items())

    @property
    def atomics(self) -> tuple[Atomic, ...]:
        """What the store is to do itself."""
        if not self._steps and not self._pushes:
            return ()
        return tuple(Atomic(key, tuple(steps)) for key, steps in (*self._steps.items(), *self._pushes.items()))

    def write(self, key: bytes, value: bytes | None) -> None:
        """Set a key, or delete it (None); conditions on what it was before stay."""
        before = self._steps.get(key, ())
        if any(step.op in CONDITIONS for step in before):
            step = AtomicStep("delete") if value is None else AtomicStep("set", value)
            self._steps[key] = joined(before, step)
        else:
            self._steps.pop(key, None)
            self._writes[key] = value

    def do(self, key: bytes, step: AtomicStep) -> None:
        """Have the store do something with a key.

        Raises:
            BadValue, ValueTooLarge, ConditionFailed: it cannot be done to what this run has set.
        """
        if key in self._writes and step.op != "stamp":
            self._writes[key] = apply([step], self._writes[key], None)
        else:
            # What was set does not matter to a stamp.
            self._writes.pop(key, None)
            self._steps[key] = joined(self._steps.get(key, ()), step)

    def push(self, prefix: bytes, value: bytes) -> None:
        """Have the store put a value under a new key."""
        self._pushes.setdefault(prefix, []).append(AtomicStep("push", value))

    def has(self, key: bytes) -> bool:
        """Tell whether this run decides alone what is under `key`."""
        return key in self._writes

    def seen(self, key: bytes, before: bytes | None) -> bytes | None:
        """Return what this run sees under a key.

        Args:
            key: of the value.
            before: what was there; it does not matter if the run `has` the key.

        Raises:
            BadValue, ValueTooLarge, ConditionFailed: what is to be done with it cannot be.
        """
        if key in self._writes:
            return self._writes[key]
        return apply(self._steps.get(key, ()), before, None)

    def between(self, lo: bytes, hi: bytes, items: Mapping[bytes, Found]) -> dict[bytes, bytes | None]:
        """Return what this run sees under the keys with lo <= key < hi that it changes.

        Args:
            lo: the first key.
            hi: the first key behind.
            items: what was there.

        Raises:
            BadValue, ValueTooLarge, ConditionFailed: what is to be done with one of them cannot be.
        """
        changed = (key for key in (*self._writes, *self._steps) if lo <= key < hi)
        return {key: self.seen(key, None if (found := items.get(key)) is None else found[1]) for key in changed}
