"""The commands about what is stored."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from actorcloud.base.errors import BadKey
from actorcloud.base.ids import JobRef
from actorcloud.cli.program import program
from actorcloud.cli.stored import key_fields, key_text, read_key
from actorcloud.head import open_offline
from actorcloud.store import LmdbEngine, decode_key, encode_key
from tests.cli.runner import Desk, open_desk


@pytest.fixture
def desk() -> Iterator[Desk]:
    with open_desk() as desk:
        yield desk


def fill(desk: Desk, **values: Any) -> None:
    def put() -> None:
        for key, value in values.items():
            desk.cloud.store("prices", key, value)

    desk.cloud.mutate_store(put)


def put_all(desk: Desk, keys: Iterable[Any]) -> None:
    def put() -> None:
        for key in keys:
            desk.cloud.store("s", key, 1)

    desk.cloud.mutate_store(put)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("tea", "tea"),
        ('"3"', "3"),
        ("3", 3),
        ("3.0", 3.0),
        ("null", None),
        ("true", True),
        ('["user", [7, {"hex": "00ff"}]]', ("user", (7, b"\x00\xff"))),
        ("[", "["),
        ('{"float": "inf"}', math.inf),
        ('[{"float": "-inf"}, null]', (-math.inf, None)),
    ],
)
def test_a_key_is_json_or_text_and_is_shown_so_that_it_can_be_given_again(text: str, key: Any) -> None:
    assert read_key(text) == key
    assert type(read_key(text)) is type(key)
    assert read_key(key_text(key)) == key
    assert read_key(json.dumps(key_fields(key))) == key
    assert decode_key(encode_key(key)) == key


@pytest.mark.parametrize("text", ['{"hex": "0"}', '{"a": 1}', '[{"hex": 1}]', '{"float": "nan"}', '{"float": 1}'])
def test_json_that_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(BadKey):
        read_key(text)


def test_what_is_put_is_got(desk: Desk) -> None:
    # When
    put = desk.run("store", "put", "--space", "prices", '["tea", 7]', '{"eur": 3}')
    # Then
    assert put.exit_code == 0, put.stderr
    assert desk.cloud.fetch("prices", ("tea", 7)) == {"eur": 3}
    got = desk.run("store", "get", "--space", "prices", '["tea", 7]', "--unpickle", "--json")
    assert json.loads(got.stdout)["value"] == {"eur": 3}
    assert json.loads(got.stdout)["key"] == ["tea", 7]


@pytest.mark.parametrize("value", ["3", '"tea"', "null", "2.5", '{"eur":[1,true]}'])
def test_what_is_put_is_shown_without_unpickling(desk: Desk, value: str) -> None:
    desk.run("store", "put", "--space", "prices", "tea", value)
    assert desk.run("store", "get", "--space", "prices", "tea").stdout == f"{value}\n"
    assert desk.cloud.fetch("prices", "tea") == json.loads(value)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (
            {"a": [b"\x00", math.nan], "b": {"c": -math.inf}},
            '{"a":[{"hex":"00"},{"float":"nan"}],"b":{"c":{"float":"-inf"}}}',
        ),
        ({1: "one", None: b"x"}, '{"items":[[1,"one"],[null,{"hex":"78"}]]}'),
        (b"xy", '{"hex":"7879"}'),
    ],
)
def test_a_value_is_shown_with_all_that_is_in_it(desk: Desk, value: Any, shown: str) -> None:
    # Given
    desk.cloud.mutate_store(lambda: desk.cloud.store("s", "k", value, "msgpack"))
    # When
    listed = desk.run("store", "ls", "--space", "s")
    got = desk.run("store", "get", "--space", "s", "k", "--json")
    # Then
    assert listed.stdout == f"k\t{shown}\n"
    assert json.loads(got.stdout)["value"] == json.loads(shown)


def test_a_value_that_contains_itself_is_shown_as_python_does(desk: Desk) -> None:
    # Given
    endless: list[Any] = []
    endless.append(endless)
    fill(desk, tea=endless)
    # Then
    assert desk.run("store", "get", "--space", "prices", "tea", "--unpickle").stdout == '"[[...]]"\n'


def test_a_name_that_would_break_its_line_is_quoted(desk: Desk) -> None:
    desk.cloud.mutate_store(lambda: desk.cloud.store("line\nfeed", "k", 1))
    assert desk.run("store", "ls").stdout.startswith('"line\\nfeed"\t1 keys\t')


def test_an_absent_key_ends_get_and_delete_with_1(desk: Desk) -> None:
    for command in ("get", "delete"):
        told = desk.run("store", command, "--space", "prices", "tea")
        assert (told.exit_code, told.stdout) == (1, "")
        assert "tea" in told.stderr


def test_delete_deletes(desk: Desk) -> None:
    fill(desk, tea=3)
    assert desk.run("store", "delete", "--space", "prices", "tea").exit_code == 0
    assert desk.cloud.fetch("prices", "tea") is None


def test_a_pickle_is_not_looked_into_unless_it_is_wanted(desk: Desk) -> None:
    # Given: an object whose unpickling could do anything.
    fill(desk, tea=JobRef(bytes(16)))
    # When
    listed, got = (
        desk.run("store", command, "--space", "prices", *rest) for command, *rest in (["ls"], ["get", "tea"])
    )
    told = json.loads(desk.run("store", "get", "--space", "prices", "tea", "--json").stdout)
    wanted = desk.run("store", "get", "--space", "prices", "tea", "--unpickle")
    # Then
    assert listed.stdout.startswith("tea\t<pickle of ")
    assert got.stdout.startswith("<pickle of ")
    assert "--unpickle" in got.stderr
    assert (told["codec"], told["value"]) == ("pickle", None)
    assert told["bytes"] > 0
    assert "JobRef" in wanted.stdout


def test_ls_lists_in_order_what_begins_with_a_prefix(desk: Desk) -> None:
    # Given
    put_all(desk, ["b", "a", 2, ("u", 2), ("u", 1)])
    # When
    everything = desk.run("store", "ls", "--space", "s")
    some = desk.run("store", "ls", "--space", "s", "--prefix", '["u"]', "--json")
    # Then
    assert [line.split("\t")[0] for line in everything.stdout.splitlines()] == ["a", "b", '["u",1]', '["u",2]', "2"]
    assert [json.loads(line)["key"] for line in some.stdout.splitlines()] == [["u", 1], ["u", 2]]


def test_a_long_listing_comes_in_parts_up_to_its_limit(desk: Desk) -> None:
    # Given
    for start in range(0, 2500, 500):
        put_all(desk, range(start, start + 500))
    # When
    most, rest = (desk.run("store", "ls", "--space", "s", "--limit", limit, "--json") for limit in ("2200", "5000"))
    # Then
    assert [json.loads(line)["key"] for line in most.stdout.splitlines()] == list(range(2200))
    assert [json.loads(line)["key"] for line in rest.stdout.splitlines()] == list(range(2500))
    assert "--limit" in most.stderr
    assert "--limit" not in rest.stderr


def test_a_jobs_keys_are_named_by_its_reference(desk: Desk) -> None:
    ref = desk.add("math:sqrt", "4")
    assert desk.run("store", "put", "--job", ref, "root", "2").exit_code == 0
    assert desk.cloud.fetch(JobRef[Any].parse(ref), "root") == 2


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["get", "tea"], 2),
        (["get", "tea", "--space", "s", "--job", "0" * 26], 2),
        (["get", "tea", "--job", "nonsense"], 2),
        (["put", "--job", "0" * 26, "a", "1"], 1),
        (["get", '{"a": 1}', "--space", "s"], 2),
        (["get", "x" * 500, "--space", "s"], 2),
        (["get", "tea", "--space", "s" * 65], 2),
        (["put", "list", "[123456789012345678901234567890]", "--space", "s"], 2),
        (["ls", "--space", "s", "--limit", "0"], 2),
        (["ls", "--prefix", "a"], 2),
        (["stats", "--space", "s", "--job", "0" * 26], 2),
        (["stats", "--job", "0" * 26], 1),
        (["nonsense"], 2),
    ],
)
def test_what_is_wrong_is_refused_with_its_exit_code(desk: Desk, arguments: list[str], code: int) -> None:
    told = desk.run("store", *arguments)
    assert told.exit_code == code
    assert told.stdout == ""
    assert told.stderr


def test_stats_tell_how_the_store_is(desk: Desk) -> None:
    fill(desk, tea=3)
    assert json.loads(desk.run("store", "stats", "--json").stdout)["seq"] == 1
    assert "commits" in desk.run("store", "stats").stdout


def test_ls_without_a_space_lists_them_and_the_jobs_that_have_keys(desk: Desk) -> None:
    # Given
    ref = desk.add("math:sqrt", "4")
    fill(desk, tea=3, rye=4)
    put_all(desk, ["b"])
    desk.cloud.mutate_store(lambda: desk.cloud.store(JobRef[Any].parse(ref), "root", 2))
    # When
    told, some = desk.run("store", "ls"), desk.run("store", "ls", "--limit", "2")
    lines = [json.loads(line) for line in desk.run("store", "ls", "--json").stdout.splitlines()]
    # Then
    assert [line.split("\t")[:2] for line in told.stdout.splitlines()] == [
        ["prices", "2 keys"],
        ["s", "1 keys"],
        [ref, "1 keys"],
    ]
    assert [(line.get("space"), line.get("job"), line["keys"]) for line in lines] == [
        ("prices", None, 2),
        ("s", None, 1),
        (None, ref, 1),
    ]
    assert len(some.stdout.splitlines()) == 2
    assert "--limit" in some.stderr


def test_more_spaces_than_one_answer_holds_are_listed(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actorcloud.cli.store._PAGE", 2)
    desk.cloud.mutate_store(lambda: [desk.cloud.store(name, 1, 1) for name in "abcde"])  # type: ignore[func-returns-value]
    listed = desk.run("store", "ls", "--limit", "4")
    assert [line.split("\t")[0] for line in listed.stdout.splitlines()] == ["a", "b", "c", "d"]
    assert len(desk.run("store", "ls").stdout.splitlines()) == 5


def test_there_may_be_no_spaces(desk: Desk) -> None:
    told = desk.run("store", "ls")
    assert (told.exit_code, told.stdout) == (0, "")
    assert "no spaces" in told.stderr


def test_stats_tell_what_a_space_or_a_job_has_of_its_quota(desk: Desk) -> None:
    # Given
    ref = desk.add("math:sqrt", "4")
    fill(desk, tea=3)
    # When
    told = json.loads(desk.run("store", "stats", "--space", "prices", "--json").stdout)
    # Then
    assert (told["space"], told["keys"], told["quota_keys"]) == ("prices", 1, 10_000_000)
    assert told["bytes"] == desk.cloud.usage("prices").size_bytes
    shown = desk.run("store", "stats", "--job", ref).stdout
    assert shown == "keys   0 of 10,000,000\nbytes  0 of 17,179,869,184\n"


# -- without a head --------------------------------------------------------------------------------


def offline(path: Path, *arguments: str) -> Result:
    return CliRunner().invoke(program, ["store", *arguments, "--store", str(path)], env={"ACTORCLOUD_HEAD": None})


@pytest.fixture
def store(tmp_path: Path) -> Path:
    engine = LmdbEngine(tmp_path / "store", map_bytes=16 << 20)
    engine.open("test")
    engine.close()
    return tmp_path / "store"


def test_a_named_store_that_no_head_has_is_opened_without_one(store: Path) -> None:
    # When
    put = offline(store, "put", "--space", "prices", "tea", "3")
    # Then
    assert put.exit_code == 0, put.stderr
    assert "no head has the store" in put.stderr
    assert offline(store, "get", "--space", "prices", "tea", "--unpickle").stdout == "3\n"
    assert json.loads(offline(store, "stats", "--json").stdout)["seq"] == 1
    with open_offline(store) as cloud:
        assert cloud.fetch("prices", "tea") == 3


def test_without_a_head_a_job_that_does_not_exist_has_no_keys(store: Path) -> None:
    told = offline(store, "put", "--job", "0" * 26, "tea", "3")
    assert told.exit_code == 1
    assert "no job has the reference" in told.stderr


def test_a_store_that_is_not_there_is_not_made_by_looking_at_it(tmp_path: Path) -> None:
    told = offline(tmp_path / "other", "get", "--space", "s", "tea")
    assert told.exit_code == 73
    assert not (tmp_path / "other").exists()


def test_a_store_that_another_process_has_is_not_opened_a_second_time(store: Path) -> None:
    with open_offline(store):
        told = offline(store, "get", "--space", "s", "tea")
    assert told.exit_code == 75
    assert "an actorcloud command" in told.stderr
