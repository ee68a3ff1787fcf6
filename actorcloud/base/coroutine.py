"""Telling an `async def`, without loading `inspect`, which takes 6 ms. Pure."""

from __future__ import annotations

#: `inspect.CO_COROUTINE`.
_CO_COROUTINE = 0x80


def is_coroutine(function: object) -> bool:
    """Whether this is an `async def`, plain or bound."""
    code = getattr(function, "__code__", None)
    return code is not None and bool(code.co_flags & _CO_COROUTINE)
