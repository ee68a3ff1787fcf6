"""Ctrl-C in the main thread of a program with actors: it ends in order, and soon."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from actorcloud.actor.system import farewell
from actorcloud.net.reactor import DRAIN_TIMEOUT

#: Seconds that the program may take to end, on a busy machine; its actor is stuck for far longer.
_PATIENCE = 30.0

_PROGRAM = """
import sys, time
from actorcloud.actor import Actor, NoReply, System, process
from actorcloud.actor.system import farewell

farewell.NOTE_AFTER = 0.2
System.close.__defaults__ = (float(sys.argv[2]),)

class Ledger(Actor):
    trap_exit = True

    def on_receive(self, message):
        return NoReply

    def on_stop(self):
        print("closed", self.exit_reason, flush=True)

class Stuck(Actor):
    def on_receive(self, message):
        print("ready", flush=True)
        time.sleep(1000)

how = sys.argv[1]
ledger = Ledger.start()
if "stuck" in how:
    Stuck.start().tell("block")
else:
    print("ready", flush=True)
if "receive" in how:
    with process() as me:
        me.receive()
else:
    ledger.ask("never answered", timeout=None)
"""


@pytest.mark.slow
@pytest.mark.parametrize("how", ["ask", "receive", "ask while one is stuck"])
def test_a_program_that_is_interrupted_ends_in_order(how: str) -> None:
    # Given a program that waits
    program = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, how, "5"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        assert program.stdout is not None
        assert program.stdout.readline() == "ready\n"
        # When
        program.send_signal(signal.SIGINT)
        output, errors = program.communicate(timeout=_PATIENCE)
    finally:
        program.kill()
        program.wait()
    # Then
    assert output == "closed shutdown\n", errors
    assert "KeyboardInterrupt" in errors
    assert program.returncode in {1, 130, -signal.SIGINT}


def test_an_end_that_waits_for_the_network_alone_is_no_news() -> None:
    assert farewell.NOTE_AFTER > DRAIN_TIMEOUT


@pytest.mark.slow
def test_who_is_waited_for_is_told_and_a_second_interrupt_ends_quietly() -> None:
    # Given a program that was interrupted, with an actor that is busy, and waited for
    program = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, "ask while one is stuck", "1000"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        assert program.stdout is not None
        assert program.stderr is not None
        assert program.stdout.readline() == "ready\n"
        program.send_signal(signal.SIGINT)
        lines = [program.stderr.readline()]
        while lines[-1] and "is busy: the close of its system waits for it" not in lines[-1]:
            lines.append(program.stderr.readline())
        assert lines[-1].startswith("Stuck<local"), lines
        # When
        program.send_signal(signal.SIGINT)
        _, errors = program.communicate(timeout=_PATIENCE)
    finally:
        program.kill()
        program.wait()
    # Then
    assert "Traceback" not in errors
