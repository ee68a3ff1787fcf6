"""The power goes at any moment: nothing acknowledged is lost, nothing is damaged; see `powercut`.

With the settings of LMDB that are faster and weaker the same looks must find both, or they find nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.store.powercut import Findings, Record, compile_writelog, findings, read_log, run_program
from tests.tools import need

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    need("gcc", "power cuts are not tried")
    return compile_writelog(tmp_path_factory.mktemp("writelog"))


def cut(library: Path, directory: Path, images: int, seed: int = 1, **settings: Any) -> Findings:
    log = run_program(library, directory, 120, settings)
    return findings(log, directory, images, seed)


def test_nothing_is_lost_or_damaged_by_a_power_cut(library: Path, tmp_path: Path) -> None:
    assert cut(library, tmp_path, 200) == Findings(200, 0, 0, [])


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(5))
def test_nothing_is_lost_or_damaged_by_ten_thousand_power_cuts(library: Path, tmp_path: Path, seed: int) -> None:
    assert cut(library, tmp_path, 2000, seed) == Findings(2000, 0, 0, [])


def test_a_store_that_does_not_sync_its_meta_page_loses_commits(library: Path, tmp_path: Path) -> None:
    found = cut(library, tmp_path, 40, metasync=False)
    assert found.lost > 0
    assert found.corrupt == 0


def test_a_store_that_does_not_sync_at_all_is_damaged(library: Path, tmp_path: Path) -> None:
    assert cut(library, tmp_path, 40, sync=False).corrupt > 0


def test_a_commit_is_two_flushes_and_is_acknowledged_after_them(library: Path, tmp_path: Path) -> None:
    # Given
    records = read_log(run_program(library, tmp_path, 4, {}).read_bytes())
    at = records.index(Record("M", 0, b"2"))
    # Then
    kinds = [record.kind for record in records[:at]]
    assert kinds[-2:] == ["S", "D"]
    assert set(kinds[kinds.index("M") + 1 : -2]) <= {"W", "S", "D", "M"}
