"""The golden bytes: how each message has looked on the wire since it was first released.

`python -m tests.protocol.golden` adds the messages that `golden.json` does not have yet. It does not
change what is there: a peer of yesterday still sends those bytes. `--anew` begins it anew; only
before the first release, or together with `message.VERSION`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import msgspec

import actorcloud.protocol  # noqa: F401  loads every module of messages
from actorcloud.protocol.message import Message, encode, message_types
from tests.protocol.shapes import example, shape

PATH = Path(__file__).with_name("golden.json")


def name(cls: type[Message]) -> str:
    """Return the key of a message: its tag and where it lives."""
    tag = cls.__struct_config__.tag
    return f"{tag:03} {cls.__module__.removeprefix('actorcloud.')}.{cls.__qualname__}"


def examples(cls: type[Message]) -> dict[str, Message]:
    """Return the two messages of a type that are kept: every field filled, and only those without a default."""
    kind = shape(cls)
    return {"full": example(kind, full=True), "short": example(kind, full=False)}


def current() -> dict[str, dict[str, str]]:
    """Return what `golden.json` would hold if it were made now."""
    return {name(cls): {key: encode(item).hex() for key, item in examples(cls).items()} for cls in message_types()}


def kept() -> dict[str, dict[str, str]]:
    """Return what `golden.json` holds."""
    if not PATH.exists():
        return {}
    known: dict[str, dict[str, str]] = json.loads(PATH.read_text(encoding="utf-8"))
    return known


def extends(now: bytes, then: bytes) -> bool:
    """Tell whether a message of today is one of yesterday with new fields at the end, its records likewise."""
    return _extends(msgspec.msgpack.decode(now), msgspec.msgpack.decode(then))


def _extends(now: Any, then: Any) -> bool:
    if isinstance(now, list) and isinstance(then, list):
        return len(now) >= len(then) and all(map(_extends, now, then))
    return bool(now == then)


def main(*, anew: bool) -> None:
    """Add what is missing."""
    known = {} if anew else kept()
    added = {key: value for key, value in current().items() if key not in known}
    PATH.write_text(json.dumps(dict(sorted({**known, **added}.items())), indent=1) + "\n", encoding="utf-8")
    print(f"{PATH.name}: {len(added)} messages added, {len(known)} kept")


if __name__ == "__main__":
    main(anew="--anew" in sys.argv)
