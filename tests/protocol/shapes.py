"""Values for every type that a message may hold: one fixed example, and a hypothesis strategy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import hypothesis.strategies as st
import msgspec
import msgspec.inspect as mi

#: As msgpack carries them.
INT_MIN, INT_MAX = -(2**63), 2**64 - 1


def example(kind: mi.Type, name: str = "value", *, full: bool = True) -> Any:
    """Return a fixed value of a type.

    Args:
        kind: what `msgspec.inspect` says of it.
        name: of the field; texts hold it, so that the golden bytes can be read.
        full: fill fields that have a default, too.
    """
    match kind:
        case mi.StructType():
            fields = [field for field in kind.fields if full or field.required]
            return kind.cls(**{field.name: example(field.type, field.name, full=full) for field in fields})
        case mi.UnionType():
            return example(_first(kind), name, full=full)
        case mi.VarTupleType():
            return (example(kind.item_type, name, full=full),) * 2
        case mi.TupleType():
            return tuple(example(item, name, full=full) for item in kind.item_types)
        case mi.ListType():
            return [example(kind.item_type, name, full=full)]
        case mi.DictType():
            return {example(kind.key_type, "key", full=full): example(kind.value_type, name, full=full)}
        case mi.LiteralType():
            return kind.values[0]
        case mi.EnumType():
            return next(iter(kind.cls))
        case _:
            return _SIMPLE_EXAMPLES[type(kind)](name)


def _first(union: mi.UnionType) -> mi.Type:
    return next(kind for kind in union.types if not isinstance(kind, mi.NoneType))


_SIMPLE_EXAMPLES: dict[type[mi.Type], Callable[[str], Any]] = {
    mi.AnyType: lambda name: name,
    mi.BoolType: lambda _: True,
    mi.BytesType: lambda name: b"\x00\xff" + name.encode(),
    mi.FloatType: lambda _: 1.5,
    mi.IntType: lambda _: 1_000_000,
    mi.NoneType: lambda _: None,
    mi.RawType: lambda name: msgspec.Raw(msgspec.msgpack.encode(name)),
    mi.StrType: lambda name: name,
}


def values(kind: mi.Type) -> st.SearchStrategy[Any]:
    """Return a strategy for all values of a type."""
    match kind:
        case mi.StructType():
            return st.builds(kind.cls, **{field.name: values(field.type) for field in kind.fields})
        case mi.UnionType():
            return st.one_of([values(item) for item in kind.types])
        case mi.VarTupleType():
            return st.lists(values(kind.item_type), max_size=3).map(tuple)
        case mi.TupleType():
            return st.tuples(*[values(item) for item in kind.item_types])
        case mi.ListType():
            return st.lists(values(kind.item_type), max_size=3)
        case mi.DictType():
            return st.dictionaries(values(kind.key_type), values(kind.value_type), max_size=3)
        case mi.LiteralType():
            return st.sampled_from(kind.values)
        case mi.EnumType():
            return st.sampled_from(list(kind.cls))
        case _:
            return _SIMPLE_VALUES[type(kind)]


_SIMPLE_VALUES: dict[type[mi.Type], st.SearchStrategy[Any]] = {
    mi.AnyType: st.none() | st.integers(INT_MIN, INT_MAX) | st.text(max_size=8),
    mi.BoolType: st.booleans(),
    mi.BytesType: st.binary(max_size=40),
    mi.FloatType: st.floats(allow_nan=False),
    mi.IntType: st.integers(INT_MIN, INT_MAX),
    mi.NoneType: st.none(),
    mi.RawType: st.binary(max_size=8).map(lambda data: msgspec.Raw(msgspec.msgpack.encode(data))),
    mi.StrType: st.text(max_size=12),
}


def shape(cls: type[msgspec.Struct]) -> mi.Type:
    """Return what `msgspec.inspect` says of a message."""
    return mi.type_info(cls)
