"""Prompts out of one store and into another: what they are, and what comes next for them, stays."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from scheduled_prompts import InvalidInput, Scheduler
from scheduled_prompts.prompt import PromptStatus, ScheduledPrompt
from scheduled_prompts.scheduler.exporting import Entry, Imported, entry_of
from scheduled_prompts.scheduler.problems import Refusals
from scheduled_prompts.store.records import Unreadable
from scheduled_prompts.testing import RecordingRunner, VirtualClock
from scheduled_prompts.views import instant
from tests.conftest import Lab

HOUR = 3_600_000
LONG_SPANS: dict[str, Any] = {"watch_period": 3600, "heartbeat_period": 3600, "sweep_period": 3600}


async def a_scheduler(lab: Lab) -> Scheduler:
    return await lab.scheduler(await lab.store(), "Europe/Berlin")


@asynccontextmanager
async def elsewhere(clock: Any) -> AsyncIterator[Scheduler]:
    """A scheduler on another store, at the same time."""
    async with Scheduler(f"memory:elsewhere-{id(clock)}", clock=clock, timezone="UTC") as scheduler:
        yield scheduler


async def entries(scheduler: Scheduler, **options: Any) -> list[Entry]:
    found = [prompt async for prompt in scheduler.export(**options)]
    return [entry_of(prompt) for prompt in found if isinstance(prompt, ScheduledPrompt)]


async def document(scheduler: Scheduler, **options: Any) -> dict[str, Any]:
    """An export as it comes back from a file."""
    whole = {"schema": 1, "exported_at": "…", "prompts": await entries(scheduler, **options)}
    return dict(json.loads(json.dumps(whole)))


async def some_prompts(scheduler: Scheduler) -> None:
    add = scheduler.schedule
    await add("täglich 日本", "every day at 9am", name="N", key="k", owner="ops", labels={"a": "b"}, jitter=600)
    await add("again", "every 7h", platform="slack", agent="a1", retry_delays=(1, 2), on_crash="interrupt")
    await add("rhythm", "every 2 weeks on friday at 10am", timezone="Asia/Tokyo", conversation="c")
    await add("window", "3 times between 09:00 and 17:00")
    await add("once", "at 2026-06-01 09:00")
    await add("instant", "2026-06-01T09:00:00+05:00", priority=7)


def moving(prompt: ScheduledPrompt) -> ScheduledPrompt:
    """Without what an import begins anew."""
    return prompt.model_copy(update={"version": 1, "seq": 0, "updated_at": 0, "failures": 0, "last_fire": None})


async def all_of(scheduler: Scheduler) -> list[ScheduledPrompt]:
    return [moving(prompt) for prompt in (await scheduler.list(limit=1000)).items]


def outcome(answer: Imported) -> dict[str, Any]:
    return {name: value for name, value in answer._asdict().items() if value}


async def test_what_is_imported_is_what_was_exported(lab: Lab) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        await some_prompts(scheduler)
        paused = (await scheduler.list()).items[0]
        await scheduler.pause(paused.id, "a break")
        await scheduler.skip((await scheduler.list(owner="ops")).items[0].id, "next")
        async with elsewhere(scheduler.clock) as other:
            assert outcome(await other.import_prompts(await document(scheduler))) == {"created": 6}
            assert await all_of(other) == await all_of(scheduler)
            for prompt in await all_of(other):
                assert other.upcoming(prompt) == scheduler.upcoming(await scheduler.get(prompt.id))
            again = await document(other)
            assert [e | {"version": 1} for e in (await document(scheduler))["prompts"]] == again["prompts"]


@pytest.mark.waits
async def test_what_is_imported_fires_at_its_time(lab: Lab) -> None:
    async with lab:
        clock = VirtualClock(seed=7)
        async with elsewhere(clock) as other:
            await other.schedule("hello", "every day at 9am", key="k")
            exported = await document(other)
        store = await lab.store(clock)
        runner = RecordingRunner()
        await lab.daemon(store, runner, **LONG_SPANS)
        await (await lab.scheduler(store)).import_prompts(exported)
        await clock.sleep(2 * 86_400)
        assert [instant(fire.started_at, "UTC") for fire in runner.fires] == [
            "2026-01-01T09:00:00.000+00:00",
            "2026-01-02T09:00:00.000+00:00",
        ]


async def test_importing_twice_changes_nothing(lab: Lab) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        await some_prompts(scheduler)
        exported = await document(scheduler)
        one = (await scheduler.list()).items[0]
        await scheduler.edit(one.id, version=1, text="edited since")
        before = lab.keys()
        assert outcome(await scheduler.import_prompts(exported)) == {"existing": 6}
        assert lab.keys() == before


async def test_ended_prompts_are_exported_where_asked_for_and_not_imported(lab: Lab) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        await some_prompts(scheduler)
        await scheduler.cancel((await scheduler.list()).items[0].id)
        assert len(await entries(scheduler)) == 5
        exported = await document(scheduler, ended=True)
        assert [entry["status"] for entry in exported["prompts"]].count("cancelled") == 1
        async with elsewhere(scheduler.clock) as other:
            assert outcome(await other.import_prompts(exported)) == {"created": 5, "ended": 1}


async def test_an_export_can_be_narrowed(lab: Lab) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        await some_prompts(scheduler)
        assert [entry["definition"]["text"] for entry in await entries(scheduler, owner="ops")] == ["täglich 日本"]
        assert [entry["definition"]["text"] for entry in await entries(scheduler, platform="slack")] == ["again"]
        assert await entries(scheduler, platform="slack", agent="a2") == []


async def test_an_export_goes_through_all_pages_and_each_prompt_is_there_once(lab: Lab) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        for number in range(603):  # all within one millisecond, which no page divides
            await scheduler.schedule(str(number), "every day at 9am")
        found = await entries(scheduler)
        assert {entry["definition"]["text"] for entry in found} == {str(number) for number in range(603)}
        assert len(found) == 603
        async with elsewhere(scheduler.clock) as other:
            told: list[int] = []
            exported = {"schema": 1, "prompts": found}
            answer = await other.import_prompts(exported, progress=told.append)
            assert (outcome(answer), sum(told)) == ({"created": 603}, 603)


async def test_a_field_that_a_newer_release_wrote_is_carried_along(lab: Lab) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        prompt = (await scheduler.schedule("x", "every day at 9am")).prompt
        key = f"{lab.prefix}prompt:{prompt.id}"
        stored = json.loads(lab.inspector.hget(key, "doc"))  # type: ignore[arg-type]
        lab.inspector.hset(key, "doc", json.dumps({**stored, "mood": ["merry"]}))
        async with elsewhere(scheduler.clock) as other:
            await other.import_prompts(await document(scheduler))
            assert (await entries(other))[0]["definition"]["mood"] == ["merry"]


async def test_an_export_names_what_cannot_be_read(lab: Lab) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        prompt = (await scheduler.schedule("x", "every day at 9am", owner="ops")).prompt
        lab.inspector.hset(f"{lab.prefix}prompt:{prompt.id}", "doc", "{")
        found = [one async for one in scheduler.export(owner="ops")]
        assert [(type(one), one.id) for one in found] == [(Unreadable, prompt.id)]


# What passed meanwhile


async def test_what_passed_does_not_fire_and_the_next_one_does(lab: Lab) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        daily = (await scheduler.schedule("x", "every day at 9am")).prompt
        exported = await document(scheduler)
        await scheduler.clock.sleep(3 * 86_400)
        async with elsewhere(scheduler.clock) as other:
            assert outcome(await other.import_prompts(exported)) == {"created": 1, "passed": 1}
            arrived = await other.get(daily.id)
            assert instant(arrived.next_nominal, "Europe/Berlin") == "2026-01-04T09:00:00.000+01:00"


async def test_a_one_shot_whose_time_passed_is_left_out_or_fires_late(lab: Lab) -> None:
    async with lab:
        clock = VirtualClock(seed=3)
        async with elsewhere(clock) as other:
            once = (await other.schedule("once", "in 1h")).prompt
            daily = (await other.schedule("daily", "every day at 9am")).prompt
            exported = await document(other)
        await clock.sleep(86_400 + 10 * 3600)
        store = await lab.store(clock)
        scheduler = await lab.scheduler(store)
        dry = await scheduler.import_prompts(exported, dry_run=True)
        assert (dry.overdue, dry.created, dry.passed) == ([once.id], 1, 1)
        late = await scheduler.import_prompts(exported, overdue="fire")
        assert outcome(late) == {"created": 2}
        runner = RecordingRunner()
        await lab.daemon(store, runner)
        await clock.sleep(1)
        assert sorted(runner.texts) == ["daily", "once"]  # as after an outage: the recurring one once
        assert (await scheduler.get(once.id)).status is PromptStatus.EXECUTED
        assert instant((await scheduler.get(daily.id)).next_nominal, "UTC") == "2026-01-03T09:00:00.000+00:00"


async def test_jitter_that_is_still_to_come_is_waited_for(lab: Lab) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        prompt = (await scheduler.schedule("x", "every day at 9am", timezone="UTC", jitter=7200)).prompt
        assert prompt.next_nominal is not None
        assert prompt.next_at is not None
        exported = await document(scheduler)
        await scheduler.clock.sleep((prompt.next_nominal - scheduler.clock.now()) / 1000 + 1)
        assert scheduler.clock.now() < prompt.next_at
        async with elsewhere(scheduler.clock) as other:
            await other.import_prompts(exported)
            assert (await other.get(prompt.id)).next_at == prompt.next_at


async def test_what_was_claimed_is_not_claimed_again(lab: Lab) -> None:
    """A daemon claims ahead of time: what was last lies before now only by a moment, or not yet."""
    async with lab:
        scheduler = await a_scheduler(lab)
        prompt = (await scheduler.schedule("x", "every 1h")).prompt
        exported = await document(scheduler)
        [entry] = exported["prompts"]
        entry["last_nominal"], entry["next_nominal"] = entry["next_nominal"], None
        async with elsewhere(scheduler.clock) as other:
            await other.import_prompts(exported)
            arrived = await other.get(prompt.id)
            assert prompt.next_nominal is not None
            assert (arrived.last_nominal, arrived.next_nominal) == (prompt.next_nominal, prompt.next_nominal + HOUR)


async def test_where_the_zones_rules_are_others_the_next_time_is_computed_again(lab: Lab) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        prompt = (await scheduler.schedule("x", "every day at 9am")).prompt
        exported = await document(scheduler)
        exported["prompts"][0]["next_nominal"] = "2026-01-01T10:00:00.000+01:00"
        async with elsewhere(scheduler.clock) as other:
            assert outcome(await other.import_prompts(exported)) == {"created": 1}
            assert (await other.get(prompt.id)).next_nominal == prompt.next_nominal


async def test_a_paused_prompt_stays_paused_whatever_passed(lab: Lab) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        prompt = (await scheduler.schedule("x", "in 1h")).prompt
        await scheduler.pause(prompt.id, "a break")
        exported = await document(scheduler)
        await scheduler.clock.sleep(86_400)
        async with elsewhere(scheduler.clock) as other:
            assert outcome(await other.import_prompts(exported)) == {"created": 1}
            arrived = await other.get(prompt.id)
            assert (arrived.status, arrived.pause_note, arrived.next_nominal) == (
                "paused",
                "a break",
                prompt.next_nominal,
            )


# What stands in the way


async def test_a_key_that_another_living_prompt_has_is_a_conflict_and_the_others_go_on(lab: Lab) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        await some_prompts(scheduler)
        exported = await document(scheduler)
        [key_holder] = (await scheduler.list(owner="ops")).items
        async with elsewhere(scheduler.clock) as other:
            holder = (await other.schedule("other", "in 1h", key="k", owner="ops")).prompt
            for dry_run in (True, False):
                answer = await other.import_prompts(exported, dry_run=dry_run)
                assert (answer.created, answer.conflicts) == (5, [(key_holder.id, "k", holder.id)])
            assert (await other.get(holder.id)).text == "other"
            await other.cancel(holder.id)
            for dry_run in (True, False):
                assert outcome(await other.import_prompts(exported, dry_run=dry_run)) | {"dry_run": 0} == {
                    "created": 1,
                    "existing": 5,
                    "dry_run": 0,
                }


async def test_a_dry_run_writes_nothing(lab: Lab) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        before = lab.keys()
        async with elsewhere(scheduler.clock) as other:
            await some_prompts(other)
            answer = await scheduler.import_prompts(await document(other), dry_run=True)
        assert outcome(answer) == {"created": 6, "dry_run": True}
        assert lab.keys() == before


def changed(**fields: Any) -> Any:
    return lambda entry: entry.update(fields)


def redefined(**fields: Any) -> Any:
    return lambda entry: entry["definition"].update(fields)


WRONG = [
    (changed(id="x"), "prompts[1].id: 'x' is not a prompt's id"),
    (changed(id="Z" * 26), f"prompts[1].id: '{'Z' * 26}' is not a prompt's id"),
    (changed(id="01KDVDNN00ZZZZZZZZZZZZZZZZ"), "prompts[1].id: 01KDVDNN00ZZZZZZZZZZZZZZZZ belongs to another shard"),
    (changed(status="asleep"), "prompts[1].status: there is no status 'asleep'"),
    (changed(status=[]), "prompts[1].status: there is no status []"),
    (changed(status="scheduled"), "prompts[1].status: it is 'scheduled', and its schedule is cron"),
    (changed(status="paused", next_nominal=None), "prompts[1].next_nominal: it is missing, and the prompt is paused"),
    (changed(created_at=None), "prompts[1].created_at: it is missing"),
    (changed(created_at="2026-01-01T00:00"), "prompts[1].created_at: '2026-01-01T00:00' is not an instant such as"),
    (changed(next_nominal=5), "prompts[1].next_nominal: 5 is not an instant such as"),
    (changed(skips=["x"]), "prompts[1].skips: ['x'] is not a list of instants"),
    (changed(mood="merry"), "prompts[1].mood: an export has no such field"),
    (changed(definition=[]), "prompts[1].definition: it is an object, not []"),
    (changed(pause_note=5), "prompts[1].pause_note: it should be a valid string (it is 5)"),
    (redefined(schema=2), "prompts[1].definition.schema: it is 2; this release reads up to 1"),
    (redefined(schema="x"), "prompts[1].definition.schema: it is 'x'; this release reads up to 1"),
    (redefined(text=" "), "prompts[1].definition.text: the text is blank (it is ' ')"),
    (redefined(timezone="Mars/Base"), "prompts[1].definition: there is no time zone called 'Mars/Base'"),
    (redefined(schedule={"kind": "cron", "expression": "0 0 30 2 *"}), "prompts[1].definition: "),
    (redefined(schedule={"kind": "moon"}), "prompts[1].definition.schedule: "),
    (lambda entry: entry["definition"].pop("text"), "prompts[1].definition.text: it is missing"),
    (
        redefined(start_at="2030-01-02T00:00:00Z", end_at="2030-01-01T00:00:00Z"),
        "prompts[1].definition: the end, 2030-01-01 ",
    ),
]


@pytest.mark.parametrize(("change", "said"), WRONG, ids=[said[11:60] for _, said in WRONG])
async def test_an_export_with_anything_wrong_is_refused_and_nothing_of_it_is_written(
    lab: Lab, change: Any, said: str
) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        before = lab.keys()
        async with elsewhere(scheduler.clock) as other:
            for text in ("a", "b", "c"):
                await other.schedule(text, "every day at 9am", key=text)
            exported = await document(other)
        change(exported["prompts"][1])
        with pytest.raises(Refusals) as caught:
            await scheduler.import_prompts(exported)
        [problem] = caught.value.problems
        assert problem.text.startswith(said)
        assert lab.keys() == before


async def test_twins_in_an_export_are_refused(lab: Lab) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        await scheduler.schedule("a", "every day at 9am", key="a")
        exported = await document(scheduler)
        exported["prompts"].append(exported["prompts"][0])
        with pytest.raises(Refusals) as caught:
            await scheduler.import_prompts(exported)
        assert [problem.place for problem in caught.value.problems] == ["prompts[1].id", "prompts[1].key"]


@pytest.mark.parametrize("what", [None, [], {}, {"prompts": {}}, {"prompts": []}, {"schema": 2, "prompts": []}])
async def test_what_is_no_export_is_refused(lab: Lab, what: object) -> None:
    async with lab:
        with pytest.raises(InvalidInput, match="export"):
            await (await a_scheduler(lab)).import_prompts(what)
