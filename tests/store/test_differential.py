"""The same commands to every engine: the answers are the same."""

from __future__ import annotations

import secrets
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from actorcloud.base.errors import StoreError
from actorcloud.store import (
    Batch,
    Engine,
    EngineScan,
    LmdbEngine,
    MemoryDisk,
    MemoryEngine,
    PostgresEngine,
    ReadPlan,
    SqliteEngine,
)
from tests.store.postgres import PostgresServer

KEYS = st.binary(min_size=1, max_size=2).map(lambda tail: b"\x03" + tail)
BOUNDS = st.binary(max_size=2).map(lambda tail: b"\x03" + tail)
WHOLE = st.none()
SIZES = st.none() | st.integers(0, 1 << 40)
SCANS = st.builds(EngineScan, BOUNDS, BOUNDS, st.integers(0, 9), st.booleans(), WHOLE, SIZES)


@pytest.mark.slow
def test_all_engines_give_the_same_answers(postgres: PostgresServer) -> None:  # noqa: C901  one machine
    class Engines(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.place = tempfile.TemporaryDirectory()
            path, schema, disk = Path(self.place.name), f"d{secrets.token_hex(4)}", MemoryDisk()
            self.makers = (
                lambda: MemoryEngine(disk),
                lambda: LmdbEngine(path / "lmdb", map_bytes=16 << 20),
                lambda: SqliteEngine(path / "sqlite"),
                lambda: PostgresEngine(postgres.dsn, schema=schema),
            )
            self.engines: list[Engine] = []
            self.epoch = self.seq = 0
            self.reopen()

        @rule()
        def reopen(self) -> None:
            for engine in self.engines:
                engine.close()
            self.engines = [make() for make in self.makers]
            opened = {engine.open("test")[1:] for engine in self.engines}
            self.epoch += 1
            assert opened == {(self.epoch, self.seq)}

        @rule(batch=st.dictionaries(KEYS, st.none() | st.binary(max_size=5), max_size=6))
        def commit(self, batch: dict[bytes, bytes | None]) -> None:
            puts = {key: value for key, value in batch.items() if value is not None}
            deletes = [key for key, value in batch.items() if value is None]
            for engine in self.engines:
                engine.commit(Batch(puts, deletes), epoch=self.epoch, expect=self.seq, new=self.seq + 1)
            self.seq += 1

        @rule(wrong=st.sampled_from([(1, 0), (-1, 0), (0, 1), (0, 5)]))
        def commit_wrongly(self, wrong: tuple[int, int]) -> None:
            epoch, seq = self.epoch + wrong[0], self.seq + wrong[1]
            said = set()
            for engine in self.engines:
                with pytest.raises(StoreError) as caught:
                    engine.commit(Batch({b"\x03x": b"wrong"}, ()), epoch=epoch, expect=seq, new=seq + 1)
                said.add(type(caught.value))
            assert len(said) == 1

        @rule(wanted=st.sets(KEYS, max_size=4), scans=st.lists(SCANS, max_size=3))
        def read(self, wanted: set[bytes], scans: list[EngineScan]) -> None:
            first, *others = (engine.read(ReadPlan(wanted, scans)) for engine in self.engines)
            assert first.seq == self.seq
            assert others == [first] * len(others)

        def teardown(self) -> None:
            for engine in self.engines:
                engine.close()
            self.place.cleanup()

    run_state_machine_as_test(Engines, settings=settings(max_examples=4, stateful_step_count=15, deadline=None))
