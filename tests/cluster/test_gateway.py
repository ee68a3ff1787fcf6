"""Actors of two peers: asks, streams, monitors, losses; in the simulation, once over sockets."""

from __future__ import annotations

import functools
import pickle
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from actorcloud.actor import Actor, ActorDeadError, AskTimeout, Future, System
from actorcloud.base.errors import RemoteError, WireError
from actorcloud.base.exits import Crash, ExitReason
from actorcloud.base.ids import Peer
from actorcloud.base.ports import FromPeer, PeerDown, PeerSuspect, PeerUp
from actorcloud.cluster import Gateway, Neighbours, RemoteRef, RemoteReply, Subscribe
from actorcloud.net import LinkLimits, Reactor, ReactorOptions
from actorcloud.protocol.signal import Forget
from tests.cluster.towns import Add, Counter, Town, Towns, towns


@pytest.fixture
def pair() -> Iterator[Towns]:
    with towns() as made:
        yield made


def settle(pair: Towns, future: Future[Any]) -> Any:
    pair.simulation.run_until(future.is_done)
    return future.get()


def test_tells_arrive_in_order_as_they_were(pair: Towns) -> None:
    # Given
    counter = pair.node.neighbours.ref(pair.head.peer, "counter")
    # When
    for number in range(100):
        counter.tell({"number": number})
    # Then
    pair.simulation.run_until(lambda: len(pair.head.look(pair.head.counter).seen) == 100)
    assert [{"number": number} for number in range(100)] == pair.head.look(pair.head.counter).seen


def test_an_ask_is_answered_by_name_and_by_serial(pair: Towns) -> None:
    by_name = pair.node.neighbours.ref(pair.head.peer, "counter")
    by_serial = pair.node.neighbours.by_id(pair.head.counter.id)
    assert settle(pair, by_name.ask(Add(1), block=False)) == 2
    assert settle(pair, by_serial.ask(Add(2), block=False)) == 3
    assert by_serial == pair.head.counter


def test_a_thread_may_wait_for_the_answer(pair: Towns) -> None:
    counter = pair.node.neighbours.ref(pair.head.peer, "counter")
    assert settle(pair, pair.simulation.thread(pair.node.system, counter.ask, Add(41))) == 42


def test_a_stream_comes_part_by_part(pair: Towns) -> None:
    # Given
    parts: list[tuple[object, bool]] = []
    counter = pair.node.neighbours.ref(pair.head.peer, "counter")
    # When
    counter.ask_stream("stream", lambda value, more: parts.append((value, more)))
    pair.simulation.run_until(lambda: len(parts) == 2)
    pair.head.counter.tell("finish")
    pair.simulation.run_until(lambda: len(parts) == 3)
    # Then
    assert parts == [("part one", True), ("part two", True), ("the end", False)]


def test_a_crash_reaches_the_asker_as_text(pair: Towns) -> None:
    counter = pair.node.neighbours.ref(pair.head.peer, "counter")
    with pytest.raises(RemoteError, match="a bad day") as caught:
        settle(pair, counter.ask("crash", block=False))
    assert "The remote traceback" in caught.value.__notes__[0]


@pytest.mark.case(218, 219)
def test_asks_of_an_actor_that_has_died_fail_with_its_reason_or_at_once(pair: Towns) -> None:
    # Given
    refs = [pair.node.neighbours.by_id(pair.head.counter.id), pair.node.neighbours.ref(pair.head.peer, "counter")]
    waiting = [ref.ask("later", block=False) for ref in refs]
    pair.simulation.run(1)
    # When
    pair.head.counter.exit("a reason")
    pair.simulation.run(1)
    # Then
    for answer in waiting:
        with pytest.raises(ActorDeadError, match="a reason") as died:
            settle(pair, answer)
        assert died.value.reason == "a reason"
    for ref in refs:
        with pytest.raises(ActorDeadError) as caught:
            settle(pair, ref.ask(1, block=False))
        assert caught.value.reason is ExitReason.NOPROC


@pytest.mark.case(219)
def test_an_unknown_name_fails_at_once(pair: Towns) -> None:
    with pytest.raises(ActorDeadError, match="nobody"):
        settle(pair, pair.node.neighbours.ref(pair.head.peer, "nobody").ask(1, block=False))


@pytest.mark.case(47)
def test_telling_an_unknown_name_or_an_unreachable_peer_is_no_error(pair: Towns) -> None:
    nobody = pair.node.neighbours.ref(pair.head.peer, "nobody")
    nobody.tell("x")
    pair.simulation.run(1)
    pair.simulation.crash(pair.head.system)
    pair.simulation.run(60)
    nobody.tell("x")


def test_a_monitor_fires_with_the_reason(pair: Towns) -> None:
    # Given
    pair.node.watcher.tell(pair.node.neighbours.ref(pair.head.peer, "counter"))
    pair.simulation.run(1)
    # When
    pair.head.counter.tell("crash")
    # Then
    seen = pair.node.look(pair.node.watcher).seen
    pair.simulation.run_until(lambda: any(isinstance(item, tuple) for item in seen))
    reason = next(item[1] for item in seen if isinstance(item, tuple))
    assert isinstance(reason, Crash)
    assert (reason.type, reason.message) == ("ValueError", "a bad day")


@pytest.mark.case(199, 200)
@pytest.mark.parametrize("is_by_name", [True, False])
def test_an_exit_signal_ends_an_actor_elsewhere(pair: Towns, *, is_by_name: bool) -> None:
    counter = pair.node.neighbours.ref(pair.head.peer, "counter" if is_by_name else pair.head.counter.id.serial)
    assert settle(pair, counter.stop(block=False)) is True
    assert not pair.head.counter.is_alive()
    assert pair.head.system.whereis("counter") is None
    assert settle(pair, counter.stop(block=False)) is False


@pytest.mark.case(221, 222)
def test_a_crashed_peer_fails_asks_and_fires_monitors_after_its_last_message(pair: Towns) -> None:
    # Given
    head_watcher = pair.head.look(pair.head.watcher).seen
    agent = pair.head.neighbours.ref(pair.node.peer, "counter")
    pair.head.watcher.tell(agent)
    answer = agent.ask("later", block=False)
    pair.simulation.run(1)
    pair.node.neighbours.ref(pair.head.peer, pair.head.watcher.id.serial).tell("last words")
    pair.simulation.run(1)
    # When
    pair.crash(pair.node)
    pair.simulation.run(30)
    # Then
    with pytest.raises(ActorDeadError) as caught:
        answer.get(0)
    assert caught.value.reason is ExitReason.NOCONNECTION
    kinds = [type(item).__name__ if not isinstance(item, str | tuple) else item for item in head_watcher]
    assert kinds == ["PeerUp", "last words", "PeerSuspect", ("down", ExitReason.NOCONNECTION), "PeerDown"]
    # When
    for ref in (agent, pair.head.neighbours.by_id(pair.node.counter.id)):
        with pytest.raises(ActorDeadError) as caught:
            ref.ask(1, block=False).get(0)
        assert caught.value.reason is ExitReason.NOCONNECTION


def test_an_asker_that_is_gone_is_told_to_who_owes_the_answer(pair: Towns) -> None:
    # Given
    pair.node.neighbours.ref(pair.head.peer, "counter").ask("later", block=False)
    counter = pair.head.look(pair.head.counter)
    pair.simulation.run_until(lambda: bool(counter.open))
    # When
    pair.crash(pair.node)
    pair.simulation.run_until(lambda: bool(counter.abandoned))
    # Then
    assert counter.abandoned == counter.open
    assert counter.open[0].is_closed
    assert not pair.head.counter._cell.deferred
    assert not counter.open[0].set("too late")


def test_an_ask_that_was_given_up_is_forgotten_there(pair: Towns) -> None:
    # Given
    counter = pair.head.look(pair.head.counter)
    ref = pair.node.neighbours.ref(pair.head.peer, "counter")
    # When
    waiting = pair.simulation.thread(pair.node.system, ref.ask, "later", timeout=1.0)
    pair.simulation.run(2)
    # Then
    with pytest.raises(AskTimeout):
        waiting.get(0)
    assert counter.abandoned


def test_a_short_cut_is_not_noticed_by_askers(pair: Towns) -> None:
    # Given
    ref = pair.node.neighbours.ref(pair.head.peer, "counter")
    answer = ref.ask("later", block=False)
    pair.simulation.run(1)
    # When
    pair.network.cut("head", "n1")
    pair.head.counter.tell("finish")
    # Then
    assert settle(pair, answer) == "the end"
    pair.simulation.run(1)
    seen = pair.node.look(pair.node.watcher).seen
    assert [type(event) for event in seen] == [PeerUp, PeerSuspect, PeerUp]


def test_a_reset_fails_what_was_open_and_the_new_stream_works(pair: Towns) -> None:
    # Given
    ref = pair.node.neighbours.ref(pair.head.peer, "counter")
    answer = ref.ask("later", block=False)
    pair.simulation.run(1)
    # When
    pair.head.neighbours.reset(pair.node.peer)
    pair.simulation.run(3)
    # Then
    with pytest.raises(ActorDeadError):
        answer.get(0)
    assert settle(pair, ref.ask(Add(1), block=False)) == 2


def test_a_restarted_head_is_another_peer(pair: Towns) -> None:
    # Given
    old = pair.head.peer
    pair.crash(pair.head)
    # When
    pair.head = Town(pair, "head", "head")
    pair.simulation.run_until(lambda: pair.head.peer in pair.node.neighbours.peers)
    pair.simulation.run(1)
    # Then
    assert PeerDown(old, "the head was started anew") in pair.node.look(pair.node.watcher).seen
    ref = pair.node.neighbours.ref(pair.head.peer, "counter")
    assert settle(pair, ref.ask(Add(1), block=False)) == 2


def test_a_restarted_gateway_finds_its_peers_again(pair: Towns) -> None:
    # Given
    ref = pair.node.neighbours.ref(pair.head.peer, "counter")
    pair.node.gateway.kill()
    pair.simulation.run(1)
    # When
    with pair.node.system.activate():
        Gateway.start(lambda: pair.network.transport("n1", "node", pair.node.peer.incarnation), pair.node.neighbours)
    pair.simulation.run(3)
    # Then
    assert settle(pair, ref.ask(Add(1), block=False)) == 2


def test_a_full_line_holds_the_sender_up_and_loses_nothing() -> None:
    # Given
    with towns(limits=LinkLimits(outbox_records=20)) as pair:
        ref = pair.head.neighbours.ref(pair.node.peer, "counter")

        def flood() -> None:
            for number in range(500):
                ref.tell(number)

        # When
        done = pair.simulation.thread(pair.head.system, flood)
        settle(pair, done)
        pair.simulation.run(1)
        # Then
        assert pair.node.look(pair.node.counter).seen == list(range(500))


class Bomb:
    """Unpickling it is noticed."""

    gone_off: ClassVar[list[str]] = []

    def __reduce__(self) -> Any:
        return Bomb.gone_off.append, ("boom",)


def test_a_head_never_unpickles_and_opens_only_its_doors() -> None:
    """It also marks who told what, and nobody ends what is behind its doors."""
    # Given
    with towns(doors={"counter"}, marks_sender=True, may_unpickle=False) as pair:
        counter = pair.node.neighbours.ref(pair.head.peer, "counter")
        # When
        with pytest.raises(WireError, match="never unpickle"):
            settle(pair, counter.ask(Bomb(), block=False))
        counter.tell(Bomb())
        counter.tell(Forget(7))
        counter.exit(ExitReason.KILL)
        by_serial = pair.node.neighbours.by_id(pair.head.counter.id)
        with pytest.raises(ActorDeadError):
            settle(pair, by_serial.ask(Forget(8), block=False))
        with pytest.raises(ActorDeadError):
            settle(pair, pair.node.neighbours.ref(pair.head.peer, "secret").ask(Forget(9), block=False))
        # Then
        assert Bomb.gone_off == []
        assert pair.head.look(pair.head.counter).seen == [FromPeer(pair.node.peer, Forget(7))]


def test_remote_refs_travel_and_are_local_at_home(pair: Towns) -> None:
    # Given
    by_serial = pair.node.neighbours.by_id(pair.head.counter.id)
    by_name = pair.node.neighbours.ref(pair.head.peer, "counter")
    # When
    with pair.head.system.activate():
        home = pickle.loads(pickle.dumps(by_serial))
    with pair.node.system.activate():
        again = pickle.loads(pickle.dumps(by_name))
    # Then
    assert home == pair.head.counter
    assert not isinstance(home, RemoteRef)
    assert again == by_name


class Listening(Actor):
    """Sets an event when a peer is up."""

    def __init__(self, connected: threading.Event) -> None:
        self._connected = connected

    def on_receive(self, message: Any) -> None:
        if isinstance(message, PeerUp):
            self._connected.set()


def test_two_processes_speak_over_real_sockets(tmp_path: Path) -> None:
    # Given
    endpoint = f"ipc://{tmp_path}/run/head.sock"
    with System(name="head") as head, System(name="n1") as node:
        head_side, node_side = Neighbours(head, may_unpickle=True), Neighbours(node, may_unpickle=True)
        for system, side, role, listen in ((head, head_side, "head", (endpoint,)), (node, node_side, "node", ())):
            options = ReactorOptions(
                name=system.peer.name, role=role, incarnation=system.peer.incarnation, listen=listen
            )
            with system.activate():
                Counter.options(name="counter").start()
                Gateway.options(name="gateway").start(functools.partial(Reactor, options), side)
        connected = threading.Event()
        with node.activate():
            listener = Listening.start(connected)
        node.whereis("gateway").tell(Subscribe(listener))  # type: ignore[union-attr]  # started above
        # When
        node_side.dial(endpoint)
        assert connected.wait(60)
        ref = node_side.ref(head.peer, "counter")
        # Then
        assert ref.ask(Add(1)) == 2
        for number in range(5000):
            ref.tell(number)
        assert ref.ask("count") == 5001


def test_a_reply_handle_tells_who_asks() -> None:
    reply = RemoteReply(None, Peer("n1", 2), 7, lambda _: None)  # type: ignore[arg-type]  # it is not sent
    assert reply.close()
    assert not reply.close()
    assert "n1" in repr(reply)


def test_the_successor_of_a_killed_gateway_frees_its_sockets_first(tmp_path: Path) -> None:
    """A kill runs no hook, so the lock on the path is still held; the door must open again all the same."""
    # Given
    endpoint = f"ipc://{tmp_path}/run/head.sock"
    with System(name="head") as system, system.activate():
        options = ReactorOptions(name="head", role="head", incarnation=system.peer.incarnation, listen=(endpoint,))
        neighbours = Neighbours(system)
        first = Gateway.start(lambda: Reactor(options), neighbours)
        ended = first.monitor()
        # When
        first.kill()
        ended.get(60)
        second = Gateway.start(lambda: Reactor(options), neighbours)
        # Then
        assert second.is_alive()


@pytest.mark.parametrize("timeout", ["5", -1, True, float("nan")])
def test_a_wrong_timeout_is_refused_before_anything_is_sent(timeout: Any, pair: Towns) -> None:
    counter = pair.node.neighbours.ref(pair.head.peer, "counter")
    for call in (counter.ask, lambda _, timeout: counter.stop(timeout=timeout)):
        with pytest.raises(ValueError, match="timeout is"):
            call("later", timeout=timeout)
    assert settle(pair, counter.ask(Add(1), block=False)) == 2


def test_what_only_a_registrys_ref_can_do_is_refused_with_a_sentence(pair: Towns) -> None:
    with pytest.raises(AttributeError, match="no 'lookup': the actor lives on another peer"):
        pair.node.neighbours.ref(pair.head.peer, "counter").lookup("key")
