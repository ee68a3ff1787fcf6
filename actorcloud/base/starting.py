"""Starting one child process; loads little, as a node uses it before anything else.

Thread: one that lives as long as the process, such as a node's main thread. A child asks the kernel to be
killed when its parent dies, and the kernel means the *thread* that started it.

Reference: net-design 4.3; prctl(2), PR_SET_PDEATHSIG.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from typing import NamedTuple

#: What a node starts.
WORKER = "actorcloud.worker"


class Started(NamedTuple):
    """A child process and our end of its socketpair."""

    socket: socket.socket
    process: subprocess.Popen[bytes]


def start_process(module: str) -> Started:
    """Start a process that runs `module` with the other end of a socketpair.

    Args:
        module: run as `python -m MODULE FD PARENT_PID`, in a session of its own.

    Raises:
        OSError: it could not be started.
    """
    ours, theirs = socket.socketpair()
    # -P: a file of the working directory must not stand in for one of the standard library.
    command = [sys.executable, "-P", "-m", module, str(theirs.fileno()), str(os.getpid())]
    try:
        process = subprocess.Popen(
            command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, start_new_session=True
        )
    except BaseException:
        ours.close()
        raise
    finally:
        theirs.close()
    return Started(ours, process)
