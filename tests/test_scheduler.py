"""What a caller can do with prompts, and what is said where it cannot be done."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from scheduled_prompts import (
    Conflict,
    Cron,
    InvalidInput,
    InvalidSchedule,
    NotFound,
    Once,
    Scheduler,
    StoreUnreachable,
    StoreUnusable,
    UnknownTimezone,
)
from scheduled_prompts.errors import ScheduledPromptsError
from scheduled_prompts.prompt import PromptStatus
from scheduled_prompts.schedule import Interval, RandomWindow
from scheduled_prompts.testing import RecordingRunner, VirtualClock
from tests.conftest import Lab
from tests.engine.faults import unsteady_store
from tests.engine.scenes import CALM, Worker

HOUR = 3_600_000


async def a_scheduler(lab: Lab, timezone: str = "UTC") -> Scheduler:
    return await lab.scheduler(await lab.store(), timezone)


async def refusal(of: Awaitable[Any], kind: type[ScheduledPromptsError] = InvalidInput) -> str:
    with pytest.raises(kind) as caught:
        await of
    assert type(caught.value) is kind
    return caught.value.message


# schedule


async def test_a_new_prompt_comes_back_with_what_it_will_do(lab: Lab) -> None:
    async with lab:
        scheduler = await a_scheduler(lab, "Europe/Berlin")
        answer = await scheduler.schedule("hello", "every day at 9am", name="Morning", labels={"a": "b"})
        assert (answer.created, answer.differs) == (True, [])
        prompt = answer.prompt
        assert (prompt.text, prompt.name, prompt.timezone, prompt.status) == (
            "hello",
            "Morning",
            "Europe/Berlin",
            "active",
        )
        assert [prompt.local(due).strftime("%d %H:%M") for _, due in answer.upcoming] == [
            "01 09:00",
            "02 09:00",
            "03 09:00",
            "04 09:00",
            "05 09:00",
        ]
        assert (prompt.next_nominal, prompt.next_at) == answer.upcoming[0]
        assert await scheduler.get(prompt.id) == prompt


async def test_a_one_shot_is_scheduled_and_has_one_occurrence(lab: Lab) -> None:
    async with lab:
        answer = await (await a_scheduler(lab)).schedule("hello", "in 20m")
        assert answer.prompt.status is PromptStatus.SCHEDULED
        assert len(answer.upcoming) == 1


@pytest.mark.parametrize(
    "when",
    [
        "every day at 9am",
        Cron(expression="0 9 * * *"),
        Interval(every_ms=60_000, anchor=1),
        RandomWindow(start=540, end=660),
        Once(at=1_767_229_200_000),
        datetime(2026, 7, 1, 9, tzinfo=UTC),
    ],
    ids=lambda when: type(when).__name__,
)
async def test_all_kinds_of_when_are_taken(lab: Lab, when: Any) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        answer = await scheduler.schedule("hello", when)
        assert (await scheduler.get(answer.prompt.id)).schedule == answer.prompt.schedule
        once = isinstance(when, Once | datetime)
        assert answer.prompt.status == ("scheduled" if once else "active")
        assert len(answer.upcoming) == (1 if once else 5)


async def test_an_aware_datetime_is_an_instant_and_a_naive_one_the_wall_clocks_of_the_zone(lab: Lab) -> None:
    async with lab:
        scheduler = await a_scheduler(lab, "Europe/Berlin")
        aware = datetime(2026, 7, 1, 9, 0, 0, 123_456, tzinfo=timezone(timedelta(hours=5)))
        answer = await scheduler.schedule("x", aware)
        assert answer.prompt.schedule == Once(at=round(aware.timestamp() * 1000))
        nine = datetime.fromisoformat("2026-07-01T09:00")
        naive = await scheduler.schedule("x", nine)
        assert naive.prompt.schedule == Once(wall=nine)
        assert naive.upcoming[0].nominal == nine.replace(tzinfo=ZoneInfo("Europe/Berlin")).timestamp() * 1000


@pytest.mark.parametrize(
    ("when", "fields", "kind", "message"),
    [
        ("30m", {}, InvalidSchedule, "30m"),
        ("whenever", {}, InvalidSchedule, "whenever"),
        (Once(at=5), {}, InvalidSchedule, "this schedule names no instant in the future"),
        (datetime(2020, 1, 1, tzinfo=UTC), {}, InvalidSchedule, "this schedule names no instant in the future"),
        ("in 5m", {"timezone": "Mars/Base"}, UnknownTimezone, "Mars/Base"),
        ("in 5m", {"mood": "merry"}, InvalidInput, "a prompt has no 'mood'"),
        (
            "in 5m",
            {"runner": "a/b"},
            InvalidInput,
            "runner: 'a/b' may not contain blanks, control characters, or any of / : { }",
        ),
        ("in 5m", {"retry_on": ("a-b",)}, InvalidInput, "retry_on.0: 'a-b' is no name of an exception"),
        (
            "in 5m",
            {"priority": 101},
            InvalidInput,
            "priority: it should be less than or equal to 100 (it is 101)",
        ),
        ("in 5m", {"text": " "}, InvalidInput, "text: the text is blank (it is ' ')"),
        (
            "in 5m",
            {"budget_day": Decimal(-1)},
            InvalidInput,
            "budget_day: it should be greater than or equal to 0 (it is -1.00)",
        ),
        (5, {}, InvalidInput, "5 says no time"),
        (None, {}, InvalidInput, "None says no time"),
        (datetime.fromisoformat("9999-12-31"), {}, InvalidSchedule, "9999-12-31T00:00:00 is out of range"),
        (datetime.max.replace(tzinfo=UTC), {}, InvalidSchedule, "9999-12-31T23:59:59.999999+00:00 is out of range"),
    ],
)
async def test_what_cannot_be_is_refused_and_nothing_is_written(
    lab: Lab, when: Any, fields: dict[str, Any], kind: type[ScheduledPromptsError], message: str
) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        before = lab.keys()
        fields = dict(fields)
        text = fields.pop("text", "hello")
        assert message in await refusal(scheduler.schedule(text, when, **fields), kind)
        assert lab.keys() == before


async def test_a_window_that_ends_before_it_starts_is_told_as_it_is(lab: Lab) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        window = {"start_at": "2026-03-01", "end_at": "2026-02-01"}
        message = await refusal(scheduler.schedule("hello", "every day at 9am", **window), InvalidInput)
        assert message.startswith(
            "the end, 2026-02-01 00:00:00+00:00, is not after the start, 2026-03-01 00:00:00+00:00: "
        )


def test_a_scheduler_with_a_zone_that_is_none_is_refused() -> None:
    with pytest.raises(UnknownTimezone, match="Mars/Base"):
        Scheduler("memory:", timezone="Mars/Base")


async def test_jitter_moves_what_is_due_and_not_the_nominal_time(lab: Lab) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        answer = await scheduler.schedule("x", "*/10 * * * *", jitter=300)
        assert all(nominal % 600_000 == 0 and 0 <= due - nominal <= 300_000 for nominal, due in answer.upcoming)
        assert any(due > nominal for nominal, due in answer.upcoming)
        stored = await scheduler.get(answer.prompt.id)
        assert scheduler.upcoming(stored) == answer.upcoming


async def test_a_text_is_kept_byte_for_byte(lab: Lab) -> None:
    text = '  "quoted"\n\ttäb — 日本 😀 \u2028 {"json": [1, null]} \x01 '
    async with lab:
        scheduler = await a_scheduler(lab)
        prompt = (await scheduler.schedule(text, "in 1m", labels={"k": "ü \n"})).prompt
        found = await scheduler.get(prompt.id)
        assert (found.text, found.labels) == (text, {"k": "ü \n"})


# keys


async def test_a_key_that_a_living_prompt_has_returns_that_prompt(lab: Lab) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        first = await scheduler.schedule("hello", "every day at 9am", key="morning")
        again = await scheduler.schedule("hello", "every day at 9am", key="morning")
        assert (again.created, again.prompt, again.upcoming, again.differs) == (
            False,
            first.prompt,
            first.upcoming,
            [],
        )
        assert len((await scheduler.list()).items) == 1


async def test_what_is_not_as_it_was_asked_for_is_named(lab: Lab) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        await scheduler.schedule("hello", "every day at 9am", key="morning", priority=10)
        again = await scheduler.schedule("good morning", "every day at 10am", key="morning", runner="bot", priority=10)
        assert again.differs == ["text", "schedule", "runner"]


async def test_keys_are_an_owners_own(lab: Lab) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        answers = [
            await scheduler.schedule("x", "in 1h", key="k", **owner)  # type: ignore[arg-type]
            for owner in ({}, {"owner": "ann"}, {"owner": "bob"}, {"owner": "ann"})
        ]
        assert [answer.created for answer in answers] == [True, True, True, False]


async def test_a_key_is_free_again_when_its_prompt_has_ended(lab: Lab) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        first = (await scheduler.schedule("x", "in 1h", key="k")).prompt
        await scheduler.cancel(first.id)
        second = await scheduler.schedule("x", "in 1h", key="k")
        assert second.created
        assert second.prompt.id != first.id


async def test_of_ten_who_create_with_one_key_at_once_one_does(lab: Lab) -> None:
    async with lab:
        schedulers = [await lab.scheduler(await lab.store(seed=seed)) for seed in range(10)]
        answers = await asyncio.gather(
            *(scheduler.schedule(f"by {number}", "in 1h", key="k") for number, scheduler in enumerate(schedulers))
        )
        [winner] = [answer.prompt for answer in answers if answer.created]
        assert {answer.prompt.id for answer in answers} == {winner.id}
        assert all(answer.prompt.text == winner.text for answer in answers)
        assert len((await schedulers[0].list()).items) == 1


# finding


async def test_a_prompt_is_found_by_any_unambiguous_part_of_its_id(lab: Lab) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        first = (await scheduler.schedule("first", "in 1h")).prompt.id
        await scheduler.store.clock.sleep(40)
        second = (await scheduler.schedule("second", "in 1h")).prompt.id
        for part in (first, first[:14], first[-8:], first[-8:].lower(), f" {first[-6:]}\n"):
            assert (await scheduler.get(part)).id == first
        assert await scheduler.resolve(second[:13]) == second


async def test_a_part_that_fits_several_is_refused_and_they_are_named(lab: Lab) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        found = [(await scheduler.schedule("x", "in 1h")).prompt.id for _ in range(7)]
        message = await refusal(scheduler.get("01KDVDNA"))
        assert message.startswith("'01KDVDNA' could be ")
        assert message.endswith(", …")
        assert sum(prompt in message for prompt in found) == 5


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ("", "'' is not an id, nor a part of one"),
        ("hello!", "'hello!' is not an id, nor a part of one"),
        ("0" * 27, "is not an id, nor a part of one"),
        ("ZZZZZZZZ", "there is no prompt 'ZZZZZZZZ'"),
        ("01KDVDNA00ZZZZZZZZZZZZZZZZ", "there is no prompt '01KDVDNA00ZZZZZZZZZZZZZZZZ'"),
    ],
)
async def test_who_is_not_there_is_not_found(lab: Lab, part: str, message: str) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        await scheduler.schedule("x", "in 1h")
        for call in (scheduler.get, scheduler.cancel, scheduler.run_now, scheduler.history):
            assert message in await refusal(call(part), NotFound)


@pytest.mark.unaccounted
async def test_a_record_that_cannot_be_read_is_said_to_be_so(lab: Lab) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        prompt = (await scheduler.schedule("x", "in 1h")).prompt.id
        good = (await scheduler.schedule("good", "in 1h")).prompt.id
        lab.inspector.hset(f"{lab.prefix}prompt:{prompt}", "doc", "{")
        assert f"prompt {prompt[-8:]} cannot be read: " in await refusal(scheduler.get(prompt), StoreUnusable)
        assert [found.id for found in (await scheduler.list()).items] == [good]


# list


async def test_the_list_is_newest_first_and_filtered_by_all_that_is_asked(lab: Lab) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        for number in range(8):
            fields = {"owner": "ann" if number % 2 else "bob", "platform": "chat" if number % 4 < 2 else "mail"}
            await scheduler.schedule(f"{number}", "in 1h" if number < 6 else "every 1h", agent="a7", **fields)  # type: ignore[arg-type]
            await scheduler.store.clock.sleep(1)

        async def texts(**filters: Any) -> str:
            return "".join(prompt.text for prompt in (await scheduler.list(**filters)).items)

        assert await texts() == "76543210"
        assert await texts(owner="ann") == "7531"
        assert await texts(platform="mail") == "7632"
        assert await texts(owner="ann", platform="mail") == "73"
        assert await texts(status="active") == "76"
        assert await texts(status="scheduled", owner="bob") == "420"
        assert await texts(agent="a7", status="active", owner="ann", platform="mail") == "7"
        assert await texts(owner="nobody") == ""
        assert await texts(limit=3) == "765"


@pytest.mark.parametrize("step", [0, 1])
@pytest.mark.parametrize("filters", [{}, {"owner": "ann"}, {"owner": "ann", "platform": "p1"}])
async def test_pages_show_each_prompt_once_whatever_was_made_in_one_millisecond(
    lab: Lab, step: int, filters: dict[str, str]
) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        made = []
        for number in range(23):
            prompt = (await scheduler.schedule("x", "in 1h", owner="ann", platform=f"p{number % 2}")).prompt
            if prompt.platform in (filters.get("platform"), None) or "platform" not in filters:
                made.append(prompt.id)
            await scheduler.store.clock.sleep(0.001 * step * (number % 5 == 0))
        for limit in (1, 4, 11):
            seen: list[str] = []
            cursor = None
            while True:
                page = await scheduler.list(limit=limit, cursor=cursor, **filters)  # type: ignore[arg-type]
                seen += [prompt.id for prompt in page.items]
                cursor = page.cursor
                if cursor is None:
                    break
                assert len(page.items) == limit
            assert sorted(seen) == sorted(made)
            assert seen == sorted(seen, reverse=True)


async def test_a_full_last_page_has_no_cursor(lab: Lab) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        for _ in range(4):
            await scheduler.schedule("x", "in 1h")
        page = await scheduler.list(limit=2)
        assert page.cursor is not None
        assert (await scheduler.list(limit=2, cursor=page.cursor)).cursor is None
        assert (await scheduler.list(limit=4)).cursor is None


async def test_what_is_cancelled_between_two_pages_disturbs_no_page(lab: Lab) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        made = [(await scheduler.schedule("x", "in 1h")).prompt.id for _ in range(9)]
        page = await scheduler.list(limit=3, status="scheduled")
        for prompt in page.items[1:]:
            await scheduler.cancel(prompt.id)
        rest = await scheduler.list(limit=100, cursor=page.cursor, status="scheduled")
        assert len(rest.items) == 6
        assert {p.id for p in page.items} | {p.id for p in rest.items} == set(made)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"status": "merry"}, "there is no status 'merry'"),
        ({"limit": 0}, "limit=0 is out of range"),
        ({"limit": 1001}, "limit=1001 is out of range"),
        ({"cursor": "x"}, "'x' is not a cursor"),
        ({"cursor": ""}, "'' is not a cursor"),
        ({"cursor": "12"}, "'12' is not a cursor"),
        ({"cursor": "-1.x"}, "'-1.x' is not a cursor"),
        ({"cursor": "².x"}, "'².x' is not a cursor"),
    ],
)
async def test_a_list_that_cannot_be_is_refused(lab: Lab, options: dict[str, Any], message: str) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        assert await refusal(scheduler.list(**options)) == message


# cancel


async def test_a_cancelled_prompt_is_cancelled_once(lab: Lab) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        prompt = (await scheduler.schedule("x", "every 1h")).prompt.id
        answer = await scheduler.cancel(prompt)
        assert (answer.before, answer.ended, answer.asked_to_stop) == ("active", 0, 0)
        found = await scheduler.get(prompt)
        assert (found.status, found.next_at, found.version) == ("cancelled", None, 2)
        assert found.ended_at == scheduler.clock.now()
        assert scheduler.upcoming(found) == []
        assert await refusal(scheduler.cancel(prompt), Conflict) == (
            f"prompt {prompt[-8:]} is cancelled already: there is nothing left to cancel"
        )


async def test_an_executed_prompt_cannot_be_cancelled(lab: Lab) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        await lab.daemon(scheduler.store, **CALM)
        prompt = (await scheduler.schedule("x", "in 1s")).prompt.id
        await scheduler.store.clock.sleep(3)
        assert "is executed already" in await refusal(scheduler.cancel(prompt), Conflict)


# run_now, fire, history


async def test_run_now_makes_a_fire_and_leaves_the_schedule_as_it_is(lab: Lab) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        before = (await scheduler.schedule("x", "every 1h")).prompt
        fire = await scheduler.run_now(before.id[-8:])
        assert fire.id.startswith(f"{before.id}+")
        assert (fire.status, fire.trigger, fire.attempt, fire.nominal, fire.due) == (
            "queued",
            "manual",
            0,
            scheduler.clock.now(),
            scheduler.clock.now(),
        )
        after = await scheduler.get(before.id)
        assert after.last_fire == fire.id
        assert after.model_copy(update={"last_fire": None, "updated_at": before.updated_at}) == before


async def test_run_now_runs_as_often_as_it_is_called(lab: Lab) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        runner = RecordingRunner()
        await lab.daemon(scheduler.store, runner, **CALM)
        prompt = (await scheduler.schedule("x", "in 1h")).prompt.id
        fires = [await scheduler.run_now(prompt) for _ in range(3)]
        await scheduler.store.clock.sleep(2)
        assert sorted(fire.id for fire in runner.fires) == sorted(fire.id for fire in fires)


async def test_run_now_runs_a_paused_or_executed_prompt_and_not_a_cancelled_one(lab: Lab) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        runner = RecordingRunner()
        await lab.daemon(scheduler.store, runner, **CALM)
        executed = (await scheduler.schedule("executed", "in 1s")).prompt.id
        await scheduler.store.clock.sleep(3)
        await scheduler.run_now(executed)
        await scheduler.store.clock.sleep(2)
        assert runner.texts == ["executed", "executed"]
        assert (await scheduler.get(executed)).status == "executed"

        paused = (await scheduler.schedule("paused", "in 1h")).prompt
        await scheduler.pause(paused.id)
        await scheduler.run_now(paused.id)
        await scheduler.store.clock.sleep(2)
        assert runner.texts[-1] == "paused"
        assert (await scheduler.get(paused.id)).status == "paused"

        cancelled = (await scheduler.schedule("x", "in 1h")).prompt.id
        await scheduler.cancel(cancelled)
        message = await refusal(scheduler.run_now(cancelled), Conflict)
        assert message == f"prompt {cancelled[-8:]} is cancelled"


async def test_a_fire_that_is_not_there_is_not_found(lab: Lab) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        prompt = (await scheduler.schedule("x", "in 1h")).prompt.id
        assert await refusal(scheduler.fire(prompt), NotFound) == f"prompt {prompt[-8:]} has not fired"
        fire = await scheduler.run_now(prompt)
        assert await scheduler.fire(fire.id) == fire
        for wrong in (f"{prompt}@5", fire.id[:-1] + ("0" if fire.id[-1] != "0" else "1"), f"{prompt}+ZZZ"):
            assert await refusal(scheduler.fire(wrong), NotFound) == f"there is no fire {wrong!r}"
        for wrong in ("", "hello!"):
            assert "is not an id, nor a part of one" in await refusal(scheduler.fire(wrong), NotFound)


async def test_history_is_latest_first_in_pages(lab: Lab) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        prompt = (await scheduler.schedule("x", "in 1h")).prompt.id
        made = []
        for number in range(11):
            made.append((await scheduler.run_now(prompt)).id)
            await scheduler.store.clock.sleep(0.001 * (number % 3 == 0))
        for limit in (1, 3, 11, 50):
            seen: list[str] = []
            cursor = None
            while True:
                page = await scheduler.history(prompt, limit=limit, cursor=cursor)
                seen += [fire.id for fire in page.items]
                nominals = [fire.nominal for fire in page.items]
                assert nominals == sorted(nominals, reverse=True)
                if page.cursor is None:
                    break
                cursor = page.cursor
            assert sorted(seen) == sorted(made)


async def test_a_prompt_that_never_fired_has_an_empty_history(lab: Lab) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        prompt = (await scheduler.schedule("x", "in 1h")).prompt.id
        assert await scheduler.history(prompt) == ([], None)
        assert await refusal(scheduler.history(prompt, limit=0)) == "limit=0 is out of range"
        assert await refusal(scheduler.history(prompt, cursor="soon")) == "'soon' is not a cursor"


# preview, upcoming


async def test_preview_says_what_would_be_and_writes_nothing(lab: Lab) -> None:
    async with lab:
        scheduler = await a_scheduler(lab, "Europe/Berlin")
        before = lab.keys()
        seen = scheduler.preview("every day at 9am", count=3)
        assert (seen.timezone, len(seen.upcoming)) == ("Europe/Berlin", 3)
        assert lab.keys() == before
        start = scheduler.clock.now() + 100 * 24 * HOUR
        later = scheduler.preview("every day at 9am", start=start, count=1, timezone="UTC")
        assert start < later.upcoming[0].nominal <= start + 24 * HOUR
        assert scheduler.preview("in 20m", start=start).upcoming[0].nominal == start + 1_200_000
        assert all(due >= nominal for nominal, due in scheduler.preview("every 1h", jitter=60, count=50).upcoming)


@pytest.mark.parametrize(
    ("when", "options", "kind", "message"),
    [
        ("every 1h", {"count": 0}, InvalidInput, "count=0 is out of range"),
        ("every 1h", {"count": 1001}, InvalidInput, "count=1001 is out of range"),
        ("30m", {}, InvalidSchedule, "30m"),
        ("every 1h", {"timezone": "Mars/Base"}, UnknownTimezone, "Mars/Base"),
        (5, {}, InvalidInput, "5 says no time"),
        (datetime.max.replace(tzinfo=UTC), {}, InvalidSchedule, "is out of range"),
    ],
)
async def test_a_preview_that_cannot_be_is_refused(
    lab: Lab, when: Any, options: dict[str, Any], kind: type[ScheduledPromptsError], message: str
) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        with pytest.raises(kind) as caught:
            scheduler.preview(when, **options)
        assert message in caught.value.message


# daemons


async def test_why_a_prompt_would_not_fire(lab: Lab) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        chat = (await scheduler.schedule("x", "in 1h", runner="bot", platform="telegram")).prompt
        where = scheduler.store.description
        assert await scheduler.why_unserved(chat) == f"no daemon is running on {where}"
        await lab.daemon(scheduler.store, {"log": Worker(), "echo": Worker()}, **CALM)
        assert await scheduler.why_unserved(chat) == "no running daemon has a runner 'bot' (there are: echo, log)"
        await lab.daemon(await lab.store(seed=1), {"bot": Worker()}, **{**CALM, "platforms": ("slack",)})
        assert await scheduler.why_unserved(chat) == "no running daemon serves runner 'bot' on platform 'telegram'"
        await lab.daemon(await lab.store(seed=2), {"bot": Worker()}, **{**CALM, "platforms": ("telegram",)})
        assert await scheduler.why_unserved(chat) is None


async def test_a_runner_for_all_serves_every_runner(lab: Lab) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        prompt = (await scheduler.schedule("x", "in 1h", runner="bot")).prompt
        await lab.daemon(scheduler.store, {"*": Worker()}, **CALM)
        assert await scheduler.why_unserved(prompt) is None


async def test_daemons_that_are_silent_for_long_are_not_listed(lab: Lab) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        daemon = await lab.daemon(scheduler.store, {"log": Worker()}, **{**CALM, "heartbeat_period": 100, "slots": 7})
        [info] = await scheduler.daemons()
        assert (info.id, info.slots, info.runners, info.platforms) == (daemon.id, 7, ("log",), ("*",))
        assert info.started_at == scheduler.clock.now()
        await scheduler.store.clock.sleep(16)
        assert await scheduler.daemons() == []


# life


async def test_a_scheduler_opens_and_closes_the_store_it_made(lab: Lab) -> None:
    async with lab:
        lab.namespace = "of-its-own"
        async with Scheduler(lab.url, namespace="of-its-own", clock=VirtualClock(), timezone="UTC") as scheduler:
            await scheduler.schedule("x", "in 1h")
        assert len(lab.keys()["by:status:scheduled"]) == 1


async def test_a_scheduler_leaves_a_store_that_was_lent_to_it_open(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        async with Scheduler(store, timezone="UTC") as scheduler:
            await scheduler.schedule("x", "in 1h")
        assert await store.count("status", "scheduled") == 1


async def test_where_the_store_does_not_answer_every_call_says_so(lab: Lab) -> None:
    async with lab:
        store, client = await unsteady_store(lab, patience=0.1)
        scheduler = await lab.scheduler(store)
        prompt = (await scheduler.schedule("x", "in 1h")).prompt
        client.away = True
        calls: list[Awaitable[Any]] = [
            scheduler.schedule("x", "in 1h"),
            scheduler.get(prompt.id),
            scheduler.list(),
            scheduler.cancel(prompt.id),
            scheduler.run_now(prompt.id),
            scheduler.history(prompt.id),
            scheduler.daemons(),
            scheduler.why_unserved(prompt),
        ]
        for call in calls:
            assert "an unsteady store does not answer" in await refusal(call, StoreUnreachable)
        client.away = False


async def test_a_lost_answer_creates_one_prompt(lab: Lab) -> None:
    async with lab:
        store, client = await unsteady_store(lab)
        scheduler = await lab.scheduler(store)
        client.deaf = True
        task = asyncio.create_task(scheduler.schedule("x", "in 1h", key="k"))
        await asyncio.sleep(0.2)
        client.deaf = False
        answer = await task
        assert answer.created
        assert client.failed >= 1
        assert [found.id for found in (await scheduler.list()).items] == [answer.prompt.id]
