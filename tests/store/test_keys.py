"""The registry of engine keys, and which of them callers may touch."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorcloud.base.errors import BadKey
from actorcloud.store import keys
from actorcloud.store.key_codec import encode_key
from tests.store.local import OTHER, REF


def test_every_prefix_is_registered_once_and_in_order() -> None:
    assert [entry.prefix for entry in keys.REGISTRY] == [bytes((number,)) for number in range(13)]
    assert all(entry.example[:1] == entry.prefix for entry in keys.REGISTRY)
    assert len({entry.name for entry in keys.REGISTRY}) == len(keys.REGISTRY)


def test_a_users_key_is_its_space_and_its_bytes() -> None:
    assert keys.user(REF, b"\x15\x07") == b"\x03\x01" + REF + b"\x15\x07"
    assert keys.user("tea", b"\x15\x07") == b"\x03\x02tea\x00\x15\x07"


@given(st.text(min_size=1, max_size=8), st.text(min_size=1, max_size=8))
def test_spaces_do_not_run_into_each_other(one: str, other: str) -> None:
    try:
        first, second = keys.user(one, b""), keys.user(other, b"")
    except BadKey:
        return
    assert one == other or not first.startswith(second)


@pytest.mark.parametrize("name", ["", "x" * 65, "\ud800"])
def test_a_bad_name_of_a_space_is_refused(name: str) -> None:
    with pytest.raises(BadKey, match="the name of a space"):
        keys.user(name, b"\x00")


@pytest.mark.parametrize("name", [5, b"paid", None, True])
def test_a_name_that_is_no_text_is_refused(name: Any) -> None:
    with pytest.raises(BadKey, match=f"a once-name is a text, not {name!r}"):
        keys.once(REF, name)


def test_a_long_name_and_a_long_key_are_too_long_together() -> None:
    key = encode_key("x" * 478)
    with pytest.raises(BadKey, match="36 bytes too long"):
        keys.user("s" * 64, key)
    assert len(keys.user(REF, key)) < keys.ENGINE_KEY_LIMIT_BYTES


def test_a_caller_may_touch_its_spaces_and_its_own_once_names() -> None:
    assert keys.owner_of(keys.user(REF, b"\x00"), ()) == REF
    assert keys.owner_of(keys.user("tea", b"\x00"), ()) is None
    assert keys.owner_of(keys.once(REF, "paid"), {REF}) == REF


@pytest.mark.parametrize(
    "key",
    [
        b"",
        *(entry.example for entry in keys.REGISTRY if entry.name != "user"),
        keys.once(OTHER, "paid"),
        keys.once_names(REF),
        keys.job_space(REF),
        keys.job_space(REF)[:-1],
        b"\x03\x02no end",
        b"\x03\x02no key\x00",
        b"\x03\x03" + REF + b"\x00",
        keys.user(REF, b"x" * 600),
    ],
)
def test_a_caller_may_touch_nothing_else(key: bytes) -> None:
    with pytest.raises(BadKey, match="may not touch"):
        keys.owner_of(key, {REF})


@given(st.binary(min_size=1, max_size=8), st.binary(max_size=8))
def test_after_prefix_is_above_every_key_of_the_prefix(prefix: bytes, rest: bytes) -> None:
    if prefix.strip(b"\xff"):
        assert prefix + rest < keys.after_prefix(prefix)
        assert not keys.after_prefix(prefix).startswith(prefix)


def test_the_spaces_of_the_last_keys_are_remembered_and_no_more() -> None:
    # When
    for number in range(2 * keys.REMEMBERED):
        assert keys.owner_of(keys.user(REF, b"\x00%d" % number), ()) == REF
        assert keys.usage(keys.space(str(number))) == keys.USAGE + keys.space(str(number))[1:]
    # Then
    for remembered in (keys.space_of.cache_info(), keys.usage.cache_info()):
        assert remembered.currsize == remembered.maxsize == keys.REMEMBERED


def test_what_is_too_long_for_a_key_is_not_remembered() -> None:
    # Given
    long = keys.user(REF, b"\x00") + bytes(keys.ENGINE_KEY_LIMIT_BYTES)
    before = keys.space_of.cache_info().misses
    # When
    with pytest.raises(BadKey):
        keys.owner_of(long, ())
    with pytest.raises(BadKey):
        keys.owner_of_range(long, long)
    # Then
    assert keys.space_of.cache_info().misses == before
