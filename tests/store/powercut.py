"""Power cuts: what a disk may hold of what a program has written, and what a store makes of that.

A program runs with `writelog.c` in front of its system calls. A cut comes during any record of its
log::

    W W S D W W | W         S: a sync has returned. Everything before it is on the disk.
                            D: written through O_DSYNC: on the disk once it has returned.
            ^^^   ^         Writes since, and the one under way: any subset, in sectors of 512 bytes.

A write within one sector is all or nothing: disks promise that, and LMDB's meta record relies on it.

Images are opened in a process of their own, as by a head: the engine walks through their pages before
LMDB has them, which would end a process that opens a damaged file by SIGABRT or SIGBUS.

Reference: store-design 1.5 and 4.4; Alice (Pillai et al. 2014); SQLite's crash tests.
"""

from __future__ import annotations

import ctypes
import functools
import itertools
import json
import os
import random
import struct
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import lmdb

from actorcloud.base.errors import ActorCloudError
from actorcloud.store import Batch, EngineScan, LmdbEngine, ReadPlan

ROOT = Path(__file__).parents[2]

_SECTOR = 512
_HEAD = struct.Struct("<cQQ")
_MAP_BYTES = 64 << 20


# -- the program ----------------------------------------------------------------------------------


@functools.cache
def batch(number: int) -> Batch:
    """Return what commit `number` of the program does: leaves, overflow pages, deletions."""
    chance = random.Random(number)
    names = [b"\x03%02d" % name for name in chance.sample(range(60), chance.randrange(1, 12))]
    kept = chance.randrange(len(names) + 1)
    sizes = (20, 300, 3000, 9000)
    return Batch({name: chance.randbytes(chance.choice(sizes)) for name in names[:kept]}, names[kept:])


@functools.cache
def content(number: int) -> dict[bytes, bytes]:
    """Return all that is in the store after commit `number`."""
    if number == 0:
        return {}
    puts, deletes = batch(number)
    return {key: value for key, value in {**content(number - 1), **puts}.items() if key not in deletes}


def write(path: str, commits: int, settings: dict[str, Any]) -> None:
    """Be the program: commit, and mark what was acknowledged; half of it after the store was opened anew."""
    mark = ctypes.CDLL(None).writelog_mark
    set_lmdb(settings)
    for numbers in (range(1, commits // 2), range(commits // 2, commits + 1)):
        engine = LmdbEngine(path, map_bytes=_MAP_BYTES)
        epoch = engine.open("program").epoch
        mark(b"opened")
        for number in numbers:
            engine.commit(batch(number), epoch=epoch, expect=number - 1, new=number)
            mark(b"%d" % number)
        engine.close()


def set_lmdb(settings: dict[str, Any]) -> None:
    """From now on, open LMDB with these settings, whatever the engine says."""
    opens = lmdb.open
    lmdb.open = lambda *args, **named: opens(*args, **{**named, **settings})  # type: ignore[assignment]


def compile_writelog(directory: Path) -> Path:
    """Return the library."""
    library = directory / "writelog.so"
    source = Path(__file__).with_name("writelog.c")
    subprocess.run(["gcc", "-O1", "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"], check=True)
    return library


def run_program(library: Path, directory: Path, commits: int, settings: dict[str, Any]) -> Path:
    """Let the program run, and return its log."""
    log = directory / "log"
    watched = {"LD_PRELOAD": str(library), "WRITELOG_FILE": "/data.mdb", "WRITELOG_OUT": str(log)}
    code = f"from tests.store import powercut; powercut.write({str(directory / 'written')!r}, {commits}, {settings!r})"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env={**os.environ, **watched}, check=True, timeout=60)
    return log


# -- the disk -------------------------------------------------------------------------------------


class Record(NamedTuple):
    """See `writelog.c`."""

    kind: str
    offset: int
    data: bytes


def read_log(raw: bytes) -> list[Record]:
    """Return the records of a log."""
    records, at = list[Record](), 0
    while at < len(raw):
        kind, offset, length = _HEAD.unpack_from(raw, at)
        at += _HEAD.size + length
        records.append(Record(kind.decode(), offset, raw[at - length : at]))
    return records


class Image(NamedTuple):
    """What a power cut has left."""

    #: Number of the record during which it came.
    at: int
    data: bytes
    #: The last commit that was acknowledged before it.
    acknowledged: int


def cuts(records: list[Record], count: int, chance: random.Random) -> Iterator[Image]:
    """Yield images of power cuts after the store was opened first, in order of time."""
    first = records.index(Record("M", 0, b"opened"))
    wanted = Counter(chance.randrange(first, len(records)) for _ in range(count))
    disk, cached, acknowledged = bytearray(), list[Record](), 0
    for at, record in enumerate(records):
        for _ in range(wanted[at]):
            yield Image(at, _cut(disk, [*cached, record], chance), acknowledged)
        if record.kind == "W":
            cached.append(record)
        elif record.kind == "S":
            for written in cached:
                _put(disk, written.offset, written.data)
            cached.clear()
        elif record.kind == "D":
            _put(disk, record.offset, record.data)
        elif record.data.isdigit():
            acknowledged = int(record.data)


def _cut(disk: bytearray, pending: list[Record], chance: random.Random) -> bytes:
    image = bytearray(disk)
    for kind, offset, data in pending:
        fate = chance.random()
        if kind not in {"W", "D"} or fate < 1 / 3:
            continue
        torn = fate > 2 / 3
        for start in range(offset - offset % _SECTOR, offset + len(data), _SECTOR):
            if not torn or chance.random() < 1 / 2:
                begin, end = max(start, offset), min(start + _SECTOR, offset + len(data))
                _put(image, begin, data[begin - offset : end - offset])
    return bytes(image)


def _put(disk: bytearray, offset: int, data: bytes) -> None:
    disk.extend(bytes(max(offset - len(disk), 0)))
    disk[offset : offset + len(data)] = data


# -- looking at what is left ----------------------------------------------------------------------


class Findings(NamedTuple):
    """How many images were looked at, and the worst of what was wrong with them."""

    looked_at: int
    lost: int
    corrupt: int
    examples: list[str]


def look(log: str, directory: str, count: int, seed: int) -> None:
    """Look at images, and print `Findings`; for a process of its own."""
    # What is looked at need not survive.
    set_lmdb({"sync": False})
    lost, corrupt, examples, looked_at = 0, 0, list[str](), 0
    store = Path(directory) / "store"
    (store / "data").mkdir(parents=True)
    for image in cuts(read_log(Path(log).read_bytes()), count, random.Random(seed)):
        looked_at += 1
        (store / "data" / "data.mdb").write_bytes(image.data)
        for name in (store / "data" / "lock.mdb", store / "head.lock"):
            name.unlink(missing_ok=True)
        (store / "head.lock").touch()
        kind, text = _judge(store, image)
        lost, corrupt = lost + (kind == "lost"), corrupt + (kind == "corrupt")
        examples += [f"{kind} at record {image.at}: {text}"] * (kind != "fine")
    json.dump(Findings(looked_at, lost, corrupt, examples[:5]), sys.stdout)


def _judge(store: Path, image: Image) -> tuple[str, str]:
    engine = LmdbEngine(store, map_bytes=_MAP_BYTES)
    try:
        seq = engine.open("after").seq
        view = engine.read(ReadPlan((), (EngineScan(b"\x03", b"\x04", 1000),)))
    except ActorCloudError as error:
        return "corrupt", str(error)
    finally:
        engine.close()
    if seq < image.acknowledged:
        return "lost", f"commit {image.acknowledged} was acknowledged, and {seq} is the last"
    if dict(view.scans[0]) != content(seq):
        return "corrupt", f"commit {seq} is not as it was written"
    return "fine", ""


def findings(log: Path, directory: Path, count: int, seed: int) -> Findings:
    """Look at `count` images, in a process of its own."""
    place = next(place for number in itertools.count() if not (place := directory / f"look-{number}").exists())
    code = f"from tests.store import powercut; powercut.look({str(log)!r}, {str(place)!r}, {count}, {seed})"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, stdout=subprocess.PIPE, timeout=600)
    return Findings(*json.loads(run.stdout))
