"""The window of an isolated actor's mail: never more under way than may be, and never stuck."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import given

from actorcloud.actor.isolation.window import BYTES_LIMIT, MESSAGES_LIMIT, Window

sizes = st.one_of(st.integers(0, 1_000), st.integers(BYTES_LIMIT // 4, 2 * BYTES_LIMIT))


@given(st.lists(st.one_of(sizes.map(lambda size: ("send", size)), st.integers(0, 20).map(lambda n: ("handle", n)))))
def test_what_is_under_way_is_what_was_sent_and_not_handled(events: list[tuple[str, int]]) -> None:
    window = Window()
    under_way: list[int] = []
    freed = 0
    for what, number in events:
        if what == "send" and window.has_room(number):
            window.sent(number)
            under_way.append(number)
        elif what == "handle":
            handled = min(number, len(under_way))
            del under_way[:handled]
            freed += handled
            window.free(freed)
        assert window.bytes_under_way == sum(under_way)
        assert len(under_way) <= MESSAGES_LIMIT
        assert sum(under_way) <= BYTES_LIMIT or len(under_way) == 1
    window.free(freed + len(under_way))
    assert window.has_room(3 * BYTES_LIMIT)


def test_a_host_that_claims_more_than_was_sent_gains_nothing() -> None:
    window = Window()
    window.sent(10)
    window.free(1_000)
    assert window.bytes_under_way == 0
    window.sent(5)
    assert window.bytes_under_way == 5
