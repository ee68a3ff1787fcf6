"""Classes of Structs travel by value, as a process that does not have them gets them."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from typing import Any

import msgspec
import pytest

from actorcloud.base import codec

SHOW = """
import sys
from actorcloud.base import codec
for value, text in codec.load(sys.stdin.buffer.read()):
    assert repr(value) == text, (repr(value), text)
    cls = type(value)
    again = cls(**{field: getattr(value, field) for field in cls.__struct_fields__})
    assert again == value
    assert not hasattr(value, "double") or value.double() == 2 * value.a
    print(sorted(cls.__struct_encode_fields__), cls.__struct_config__.frozen, cls.__struct_config__.tag)
"""


class Plain(msgspec.Struct):
    a: int
    b: str = "x"

    def double(self) -> int:
        return Plain(self.a * 2).a


class Rich(msgspec.Struct, frozen=True, tag="rich", kw_only=True, omit_defaults=True):
    a: int
    c: list[int] = msgspec.field(default_factory=list, name="cee")


class Child(Plain, frozen=False):
    d: float = 1.5
    e: Plain | None = None


@pytest.mark.slow
def test_values_and_their_classes_arrive_in_a_process_that_has_no_such_classes() -> None:
    # Given
    values: list[Any] = [Plain(1), Rich(a=2, c=[3]), Child(4, "y", 2.5, Plain(5))]
    data = codec.dump([(value, repr(value)) for value in values], "the test")
    # When
    shown = subprocess.run([sys.executable, "-c", textwrap.dedent(SHOW)], input=data, capture_output=True, check=False)
    # Then
    assert shown.returncode == 0, shown.stderr.decode()
    assert shown.stdout.decode().splitlines() == [
        "['a', 'b'] False None",
        "['a', 'cee'] True rich",
        "['a', 'b', 'd', 'e'] False None",
    ]


def test_here_they_are_the_classes_that_are_here() -> None:
    assert codec.load_here(codec.dump(Rich(a=1), "the test")) == Rich(a=1)
