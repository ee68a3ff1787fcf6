"""The jobs of the simulated programs; they travel by value, so each brings what it needs."""

from __future__ import annotations

from typing import Any

from actorcloud import Cloud, JobRef, current


def rest(cloud: Cloud, seconds: float) -> None:
    """Let virtual time pass in a job."""
    cloud.room.session.head.wait(lambda: False, seconds)


def increment(cloud: Cloud, space: str, key: str) -> int:
    value: int = cloud.fetch(space, key, 0) + 1
    cloud.store(space, key, value)
    return value


#: Of the bank, and what each holds at first.
ACCOUNTS, BALANCE = 6, 100


def move(cloud: Cloud, number: int) -> None:
    """Move money between two accounts, as part of a transaction."""
    here, there = number % ACCOUNTS, (number + 1 + number // ACCOUNTS % (ACCOUNTS - 1)) % ACCOUNTS
    cloud.store("bank", here, cloud.fetch("bank", here, BALANCE) - 1 - number)
    cloud.store("bank", there, cloud.fetch("bank", there, BALANCE) + 1 + number)


def audit(cloud: Cloud) -> int:
    """Add up all accounts; a sum that is wrong in any run, also in one that will not commit, is an error."""
    total = sum(cloud.fetch("bank", account, BALANCE) for account in range(ACCOUNTS))
    assert total == ACCOUNTS * BALANCE, f"a run sees the sum {total}"
    return int(total)


def transfer(number: int) -> int:
    """Move money once, and look at all accounts."""
    cloud = current().cloud
    cloud.mutate_store(lambda: move(cloud, number), once="move")
    cloud.mutate_store(lambda: audit(cloud))
    return number


def echo(value: int) -> int:
    return value


def count(number: int) -> int:
    """Count itself, exactly once."""
    cloud = current().cloud
    rest(cloud, 0.02 * (number % 4))
    cloud.mutate_store(lambda: increment(cloud, "sum", "once"), once="add")
    return number


def finish(number: int) -> int:
    """Count itself with its end, and say by which run."""
    job = current()
    cloud = job.cloud
    fence = cloud.room.session.fence
    assert fence is not None

    def end() -> None:
        increment(cloud, "sum", "done")
        cloud.store("finished", str(job.ref), fence[1])

    job.on_done(end)
    rest(cloud, 0.01 * (number % 3))
    return number


def parent(number: int) -> list[JobRef[Any]]:
    """Add children exactly once, in a transaction of its own."""
    cloud = current().cloud

    def add() -> list[JobRef[Any]]:
        cloud.store("parents", str(current().ref), number)
        return [cloud.add_job(count, number + child) for child in range(2)]

    refs: list[JobRef[Any]] = cloud.mutate_store(add, once="children").value
    rest(cloud, 0.02)
    return refs


def reckless(number: int) -> JobRef[Any]:
    """Add a child at least once."""
    cloud = current().cloud
    ref = cloud.add_job(echo, number)
    rest(cloud, 0.05)
    return ref


def cancel_children(count: int) -> None:
    """Add children and cancel one after the other; in a later attempt see that the run before does not go on."""
    cloud = current().cloud
    if current().attempt == 1:
        for ref in cloud.add_jobs(sleep, [1000.0] * count):
            rest(cloud, 0.02)
            cloud.cancel(ref)
        return
    before = cloud.jobs("failed")
    rest(cloud, 1.0)
    assert cloud.jobs("failed") == before, "a run that is not current has cancelled a job"
    for state in ("queued", "running"):
        for ref in cloud.jobs(state):
            _ = ref == current().ref or cloud.cancel(ref)


def await_children(depth: int) -> int:
    """Count the jobs of a binary tree by waiting for them."""
    cloud = current().cloud
    if depth == 0:
        return 1
    refs = cloud.add_jobs(await_children, [depth - 1] * 2)
    return 1 + sum(cloud.results(refs))


def overtake(number: int) -> int:
    """Write and write again: whatever a run commits, it must be the current one."""
    cloud = current().cloud
    total = 0
    for _ in range(3):
        total += cloud.mutate_store(lambda: increment(cloud, "sum", "often")).value
        rest(cloud, 0.03)
    return number


def flaky(failures: int) -> int:
    """Fail in the first attempts."""
    if current().attempt <= failures:
        raise RuntimeError(f"attempt {current().attempt} fails")
    return failures


def fail(text: str) -> None:
    raise ValueError(text)


def sleep(seconds: float) -> float:
    rest(current().cloud, seconds)
    return seconds


def wait_for(ref: JobRef[Any], timeout: float) -> Any:
    """Wait for another job, but not for long."""
    return current().cloud.result(ref, timeout)


def leave_a_thread(number: int) -> int:
    """Spend its worker: another has to take its place."""
    from actorcloud.testing import spend_worker

    rest(current().cloud, 0.005)
    spend_worker()
    return number


def tell_attempt(number: int) -> int:
    """Tell in which attempt it succeeded."""
    rest(current().cloud, 0.001 * number)
    return current().attempt


def die() -> None:
    """Kill its own process."""
    from actorcloud.testing import kill_worker

    rest(current().cloud, 0.005)
    kill_worker()


def step(space: str, key: str, number: int) -> int:
    """Count a key up, each step exactly once."""
    cloud = current().cloud
    for turn in range(number):
        rest(cloud, 0.03 * (turn % 3))
        cloud.mutate_store(lambda: increment(cloud, space, key), once=f"step {turn}")
    return number


def follow(space: str, key: str, until: int) -> int:
    """Watch a key until it has this value; return how often it was seen to change."""
    cloud = current().cloud
    changes, last = 0, -1
    with cloud.watch(space, key, 0) as watch:
        for value in watch:
            assert value >= last, "it was seen to go back"
            changes, last = changes + 1, value
            if value == until:
                break
    return changes


def delete_after(ref: JobRef[Any], seconds: float) -> None:
    cloud = current().cloud
    rest(cloud, seconds)
    cloud.delete_job(ref)
