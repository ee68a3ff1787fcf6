"""What people do in their first hour, and what they read then."""

from __future__ import annotations

import pytest

from actorcloud import Cloud


def double(number: int) -> int:
    return 2 * number


async def later() -> int:
    return 1


@pytest.mark.slow
def test_a_private_head_says_that_it_cannot_dial_nodes_and_goes_on() -> None:
    with Cloud(workers=1) as cloud:
        # When a node is added to a head that has no keys
        with pytest.raises(Exception, match="listens on this machine only"):
            cloud.add_node("127.0.0.1", 7711)
        # Then nothing has happened to it
        assert cloud.result(cloud.add_job(double, 21), timeout=120) == 42


def test_what_is_no_function_is_refused_where_it_is_given() -> None:
    with Cloud(workers=0) as cloud:
        with pytest.raises(TypeError, match="'print' cannot be called"):
            cloud.add_job("print", 1)  # type: ignore[arg-type]  # that is the mistake
        with pytest.raises(TypeError, match="later is async"):
            cloud.add_job(later)


def test_what_cannot_key_the_store_is_named() -> None:
    with Cloud(workers=0) as cloud, pytest.raises(ValueError, match="JobRef or the name of a space, not 5"):
        cloud.mutate_store(lambda: cloud.store(5, "key", 1))  # type: ignore[arg-type]  # that is the mistake
