"""Functions travel as they are at the call, and the same function is pickled once."""

from __future__ import annotations

import gc
import operator
import weakref
from collections.abc import Callable
from types import CodeType
from typing import Any

import pytest

from actorcloud.base import code, codec
from actorcloud.base.code import dump_function, load_function
from actorcloud.base.errors import Unpicklable

Namespace = dict[str, Any]


@pytest.fixture
def pickled(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The functions that were really pickled."""
    seen: list[object] = []

    def dump(value: object, what: str) -> bytes:
        seen.append(value)
        return codec.dump(value, what)

    monkeypatch.setattr(code, "dump", dump)
    code._cache.clear()
    return seen


def define(source: str, **namespace: object) -> Namespace:
    """Run source as a user's script would be."""
    space: Namespace = {"__name__": "__main__", **namespace}
    exec(source, space)
    return space


def called(pickled: tuple[bytes, bytes], *args: object) -> object:
    return load_function(pickled[1])(*args)


@pytest.mark.parametrize(
    "source",
    [
        "f = lambda x: x + 1",
        "def f(x): return x + 1",
        "def f(x: int) -> int: return x + len([x]) - 0",
        "import math\ndef f(x): return math.floor(x) + 1",
        "import os.path\ndef f(x): return len(os.path.join('a', 'b')) + x",
        "LIMIT = 3\ndef f(x): return x + LIMIT",
        "def g(x): return x + 1\ndef f(x): return g(x)",
        "def f(x): return 1 if x <= 1 else f(x - 1)",
        "def g(x): return f(x - 1)\ndef f(x): return 1 if x <= 1 else g(x)",
    ],
)
def test_a_small_function_is_pickled_once(source: str, pickled: list[object]) -> None:
    # Given
    f = define(source)["f"]
    first = dump_function(f)

    # When
    again = dump_function(f)

    # Then
    assert again == first
    assert len(pickled) == 1
    assert called(first, 3) == f(3)


def test_a_lambda_made_anew_in_a_loop_is_pickled_once(pickled: list[object]) -> None:
    # When
    digests = {dump_function(function)[0] for function in define("fs = [lambda x: x for _ in range(9)]")["fs"]}

    # Then
    assert len(digests) == 1
    assert len(pickled) == 1


@pytest.mark.parametrize(
    ("source", "change", "before", "after"),
    [
        ("N = 1\ndef f(): return N", "N = 2", 1, 2),
        ("N = [1]\ndef f(): return N[0]", "N[0] = 2", 1, 2),
        ("def g(): return 1\ndef f(): return g()", "def g(): return 2", 1, 2),
        ("def g(): return 1\ndef f(): return g()", "g.__code__ = (lambda: 2).__code__", 1, 2),
        ("N = 1\ndef g(): return N\ndef f(): return g()", "N = 2", 1, 2),
        ("def f(): return 1", "f.__code__ = (lambda: 2).__code__", 1, 2),
        ("def f(n=1): return n", "f.__defaults__ = (2,)", 1, 2),
        ("def f(*, n=1): return n", "f.__kwdefaults__['n'] = 2", 1, 2),
        ("def f(): return getattr(f, 'n', 1)", "f.n = 2", 1, 2),
        ("class C: n = 1\ndef f(): return C.n", "C.n = 2", 1, 2),
        ("def f(): return len('a')", "def len(x): return 2", 1, 2),
        ("def f(): return (lambda: N)()\nN = 1", "N = 2", 1, 2),
    ],
)
def test_a_changed_function_is_sent_as_it_is_now(source: str, change: str, before: object, after: object) -> None:
    # Given
    space = define(source)
    first = dump_function(space["f"])

    # When
    exec(change, space)
    second = dump_function(space["f"])

    # Then
    assert called(first) == before
    assert called(second) == after
    assert first[0] != second[0]


def test_a_closure_is_sent_as_it_is_now() -> None:
    # Given
    number = 1

    def f() -> int:
        return number

    first = dump_function(f)

    # When
    number = 2

    # Then
    assert called(first) == 1
    assert called(dump_function(f)) == 2


def test_the_same_code_in_another_namespace_is_another_function() -> None:
    # Given
    source = compile("def f(): return N", "<script>", "exec")
    one: Namespace = {"N": 1, "__name__": "__main__"}
    two: Namespace = {"N": 2, "__name__": "__main__"}
    exec(source, one)
    exec(source, two)

    # When
    results = [called(dump_function(space["f"])) for space in (one, two, one)]

    # Then
    assert results == [1, 2, 1]


def test_the_cache_does_not_keep_a_function_alive(pickled: list[object]) -> None:
    # Given
    space = define("def f(x): return x")
    dump_function(space["f"])
    remembered: weakref.ref[CodeType] = weakref.ref(space["f"].__code__)

    # When
    pickled.clear()
    space.clear()
    gc.collect()

    # Then
    assert remembered() is None


def test_the_cache_is_bounded(pickled: list[object], monkeypatch: pytest.MonkeyPatch) -> None:
    # Given
    monkeypatch.setattr(code, "CACHE_LIMIT", 3)

    # When
    spaces = [define(f"def f(): return {number}") for number in range(10)]
    for space in spaces:
        dump_function(space["f"])

    # Then
    assert 1 <= len(code._cache) <= 3


@pytest.mark.parametrize("function", [operator.add, len, int, str.lower])
def test_any_callable_may_be_a_job(function: Callable[..., object]) -> None:
    # When
    digest, data = dump_function(function)

    # Then
    assert load_function(data) == function
    assert len(digest) == code.DIGEST_BYTES


def test_a_function_that_cannot_travel_is_named() -> None:
    # Given
    space = define("import threading\ngate = threading.Lock()\ndef count_sheep(): return gate")

    # When
    with pytest.raises(Unpicklable, match=r"the function 'count_sheep' -> its global 'gate': a _thread\.lock cannot"):
        dump_function(space["count_sheep"])
