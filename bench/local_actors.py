"""What actors of one process cost: messages, answers, lives and memory.

Beside Pykka, whose actors are threads, on the same work; beside bare asyncio for the ring, and the
standard library's queue for the fan-in. Both sides run with the same affinity: `pinned` figures on one
processor, where waking a thread is cheap, the others free.
"""

from __future__ import annotations

import asyncio
import gc
import os
import queue
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Any, TypeVar

import psutil
import pykka

from actorcloud.actor import Actor, DynamicSupervisor, System
from bench.measure import in_turns, median, seconds
from bench.registry import Figure, benchmark

R = TypeVar("R")

TELLS = 200_000
ASKS = 20_000
HOPS = 200_000
RING = 100
PRODUCERS = 8
SLEEPERS = 1_000
SLEEP = 0.1

#: Pykka's share of the work: it takes about as long.
PYKKA_SHARE = 8

LIVES = {"1k": 1_000, "10k": 10_000, "100k": 100_000}
#: More threads than that Pykka would need minutes for.
PYKKA_LIVES = 10_000


class Sink(Actor):
    """Swallows messages, answers asks with their message."""

    def on_receive(self, message: Any) -> Any:
        """Answer."""
        return message


class InlineSink(Sink):
    """Says that it never blocks."""

    inline = True


class PykkaSink(pykka.ThreadingActor):
    """Pykka's."""

    def on_receive(self, message: Any) -> Any:
        """Answer."""
        return message


class Asker(Actor):
    """Asks another actor, many times."""

    def on_receive(self, message: Any) -> Any:
        """Return the seconds it took."""
        return _ask_often(*message)


class PykkaAsker(pykka.ThreadingActor):
    """Pykka's."""

    def on_receive(self, message: Any) -> Any:
        """Return the seconds it took."""
        return _ask_often(*message)


class Node(Actor):
    """One of a ring: passes a number on, one less, until it is zero."""

    def __init__(self, done: threading.Event) -> None:
        self.done = done
        self.next: Any = None

    def on_receive(self, message: Any) -> None:
        """Pass it on."""
        if type(message) is not int:
            self.next = message
        elif message:
            self.next.tell(message - 1)
        else:
            self.done.set()


class PykkaNode(pykka.ThreadingActor):
    """Pykka's."""

    def __init__(self, done: threading.Event) -> None:
        super().__init__()
        self.done = done
        self.next: Any = None

    on_receive = Node.on_receive


class Sleeper(Actor):
    """Blocks its thread."""

    def on_receive(self, message: Any) -> None:
        """Sleep, then count down."""
        time.sleep(SLEEP)
        message()


# -- messages -------------------------------------------------------------------------------------


@benchmark("local-actors")
def tell() -> Iterator[Figure]:
    """Measure one thread that tells one actor."""
    for name, processors in (("tell", None), ("tell pinned", 1)):
        with affinity(processors), actors(Sink, PykkaSink) as (sink, peer):
            mine, theirs = in_turns(
                lambda: TELLS / seconds(lambda: _flood(sink, TELLS)),
                lambda: TELLS / PYKKA_SHARE / seconds(lambda: _flood(peer, TELLS // PYKKA_SHARE)),
            )
        yield _rate(name, mine, theirs, "Pykka")


@benchmark("local-actors")
def ask() -> Iterator[Figure]:
    """Measure asks: of an inline actor and of any by an actor, and by a plain thread."""
    for suffix, processors in (("", None), (" pinned", 1)):
        with affinity(processors):
            for name, kind in (("ask inline", InlineSink), ("ask default", Sink)):
                with actors(kind, PykkaSink) as (sink, peer), actors(Asker, PykkaAsker) as (asker, pykka_asker):
                    mine, theirs = in_turns(
                        lambda: ASKS / asker.ask((sink, ASKS), timeout=None),
                        lambda: ASKS / pykka_asker.ask((peer, ASKS), timeout=None),
                    )
                yield _rate(name + suffix, mine, theirs, "Pykka")
            with actors(Sink, PykkaSink) as (sink, peer):
                mine, theirs = in_turns(lambda: ASKS / _ask_often(sink, ASKS), lambda: ASKS / _ask_often(peer, ASKS))
            yield _rate("ask thread" + suffix, mine, theirs, "Pykka")


@benchmark("local-actors")
def fan_in() -> Iterator[Figure]:
    """Measure eight threads that tell one actor."""
    with actors(Sink, PykkaSink) as (sink, peer):
        mine, theirs = in_turns(
            lambda: TELLS / seconds(lambda: _flood_from_many(sink.tell, lambda: sink.ask(None, timeout=None), TELLS)),
            lambda: (
                TELLS
                / PYKKA_SHARE
                / seconds(lambda: _flood_from_many(peer.tell, lambda: peer.ask(None), TELLS // PYKKA_SHARE))
            ),
        )
        stdlib = [TELLS / _queue_seconds(TELLS) for _ in range(3)]
    yield _rate("fan-in", mine, theirs, "Pykka")
    yield _rate("fan-in, queue", mine, stdlib, "queue.SimpleQueue and one thread")


@benchmark("local-actors")
def ring() -> Iterator[Figure]:
    """Measure hops in a ring of actors."""
    with rings() as (mine_once, pykka_once):
        mine, theirs = in_turns(
            lambda: HOPS / mine_once(HOPS), lambda: HOPS / PYKKA_SHARE / pykka_once(HOPS // PYKKA_SHARE)
        )
    bare = [HOPS / asyncio.run(_asyncio_ring(HOPS)) for _ in range(3)]
    yield _rate("ring", mine, theirs, "Pykka")
    yield _rate("ring, asyncio", mine, bare, "one asyncio.Queue and one task for each")


# -- lives ----------------------------------------------------------------------------------------


@benchmark("local-actors")
def spawn() -> Iterator[Figure]:
    """Measure whole lives: start, first message, stop."""
    for name, count in LIVES.items():
        mine = [alone(_lives, count) for _ in range(3)]
        theirs = [alone(_pykka_lives, min(count, PYKKA_LIVES))]
        yield _rate(f"spawn {name}", mine, theirs, f"Pykka, {min(count, PYKKA_LIVES)} actors")


@benchmark("local-actors")
def memory() -> Iterator[Figure]:
    """Measure the memory of an idle actor under a supervisor, before and after its first message."""
    peer = alone(_pykka_memory, 2_000)
    for name, work in (("memory", _memory), ("memory, after a message", _memory_used)):
        yield Figure(name=name, ours=alone(work, 100_000), peer=peer, unit="KiB", better="lower", against="Pykka")


@benchmark("local-actors")
def alive() -> Iterator[Figure]:
    """Measure 100,000 live actors that get a message each."""
    yield _rate("alive 100k", [alone(_alive, 100_000) for _ in range(3)], [alone(_pykka_alive, 2_000)], "Pykka, 2000")


@benchmark("local-actors")
def blocked() -> Iterator[Figure]:
    """Measure a thousand actors whose handlers block for 100 ms each, against a thread for each."""
    ours = [alone(_blocked, SLEEPERS) for _ in range(3)]
    peer = [alone(_blocked_threads, SLEEPERS) for _ in range(3)]
    yield Figure(
        name="blocked",
        ours=median(ours),
        peer=median(peer),
        unit="s",
        better="lower",
        against="a thread for each",
    )


# -- the work -------------------------------------------------------------------------------------


def _flood(sink: Any, count: int) -> None:
    tell = sink.tell
    for number in range(count):
        tell(number)
    sink.ask(None, timeout=None)


def _ask_often(sink: Any, count: int) -> float:
    begin = time.perf_counter()
    for number in range(count):
        sink.ask(number)
    return time.perf_counter() - begin


def _flood_from_many(tell: Callable[[Any], None], wait: Callable[[], object], count: int) -> None:
    def produce() -> None:
        for number in range(count // PRODUCERS):
            tell(number)

    threads = [threading.Thread(target=produce) for _ in range(PRODUCERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wait()


def _queue_seconds(count: int) -> float:
    mail: queue.SimpleQueue[Any] = queue.SimpleQueue()
    done = threading.Event()

    def consume() -> None:
        while mail.get() is not None:
            pass
        done.set()

    consumer = threading.Thread(target=consume)
    consumer.start()

    def finish() -> None:
        mail.put(None)
        done.wait()

    taken = seconds(lambda: _flood_from_many(mail.put, finish, count))
    consumer.join()
    return taken


async def _asyncio_ring(hops: int) -> float:
    queues: list[asyncio.Queue[int]] = [asyncio.Queue() for _ in range(RING)]
    done = asyncio.Event()

    async def node(mine: asyncio.Queue[int], following: asyncio.Queue[int]) -> None:
        while True:
            number = await mine.get()
            if number:
                following.put_nowait(number - 1)
            else:
                done.set()

    tasks = [asyncio.create_task(node(mine, queues[(at + 1) % RING])) for at, mine in enumerate(queues)]
    begin = time.perf_counter()
    queues[0].put_nowait(hops)
    await done.wait()
    taken = time.perf_counter() - begin
    for task in tasks:
        task.cancel()
    return taken


def _lives(count: int) -> float:
    with System(name="bench") as system, system.activate():
        begin = time.perf_counter()
        refs = [Sink.start() for _ in range(count)]
        for ref in refs:
            ref.tell(1)
        for end in [ref.stop(block=False) for ref in refs]:
            end.get()
        return count / (time.perf_counter() - begin)


def _pykka_lives(count: int) -> float:
    begin = time.perf_counter()
    refs = [PykkaSink.start() for _ in range(count)]
    for ref in refs:
        ref.tell(1)
    for end in [ref.stop(block=False) for ref in refs]:
        end.get()
    return count / (time.perf_counter() - begin)


def _memory(count: int) -> float:
    return _memory_of(count, lambda _: None)


def _memory_used(count: int) -> float:
    return _memory_of(count, lambda ref: ref.ask(1))


def _memory_of(count: int, use: Callable[[Any], object]) -> float:
    with System(name="bench") as system, system.activate():
        family = DynamicSupervisor.start()
        spec = Sink.child_spec()
        use(family.start_child(spec))
        before = _resident()
        for _ in range(count):
            use(family.start_child(spec))
        return (_resident() - before) / count / 1024


def _pykka_memory(count: int) -> float:
    PykkaSink.start()
    before = _resident()
    refs = [PykkaSink.start() for _ in range(count)]
    used = (_resident() - before) / len(refs) / 1024
    pykka.ActorRegistry.stop_all()
    return used


def _alive(count: int) -> float:
    with System(name="bench") as system, system.activate():
        return _message_each([Sink.start() for _ in range(count)])


def _pykka_alive(count: int) -> float:
    rate = _message_each([PykkaSink.start() for _ in range(count)])
    pykka.ActorRegistry.stop_all()
    return rate


def _message_each(refs: list[Any]) -> float:
    begin = time.perf_counter()
    for answer in [ref.ask(1, block=False) for ref in refs]:
        answer.get()
    return len(refs) / (time.perf_counter() - begin)


def _blocked(count: int) -> float:
    with System(name="bench") as system, system.activate():
        refs = [Sleeper.start() for _ in range(count)]

        def start(count_down: Callable[[], None]) -> None:
            for ref in refs:
                ref.tell(count_down)

        return _sleep_all(count, start)


def _blocked_threads(count: int) -> float:
    def sleep(count_down: Callable[[], None]) -> None:
        time.sleep(SLEEP)
        count_down()

    def start(count_down: Callable[[], None]) -> None:
        for _ in range(count):
            threading.Thread(target=sleep, args=(count_down,)).start()

    return _sleep_all(count, start)


def _sleep_all(count: int, start: Callable[[Callable[[], None]], None]) -> float:
    left = threading.Semaphore(0)
    begin = time.perf_counter()
    start(left.release)
    for _ in range(count):
        left.acquire()
    return time.perf_counter() - begin


# -- the frame ------------------------------------------------------------------------------------


@contextmanager
def actors(kind: type[Actor], peer_kind: type[pykka.ThreadingActor]) -> Iterator[tuple[Any, Any]]:
    """Start one of ours and one of Pykka's."""
    with System(name="bench") as system, system.activate():
        peer = peer_kind.start()
        try:
            yield kind.start(), peer
        finally:
            peer.stop()


@contextmanager
def rings() -> Iterator[tuple[Callable[[int], float], Callable[[int], float]]]:
    """Start a ring of ours and one of Pykka's; each runs so many hops and returns the seconds."""

    def closed(kind: Any, done: threading.Event) -> list[Any]:
        refs = [kind.start(done) for _ in range(RING)]
        for at, ref in enumerate(refs):
            ref.tell(refs[(at + 1) % RING])
        return refs

    def once(refs: list[Any], done: threading.Event) -> Callable[[int], float]:
        def run(hops: int) -> float:
            done.clear()
            begin = time.perf_counter()
            refs[0].tell(hops)
            done.wait()
            return time.perf_counter() - begin

        return run

    with System(name="bench") as system, system.activate():
        mine, theirs = threading.Event(), threading.Event()
        peers = closed(PykkaNode, theirs)
        try:
            yield once(closed(Node, mine), mine), once(peers, theirs)
        finally:
            for ref in peers:
                ref.stop()


@contextmanager
def affinity(processors: int | None) -> Iterator[None]:
    """Run this process on so many processors; on all with None, or where the system cannot."""
    if processors is None or not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, set(sorted(before)[:processors]))
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def alone(function: Callable[[int], R], count: int) -> R:
    """Run this in a process of its own, so that nothing of earlier runs is in the figure."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, count).result()


def _resident() -> int:
    gc.collect()
    return int(psutil.Process().memory_info().rss)


def _rate(name: str, ours: list[float], peer: list[float], against: str) -> Figure:
    return Figure(name=name, ours=median(ours), peer=median(peer), unit="/s", better="higher", against=against)
