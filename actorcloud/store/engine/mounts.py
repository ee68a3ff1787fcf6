"""Which file system a path is on, by /proc/self/mountinfo; whether a store may be there. Pure, but for reading that.

LMDB maps its file and locks it for its own machine only: on a file system that other machines write
to, two heads can damage a store without noticing. Those by which virtual machines and containers
share a host's directory are no better: their maps and syncs do not promise what a disk's do.

Reference: lmdb.h, caveats; proc(5).
"""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePath

from actorcloud.base.errors import ConfigError

#: Of other machines, or of this one's host. `fuseblk` is a disk, and not among them.
REMOTE = frozenset(
    {"9p", "afs", "ceph", "cifs", "fuse", "glusterfs", "lustre", "ncpfs", "nfs", "nfs4", "smb3", "smbfs", "virtiofs"}
)

#: Set to 1 in the environment, it is the user who promises that no other machine uses the store.
FORCE = "ACTORCLOUD_REMOTE_STORE"

_MOUNTS = Path("/proc/self/mountinfo")
_ESCAPE = re.compile(r"\\([0-7]{3})")


def read_mounts() -> str:
    """Return what is mounted; nothing on systems that do not say."""
    try:
        return _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return ""


def file_system_of(path: str, mounts: str) -> str | None:
    """Return the type of the file system that `path`, absolute and resolved, is on; None: that is not known.

    >>> file_system_of("/srv/store", "36 35 0:21 / / rw - ext4 /dev/sda1 rw")
    'ext4'
    """
    best, kind = -1, None
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        fields = before.split(" ")
        if len(fields) < 5 or not after:  # noqa: PLR2004  the fifth is the mount point
            continue
        point = PurePath(_ESCAPE.sub(lambda octal: chr(int(octal[1], 8)), fields[4]))
        # Of two on the same point the later one lies on top.
        if PurePath(path).is_relative_to(point) and len(point.parts) >= best:
            best, kind = len(point.parts), after.split(" ")[0]
    return kind


def refuse_remote(path: Path, mounts: str) -> None:
    """Refuse a store on a file system that is not this machine's own.

    Raises:
        ConfigError: it is on one, and is not forced to be.
    """
    kind = file_system_of(os.path.realpath(path), mounts)
    if kind is None or kind.partition(".")[0] not in REMOTE or os.environ.get(FORCE) == "1":
        return
    raise ConfigError(
        f"store = {str(path)!r} is on a file system of type {kind}, which other machines may write to: "
        f"a store there can be damaged. A disk of this machine is needed; {FORCE}=1 in the environment takes the risk"
    )
