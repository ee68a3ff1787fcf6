"""Keys and values of the store, as written on a command line and shown.

A key is JSON: 3, "tea", null, true, ["user", 7] (a tuple); else it is the text. What JSON cannot say is an
object of one field: {"hex": "00ff"} (bytes), {"float": "inf"} (or "-inf"; of values also "nan"), and of values
{"items": [[1, "one"]]}, a dict with a key that is no text. What is pickled is not looked into: unpickling
runs what the bytes say, and any job may have written them. `--unpickle` does.

Pure, but for that.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec

from actorcloud.base.codec import load_value
from actorcloud.base.errors import BadKey
from actorcloud.base.ids import JobRef
from actorcloud.cli.function import read_argument, see_working_directory
from actorcloud.protocol.usage import SpaceUsage


def read_key(text: str) -> Any:
    r"""Return the key that is meant.

    Raises:
        BadKey: it is JSON of which no key can be made.

    >>> [read_key(text) for text in ("tea", '"3"', "3", '["user", 7]', '{"hex": "00ff"}')]
    ['tea', '3', 3, ('user', 7), b'\x00\xff']
    """
    return _key_of(read_argument(text))


def key_fields(key: Any) -> Any:
    r"""Return a key for JSON, as `read_key` takes it.

    >>> key_fields(("user", b"\x00", float("-inf")))
    ['user', {'hex': '00'}, {'float': '-inf'}]
    """
    return _shown(key)


def key_text(key: Any) -> str:
    """Return a key as a line shows it: a plain text that nothing else could be as it is, else JSON."""
    written = msgspec.json.encode(key_fields(key)).decode()
    is_plain = isinstance(key, str) and key.isprintable() and " " not in key and read_argument(key) == key
    return key if is_plain else written


def space_text(space: object) -> str:
    """Return a space, or a job, as a line shows it: as it is, unless that would break the line."""
    name = str(space)
    return name if name.isprintable() else msgspec.json.encode(name).decode()


def usage_fields(usage: SpaceUsage) -> dict[str, Any]:
    """Return what is told of a space, for `write_json`."""
    kind = "job" if isinstance(usage.space, JobRef) else "space"
    return {
        kind: str(usage.space),
        "keys": usage.keys,
        "bytes": usage.size_bytes,
        "quota_keys": usage.quota_keys,
        "quota_bytes": usage.quota_bytes,
    }


def value_fields(found: Any, *, unpickle: bool) -> dict[str, Any]:
    """Return what is told of a value, for `write_json`.

    Args:
        found: (codec, payload, value), the last one None where it is pickled.
        unpickle: whether the user wants it unpickled, here.
    """
    codec, payload, value = found
    if codec == "pickle" and unpickle:
        see_working_directory()
        value = load_value(payload, "the value")
    try:
        shown = _shown(value)
    except RecursionError:
        shown = repr(value)
    return {"codec": codec, "bytes": len(payload), "value": shown}


def value_text(fields: dict[str, Any], *, unpickle: bool) -> str:
    """Return the same as a line shows it."""
    if fields["codec"] == "pickle" and not unpickle:
        return f"<pickle of {fields['bytes']:,} bytes>"
    try:
        return msgspec.json.encode(fields["value"]).decode()
    except (TypeError, ValueError, OverflowError):
        return repr(fields["value"])


def _shown(value: Any) -> Any:
    """Return a value for JSON, in which all of it is said; a part of another class as it is."""
    cls = type(value)
    if cls is bytes:
        return {"hex": value.hex()}
    if cls is float and not math.isfinite(value):
        return {"float": str(value)}
    if cls in {list, tuple}:
        return [_shown(element) for element in value]
    if cls is dict:
        items = [(_shown(key), _shown(element)) for key, element in value.items()]
        return dict(items) if all(type(key) is str for key in value) else {"items": items}
    return value


def _key_of(value: object) -> Any:
    match value:
        case list():
            return tuple(_key_of(element) for element in value)
        case {"hex": str(digits), **rest} if not rest:
            try:
                return bytes.fromhex(digits)
            except ValueError as error:
                raise BadKey(f"the key {value!r} is no bytes in hexadecimal digits") from error
        case {"float": "inf" | "-inf" as text, **rest} if not rest:
            return float(text)
        case dict():
            raise BadKey(f'the key {value!r} cannot be one; bytes are written {{"hex": "00ff"}}')
    return value
