"""The head over a transport whose other end is the test."""

from __future__ import annotations

import itertools
import queue
import threading
from collections.abc import Callable, Sequence
from functools import partial

import msgspec
import pytest

from actorcloud.base.clock import SystemClock
from actorcloud.base.errors import ClosedCloud, HeadUnreachable, JoinRefused, NoSuchJob
from actorcloud.base.ids import Peer
from actorcloud.base.ports import DialFailed, Guest, PeerDown, PeerSuspect, PeerUp, Received, TransportEvent
from actorcloud.client import Cloud
from actorcloud.client.transporthead import TransportHead
from actorcloud.protocol.job import Answer, GetJob
from actorcloud.protocol.message import Message, decode, encode
from actorcloud.protocol.signal import Ask, Failed, Forget, Reply
from tests.client.fakes import FakeHead

ENDPOINT = "ipc:///run/head.sock"
HEAD = Peer("head", 1)


class FakeTransport:
    """A transport whose other end is the test."""

    def __init__(self) -> None:
        self.sink: Callable[[TransportEvent], None] = lambda event: None
        self.sent: list[Message] = []
        self.dialled: list[str] = []
        self.is_full = False
        self.closed = False
        self.on_dial: Callable[[], None] = lambda: None

    def start(self, sink: Callable[[TransportEvent], None], guests: Sequence[Guest] = ()) -> None:
        self.sink = sink

    def send(self, peer: Peer, messages: Sequence[bytes]) -> bool:
        if not self.is_full:
            self.sent.extend(decode(message) for message in messages)
        return not self.is_full

    def dial(self, endpoint: str) -> None:
        self.dialled.append(endpoint)
        self.on_dial()

    def close(self, reason: str = "") -> None:
        self.closed = True

    def hang_up(self, endpoint: str) -> None: ...
    def reset(self, peer: Peer) -> None: ...
    def drop(self, peer: Peer, reason: str) -> None: ...

    # -- what tests do

    def up(self, peer: Peer = HEAD, *, reset: bool = True) -> None:
        self.sink(PeerUp(peer, "head", reset, {}))

    def arrive(self, *messages: Message) -> None:
        self.sink(Received(HEAD, [encode(message) for message in messages]))


class Answers:
    """What came back."""

    def __init__(self) -> None:
        self.got: list[tuple[Message | Exception, bool]] = []

    def __call__(self, reply: Message | Exception, more: bool) -> None:  # noqa: FBT001  an OnReply
        self.got.append((reply, more))


@pytest.fixture
def transport() -> FakeTransport:
    transport = FakeTransport()
    transport.on_dial = transport.up
    return transport


@pytest.fixture
def head(transport: FakeTransport) -> TransportHead:
    head = TransportHead(transport, (ENDPOINT,), SystemClock())
    head.start(1)
    return head


def body(message: Message) -> msgspec.Raw:
    return msgspec.Raw(encode(message))


def test_it_dials_until_the_head_answers(head: TransportHead, transport: FakeTransport) -> None:
    assert transport.dialled == [ENDPOINT]
    assert head.away_since is None


def test_nobody_there_is_said_with_the_endpoint() -> None:
    # Given
    head = TransportHead(FakeTransport(), (ENDPOINT,), SystemClock())
    # Then
    with pytest.raises(HeadUnreachable, match=ENDPOINT):
        head.start(0.01)


def test_a_refusal_is_raised_as_it_is(transport: FakeTransport) -> None:
    # Given
    transport.on_dial = lambda: transport.sink(DialFailed(ENDPOINT, "join-refused", "wrong secret", True))
    head = TransportHead(transport, (ENDPOINT,), SystemClock())
    # Then
    with pytest.raises(JoinRefused, match="wrong secret"):
        head.start(1)
    answers = Answers()
    head.ask("jobs", GetJob(bytes(16)), answers)
    ((error, more),) = answers.got
    assert isinstance(error, JoinRefused)
    assert more is False


def test_a_head_of_another_key_is_refused_at_once_where_there_is_no_other(transport: FakeTransport) -> None:
    # Given
    transport.on_dial = lambda: transport.sink(DialFailed(ENDPOINT, "wrong-key", "not the key of our head", False))
    # Then
    with pytest.raises(JoinRefused, match="not the key of our head"):
        TransportHead(transport, (ENDPOINT,), SystemClock()).start(5)


def test_why_nobody_answers_is_told() -> None:
    # Given
    transport = FakeTransport()
    transport.on_dial = lambda: transport.sink(DialFailed(ENDPOINT, "no-route", "nobody answers there", False))
    # Then
    with pytest.raises(HeadUnreachable, match="nobody answers there"):
        TransportHead(transport, (ENDPOINT,), SystemClock()).start(0.01)


def test_answers_find_their_ask(head: TransportHead, transport: FakeTransport) -> None:
    # Given
    one, two = Answers(), Answers()
    head.ask("jobs", GetJob(bytes(16)), one)
    head.ask("store", GetJob(bytes(16)), two)
    first, second = transport.sent
    assert isinstance(first, Ask)
    assert isinstance(second, Ask)
    assert (first.to, decode(first.body)) == ("jobs", GetJob(bytes(16)))
    # When
    yes, no = Answer(changed=True), Answer(changed=False)
    transport.arrive(Reply(second.id, body(no)), Reply(first.id, body(no), True), Reply(first.id, body(yes)))
    transport.arrive(Reply(first.id, body(no)))
    # Then
    assert one.got == [(no, True), (yes, False)]
    assert two.got == [(no, False)]


def test_an_error_of_the_heads_is_its_class_again(head: TransportHead, transport: FakeTransport) -> None:
    # Given
    answers = Answers()
    head.ask("jobs", GetJob(bytes(16)), answers)
    # When
    transport.arrive(Failed(transport.sent[0].id, NoSuchJob.code, "gone"))  # type: ignore[attr-defined]
    # Then
    ((error, _),) = answers.got
    assert isinstance(error, NoSuchJob)
    assert str(error) == "gone"


def test_a_forgotten_ask_gets_no_answer(head: TransportHead, transport: FakeTransport) -> None:
    # Given
    answers = Answers()
    asking = head.ask("jobs", GetJob(bytes(16)), answers)
    number = transport.sent[0].id  # type: ignore[attr-defined]
    # When
    asking.forget()
    asking.forget()
    transport.arrive(Reply(number, body(Answer(changed=True))))
    # Then
    assert transport.sent[1:] == [Forget(number)]
    assert answers.got == []


def test_a_resumed_connection_voids_nothing(head: TransportHead, transport: FakeTransport) -> None:
    # Given
    resets: list[None] = []
    head.on_reset(lambda: resets.append(None))
    answers = Answers()
    head.ask("jobs", GetJob(bytes(16)), answers)
    # When
    transport.sink(PeerSuspect(HEAD))
    assert head.away_since is not None
    transport.up(reset=False)
    transport.arrive(Reply(transport.sent[0].id, body(Answer(changed=True))))  # type: ignore[attr-defined]
    # Then
    assert head.away_since is None
    assert resets == []
    assert len(answers.got) == 1


def test_after_a_reset_older_answers_count_for_nothing(head: TransportHead, transport: FakeTransport) -> None:
    # Given
    resets: list[None] = []
    head.on_reset(lambda: resets.append(None))
    answers = Answers()
    head.ask("jobs", GetJob(bytes(16)), answers)
    # When
    transport.sink(PeerDown(HEAD, "lease over"))
    assert head.away_since is not None
    head.ask("jobs", GetJob(bytes(16)), answers)
    transport.up(Peer("head", 2))
    transport.arrive(Reply(transport.sent[0].id, body(Answer(changed=True))))  # type: ignore[attr-defined]
    # Then
    assert resets == [None]
    assert answers.got == []
    # What was asked without a head was not sent: the reset has it asked anew.
    assert len(transport.sent) == 1


def test_what_a_full_outbox_did_not_take_goes_when_there_is_room(head: TransportHead, transport: FakeTransport) -> None:
    # Given
    transport.is_full = True
    for _ in range(3):
        head.ask("jobs", GetJob(bytes(16)), Answers())
    transport.arrive()
    assert transport.sent == []
    # When
    transport.is_full = False
    transport.arrive()
    # Then
    numbers = [message.id for message in transport.sent if isinstance(message, Ask)]
    assert len(numbers) == 3
    assert numbers == sorted(numbers)


def test_what_a_full_outbox_did_not_take_is_tried_again_by_who_waits(
    head: TransportHead, transport: FakeTransport
) -> None:
    # Given an outbox that is full of what nobody answers
    transport.is_full = True
    head.ask("jobs", GetJob(bytes(16)), Answers())
    # When it has room again, and nothing comes in
    transport.is_full = False
    # Then
    assert head.wait(lambda: len(transport.sent) == 1, 60)


def test_asks_beyond_the_limit_of_the_backlog_are_kept_and_in_order(
    head: TransportHead, transport: FakeTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given
    monkeypatch.setattr("actorcloud.client.transporthead._BACKLOG_LIMIT", 2)
    transport.is_full = True
    for _ in range(5):
        head.ask("jobs", GetJob(bytes(16)), Answers())
    # When
    transport.is_full = False
    assert head.wait(lambda: len(transport.sent) == 5, 60)
    # Then
    numbers = [message.id for message in transport.sent if isinstance(message, Ask)]
    assert numbers == sorted(numbers)


def test_asks_that_found_nobody_are_tried_again_in_order(head: TransportHead, transport: FakeTransport) -> None:
    # Given
    for _ in range(3):
        head.ask("jobs", GetJob(bytes(16)), Answers())
    numbers = [message.id for message in transport.sent if isinstance(message, Ask)]
    transport.arrive(*(Failed(number, "actor-dead", "the manager restarts") for number in numbers))
    # When another one is asked meanwhile
    head.ask("jobs", GetJob(bytes(16)), Answers())
    # Then it does not overtake them
    assert head.wait(lambda: len(transport.sent) == 7, 60)
    asked = [message.id for message in transport.sent[3:] if isinstance(message, Ask)]
    assert asked == sorted(asked)


def test_an_ask_that_found_nobody_is_tried_again_by_who_waits(head: TransportHead, transport: FakeTransport) -> None:
    # Given
    answers = Answers()
    head.ask("jobs", GetJob(bytes(16)), answers)
    number = transport.sent[0].id  # type: ignore[attr-defined]
    transport.arrive(Failed(number, "actor-dead", "the manager restarts"))
    assert answers.got == []
    # When
    assert head.wait(lambda: len(transport.sent) == 2, 60)
    transport.arrive(Reply(number, body(Answer(changed=True))))
    # Then
    assert answers.got == [(Answer(changed=True), False)]


def test_unreadable_bytes_spoil_only_themselves(
    head: TransportHead, transport: FakeTransport, caplog: pytest.LogCaptureFixture
) -> None:
    # Given
    answers = Answers()
    head.ask("jobs", GetJob(bytes(16)), answers)
    good = encode(Reply(transport.sent[0].id, body(Answer(changed=True))))  # type: ignore[attr-defined]
    # When
    transport.sink(Received(HEAD, [b"\xc1", encode(GetJob(bytes(16))), good]))
    # Then
    assert len(answers.got) == 1
    assert "unreadable" in caplog.text
    assert "GetJob, which no client takes" in caplog.text


def test_closing_wakes_who_waits(head: TransportHead, transport: FakeTransport) -> None:
    # Given
    cloud = Cloud.over(head)
    waits = threading.Event()
    errors: list[Exception] = []

    def wait() -> None:
        waits.set()
        try:
            cloud.info()
        except ClosedCloud as error:
            errors.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    assert waits.wait(60)
    # When
    cloud.close()
    # Then
    thread.join(60)
    assert len(errors) == 1
    assert transport.closed


def test_a_whole_cloud_works_over_it(head: TransportHead, transport: FakeTransport) -> None:
    # Given: a model of the head at the other end of the transport
    model = FakeHead()

    def serve(peer: Peer, messages: Sequence[bytes]) -> bool:
        for data in messages:
            ask = decode(data)
            if isinstance(ask, Ask):
                model.ask(str(ask.to), decode(ask.body), partial(_reply, ask))
        pump.put(model.deliver_all)
        return True

    def _reply(ask: Ask, reply: Message | Exception, more: bool) -> None:  # noqa: FBT001  an OnReply
        assert isinstance(reply, Message)
        transport.arrive(Reply(ask.id, body(reply), more))

    pump: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
    thread = threading.Thread(target=lambda: [step() for step in iter(pump.get, None)])
    thread.start()
    transport.send = serve  # type: ignore[method-assign]
    # When
    with Cloud.over(head) as cloud:
        values = list(cloud.map(abs, range(-5000, 0)))
        futures = [cloud.submit(abs, -number) for number in range(500)]
        # Then
        assert values == list(range(5000, 0, -1))
        assert [future.result(timeout=120) for future in futures] == list(range(500))
    pump.put(None)
    thread.join(60)


def test_no_ask_is_lost_or_sent_twice_whoever_sends_what_had_waited(
    head: TransportHead, transport: FakeTransport
) -> None:
    # Given an outbox that is full now and then, threads that wait, and answers that come in
    turns = itertools.count()
    lock = threading.Lock()

    def send(peer: Peer, messages: Sequence[bytes]) -> bool:
        with lock:
            if next(turns) % 7 < 4:
                return False
        transport.sent.extend(decode(message) for message in messages)
        return True

    transport.send = send  # type: ignore[method-assign]
    is_over = threading.Event()
    waiting = [threading.Thread(target=head.wait, args=(is_over.is_set, 20.0)) for _ in range(3)]

    def receive() -> None:
        while not is_over.is_set():
            transport.arrive()

    receiving = threading.Thread(target=receive)
    for thread in (*waiting, receiving):
        thread.start()
    # When
    for _ in range(2000):
        head.ask("jobs", GetJob(bytes(16)), Answers())
    assert head.wait(lambda: len(transport.sent) >= 2000, 60)
    is_over.set()
    head.wake()
    for thread in (*waiting, receiving):
        thread.join(60)
    # Then
    numbers = [message.id for message in transport.sent if isinstance(message, Ask)]
    assert numbers == sorted(set(numbers))
    assert len(numbers) == 2000
