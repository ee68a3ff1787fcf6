"""What users send: plain values by the fast path, their own code by value, and clear words where it fails."""

from __future__ import annotations

import functools
import importlib
import math
import operator
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import actorcloud.base
from actorcloud.base import codec
from actorcloud.base.errors import PayloadTooLarge, ResultUnreadable, Unpicklable
from actorcloud.base.ids import JobRef

ROOT = Path(actorcloud.base.__file__).parents[2]

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
    max_leaves=20,
)

GEOMETRY = """
import shapes_of_{name}

SCALE = 2

class Circle:
    def __init__(self, radius):
        self.radius = radius

    def area(self):
        return SCALE * self.radius

class TooSmall(Exception):
    pass

def rescale(scale):
    global SCALE
    SCALE = scale
    return shapes_of_{name}.scale()
"""

SHAPES = """
import geometry_{name}

def scale():
    return geometry_{name}.SCALE
"""


@pytest.fixture
def geometry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[ModuleType]:
    """Two modules of a user's that import each other, outside every library."""
    name = request.node.name.lower().replace("[", "_").replace("]", "_")
    (tmp_path / f"geometry_{name}.py").write_text(GEOMETRY.format(name=name))
    (tmp_path / f"shapes_of_{name}.py").write_text(SHAPES.format(name=name))
    monkeypatch.syspath_prepend(str(tmp_path))
    yield importlib.import_module(f"geometry_{name}")
    for module in (f"geometry_{name}", f"shapes_of_{name}"):
        sys.modules.pop(module, None)


def elsewhere(function: Callable[[], object]) -> bytes:
    """Run a function in another process that has none of the user's modules; return its pickled result."""
    program = (
        "import sys, pickle; from actorcloud.base import codec;"
        "sys.stdout.buffer.write(codec.dump_value(pickle.loads(sys.stdin.buffer.read())()))"
    )
    sent = codec.dump(function, "the function")
    done = subprocess.run(
        [sys.executable, "-c", program], input=sent, stdout=subprocess.PIPE, cwd=ROOT, timeout=120, check=True
    )
    return done.stdout


@given(args=st.lists(plain).map(tuple), kwargs=st.dictionaries(st.text(min_size=1), plain))
def test_arguments_come_back_as_they_were(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    assert codec.load_call(codec.dump_call(args, kwargs)) == (args, kwargs)


@given(value=plain)
def test_a_value_comes_back_as_it_was(value: object) -> None:
    assert codec.load_value(codec.dump_value(value)) == value


def test_a_job_reference_arrives_as_a_job_reference() -> None:
    # Given
    ref: JobRef[int] = JobRef(bytes(range(16)))

    # When
    (arrived,), _ = codec.load_call(codec.dump_call((ref,), {}))

    # Then
    assert arrived == ref
    assert type(arrived) is JobRef


def test_plain_values_and_library_objects_never_load_cloudpickle() -> None:
    # Given
    program = (
        "import sys, decimal, operator; from actorcloud.base import codec, code;"
        "codec.dump_call((1, 'a', [decimal.Decimal(1)], {2: (3,)}), {'x': 4});"
        "code.dump_function(operator.add);"
        "codec.load_value(codec.dump_value([1, 2]));"
        "print('cloudpickle' in sys.modules)"
    )

    # When
    out = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, cwd=ROOT, timeout=120, check=True)

    # Then
    assert out.stdout.split() == [b"False"]


@pytest.mark.parametrize("function", [math.sqrt, operator.add, len, functools.reduce, pickle.dumps])
def test_a_library_function_travels_by_name(function: Callable[..., object]) -> None:
    # When
    data = codec.dump(function, "the function")

    # Then
    assert pickle.loads(data) is function
    assert len(data) < 60


def test_a_class_of_the_user_comes_back_as_the_users_own_class(geometry: ModuleType) -> None:
    # Given
    area = geometry.Circle.area

    # When
    circle = codec.load_value(elsewhere(lambda: geometry.Circle(3)))

    # Then
    assert type(circle) is geometry.Circle
    assert geometry.Circle.area is area, "reading a result must not change the program's own class"


def test_a_local_class_comes_back_as_itself() -> None:
    # Given
    class Local:
        def greet(self) -> str:
            return "hello"

    greet = Local.greet

    # When
    result = codec.load_value(elsewhere(Local))

    # Then
    assert type(result) is Local
    assert Local.greet is greet


def test_the_modules_of_the_user_travel_along_and_keep_one_namespace(geometry: ModuleType) -> None:
    # When a function of one module changes a global that another module reads
    result = codec.load_value(elsewhere(lambda: (geometry.rescale(7), geometry.SCALE, geometry.Circle(2).area())))

    # Then
    assert result == (7, 7, 14)
    assert geometry.SCALE == 2


def test_functions_travel_as_they_are_at_the_call(geometry: ModuleType) -> None:
    # Given
    geometry.__dict__["SCALE"] = 5

    # When
    result = codec.load_value(elsewhere(lambda: geometry.Circle(2).area()))

    # Then
    assert result == 10


def test_code_keeps_the_name_of_its_file(geometry: ModuleType) -> None:
    """So that a remote traceback can show the line."""
    # Given
    area = geometry.Circle.area
    # When
    sent = codec.load(codec.dump([area, lambda: None], "code"))
    # Then
    assert [function.__code__.co_filename for function in sent] == [geometry.__file__, __file__]


def test_nobody_elses_pickles_change(geometry: ModuleType) -> None:
    # Given
    import cloudpickle

    # When
    codec.dump(lambda: geometry.Circle(1), "the function")

    # Then
    assert cloudpickle.list_registry_pickle_by_value() == set()


def test_an_argument_that_cannot_be_pickled_is_named() -> None:
    # When
    with pytest.raises(Unpicklable) as caught:
        codec.dump_call((1, {"gate": [threading.Lock()]}), {})

    # Then
    text = str(caught.value)
    assert "the arguments -> number 2 -> the item 'gate' -> the item 0: a _thread.lock cannot be pickled" in text
    assert "Make it where it is used instead" in text


def test_a_keyword_argument_that_cannot_be_pickled_is_named() -> None:
    with pytest.raises(Unpicklable, match=r"the arguments -> 'gate': a _thread\.lock"):
        codec.dump_call((), {"fine": 1, "gate": threading.Lock()})


def test_the_global_that_stops_a_function_is_named() -> None:
    # Given
    namespace: dict[str, Any] = {"gate": threading.Lock(), "__name__": "__main__"}
    exec("def work(): return gate.locked()", namespace)

    # When
    with pytest.raises(Unpicklable) as caught:
        codec.dump(namespace["work"], "the function 'work'")

    # Then
    assert str(caught.value).startswith("the function 'work' -> its global 'gate': a _thread.lock cannot be pickled")


def test_the_variable_of_a_closure_and_its_attribute_are_named() -> None:
    # Given
    class Client:
        def __init__(self) -> None:
            self.gate = threading.Lock()

    client = Client()

    # When
    with pytest.raises(Unpicklable, match=r"its variable 'client' -> its attribute 'gate': a _thread\.lock"):
        codec.dump(lambda: client, "the function")


def test_a_payload_over_the_limit_says_its_size_and_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given
    monkeypatch.setattr(codec, "PAYLOAD_LIMIT_BYTES", 1000)

    # When
    with pytest.raises(PayloadTooLarge, match=r"the result of 2,\d\d\d bytes: .*1,000 bytes pickled"):
        codec.dump_value(b"x" * 2000)


def test_the_limit_is_the_protocols() -> None:
    from actorcloud.protocol import job

    assert codec.PAYLOAD_LIMIT_BYTES == job.PAYLOAD_LIMIT_BYTES


def test_a_result_of_a_module_that_is_missing_here_says_which() -> None:
    # Given a pickle that names a module nobody has
    data = b"\x80\x05cnowhere_to_be_found\nThing\n."

    # When
    with pytest.raises(ResultUnreadable, match="install 'nowhere_to_be_found' here"):
        codec.load_value(data)


def test_an_object_with_a_broken_reduce_is_unpicklable_and_not_a_crash() -> None:
    # Given
    class Broken:
        def __reduce__(self) -> Any:
            raise RuntimeError("no")

    # When
    with pytest.raises(Unpicklable, match=r"the result: .*Broken cannot be pickled .RuntimeError: no"):
        codec.dump_value(Broken())
