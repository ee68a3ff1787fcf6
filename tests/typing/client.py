"""How the client's types are seen by users; checked by mypy, never run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, assert_type

from actorcloud import Cloud, Commit, Fail, JobFuture, JobRef, NodeRef, current


def area(width: float, height: float = 1.0) -> float:
    return width * height


def length(text: str) -> int:
    return len(text)


async def use(cloud: Cloud) -> None:
    ref = cloud.add_job(area, 2.0, height=3.0)
    assert_type(ref, JobRef[float])
    assert_type(cloud.result(ref), float)
    assert_type(cloud.result(ref, timeout=1), float)
    assert_type(cloud.result("01JD6X0Q2V8Z3N7YB5K4M9RHTC"), Any)
    assert_type(cloud.options(retries=3, timeout=60).add_job(length, "abc"), JobRef[int])

    refs = cloud.add_jobs(length, ["a", "b"])
    assert_type(refs, list[JobRef[int]])
    assert_type(cloud.results(refs), list[int])
    assert_type(cloud.as_completed(refs), Iterator[JobRef[int]])
    assert_type(cloud.map(length, ["a"]), Iterator[int])

    future = cloud.submit(length, "a")
    assert_type(future, JobFuture[int])
    assert_type(future.result(), int)
    assert_type(await future, int)
    assert_type(cloud.future(ref), JobFuture[float])

    assert_type(cloud.mutate_store(lambda: 1), Commit[int] | Fail)
    assert_type(cloud.nodes(), list[NodeRef])
    assert_type(current().cloud, Cloud)
    with cloud as same:
        assert_type(same, Cloud)

    cloud.add_job(area, "2")  # type: ignore[arg-type]
    cloud.add_job(area, 1.0, depth=2)  # type: ignore[call-arg]
    cloud.add_jobs(length, [1])  # type: ignore[arg-type]
    cloud.options(retry=3)  # type: ignore[call-arg]
