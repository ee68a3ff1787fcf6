"""Exit codes: one for each kind of end."""

from __future__ import annotations

import pytest

from actorcloud.base.errors import (
    ActorCloudError,
    BadJoinString,
    HeadUnreachable,
    InsecureKey,
    JobCancelled,
    JobTimeout,
    NoSuchJob,
    NotAStore,
    ResultTimeout,
    StoreLocked,
    TransactionError,
)
from actorcloud.base.exitcode import FINAL_CODES, ExitCode, exit_code


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NoSuchJob(), 1),
        (ActorCloudError("?"), 1),
        (ValueError("?"), 1),
        (BadJoinString(), 2),
        (HeadUnreachable(), 69),
        (NotAStore(), 73),
        (StoreLocked(), 75),
        (TransactionError(), 75),
        (InsecureKey(), 77),
        (ResultTimeout(), 124),
        (JobTimeout(), 124),
        (KeyboardInterrupt(), 130),
        (JobCancelled(), 137),
    ],
)
def test_an_error_has_its_exit_code(error: BaseException, code: int) -> None:
    assert exit_code(error) == code


def test_codes_after_which_a_new_start_is_of_no_use_are_not_those_of_a_crash_or_a_success() -> None:
    assert not FINAL_CODES & {ExitCode.OK, ExitCode.FAILED, ExitCode.TRY_AGAIN}
