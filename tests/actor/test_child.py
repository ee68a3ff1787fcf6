"""Child specs: defaults, and every wrong field by name."""

from __future__ import annotations

import pytest

from actorcloud.actor import BRUTAL_KILL, INFINITY, Actor, ChildSpec, Supervisor
from actorcloud.actor.child import to_spec
from actorcloud.base.errors import BadChildSpec
from tests.actor.cast import Probe


class Settled(Actor):
    id = "settled"
    restart = "transient"
    shutdown = 1.5


def test_a_class_gives_its_own_spec() -> None:
    spec = Probe.child_spec(trap=True)
    assert (spec.id, spec.start, spec.kwargs, spec.restart) == ("Probe", Probe, {"trap": True}, "permanent")
    assert (spec.child_type, spec.patience) == ("worker", 5.0)
    assert Probe.child_spec(name="n").id == "n"


def test_a_class_may_say_how_it_wants_to_be_supervised() -> None:
    spec = Settled.child_spec()
    assert (spec.id, spec.restart, spec.patience) == ("settled", "transient", 1.5)
    spec = Settled.child_spec(id=1, restart="temporary", shutdown=BRUTAL_KILL)
    assert (spec.id, spec.restart, spec.patience) == (1, "temporary", 0.0)


def test_supervisors_get_all_the_time_they_need() -> None:
    assert Supervisor.child_spec([]).child_type == "supervisor"
    assert Supervisor.child_spec([]).patience is None
    assert Probe.child_spec(shutdown=INFINITY).patience is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", []),
        ("start", "Probe"),
        ("restart", "always"),
        ("shutdown", -1),
        ("shutdown", "later"),
        ("shutdown", True),
        ("shutdown", float("inf")),
        ("shutdown", float("nan")),
        ("type", "manager"),
        ("significant", 1),
        ("significant", True),
    ],
    ids=str,
)
def test_a_wrong_field_is_named_with_its_value(field: str, value: object) -> None:
    with pytest.raises(BadChildSpec, match=f"{field} is "):
        ChildSpec(**{"id": "x", "start": Probe, field: value})  # type: ignore[arg-type]


def test_a_function_registers_its_name_itself() -> None:
    with pytest.raises(BadChildSpec, match="name"):
        ChildSpec(id="x", start=lambda: None, name="n")


def test_what_is_no_child_is_refused() -> None:
    with pytest.raises(BadChildSpec, match="no child"):
        to_spec("Probe")
