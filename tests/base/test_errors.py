"""Errors cross the wire as a code and a text, and are found again."""

from __future__ import annotations

import pickle

import hypothesis.strategies as st
import pytest
from hypothesis import given

from actorcloud.base import errors
from actorcloud.base.errors import ActorCloudError, JobSuspended, NoSuchJob, ResultTimeout, from_code

CLASSES = [cls for cls in vars(errors).values() if isinstance(cls, type) and issubclass(cls, ActorCloudError)]


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.code)
def test_an_error_without_a_message_says_what_its_class_means(cls: type[ActorCloudError]) -> None:
    assert str(cls()) == " ".join((cls.__doc__ or "").split())


@given(st.sampled_from(CLASSES), st.text(min_size=1))
def test_an_error_is_found_again_by_its_code_with_its_text(cls: type[ActorCloudError], text: str) -> None:
    error = from_code(cls.code, text)
    assert type(error) is cls
    assert error.args == (text,)


@given(st.text(alphabet=st.characters(codec="utf-8")).map("?{}".format))  # no code begins so
def test_an_unknown_code_is_an_error_of_ours_all_the_same(code: str) -> None:
    error = from_code(code, "the head said so")
    assert type(error) is ActorCloudError
    assert str(error) == "the head said so"


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.code)
def test_an_error_survives_pickle(cls: type[ActorCloudError]) -> None:
    again = pickle.loads(pickle.dumps(cls("no node has joined")))
    assert type(again) is cls
    assert str(again) == "no node has joined"


def test_a_caller_need_not_know_our_tree() -> None:
    assert issubclass(ResultTimeout, TimeoutError)
    assert issubclass(NoSuchJob, LookupError)
    assert issubclass(errors.HeadUnreachable, ConnectionError)
    assert issubclass(errors.ConfigError, ValueError)


def test_a_suspended_job_tells_why() -> None:
    error = JobSuspended("it crashed three times", why="crashed")
    assert error.why == "crashed"
    assert JobSuspended().why is None
