"""How a process of ours ends, as a number for shells, supervisors and scripts. Pure.

=====  ==================================  ===============================================
code   name                                meaning
=====  ==================================  ===============================================
0      OK                                  done
1      FAILED                              it did not work; of `result`: the job raised
2      USAGE                               the command line, a key, a value or a setting is wrong
69     UNAVAILABLE                         no head answers there; of a head: the port is in use
73     CANNOT_CREATE                       a store or export is damaged, too new, none, or in the way
75     TRY_AGAIN                           the same may work later; another head has the store, its server is away
77     NO_PERMISSION                       a key, a join string, a file's permissions, or a database that refuses
124    TIMED_OUT                           of `result`: the wait, or the job's own limit
130    INTERRUPTED                         Ctrl-C
137    KILLED                              of `result`: cancelled, or its process died too often
=====  ==================================  ===============================================

Reference: sysexits.h; timeout(1); the shell's 128 + signal.
"""

from __future__ import annotations

from enum import IntEnum

from actorcloud.base.errors import (
    ActorCloudError,
    AddressInUse,
    BadExport,
    BadJobRef,
    BadJoinString,
    BadKey,
    BadValue,
    CommitUnknown,
    ConfigError,
    CurveMissing,
    HeadUnreachable,
    InsecureKey,
    JobCancelled,
    JobSuspended,
    JobTimeout,
    JoinRefused,
    NoSpace,
    NotAStore,
    OpenDoor,
    ResultTimeout,
    StoreDamaged,
    StoreForbidden,
    StoreLocked,
    StoreNotEmpty,
    StoreTooNew,
    StoreUnreachable,
    TransactionError,
    UnknownHead,
    ValueTooLarge,
)


class ExitCode(IntEnum):
    """What the exit codes are called."""

    OK = 0
    FAILED = 1
    USAGE = 2
    UNAVAILABLE = 69
    CANNOT_CREATE = 73
    TRY_AGAIN = 75
    NO_PERMISSION = 77
    TIMED_OUT = 124
    INTERRUPTED = 130
    KILLED = 137


#: A process that ended so ends so again: starting it anew is of no use.
FINAL_CODES = frozenset({ExitCode.USAGE, ExitCode.UNAVAILABLE, ExitCode.CANNOT_CREATE, ExitCode.NO_PERMISSION})

#: Errors that have a code of their own; the first match counts, all others are FAILED.
_CODES: tuple[tuple[ExitCode, tuple[type[ActorCloudError], ...]], ...] = (
    (ExitCode.USAGE, (ConfigError, BadJobRef, BadJoinString, BadKey, BadValue, ValueTooLarge)),
    (ExitCode.UNAVAILABLE, (HeadUnreachable, AddressInUse, CurveMissing)),
    (ExitCode.CANNOT_CREATE, (NotAStore, StoreTooNew, StoreDamaged, StoreNotEmpty, BadExport)),
    (ExitCode.TRY_AGAIN, (StoreLocked, StoreUnreachable, TransactionError, CommitUnknown, NoSpace)),
    (ExitCode.NO_PERMISSION, (UnknownHead, JoinRefused, InsecureKey, OpenDoor, StoreForbidden)),
    (ExitCode.TIMED_OUT, (ResultTimeout, JobTimeout)),
    (ExitCode.KILLED, (JobCancelled, JobSuspended)),
)


def exit_code(error: BaseException) -> ExitCode:
    """Return the code with which a process ends that `error` ends.

    >>> exit_code(StoreLocked())
    <ExitCode.TRY_AGAIN: 75>
    """
    if isinstance(error, KeyboardInterrupt):
        return ExitCode.INTERRUPTED
    return next((code for code, classes in _CODES if isinstance(error, classes)), ExitCode.FAILED)
