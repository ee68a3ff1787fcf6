"""The errors of actorcloud: one tree, one root, a stable code each.

::

    ActorCloudError
    |-- ConfigError                      a setting is wrong
    |-- ClosedCloud, ForkedCloud         the Cloud object may no longer be used
    |-- ActorError                       floor: actor (its classes that are also Pykka's live there)
    |   |-- StartError, NameTaken, BadChildSpec, NoSuchChild, NoSuchName, NodeDown
    |-- NetError                         floor: net
    |   |-- UnknownHead, HeadUnreachable, JoinRefused, AddressInUse, BadJoinString
    |   |-- WireError, MessageTooLarge, CurveMissing, InsecureKey, OpenDoor
    |-- StoreError                       floor: store
    |   |-- TransactionError
    |   |   |-- TransactionTooLarge, ConditionFailed
    |   |-- CommitUnknown, NotInTransaction, NestedTransaction, OnceReused, NotInJob
    |   |-- ReadOnlyTransaction, ImpureTransaction, TooManyWatches
    |   |-- StoreLocked
    |   |   |-- StoreLeased
    |   |-- StoreUnreachable, StoreForbidden, NotAStore, StoreTooNew, StoreDamaged, StoreNotEmpty, BadExport
    |   |-- NoSpace, BadKey, BadValue, ValueTooLarge, ValueUnreadable, QuotaExceeded
    |-- JobsError                        floor: jobs
        |-- NoSuchJob, BadJobRef, JobConflict, JobSuspended, JobCancelled, JobTimeout, ResultTimeout
        |-- RemoteError, Unpicklable, PayloadTooLarge, ResultUnreadable, NoSuchNode

A code and a text cross the wire, never a class: `from_code` finds the class again in the receiver.
Timeouts are `TimeoutError`s too, bad values `ValueError`s, so that a caller need not know this tree.

Reference: DBOS' numbered error codes; httpx' one tree; procrastinate's docstring as default message.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import ClassVar


class ActorCloudError(Exception):
    """Something in actorcloud failed."""

    #: Stable name of this class on the wire and in `--json` output.
    code: ClassVar[str] = "error"
    #: Whether something outside of this program is at fault, so that a log is better off without a traceback.
    is_outage: ClassVar[bool] = False

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or inspect.cleandoc(type(self).__doc__ or ""))


class ConfigError(ActorCloudError, ValueError):
    """A setting is wrong; the message names it, its value and what is allowed."""

    code = "config"


class ClosedCloud(ActorCloudError):
    """This Cloud has been closed; open a new one."""

    code = "closed"


class ForkedCloud(ActorCloudError):
    """This Cloud was opened before os.fork(); open one of your own in the child process."""

    code = "forked"


# -- actor ----------------------------------------------------------------------------------------


class ActorError(ActorCloudError):
    """An actor could not do what was asked."""

    code = "actor"


class StartError(ActorError):
    """An actor could not be started; the cause says why."""

    code = "start"

    def __init__(self, message: str | None = None, reason: object = None) -> None:
        super().__init__(message)
        #: What the actor ended with; None if that is not known.
        self.reason = reason


class NameTaken(ActorError):
    """Another live actor is registered under this name."""

    code = "name-taken"


class NoSuchName(ActorError, LookupError):
    """No live actor is registered under this name."""

    code = "no-such-name"


class BadChildSpec(ActorError, ValueError):
    """A child spec has a wrong field; the message names it, what was given and what is allowed."""

    code = "bad-child-spec"


class NoSuchChild(ActorError, LookupError):
    """The supervisor has no child of this id."""

    code = "no-such-child"


class NodeDown(ActorError, ConnectionError):
    """The peer of this actor is not connected, or was lost; the actor itself may be alive."""

    code = "node-down"


# -- net ------------------------------------------------------------------------------------------


class NetError(ActorCloudError):
    """The network or a peer failed."""

    code = "net"


class UnknownHead(NetError):
    """This head is not known here; run `actorcloud join-string` on its machine and use what it prints."""

    code = "unknown-head"


class HeadUnreachable(NetError, ConnectionError):
    """The head does not answer. Jobs that were acknowledged are safe in its store."""

    code = "head-unreachable"

    #: The `JobRef`s of the jobs that the failed call was about, acknowledged or not.
    refs: Sequence[object] = ()


class JoinRefused(NetError):
    """The head refused this peer; the message says why."""

    code = "join-refused"


class AddressInUse(NetError, OSError):
    """The address is in use by another process."""

    code = "address-in-use"


class BadJoinString(NetError, ValueError):
    """This is not a join string; run `actorcloud join-string` on the head's machine and copy the whole line."""

    code = "bad-join-string"


class WireError(NetError, ValueError):
    """A peer sent bytes that are no message of ours; its session is closed."""

    code = "wire"


class MessageTooLarge(NetError, ValueError):
    """A message is larger than the wire carries."""

    code = "message-too-large"


class CurveMissing(NetError):
    """This libzmq has no CURVE; install pyzmq from its wheel (`pip install --force-reinstall pyzmq`)."""

    code = "curve-missing"


class InsecureKey(NetError, PermissionError):
    """A key file can be read by others; run chmod 600 on it and 700 on its directory."""

    code = "insecure-key"


class OpenDoor(NetError):
    """The start-up check got in without a valid key: this head refuses to listen."""

    code = "open-door"


# -- store ----------------------------------------------------------------------------------------


class StoreError(ActorCloudError):
    """The store could not do what was asked."""

    code = "store"


class TransactionError(StoreError):
    """The transaction was not committed; nothing of it is in the store."""

    code = "transaction"


class TransactionTooLarge(TransactionError):
    """The transaction reads or writes more than one transaction may; split it."""

    code = "transaction-too-large"


class ConditionFailed(TransactionError):
    """A condition of the transaction did not hold when it was to be committed; nothing of it is in the store."""

    code = "condition-failed"

    #: Whether the function is to be run again rather than told.
    retry: bool = False


class CommitUnknown(StoreError):
    """The head went away before it answered: what was asked was committed, or it was not."""

    code = "commit-unknown"

    #: The `JobRef`s of the jobs that were, or were not, added.
    refs: Sequence[object] = ()


class NotInTransaction(StoreError):
    """What belongs to a transaction was used outside of the function given to `mutate_store`."""

    code = "not-in-transaction"


class NestedTransaction(StoreError):
    """`mutate_store` was called inside a transaction; use the running one, or call it after."""

    code = "nested-transaction"


class ReadOnlyTransaction(StoreError):
    """Something was to be written inside `snapshot`, which only reads; use `mutate_store`."""

    code = "read-only-transaction"


class ImpureTransaction(StoreError):
    """The function did not do the same when it was run twice; the message says what differed."""

    code = "impure-transaction"


class OnceReused(StoreError):
    """A second transaction of this run used the same `once` name; give each its own."""

    code = "once-reused"


class NotInJob(StoreError):
    """`once=` and `current()` exist only inside a job."""

    code = "not-in-job"


class TooManyWatches(StoreError):
    """This client, or node with its jobs, watches as many keys as it may; close some of its watches."""

    code = "too-many-watches"


class StoreLocked(StoreError):
    """Another head has this store open."""

    code = "store-locked"


class StoreLeased(StoreLocked):
    """A head of another home has this store, until its lease is over."""

    code = "store-leased"
    is_outage = True


class StoreUnreachable(StoreError):
    """The database with the store does not answer; see whether its server runs, and try again."""

    code = "store-unreachable"
    is_outage = True


class StoreForbidden(StoreError):
    """The database with the store does not let us in; see to user, password and rights."""

    code = "store-forbidden"


class NotAStore(StoreError):
    """This directory holds something else than an actorcloud store."""

    code = "not-a-store"


class StoreTooNew(StoreError):
    """This store was written by a newer actorcloud; upgrade this one."""

    code = "store-too-new"


class StoreDamaged(StoreError):
    """The store's file is damaged; restore it from a backup."""

    code = "store-damaged"


class StoreNotEmpty(StoreError):
    """There is something where a store was to be made; name a new directory."""

    code = "store-not-empty"


class BadExport(StoreError, ValueError):
    """This file is no whole export of a store."""

    code = "bad-export"


class NoSpace(StoreError):
    """The disk or the store's map is full; nothing of this commit was written."""

    code = "no-space"


class QuotaExceeded(StoreError):
    """A job or a named space would have more keys or bytes than it may; nothing of this commit was written."""

    code = "quota-exceeded"


class BadKey(StoreError, ValueError):
    """A store key is of a wrong type or too long."""

    code = "bad-key"


class BadValue(StoreError, TypeError):
    """A store value does not fit its codec, or what is to be done with it."""

    code = "bad-value"


class ValueTooLarge(StoreError, ValueError):
    """A store value is larger than the limit."""

    code = "value-too-large"


class ValueUnreadable(StoreError):
    """This program cannot decode a value of the store; the message names its key, codec and class."""

    code = "value-unreadable"

    def __init__(self, message: str | None = None, raw: bytes = b"", codec: str = "") -> None:
        super().__init__(message)
        #: The bytes, without the codec.
        self.raw = raw
        #: Their codec: "pickle", "msgpack", "raw" or "int".
        self.codec = codec


# -- jobs -----------------------------------------------------------------------------------------


class JobsError(ActorCloudError):
    """A job could not do what was asked."""

    code = "jobs"


class NoSuchJob(JobsError, LookupError):
    """No job has this reference: it was deleted, or added to another store."""

    code = "no-such-job"


class BadJobRef(JobsError, ValueError):
    """This is not a job reference (26 letters and digits, as `add-job` prints them)."""

    code = "bad-job-ref"


class JobConflict(JobsError, ValueError):
    """This reference or key already names another job."""

    code = "job-conflict"


class JobSuspended(JobsError):
    """The job is suspended and has no result; `why` says what it waits for."""

    code = "job-suspended"

    def __init__(self, message: str | None = None, why: object = None) -> None:
        super().__init__(message)
        #: What `Suspended.why` of the job's state holds.
        self.why = why


class JobCancelled(JobsError):
    """The job was cancelled."""

    code = "job-cancelled"


class JobTimeout(JobsError, TimeoutError):
    """A run of the job took longer than its `timeout` and was killed."""

    code = "job-timeout"


class ResultTimeout(JobsError, TimeoutError):
    """The result did not come within the wait's own timeout; the job goes on."""

    code = "result-timeout"


class RemoteError(JobsError):
    """The job raised an error whose class cannot be had here; the text is the remote traceback."""

    code = "remote"


class Unpicklable(JobsError, TypeError):
    """Something that must travel cannot be pickled; the message names it."""

    code = "unpicklable"


class PayloadTooLarge(JobsError, ValueError):
    """A function, argument list or result is larger than a job can carry."""

    code = "payload-too-large"


class ResultUnreadable(JobsError):
    """The job is done, but this program cannot unpickle its result; the message names what is missing."""

    code = "result-unreadable"


class NoSuchNode(JobsError, LookupError):
    """No node of this name has joined."""

    code = "no-such-node"


def from_code(code: str, text: str) -> ActorCloudError:
    """Return the error that a peer reported.

    Args:
        code: the class's stable `code`; an unknown one gives an `ActorCloudError`.
        text: the message, shown as it is.

    Returns:
        An instance to raise; this function raises nothing.
    """
    return _by_code().get(code, ActorCloudError)(text)


def _by_code() -> dict[str, type[ActorCloudError]]:
    known: dict[str, type[ActorCloudError]] = {}
    waiting: list[type[ActorCloudError]] = [ActorCloudError]
    while waiting:
        cls = waiting.pop()
        known.setdefault(cls.code, cls)
        waiting.extend(cls.__subclasses__())
    return known
