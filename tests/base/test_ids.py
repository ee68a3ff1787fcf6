"""Identities: they sort by time, never repeat, and survive text and pickle."""

from __future__ import annotations

import contextlib
import pickle
import re

import hypothesis.strategies as st
import pytest
from hypothesis import given

from actorcloud.base.errors import BadJobRef
from actorcloud.base.ids import ActorId, JobRef, JobRefs, NodeRef, Peer, new_incarnation

raw_refs = st.binary(min_size=16, max_size=16)


@given(raw_refs)
def test_a_job_ref_comes_back_from_its_text(raw: bytes) -> None:
    ref: JobRef[object] = JobRef(raw)
    assert JobRef.parse(str(ref)) == ref
    assert JobRef.parse(str(ref).lower()) == ref
    assert re.fullmatch(r"[0-9A-HJKMNP-TV-Z]{26}", str(ref))


@given(raw_refs, raw_refs)
def test_job_refs_sort_as_their_bytes_and_as_their_texts(first: bytes, second: bytes) -> None:
    a: JobRef[object] = JobRef(first)
    b: JobRef[object] = JobRef(second)
    assert (a < b) == (first < second) == (str(a) < str(b))
    assert (a == b) == (first == second)
    assert a != b or hash(a) == hash(b)


@given(raw_refs)
def test_a_job_ref_survives_pickle_and_parse_takes_it_as_it_is(raw: bytes) -> None:
    ref: JobRef[object] = JobRef(raw)
    assert pickle.loads(pickle.dumps(ref)) == ref
    assert JobRef.parse(ref) is ref
    assert JobRef.parse(raw) == ref


def test_a_job_ref_cannot_be_changed_and_reads_as_a_call() -> None:
    ref: JobRef[object] = JobRef(bytes(16))
    with pytest.raises(AttributeError):
        ref.raw = bytes(range(16))
    assert repr(ref) == "JobRef('00000000000000000000000000')"
    assert ref != "00000000000000000000000000"


@given(st.one_of(st.text(max_size=30), st.binary(max_size=20), st.integers(), st.none()))
def test_anything_else_is_a_bad_job_ref_or_parses_to_one(value: object) -> None:
    ref: JobRef[object] | None = None
    with contextlib.suppress(BadJobRef):
        ref = JobRef.parse(value)  # type: ignore[arg-type]  # what users may pass
    assert ref is None or len(ref.raw) == 16


@pytest.mark.parametrize("text", ["U" * 26, "8" + "0" * 25, "ü" * 26, "0" * 25, "0" * 27, ""])
def test_text_that_names_no_job_is_refused_with_the_text_in_it(text: str) -> None:
    with pytest.raises(BadJobRef) as caught:
        JobRef.parse(text)
    assert repr(text) in str(caught.value)


@given(
    st.lists(st.integers(0, 2**40).map(lambda ms: ms / 1000), min_size=1, max_size=50),
    st.lists(st.sampled_from([b"\x00" * 10, b"\xff" * 10, b"\x7f" * 10]), min_size=50, max_size=50),
)
def test_one_maker_counts_upwards_even_when_the_clock_goes_back(times: list[float], randoms: list[bytes]) -> None:
    # Given
    clock, random = iter(times), iter(randoms)
    refs = JobRefs(now=lambda: next(clock), random=lambda _: next(random))
    # When
    made = [refs.make() for _ in times]
    # Then
    assert made == sorted(set(made))
    assert all(len(raw) == 16 for raw in made)


def test_a_job_ref_begins_with_its_time_in_milliseconds() -> None:
    refs = JobRefs(now=lambda: 1_700_000_000.25, random=bytes)
    assert int.from_bytes(refs.make()[:6], "big") == 1_700_000_000_250


@given(st.binary(min_size=8, max_size=8))
def test_an_incarnation_has_63_bits_and_is_never_zero(random: bytes) -> None:
    assert 1 <= new_incarnation(lambda _: random) < 2**63


def test_the_real_incarnations_differ() -> None:
    assert len({new_incarnation() for _ in range(100)}) == 100


def test_names_are_short_for_people() -> None:
    peer = Peer("n1", 0x1234_5678)
    assert str(peer) == "n1#5678"
    assert str(ActorId(peer, 7)) == "<n1.7>"
    assert str(NodeRef("n1")) == "n1"


def test_a_restarted_peer_has_other_actor_ids() -> None:
    assert ActorId(Peer("n1", 1), 7) != ActorId(Peer("n1", 2), 7)
