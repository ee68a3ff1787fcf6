"""Keeps a head's pins in one private file, for heads that do not keep them in their store."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from actorcloud.base.errors import ConfigError
from actorcloud.net.enrolment import Pin
from actorcloud.net.keys import read_private, write_private


class PinFile:
    """A `Pins` in a 0600 file of JSON, one line a pin, written anew at each change.

    Thread: one at a time.

    Args:
        path: of the file; its directory is made private.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> Sequence[Pin]:
        """See `Pins.load`.

        Raises:
            InsecureKey: if others can read the file.
            ConfigError: if it holds something else.
        """
        if not self._path.exists():
            return ()
        try:
            return [msgspec.json.decode(line, type=Pin) for line in read_private(self._path).splitlines()]
        except msgspec.DecodeError as error:
            raise ConfigError(
                f"{self._path} is damaged ({error}); restore it, or remove it and let all join anew"
            ) from error

    def save(self, pin: Pin) -> None:
        """See `Pins.save`."""
        lines = [msgspec.json.encode(known) for known in (*self.load(), pin)]
        write_private(self._path, b"\n".join(lines) + b"\n")
