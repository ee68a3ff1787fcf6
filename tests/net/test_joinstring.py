"""Join strings: round trip, damage, silence about the secret."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorcloud.base.errors import BadJoinString
from actorcloud.net import JoinString

ONE = JoinString(bytes(range(32)), ["tcp://10.0.0.1:7710", "tcp://[::1]:7710"], bytes(16))


@given(
    key=st.binary(min_size=32, max_size=32),
    endpoints=st.lists(st.text(max_size=100), min_size=1, max_size=4),
    secret=st.binary(min_size=16, max_size=16),
)
def test_what_was_written_is_read_again(key: bytes, endpoints: list[str], secret: bytes) -> None:
    one = JoinString(key, endpoints, secret)
    assert JoinString.parse(f"  {one}\n") == one


@given(st.integers(4, len(str(ONE)) - 1), st.characters(codec="ascii", categories=["L", "N"]))
def test_one_wrong_character_is_found(index: int, character: str) -> None:
    text = str(ONE)
    damaged = text[:index] + character + text[index + 1 :]
    if damaged != text:
        try:
            # The last character has bits that mean nothing.
            assert JoinString.parse(damaged) == ONE
        except BadJoinString:
            pass
        else:
            assert index == len(text) - 1


@pytest.mark.parametrize("text", ["", "ac1.", "ac2.xyz", "hello", str(ONE)[:-10], "ac1.ä", "ac1.!!!!"])
def test_what_is_no_join_string_is_refused_with_a_hint(text: str) -> None:
    with pytest.raises(BadJoinString, match="whole line"):
        JoinString.parse(text)


def test_the_secret_is_not_shown() -> None:
    secret = b"0123456789abcdef"
    assert "0123456789" not in repr(JoinString(bytes(32), ["tcp://a:1"], secret))
