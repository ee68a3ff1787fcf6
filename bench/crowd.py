"""Many client processes that start together: what a server's throughput is measured with.

::

    this process            each of N processes, with T threads
    Crowd(open, where) ---> open(where, thread) -> Client, one a thread
    rate("rmw", 1000) ----> client.rmw(turn) 1000 times in all, shared by all threads
          <---------------- (problem, begin, end), by the machine's monotonic clock

The rate is taken from the first beginning to the last end, so a slow process counts in full.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

#: (where, number of this thread among all of the crowd) -> a context with the client.
Open = Callable[[str, int], Any]

#: Seconds that one sample may take.
PATIENCE = 120.0


class Crowd:
    """See the module; made by `crowd`."""

    def __init__(self, pipes: list[Connection[Any, Any]], threads: int) -> None:
        self._pipes = pipes
        self._threads = threads

    def rate(self, work: str, number: int) -> float:
        """Have a method of all clients called `number` times in all, and return the calls in a second."""
        share = number // (len(self._pipes) * self._threads)
        begin_at = time.monotonic() + 0.05
        for pipe in self._pipes:
            pipe.send((work, share, begin_at))
        spans = [self._answer(pipe) for pipe in self._pipes]
        done = share * self._threads * len(self._pipes)
        return done / (max(end for _, end in spans) - min(begin for begin, _ in spans))

    def _answer(self, pipe: Connection[Any, Any]) -> tuple[float, float]:
        if not pipe.poll(PATIENCE):
            raise RuntimeError(f"a client process did not answer within {PATIENCE:g} s")
        problem, begin, end = pipe.recv()
        if problem:
            raise RuntimeError(f"a client failed, this is no measurement: {problem}")
        return begin, end


@contextmanager
def crowd(open_client: Open, where: str, *, processes: int, threads: int = 1) -> Iterator[Crowd]:
    """Start processes with clients.

    Args:
        open_client: a function of a module; the processes import it.
        where: its first argument.
        processes: how many.
        threads: clients of each.
    """
    context = get_context("spawn")
    with ExitStack() as stack:
        pipes = []
        for index in range(processes):
            ours, theirs = context.Pipe()
            process = context.Process(target=_be, args=(theirs, open_client, where, index * threads, threads))
            process.start()
            theirs.close()
            stack.callback(process.join)
            stack.callback(ours.close)
            pipes.append(ours)
        for pipe in pipes:
            if not pipe.poll(PATIENCE) or pipe.recv() != "ready":
                raise RuntimeError("a client process did not start")
        yield Crowd(pipes, threads)


def _be(pipe: Connection[Any, Any], open_client: Open, where: str, first: int, threads: int) -> None:
    with ExitStack() as stack:
        clients = [stack.enter_context(open_client(where, first + index)) for index in range(threads)]
        pipe.send("ready")
        while True:
            try:
                work, share, begin_at = pipe.recv()
            except EOFError:
                return
            pipe.send(_sample([getattr(client, work) for client in clients], share, begin_at))


def _sample(works: list[Callable[[int], object]], share: int, begin_at: float) -> tuple[str, float, float]:
    problems: list[str] = []

    def run(work: Callable[[int], object]) -> None:
        try:
            for turn in range(share):
                work(turn)
        except Exception as error:  # noqa: BLE001  told to the parent
            problems.append(repr(error))

    time.sleep(max(0.0, begin_at - time.monotonic()))
    begin = time.monotonic()
    others = [threading.Thread(target=run, args=(work,)) for work in works[1:]]
    for thread in others:
        thread.start()
    run(works[0])
    for thread in others:
        thread.join()
    return "".join(problems[:1]), begin, time.monotonic()
