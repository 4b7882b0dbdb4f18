"""The records: strict at the edge, tolerant in the store."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from scheduled_prompts.fire import MAX_RESULT_BYTES, Fire, FireStatus, Result, cut_text, fitting, read_fire
from scheduled_prompts.prompt import (
    MAX_TEXT_BYTES,
    Definition,
    NewerSchema,
    PromptStatus,
    read_definition,
    read_prompt,
)
from scheduled_prompts.schedule import Cron, Interval, Once, RandomWindow

ID = "01KDVDNA000016QAMMAQHYE1M2"
MOVING = {"status": "active", "version": "3", "seq": "7", "created_at": "1000"}


def definition(**fields: Any) -> Definition:
    return Definition.model_validate({"text": "x", "schedule": Once(at=1), **fields})


def problem_of(**fields: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        definition(**fields)
    return "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in caught.value.errors())


@pytest.mark.parametrize("name", ["a/b", "a:b", "a{b", "a}b", "a b", "a\tb", "a\n", "a\x00", "a\x7f", "", "x" * 129])
@pytest.mark.parametrize("field", ["runner", "platform", "owner", "agent", "conversation", "key"])
def test_names_that_would_break_a_key_are_refused(field: str, name: str) -> None:
    assert field in problem_of(**{field: name})


@pytest.mark.parametrize("name", ["log", "Ärger", "a.b-c_d", "日本", "x" * 128, "user@example.org"])
def test_other_names_are_taken(name: str) -> None:
    assert definition(owner=name).owner == name


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"text": ""}, "text"),
        ({"text": "  \n "}, "the text is blank"),
        ({"text": "x" * (MAX_TEXT_BYTES + 1)}, "the text has 32,769 bytes; at most 32,768 are kept"),
        ({"text": "ä" * (MAX_TEXT_BYTES // 2 + 1)}, "the text has 32,770 bytes"),
        ({"text": "\ud800"}, "text"),
        ({"name": ""}, "name"),
        ({"name": "x" * 257}, "256 characters"),
        ({"priority": -1}, "priority"),
        ({"priority": 101}, "priority"),
        ({"timeout": 0}, "timeout"),
        ({"timeout": float("inf")}, "timeout"),
        ({"timeout": float("nan")}, "timeout"),
        ({"timeout": 8 * 86_400}, "timeout"),
        ({"retries": -1}, "retries"),
        ({"retries": 101}, "retries"),
        ({"retry_delays": []}, "retry_delays"),
        ({"retry_delays": [-1]}, "retry_delays"),
        ({"retry_delays": [float("nan")]}, "retry_delays"),
        ({"on_crash": "explode"}, "on_crash"),
        ({"jitter": -1}, "jitter"),
        ({"jitter": 86_401}, "jitter"),
        ({"labels": {"a b": "c"}}, "labels"),
        ({"labels": {"a": "x" * 257}}, "labels"),
        ({"labels": {f"l{n}": "" for n in range(65)}}, "labels"),
        ({"mood": "merry"}, "mood"),
    ],
)
def test_values_out_of_bounds_are_refused(fields: dict[str, Any], problem: str) -> None:
    assert problem in problem_of(**fields)


def test_a_definition_cannot_be_changed_in_place() -> None:
    with pytest.raises(ValidationError):
        definition().text = "y"  # type: ignore[misc]


@pytest.mark.parametrize(
    "schedule",
    [
        Once(at=1_767_225_600_000),
        Once(wall="2026-07-01T09:00:00"),  # type: ignore[arg-type]
        Cron(expression="0 9 * * 1-5"),
        Cron(expression="0 9 * * 5", every_weeks=2, anchor="2026-01-01"),  # type: ignore[arg-type]
        Interval(every_ms=7_200_000, anchor=5),
        RandomWindow(times=3, start=540, end=60, weekdays=(0, 4)),
    ],
)
def test_a_document_gives_back_the_definition(schedule: Any) -> None:
    written = definition(schedule=schedule, owner="ann", labels={"a": "ü"}, retry_delays=[1, 2], timezone="Asia/Tokyo")
    assert read_definition(written.document()) == written


def test_a_document_holds_what_is_not_default() -> None:
    assert json.loads(definition().document()) == {
        "text": "x",
        "schedule": {"kind": "once", "at": 1},
        "schema": 1,
    }


def test_a_field_of_a_newer_release_is_kept() -> None:
    written = {"schema": 1, "text": "x", "schedule": {"kind": "once", "at": 1, "odd": True}, "mood": {"merry": 1}}
    assert json.loads(read_definition(json.dumps(written)).document()) == written
    prompt = read_prompt(ID, MOVING | {"doc": json.dumps(written)})
    assert json.loads(prompt.model_copy(update={"timeout": 3600.0}).document()) == written


def test_a_newer_schema_is_told_from_a_broken_record() -> None:
    with pytest.raises(NewerSchema, match="the record has schema 2; this release reads up to 1"):
        read_definition(json.dumps({"schema": 2, "text": "x"}))


def test_a_prompt_is_its_definition_and_what_moves() -> None:
    prompt = read_prompt(
        ID, MOVING | {"doc": definition().document(), "next_nominal": "5", "next_at": "6", "last_nominal": ""}
    )
    assert (prompt.id, prompt.status, prompt.version, prompt.seq) == (ID, PromptStatus.ACTIVE, 3, 7)
    assert (prompt.next_nominal, prompt.next_at, prompt.last_nominal, prompt.ended_at) == (5, 6, None, None)
    assert (prompt.created_at, prompt.updated_at, prompt.failures, prompt.last_fire) == (1000, 1000, 0, None)


@pytest.mark.parametrize("missing", ["doc", *MOVING])
def test_a_prompt_without_what_it_needs_cannot_be_read(missing: str) -> None:
    stored = MOVING | {"doc": definition().document()}
    del stored[missing]
    with pytest.raises((KeyError, ValueError)):
        read_prompt(ID, stored)


def test_which_ends_are_ends() -> None:
    assert {s for s in PromptStatus if s.has_ended} == {PromptStatus.EXECUTED, PromptStatus.CANCELLED}
    assert {s for s in FireStatus if not s.has_ended} == {FireStatus.QUEUED, FireStatus.RUNNING, FireStatus.RETRYING}


def stored_fire(**fields: str) -> dict[str, str]:
    return {
        "status": "queued",
        "version": "1",
        "nominal": "5",
        "due": "6",
        "runner": "log",
        "platform": "default",
        "priority": "50",
        **fields,
    }


def test_a_fire_is_read_from_its_hash() -> None:
    fire = read_fire(
        f"{ID}@5",
        stored_fire(started_at="9", attempt="2", cancel="prompt_cancelled", reason="", result='{"text":"hi"}'),
    )
    assert (fire.prompt_id, fire.nominal, fire.due, fire.attempt, fire.lateness_ms) == (ID, 5, 6, 2, 3)
    assert (fire.cancel_requested, fire.reason) == (True, None)
    assert fire.result == Result(text="hi")
    assert read_fire(f"{ID}@5", stored_fire()).lateness_ms is None


def test_a_fire_read_for_the_account_has_no_text() -> None:
    with pytest.raises(LookupError, match="was read without its prompt"):
        _ = read_fire(f"{ID}@5", stored_fire()).text
    assert read_fire(f"{ID}@5", stored_fire(), definition()).text == "x"


@pytest.mark.parametrize("damage", [{"status": "odd"}, {"nominal": "soon"}, {"result": "{"}, {"result": '{"odd":1}'}])
def test_a_damaged_fire_cannot_be_read(damage: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_fire(f"{ID}@5", stored_fire(**damage))


def test_a_fire_ignores_what_a_newer_release_added() -> None:
    assert read_fire(f"{ID}@5", stored_fire(mood="merry")).status == FireStatus.QUEUED
    assert Fire.model_config["extra"] == "ignore"


@pytest.mark.parametrize("character", ["a", "ä", "€", "😀"])
def test_a_long_text_is_cut_between_characters_and_marked(character: str) -> None:
    text, cut = cut_text(character * MAX_RESULT_BYTES)
    assert cut is (len(character.encode()) > 1)
    assert len(text.encode()) <= MAX_RESULT_BYTES
    text, cut = cut_text(character * MAX_RESULT_BYTES + "x")
    assert cut
    assert text.endswith("\n[… cut]")
    assert text.removesuffix("\n[… cut]") in character * MAX_RESULT_BYTES


def test_a_text_that_is_no_unicode_is_kept_as_far_as_it_is() -> None:
    assert cut_text("a\udcffb") == ("a?b", False)


def test_a_result_that_was_cut_before_stays_marked() -> None:
    assert fitting(Result(text="x", truncated=True)).truncated
    assert not fitting(Result(text="x")).truncated
    assert fitting(Result(silent=True)) == Result(silent=True)
