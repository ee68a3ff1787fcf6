"""The tree, the table, the dead letters and the events of a system's actors."""

from __future__ import annotations

import io
import threading
from collections.abc import Mapping
from typing import Any

import pytest
import rich.console

from actorcloud.actor import Actor, DynamicSupervisor, Supervisor, System, debug
from actorcloud.base.telemetry import Telemetry
from actorcloud.base.telemetry import telemetry as process_telemetry
from tests.actor.cast import PATIENCE, Boom, Probe, Run, boom, end_of, run, tell_run


def printed(drawn: Any) -> str:
    out = io.StringIO()
    rich.console.Console(file=out, width=200).print(drawn)
    return out.getvalue()


def test_a_tree_shows_every_actor_under_its_parent(system: System) -> None:
    # Given a family, a loner with a child, and children of either kind that do not run
    inner = Supervisor.child_spec([Probe.child_spec(id="leaf", name="leaf")], id="inner")
    family: Any = Supervisor.options(name="family").start(
        [Probe.child_spec(id="a"), inner, Probe.child_spec(id="gone")]
    )
    family.terminate_child("gone")
    loner = Probe.start()
    child = run(loner, lambda _: Probe.start_link())
    # When
    tree = debug.tree(system, patience=PATIENCE)
    # Then
    first, second = tree.roots
    assert (first.ref, [node.id for node in first.children]) == (family, ["a", "inner", "gone"])
    assert [node.title for node in first.children[1].children] == [str(system.whereis("leaf"))]
    assert first.children[2].status == "stopped"
    assert (second.ref, [node.ref for node in second.children]) == (loner, [child])
    lines = str(tree).splitlines()
    assert "6 actors" in lines[0]
    assert lines[1] == f"├─ {family}  waiting"
    assert lines[3] == f"│  ├─ 'inner'  {first.children[1].ref}  waiting"
    assert lines[4].startswith("│  │  └─ 'leaf'")
    assert lines[-1].startswith("   └─ Probe<")
    assert len(list(tree.nodes())) == 7
    for line in lines:
        assert line.lstrip("│├└─ ") in printed(tree.rich())


def test_a_tree_tells_restarts_and_what_waits(system: System) -> None:
    family = Supervisor.start([Probe.child_spec(id="a")])
    for _ in range(2):
        with pytest.raises(Boom):
            family.child("a").ask(Run(boom), timeout=PATIENCE)
    a = family.child("a")
    debug.suspend(a)
    a.tell("x")
    node = debug.tree(system, patience=PATIENCE).roots[0].children[0]
    assert (node.restarts, node.mailbox) == (2, 1)
    assert str(node).endswith("1 waiting  restarted 2 times")


def test_a_busy_supervisor_is_called_busy_and_is_not_piled_up_with_requests(pool: System) -> None:
    # Given a supervisor that starts a child for a long time
    entered, leave = threading.Event(), threading.Event()

    class Slow(Actor):
        def __init__(self) -> None:
            entered.set()
            leave.wait(PATIENCE)

    family: Any = DynamicSupervisor.start()
    quick = family.start_child(Probe)
    starting = family.ask(_start(Slow), block=False, timeout=None)
    assert entered.wait(PATIENCE)
    # When
    trees = [debug.tree(pool, patience=0.01) for _ in range(10)]
    # Then
    assert {tree.roots[0].status for tree in trees} == {"busy"}
    assert quick in [node.ref for node in trees[-1].roots[0].children]
    assert len(family._cell.debug.requests) <= 4
    leave.set()
    starting.get(PATIENCE)
    assert debug.tree(pool, patience=PATIENCE).roots[0].status == "waiting"
    assert family._cell.debug is None


def _start(kind: Any) -> Any:
    from actorcloud.actor import StartChild

    return StartChild(kind.child_spec())


@pytest.mark.shared_memory
def test_an_actor_may_look_at_its_own_family(system: System) -> None:
    family = Supervisor.start([Probe.child_spec(id="a")])
    tree = run(family.child("a"), lambda me: debug.tree(patience=PATIENCE))
    assert [node.id for node in tree.roots[0].children] == ["a"]


def test_a_deep_family_is_cut(system: System) -> None:
    ref = Probe.start()
    for _ in range(60):
        ref = run(ref, lambda _: Probe.start_link())
    assert len(list(debug.tree(system).nodes())) == 51


def test_show_prints_the_tree_of_the_current_system(system: System, capsys: pytest.CaptureFixture[str]) -> None:
    Probe.options(name="seen").start()
    debug.show()
    assert "'seen'" in capsys.readouterr().out


def test_a_table_has_those_with_most_mail_first(pool: System) -> None:
    # Given
    idle, busy = Probe.options(name="idle").start(), Probe.start()
    run(idle, lambda me: me.set_label("shelf"))
    run(idle, lambda me: me.link(busy))
    entered, leave = threading.Event(), threading.Event()
    tell_run(busy, lambda _: (entered.set(), leave.wait(PATIENCE)))  # type: ignore[func-returns-value]
    assert entered.wait(PATIENCE)
    busy.tell("x")
    # When
    table = debug.table(pool)
    leave.set()
    # Then
    assert [row.ref for row in table.rows] == [busy, idle]
    first, second = table.rows
    assert (first.status, first.mailbox, first.links) == ("running", 1, 1)
    assert first.handles.startswith("Run(")
    assert (second.status, second.handles) == ("waiting", "")
    assert second.title.endswith("'idle' [shelf]")
    lines = str(table).splitlines()
    assert lines[0].split() == ["actor", "status", "waiting", "links", "handles"]
    assert len(lines) == 3
    assert str(idle) in printed(table.rich())


def test_dead_letters_are_counted_by_actor_for_the_last_thousand(system: System) -> None:
    # Given
    p = Probe.start()
    p.stop()
    # When
    for message in (1, 2, "three"):
        p.tell(message)
    # Then
    (letters,) = debug.dead_letters()
    assert (letters.actor, letters.count, letters.last) == (str(p), 3, "str")
    # When more than a thousand others get some
    dead = [system.ref(type(p.id)(p.id.peer, serial)) for serial in range(10_000, 11_000)]
    for ref in dead:
        ref.tell("x")
    # Then
    assert len(debug.dead_letters()) == 1_000
    assert str(p) not in [letters.actor for letters in debug.dead_letters()]


class Ear:
    """Hears events."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, Mapping[str, float], Mapping[str, Any]]] = []

    def __call__(self, name: str, measurements: Mapping[str, float], metadata: Mapping[str, object]) -> None:
        self.heard.append((name.removeprefix("actorcloud.actor."), measurements, metadata))

    def names(self) -> list[str]:
        return [name for name, _, _ in self.heard]


@pytest.fixture
def ear(system: System) -> Ear:
    ear = Ear()
    system.telemetry = Telemetry()
    system.telemetry.attach(ear)
    return ear


def test_a_system_tells_the_process_unless_told_otherwise(system: System) -> None:
    assert system.telemetry is process_telemetry
    assert not process_telemetry.is_heard


def test_lives_and_dead_letters_are_events(system: System, ear: Ear) -> None:
    p = Probe.options(name="p").start()
    p.stop()
    # Who waits for an end may be told before the event is.
    while "actor.stop" not in ear.names():
        system.sleep(0.001)
    p.tell("x")
    assert ear.names() == ["actor.start", "actor.stop", "letter.dead"]
    start, stop, letter = ear.heard
    assert start[2]["name"] == "p"
    assert start[2]["actor_class"].endswith(".Probe")
    assert (stop[2]["reason"], stop[2]["is_normal"]) == ("normal", True)
    assert (letter[1], letter[2]) == ({"count": 1}, {"actor": str(p), "message": "str"})


def test_restarts_are_events(system: System, ear: Ear) -> None:
    family = Supervisor.start([Probe.child_spec(id="a")])
    pool: Any = DynamicSupervisor.start()
    for child in (family.child("a"), pool.start_child(Probe)):
        with pytest.raises(Boom):
            run(child, boom)
    new = family.child("a")
    pool.count_children()
    told = [(numbers, facts) for name, numbers, facts in ear.heard if name == "child.restart"]
    assert told[0] == ({"restarts": 1}, {"supervisor": str(family), "child": "'a'", "actor": str(new)})
    assert told[1][1]["supervisor"] == str(pool)


def test_a_killed_handler_that_runs_on_is_an_event_and_so_is_its_end(pool: System) -> None:
    # Given
    ear = Ear()
    pool.telemetry = Telemetry()
    pool.telemetry.attach(ear)
    p, entered, leave = Probe.start(), threading.Event(), threading.Event()
    back = threading.Event()
    pool.telemetry.attach(lambda name, _, __: back.set() if name.endswith("zombie.stop") else None)
    tell_run(p, lambda _: (entered.set(), leave.wait(PATIENCE)))  # type: ignore[func-returns-value]
    assert entered.wait(PATIENCE)
    # When
    p.kill()
    end_of(p)
    leave.set()
    # Then
    assert back.wait(PATIENCE)
    assert ear.names() == ["actor.start", "zombie.start", "actor.stop", "zombie.stop"]
