"""Whose code is it: the user's, which travels by value, or a library's, which travels by name?

A library is what every machine is expected to have installed: the standard library, what lies in a
site-packages directory, extension modules, and actorcloud itself. Everything else is the user's:
`__main__`, the modules beside it, editable installs, notebooks. Their functions, classes and
modules travel as they are at the call, so that no file has to be copied to any machine.

Thread: any. Nothing is imported here; modules are only looked up in `sys.modules`.
"""

from __future__ import annotations

import functools
import importlib.machinery
import os
import sys
import sysconfig
from types import FunctionType, ModuleType

#: Directory names that hold installed packages (Debian says dist-packages).
_INSTALLED = frozenset({"site-packages", "dist-packages"})

_EXTENSIONS = tuple(importlib.machinery.EXTENSION_SUFFIXES)

_OURS = __name__.partition(".")[0]


def is_library(name: str) -> bool:
    """Tell whether the module of this name is expected on every machine.

    Args:
        name: as in `sys.modules`; a module that is not loaded is nobody's, so not a library.
    """
    if name == "__main__":
        return False
    if name.partition(".")[0] == _OURS or name in sys.builtin_module_names:
        return True
    module = sys.modules.get(name)
    return isinstance(module, ModuleType) and _is_library_file(_file_of(module))


def travels_by_name(obj: object) -> bool:
    """Tell whether a function or class can be found by its name on every machine.

    False for what is the user's, and for what its module does not have under its own name:
    lambdas, local functions, classes made at run time.
    """
    module = getattr(obj, "__module__", None)
    path = getattr(obj, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(path, str) or not is_library(module):
        return False
    return find(module, path) is obj


def find(module: str, path: str) -> object | None:
    """Return what a loaded module has under this dotted path, or None; imports nothing.

    Only namespaces are read: no module's `__getattr__` and no descriptor is ever called.
    """
    found: object = sys.modules.get(module)
    for part in path.split("."):
        if not isinstance(found, (ModuleType, type)):
            return None
        found = vars(found).get(part)
    return found


def is_code(obj: object) -> bool:
    """Tell whether `obj` is a function, class or module, which have an origin."""
    return isinstance(obj, (FunctionType, type, ModuleType))


def _file_of(module: ModuleType) -> str | None:
    file = getattr(module, "__file__", None)
    if isinstance(file, str):
        return file
    # A namespace package has directories and no file.
    for directory in getattr(module, "__path__", ()):
        return f"{directory}{os.sep}__init__.py"
    return getattr(getattr(module, "__spec__", None), "origin", None)


@functools.lru_cache(maxsize=4096)
def _is_library_file(file: str | None) -> bool:
    if file is None:
        return False
    if file in {"built-in", "frozen"} or file.endswith(_EXTENSIONS):
        return True
    if not _INSTALLED.isdisjoint(file.replace(os.sep, "/").split("/")):
        return True
    return os.path.realpath(file).startswith(_standard_library())


@functools.cache
def _standard_library() -> tuple[str, ...]:
    paths = {sysconfig.get_path(key) for key in ("stdlib", "platstdlib")}
    return tuple(os.path.realpath(path) + os.sep for path in paths if path)
