"""Key pairs on disk: 0600 files in 0700 directories, written whole or not at all.

A key file holds the 32 secret bytes in hex; the public key is derived from them. A file or directory
that others could read is refused, never repaired: whoever could read it may have done so.

Reference: OpenSSH's StrictModes; net-design 2.3.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

import msgspec

from actorcloud.base.errors import ConfigError, InsecureKey

KEY_BYTES = 32


class KeyPair(msgspec.Struct, frozen=True):
    """A Curve25519 key pair."""

    #: 32 bytes; no secret.
    public: bytes
    #: 32 bytes.
    secret: bytes

    def __post_init__(self) -> None:
        for field in ("public", "secret"):
            if len(getattr(self, field)) != KEY_BYTES:
                raise ConfigError(f"KeyPair.{field} has {len(getattr(self, field))} bytes, not {KEY_BYTES}")

    def __repr__(self) -> str:
        return f"KeyPair({fingerprint(self.public)})"


def fingerprint(public: bytes) -> str:
    """Return the first 16 hex digits of a public key, to show to people."""
    return public[:8].hex()


def new_key_pair() -> KeyPair:
    """Return a fresh random key pair.

    Raises:
        CurveMissing: if this libzmq cannot encrypt.
    """
    # Not at the top: sessions are simulated in processes that never load libzmq.
    from actorcloud.net.curve import make_key_pair  # noqa: PLC0415

    return KeyPair(*make_key_pair())


def load_key_pair(path: Path) -> KeyPair:
    """Return the key pair in `path`; make one there if there is no such file.

    Args:
        path: of the key file; its directory is made, with mode 0700, if it is missing.

    Raises:
        InsecureKey: if others can read the file or write its directory, or it is somebody else's.
        ConfigError: if it holds no key.
        CurveMissing: if this libzmq cannot encrypt.
    """
    if not path.exists():
        pair = new_key_pair()
        write_private(path, pair.secret.hex().encode() + b"\n", replace=False)
    from actorcloud.net.curve import derive_public  # noqa: PLC0415

    try:
        secret = bytes.fromhex(read_private(path).decode("ascii").strip())
        return KeyPair(derive_public(secret), secret)
    except (ValueError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} holds no key (64 hex digits); move it away and a new one is made") from error


def private_directory(path: Path) -> Path:
    """Return `path`, made with mode 0700 if it is missing, and its missing parents too.

    Raises:
        InsecureKey: if it exists and others may enter it, or it is not ours.
    """
    for directory in [path, *path.parents][::-1]:
        # `parents=True` would make them open to others.
        if not directory.exists():
            directory.mkdir(mode=0o700, exist_ok=True)
    _check(path, path.stat(), "chmod 700")
    return path


def read_private(path: Path) -> bytes:
    """Return what a private file holds.

    Raises:
        InsecureKey: if it or its directory is open to others.
        OSError: as `open`.
    """
    private_directory(path.parent)
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    with os.fdopen(descriptor, "rb") as file:
        _check(path, os.fstat(file.fileno()), "chmod 600")
        return file.read()


def write_private(path: Path, data: bytes, *, replace: bool = True) -> None:
    """Write a private file, durably, whole or not at all.

    Args:
        path: where; its directory is made private.
        data: all it will hold.
        replace: false: an existing file wins and `data` is dropped, so that of two processes that
            both make a key one prevails.

    Raises:
        InsecureKey: if the directory is open to others.
        OSError: as `open`.
    """
    directory = private_directory(path.parent)
    draft = directory / f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}"
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if replace:
            draft.replace(path)
        else:
            try:
                path.hardlink_to(draft)
            except FileExistsError:
                return
    finally:
        draft.unlink(missing_ok=True)
    _sync_directory(directory)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _check(path: Path, status: os.stat_result, remedy: str) -> None:
    if status.st_uid != os.geteuid():
        raise InsecureKey(f"{path} belongs to uid {status.st_uid}, not to us ({os.geteuid()}); use a path of your own")
    mode = stat.S_IMODE(status.st_mode)
    if mode & 0o077:
        raise InsecureKey(f"{path} is open to others (mode {mode:04o}); if none has read it, run: {remedy} {path}")
