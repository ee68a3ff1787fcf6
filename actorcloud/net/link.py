"""One stream of messages to one peer incarnation and back: sequence, ack, resume. Pure.

The link outlives connections. What was sent stays in the outbox until the peer has acknowledged it;
after a reconnect each side tells the number of the last record it has received, and the other sends
what follows: nothing is lost, nothing comes twice. If that is impossible the owner makes a new link.

::

    offer -> [unsent] -> next_envelope -> [unacked] -> peer's ack -> forgotten
                 ^                            |
                 +------- disconnected -------+

Bounds: `offer` refuses what does not fit the outbox; at most a window of bytes and envelopes is in
flight, so that a large message never keeps a small one waiting for long and ZeroMQ's own high-water
mark is never reached. Large messages are cut into fragments and put together by the receiver.

Reference: net-design 1.5, 1.9; TCP's cumulative ack.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import msgspec

from actorcloud.base.errors import ConfigError, MessageTooLarge, WireError
from actorcloud.protocol.envelope import FRAME_LIMIT_BYTES, MORE, RECORDS_LIMIT, Envelope

#: Bytes that msgpack adds to a record, at most.
_RECORD_OVERHEAD_BYTES = 5


class LinkLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How much one link holds."""

    #: Unacknowledged and unsent bytes together; a slow peer cannot cost more memory than this.
    outbox_bytes: int = 64 * 1024 * 1024
    #: The same, counted in records.
    outbox_records: int = 200_000
    #: The largest message; whatever is larger belongs into a blob store.
    message_bytes: int = 16 * 1024 * 1024 + 64 * 1024
    #: Larger messages are cut into pieces of this size.
    fragment_bytes: int = 256 * 1024
    #: An envelope is closed when it holds this much: a frame costs about 1.7 us, so many small ones share it.
    envelope_bytes: int = 64 * 1024
    #: Bytes in flight: 8 ms on a gigabit line, for whatever waits behind them.
    window_bytes: int = 4 * 1024 * 1024
    #: Envelopes in flight: far below ZeroMQ's high-water mark of 1000 frames.
    window_envelopes: int = 256

    def __post_init__(self) -> None:
        for field in self.__struct_fields__:
            if getattr(self, field) < 1:
                raise ConfigError(f"LinkLimits.{field} is {getattr(self, field)}; it must be at least 1")
        if self.fragment_bytes + self.envelope_bytes > FRAME_LIMIT_BYTES - 1024:
            raise ConfigError(
                f"LinkLimits: fragment_bytes {self.fragment_bytes} and envelope_bytes {self.envelope_bytes} "
                f"together must stay 1 KiB below the frame limit of {FRAME_LIMIT_BYTES}"
            )
        if self.message_bytes > self.outbox_bytes:
            raise ConfigError(
                f"LinkLimits.message_bytes {self.message_bytes} is more than outbox_bytes {self.outbox_bytes}"
            )


class Link:
    """The state of one stream, both directions.

    Thread: its owner's only; `released_bytes` and `released_records` may be read from any.
    """

    __slots__ = (
        "_acked",
        "_flight",
        "_flight_bytes",
        "_limits",
        "_outbox_bytes",
        "_partial",
        "_partial_bytes",
        "_unacked",
        "_unsent",
        "released_bytes",
        "released_records",
        "rx",
        "unanswered_bytes",
        "unanswered_envelopes",
    )

    def __init__(self, limits: LinkLimits) -> None:
        self._limits = limits
        #: Number of the last record the peer has acknowledged.
        self._acked = 0
        #: (bytes, continued) of records sent on this connection, from number `_acked + 1`.
        self._unacked: deque[tuple[bytes, bool]] = deque()
        self._unsent: deque[tuple[bytes, bool]] = deque()
        self._outbox_bytes = 0
        #: Number of the last record of each envelope in flight.
        self._flight: deque[int] = deque()
        self._flight_bytes = 0
        #: Fragments of a message that is not whole yet.
        self._partial: list[bytes] = []
        self._partial_bytes = 0
        #: Number of the last record received.
        self.rx = 0
        #: Received since our last ack.
        self.unanswered_envelopes = 0
        self.unanswered_bytes = 0
        #: What was ever acknowledged; only grows.
        self.released_bytes = 0
        self.released_records = 0

    # -- sending ------------------------------------------------------------------------------------

    def offer(self, messages: Sequence[bytes]) -> bool:
        """Take all of `messages` into the outbox, or none.

        Returns:
            False if they do not fit.

        Raises:
            MessageTooLarge: if one of them can never travel.
        """
        size, records = cost(messages, self._limits)
        waiting = len(self._unacked) + len(self._unsent)
        if self._outbox_bytes + size > self._limits.outbox_bytes or waiting + records > self._limits.outbox_records:
            return False
        self._outbox_bytes += size
        step = self._limits.fragment_bytes
        for message in messages:
            if len(message) <= step:
                self._unsent.append((message, False))
                continue
            for start in range(0, len(message), step):
                self._unsent.append((message[start : start + step], start + step < len(message)))
        return True

    @property
    def is_drained(self) -> bool:
        """Whether the peer has acknowledged everything."""
        return not self._unsent and not self._unacked

    @property
    def has_unsent(self) -> bool:
        """Whether something waits for the window or for a connection."""
        return bool(self._unsent)

    def next_envelope(self) -> Envelope | None:
        """Return the next records for the connection, with the newest ack; None if nothing may be sent now."""
        limits = self._limits
        if (
            not self._unsent
            or len(self._flight) >= limits.window_envelopes
            or (self._flight and self._flight_bytes >= limits.window_bytes)
        ):
            return None
        first = self._acked + len(self._unacked) + 1
        records: list[bytes] = []
        size = 0
        is_continued = False
        while self._unsent and size < limits.envelope_bytes and len(records) < RECORDS_LIMIT and not is_continued:
            record = self._unsent.popleft()
            self._unacked.append(record)
            data, is_continued = record
            records.append(data)
            size += len(data) + _RECORD_OVERHEAD_BYTES
            self._flight_bytes += len(data)
        self._flight.append(first + len(records) - 1)
        return Envelope(first, self.take_ack(), records, MORE if is_continued else 0)

    def take_ack(self) -> int:
        """Return the ack to send; the peer counts as answered."""
        self.unanswered_envelopes = 0
        self.unanswered_bytes = 0
        return self.rx

    @property
    def is_ack_urgent(self) -> bool:
        """Whether the peer's window may soon be full for want of our ack."""
        return (
            self.unanswered_envelopes * 4 >= self._limits.window_envelopes
            or self.unanswered_bytes * 4 >= self._limits.window_bytes
        )

    # -- receiving ----------------------------------------------------------------------------------

    def receive(self, envelope: Envelope) -> list[bytes]:
        """Take in an envelope of the current connection.

        Returns:
            The messages that are whole now, in order.

        Raises:
            WireError: if it breaks the protocol (a gap, an impossible ack, a message without end);
                the connection must be closed.
        """
        self._acknowledge(envelope.ack)
        records = envelope.records
        if not records:
            return []
        if not 1 <= envelope.first <= self.rx + 1:
            raise WireError(f"a gap: the records go on at {envelope.first}, but the last one received is {self.rx}")
        self.unanswered_envelopes += 1
        known = self.rx + 1 - envelope.first
        if known:
            records = records[known:]
        if not records:
            return []
        self.rx += len(records)
        self.unanswered_bytes += sum(map(len, records))
        is_continued = bool(envelope.flags & MORE)
        if not self._partial and not is_continued:
            return records
        return self._assemble(records, is_continued=is_continued)

    def _assemble(self, records: list[bytes], *, is_continued: bool) -> list[bytes]:
        whole: list[bytes] = []
        last = len(records) - 1
        for index, record in enumerate(records):
            self._partial.append(record)
            self._partial_bytes += len(record)
            if self._partial_bytes > self._limits.message_bytes:
                raise WireError(f"a message of more than {self._limits.message_bytes} bytes is under way")
            if index < last or not is_continued:
                whole.append(b"".join(self._partial) if len(self._partial) > 1 else record)
                self._partial = []
                self._partial_bytes = 0
        return whole

    def _acknowledge(self, ack: int) -> None:
        if not self._acked <= ack <= self._acked + len(self._unacked):
            if ack < self._acked:
                # Overtaken by a newer ack; only a forwarder could reorder, and it does no harm.
                return
            raise WireError(f"record {ack} is acknowledged, but {self._acked + len(self._unacked)} was the last sent")
        size = 0
        for _ in range(ack - self._acked):
            size += len(self._unacked.popleft()[0])
        self.released_records += ack - self._acked
        self.released_bytes += size
        self._outbox_bytes -= size
        self._flight_bytes -= size
        self._acked = ack
        while self._flight and self._flight[0] <= ack:
            self._flight.popleft()

    # -- connections --------------------------------------------------------------------------------

    def can_resume(self, peer_rx: int) -> bool:
        """Tell whether the peer, having received up to `peer_rx`, can be given all that follows."""
        return self._acked <= peer_rx <= self._acked + len(self._unacked)

    def disconnected(self) -> None:
        """The connection is gone: what is not acknowledged is in doubt until the peer tells its `rx`."""
        self._flight.clear()
        self._flight_bytes = 0

    def resume(self, peer_rx: int) -> None:
        """A new connection to the same stream: drop what has arrived, send the rest again, in order.

        Raises:
            WireError: if `can_resume(peer_rx)` is false.
        """
        if not self.can_resume(peer_rx):
            last = self._acked + len(self._unacked)
            raise WireError(f"the peer goes on after record {peer_rx}, we hold {self._acked + 1} to {last}")
        self._flight.clear()
        self._acknowledge(peer_rx)
        self._unsent.extendleft(reversed(self._unacked))
        self._unacked.clear()
        self._flight_bytes = 0


def cost(messages: Sequence[bytes], limits: LinkLimits) -> tuple[int, int]:
    """Return how many bytes and records `messages` take in an outbox.

    Raises:
        MessageTooLarge: if one of them can never travel.
    """
    size = sum(map(len, messages))
    if size <= limits.fragment_bytes:
        return size, len(messages)
    records = 0
    for message in messages:
        if len(message) > limits.message_bytes:
            raise MessageTooLarge(
                f"a message of {len(message)} bytes is larger than {limits.message_bytes}; "
                "put large data into the store or a file and send its name"
            )
        records += max(1, -(-len(message) // limits.fragment_bytes))
    return size, records
