"""For every test: a temporary directory and settings of its own session, no leaks, hypothesis profiles."""

from __future__ import annotations

import gc
import os
import secrets
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Generator, Iterator
from pathlib import Path

import hypothesis
import pytest

from tests import leaks
from tests.store.postgres import PostgresServer

#: How many examples a property is tried with; `HYPOTHESIS_PROFILE` picks one.
PROFILES = {"dev": 50, "ci": 300, "night": 10_000}

#: Short: sockets live below it, and a unix socket's path has at most 107 characters.
_SESSION_PREFIX = "ac-"

#: Seconds that processes of the last test may take to end.
_LAST_WAY_OUT = 30.0


def pytest_configure(config: pytest.Config) -> None:
    """Choose the hypothesis profile, and keep this session apart from others and from the user's settings."""
    for name, examples in PROFILES.items():
        # No deadline, and no complaint of slowness: machines are shared, and a slow example is no bug.
        slowness = [hypothesis.HealthCheck.too_slow]
        hypothesis.settings.register_profile(name, max_examples=examples, deadline=None, suppress_health_check=slowness)
    hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))
    for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            # Started in the background, or by nohup: programs that tests send it to would ignore it, too.
            signal.signal(number, handler)
    _open_session(config)


@pytest.hookimpl(wrapper=True)
def pytest_xdist_auto_num_workers() -> Generator[None, int, int]:
    """Have one process more than there are processors: half of the time a test waits for processes of its own."""
    processors = yield
    return processors if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ else processors + 1


def _open_session(config: pytest.Config) -> None:
    # pytest's own tmp_path stays where it always is, and is kept for a look after a failure.
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", tempfile.gettempdir())
    session = Path(tempfile.mkdtemp(prefix=_SESSION_PREFIX))
    home = session / "home"
    home.mkdir(mode=0o700)
    for variable in [name for name in os.environ if name.startswith("ACTORCLOUD_")]:
        del os.environ[variable]
    os.environ[leaks.SESSION_VARIABLE] = secrets.token_hex(8)
    os.environ["TMPDIR"] = str(session)
    for variable in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR"):
        os.environ[variable] = str(home)
    tempfile.tempdir = str(session)
    config.add_cleanup(lambda: shutil.rmtree(session, ignore_errors=True))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Look for no garbage in what is collected here, neither now nor later: it is large, and it stays."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


@pytest.fixture(scope="session", autouse=True)
def no_process_survives_the_session() -> Iterator[None]:
    yield
    session = os.environ[leaks.SESSION_VARIABLE]
    # The last ones may be on their way out: a node ends when it sees that its head has.
    deadline, rest = time.monotonic() + _LAST_WAY_OUT, threading.Event()
    while (left := leaks.processes_of_session(session)) and time.monotonic() < deadline:
        rest.wait(0.1)
    assert not left, "the tests left processes behind:\n" + "\n".join(left)


@pytest.fixture(scope="session")
def postgres(no_process_survives_the_session: None) -> Iterator[PostgresServer]:
    """A server of this session's own, where PostgreSQL is installed."""
    server = PostgresServer.start()
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def nothing_is_left_behind(no_process_survives_the_session: None) -> Iterator[None]:
    before, system = leaks.Footprint.take(), leaks.default_system()
    yield
    leaks.close_default_system(known=system)
    left = leaks.wait_gone(before)
    assert not left, "the test left behind:\n" + "\n".join(left)
