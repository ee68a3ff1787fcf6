"""Jobs that count: what is lost or counted twice shows in the store."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import actorcloud
from actorcloud import Cloud, JobRef

#: The space of the counter; beside it each job's own count, so that a wrong sum has a name.
SPACE = "count"

#: Jobs that may be on their way while processes are killed.
WINDOW = 200


def count(seconds: float = 0.0) -> str:
    """Add 1 to the counter and to this job's own, once; then take some time."""
    job = actorcloud.current()
    cloud, name = job.cloud, str(job.ref)

    def add() -> None:
        cloud.store(SPACE, "sum", cloud.fetch(SPACE, "sum", 0) + 1)
        cloud.store(SPACE, name, cloud.fetch(SPACE, name, 0) + 1)

    cloud.mutate_store(add, once="count")
    threading.Event().wait(seconds)
    return name


class Adder:
    """A client that adds jobs one by one and remembers what was acknowledged.

    Args:
        cloud: where.
        seconds: that each job takes.
    """

    def __init__(self, cloud: Cloud, seconds: float = 0.0) -> None:
        self.refs: list[JobRef[str]] = []
        self._cloud = cloud
        self._seconds = seconds
        self._stop = threading.Event()

    def run(self) -> None:
        """Add jobs until `stop`, at most `WINDOW` of them not done."""
        while not self._stop.is_set():
            self.refs.append(self._cloud.add_job(count, self._seconds))
            if len(self.refs) >= WINDOW:
                self._cloud.result(self.refs[-WINDOW], timeout=120)

    def stop(self) -> None:
        self._stop.set()


def verify(cloud: Cloud, refs: list[JobRef[str]]) -> None:
    """See that every acknowledged job is done and counted, and counted once."""
    assert cloud.results(refs, timeout=240) == [str(ref) for ref in refs]
    by_job = [cloud.fetch(SPACE, str(ref), 0) for ref in refs[:500]]
    assert set(by_job) <= {1}
    assert cloud.fetch(SPACE, "sum", 0) == len(refs)


@contextmanager
def steadily(adder: Adder) -> Iterator[None]:
    """Let the adder add jobs during the block."""
    errors: list[BaseException] = []

    def run() -> None:
        try:
            adder.run()
        except BaseException as error:  # noqa: BLE001  raised below, in the thread of the test
            errors.append(error)

    thread = threading.Thread(target=run, name="adder")
    thread.start()
    try:
        yield
    finally:
        adder.stop()
        thread.join(180)
    if errors:
        raise errors[0]
    assert not thread.is_alive(), "the adder waits for ever"


class Chance:
    """Random moments that a seed repeats, as far as processes repeat anything."""

    def __init__(self, seed: int | None = None) -> None:
        self.seed = random.SystemRandom().getrandbits(32) if seed is None else seed
        self.random = random.Random(self.seed)
        self._pause = threading.Event()
        print(f"seed {self.seed}")

    def wait(self, most: float) -> None:
        """Let a random time pass, shorter ones more often: the moment of a kill is what is tested."""
        self._pause.wait(most * self.random.random() ** 2)


def progress(refs: list[JobRef[str]]) -> Callable[[], bool]:
    """Return a function that tells whether jobs were acknowledged since."""
    before = len(refs)
    return lambda: len(refs) > before


def now() -> float:
    return time.monotonic()
