"""Wrong arguments of a Cloud's calls are refused by their names, before anything is asked."""

from __future__ import annotations

from typing import Any

import pytest

from actorcloud.base.errors import ConfigError
from actorcloud.client import Cloud
from tests.client.fakes import FakeHead


@pytest.mark.parametrize("port", ["7711", 7711.0, True, None])
def test_a_port_that_is_no_number(port: Any) -> None:
    head = FakeHead()
    with pytest.raises(ConfigError, match="the port a number from 1 to 65535"):
        Cloud.over(head).add_node("host", port)
    assert not head.received


@pytest.mark.parametrize("limit", [-1, "5", None])
def test_a_limit_that_is_no_number(limit: Any) -> None:
    head = FakeHead()
    with pytest.raises(ConfigError, match="limit="):
        Cloud.over(head).jobs(limit=limit)
    assert not head.received
