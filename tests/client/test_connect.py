"""What is shown of a head that was named by a join string."""

from __future__ import annotations

from actorcloud.client.connect import describe
from actorcloud.net import JoinString


def test_the_secret_of_a_join_string_is_never_shown() -> None:
    # Given
    join = JoinString(bytes(32), ["tcp://10.0.0.1:7710"], b"sixteen secrets!")
    # When
    shown = describe(f" {join}\n")
    # Then
    assert shown == "tcp://10.0.0.1:7710"


def test_an_address_is_shown_as_it_is() -> None:
    assert describe("db1:7710") == "db1:7710"
