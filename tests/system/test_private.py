"""The life of a private cloud: it comes with its first client and goes with its last, without a trace."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from actorcloud import Cloud
from tests.system.cluster import Site, has_stopped, is_module, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.chaos]

#: Seconds: the machine is shared.
LONG = 60

SCRIPT = """
import sys, time
from pathlib import Path
from actorcloud import Cloud

def stay(path):
    Path(path).touch()
    time.sleep(1000)

{cloud}
print("result", cloud.result(cloud.add_job(pow, 2, 10)), flush=True)
{then}
"""


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as site:
        yield site


def place(site: Site) -> dict[str, str]:
    """Return an environment in which all that a cloud leaves would be in the site's directory."""
    for name in ("tmp", "run", "home"):
        (site.directory / name).mkdir(exist_ok=True, mode=0o700)
    own = {"TMPDIR": str(site.directory / "tmp"), "XDG_RUNTIME_DIR": str(site.directory / "run")}
    return own | {"HOME": str(site.directory / "home"), "XDG_CONFIG_HOME": str(site.directory / "home")}


def files(site: Site) -> list[str]:
    """Return all files, sockets and runtime directories that are left there."""
    return sorted(
        str(path.relative_to(site.directory))
        for name in ("tmp", "run", "home")
        for path in (site.directory / name).rglob("*")
        if not path.is_dir() or path.parent == site.directory / "run" / "actorcloud"
    )


def others(site: Site, script: int) -> list[psutil.Process]:
    """Return the processes of the site but for the script itself."""
    return [process for process in site.processes() if process.pid != script]


def module(site: Site, name: str) -> psutil.Process:
    """Return the one process of the site that runs this module."""
    return wait_for(lambda: next((p for p in site.processes() if is_module(p, name)), None), name)


@pytest.mark.parametrize(
    "then",
    [
        "cloud.close()",
        "",
        "raise RuntimeError('an accident')",
        "sys.exit(3)",
        "cloud.add_job(time.sleep, 1000)",
        "cloud.submit(time.sleep, 1000)",
    ],
)
def test_when_a_script_ends_no_process_and_no_file_is_left(site: Site, then: str) -> None:
    # When
    script = site.python(SCRIPT.format(cloud="cloud = Cloud(workers=2)", then=then), environment=place(site))
    script.wait_said("^result 1024$")
    script.wait()
    # Then
    wait_for(lambda: not site.processes(), "the end of all processes")
    assert files(site) == []
    if "1000" in then:
        script.wait_said("1 unfinished job: discarded with the temporary store")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_when_a_client_is_killed_head_node_and_workers_end_and_the_store_goes(site: Site, number: int) -> None:
    # Given
    then = "cloud.result(cloud.add_job(stay, sys.argv[1]))"
    path = site.directory / "runs"
    script = site.python(SCRIPT.format(cloud="cloud = Cloud(workers=2)", then=then), str(path), environment=place(site))
    wait_for(path.exists, "the job")
    wait_for(lambda: len(others(site, script.pid)) == 4, "head, node and both workers")
    # When
    script.signal(number)
    # Then: nobody has buried the client yet
    wait_for(lambda: not others(site, script.pid), "the end of head, node and workers")
    assert files(site) == []
    assert script.wait() == -number


def test_ctrl_c_ends_a_script_and_its_cloud(site: Site) -> None:
    script = site.python(
        SCRIPT.format(cloud="cloud = Cloud(workers=2)", then="cloud.result(cloud.add_job(time.sleep, 1000))"),
        environment=place(site),
    )
    script.wait_said("^result 1024$")
    script.signal(signal.SIGINT)
    assert script.wait() == -signal.SIGINT
    script.wait_said("KeyboardInterrupt")
    wait_for(lambda: not site.processes(), "the end of all processes")
    assert files(site) == []


def test_what_a_killed_client_and_a_killed_head_left_is_swept_by_the_next(site: Site) -> None:
    # Given
    environment = place(site)
    script = site.python(
        SCRIPT.format(cloud="cloud = Cloud(workers=1)", then="time.sleep(1000)"), environment=environment
    )
    script.wait_said("^result 1024$")
    head, node = module(site, "actorcloud.head"), module(site, "actorcloud.node")
    # The head sleeps, so that it cannot see its client end, and end in order.
    head.suspend()
    wait_for(lambda: has_stopped(head.pid), "the head sleeps")
    script.kill()
    head.kill()
    # The node waits for a head as long as it was told to; this one has waited enough.
    node.terminate()
    wait_for(lambda: not site.processes(), "the end of all processes")
    assert any("store-" in file for file in files(site))
    # When
    again = site.python(SCRIPT.format(cloud="cloud = Cloud(workers=1)", then="cloud.close()"), environment=environment)
    assert again.wait() == 0
    # Then
    assert not any("store-" in file for file in files(site))


def test_a_node_whose_head_never_comes_back_ends(site: Site) -> None:
    # Given a private node, as a head starts it
    head = site.head()
    site.wait_head(head)
    node = site.node("n1", "--private", "--orphan-time", "1")
    with Cloud(site.endpoint) as cloud:
        assert cloud.result(cloud.add_job(pow, 2, 3), LONG) == 8
    # When
    head.kill()
    # Then
    assert node.wait() == 0
    wait_for(lambda: not site.processes(), "the end of the worker")


def test_a_head_that_is_killed_comes_back_with_the_node_and_the_running_job(site: Site) -> None:
    # Given
    path = site.directory / "runs"
    with Cloud(path=site.store, workers=1) as cloud:

        def work(path: str) -> int:
            import os

            Path(path).touch()
            while not Path(path + ".go").exists():
                time.sleep(0.01)
            return os.getppid()

        ref = cloud.add_job(work, str(path))
        wait_for(path.exists, "the job")
        head = next(p for p in psutil.Process().children() if is_module(p, "actorcloud.head"))
        (node,) = [p for p in head.children() if is_module(p, "actorcloud.node")]
        # When
        head.kill()
        # Then: a call waits for the next head, which finds the node where it was
        other = cloud.add_job(pow, 2, 3)
        Path(f"{path}.go").touch()
        assert cloud.result(ref, LONG) == node.pid
        assert cloud.result(other, LONG) == 8


def test_two_programs_on_one_path_share_a_head_that_lives_as_long_as_either(site: Site) -> None:
    # Given a program that starts the head, and ends when it is told to
    go = site.directory / "go"
    then = "cloud.mutate_store(lambda: cloud.store('shared', 'word', 'hello')); print('stored', flush=True)\n"
    then += "while not Path(sys.argv[1]).exists(): time.sleep(0.01)"
    opening = f"cloud = Cloud(path={str(site.store)!r}, workers=1)"
    script = site.python(SCRIPT.format(cloud=opening, then=then), str(go))
    script.wait_said("^stored$")
    head = module(site, "actorcloud.head")
    # When
    with Cloud(path=site.store) as cloud:
        # Then
        assert cloud.fetch("shared", "word") == "hello"
        ref = cloud.add_job(pow, 3, 2)
        # When
        go.touch()
        assert script.wait() == 0
        # Then
        assert head.is_running()
        assert cloud.result(ref, LONG) == 9
        assert [process.pid for process in site.processes() if is_module(process, "actorcloud.head")] == [head.pid]
    wait_for(lambda: not site.processes(), "the end of the head")
    assert site.store.exists()


def test_a_durable_cloud_keeps_its_unfinished_jobs(site: Site) -> None:
    # Given
    go, path = site.directory / "go", site.directory / "runs"

    def work(path: str, go: str) -> str:
        Path(path).touch()
        while not Path(go).exists():
            time.sleep(0.01)
        return "worked"

    with Cloud(path=site.store, workers=1) as cloud:
        running = cloud.add_job(work, str(path), str(go))
        queued = cloud.add_jobs(abs, range(-50, 0))
        done = cloud.add_job(pow, 2, 3)
        wait_for(path.exists, "the job")
    path.unlink()
    # When
    with Cloud(path=site.store, workers=1) as cloud:
        wait_for(path.exists, "the job, again")
        go.touch()
        # Then
        assert cloud.result(running, LONG) == "worked"
        assert cloud.results(queued, LONG) == list(range(50, 0, -1))
        assert cloud.result(done, LONG) == 8
    with Cloud(path=site.store, workers=1) as cloud:
        assert cloud.results([running, *queued, done], LONG) == ["worked", *range(50, 0, -1), 8]
