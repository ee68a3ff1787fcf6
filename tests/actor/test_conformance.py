"""The conformance list is complete: each case that is asked for has a test, or a row in the page of differences."""

from __future__ import annotations

from tests.actor import conformance


def test_every_case_is_shown_or_excused() -> None:
    cases = conformance.cases()
    covered = set(conformance.shown()) | conformance.excused()
    assert {number: text for number, text in cases.items() if number not in covered} == {}


def test_tests_and_the_page_name_only_cases_that_there_are() -> None:
    named = set(conformance.shown()) | conformance.excused()
    assert named <= set(conformance.cases()) | conformance.others()


def test_the_list_is_the_whole_of_blocks_a_to_m() -> None:
    assert len(conformance.cases()) == 568
