"""Every message that crosses a process, tagged and versioned.

Import the modules directly; this package only sees to it that `message.decode` knows them all.
"""

from __future__ import annotations

import importlib
import pkgutil

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")
