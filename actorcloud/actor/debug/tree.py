"""The actors of a system as a tree and as a table, for people.

Looking waits for nobody. Whose child an actor is, its mail and what it does are read from outside;
only a supervisor knows the ids and the restarts of its children, and is asked for them as by any
debug call, all at once, and called busy if it does not come to it in time.

Thread: any.

Reference: Erlang's observer; otp-semantics 5.1, 5.2.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import msgspec

from actorcloud.actor.errors import AskTimeout
from actorcloud.actor.future.completion import as_completed
from actorcloud.actor.future.future import Future
from actorcloud.actor.ref.ref import ActorRef
from actorcloud.actor.signals import SystemRequest
from actorcloud.actor.system.dead_letter import DeadLetters
from actorcloud.actor.system.system import System
from actorcloud.actor.thread.context import current_system
from actorcloud.base.brief import brief
from actorcloud.base.errors import ActorError

#: Seconds that all supervisors together have to answer: an eye does not notice it.
PATIENCE_DEFAULT = 0.1

#: Requests that may wait at a busy supervisor; more of ours are not added, however often one looks.
_WAITING = 4

#: Generations that are shown.
_DEPTH = 50


#: What is told about who ended meanwhile.
_DEAD: dict[str, Any] = {"status": "dead", "message_queue_len": 0, "current_message": None}


class Node(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """One actor of a tree, or a child that does not run."""

    #: What its supervisor calls it; None without one.
    id: Any = None
    #: None for a child that does not run.
    ref: ActorRef[Any] | None
    #: Its class and id, and its name.
    title: str
    #: As `ref.info("status")` tells it; "busy": a supervisor that did not answer; "stopped",
    #: "restarting": a child that does not run.
    status: str
    #: Messages that wait.
    mailbox: int = 0
    #: How often its supervisor started it anew.
    restarts: int = 0
    children: list[Node] = []

    def __str__(self) -> str:
        id = "" if self.id is None else f"{brief(self.id)}  "
        mailbox = f"  {self.mailbox} waiting" if self.mailbox else ""
        times = "once" if self.restarts == 1 else f"{self.restarts} times"
        restarts = f"  restarted {times}" if self.restarts else ""
        return f"{id}{self.title}  {self.status}{mailbox}{restarts}"


class Tree(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """The actors of a system; `print` shows it."""

    #: The system, in one line.
    title: str
    #: The actors without a parent, oldest first.
    roots: list[Node]

    def __str__(self) -> str:
        return "\n".join([self.title, *_lines(self.roots, "")])

    def rich(self) -> Any:
        """Return a `rich.tree.Tree`, for those who print with rich."""
        import rich.tree  # noqa: PLC0415  costs 50 ms, and few look
        from rich.markup import escape  # noqa: PLC0415  as above

        drawn = rich.tree.Tree(f"[bold]{escape(self.title)}[/bold]")
        _draw(drawn, self.roots, escape)
        return drawn

    def nodes(self) -> Iterator[Node]:
        """Yield every node, parents before children."""
        waiting = list(reversed(self.roots))
        while waiting:
            node = waiting.pop()
            yield node
            waiting.extend(reversed(node.children))


def tree(system: System | None = None, *, patience: float = PATIENCE_DEFAULT) -> Tree:
    """Return the actors of a system, each under its parent.

    Args:
        system: the current one unless given.
        patience: seconds that all supervisors together have to answer.

    Blocks:
        at most about `patience`.
    """
    system = system or current_system()
    assert system is not None, "there is always a current system"
    refs = system.actors()
    known = _children_of([ref for ref in refs if ref.reports_children], patience)
    by_parent: dict[Any, list[ActorRef[Any]]] = {}
    alive = {ref.id for ref in refs}
    for ref in refs:
        parent = ref._cell.parent  # noqa: SLF001  one package
        by_parent.setdefault(parent.id if parent is not None and parent.id in alive else None, []).append(ref)
    growth = _Growth(by_parent, known)
    roots = [growth.node(ref, None, 0) for ref in by_parent.get(None, [])]
    counts = f"{len(refs)} actors, {len(system.zombies())} zombies, {system.dead_letters} dead letters"
    return Tree(title=f"{system.peer}: {counts}", roots=roots)


def dead_letters(system: System | None = None) -> list[DeadLetters]:
    """Return how many messages went to dead actors, by actor, for the last thousand that got any.

    Args:
        system: the current one unless given.
    """
    found: list[DeadLetters] = (system or current_system()).mourned.all()
    return found


class _Growth:
    """Makes nodes of refs."""

    def __init__(self, by_parent: dict[Any, list[ActorRef[Any]]], known: dict[Any, list[Any] | None]) -> None:
        self._by_parent = by_parent
        #: Supervisor's id -> its `ChildInfo`s; None if it is busy.
        self._known = known

    def node(self, ref: ActorRef[Any], about: Any, depth: int) -> Node:
        """Return the node of an actor; `about` is its `ChildInfo`, if its supervisor told one."""
        facts = ref.info("status", "message_queue_len", "current_message") or _DEAD
        is_supervisor = ref.id in self._known
        is_busy = is_supervisor and self._known[ref.id] is None
        # What it runs is our own request, or it waits in the middle of something.
        is_ours = is_supervisor and facts["status"] == "running" and facts["current_message"] is None
        return Node(
            id=None if about is None else about.id,
            ref=ref,
            title=str(ref),
            status="busy" if is_busy else "waiting" if is_ours else facts["status"],
            mailbox=facts["message_queue_len"],
            restarts=0 if about is None else about.restarts,
            children=self._children(ref, depth + 1) if depth < _DEPTH else [],
        )

    def _children(self, ref: ActorRef[Any], depth: int) -> list[Node]:
        known = self._known.get(ref.id) or []
        told = {info.ref.id for info in known if info.ref is not None}
        nodes = [_absent(info) if info.ref is None else self.node(info.ref, info, depth) for info in known]
        others = [child for child in self._by_parent.get(ref.id, []) if child.id not in told]
        return nodes + [self.node(child, None, depth) for child in others]


def _absent(info: Any) -> Node:
    status = "restarting" if info.is_restarting else "stopped"
    return Node(id=info.id, ref=None, title=f"({info.type})", status=status, restarts=info.restarts)


def _children_of(supervisors: list[ActorRef[Any]], patience: float) -> dict[Any, list[Any] | None]:
    asked: dict[Future[Any], ActorRef[Any]] = {}
    for ref in supervisors:
        instrument = ref._cell.debug  # noqa: SLF001  one package
        # The caller's own family does not answer while it waits here.
        if not ref._is_me() and (instrument is None or len(instrument.requests) < _WAITING):  # noqa: SLF001
            future: Future[Any] = Future()
            ref.signal(SystemRequest("get_children", (), future))
            asked[future] = ref
    known: dict[Any, list[Any] | None] = {ref.id: None for ref in supervisors}
    try:
        for future in as_completed(asked, timeout=patience):
            known[asked[future].id] = _answer(future)
    except AskTimeout:
        pass  # those are busy
    return known


def _answer(future: Future[Any]) -> list[Any]:
    try:
        return list(future.get())
    except ActorError:
        return []  # it ended meanwhile


def _lines(nodes: list[Node], indent: str) -> Iterator[str]:
    for node in nodes:
        is_last = node is nodes[-1]
        yield f"{indent}{'└─' if is_last else '├─'} {node}"
        yield from _lines(node.children, f"{indent}{'   ' if is_last else '│  '}")


def _draw(drawn: Any, nodes: list[Node], escape: Any) -> None:
    for node in nodes:
        style = "red" if node.status in {"busy", "restarting", "zombie"} else "default"
        _draw(drawn.add(f"[{style}]{escape(str(node))}[/{style}]"), node.children, escape)


def show(system: System | None = None) -> None:
    """Print the tree of a system's actors; the current one unless given."""
    sys.stdout.write(f"{tree(system)}\n")
