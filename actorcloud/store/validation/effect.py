"""What a user's transaction does to the store, once its reads hold.

Pure. Plain writes are as they came; atomic operations are applied to the newest values, everything
accepted before included. One that cannot be applied refuses the whole transaction.

Reference: store-design 2.4 (8), 2.7.
"""

from __future__ import annotations

from collections.abc import Iterable

from actorcloud.base.errors import BadKey, BadValue, ConditionFailed, ValueTooLarge
from actorcloud.protocol.transaction import Atomic, Write
from actorcloud.store import keys, stored
from actorcloud.store.atomic import apply
from actorcloud.store.key_codec import stamped_key
from actorcloud.store.view import View

#: Why an atomic operation cannot be applied.
Unfit = BadValue | ValueTooLarge | ConditionFailed | BadKey


def effect_of(
    view: View, seq: int, writes: Iterable[Write], atomics: Iterable[Atomic]
) -> dict[bytes, bytes | None] | Unfit:
    """Return what the commit number `seq` stores for a transaction; or why it cannot be applied."""
    into: dict[bytes, bytes | None] = dict(writes)
    count = 0
    try:
        for atomic in atomics:
            if atomic.steps[0].op == "push":
                for step in atomic.steps:
                    into[_pushed(atomic.key, seq, count)] = step.value
                    count += 1
            else:
                found = view.found(atomic.key)
                into[atomic.key] = apply(atomic.steps, None if found is None else found[1], seq)
    except (BadValue, ValueTooLarge, ConditionFailed, BadKey) as error:
        return error
    return {key: None if value is None else stored.pack_value(seq, value) for key, value in into.items()}


def _pushed(prefix: bytes, seq: int, count: int) -> bytes:
    key = stamped_key(prefix, seq, count)
    if len(key) > keys.ENGINE_KEY_LIMIT_BYTES:
        raise BadKey(f"a pushed key takes {len(key)} bytes; the limit is {keys.ENGINE_KEY_LIMIT_BYTES}: shorten it")
    return key
