"""The door is tried at each start."""

from __future__ import annotations

from typing import cast

import pytest
import zmq

from actorcloud.base.errors import OpenDoor
from actorcloud.net import KeyPair, new_key_pair
from actorcloud.net.canary import check_door
from actorcloud.net.curve import as_option
from actorcloud.net.reactor import Reactor
from actorcloud.net.zap import ZapHandler
from tests.net.peers import cluster


@pytest.mark.parametrize("is_encrypted", [True, False])
def test_a_door_without_a_zap_handler_is_found_open(*, is_encrypted: bool) -> None:
    """What libzmq does by default: it lets everybody in."""
    # Given
    pair = new_key_pair()
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    router = context.socket(zmq.ROUTER)
    if is_encrypted:
        router.setsockopt(zmq.CURVE_SERVER, 1)
        router.setsockopt(zmq.CURVE_SECRETKEY, as_option(pair.secret))
    router.bind("tcp://127.0.0.1:*")
    endpoint = cast("bytes", router.getsockopt(zmq.LAST_ENDPOINT)).rstrip(b"\0").decode()
    # When
    try:
        with pytest.raises(OpenDoor, match="did not refuse"):
            check_door(endpoint, pair.public, new_key_pair())
    finally:
        context.destroy(linger=0)


def test_a_head_whose_zap_handler_lets_all_in_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    def let_in(self: ZapHandler, request: list[bytes]) -> tuple[bytes, bytes, str]:
        return b"200", b"key:00", "OK"

    monkeypatch.setattr(ZapHandler, "_decide", let_in)
    with cluster() as ring, pytest.raises(OpenDoor):
        ring.head("tcp://127.0.0.1:*")


def test_a_head_with_its_handler_starts() -> None:
    with cluster() as ring:
        head, _ = ring.head("tcp://127.0.0.1:*")
        assert isinstance(head, Reactor)
        assert isinstance(ring.head_keys, KeyPair)
