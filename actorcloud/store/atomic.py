"""What the store does with a value at the commit, whatever it is then: no read, so no conflict.

Pure; the same for the store, which applies the steps of a key to its newest value, and for a run that
fetches what it has changed so. Steps of one key are joined where that is the same as one after the other.

=================== =================================== ==========================================
step                the value becomes                   refused
=================== =================================== ==========================================
add                 itself (0 if absent) + operand      no int; more than 255 bytes
min, max            the smaller, the larger of both     no int
append              itself (b"" if absent) + operand    no bytes; longer than `cap`
set, delete         operand; nothing
set_if_absent       operand                             it is there
compare_and_set     operand                             it is not `expected`
delete_if_equal     nothing                             it is not `expected`
stamp               the number of the commit, an int
push                a key of its own: the prefix, the number of the commit, a count in it
=================== =================================== ==========================================

The middle of the table are conditions: by their nature they read the key, and what they refuse is
`ConditionFailed`, or has the function run again (`retry`).

Reference: store-design 2.7; FoundationDB's atomic operations and versionstamps.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from actorcloud.base.errors import BadValue, ConditionFailed, ValueTooLarge
from actorcloud.protocol.transaction import VALUE_LIMIT_BYTES, AtomicStep
from actorcloud.store.value import CODEC_BYTES, CODEC_NAMES, INT, RAW, codec_of, pack_int, unpack_int, with_codec

#: Steps whose operand is an int.
NUMERIC = frozenset({"add", "min", "max"})

#: Steps that may be refused for what the value is.
CONDITIONS = frozenset({"set_if_absent", "compare_and_set", "delete_if_equal"})

#: All there are.
STEPS = NUMERIC | CONDITIONS | {"append", "set", "delete", "stamp", "push"}


def check_step(step: AtomicStep) -> None:
    """Refuse a step that cannot be one.

    Raises:
        BadValue: naming what is wrong.
        ValueTooLarge: an operand is.
    """
    if step.op not in STEPS:
        raise BadValue(f"there is no atomic operation {step.op!r}")
    if step.op in NUMERIC:
        _number(step.op, step.value)
    elif step.op == "append":
        _bytes(step.op, step.value)
    elif step.op not in {"delete", "delete_if_equal", "stamp"}:
        codec_of(step.value)
    if not 0 <= step.cap <= VALUE_LIMIT_BYTES:
        raise BadValue(f"cap={step.cap}: bytes from 0 to {VALUE_LIMIT_BYTES} are needed")
    _check_size(step.value, VALUE_LIMIT_BYTES)


def apply(steps: Iterable[AtomicStep], value: bytes | None, seq: int | None) -> bytes | None:
    """Return what becomes of a value.

    Args:
        steps: in order; no "push".
        value: as on the wire; None: absent.
        seq: number of the commit; None: it is not known yet.

    Raises:
        BadValue: the value is of another type than a step needs.
        ValueTooLarge: it would be.
        ConditionFailed: a condition does not hold.
    """
    for step in steps:
        value = _apply(step, value, seq)
    return value


def joined(steps: Sequence[AtomicStep], step: AtomicStep) -> list[AtomicStep]:
    r"""Return steps that do what `steps` and then `step` do.

    >>> add = AtomicStep("add", b"\x03\x01")
    >>> joined([add], add)
    [AtomicStep(op='add', value=b'\x03\x02', expected=b'', cap=0, retry=False)]
    """
    if step.op in {"set", "delete"}:
        # What was before shows only in the conditions.
        last = max((at for at, before in enumerate(steps) if before.op in CONDITIONS), default=-1)
        return [*steps[: last + 1], step]
    if steps and steps[-1].op == step.op and steps[-1].cap == step.cap and step.op in {*NUMERIC, "append"}:
        value = apply([step], steps[-1].value, None)
        assert value is not None
        return [*steps[:-1], AtomicStep(step.op, value, cap=step.cap)]
    return [*steps, step]


def _apply(step: AtomicStep, value: bytes | None, seq: int | None) -> bytes | None:
    match step.op:
        case "add" | "min" | "max":
            return _count(step, value)
        case "append":
            grown = (value or with_codec(RAW, b"")) + _bytes(step.op, step.value)
            _bytes(step.op, grown)
            _check_size(grown, step.cap)
            return grown
        case "stamp":
            if seq is None:
                raise BadValue("the number of a commit is known only after it: fetch it in another transaction")
            return with_codec(INT, pack_int(seq))
        case "set_if_absent" | "compare_and_set" | "delete_if_equal":
            _check_condition(step, value)
    return None if step.op in {"delete", "delete_if_equal"} else step.value


def _count(step: AtomicStep, value: bytes | None) -> bytes:
    operand = _number(step.op, step.value)
    number = operand if value is None else _number(step.op, value)
    match step.op:
        case "add":
            number = operand if value is None else number + operand
        case "min":
            number = min(number, operand)
        case _:
            number = max(number, operand)
    return with_codec(INT, pack_int(number))


def _check_condition(step: AtomicStep, value: bytes | None) -> None:
    wanted = None if step.op == "set_if_absent" else step.expected
    if value != wanted:
        found = "is absent" if value is None else "is there" if wanted is None else "has another value"
        error = ConditionFailed(f"{step.op}: the key {found}")
        error.retry = step.retry
        raise error


def _number(op: str, value: bytes) -> int:
    if codec_of(value) != INT:
        raise BadValue(f"{op!r} needs an int, not a value with the codec {CODEC_NAMES[value[0]]!r}: store an int anew")
    return unpack_int(value[CODEC_BYTES:])


def _bytes(op: str, value: bytes) -> bytes:
    if codec_of(value) != RAW:
        raise BadValue(f"{op!r} needs bytes, not a value with the codec {CODEC_NAMES[value[0]]!r}: store bytes anew")
    return value[CODEC_BYTES:]


def _check_size(value: bytes, limit: int) -> None:
    size = len(value) - CODEC_BYTES
    if size > limit:
        raise ValueTooLarge(f"a value would have {size} bytes; the limit is {limit}")
