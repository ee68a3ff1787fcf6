"""Real sockets: messages, breaks, kills, restarts, strangers."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import zmq

from actorcloud.base.errors import AddressInUse, ConfigError, InsecureKey, MessageTooLarge
from actorcloud.base.ids import Peer
from actorcloud.base.ports import DialFailed, PeerDown, PeerSuspect, PeerUp, TransportEvent
from actorcloud.net import PinFile, Reactor, ReactorOptions, new_key_pair
from actorcloud.net.curve import as_option
from actorcloud.net.resolver import parse_tcp
from tests.net.peers import HEAD, NODE, PATIENCE, Cluster, Log, cluster
from tests.port import free_port

TCP = "tcp://127.0.0.1:*"


@pytest.fixture
def ring() -> Iterator[Cluster]:
    with cluster() as made:
        yield made


@pytest.fixture
def ipc(tmp_path: Path) -> str:
    return f"ipc://{tmp_path}/run/head.sock"


def joined(ring: Cluster, listen: str) -> tuple[Reactor, Log, Reactor, Log]:
    head, head_log = ring.head(listen)
    node, node_log = ring.peer()
    node.dial(head.endpoints[0])
    head_log.wait_for(PeerUp)
    node_log.wait_for(PeerUp)
    return head, head_log, node, node_log


@pytest.mark.parametrize("kind", ["ipc", "tcp"])
def test_messages_of_every_size_arrive_in_order(ring: Cluster, ipc: str, kind: str) -> None:
    # Given
    head, _, _, node_log = joined(ring, ipc if kind == "ipc" else TCP)
    messages = [
        b"first",
        os.urandom(3_000_000),
        *(b"%d" % number for number in range(5000)),
        os.urandom(16 * 1024 * 1024),
    ]
    # When
    for start in range(0, len(messages), 700):
        assert head.send(NODE, messages[start : start + 700])
    # Then
    node_log.wait(lambda: len(node_log.messages) == len(messages))
    assert node_log.messages == messages


def test_an_answer_may_be_sent_from_the_sink(ring: Cluster, ipc: str) -> None:
    # Given
    head, head_log, node, _ = joined(ring, ipc)

    def answer(event: TransportEvent) -> None:
        head_log(event)
        head.send(NODE, [b"pong"])

    head._sink = answer
    log = Log()
    node._sink = log
    # When
    node.send(HEAD, [b"ping"])
    # Then
    log.wait(lambda: b"pong" in log.messages)


def test_closing_delivers_what_was_sent_and_says_goodbye(ring: Cluster, ipc: str) -> None:
    # Given
    _, head_log, node, _ = joined(ring, ipc)
    # When
    node.send(HEAD, [b"x" * 1_000_000] * 10)
    node.close()
    # Then
    head_log.wait_for(PeerDown, peer=NODE, reason="it was closed")
    assert len(head_log.messages) == 10


def test_a_broken_connection_is_resumed_without_loss(ring: Cluster) -> None:
    """The TCP connection is shut under libzmq's feet while messages stream."""
    # Given
    head, head_log, node, node_log = joined(ring, TCP)
    messages = [b"%d" % number for number in range(20_000)]
    # When
    for start in range(0, len(messages), 100):
        node.send(HEAD, messages[start : start + 100])
        if start == 10_000:
            shut_connections(int(parse_tcp(head.endpoints[0])[1]))
    # Then
    head_log.wait(lambda: len(head_log.messages) == len(messages))
    assert head_log.messages == messages
    # The head may see the new connection before the end of the old one, and then has nothing to tell.
    node_log.wait_for(PeerSuspect, peer=HEAD)
    node_log.wait_for(PeerUp, peer=HEAD, reset=False)
    assert not any(isinstance(event, PeerDown) for event in head_log.events)


def shut_connections(port: int) -> None:
    """Shut every TCP connection of this process to or from `port`."""
    for connection in psutil.Process().net_connections("tcp"):
        if connection.raddr and port in {connection.laddr.port, connection.raddr.port}:
            # Both ends are in this process: shutting the first may have closed the second already.
            with contextlib.suppress(OSError), socket.socket(fileno=os.dup(connection.fd)) as copy:
                copy.shutdown(socket.SHUT_RDWR)


def test_a_killed_process_is_suspect_at_once_and_replaced_by_its_next_start(ring: Cluster, ipc: str) -> None:
    # Given
    _, head_log = ring.head(ipc)
    process = start_node_process(ipc, 41)
    try:
        head_log.wait_for(PeerUp, peer=Peer("n1", 41))
        # When
        process.send_signal(signal.SIGKILL)
        process.wait(PATIENCE)
        # Then
        head_log.wait_for(PeerSuspect, peer=Peer("n1", 41))
        # When
        node, _ = ring.peer("n1", 42)
        node.dial(ipc)
        # Then
        head_log.wait_for(PeerUp, peer=Peer("n1", 42), reset=True)
        kinds = [type(event) for event in head_log.events]
        assert kinds == [PeerUp, PeerSuspect, PeerDown, PeerUp]
    finally:
        process.kill()
        process.wait(PATIENCE)


def start_node_process(endpoint: str, incarnation: int) -> subprocess.Popen[bytes]:
    code = f"""
        import threading
        from actorcloud.net import Reactor, ReactorOptions
        reactor = Reactor(ReactorOptions(name="n1", role="node", incarnation={incarnation}))
        reactor.start(lambda event: None)
        reactor.dial({endpoint!r})
        threading.Event().wait(60)
    """
    return subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)])


def test_a_lease_ends_and_that_start_is_fenced(ring: Cluster, ipc: str) -> None:
    # Given
    _, head_log = ring.head(ipc, timeout=0.6)
    process = start_node_process(ipc, 43)
    try:
        head_log.wait_for(PeerUp)
        # When
        process.send_signal(signal.SIGSTOP)
        # Then
        head_log.wait_for(PeerSuspect)
        head_log.wait_for(PeerDown)
        # When
        head_log.forget()
        node, node_log = ring.peer("n1", 43)
        node.dial(ipc)
        # Then
        assert node_log.wait_for(DialFailed).code == "fenced"
    finally:
        process.kill()
        process.wait(PATIENCE)


def test_a_restarted_head_resets_its_nodes(ring: Cluster, ipc: str) -> None:
    # Given
    head, _, _, node_log = joined(ring, ipc)
    # When
    head.close()
    node_log.wait_for(PeerDown, peer=HEAD)
    ring.head(ipc, incarnation=9)
    # Then
    node_log.wait_for(PeerUp, peer=Peer("head", 9), reset=True)


def test_the_head_dials_a_waiting_node_and_again_after_a_break(ring: Cluster) -> None:
    # Given
    port = free_port()
    head, head_log = ring.head("")
    node, node_log = ring.peer(listen=(f"tcp://127.0.0.1:{port}",))
    # When
    head.dial(f"tcp://127.0.0.1:{port}")
    # Then
    head_log.wait_for(PeerUp, peer=NODE, reset=True)
    node_log.wait_for(PeerUp, peer=HEAD)
    assert head.send(NODE, [b"hello"])
    node_log.wait(lambda: node_log.messages == [b"hello"])
    # When
    head_log.forget()
    shut_connections(port)
    # Then
    head_log.wait_for(PeerUp, peer=NODE, reset=False)
    assert node.send(HEAD, [b"still here"])
    head_log.wait(lambda: head_log.messages == [b"still here"])


def test_a_waiting_node_gives_an_impostor_nothing(ring: Cluster) -> None:
    # Given
    port = free_port()
    _, node_log = ring.peer(listen=(f"tcp://127.0.0.1:{port}",))
    with cluster() as other:  # another cluster has another head key
        # When
        impostor, impostor_log = other.head("")
        impostor.dial(f"tcp://127.0.0.1:{port}")
        # Then
        assert impostor_log.wait_for(DialFailed).code in {"wrong-key", "no-route", "timeout", "auth"}
        assert node_log.events == []


def test_a_wrong_head_key_is_told(ring: Cluster) -> None:
    head, _ = ring.head(TCP)
    node, log = ring.peer(head_key=new_key_pair().public)
    node.dial(head.endpoints[0])
    assert log.wait_for(DialFailed).code in {"wrong-key", "no-route"}


def test_a_wrong_secret_is_refused_for_good(ring: Cluster) -> None:
    # Given
    head, head_log = ring.head(TCP)
    node, log = ring.peer(secret=bytes(16))
    # When
    node.dial(head.endpoints[0])
    # Then
    failed = log.wait_for(DialFailed)
    assert (failed.code, failed.final) == ("auth", True)
    assert head_log.events == []


def test_nobody_there_is_told(ring: Cluster) -> None:
    node, log = ring.peer()
    node.dial("tcp://localhost:9")
    assert log.wait_for(DialFailed).code == "no-route"


def test_who_hangs_up_in_the_greeting_where_there_are_no_keys_has_no_wrong_one(ring: Cluster, tmp_path: Path) -> None:
    # Given a head that is killed as a client comes
    path = tmp_path / "head.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        node, log = ring.peer()
        # When
        node.dial(f"ipc://{path}")
        listener.accept()[0].close()
        # Then
        assert log.wait_for(DialFailed).code == "no-route"


def test_a_pinned_key_needs_no_secret_after_a_restart_and_its_name_is_taken(ring: Cluster, tmp_path: Path) -> None:
    # Given
    pins = tmp_path / "pins"
    pins.mkdir(mode=0o700)
    pair = new_key_pair()
    head, head_log = ring.head(TCP, pins=PinFile(pins / "pins.json"))
    first, _ = ring.peer(key_pair=pair)
    first.dial(head.endpoints[0])
    head_log.wait_for(PeerUp)
    first.close()
    head.close()
    # When
    head, head_log = ring.head(TCP, pins=PinFile(pins / "pins.json"), incarnation=2)
    again, _ = ring.peer(key_pair=pair, incarnation=3, secret=None)
    again.dial(head.endpoints[0])
    # Then
    head_log.wait_for(PeerUp, peer=Peer("n1", 3))
    # When another key claims the name, and the known key another name
    thief, thief_log = ring.peer(incarnation=4)
    thief.dial(head.endpoints[0])
    renamed, renamed_log = ring.peer("n2", 5, key_pair=pair)
    renamed.dial(head.endpoints[0])
    # Then
    assert thief_log.wait_for(DialFailed).code == "name-taken"
    assert renamed_log.wait_for(DialFailed).code == "auth"


def test_a_key_that_is_not_let_in_gets_not_one_byte(ring: Cluster) -> None:
    """Raw sockets, without any politeness of ours: no key, and an unknown one at a head that enrols nobody."""
    # Given
    ring.secret = None  # type: ignore[assignment]
    head, head_log = ring.head(TCP)
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    context.linger = 0
    for has_key in (False, True):
        dealer = context.socket(zmq.DEALER)
        dealer.setsockopt(zmq.RECONNECT_IVL, -1)
        if has_key:
            pair = new_key_pair()
            dealer.setsockopt(zmq.CURVE_PUBLICKEY, as_option(pair.public))
            dealer.setsockopt(zmq.CURVE_SECRETKEY, as_option(pair.secret))
            dealer.setsockopt(zmq.CURVE_SERVERKEY, as_option(ring.head_keys.public))
        # When
        dealer.connect(head.endpoints[0])
        dealer.send(b"\x93\x00\x00\x90")
        # Then
        assert not dealer.poll(300)
        dealer.close()
    context.destroy(linger=0)
    assert head_log.events == []


def test_a_pending_peer_hears_only_that_it_is_refused(ring: Cluster) -> None:
    # Given
    head, head_log = ring.head(TCP)
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    context.linger = 0
    pair = new_key_pair()
    dealer = context.socket(zmq.DEALER)
    dealer.setsockopt(zmq.CURVE_PUBLICKEY, as_option(pair.public))
    dealer.setsockopt(zmq.CURVE_SECRETKEY, as_option(pair.secret))
    dealer.setsockopt(zmq.CURVE_SERVERKEY, as_option(ring.head_keys.public))
    dealer.connect(head.endpoints[0])
    # When
    dealer.send(b"\x94\x01\x00\x91\xc4\x01x\x00")
    # Then
    assert dealer.poll(int(PATIENCE * 1000))
    assert b"no-session" in dealer.recv()
    dealer.close()
    context.destroy(linger=0)
    assert head_log.events == []


def test_garbage_is_one_log_line_and_harms_nobody(ring: Cluster, caplog: pytest.LogCaptureFixture) -> None:
    # Given
    head, head_log, node, _ = joined(ring, TCP)
    port = int(parse_tcp(head.endpoints[0])[1])
    caplog.clear()
    # When
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", port), 5) as stranger:
            stranger.sendall(b"GET / HTTP/1.1\r\nHost: head\r\n\r\n" * 3)
            stranger.settimeout(5)
            try:
                while stranger.recv(4096):
                    pass
            except OSError:
                pass
    # Then
    node.send(HEAD, [b"alive"])
    head_log.wait(lambda: head_log.messages == [b"alive"])
    assert len([record for record in caplog.records if "no peer" in record.message]) <= 1
    assert not any(isinstance(event, PeerSuspect) for event in head_log.events)


def test_a_second_head_on_one_path_is_refused(ring: Cluster, ipc: str) -> None:
    ring.head(ipc)
    with pytest.raises(AddressInUse, match="another head listens"):
        ring.head(ipc)


def test_a_second_head_on_one_port_is_refused(ring: Cluster) -> None:
    head, _ = ring.head(TCP)
    with pytest.raises(AddressInUse, match="in use by another process"):
        ring.head(head.endpoints[0])


@pytest.mark.parametrize("host", ["192.0.2.1", "nowhere.invalid"])
def test_an_address_of_another_machine_is_told_as_such(ring: Cluster, host: str) -> None:
    text = f"this machine has no address {host}; --listen 0.0.0.0:7999 listens at all"
    with pytest.raises(ConfigError, match=re.escape(text)):
        ring.head(f"tcp://{host}:7999")


def test_a_directory_that_others_can_enter_is_refused(ring: Cluster, tmp_path: Path) -> None:
    (tmp_path / "open").mkdir(mode=0o755)
    with pytest.raises(InsecureKey, match="chmod 700"):
        ring.head(f"ipc://{tmp_path}/open/head.sock")


@pytest.mark.parametrize("endpoint", ["http://x", "tcp://nohost", "ipc://relative", "tcp://a:b"])
def test_a_malformed_endpoint_is_the_callers_error(ring: Cluster, endpoint: str) -> None:
    node, _ = ring.peer()
    with pytest.raises(ConfigError, match="endpoint"):
        node.dial(endpoint)


def test_tcp_without_keys_does_not_exist() -> None:
    with pytest.raises(ConfigError, match="tcp needs key_pair"):
        ReactorOptions(name="head", role="head", incarnation=1, listen=("tcp://0.0.0.0:7710",))


def test_too_large_and_unknown_are_refused_at_once(ring: Cluster, ipc: str) -> None:
    head, _, _, _ = joined(ring, ipc)
    assert not head.send(Peer("n1", 777), [b"x"])
    with pytest.raises(MessageTooLarge):
        head.send(NODE, [bytes(17 * 1024 * 1024)])
