"""Handlers of the messages that are not the user's: asks, ends, Pykka's.

Thread: the one that runs the actor.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pykka.messages
from pykka._introspection import get_attr_directly

from actorcloud.actor.cell.ending import Ending
from actorcloud.actor.mailbox.mail import Ask, StopOrder, Tied
from actorcloud.actor.mailbox.mailbox import DEAD, NoReply
from actorcloud.actor.signals import Down, Exit
from actorcloud.actor.thread.context import GUARD
from actorcloud.base.exits import ExitReason

logger = logging.getLogger("actorcloud.actor")


def handle(cell: Ending, message: Any) -> Any:
    """Handle one message in the running turn and return what the handler returned."""
    special = HANDLERS.get(type(message))
    return cell.actor.on_receive(message) if special is None else special(cell, message)


def _on_ask(cell: Ending, ask: Ask) -> None:
    cell.asking = ask
    if cell.state == DEAD:
        # Killed since the ask left the mailbox: who killed it answered what it owed, and did not see this one.
        cell.refuse_all(cell.reason)
        return
    try:
        value = handle(cell, ask.message)
    except Exception as error:
        if not refuse(cell, ask, error):
            raise
        return
    answer(cell, ask, value)


def refuse(cell: Ending, ask: Ask, error: Exception) -> bool:
    """Let only the asker hear of what a handler raised; False if the actor is to end by it."""
    if cell.kind.ask_errors != "reply" or cell.is_ending():
        return False
    cell.asking = None
    logger.info("%s answers with an error", cell.ref, exc_info=error)
    ask.reply_to.set_exception(error)
    return True


def answer(cell: Ending, ask: Ask, value: Any) -> None:
    """See to what the handler of an ask returned."""
    if cell.state == DEAD:
        return  # a zombie: its answer is dropped, and the asker has heard of the death
    if value is NoReply:
        cell.asking = None
        if cell.debug is not None:
            cell.debug.note_owed(cell, ask)
        cell.owe(ask.reply_to)
    elif cell.stopping is not None:
        # Stop with reply: on_stop runs first, then the reply is sent.
        cell.final_reply = (ask.reply_to, value)
    else:
        cell.asking = None
        ask.reply_to.set(value)


def _on_exit(cell: Ending, message: Exit) -> Any:
    if cell.parent is not None and message.sender == cell.parent:
        return _on_stop_order(cell, StopOrder(message.reason))
    return cell.actor.on_exit(message)


def _on_down(cell: Ending, message: Down) -> Any:
    with GUARD:
        if cell.downs is None or message.ref not in cell.downs:
            return None  # flushed
        cell.downs.discard(message.ref)
    return cell.actor.on_down(message)


def _on_tied(cell: Ending, tied: Tied) -> Any:
    return cell.actor.on_receive(tied.message) if cell.expects(tied.ref) else None


def _on_stop_order(cell: Ending, message: StopOrder) -> None:
    cell.actor._on_stop_order(message.reason)  # noqa: SLF001


def _on_pykka_stop(cell: Ending, message: Any) -> None:  # noqa: ARG001
    _on_stop_order(cell, StopOrder(ExitReason.NORMAL))


def _on_proxy_call(cell: Ending, message: pykka.messages.ProxyCall) -> Any:
    return get_attr_directly(cell.actor, message.attr_path)(*message.args, **message.kwargs)


def _on_proxy_get(cell: Ending, message: pykka.messages.ProxyGetAttr) -> Any:
    return get_attr_directly(cell.actor, message.attr_path)


def _on_proxy_set(cell: Ending, message: pykka.messages.ProxySetAttr) -> None:
    setattr(get_attr_directly(cell.actor, message.attr_path[:-1]), message.attr_path[-1], message.value)


#: How messages that are not the user's are handled; all others go to `on_receive`.
HANDLERS: dict[type, Callable[[Ending, Any], Any]] = {
    Ask: _on_ask,
    Exit: _on_exit,
    Down: _on_down,
    Tied: _on_tied,
    StopOrder: _on_stop_order,
    pykka.messages._ActorStop: _on_pykka_stop,  # noqa: SLF001  what Pykka's own code sends
    pykka.messages.ProxyCall: _on_proxy_call,
    pykka.messages.ProxyGetAttr: _on_proxy_get,
    pykka.messages.ProxySetAttr: _on_proxy_set,
}
