"""What a deleted job leaves behind: nothing that can be read, once the store was compacted."""

from __future__ import annotations

from pathlib import Path

import pytest

from actorcloud import Cloud, current
from actorcloud.client import is_locked
from actorcloud.head import check_store, compact_store
from actorcloud.head.place import engine_at
from actorcloud.store import Bulk, keys
from tests.system.cluster import wait_for

pytestmark = pytest.mark.slow

NAMES = [f"<secret {number} of the job that is deleted>" for number in range(5)]

#: So large that other commits do not overwrite all of what they free.
SECRETS = [name * 1000 for name in NAMES]


def remembers(argument: str, kept: str, once: str, result: str) -> str:
    me = current()
    me.cloud.mutate_store(lambda: me.cloud.store(me.ref, ("kept", 1), kept))
    me.cloud.mutate_store(lambda: once, once="paid")
    print(argument)
    return result


def everything(store: Path) -> dict[bytes, bytes]:
    engine = engine_at(store)
    try:
        return dict(item for chunk in Bulk(engine, engine.open("a test")).chunks() for item in chunk)
    finally:
        engine.close()


def test_of_a_deleted_job_only_the_tombstone_is_left(tmp_path: Path) -> None:
    # Given: what a job was given, has stored, remembered, printed and returned; and another like it.
    store = tmp_path / "store"
    code = SECRETS[4]

    def secretive(*secrets: str) -> str:
        return remembers(*secrets) + code[:0]

    with Cloud(path=store, workers=1) as cloud:
        gone = cloud.options(key="the secret job").add_job(secretive, *SECRETS[:4])
        stays = cloud.add_job(remembers, "a", "b", "c", "d")
        assert cloud.results([gone, stays]) == [SECRETS[3], "d"]
        # When
        cloud.delete_job(gone)
    wait_for(lambda: not is_locked(store), "the head ends")
    file = store / "data" / "data.mdb"
    assert any(name.encode() in file.read_bytes() for name in NAMES)
    assert check_store(store, "full").problems == ()
    compact_store(store)
    assert check_store(store, "full").problems == ()
    # Then
    left = everything(store)
    assert [key for key, value in left.items() if gone.raw in key or gone.raw in value] == [keys.tombstone(gone.raw)]
    data = file.read_bytes()
    assert [name for name in NAMES if name.encode() in data] == []
    assert b"the secret job" not in data
    # Then the other one is whole.
    assert sum(key[:1] == keys.FUNCTION for key in left) == 1
    with Cloud(path=store, workers=1) as cloud:
        assert cloud.result(stays) == "d"
        assert cloud.fetch(stays, ("kept", 1)) == "b"
