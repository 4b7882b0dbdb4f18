"""Calls as weak models make them: each succeeds, or is answered with an error that names the form that is right.

It is Thursday 2026-01-01, 01:00 in Berlin, which is the scheduler's zone. One prompt is there: named and keyed
`standup`, every weekday at 09:00.
"""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from scheduled_prompts.scheduler import Scheduler
from scheduled_prompts.store import Store
from scheduled_prompts.testing import VirtualClock
from scheduled_prompts.tools import Tools
from tests.tools.scenes import ANN, Checked

_stores = itertools.count(1)


@dataclass
class Right:
    """It succeeds: the scheduled prompt (or else the answer) then says this."""

    says: dict[str, Any] = field(default_factory=dict)
    message: str = ""
    note: str = ""


@dataclass
class Wrong:
    """It is refused, and the message or the hint says each of these."""

    says: tuple[str, ...]
    code: str = "invalid_input"


NINE = {"when": "every weekday at 09:00"}
SCHEDULE = "schedule_prompt"
HELLO = {"prompt": "hello"}


def schedule(**arguments: Any) -> tuple[str, Any]:
    return SCHEDULE, HELLO | arguments


CALLS: dict[str, tuple[tuple[str, Any], Right | Wrong]] = {
    # Right as it stands
    "flat, as the schema says": (schedule(when="every weekday at 9am"), Right(NINE)),
    "a cron expression": (schedule(when="0 9 * * 1-5"), Right(NINE)),
    "nothing for what is optional": (schedule(when="in 20m", name=None, key="", max_fires=None), Right({"key": None})),
    # Times
    "an hour that is morning or evening": (
        schedule(when="daily at 9"),
        Wrong(("“daily at 9am”", "“daily at 9pm”"), "invalid_schedule"),
    ),
    "a time alone": (schedule(when="9am"), Wrong(("“at 9am” (once)", "“every day at 9am”"), "invalid_schedule")),
    "a length alone": (schedule(when="20m"), Wrong(("“in 20m”", "“every 20m”"), "invalid_schedule")),
    "a local time without zone": (
        schedule(when="2026-01-02T09:00:00"),
        Right({"next_at": "2026-01-02T09:00:00.000+01:00", "timezone": "Europe/Berlin"}, message="Europe/Berlin"),
    ),
    "an instant with offset": (
        schedule(when="2026-01-02T09:00:00Z"),
        Right({"next_at": "2026-01-02T10:00:00.000+01:00"}),
    ),
    "the zone behind the time": (
        schedule(when="every day at 9am America/New_York"),
        Right({"timezone": "America/New_York", "when": "every day at 09:00"}),
    ),
    "UTC behind the time": (schedule(when="every day at 9am UTC"), Right({"timezone": "UTC"})),
    "two zones": (
        schedule(when="every day at 9am Asia/Tokyo", timezone="Europe/Paris"),
        Wrong(("timezone=", "Asia/Tokyo"), "invalid_schedule"),
    ),
    "an abbreviated zone in the time": (schedule(when="9am EST"), Wrong(("timezone='",), "invalid_schedule")),
    "a city for a zone": (
        schedule(when="in 20m", timezone="Berlin"),
        Wrong(("Europe/Berlin",), "unknown_timezone"),
    ),
    "a zone in other letters": (
        schedule(when="in 20m", timezone="europe/berlin"),
        Wrong(("Europe/Berlin",), "unknown_timezone"),
    ),
    "six fields of cron": (schedule(when="0 0 9 * * *"), Wrong(("“0 9 * * *”",), "invalid_schedule")),
    "now": (schedule(when="now"), Wrong(("“in 1s”",), "invalid_schedule")),
    "a time that has passed": (schedule(when="2020-01-01 09:00"), Wrong(("2020-01-01",), "invalid_schedule")),
    "seconds since 1970": (schedule(when=1767229200), Wrong(("“2026-12-01T09:00:00Z”",), "invalid_schedule")),
    "two times in a list": (schedule(when=["9am", "5pm"]), Wrong(("make one call for each time",))),
    "one time in a list": (schedule(when=["every weekday at 9am"]), Right(NINE)),
    "an end in words": (
        schedule(when="every day at 9am", end_at="in 2 weeks"),
        Right({"end_at": "2026-01-15T01:00:00.000+01:00"}),
    ),
    "an end that is none": (
        schedule(when="every day at 9am", end_at="someday"),
        Wrong(("end_at", "2030-12-01T09:00"), "invalid_input"),
    ),
    # Numbers, truths, nothing
    "a number as a text": (schedule(when="every day at 9am", max_fires="5"), Right({"max_fires": 5})),
    "a whole number with a point": (schedule(when="every day at 9am", max_fires=5.0), Right({"max_fires": 5})),
    "a number in words": (
        schedule(when="every day at 9am", max_fires="five"),
        Wrong(("max_fires", "'five' is not a number")),
    ),
    "a number out of range": (schedule(when="every day at 9am", max_fires=0), Wrong(("1 to 1000000000",))),
    "an amount as a number": (schedule(when="every day at 9am", max_cost=0.1), Right({"max_cost": "0.10"})),
    "an amount as a text": (schedule(when="every day at 9am", max_cost="0.25"), Right({"max_cost": "0.25"})),
    "an amount with its currency": (schedule(when="every day at 9am", max_cost="$5"), Wrong(("'$5' is not a number",))),
    "null as a text": (schedule(when="every day at 9am", timezone="null", key="None"), Right({"key": None})),
    "a truth as a text": (
        ("skip_occurrence", {"id": "standup", "undo": "false"}),
        Right({"next_at": "2026-01-02T09:00:00.000+01:00"}, message="does not run on Thu 2026-01-01"),
    ),
    "another truth": (("skip_occurrence", {"id": "standup", "undo": "maybe"}), Wrong(("undo", "true or false"))),
    "a choice in capitals": (("list_scheduled_prompts", {"status": "ACTIVE"}), Right(message="1 active")),
    "a choice that is none": (("list_scheduled_prompts", {"status": "activ"}), Wrong(("did you mean 'active'?",))),
    "a choice beyond": (("list_scheduled_prompts", {"limit": "1000"}), Wrong(("limit", "1 to 100"))),
    # Shapes
    "as JSON text": ((SCHEDULE, json.dumps(HELLO | {"when": "every weekday at 9am"})), Right(NINE)),
    "as JSON text in a fence": (
        (SCHEDULE, '```json\n{"prompt": "hello", "when": "every weekday at 9am"}\n```'),
        Right(NINE),
    ),
    "as JSON text of JSON text": ((SCHEDULE, json.dumps(json.dumps(HELLO | NINE))), Right(NINE)),
    "as broken JSON": ((SCHEDULE, '{"prompt": "hello", "when": '), Wrong(("not JSON", "schedule_prompt({"))),
    "as a list": ((SCHEDULE, '["hello", "every day at 9am"]'), Wrong(("not an object", "schedule_prompt({"))),
    "in a wrapper": ((SCHEDULE, {"arguments": HELLO | NINE}), Right(NINE)),
    "in another wrapper, as text": ((SCHEDULE, {"input": json.dumps(HELLO | NINE)}), Right(NINE)),
    "with the tool's name": ((SCHEDULE, {"name": SCHEDULE, "arguments": HELLO | NINE}), Right(NINE)),
    "a schedule of its own": (
        schedule(schedule={"type": "cron", "expression": "0 9 * * 1-5", "timezone": "UTC"}),
        Right(NINE | {"timezone": "UTC"}, note="when='0 9 * * 1-5'"),
    ),
    "a schedule in the time": (schedule(when={"cron": "0 9 * * 1-5"}), Right(NINE)),
    "a schedule in parts": (
        schedule(schedule={"frequency": "weekly", "days": ["monday", "thursday"], "time": "18:30"}),
        Right({"when": "every monday and thursday at 18:30"}),
    ),
    "parts beside the others": (schedule(frequency="daily", time="9am"), Right({"when": "every day at 09:00"})),
    "an interval in parts": (schedule(schedule={"every": 2, "unit": "hours"}), Right({"when": "every 2 hours"})),
    "a delay in minutes": (schedule(delay_minutes=20), Right({"next_at": "2026-01-01T01:20:00.000+01:00"})),
    "a schedule that nobody knows": (
        schedule(schedule={"kind": "lunar", "phase": "full"}),
        Wrong(("'every weekday at 9am'",)),
    ),
    "a time alone beside the others": (
        schedule(time="9am"),
        Wrong(("there is no argument 'time'; say it as when='every weekday at 9am'", "when is missing")),
    ),
    # Names
    "another name for the text": (
        (SCHEDULE, {"message": "hello", "when": "every weekday at 9am"}),
        Right(NINE | {"prompt": "hello"}, note="'message'; it was read as prompt"),
    ),
    "another name for the time": (schedule(cron="0 9 * * 1-5"), Right(NINE, note="it was read as when")),
    "names in camel case": (
        schedule(when="every day at 9am", endAt="2026-02-01", maxFires="3"),
        Right({"end_at": "2026-02-01T00:00:00.000+01:00", "max_fires": 3}),
    ),
    "a name that is near": (
        schedule(when="every day at 9am", max_fire=3),
        Wrong(("there is no argument 'max_fire'; did you mean 'max_fires'?",)),
    ),
    "a name that is invented": (
        schedule(when="every day at 9am", colour="red"),
        Wrong(("'colour'", "schedule_prompt({")),
    ),
    "an invented name that says nothing": (schedule(when="every weekday at 9am", colour=None), Right(NINE)),
    "who is calling": (schedule(when="every day at 9am", owner="ben"), Wrong(("'owner'", "leave it out"))),
    "nothing at all": ((SCHEDULE, None), Wrong(("prompt is missing", "when is missing", "schedule_prompt({"))),
    "a blank text": ((SCHEDULE, {"prompt": " ", "when": "in 20m"}), Wrong(("prompt is missing",))),
    # Which one
    "by its name": (("get_scheduled_prompt", {"id": "Standup"}), Right(NINE)),
    "by its key": (("get_scheduled_prompt", {"id": "standup"}), Right(NINE)),
    "by another name for the id": (("get_scheduled_prompt", {"prompt_id": "standup"}), Right(NINE)),
    "as a message calls it": (("get_scheduled_prompt", {"id": "“standup” (id {short})"}), Right(NINE)),
    "by a part of its id": (("get_scheduled_prompt", {"id": "{short}"}), Right(NINE)),
    "by an address": (("get_scheduled_prompt", {"id": "prompt://{id}"}), Right(NINE)),
    "by a name that is near": (
        ("cancel_scheduled_prompt", {"id": "stand-up"}),
        Wrong(("you have no scheduled prompt 'stand-up'", "“standup” key standup"), "not_found"),
    ),
    "a tool that is near": (
        ("create_scheduled_prompt", HELLO | NINE),
        Wrong(("there is no tool 'create_scheduled_prompt'", "scheduled_prompt"), "unknown_tool"),
    ),
    "an update of nothing": (("update_scheduled_prompt", {"id": "standup"}), Wrong(("when='every weekday at 10am'",))),
    "an update that takes something back": (
        ("update_scheduled_prompt", {"id": "standup", "remove": ["name"]}),
        Right({"name": None}),
    ),
    "an update that takes back what must be": (
        ("update_scheduled_prompt", {"id": "standup", "remove": "prompt"}),
        Wrong(("'prompt' cannot be removed", "end_at")),
    ),
    "an occurrence that is none": (
        ("skip_occurrence", {"id": "standup", "occurrence": "2026-01-02 10:00"}),
        Wrong(("no occurrence", "2026-01-01 09:00:00+01:00")),
    ),
}


def test_there_are_enough_of_them() -> None:
    assert len(CALLS) >= 40


@pytest.mark.parametrize(("call", "expected"), CALLS.values(), ids=CALLS.keys())
async def test_a_weak_call(call: tuple[str, Any], expected: Right | Wrong) -> None:
    async with Store(f"memory:weak{next(_stores)}", clock=VirtualClock()) as store:
        tools = Checked(Tools(Scheduler(store, timezone="Europe/Berlin")).bound(ANN))
        there = await tools.ask(SCHEDULE, prompt="news", when="every weekday at 9am", name="standup", key="standup")
        name, arguments = call
        if isinstance(arguments, dict) and "id" in arguments:
            prompt_id = there["scheduled_prompt"]["id"]
            arguments = arguments | {"id": arguments["id"].format(id=prompt_id, short=prompt_id[-8:])}
        answer = await tools.answer(name, arguments)
        if isinstance(expected, Wrong):
            assert not answer["ok"], answer["message"]
            error = answer["error"]
            assert error["code"] == expected.code
            for words in expected.says:
                assert words in f"{error['message']}; {error['hint']}", error
            return
        assert answer["ok"], answer["error"]
        record = answer.get("scheduled_prompt", answer)
        assert {key: record[key] for key in expected.says} == expected.says
        assert expected.message in answer["message"]
        assert expected.note in "; ".join(answer.get("notes", []))
