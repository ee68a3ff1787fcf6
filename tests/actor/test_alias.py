"""Addresses that can be taken back."""

from __future__ import annotations

import pickle
import threading
from typing import Any

import pytest

from actorcloud.actor import Actor, Alias, Down, ReceiveTimeout, System, process
from actorcloud.base.errors import ActorError, Unpicklable
from tests.actor.cast import PATIENCE, Probe, log, run


def rest(me: Any) -> list[Any]:
    """Return what waits in a process's mailbox."""
    found = []
    while True:
        try:
            found.append(me.receive(timeout=0))
        except ReceiveTimeout:
            return found


@pytest.mark.case(57)
def test_nothing_comes_through_an_alias_that_was_taken_back(system: System) -> None:
    p = Probe.start()
    with process() as me:
        alias = me.alias()
        run(p, lambda _: alias.tell("first"))
        run(p, lambda _: alias.tell("second"))
        assert me.unalias(alias) is True
        run(p, lambda _: alias.tell("third"))
        assert rest(me) == ["first", "second"]
        assert me.unalias(alias) is False


@pytest.mark.case(58)
def test_through_a_reply_alias_comes_one_message(system: System) -> None:
    with process() as me:
        alias = me.alias("reply")
        alias.tell("first")
        alias.tell("second")
        assert rest(me) == ["first"]


@pytest.mark.case(59)
@pytest.mark.parametrize("is_tied", [False, True])
def test_a_watched_actor_may_answer_through_an_alias_and_end(system: System, is_tied: bool) -> None:  # noqa: FBT001
    p = Probe.start()
    with process() as me:
        monitor = me.monitor(p)
        alias = me.alias(monitor=monitor if is_tied else None)
        run(p, lambda _: alias.tell("answer"))
        run(p, lambda actor: actor.stop("done"))
        assert me.receive(timeout=PATIENCE) == "answer"
        assert me.receive(Down, timeout=PATIENCE).reason == "done"
        # Only the one that is tied has ended with the monitor
        assert me.unalias(alias) is not is_tied


@pytest.mark.case(60)
def test_an_alias_tied_to_a_monitor_ends_with_it(system: System) -> None:
    p = Probe.start()
    with process() as me:
        monitor = me.monitor(p)
        alias = me.alias(monitor=monitor)
        alias.tell("before")
        assert me.demonitor(monitor) is True
        alias.tell("after")
        assert rest(me) == ["before"]
        assert me.unalias(me.alias(monitor=monitor)) is False


def test_the_answer_through_a_tied_reply_alias_ends_the_monitor_too(system: System) -> None:
    p = Probe.start()
    with process() as me:
        monitor = me.monitor(p)
        me.alias("reply", monitor=monitor).tell("answer")
        p.stop()
        assert rest(me) == ["answer"]
        assert me.demonitor(monitor) is False


@pytest.mark.case(61)
def test_only_its_owner_takes_an_alias_back(system: System) -> None:
    other = Probe.start()
    with process() as me:
        alias = me.alias()
        assert run(other, lambda actor: actor.unalias(alias)) is False
        alias.tell("still there")
        assert rest(me) == ["still there"]


def test_an_alias_ends_with_its_owner_and_wakes_it_before(system: System) -> None:
    p = Probe.start()
    alias: Alias = run(p, lambda actor: actor.alias())
    alias.tell("x")
    assert log(p, 1) == ["x"]
    p.stop()
    before = system.dead_letters
    alias.tell("late")
    assert system.dead_letters == before


def test_an_alias_cannot_be_guessed_and_can_be_handed_on(system: System) -> None:
    with process() as me:
        alias = me.alias()
        assert pickle.loads(pickle.dumps(alias)) == alias
        Alias(me.ref, alias.serial + 1).tell("forged")
        assert rest(me) == []


def test_what_comes_through_is_copied_like_other_mail() -> None:
    with System(name="test", copy_messages=True) as system, process(system=system) as me:
        alias, sent = me.alias("reply"), [1]
        with pytest.raises(Unpicklable):
            alias.tell(threading.Lock())
        alias.tell(sent)
        sent.append(2)
        assert rest(me) == [[1]]


def test_too_much_through_an_alias_kills_as_too_much_mail_does(pool: System) -> None:
    gate = pool.future()

    class Bounded(Actor):
        max_mailbox = 2

        def on_receive(self, message: Any) -> Any:
            return self.alias() if message == "alias" else gate.get(PATIENCE)

    p = Bounded.start()
    alias = p.ask("alias")
    for _ in range(4):
        alias.tell("x")
    assert not p.is_alive()
    gate.set()


def test_there_are_two_modes(system: System) -> None:
    with process() as me, pytest.raises(ValueError, match="'explicit' or 'reply'"):
        me.alias("never")  # type: ignore[arg-type]


def test_an_alias_of_another_peers_actor_says_so() -> None:
    class Elsewhere:
        _is_local = False

    with pytest.raises(ActorError, match="another peer"):
        Alias(Elsewhere(), 1).tell("x")
