"""Users' values: how they are coded, told apart, and what is said of those that cannot be read."""

from __future__ import annotations

import pickle
import sys
import types
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorcloud.base.errors import BadValue, ValueTooLarge, ValueUnreadable
from actorcloud.protocol.transaction import VALUE_LIMIT_BYTES
from actorcloud.store import Batch, Transactions, keys
from actorcloud.store.caller.codec import Codec, Inspector
from actorcloud.store.stored import pack, pack_value, payload_of, seq_of, value_of
from actorcloud.store.value import (
    CODEC_NAMES,
    INT,
    INT_LIMIT_BYTES,
    MSGPACK,
    PICKLE,
    RAW,
    codec_of,
    pack_int,
    unpack_int,
    with_codec,
)
from tests.store.local import LocalStore, put_value, txn_of

codec = Codec(pickle.dumps, pickle.loads)

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


class Flag(int):
    """Not exactly an int."""


# -- which one ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (7, INT),
        (-(2**2000), INT),
        (2**2040, PICKLE),
        (True, PICKLE),
        (Flag(7), PICKLE),
        (b"bytes", RAW),
        (bytearray(b"bytes"), PICKLE),
        ("text", PICKLE),
        (None, PICKLE),
        ({"a": (1,)}, PICKLE),
    ],
)
def test_a_type_has_its_codec_and_comes_back_as_it_was(value: object, expected: int) -> None:
    data = codec.dumps(value)
    assert codec_of(data) == expected
    found = codec.loads(data)
    assert (found, type(found)) == (value, type(value))


@given(PLAIN)
def test_msgpack_takes_what_other_languages_know(value: object) -> None:
    data = codec.dumps(value, "msgpack")
    assert codec_of(data) == MSGPACK
    assert codec.loads(data) == value


def test_msgpack_makes_a_list_of_a_tuple() -> None:
    assert codec.loads(codec.dumps((1, (2,)), "msgpack")) == [1, [2]]


CYCLE: list[Any] = []
CYCLE.append(CYCLE)


@pytest.mark.parametrize("value", [{1, 2}, [object()], 2**64, CYCLE, {"a": [Flag(1)]}, "\ud800"])
def test_msgpack_refuses_the_rest_and_says_what(value: object) -> None:
    with pytest.raises(BadValue, match="the codec 'msgpack' does not take"):
        codec.dumps(value, "msgpack")


@pytest.mark.parametrize(
    ("value", "name", "text"),
    [
        ("text", "raw", "'raw' takes values of the type bytes, not str"),
        (True, "int", "'int' takes values of the type int, not bool"),
        (2**2040, "int", "an integer of 256 bytes does not fit the codec 'int', which holds 255"),
        (1, "json", "there is no codec 'json'; one of raw, msgpack, pickle, int is needed"),
    ],
)
def test_a_codec_refuses_what_it_does_not_take(value: object, name: str, text: str) -> None:
    with pytest.raises(BadValue, match=text):
        codec.dumps(value, name)


@given(st.integers(-(2 ** (8 * INT_LIMIT_BYTES - 1)), 2 ** (8 * INT_LIMIT_BYTES - 1) - 1))
def test_an_integer_takes_as_few_bytes_as_it_can(number: int) -> None:
    payload = pack_int(number)
    assert unpack_int(payload) == number
    half = 1 << (8 * len(payload) - 9) if len(payload) > 1 else 0
    assert len(payload) == 1 or not -half <= number < half


# -- in the store ---------------------------------------------------------------------------------


@given(st.sampled_from([RAW, MSGPACK, PICKLE, INT]), st.binary(), st.integers(0, 2**64 - 1))
def test_a_stored_value_keeps_codec_and_number(number: int, payload: bytes, seq: int) -> None:
    value = with_codec(number, payload)
    stored = pack_value(seq, value)
    assert (value_of(stored), payload_of(stored), seq_of(stored)) == (value, payload, seq)
    assert len(stored) == len(payload) + 9


def test_a_value_of_the_first_format_is_a_pickle(store: LocalStore, client: Transactions) -> None:
    # Given: as format 1 had it.
    old = b"\x01" + (1).to_bytes(8, "big") + pickle.dumps({"old": 1})
    store.engine.commit(Batch({keys.user("s", b"\x15\x07"): old}, ()), epoch=store.epoch, expect=0, new=1)
    store = LocalStore(store.engine.disk)
    # Then
    assert store.client().fetch("s", 7) == {"old": 1}
    assert store.client().scan("s") == [(7, {"old": 1})]


def test_the_stores_own_records_are_raw() -> None:
    assert value_of(pack(3, b"record")) == b"\x00record"


def test_a_transaction_stores_with_the_codec_it_is_told(store: LocalStore, client: Transactions) -> None:
    def work() -> None:
        txn = txn_of(client)
        txn.store("s", "plain", {"a": [1, 2]}, codec="msgpack")
        txn.store("s", "int", 7)
        txn.store("s", "pickled int", 7, codec="pickle")
        txn.store("s", "bytes", b"abc")

    client.mutate(work)
    assert dict(client.scan("s")) == {"bytes": b"abc", "int": 7, "pickled int": 7, "plain": {"a": [1, 2]}}
    raw = store.value("s", b"\x02bytes\x00")
    assert raw == b"abc"


def test_a_value_of_just_the_limit_fits(client: Transactions) -> None:
    put_value(client, "k", bytes(VALUE_LIMIT_BYTES))
    with pytest.raises(ValueTooLarge, match=f"takes {VALUE_LIMIT_BYTES + 1} bytes; the limit is {VALUE_LIMIT_BYTES}"):
        put_value(client, "k", bytes(VALUE_LIMIT_BYTES + 1))


# -- what cannot be read --------------------------------------------------------------------------


@pytest.fixture
def gone() -> Any:
    """An object of a module that goes away."""
    module = types.ModuleType("shop")
    exec("class Price:\n    pass", module.__dict__)
    sys.modules["shop"] = module
    yield module.Price()
    sys.modules.pop("shop", None)


def test_a_value_that_cannot_be_unpickled_names_key_codec_and_class(client: Transactions, gone: object) -> None:
    # Given
    put_value(client, ("tea", 1), gone)
    del sys.modules["shop"]
    # Then
    with pytest.raises(ValueUnreadable) as caught:
        client.fetch("s", ("tea", 1))
    assert str(caught.value) == (
        "the value under the key ('tea', 1) of 's' is a pickle of shop.Price and cannot be read here "
        "(ModuleNotFoundError: No module named 'shop'); install 'shop' here, or take its bytes from `raw`"
    )
    assert (caught.value.codec, caught.value.raw[:1]) == ("pickle", b"\x80")
    with pytest.raises(ValueUnreadable, match=r"under the key \('tea', 1\)"):
        client.scan("s")


@pytest.mark.parametrize(
    ("payload", "text"),
    [
        (b"\x80\x05cshop\nPrice\n.", "a pickle of shop.Price and cannot be read here"),
        (b"not a pickle", "a pickle and cannot be read here"),
        (b"", "a pickle and cannot be read here"),
    ],
)
def test_a_broken_pickle_says_what_can_be_said(payload: bytes, text: str) -> None:
    with pytest.raises(ValueUnreadable, match=text):
        codec.loads(with_codec(PICKLE, payload))


def test_broken_msgpack_is_told_too() -> None:
    with pytest.raises(ValueUnreadable, match="the value under the key 1 of 's' is a msgpack and cannot be read here"):
        codec.loads(b"\x01\xc1", ("s", 1))


@pytest.mark.parametrize("data", [b"", b"\x04", b"\xff..."])
def test_an_unknown_codec_is_refused(data: bytes) -> None:
    with pytest.raises(BadValue, match="a value begins with its codec, 0 to 3"):
        codec.loads(data)
    assert len(CODEC_NAMES) == 4


def test_an_inspector_unpickles_nothing() -> None:
    inspector = Inspector()
    assert inspector.loads(codec.dumps(7)) == ("int", b"\x07", 7)
    assert inspector.loads(codec.dumps({"a": 1}, "msgpack")) == ("msgpack", b"\x81\xa1a\x01", {"a": 1})
    name, payload, value = inspector.loads(codec.dumps({1, 2}))
    assert (name, pickle.loads(payload), value) == ("pickle", {1, 2}, None)
