"""Fingerprints of jobs: the same for the same call in every process, another for another."""

from __future__ import annotations

import functools
import subprocess
import sys

import pytest

from actorcloud.base.codec import dump_call
from actorcloud.client.fingerprint import differing, fingerprint

CALL = """
from actorcloud.base.codec import dump_call
from actorcloud.client.fingerprint import fingerprint

class Mine:
    pass

def average(*args):
    return args in {"seattle", "tacoma", "everett"}

print(fingerprint(average, dump_call((%s,), {})).hex())
"""


def mark(*args: object) -> bytes:
    return fingerprint(max, dump_call(args, {}))


@pytest.mark.parametrize("argument", ["2014", "'seattle'", "{'a': [1.5]}", "{'seattle', 'tacoma'}", "Mine()", "Mine"])
def test_a_call_has_the_same_one_in_each_process(argument: str) -> None:
    # When
    command = [sys.executable, "-c", CALL % argument]
    one, two = (subprocess.run(command, capture_output=True, check=True).stdout for _ in range(2))
    # Then
    assert one == two != b""


@pytest.mark.parametrize(
    ("one", "other", "found"),
    [
        (mark(1), mark(1), []),
        (mark(1), mark(2), ["other arguments"]),
        (mark(1), fingerprint(min, dump_call((1,), {})), ["another function"]),
        (mark(1), fingerprint(min, dump_call((2,), {})), ["another function", "other arguments"]),
        # Nobody knows.
        (mark(1), b"", []),
        (mark({"a"}), mark({"b"}), []),
        (mark(1), mark({"b"}), []),
        (mark(bytes(100_000)), mark(bytes(100_001)), []),
    ],
)
def test_what_differs_is_said_where_it_is_known(one: bytes, other: bytes, found: list[str]) -> None:
    assert differing(one, other) == found


def test_what_has_no_name_is_known_by_its_type() -> None:
    assert differing(fingerprint(functools.partial(max, 1), b"N."), fingerprint(max, b"N.")) == ["another function"]
