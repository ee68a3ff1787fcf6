"""Debug calls: block D of the conformance list, and the state and status of servers of block C."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from actorcloud.actor import (
    Actor,
    ActorDeadError,
    ActorRef,
    AskTimeout,
    CallbackFailed,
    CallingSelf,
    Exit,
    NoReply,
    ReplyTo,
    Status,
    Supervisor,
    System,
    debug,
    named,
)
from actorcloud.base.errors import ConfigError
from actorcloud.base.exits import ExitReason
from tests.actor.cast import PATIENCE, Boom, Probe, Run, log, run, tell_run


class Counter(Actor):
    """Counts; answers with the sum."""

    def __init__(self, count: int = 0) -> None:
        self.count = count
        self.owed: ReplyTo | None = None

    def on_receive(self, message: Any) -> Any:
        match message:
            case "later":
                self.owed = self.sender
                return NoReply
            case "now":
                assert self.owed is not None
                self.reply(self.owed, self.count)
                return None
        self.count += message
        return self.count


def test_an_actor_that_nobody_watches_has_no_instrument(system: System) -> None:
    p = Counter.start()
    p.ask(1)
    debug.get_state(p)
    assert p._cell.debug is None
    debug.trace(p, write=str)
    assert p._cell.debug is not None
    debug.no_debug(p)
    assert p._cell.debug is None


# -- state ----------------------------------------------------------------------------------------


@pytest.mark.case(253)
def test_the_state_can_be_seen_by_ref_and_by_name_also_while_suspended(system: System) -> None:
    p = Counter.options(name="counter").start(5)
    for ref in (p, named("counter")):
        assert debug.get_state(ref) == {"count": 5, "owed": None}
    debug.suspend(p)
    assert debug.get_state(p)["count"] == 5


@pytest.mark.case(254)
def test_the_state_can_be_replaced_also_while_suspended(system: System) -> None:
    p = Counter.start(1)
    assert debug.replace_state(p, lambda state: {**state, "count": 40})["count"] == 40
    assert p.ask(1) == 41
    debug.suspend(p)
    assert debug.replace_state(p, lambda state: {"count": 7, "extra": 1}) == {"count": 7, "extra": 1}
    debug.resume(p)
    assert p.ask(1) == 8
    assert debug.get_state(p) == {"count": 8, "extra": 1}


@pytest.mark.case(254)
@pytest.mark.parametrize("function", [lambda state: 1 / 0, lambda state: None], ids=["raises", "no mapping"])
def test_a_function_that_fails_changes_nothing_and_is_the_callers_error(
    system: System, function: Callable[[Any], Any]
) -> None:
    p = Counter.start(1)
    with pytest.raises(CallbackFailed, match="Counter"):
        debug.replace_state(p, function)
    assert p.ask(1) == 2


@pytest.mark.case(271)
def test_a_class_may_say_itself_what_its_state_is(system: System) -> None:
    # Given
    class Special(Actor):
        value: Any = 0

        def system_get_state(self) -> Any:
            if self.value == "broken":
                raise Boom("no state")
            return ("special", self.value)

        def system_replace_state(self, function: Any) -> Any:
            self.value = function(self.value)
            return self.value

    p = Special.start()
    debug.statistics(p)
    # When, then
    assert debug.get_state(p) == ("special", 0)
    assert debug.replace_state(p, lambda value: value + 1) == 1
    debug.replace_state(p, lambda _: "broken")
    with pytest.raises(CallbackFailed, match="Boom"):
        debug.get_state(p)
    assert "raised Boom" in debug.get_status(p).status.state
    assert debug.get_statistics(p) is not None
    debug.terminate(p)
    assert not p.is_alive()


@pytest.mark.case(247)
def test_the_status_tells_how_an_actor_is_doing(system: System) -> None:
    # Given
    parent = Probe.start()
    child = run(parent, lambda _: Counter.options(name="child").start_link(3))
    # When
    debug.suspend(child)
    child.tell(1)
    for ref in (child, named("child")):
        status = debug.get_status(ref)
        # Then
        assert (status.ref, status.actor_class, status.name, status.parent) == (child, Counter, "child", parent)
        assert (status.is_suspended, status.mailbox, status.functions) == (True, 1, [])
        assert status.status == status.status
        assert status.status.state["count"] == 3
    debug.resume(child)
    assert child.ask(0) == 4
    assert not debug.get_status(child).is_suspended


class Secretive(Actor):
    """Has a secret, and a way to keep it."""

    def __init__(self, way: str) -> None:
        self.secret = "s3cret"
        self.way = way

    def on_receive(self, message: Any) -> Any:
        raise Boom("as told")

    def format_status(self, status: Status) -> Status:
        match self.way:
            case "replace":
                return msgspec.structs.replace(status, state="hidden")
            case "raise":
                raise Boom(f"cannot hide {self.secret}")
            case "exit":
                raise SystemExit(self.secret)
            case "all":
                return Status(state="state", message="message", reason="reason", log=["log"])
        return self.secret  # type: ignore[return-value]  # as a careless class would


@pytest.mark.case(247, 250, 251, 252)
@pytest.mark.parametrize(
    ("way", "state"),
    [
        ("replace", "hidden"),
        ("raise", "<format_status of Secretive raised Boom: not shown>"),
        ("exit", "<format_status of Secretive raised SystemExit: not shown>"),
        ("garbage", "<format_status of Secretive returned str, no Status: not shown>"),
    ],
)
def test_format_status_keeps_a_secret_even_when_it_fails(system: System, way: str, state: str) -> None:
    p = Secretive.start(way)
    found = debug.get_status(p)
    assert found.status.state == state
    assert "s3cret" not in repr(found.status)
    assert p.is_alive()


@pytest.mark.case(252)
def test_format_status_may_rewrite_everything(system: System) -> None:
    status = debug.get_status(Secretive.start("all")).status
    assert (status.state, status.message, status.reason, status.log) == ("state", "message", "reason", ["log"])


# -- suspension -----------------------------------------------------------------------------------


@pytest.mark.case(269)
def test_a_suspended_actor_lets_its_messages_wait(system: System) -> None:
    # Given
    p = Counter.start()
    debug.suspend(p)
    debug.suspend(p)
    # When
    for _ in range(3):
        p.tell(1)
    with pytest.raises(AskTimeout):
        p.ask(1, timeout=0.01)
    assert debug.get_state(p)["count"] == 0
    # Then
    debug.resume(p)
    debug.resume(p)
    assert p.ask(0) == 4
    assert p._cell.debug is None


def test_a_suspended_actor_ends_by_stop_by_a_signal_and_by_terminate(system: System) -> None:
    ends: list[Callable[[ActorRef[Any]], object]] = [
        lambda ref: ref.stop(reason="r"),
        lambda ref: ref.exit("r"),
        lambda ref: debug.terminate(ref, "r"),
    ]
    for end in ends:
        p = Counter.start()
        waiting = p.monitor()
        debug.suspend(p)
        asked = p.ask(1, block=False)
        end(p)
        assert waiting.get(PATIENCE).reason == "r"
        with pytest.raises(ActorDeadError):
            asked.get(PATIENCE)


def test_a_suspended_actor_obeys_its_parent_and_nobody_else(system: System) -> None:
    # Given
    parent, other = Probe.start(), Probe.start()
    child = run(parent, lambda _: Probe.start_link(trap=True))
    run(other, lambda me: me.link(child))
    debug.suspend(child)
    # When
    run(other, lambda _: child.exit("from another"))
    assert debug.get_status(child).mailbox == 1
    # Then
    end = child.monitor()
    parent.stop(reason="r")
    assert end.get(PATIENCE).reason == "r"


def test_a_suspended_supervisor_can_be_shut_down(system: System) -> None:
    family = Supervisor.start([Probe.child_spec(id=id, trap=True) for id in ("one", "two")])
    one = family.child("one")
    debug.suspend(family)
    assert debug.get_status(family).is_suspended
    family.stop()
    assert not one.is_alive()


# -- debug functions ------------------------------------------------------------------------------


@pytest.mark.case(265)
def test_a_log_keeps_the_last_events(system: System) -> None:
    p = Counter.start()
    assert debug.get_log(p) == []
    debug.log(p)
    for _ in range(8):
        p.ask(1)
    assert [event.kind for event in debug.get_log(p)] == ["in", "out"] * 5
    debug.log(p, 3)
    assert [str(event) for event in debug.get_log(p)] == ["sent 7", "got ask 1", "sent 8"]
    assert len(debug.get_status(p).status.log) == 3
    debug.log(p, 0)
    assert debug.get_log(p) == []


@pytest.mark.parametrize("keep", [-1, debug.LOG_LIMIT + 1, True, "all"])
def test_a_log_is_bounded(system: System, keep: Any) -> None:
    with pytest.raises(ConfigError, match="keep is"):
        debug.log(Counter.start(), keep)


@pytest.mark.case(266)
def test_a_log_can_go_to_a_file(system: System, tmp_path: Path) -> None:
    p = Counter.start()
    path = tmp_path / "events"
    debug.log_to_file(p, path)
    p.ask(1)
    debug.log_to_file(p, None)
    p.ask(1)
    lines = path.read_text(encoding="utf-8").splitlines()
    assert [line.split(" ", 1)[1] for line in lines] == [f"{p} got ask 1", f"{p} sent 1"]


def test_a_file_that_cannot_be_written_is_given_up(
    system: System, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    p = Counter.start()
    debug.log_to_file(p, tmp_path / "nowhere" / "events")
    assert [p.ask(1), p.ask(1)] == [1, 2]
    assert [record.getMessage() for record in caplog.records if "was removed" in record.getMessage()]
    assert debug.get_status(p).functions == []


@pytest.mark.case(268)
def test_a_trace_prints_what_comes_and_goes(system: System, capsys: pytest.CaptureFixture[str]) -> None:
    p = Counter.start()
    debug.trace(p)
    p.ask(1)
    debug.trace(p, False)
    p.ask(1)
    assert capsys.readouterr().out.splitlines() == [f"{p} got ask 1", f"{p} sent 1"]


@pytest.mark.case(267)
def test_statistics_count_until_they_are_off(system: System) -> None:
    p = Counter.start()
    assert debug.get_statistics(p) is None
    debug.statistics(p)
    p.ask(1)
    debug.statistics(p)
    p.tell(1)
    p.ask(1)
    found = debug.get_statistics(p)
    assert found is not None
    assert (found.messages_in, found.messages_out) == (3, 2)
    assert found.started_at <= system.clock.time()
    debug.statistics(p, False)
    assert debug.get_statistics(p) is None
    debug.statistics(p)
    again = debug.get_statistics(p)
    assert again is not None
    assert again.messages_in == 0


@pytest.mark.case(270)
@pytest.mark.shared_memory
def test_a_debug_function_is_installed_once_and_runs_once_for_each_event(system: System) -> None:
    # Given
    seen: list[Any] = []

    def note(state: int, event: debug.Event, ref: ActorRef[Any]) -> int:
        seen.append((state, event.kind, ref))
        return state + 1

    p = Counter.start()
    # When it is installed twice, then under two names
    assert debug.install(p, note, 0) is True
    assert debug.install(p, note, 0) is False
    p.ask(1)
    # Then
    assert seen == [(0, "in", p), (1, "out", p)]
    assert debug.install(p, note, 10, id="again") is True
    p.tell(1)
    p.ask(0)
    assert [state for state, _, _ in seen[2:]] == [2, 10, 3, 11, 4, 12]
    # And it can be removed
    debug.remove(p, note)
    debug.remove(p, "unknown")
    debug.no_debug(p)
    seen.clear()
    p.ask(1)
    assert seen == []


@pytest.mark.case(270)
def test_a_debug_function_that_is_done_or_fails_is_removed(system: System) -> None:
    p = Counter.start()
    debug.install(p, lambda state, event, ref: debug.DONE, id="done")
    debug.install(p, lambda state, event, ref: 1 / 0, id="failing")
    debug.install(p, lambda state, event, ref: state, id="staying")
    assert p.ask(1) == 1
    assert debug.get_status(p).functions == ["staying"]


@pytest.mark.shared_memory
def test_answers_that_come_later_are_events_too(system: System) -> None:
    p = Counter.start(1)
    debug.log(p)
    asked = p.ask("later", block=False)
    p.tell("now")
    assert asked.get(PATIENCE) == 1
    assert [event.kind for event in debug.get_log(p)] == ["in", "noreply", "in", "out"]
    assert not p._cell.deferred
    asked = p.ask("later", block=False)
    p.stop()
    with pytest.raises(ActorDeadError):
        asked.get(PATIENCE)


def test_a_turn_that_began_unwatched_goes_on_watched(pool: System) -> None:
    # Given an actor in a handler, with mail behind it
    p, entered, leave = Probe.start(), threading.Event(), threading.Event()
    p.tell(Run(lambda _: _hold(entered, leave)))
    p.tell("behind")
    assert entered.wait(PATIENCE)
    # When
    asked = pool.future()
    p.signal(debug_request("install", "log", lambda state, event, ref: [*state, event.value], [], to=asked))
    leave.set()
    asked.get(PATIENCE)
    # Then
    assert log(p, 1) == ["behind"]
    seen = debug.call.request(p, "peek", "log")
    assert seen[0] == "behind"


def debug_request(call: str, *args: Any, to: Any) -> Any:
    from actorcloud.actor import SystemRequest

    return SystemRequest(call, args, to)


@pytest.mark.case(272)
def test_an_actor_that_is_busy_is_not_disturbed(pool: System) -> None:
    p, entered, leave = Probe.start(), threading.Event(), threading.Event()
    p.tell(Run(lambda _: _hold(entered, leave)))
    assert entered.wait(PATIENCE)
    with pytest.raises(AskTimeout, match="is busy"):
        debug.get_state(p, timeout=0.01)
    leave.set()
    assert run(p, lambda _: "alive") == "alive"


def test_a_debug_call_of_the_dead_of_a_stranger_or_of_oneself_fails(system: System) -> None:
    p = Probe.start()
    with pytest.raises(CallingSelf, match="wait for itself"):
        run(p, lambda me: debug.get_state(me.actor_ref))
    q = Probe.start()
    q.stop()
    for ref in (q, named("nobody")):
        with pytest.raises(ActorDeadError) as caught:
            debug.get_state(ref)
        assert caught.value.reason is ExitReason.NOPROC


def test_a_request_that_comes_too_late_fails(pool: System) -> None:
    # Given a request to an actor that is in its last handler
    p, entered, leave = Probe.start(), threading.Event(), threading.Event()

    def last(me: Probe) -> None:
        entered.set()
        leave.wait(PATIENCE)
        raise Boom("the end")

    tell_run(p, last)
    assert entered.wait(PATIENCE)
    asked = pool.future()
    p.signal(debug_request("get_state", to=asked))
    # When
    leave.set()
    # Then
    with pytest.raises(ActorDeadError):
        asked.get(PATIENCE)


def test_a_watched_actor_does_all_that_others_do(system: System) -> None:
    # Given
    class Busy(Probe):
        def on_batch_end(self) -> None:
            self.batches = getattr(self, "batches", 0) + 1

        def on_continue(self, term: Any) -> None:
            self._note(term)

        def on_exit(self, message: Exit) -> None:
            self._note(message.reason)

    p, q = Busy.start(trap=True), Probe.start()
    debug.log(p, 100)
    # When
    run(p, lambda me: me.link(q))
    run(p, lambda me: me.continue_with("on"))
    q.stop(reason="r")
    # Then
    assert log(p, 2) == ["on", "r"]
    assert p.proxy().batches.get() > 0
    assert "continue" in {event.kind for event in debug.get_log(p)}
    with pytest.raises(Boom):
        p.ask(Run(_boom))
    assert not p.is_alive()


def _hold(entered: threading.Event, leave: threading.Event) -> None:
    entered.set()
    leave.wait(PATIENCE)


def _boom(_: Any) -> None:
    raise Boom("as told")


def test_terminate_tells_of_another_end(system: System) -> None:
    class Changes(Actor):
        def on_stop(self) -> None:
            raise Boom("while stopping")

    with pytest.raises(ActorDeadError, match="while stopping"):
        debug.terminate(Changes.start(), "asked for")
