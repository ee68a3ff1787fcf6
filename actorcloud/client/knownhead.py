"""The heads that this user knows: their public keys, by address, as ssh's known_hosts.

::

    CONFIG/actorcloud/keys/client.key          this user's own key pair
    CONFIG/actorcloud/keys/known_heads.json    {"10.0.0.1:7710": "the head's public key, in hex"}

A join string brings the key along; after the first connection `host:port` is enough.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
import platformdirs

from actorcloud.base.errors import ConfigError, UnknownHead
from actorcloud.net import KeyPair, load_key_pair, read_private, write_private


class KnownHeads:
    """The file, and this user's own key beside it.

    Args:
        directory: private; None: `keys` in the user's configuration directory.
    """

    def __init__(self, directory: Path | None = None) -> None:
        # Below the directory of the configuration, which may well be open to others.
        self._directory = directory or Path(platformdirs.user_config_dir("actorcloud")) / "keys"

    def key_pair(self) -> KeyPair:
        """Return this user's key pair, made at the first use."""
        return load_key_pair(self._directory / "client.key")

    def find(self, address: str) -> bytes:
        """Return the public key of the head at `host:port`.

        Raises:
            UnknownHead: it has not been pinned.
        """
        found = self._read().get(address)
        if found is None:
            raise UnknownHead(
                f"the head at {address} is not known here: run `actorcloud join-string` on its machine and open "
                "Cloud(what it prints) once; after that the address is enough"
            )
        return found

    def pin(self, addresses: list[str], head_key: bytes) -> None:
        """Remember the public key of the head at these addresses."""
        known = self._read()
        fresh = {**known, **dict.fromkeys(addresses, head_key)}
        if fresh != known:
            lines = {address: key.hex() for address, key in sorted(fresh.items())}
            write_private(self._path, msgspec.json.format(msgspec.json.encode(lines)))

    @property
    def _path(self) -> Path:
        return self._directory / "known_heads.json"

    def _read(self) -> dict[str, bytes]:
        try:
            lines = msgspec.json.decode(read_private(self._path), type=dict[str, str])
            return {address: bytes.fromhex(key) for address, key in lines.items()}
        except FileNotFoundError:
            return {}
        except ValueError as error:
            raise ConfigError(f"{self._path} is damaged ({error}); move it away and join again") from error
