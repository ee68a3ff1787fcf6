"""The calls by which a transaction has the store do something with a value: no read, so no conflict.

Reference: store-design 2.7.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from actorcloud.base.errors import BadValue
from actorcloud.protocol.transaction import VALUE_LIMIT_BYTES, AtomicStep
from actorcloud.store.atomic import check_step
from actorcloud.store.caller.codec import Codec
from actorcloud.store.caller.space import Space, prefix_key, user_key
from actorcloud.store.key_codec import Key


class AtomicCalls(ABC):
    """Part of `Transaction`.

    All of these are done at the commit, to the value that is there then: other transactions may
    change it until that moment, and none of them has to be run again. What cannot be done refuses
    the whole transaction. A `fetch` of the same key reads it, as always.
    """

    _codec: Codec

    @abstractmethod
    def do(self, key: bytes, step: AtomicStep) -> None:
        """Have the store do something with an engine key; "push": with one that begins so."""

    def add(self, space: Space, key: Key, number: int = 1) -> None:
        """Add `number` to the int under `key`, 0 if there is none.

        Raises:
            BadKey, BadValue: the key or the number cannot be one.
            NotInTransaction: the transaction has ended.

        `mutate_store` raises `BadValue` if there is something else than an int.
        """
        self._do(space, key, AtomicStep("add", self._codec.dumps(number, "int")))

    def min(self, space: Space, key: Key, number: int) -> None:
        """Set `key` to `number`, unless it is a smaller int already; see `add`."""
        self._do(space, key, AtomicStep("min", self._codec.dumps(number, "int")))

    def max(self, space: Space, key: Key, number: int) -> None:
        """Set `key` to `number`, unless it is a larger int already; see `add`."""
        self._do(space, key, AtomicStep("max", self._codec.dumps(number, "int")))

    def append(self, space: Space, key: Key, data: bytes, cap: int = VALUE_LIMIT_BYTES) -> None:
        """Append `data` to the bytes under `key`, none if there is nothing.

        Args:
            space: a job, or the name of a space.
            key: of the bytes.
            data: what is to be appended.
            cap: bytes that there may be then; the whole transaction is refused as `ValueTooLarge` if
                there would be more.

        Raises:
            BadKey, BadValue: the key, the data or the cap cannot be such.
            NotInTransaction: the transaction has ended.
        """
        if type(cap) is not int:
            raise BadValue(f"cap={cap!r}: bytes are counted by an int")
        self._do(space, key, AtomicStep("append", self._codec.dumps(data, "raw"), cap=cap))

    def set_if_absent(
        self, space: Space, key: Key, value: object, *, codec: str | None = None, retry: bool = False
    ) -> None:
        """Set `key` to `value`; if it is there already at the commit, the transaction is `ConditionFailed`.

        Args:
            space: a job, or the name of a space.
            key: of the value.
            value: see `store`.
            codec: see `store`.
            retry: have the function run again instead.

        Raises:
            BadKey, BadValue: the key or the value cannot be stored.
            NotInTransaction: the transaction has ended.
        """
        self._do(space, key, AtomicStep("set_if_absent", self._codec.dumps(value, codec), retry=bool(retry)))

    def compare_and_set(self, space: Space, key: Key, expected: object, value: object, *, retry: bool = False) -> None:
        """Set `key` to `value`; if it is not `expected` at the commit, the transaction is `ConditionFailed`.

        Args:
            space: a job, or the name of a space.
            key: of the value.
            expected: is compared as it is stored: for ints, bytes and texts that is equality.
            value: see `store`.
            retry: have the function run again instead.

        Raises:
            BadKey, BadValue: the key or a value cannot be stored.
            NotInTransaction: the transaction has ended.
        """
        old, new = self._codec.dumps(expected), self._codec.dumps(value)
        self._do(space, key, AtomicStep("compare_and_set", new, old, retry=bool(retry)))

    def delete_if_equal(self, space: Space, key: Key, expected: object, *, retry: bool = False) -> None:
        """Delete `key`; if it is not `expected` at the commit, the transaction is `ConditionFailed`.

        See `compare_and_set`.
        """
        step = AtomicStep("delete_if_equal", b"", self._codec.dumps(expected), retry=bool(retry))
        self._do(space, key, step)

    def stamp(self, space: Space, key: Key) -> None:
        """Set `key` to the number of this transaction's commit, an int: later commits have larger ones.

        Raises:
            BadKey: the key cannot be one.
            NotInTransaction: the transaction has ended.
        """
        self._do(space, key, AtomicStep("stamp"))

    def push(self, space: Space, prefix: tuple[Key, ...], value: object, *, codec: str | None = None) -> None:
        """Store `value` behind all that was pushed before: under `(*prefix, number of the commit, count in it)`.

        A queue whose writers never meet. What this transaction pushes its own scans do not show yet.

        Args:
            space: a job, or the name of a space.
            prefix: what the new key begins with.
            value: see `store`.
            codec: see `store`.

        Raises:
            BadKey, BadValue: the prefix is no tuple, or the value cannot be stored.
            NotInTransaction: the transaction has ended.
        """
        step = AtomicStep("push", self._codec.dumps(value, codec))
        check_step(step)
        self.do(prefix_key(space, prefix), step)

    def _do(self, space: Space, key: Key, step: AtomicStep) -> None:
        check_step(step)
        self.do(user_key(space, key), step)
