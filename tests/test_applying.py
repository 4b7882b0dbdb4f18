"""An owner's prompts become what a file says, however often it is applied."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from scheduled_prompts import InvalidSchedule, Once, Scheduler
from scheduled_prompts.prompt import PromptStatus
from scheduled_prompts.schedule import parse_when
from scheduled_prompts.scheduler.applying import Applied, Wanted, lasting_schedule
from scheduled_prompts.scheduler.problems import Refusals
from scheduled_prompts.store.records import Unreadable
from tests.conftest import Lab

DAY = 86_400_000
NOW = round(datetime(2026, 1, 1, 12, tzinfo=UTC).timestamp() * 1000)


def wanted(key: str, when: str | datetime | None = "every day at 9am", **fields: Any) -> Wanted:
    return Wanted(key, when, {"text": "hello", **fields})


async def a_scheduler(lab: Lab, timezone: str = "UTC") -> Scheduler:
    return await lab.scheduler(await lab.store(), timezone)


async def apply(scheduler: Scheduler, *prompts: Wanted, **options: Any) -> Applied:
    return await scheduler.apply(prompts, **{"set_name": "team", "owner": "ops", **options})


async def problems_of(scheduler: Scheduler, *prompts: Wanted, **options: Any) -> list[str]:
    with pytest.raises(Refusals) as caught:
        await apply(scheduler, *prompts, **options)
    return [problem.text for problem in caught.value.problems]


def counts(answer: Applied) -> Sequence[int]:
    return [len(part) for part in (answer.created, answer.changed, answer.unchanged, answer.cancelled)]


async def test_what_is_not_there_is_created_and_found_by_its_key(lab: Lab) -> None:
    async with lab:
        scheduler = await a_scheduler(lab, "Europe/Berlin")
        answer = await apply(scheduler, wanted("a", labels={"x": "y"}), wanted("b", "every 2h", timezone="UTC"))
        assert counts(answer) == [2, 0, 0, 0]
        prompts = {prompt.key: prompt for prompt in (await scheduler.list(owner="ops")).items}
        assert prompts["a"].timezone == "Europe/Berlin"
        assert prompts["a"].labels == {"x": "y", "applied-from": "team"}
        assert prompts["b"].timezone == "UTC"
        assert [created.prompt for created in answer.created] == [prompts["a"], prompts["b"]]


async def test_applying_twice_changes_nothing(lab: Lab) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        prompts = [
            wanted("cron"),
            wanted("interval", "every 90m"),
            wanted("rhythm", "every 2 weeks on friday at 9am"),
            wanted("window", "between 9am and 11am every weekday"),
            wanted("once", "at 2026-06-01 09:00"),
            wanted("instant", datetime(2026, 6, 1, 9, tzinfo=UTC), jitter=60, retry_delays=[1, 2]),
        ]
        await apply(scheduler, *prompts)
        before = lab.keys()
        await scheduler.clock.sleep(10 * 86_400)  # another anchor would be chosen by now
        assert counts(await apply(scheduler, *prompts, prune=True)) == [0, 0, 6, 0]
        assert lab.keys() == before


async def test_what_differs_is_edited_and_the_rest_stays(lab: Lab) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        await apply(scheduler, wanted("a", name="A", priority=10), wanted("b"))
        answer = await apply(scheduler, wanted("a", "every day at 10am", text="good morning"), wanted("b"))
        [change] = answer.changed
        assert change.fields == ["text", "schedule", "name", "priority"]
        assert (change.before.text, change.after.text) == ("hello", "good morning")
        prompt = await scheduler.get(change.before.id)
        assert (prompt.text, prompt.name, prompt.priority, prompt.version) == ("good morning", None, None, 2)
        assert prompt.local(prompt.next_at or 0).hour == 10
        assert counts(answer) == [0, 1, 1, 0]


async def test_an_edit_of_the_text_alone_leaves_an_intervals_rhythm(lab: Lab) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        first = (await apply(scheduler, wanted("a", "every 7h"))).created[0].prompt
        assert first is not None
        await scheduler.clock.sleep(3600)
        assert (await apply(scheduler, wanted("a", "every 7h", text="other"))).changed[0].fields == ["text"]
        after = await scheduler.get(first.id)
        assert (after.text, after.next_at, after.schedule) == ("other", first.next_at, first.schedule)


async def test_a_paused_prompt_stays_paused(lab: Lab) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        await apply(scheduler, wanted("a"))
        prompt = (await scheduler.list()).items[0]
        await scheduler.pause(prompt.id)
        assert counts(await apply(scheduler, wanted("a"))) == [0, 0, 1, 0]
        assert counts(await apply(scheduler, wanted("a", "every day at 8am"))) == [0, 1, 0, 0]
        assert (await scheduler.get(prompt.id)).status is PromptStatus.PAUSED


async def test_a_living_prompt_with_the_key_is_adopted(lab: Lab) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        before = (await scheduler.schedule("hello", "every day at 9am", key="a", owner="ops")).prompt
        answer = await apply(scheduler, wanted("a"))
        assert [(change.before.id, change.fields) for change in answer.changed] == [(before.id, ["labels"])]


async def test_owners_do_not_touch_each_other(lab: Lab) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        for owner in ("ops", "dev", None):
            assert counts(await apply(scheduler, wanted("a"), owner=owner)) == [1, 0, 0, 0]
        assert counts(await apply(scheduler, owner=None, prune=True)) == [0, 0, 0, 1]
        assert {prompt.owner for prompt in (await scheduler.list(status="active")).items} == {"ops", "dev"}


async def test_prune_cancels_what_the_set_brought_and_no_longer_has(lab: Lab) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        await apply(scheduler, wanted("a"), wanted("b"), wanted("c"))
        await apply(scheduler, wanted("other"), set_name="another")
        await scheduler.schedule("by hand", "every day at 9am", key="hand", owner="ops")
        await scheduler.cancel((await apply(scheduler, wanted("c"))).unchanged[0].id)
        assert counts(await apply(scheduler, wanted("a"))) == [0, 0, 1, 0]
        answer = await apply(scheduler, wanted("a"), prune=True)
        assert [prompt.key for prompt in answer.cancelled] == ["b"]
        left = {prompt.key for prompt in (await scheduler.list(status="active")).items}
        assert left == {"a", "other", "hand"}


async def test_a_dry_run_tells_the_same_and_writes_nothing(lab: Lab) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        await apply(scheduler, wanted("a"), wanted("b"), wanted("c"))
        before = lab.keys()
        prompts = [wanted("a"), wanted("b", text="other"), wanted("d")]
        answer = await apply(scheduler, *prompts, prune=True, dry_run=True)
        assert (counts(answer), answer.dry_run, answer.created[0].prompt) == ([1, 1, 1, 1], True, None)
        assert lab.keys() == before
        done = await apply(scheduler, *prompts, prune=True)
        assert (counts(done), done.dry_run) == ([1, 1, 1, 1], False)
        assert (done.changed, done.cancelled) == (answer.changed, answer.cancelled)


async def test_a_cancelled_prompt_is_created_anew(lab: Lab) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        first = (await apply(scheduler, wanted("a"))).created[0].prompt
        assert first is not None
        await scheduler.cancel(first.id)
        [again] = (await apply(scheduler, wanted("a"))).created
        assert again.prompt is not None
        assert again.prompt.id != first.id


async def test_a_one_shot_that_was_executed_is_unchanged_when_its_time_has_passed(lab: Lab) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        await lab.daemon(scheduler.store, watch_period=3600, heartbeat_period=3600, sweep_period=3600)
        one = wanted("a", "at 2026-01-01 12:00")
        await apply(scheduler, one)
        await scheduler.clock.sleep(86_400)
        assert (await scheduler.list()).items[0].status is PromptStatus.EXECUTED
        assert counts(await apply(scheduler, one, prune=True)) == [0, 0, 1, 0]
        # the same moment in other words
        assert counts(await apply(scheduler, wanted("a", "2026-01-01T13:00:00+01:00", text="x"))) == [0, 0, 1, 0]
        # another time is another prompt
        assert counts(await apply(scheduler, wanted("a", "at 2026-01-03 12:00"))) == [1, 0, 0, 0]


async def test_a_one_shot_that_is_overdue_and_waits_is_unchanged_and_can_be_edited(lab: Lab) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        await apply(scheduler, wanted("a", "at 2026-01-01 12:00"))
        await scheduler.clock.sleep(86_400)  # no daemon runs
        assert counts(await apply(scheduler, wanted("a", "at 2026-01-01 12:00"))) == [0, 0, 1, 0]
        assert counts(await apply(scheduler, wanted("a", "at 2026-01-01 12:00", text="late"))) == [0, 1, 0, 0]
        assert await problems_of(scheduler, wanted("a", "at 2026-01-01 11:00")) == [
            "prompts.a.when: its time has passed (2026-01-01 11:00+00:00), and it did not fire by this key"
        ]


async def test_a_one_shot_whose_time_has_passed_without_it_is_refused(lab: Lab) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        first = (await apply(scheduler, wanted("c", "at 2026-01-01 12:00"))).created[0].prompt
        assert first is not None
        await scheduler.cancel(first.id)
        await scheduler.clock.sleep(86_400)
        before = lab.keys()
        prompts = [wanted("a", "at 2025-12-01 09:00"), wanted("b"), wanted("c", "at 2026-01-01 12:00")]
        prompts.append(wanted("d", datetime(2020, 1, 1, tzinfo=UTC)))
        found = await problems_of(scheduler, *prompts)
        assert [text.split(":")[0] for text in found] == ["prompts.a.when", "prompts.c.when", "prompts.d.when"]
        assert lab.keys() == before


async def test_every_problem_is_told_at_once_with_its_place_and_nothing_is_written(lab: Lab) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        before = lab.keys()
        found = await problems_of(
            scheduler,
            wanted("good"),
            wanted("a", "in 20m", priority=101),
            wanted("b", "30m", timezone="Mars/Base"),
            wanted("c", None, labels={"applied-from": "x"}),
            wanted("d e", mood="merry"),
            Wanted("f", "@daily", {}),
            owner="a/b",
        )
        assert found == [
            "owner: 'a/b' may not contain blanks, control characters, or any of / : { }",
            "prompts.a.when: “in 20m” means another time each time it is read, and a file is read again and again",
            "prompts.a.priority: it should be less than or equal to 100 (it is 101)",
            "prompts.b.timezone: there is no time zone called 'Mars/Base'",
            "prompts.c.when: it is missing",
            "prompts.c.labels.applied-from: this label is put on by apply",
            "prompts.d e: a key like this cannot be: 'd e' may not contain blanks, control characters, or any of / "
            ": { }",
            "prompts.d e.mood: a prompt has no 'mood'",
            "prompts.f.text: it is missing",
        ]
        assert lab.keys() == before


async def test_fields_that_do_not_fit_each_other_are_told_at_the_prompt(lab: Lab) -> None:
    async with lab:
        window = {"timezone": "UTC", "start_at": "2030-01-02", "end_at": "2030-01-01"}
        assert await problems_of(await a_scheduler(lab), wanted("w", "@daily", **window)) == [
            "prompts.w: the end, 2030-01-01 00:00:00+00:00, is not after the start, 2030-01-02 00:00:00+00:00: "
            "nothing lies between them"
        ]
        seconds = {"timezone": "UTC", "start_at": "2030-01-01 10:00:30", "end_at": "2030-01-01 10:00:10"}
        [found] = await problems_of(await a_scheduler(lab), wanted("w", "@daily", **seconds))
        assert "10:00:10+00:00, is not after the start, 2030-01-01 10:00:30+00:00" in found


async def test_a_set_whose_name_is_too_long_is_refused(lab: Lab) -> None:
    async with lab:
        found = await problems_of(await a_scheduler(lab), wanted("a"), wanted("b"), set_name="x" * 300)
        assert [text.split(":")[0] for text in found] == ["set"]


async def test_a_prompt_that_changes_meanwhile_is_a_conflict_and_the_others_go_on(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        await apply(scheduler, wanted("a"), wanted("b"))
        ids = {prompt.key: prompt.id for prompt in (await scheduler.list()).items}
        schedule = Scheduler.schedule

        async def slowly(self: Scheduler, *args: Any, **fields: Any) -> Any:
            """Somebody else edits one and takes the key of another while the file is being applied."""
            monkeypatch.undo()
            await scheduler.edit(ids["a"], force=True, text="by hand")
            await scheduler.schedule("by hand", "every day at 9am", key="c", owner="ops")
            return await schedule(self, *args, **fields)

        monkeypatch.setattr(Scheduler, "schedule", slowly)
        answer = await apply(scheduler, wanted("a", text="x"), wanted("b", text="x"), wanted("c"))
        assert counts(answer) == [0, 1, 0, 0]
        assert [problem.place for problem in answer.conflicts] == ["prompts.c", "prompts.a"]
        assert (await scheduler.get(ids["a"])).text == "by hand"
        assert counts(await apply(scheduler, wanted("a", text="x"), wanted("b", text="x"))) == [0, 1, 1, 0]


@pytest.mark.unaccounted
async def test_a_record_that_cannot_be_read_or_is_set_aside_stops_the_file(lab: Lab) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        await apply(scheduler, wanted("a"), wanted("b"))
        ids = {prompt.key: prompt.id for prompt in (await scheduler.list()).items}
        assert await scheduler.store.quarantine(await scheduler.get(ids["b"]), "it cannot be computed")
        lab.inspector.hset(f"{lab.prefix}prompt:{ids['a']}", "doc", "{")
        [found] = await scheduler.store.read_prompts([ids["a"]])
        assert isinstance(found, Unreadable)
        problems = await problems_of(scheduler, wanted("a"), wanted("b"))
        assert [text.split(":")[0] for text in problems] == ["prompts.a", "prompts.b"]
        assert "cannot be read" in problems[0]
        assert "is quarantined" in problems[1]


# What `when` may say in a file


@pytest.mark.parametrize(
    "when",
    [
        "in 20m",
        "20 minutes from now",
        "tomorrow at 9am",
        "tomorrow at 2:30am",  # which some days do not have
        "today at 23:59",
        "today at 00:05",  # has passed
        "at 9am",
        "at noon",
        "friday at 9am",
        "next friday at 9am",
        "on december 24 at 9am",
        "on feb 29 at 9am",
        "on january 1 at 9am",
    ],
)
@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Pacific/Auckland"])
def test_what_counts_from_the_moment_it_is_read_is_refused(when: str, zone: str) -> None:
    for day in range(0, 400, 37):
        with pytest.raises(InvalidSchedule, match="each time it is read"):
            lasting_schedule(when, NOW + day * DAY, zone)


@pytest.mark.parametrize(
    "when",
    [
        "at 2027-02-01 09:00",
        "2027-02-01T09:00:00+01:00",
        "tue 2028-02-29 at 9am",
        "december 24, 2040 at 9am",
        "every day at 9am",
        "every 2h",
        "every 2 weeks on friday at 9am",
        "between 9am and 11am every day",
        "0 9 * * 1-5",
    ],
)
def test_what_means_the_same_tomorrow_is_read_as_ever(when: str) -> None:
    for day in range(0, 380, 37):
        now = NOW + day * DAY
        assert lasting_schedule(when, now, "Europe/Berlin") == parse_when(when, now=now, timezone="Europe/Berlin")


def test_a_date_that_has_passed_is_still_that_date() -> None:
    assert lasting_schedule("at 2025-12-01 09:00", NOW, "UTC") == Once(wall=datetime.fromisoformat("2025-12-01T09:00"))
    assert isinstance(lasting_schedule("2020-02-29T09:00Z", NOW, "UTC"), Once)
    with pytest.raises(InvalidSchedule, match="once or again and again"):
        lasting_schedule("30m", NOW, "UTC")
