"""Under what the actors of one system are found: their plain names, and the directories that list them.

An actor has one plain name at most, and is listed in any number of directories. Its end releases all
of it in one step under `GUARD`, before anybody hears of it.

Thread: any; guarded by `GUARD`, but for looking into one dict.

Reference: OTP's `register/2`; otp-semantics 1.5, 1.9.
"""

from __future__ import annotations

from typing import Any

from actorcloud.actor.cell.cell import Cell
from actorcloud.actor.mailbox.mailbox import DEAD
from actorcloud.actor.name import Directory, check_name
from actorcloud.actor.ref.ref import ActorRef
from actorcloud.actor.thread.context import GUARD
from actorcloud.base.errors import ActorError, NameTaken, NoSuchName
from actorcloud.base.ids import Peer


class Names:
    """See the module.

    Args:
        peer: the system's; only its actors can be found here.
    """

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self._cells: dict[str, Cell] = {}
        #: Where else actors are listed, by serial; a dict for its order.
        self._listed: dict[int, dict[Directory, None]] = {}

    def register(self, name: str, ref: ActorRef[Any]) -> None:
        """See `System.register`."""
        check_name(name)
        cell = ref._cell if ref.id.peer == self._peer else None  # noqa: SLF001  one package
        problem: ActorError | None = None
        with GUARD:
            if cell is None or cell.state == DEAD:
                problem = ActorError(f"{ref} is no live actor of {self._peer}: it cannot be {name!r}")
            elif name in self._cells:
                problem = NameTaken(f"{name!r} is taken by {self._cells[name].id}")
            elif cell.name is not None:
                problem = NameTaken(f"{cell.id} is registered already, as {cell.name!r}")
            else:
                self.claim(name, cell)
        if problem is not None:
            raise problem

    def claim(self, name: str, cell: Cell) -> Cell | None:
        """Give an actor a name; or return who has it. Under GUARD."""
        taken = self._cells.get(name)
        if taken is None:
            self._cells[name] = cell
            cell.name = name
        return taken

    def unregister(self, name: str) -> None:
        """See `System.unregister`."""
        with GUARD:
            cell = self._cells.pop(name, None)
            if cell is not None:
                cell.name = None
        if cell is None:
            raise _nobody(name)

    def whereis(self, name: str) -> ActorRef[Any] | None:
        """See `System.whereis`."""
        cell = self._cells.get(name)
        return None if cell is None or not cell.is_alive() else cell.ref

    def lookup(self, name: str) -> ActorRef[Any]:
        """See `System.lookup`."""
        found = self.whereis(name)
        if found is None:
            raise _nobody(name)
        return found

    def all(self) -> list[str]:
        """Return the names in use."""
        return list(self._cells)

    # -- the directories --------------------------------------------------------------------------

    def list_in(self, directory: Directory, cell: Cell) -> None:
        """Have `directory.release` called when `cell` dies. Under GUARD."""
        self._listed.setdefault(cell.id.serial, {})[directory] = None

    def unlist(self, directory: Directory, cell: Cell) -> None:
        """Take `list_in` back. Under GUARD."""
        listed = self._listed.get(cell.id.serial, {})
        listed.pop(directory, None)
        if not listed:
            self._listed.pop(cell.id.serial, None)

    # -- the end of an actor ----------------------------------------------------------------------

    def has(self, cell: Cell) -> bool:
        """Whether an actor can be found under a plain name, or is listed in a directory."""
        return cell.name is not None or cell.id.serial in self._listed

    def forget(self, cell: Cell) -> None:
        """Release all under which a dying actor is found. Under GUARD."""
        if cell.name is not None and self._cells.get(cell.name) is cell:
            del self._cells[cell.name]
        for directory in self._listed.pop(cell.id.serial, ()):
            directory.release(cell.id.serial)

    def clear(self) -> None:
        """Forget everything, and tell no directory. Under GUARD."""
        self._cells.clear()
        self._listed.clear()


def _nobody(name: str) -> NoSuchName:
    return NoSuchName(f"no live actor is registered as {name!r}")
