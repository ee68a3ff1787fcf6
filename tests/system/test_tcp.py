"""A head and nodes over loopback tcp, with CURVE: who is let in, who is not, and what they are told."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq

from actorcloud import Cloud, NodeRef
from actorcloud.base.errors import (
    BadJoinString,
    ConfigError,
    HeadUnreachable,
    JoinRefused,
    NoSuchNode,
    UnknownHead,
)
from actorcloud.net import JoinString, new_key_pair
from actorcloud.protocol.handshake import Reject, decode_handshake
from actorcloud.protocol.job import GetJob, JobDetail
from tests.port import free_port
from tests.system.cluster import Process, Site, wait_for

pytestmark = pytest.mark.slow

#: Seconds: the machine is shared.
LONG = 60


class Cluster:
    """A head that listens on the loopback."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.port = free_port()
        self.head = site.head("--listen", f"127.0.0.1:{self.port}")
        self.join = site.wait_head(self.head).join
        self.string = JoinString.parse(self.join)


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as site:
        yield site


@pytest.fixture
def cluster(site: Site) -> Cluster:
    return Cluster(site)


@pytest.fixture
def cloud(cluster: Cluster) -> Iterator[Cloud]:
    with Cloud(cluster.join) as cloud:
        yield cloud


def listening(cluster: Cluster, name: str, *arguments: str, **options: dict[str, str]) -> tuple[Process, int]:
    """Start a node that waits for its head; return it and its port."""
    port = free_port()
    node = cluster.site.node(name, "--join", cluster.join, "--listen", f"127.0.0.1:{port}", *arguments, **options)  # type: ignore[arg-type]  # only environment

    def listens() -> bool:
        assert node.is_running, repr(node)
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    wait_for(listens, f"node {name} at its port")
    return node, port


def _wait_for_file(path: str) -> int:
    while not Path(path).exists():
        threading.Event().wait(0.01)
    return os.getppid()


# -- the two ways to join ---------------------------------------------------------------------------


def test_a_cloud_of_two_nodes_one_that_dials_and_one_that_is_dialled(cluster: Cluster, cloud: Cloud) -> None:
    # When
    cluster.site.node("dials", "--join", cluster.join)
    wait_for(lambda: NodeRef("dials") in cloud.nodes(), "the node that dials")
    _, port = listening(cluster, "dialled")
    assert cloud.add_node("127.0.0.1", port) == NodeRef("dialled")
    # Then
    assert cloud.nodes() == [NodeRef("dialled"), NodeRef("dials")]
    assert cloud.add_node("127.0.0.1", port) == NodeRef("dialled")
    barrier = str(cluster.site.directory / "met")

    def meet(path: str, me: int) -> int:
        # Each waits for the other: both nodes run one.
        Path(f"{path}{me}").touch()
        while not Path(f"{path}{1 - me}").exists():
            threading.Event().wait(0.01)
        return os.getppid()

    parents = cloud.results([cloud.add_job(meet, barrier, me) for me in (0, 1)], LONG)
    assert len(set(parents)) == 2
    assert cloud.results(cloud.add_jobs(abs, range(-500, 0)), LONG) == list(range(500, 0, -1))


def test_a_client_that_has_joined_once_knows_the_head_by_its_address(cluster: Cluster) -> None:
    # Given
    address = f"127.0.0.1:{cluster.port}"
    with pytest.raises(UnknownHead, match="actorcloud join-string"):
        Cloud(address)
    # When
    with Cloud(cluster.join) as first:
        ref = first.add_job(pow, 2, 3)
    # Then
    with Cloud(address) as second:
        cluster.site.node("n1", "--join", cluster.join)
        assert second.result(ref, LONG) == 8


def test_a_node_that_is_removed_ends_and_its_jobs_run_elsewhere(cluster: Cluster, cloud: Cloud) -> None:
    # Given
    _, port = listening(cluster, "n1")
    cloud.add_node("127.0.0.1", port)
    path = cluster.site.directory / "go"
    ref = cloud.add_job(_wait_for_file, str(path))
    wait_for(lambda: str(cloud.status(ref)) == "running on n1", "the job on n1")
    # When
    assert cloud.remove_node("n1") is True
    # Then
    wait_for(lambda: cloud.nodes() == [], "the end of n1 in the cloud")
    other = cluster.site.node("n2", "--join", cluster.join)
    path.touch()
    assert cloud.result(ref, LONG) == other.pid
    with pytest.raises(NoSuchNode, match="n1"):
        cloud.remove_node("n1")


def test_nodes_that_end_in_order_count_nothing_against_their_jobs(cluster: Cluster, cloud: Cloud) -> None:
    # Given
    path = cluster.site.directory / "go"
    ref = cloud.add_job(_wait_for_file, str(path))
    # When
    for number, name in enumerate(("n1", "n2", "n3")):
        node = cluster.site.node(name, "--join", cluster.join)
        wait_for(lambda name=name: str(cloud.status(ref)) == f"running on {name}", f"the job on {name}")  # type: ignore[misc]  # bound now
        if number == 0:
            node.signal(signal.SIGINT)
            assert node.wait() == 0
        elif number == 1:
            cloud.remove_node(name)
    path.touch()
    cloud.result(ref, LONG)
    # Then
    record = cloud.room.session.call(GetJob(ref.raw), JobDetail).record
    assert (record.attempt, record.lost) == (3, 0)


def test_a_node_that_dials_and_is_removed_says_so_and_ends(cluster: Cluster, cloud: Cloud) -> None:
    node = cluster.site.node("n1", "--join", cluster.join)
    wait_for(cloud.nodes, "the node")
    cloud.remove_node(NodeRef("n1"))
    assert node.wait() == 1
    node.wait_said("removed from this cloud")


def test_nodes_and_clients_come_back_to_a_head_that_was_killed(cluster: Cluster, cloud: Cloud) -> None:
    # Given
    cluster.site.node("dials", "--join", cluster.join)
    _, port = listening(cluster, "dialled")
    cloud.add_node("127.0.0.1", port)
    wait_for(lambda: len(cloud.nodes()) == 2, "both nodes")
    # When
    cluster.head.kill()
    cluster.site.wait_head(cluster.site.head("--listen", f"127.0.0.1:{cluster.port}"))
    # Then
    wait_for(lambda: NodeRef("dials") in cloud.nodes(), "the node that dials")
    assert cloud.results(cloud.add_jobs(abs, range(-100, 0)), LONG) == list(range(100, 0, -1))
    # A node that is dialled is dialled by who is told to.
    assert cloud.add_node("127.0.0.1", port) == NodeRef("dialled")


# -- who is not let in ------------------------------------------------------------------------------


def bytes_from(port: int, greeting: bytes) -> bytes:
    """Return what a peer sends in answer to `greeting`, until it hangs up or says nothing more."""
    said = b""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as peer:
        peer.sendall(greeting)
        peer.settimeout(0.3)
        try:
            while data := peer.recv(4096):
                said += data
        except (TimeoutError, ConnectionResetError):
            pass
    return said


def zmq_message_from(port: int, wait: float = 1.0, **options: bytes) -> list[bytes] | None:
    """Return the first message that a ZeroMQ peer with these options gets in answer to its own; None: none.

    Args:
        port: of the head.
        wait: seconds for it.
        options: of the socket.
    """
    context = zmq.Context()
    try:
        peer = context.socket(zmq.DEALER)
        peer.linger = 0
        for name, value in options.items():
            setattr(peer, name, value)
        peer.connect(f"tcp://127.0.0.1:{port}")
        peer.send(b"hello")
        return peer.recv_multipart() if peer.poll(int(wait * 1000)) else None
    finally:
        context.destroy(linger=0)


def test_a_peer_without_a_valid_key_gets_not_one_byte_of_data(cluster: Cluster, cloud: Cloud) -> None:
    head_key, stranger, wrong = cluster.string.head_key, new_key_pair(), new_key_pair()

    # Then: plain ZeroMQ gets nothing,
    assert zmq_message_from(cluster.port) is None
    # nor who has a key, but another head's,
    keys: dict[str, Any] = {"curve_publickey": stranger.public, "curve_secretkey": stranger.secret}
    assert zmq_message_from(cluster.port, curve_serverkey=wrong.public, **keys) is None
    # and who has the head's key, as join strings have it, but none that the head knows: a refusal.
    answer = zmq_message_from(cluster.port, LONG, curve_serverkey=head_key, **keys)
    assert answer is not None
    refusal = decode_handshake(answer[0])
    assert (len(answer), type(refusal)) == (1, Reject)
    # What is no ZeroMQ sees the greeting of ZMTP at most: 64 bytes that name the version and CURVE.
    for greeting in (b"GET / HTTP/1.1\r\n\r\n", b"\xff" + bytes(8) + b"\x7f\x03\x00CURVE" + bytes(48), bytes(64)):
        assert len(bytes_from(cluster.port, greeting)) <= 64
    # And the head goes on.
    assert cluster.head.is_running
    assert cloud.nodes() == []


def test_a_message_that_is_not_ours_closes_the_session_and_nothing_else(cluster: Cluster, cloud: Cloud) -> None:
    # Given peers that send anything, a lot of it
    for size in (1, 100, 100_000):
        bytes_from(cluster.port, os.urandom(size))
    assert zmq_message_from(cluster.port) is None
    # Then
    cluster.site.node("n1", "--join", cluster.join)
    assert cloud.result(cloud.add_job(pow, 2, 3), LONG) == 8
    assert cluster.head.is_running


def other(string: JoinString, **fields: object) -> str:
    """Return a join string that differs in these fields."""
    parts = {"head_key": string.head_key, "endpoints": list(string.endpoints), "secret": string.secret, **fields}
    return str(JoinString(**parts))  # type: ignore[arg-type]  # of the right types, one and all


def test_a_wrong_join_string_is_refused(cluster: Cluster) -> None:
    with pytest.raises(BadJoinString, match="damaged"):
        Cloud("ac1.nonsense")
    with pytest.raises(BadJoinString, match="cut off"):
        Cloud(cluster.join[:-3])
    with pytest.raises(BadJoinString, match="host:port"):
        Cloud("what is this")
    with pytest.raises(JoinRefused, match="not the one of this head"):
        Cloud(other(cluster.string, secret=os.urandom(16)))


def test_a_node_with_a_wrong_join_string_ends_and_says_why(cluster: Cluster) -> None:
    refused = cluster.site.node("n1", "--join", other(cluster.string, secret=os.urandom(16)))
    assert refused.wait() == 77
    refused.wait_said("not the one of this head")
    malformed = cluster.site.node("n2", "--join", "ac1.nonsense")
    assert malformed.wait() == 2
    malformed.wait_said("join string")


def test_a_wrong_host_or_port_is_told_as_an_address_where_nobody_answers(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    from actorcloud.client import connect

    monkeypatch.setattr(connect.join, "__kwdefaults__", {"timeout": 1.5})
    closed = f"127.0.0.1:{free_port()}"
    with pytest.raises(HeadUnreachable, match=closed):
        Cloud(other(cluster.string, endpoints=[f"tcp://{closed}"]))
    with pytest.raises(HeadUnreachable, match=r"no-such-host\.invalid"):
        Cloud(other(cluster.string, endpoints=["tcp://no-such-host.invalid:7710"]))


def test_a_node_that_nobody_answers_says_so_and_goes_on_trying(cluster: Cluster) -> None:
    closed = f"127.0.0.1:{free_port()}"
    node = cluster.site.node("n1", "--join", other(cluster.string, endpoints=[f"tcp://{closed}"]))
    node.wait_said(closed)
    assert node.is_running


def test_add_node_tells_when_no_node_answers_there(cloud: Cloud) -> None:
    port = free_port()
    with pytest.raises((HeadUnreachable, NoSuchNode), match=f"127.0.0.1:{port}"):
        cloud.add_node("127.0.0.1", port)
    with pytest.raises(ConfigError, match="65535"):
        cloud.add_node("127.0.0.1", 70_000)


def test_a_second_node_of_the_same_name_is_refused(cluster: Cluster, cloud: Cloud) -> None:
    # Given
    cluster.site.node("n1", "--join", cluster.join)
    wait_for(cloud.nodes, "the first n1")
    # When: another machine, with a key of its own
    keys, runtime = str(cluster.site.directory / "other-keys"), str(cluster.site.directory / "other-r")
    second = cluster.site.node("n1", "--join", cluster.join, "--keys", keys, runtime=runtime)
    # Then
    assert second.wait() == 77
    second.wait_said("n1")
    assert cloud.result(cloud.add_job(pow, 2, 3), LONG) == 8


def test_a_second_node_of_the_same_name_on_this_machine_is_refused(cluster: Cluster) -> None:
    first = cluster.site.node("n1", "--join", cluster.join)
    wait_for((cluster.site.directory / "r-n1" / "n1.lock").exists, "the lock of n1")
    second = cluster.site.node("n1", "--join", cluster.join)
    assert second.wait() != 0
    second.wait_said("--name")
    assert first.is_running


def test_a_node_with_another_python_is_sent_away_and_told_why(cluster: Cluster, cloud: Cloud) -> None:
    # Given a node that says that it runs Python 3.99
    code = (
        "import sys, collections; from actorcloud.node import process; "
        "process.sys = type(sys)('sys'); process.sys.__dict__.update(vars(sys)); "
        "process.sys.version_info = collections.namedtuple('V', 'major minor')(3, 99); "
        "from actorcloud.node.__main__ import main; sys.exit(main())"
    )
    directory = str(cluster.site.directory)
    arguments = ["--name", "n1", "--runtime", f"{directory}/r-n1", "--workers", "1", "--keys", f"{directory}/keys"]
    # When
    node = cluster.site.start(sys.executable, "-P", "-c", code, *arguments, "--join", cluster.join)
    # Then
    assert node.wait() != 0
    node.wait_said(r"3\.99.*start it with the same")
    assert cloud.nodes() == []


def test_a_port_in_use_is_told_by_head_and_node(cluster: Cluster) -> None:
    # When
    with Site() as elsewhere:
        head = elsewhere.head("--listen", f"127.0.0.1:{cluster.port}")
        # Then
        assert head.wait() == 69
        head.wait_said(f"127.0.0.1:{cluster.port}.*in use|in use.*127.0.0.1:{cluster.port}")
    node = cluster.site.node("n1", "--join", cluster.join, "--listen", f"127.0.0.1:{cluster.port}")
    assert node.wait() == 69
    node.wait_said("in use")
