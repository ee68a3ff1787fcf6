"""Bodies: what an actor sends, as bytes, and back.

Control messages are decoded and checked by anybody. What users send is a pickle, which is code: it is
opened only where user code runs, never in a head or an agent (design 4).
"""

from __future__ import annotations

import msgspec

from actorcloud.actor import ActorDeadError
from actorcloud.base.codec import dump_value, load_value
from actorcloud.base.errors import ActorCloudError, RemoteError, WireError, from_code
from actorcloud.base.exits import Crash
from actorcloud.cluster.reason import pack_reason, unpack_reason
from actorcloud.protocol.message import Message, decode, encode
from actorcloud.protocol.signal import Failed, UserMessage

_NIL = msgspec.msgpack.encode(None)
_NOTHING = msgspec.Raw(_NIL)

#: Longer texts of errors are cut; a traceback has its own limit in `base.exits`.
_TEXT_LIMIT_CHARS = 16_000


def pack(value: object) -> msgspec.Raw:
    """Return `value` as a body.

    Raises:
        Unpicklable: if it is no control message and cannot be pickled.
        PayloadTooLarge: if its pickle is too long.
    """
    if value is None:
        return _NOTHING
    if isinstance(value, Message):
        return msgspec.Raw(encode(value))
    return msgspec.Raw(encode(UserMessage(dump_value(value, "the message"))))


def unpack(body: msgspec.Raw, *, may_unpickle: bool) -> object:
    """Return the value of a body.

    Args:
        body: as received.
        may_unpickle: whether user code may run in this process.

    Raises:
        WireError: if it is no message, or a pickle where none is opened.
        ResultUnreadable: if it cannot be unpickled here.
    """
    # By length first: the bytes of a large body are not copied to look at them.
    if len(body) == 1 and bytes(body) == _NIL:
        return None
    message = decode(body)
    if not isinstance(message, UserMessage):
        return message
    if not may_unpickle:
        raise WireError("this process takes no messages of users: heads and agents never unpickle")
    return load_value(message.data, "the message")


def pack_error(number: int, error: BaseException) -> Failed:
    """Return `error` as the last answer to ask `number`; never raises."""
    if isinstance(error, ActorDeadError):
        return Failed(number, error.code, str(error)[:_TEXT_LIMIT_CHARS], reason=pack_reason(error.reason))
    if isinstance(error, ActorCloudError):
        return Failed(number, error.code, str(error)[:_TEXT_LIMIT_CHARS])
    crash = Crash.of(error)
    return Failed(number, RemoteError.code, str(crash)[:_TEXT_LIMIT_CHARS], crash.traceback)


def unpack_error(failed: Failed) -> ActorCloudError:
    """Return the error that a peer reported, with its traceback as a note."""
    error = from_code(failed.code, failed.text)
    if failed.reason is not None and isinstance(error, ActorDeadError):
        error.reason = unpack_reason(failed.reason)
    if failed.traceback:
        error.add_note(f"The remote traceback:\n{failed.traceback}")
    return error
