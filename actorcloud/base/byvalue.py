"""The user's own code as bytes: functions, classes and whole modules travel by value.

A `cloudpickle.Pickler` with four rules of our own:

1. Everything outside the libraries (`base.origin`) travels by value, not only `__main__`.
2. A module is rebuilt around its own namespace: its functions, wherever they are met in the pickle,
   get that namespace as their globals, and modules that import each other are no endless recursion.
3. A class that the receiving program has itself, under the same name, is that class there: a result
   fetched by a second run of the same script is an instance of the script's class, and `except
   MyError` catches. A worker takes what was sent: the class as it was at the call.
4. Code keeps the name of its file, which cloudpickle drops from 3.1.3 on: a remote traceback shows the user's lines.

Owns nothing but a weak set of classes that were sent. Thread: any.

Reference: cloudpickle's documented extension points: `Pickler.reducer_override`,
`Pickler.globals_ref`, `register_pickle_by_value`.
"""

from __future__ import annotations

import contextlib
import contextvars
import io
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from types import CodeType, FunctionType, ModuleType
from typing import Any

import cloudpickle

from actorcloud.base.origin import find, is_library
from actorcloud.base.struct_shell import StructMeta, struct_fields, struct_maker

#: Whether classes of this program stand for those of the pickle: in clients, never for a job's own code.
_local_classes: contextvars.ContextVar[bool] = contextvars.ContextVar("actorcloud-local-classes", default=False)

#: Classes that this process sent: when they come back they are not filled anew.
_sent: weakref.WeakSet[type] = weakref.WeakSet()

#: Guards cloudpickle's process-wide set of by-value modules between register and unregister.
_registering = threading.Lock()


def dump(value: object, protocol: int) -> bytes:
    """Return the pickle of `value`; raises whatever stopped it."""
    buffer = io.BytesIO()
    _ValuePickler(buffer, protocol=protocol).dump(value)
    return buffer.getvalue()


@contextlib.contextmanager
def preferring_local_classes() -> Iterator[None]:
    """Within this block, unpickling uses a class of this process where it has one of that name."""
    token = _local_classes.set(True)
    try:
        yield
    finally:
        _local_classes.reset(token)


class _ValuePickler(cloudpickle.Pickler):  # type: ignore[misc]  # cloudpickle has no types
    """See the module."""

    def __init__(self, file: io.BytesIO, protocol: int) -> None:
        super().__init__(file, protocol=protocol)
        self._shells: dict[str, _Shell] = {}

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, ModuleType):
            return self._reduce_module(obj)
        if isinstance(obj, FunctionType):
            self._share_namespace(obj)
            return self._reduce_code(obj)
        if isinstance(obj, type):
            return self._reduce_class(obj)
        if isinstance(obj, CodeType):
            return _code_in_file, (obj.co_filename, *self.dispatch_table[CodeType](obj))
        return super().reducer_override(obj)

    def _reduce_module(self, module: ModuleType) -> Any:
        if not _is_users(module):
            return NotImplemented
        state = {name: value for name, value in vars(module).items() if name not in _NOT_STATE}
        # The shell first, the content as state: memoized in between, so that cycles end.
        return _content, (self._shell(module.__name__),), state, None, None, _fill_module

    def _share_namespace(self, function: FunctionType) -> None:
        module = sys.modules.get(function.__globals__.get("__name__", ""))
        if module is not None and vars(module) is function.__globals__ and _is_users(module):
            shell = self._shell(module.__name__)
            self.globals_ref.setdefault(id(function.__globals__), _Namespace(shell))

    def _shell(self, name: str) -> _Shell:
        return self._shells.setdefault(name, _Shell(name))

    def _reduce_class(self, cls: type) -> Any:
        reduced = self._reduce_code(cls)
        if not isinstance(reduced, tuple) or len(reduced) != _WITH_SETTER:
            return reduced
        make, args, state, _, _, setter = reduced
        if isinstance(cls, StructMeta):
            args, state = _struct_parts(cls, args, state)
        _sent.add(cls)
        key = (cls.__module__, cls.__qualname__)
        return _make_class, (*key, make, args), (*key, setter, state), None, None, _fill_class

    def _reduce_code(self, obj: Any) -> Any:
        module = sys.modules.get(obj.__module__ or "")
        if not isinstance(module, ModuleType) or not _is_users(module):
            return super().reducer_override(obj)
        # Registered for this one question only: the user's other tools see no difference.
        with _registering:
            known = module.__name__ in cloudpickle.list_registry_pickle_by_value()
            if known:
                return super().reducer_override(obj)
            cloudpickle.register_pickle_by_value(module)
            try:
                return super().reducer_override(obj)
            finally:
                cloudpickle.unregister_pickle_by_value(module)


def _struct_parts(cls: type, args: Any, state: Any) -> tuple[Any, Any]:
    """Let the fields of a Struct travel with its shell."""
    _, name, bases, namespace, *rest = args
    content = {key: value for key, value in state[0].items() if key != "__slots__"}
    return (struct_maker(cls), name, bases, {**namespace, **struct_fields(cls)}, *rest), (content, state[1])


#: Entries of a reduction that has a state setter.
_WITH_SETTER = 6

#: What the receiver's module has of its own, or cannot use.
_NOT_STATE = frozenset({"__builtins__", "__loader__", "__spec__", "__cached__"})


class _Shell:
    """Stands for a module's empty shell while pickling; unpickles as the module."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __reduce__(self) -> tuple[Callable[[str], ModuleType], tuple[str]]:
        return ModuleType, (self.name,)


class _Namespace(dict[str, object]):
    """Stands for a module's namespace while pickling; unpickles as that of the shell."""

    def __init__(self, shell: _Shell) -> None:
        # Not empty: cloudpickle would add the module's own paths to an empty one.
        super().__init__(__name__=shell.name)
        self.shell = shell

    def __reduce__(self) -> tuple[Callable[[ModuleType], dict[str, object]], tuple[_Shell]]:
        return _namespace, (self.shell,)


def _is_users(module: ModuleType) -> bool:
    name = module.__name__
    return name != "__main__" and sys.modules.get(name) is module and not is_library(name)


def _namespace(module: ModuleType) -> dict[str, object]:
    return vars(module)


def _content(module: ModuleType) -> ModuleType:
    return module


def _fill_module(module: ModuleType, state: dict[str, object]) -> None:
    vars(module).update(state)


def _code_in_file(filename: str, make: Callable[..., CodeType], args: tuple[object, ...]) -> CodeType:
    return make(*args).replace(co_filename=filename)


def _make_class(module: str, path: str, make: Callable[..., type], args: tuple[object, ...]) -> type:
    return _local(module, path) or make(*args)


def _fill_class(cls: type, state: tuple[str, str, Callable[[type, object], object], object]) -> None:
    module, path, setter, content = state
    is_ours = _local_classes.get() and (cls in _sent or _local(module, path) is cls)
    if not is_ours:
        setter(cls, content)


def _local(module: str, path: str) -> type | None:
    found = find(module, path) if _local_classes.get() else None
    return found if isinstance(found, type) else None
