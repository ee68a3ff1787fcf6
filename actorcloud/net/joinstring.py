"""The join string: the one line that lets a machine join. Pure.

::

    ac1.<base64url(msgpack [head's public key, endpoints, secret] + 4 bytes of SHA-256)>

It is a password: it holds the secret with which unknown keys enrol. The checksum finds what copying
lost, it protects nothing.

Reference: net-design 2.2.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Annotated

import msgspec

from actorcloud.base.errors import BadJoinString

PREFIX = "ac1."

_CHECK_BYTES = 4

Key = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
Secret = Annotated[bytes, msgspec.Meta(min_length=16, max_length=16)]
Endpoints = Annotated[list[Annotated[str, msgspec.Meta(max_length=255)]], msgspec.Meta(min_length=1, max_length=16)]


class JoinString(msgspec.Struct, frozen=True, array_like=True):
    """What a join string says.

    >>> text = str(JoinString(bytes(32), ["tcp://10.0.0.1:7710"], bytes(16)))
    >>> JoinString.parse(text).endpoints
    ['tcp://10.0.0.1:7710']
    """

    #: The head's public key, 32 bytes.
    head_key: Key
    #: Where the head listens; tried in turn.
    endpoints: Endpoints
    #: 16 random bytes.
    secret: Secret

    def __str__(self) -> str:
        data = msgspec.msgpack.encode(self)
        return PREFIX + base64.urlsafe_b64encode(data + _check(data)).rstrip(b"=").decode()

    def __repr__(self) -> str:
        # Never the secret: this may be logged.
        return f"JoinString({self.head_key[:8].hex()}, {self.endpoints})"

    @classmethod
    def parse(cls, text: str) -> JoinString:
        """Return what `text` says; white space around it is ignored.

        Raises:
            BadJoinString: if it is no join string, or a part of one.
        """
        line = text.strip()
        if not line.startswith(PREFIX):
            raise BadJoinString(f"a join string begins with {PREFIX}, this with {line[:4]!r}; copy the whole line")
        body = line.removeprefix(PREFIX)
        try:
            raw = base64.b64decode(body + "=" * (-len(body) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError) as error:
            raise BadJoinString("the join string holds a character that none has; copy the whole line") from error
        data, check = raw[:-_CHECK_BYTES], raw[-_CHECK_BYTES:]
        if not data or check != _check(data):
            raise BadJoinString("the join string is damaged, perhaps cut off; copy the whole line again")
        try:
            return msgspec.msgpack.decode(data, type=cls)
        except Exception as error:
            raise BadJoinString("the join string is of another version of actorcloud") from error


def _check(data: bytes) -> bytes:
    return hashlib.sha256(b"actorcloud join string" + data).digest()[:_CHECK_BYTES]
