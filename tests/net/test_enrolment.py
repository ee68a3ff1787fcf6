"""Who is let in: proofs, pins, roles."""

from __future__ import annotations

from typing import Any

import pytest

from actorcloud.net import Gate, NoPins, Pin
from actorcloud.net.enrolment import make_proof
from actorcloud.protocol.handshake import Hello

SECRET, HEAD_KEY = b"s" * 16, b"h" * 32
KEY, OTHER_KEY = b"k" * 32, b"o" * 32


class KeptPins:
    def __init__(self, *pins: Pin) -> None:
        self.pins = list(pins)

    def load(self) -> list[Pin]:
        return list(self.pins)

    def save(self, pin: Pin) -> None:
        self.pins.append(pin)


def hello(name: str = "n1", role: str = "node", key: bytes = KEY, secret: bytes = SECRET) -> Hello:
    fields: dict[str, Any] = {"proto": (1, 1), "name": name, "incarnation": 2, "role": role, "nonce": b"n"}
    return Hello(**fields, proof=make_proof(secret, key, HEAD_KEY, Hello(**fields)))


def verdict(gate: Gate, word: Hello, user: str) -> str:
    refusal = gate.judge(word, user)
    return "in" if refusal is None else refusal.code


def test_a_proof_lets_in_once_and_the_pin_ever_after() -> None:
    # Given
    pins = KeptPins()
    gate = Gate(pins, HEAD_KEY, SECRET)
    assert gate.user_of(KEY) == "pending:" + KEY.hex()
    # When
    assert verdict(gate, hello(), "pending:" + KEY.hex()) == "in"
    # Then
    assert pins.pins == [Pin("n1", "node", KEY)]
    assert gate.user_of(KEY) == "key:" + KEY.hex()
    assert verdict(Gate(pins), hello(secret=b""), "key:" + KEY.hex()) == "in"


@pytest.mark.parametrize(
    "word", [hello(secret=b"x" * 16), hello(key=OTHER_KEY), Hello(proto=(1, 1), name="n1", incarnation=2, role="node")]
)
def test_a_proof_of_another_secret_key_or_none_is_refused(word: Hello) -> None:
    assert verdict(Gate(NoPins(), HEAD_KEY, SECRET), word, "pending:" + KEY.hex()) == "auth"


def test_name_and_key_are_one_to_one() -> None:
    gate = Gate(KeptPins(Pin("n1", "node", KEY)), HEAD_KEY, SECRET)
    assert verdict(gate, hello("n1", key=OTHER_KEY), "pending:" + OTHER_KEY.hex()) == "name-taken"
    assert verdict(gate, hello("n2"), "key:" + KEY.hex()) == "auth"


def test_a_client_key_may_have_many_names_but_none_of_others() -> None:
    gate = Gate(KeptPins(Pin("c1", "client", KEY), Pin("n1", "node", OTHER_KEY)))
    assert verdict(gate, hello("c2", "client"), "key:" + KEY.hex()) == "in"
    assert verdict(gate, hello("n1", "client"), "key:" + KEY.hex()) == "name-taken"


def test_without_a_secret_nobody_is_pending() -> None:
    gate = Gate(NoPins(), HEAD_KEY)
    assert gate.user_of(KEY) is None
    assert verdict(gate, hello(), "pending:" + KEY.hex()) == "auth"


@pytest.mark.parametrize(("user", "role"), [("", "node"), ("head", "node"), ("local:0", "head"), ("local:0", "admin")])
def test_no_user_or_a_wrong_role_is_refused(user: str, role: str) -> None:
    assert verdict(Gate(NoPins(), HEAD_KEY, SECRET), hello(role=role), user) == "auth"


def test_this_machines_user_needs_no_key() -> None:
    assert verdict(Gate(NoPins()), hello(), "local:0") == "in"
