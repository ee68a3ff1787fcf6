"""How a `msgspec.Struct` class of the user's is made anew from what a pickle says: its fields, first of all.

A class travels in two steps, its shell and then its content, so that it may refer to itself. The fields
of a Struct are laid down when its shell is made; so they travel with the shell, by name, with their
defaults, and their types come with the content.

Pure. Reference: msgspec's structs; cloudpickle's `_make_skeleton_class`.
"""

from __future__ import annotations

from typing import Any

import msgspec

#: The metaclass of all Structs.
StructMeta: Any = type(msgspec.Struct)

#: What a class was told, besides its tag.
_OPTIONS = (
    "frozen",
    "eq",
    "order",
    "array_like",
    "gc",
    "repr_omit_defaults",
    "omit_defaults",
    "forbid_unknown_fields",
    "weakref",
    "dict",
    "cache_hash",
)


class StructMaker:
    """Stands for the metaclass where the shell of a class is made.

    Args:
        options: as keyword arguments of the class statement.
    """

    def __init__(self, options: dict[str, Any]) -> None:
        self.options = options

    def __call__(self, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> type:
        """Return the shell."""
        made: type = StructMeta(name, bases, namespace, **self.options)
        return made


def struct_maker(cls: type[msgspec.Struct]) -> StructMaker:
    """Return what makes classes with the options of this one."""
    config = cls.__struct_config__
    options = {option: getattr(config, option) for option in _OPTIONS}
    if config.tag is not None:
        options |= {"tag": config.tag, "tag_field": config.tag_field}
    own = _own_fields(cls)
    # Fields are positional or not all together, class by class.
    options["kw_only"] = bool(own) and not set(own) & set(cls.__match_args__)
    return StructMaker(options)


def struct_fields(cls: type[msgspec.Struct]) -> dict[str, Any]:
    """Return what the body of the class says of its own fields."""
    defaults = _defaults(cls)
    encoded = dict(zip(cls.__struct_fields__, cls.__struct_encode_fields__, strict=True))
    body: dict[str, Any] = {"__annotations__": dict.fromkeys(_own_fields(cls), "typing.Any")}
    for name in _own_fields(cls):
        given: dict[str, Any] = {} if encoded[name] == name else {"name": encoded[name]}
        default = defaults.get(name, msgspec.NODEFAULT)
        if default is not msgspec.NODEFAULT:
            factory = getattr(default, "factory", None) if type(default).__name__ == "Factory" else None
            given |= {"default": default} if factory is None else {"default_factory": factory}
        if given:
            body[name] = _Field(given)
    return body


class _Field:
    """What `msgspec.field` was told; it makes what cannot be pickled."""

    def __init__(self, given: dict[str, Any]) -> None:
        self._given = given

    def __reduce__(self) -> tuple[Any, ...]:
        return _field, (self._given,)


def _field(given: dict[str, Any]) -> object:
    made: object = msgspec.field(**given)
    return made


def _own_fields(cls: type[msgspec.Struct]) -> list[str]:
    slots = set(vars(cls).get("__slots__", ()))
    return [name for name in vars(cls).get("__annotations__", {}) if name in slots]


def _defaults(cls: type[msgspec.Struct]) -> dict[str, Any]:
    """Return the defaults by field; they are those of the last fields."""
    values = cls.__struct_defaults__
    return dict(zip(cls.__struct_fields__[len(cls.__struct_fields__) - len(values) :], values, strict=True))
