"""Client processes of a real head, some of which are killed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from actorcloud.client import child_environment
from tests.system.cluster import Site
from tests.system.counting import Chance

ROOT = Path(__file__).parents[2]


class Crowd:
    """Client processes; those that are killed are replaced.

    Args:
        site: whose head they use.
        count: of them at a time.
        module: what each runs, with the arguments endpoint, path of its own file, and its number; it says
            "at work" when it is, and ends when its input does.
    """

    def __init__(self, site: Site, count: int, module: str) -> None:
        self._site = site
        self._module = module
        self._count = 0
        self._running: dict[int, subprocess.Popen[str]] = {}
        for _ in range(count):
            self._start()

    def _start(self) -> None:
        self._count = number = self._count + 1
        self._running[number] = client = subprocess.Popen(
            [sys.executable, "-m", self._module, self._site.endpoint, self.path(number), str(number)],
            cwd=ROOT,
            env={**child_environment(), "ACTORCLOUD_TEST_SITE": str(self._site.directory)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert client.stdout is not None
        assert client.stdout.readline() == "at work\n"

    def path(self, number: int) -> Path:
        """Return the file of one."""
        return self._site.directory / f"journal{number}"

    def kill_one(self, chance: Chance) -> None:
        """Kill any of them, and start another."""
        number = chance.random.choice(sorted(self._running))
        client = self._running.pop(number)
        client.kill()
        client.communicate()
        self._start()

    def stop(self) -> None:
        """Let all end, as they should."""
        for client in self._running.values():
            client.communicate("", timeout=60)
            assert client.returncode == 0
        self._running.clear()

    def abandon(self) -> None:
        """End those that are left."""
        for client in self._running.values():
            client.kill()
            client.communicate()

    @property
    def numbers(self) -> range:
        """The numbers of all that there have been."""
        return range(1, self._count + 1)
