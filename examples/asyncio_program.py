# /// script
# requires-python = ">=3.11"
# dependencies = ["actorcloud"]
# ///
"""How do asyncio and actors go together? Both ways: handlers may await, and a program awaits what it asks.

The program's own loop runs in the main thread; the asyncio actors share another one. Nobody blocks either.

Prints:
    3 stations, read at the same time: {'oslo': 4, 'madrid': 6, 'rome': 4}
    the slow one: no answer within 0.05 s
    a tick of the program's loop came in between: True
    cancelled in the middle of its await, and put away
"""

from __future__ import annotations

import asyncio

from actorcloud.actor import ActorRef, AskTimeout, AsyncActor, System


class Station(AsyncActor):
    """Asks an instrument that takes its time, while the other stations go on."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def on_receive(self, message: str) -> int:
        """Return a reading; `message` says how patient the instrument is."""
        try:
            await asyncio.sleep(60 if message == "calibrate" else 0.01)
        finally:
            if message == "calibrate":
                print("cancelled in the middle of its await, and put away", flush=True)
        return len(self.name)


async def read_all(stations: dict[str, ActorRef[Station]]) -> dict[str, int]:
    """Ask all of them at once; an answer is awaited like anything else."""
    answers = await asyncio.gather(*(ref.ask("read", block=False) for ref in stations.values()))
    return dict(zip(stations, answers, strict=True))


async def program(stations: dict[str, ActorRef[Station]]) -> None:
    """Be an asyncio program."""
    print(f"{len(stations)} stations, read at the same time: {await read_all(stations)}")
    ticked = asyncio.Event()
    asyncio.get_running_loop().call_later(0.01, ticked.set)
    slow = stations["oslo"]
    try:
        await slow.ask("calibrate", block=False, timeout=0.05)
    except AskTimeout as error:
        print(f"the slow one: {str(error).partition(' from')[0]}")
    print(f"a tick of the program's loop came in between: {ticked.is_set()}")
    ended = slow.monitor()
    slow.exit("no longer needed")  # cancels what its handler awaits
    await ended


with System(name="weather") as system, system.activate():
    asyncio.run(program({name: Station.start(name) for name in ("oslo", "madrid", "rome")}))
