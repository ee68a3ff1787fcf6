"""A store as one file that no engine needs: exported from one, imported into another.

::

    MAGIC | frame: ExportHeader | frame: items | ... | frame of no bytes | count | digest
              4 bytes length, then msgpack                                 8       32: BLAKE2b of all before

Items are (engine key, stored value), keys ascending, each value with the number of the commit that
wrote it; the engine's own facts (prefix 00) are left out. `ExportReader` gives nothing that it has not
checked but for the digest, which comes last: whoever writes reads the file twice, first to its end.

Version 1: the first.

Pure but for the stream, which is the caller's. Reference: PNG's magic, which shows what mangled a file.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from collections.abc import Iterable, Iterator
from typing import BinaryIO

import msgspec

from actorcloud.base.errors import BadExport, StoreTooNew
from actorcloud.store import keys

MAGIC = b"actorcloud export\r\n\x1a\n"

#: Goes up when older releases cannot read what this one writes.
EXPORT_VERSION = 1

#: Items in one frame, and their bytes; the last item may exceed these.
FRAME_ITEMS = 1000
FRAME_BYTES = 1024 * 1024

#: Bytes of a frame that is read: the largest item (a result of 16 MiB) and what comes with it.
FRAME_LIMIT_BYTES = 64 * 1024 * 1024

_LENGTH = struct.Struct(">I")
_COUNT = struct.Struct(">Q")
_DIGEST_BYTES = 32

Item = tuple[bytes, bytes]


class ExportHeader(msgspec.Struct, frozen=True):
    """What an export says of the store it came from."""

    #: Number of its last commit.
    seq: int
    #: Format of its records, as in the store's own format record.
    major: int
    #: Release that wrote it.
    created_by: str
    #: Of this file.
    version: int = EXPORT_VERSION


_header = msgspec.msgpack.Decoder(ExportHeader)
_items = msgspec.msgpack.Decoder(list[Item])


def write_export(stream: BinaryIO, header: ExportHeader, items: Iterable[Item]) -> int:
    """Write a whole export.

    Args:
        stream: where; it is not closed.
        header: of the store.
        items: (key, stored value), keys ascending.

    Returns:
        How many items it has.
    """
    digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)

    def put(data: bytes) -> None:
        digest.update(data)
        stream.write(data)

    put(MAGIC)
    put(_frame(header))
    count = 0
    for chunk in _chunks(items):
        count += len(chunk)
        put(_frame(chunk))
    put(_LENGTH.pack(0) + _COUNT.pack(count))
    stream.write(digest.digest())
    return count


class ExportReader:
    """Reads an export, once.

    Args:
        stream: at its beginning.
        name: of the file, for errors.

    Raises:
        BadExport: it is none, or cut short or changed.
        StoreTooNew: a newer actorcloud wrote it.
    """

    def __init__(self, stream: BinaryIO, name: str) -> None:
        self._stream = stream
        self._name = name
        self._digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)
        #: Items read so far.
        self.count = 0
        magic = stream.read(len(MAGIC))
        if not MAGIC.startswith(magic):
            raise BadExport(f"{name} is no export of an actorcloud store")
        if magic != MAGIC:
            raise self._damaged("ends too early")
        self._digest.update(magic)
        self.header = self._read_header()

    def __iter__(self) -> Iterator[list[Item]]:
        """Yield the items in chunks; an error at the end means that none of them may count."""
        last = b""
        while (frame := self._take_frame()) is not None:
            try:
                items = _items.decode(frame)
            except msgspec.DecodeError as error:
                raise self._damaged("has a frame that is none") from error
            for key, _ in items:
                if not last < key or key[:1] == keys.META or len(key) > keys.ENGINE_KEY_LIMIT_BYTES:
                    raise self._damaged(f"has the key {key[:32].hex()} where it may not be")
                last = key
            self.count += len(items)
            yield items
        self._check_end()

    def _read_header(self) -> ExportHeader:
        frame = self._take_frame() or b""
        try:
            header = _header.decode(frame)
        except msgspec.DecodeError as error:
            raise self._damaged("has no header") from error
        if header.version > EXPORT_VERSION:
            raise StoreTooNew(
                f"{self._name} is an export of version {header.version}, written by actorcloud {header.created_by}; "
                f"this one reads up to version {EXPORT_VERSION}: upgrade it"
            )
        return header

    def _take_frame(self) -> bytes | None:
        (length,) = _LENGTH.unpack(self._take(_LENGTH.size))
        if length > FRAME_LIMIT_BYTES:
            raise self._damaged(f"has a frame of {length} bytes; the limit is {FRAME_LIMIT_BYTES}")
        return self._take(length) if length else None

    def _check_end(self) -> None:
        (count,) = _COUNT.unpack(self._take(_COUNT.size))
        expected = self._digest.digest()
        if count != self.count or not hmac.compare_digest(expected, self._take(_DIGEST_BYTES)):
            raise self._damaged("does not have the digest of its content")
        if self._stream.read(1):
            raise self._damaged("goes on after its end")

    def _take(self, count: int) -> bytes:
        data = self._stream.read(count)
        self._digest.update(data)
        if len(data) < count:
            raise self._damaged("ends too early")
        return data

    def _damaged(self, how: str) -> BadExport:
        return BadExport(f"the export {self._name} {how}: it was cut short or changed; export the store again")


def _frame(value: object) -> bytes:
    data = msgspec.msgpack.encode(value)
    return _LENGTH.pack(len(data)) + data


def _chunks(items: Iterable[Item]) -> Iterator[list[Item]]:
    chunk: list[Item] = []
    size = 0
    for key, value in items:
        chunk.append((key, value))
        size += len(key) + len(value)
        if len(chunk) == FRAME_ITEMS or size >= FRAME_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk
