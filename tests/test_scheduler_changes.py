"""Changing what is there: edit, pause, resume, skip, single fires, and records that were set aside."""

from __future__ import annotations

from collections.abc import Awaitable
from datetime import datetime
from typing import Any

import pytest

from scheduled_prompts.errors import (
    Conflict,
    InvalidInput,
    InvalidSchedule,
    NotFound,
    ScheduledPromptsError,
    StoreUnusable,
    UnknownTimezone,
    VersionConflict,
)
from scheduled_prompts.scheduler import Scheduler
from scheduled_prompts.testing import RecordingRunner
from tests.conftest import Lab
from tests.engine.scenes import CALM, Worker, scene
from tests.store.steps import damage

HOUR = 3_600_000


async def a_scheduler(lab: Lab) -> Scheduler:
    return await lab.scheduler(await lab.store(), "UTC")


async def refusal(of: Awaitable[Any], kind: type[ScheduledPromptsError] = Conflict) -> ScheduledPromptsError:
    with pytest.raises(kind) as caught:
        await of
    assert type(caught.value) is kind
    return caught.value


async def new(scheduler: Scheduler, when: str = "every 2h", **fields: Any) -> str:
    return (await scheduler.schedule("hello", when, **fields)).prompt.id


# edit


async def test_an_edit_says_what_changed_and_what_comes_next(lab: Lab) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        prompt = await new(scheduler)
        edited = await scheduler.edit(prompt[-8:], version=1, text="goodbye", priority=9, when="every day at 9am")
        assert edited.changed == ["text", "schedule", "priority"]
        assert (edited.prompt.text, edited.prompt.priority, edited.prompt.version) == ("goodbye", 9, 2)
        assert len(edited.upcoming) == 5
        assert edited.upcoming[0].due == edited.prompt.next_at


async def test_an_edit_to_what_it_is_already_changes_nothing(lab: Lab) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        prompt = await new(scheduler)
        await scheduler.clock.sleep(1000)
        before = lab.keys()
        edited = await scheduler.edit(prompt, version=1, text="hello", when="every 2h")
        assert (edited.changed, edited.prompt.version) == ([], 1)
        assert lab.keys() == before


async def test_an_interval_that_is_asked_for_again_goes_on_as_it_was(lab: Lab) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        prompt = await new(scheduler)
        before = await scheduler.get(prompt)
        await scheduler.clock.sleep(1000)
        edited = await scheduler.edit(prompt, version=1, text="new", when="every 2h")
        assert edited.changed == ["text"]
        assert (edited.prompt.next_at, edited.prompt.schedule) == (before.next_at, before.schedule)


async def test_a_field_that_is_edited_to_none_gets_its_default(lab: Lab) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        prompt = await new(scheduler, name="x", timeout=5, timezone="Europe/Berlin")
        edited = await scheduler.edit(prompt, version=1, name=None, timeout=None)
        assert (edited.prompt.name, edited.prompt.timeout) == (None, 3600.0)
        moved = await scheduler.edit(prompt, version=2, when="every day at 9am", timezone=None)
        assert moved.prompt.timezone == "UTC"


async def test_another_zone_moves_what_is_next(lab: Lab) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        prompt = await new(scheduler, "every day at 9am")
        before = await scheduler.get(prompt)
        edited = await scheduler.edit(prompt, version=1, timezone="Europe/Berlin")
        assert edited.prompt.next_at == (before.next_at or 0) - HOUR


@pytest.mark.parametrize("field", ["owner", "key"])
async def test_what_a_prompt_is_found_by_cannot_be_changed(lab: Lab, field: str) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        prompt = await new(scheduler)
        error = await refusal(scheduler.edit(prompt, version=1, **{field: "x"}), InvalidInput)
        assert error.message == f"the {field} of a prompt cannot be changed"


@pytest.mark.parametrize(
    ("changes", "kind", "words"),
    [
        ({"text": ""}, InvalidInput, "text: it may not be empty"),
        ({"colour": "red"}, InvalidInput, "a prompt has no 'colour'"),
        ({"timezone": "Mars/Base"}, UnknownTimezone, "Mars/Base"),
        ({"when": "30m"}, InvalidSchedule, "30m"),
        ({"platform": "a b"}, InvalidInput, "platform: 'a b' may not contain blanks"),
        ({"when": datetime.fromisoformat("2025-01-01")}, InvalidSchedule, "names no instant in the future"),
    ],
)
async def test_an_edit_that_makes_no_sense_is_refused_and_changes_nothing(
    lab: Lab, changes: dict[str, Any], kind: type[ScheduledPromptsError], words: str
) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        prompt = await new(scheduler)
        before = lab.keys()
        assert words in (await refusal(scheduler.edit(prompt, version=1, **changes), kind)).message
        assert lab.keys() == before


async def test_an_edit_without_a_version_is_refused_unless_it_is_forced(lab: Lab) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        prompt = await new(scheduler)
        error = await refusal(scheduler.edit(prompt, text="x"), InvalidInput)
        assert error.message == "an edit needs the version it was made on"
        assert (await scheduler.edit(prompt, force=True, text="x")).prompt.version == 2


async def test_a_stale_edit_is_refused_and_says_both_versions(lab: Lab) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        prompt = await new(scheduler)
        await scheduler.edit(prompt, version=1, text="first")
        error = await refusal(scheduler.edit(prompt, version=1, text="second"), VersionConflict)
        assert error.message == f"prompt {prompt[-8:]} has version 2, and this was made on version 1"
        assert (await scheduler.get(prompt)).text == "first"


async def test_what_was_to_be_skipped_still_is_where_the_new_schedule_names_it_too(lab: Lab) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        prompt = (await scheduler.schedule("x", "every day at 9am")).prompt
        both = [coming.nominal for coming in scheduler.upcoming(prompt, 2)]
        for nominal in both:
            await scheduler.skip(prompt.id, nominal)
        edited = await scheduler.edit(prompt.id, force=True, when="every day at 9am and 5pm")
        assert list(edited.prompt.skips) == both
        assert not set(both) & {coming.nominal for coming in edited.upcoming}
        assert (await scheduler.edit(prompt.id, force=True, when="every day at 10am")).prompt.skips == ()


async def test_unskip_takes_next_for_what_is_to_be_skipped_next(lab: Lab) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        prompt = (await scheduler.schedule("x", "every day at 9am")).prompt
        skipped = (await scheduler.skip(prompt.id, "next")).nominal
        assert (await scheduler.unskip(prompt.id, "next")).nominal == skipped


async def test_a_one_shot_is_edited_to_live_again_after_it_was_executed(lab: Lab) -> None:
    async with lab:
        at = await scene(lab)
        prompt = await at.add("in 1s")
        await at.sleep(5)
        version = (await at.scheduler.get(prompt)).version
        edited = await at.scheduler.edit(prompt, version=version, when="in 1h")
        assert (edited.prompt.status, edited.prompt.next_at) == ("scheduled", at.now + HOUR)


async def test_a_key_that_was_taken_meanwhile_keeps_a_prompt_from_coming_back(lab: Lab) -> None:
    async with lab:
        at = await scene(lab)
        prompt = await at.add("in 1s", key="daily")
        await at.sleep(5)
        other = await at.add("in 1h", key="daily")
        error = await refusal(at.scheduler.edit(prompt, force=True, when="in 1h"))
        assert error.message == f"prompt {other[-8:]} has the key 'daily' by now"


async def test_a_cancelled_prompt_is_neither_edited_nor_paused_nor_resumed_nor_skipped(lab: Lab) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        prompt = await new(scheduler)
        await scheduler.cancel(prompt)
        before = lab.keys()
        for call in (
            scheduler.edit(prompt, force=True, text="x"),
            scheduler.edit(prompt, version=9, when="in 1h"),
            scheduler.pause(prompt),
            scheduler.resume(prompt),
            scheduler.skip(prompt, "next"),
            scheduler.unskip(prompt, "next"),
        ):
            assert "is cancelled" in (await refusal(call)).message
        assert lab.keys() == before
        assert "is cancelled" in (await refusal(scheduler.run_now(prompt))).message


async def test_what_is_not_there_cannot_be_changed(lab: Lab) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        gone = "01KDVDNA00ZZZZZZZZZZZZZZZZ"
        for call in (
            scheduler.edit(gone, force=True, text="x"),
            scheduler.pause(gone),
            scheduler.resume(gone),
            scheduler.skip(gone, "next"),
            scheduler.unskip(gone, "next"),
            scheduler.rerun(f"{gone}@5"),
            scheduler.cancel_fire(f"{gone}@5"),
            scheduler.fire(gone),
        ):
            await refusal(call, NotFound)


# pause and resume


async def test_a_pause_says_what_it_took_back_and_is_made_once(lab: Lab) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        prompt = await new(scheduler)
        paused = await scheduler.pause(prompt, "holidays")
        assert (paused.prompt.status, paused.prompt.pause_note, paused.taken_back) == ("paused", "holidays", 0)
        assert (await refusal(scheduler.pause(prompt))).message == f"prompt {prompt[-8:]} is paused already"


async def test_a_pause_on_an_old_version_is_refused(lab: Lab) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        prompt = await new(scheduler)
        await scheduler.edit(prompt, version=1, text="x")
        await refusal(scheduler.pause(prompt, version=1), VersionConflict)
        assert (await scheduler.pause(prompt, version=2)).prompt.status == "paused"


async def test_a_note_that_is_too_long_is_refused(lab: Lab) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        error = await refusal(scheduler.pause(await new(scheduler), "x" * 1001), InvalidInput)
        assert error.message == "the note has 1,001 characters; at most 1,000 are kept"


async def test_a_resumption_says_what_passed_and_the_account_says_so_too(lab: Lab) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        prompt = await new(scheduler, "every 1h")
        first = (await scheduler.get(prompt)).next_nominal or 0
        await scheduler.pause(prompt, "why")
        await scheduler.clock.sleep(2.5 * 3600)
        resumed = await scheduler.resume(prompt)
        assert resumed.passed == (first, first + 2 * HOUR)
        assert resumed.upcoming[0].nominal == first + 2 * HOUR
        _, span = await scheduler.spans(prompt)
        assert (span.kind, span.start, span.end, span.note) == ("resumed", first, first + 2 * HOUR, "why")


async def test_a_pause_in_which_nothing_was_due_costs_nothing(lab: Lab) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        prompt = await new(scheduler, "in 1h")
        await scheduler.pause(prompt)
        await scheduler.clock.sleep(5)
        resumed = await scheduler.resume(prompt)
        assert (resumed.passed, resumed.prompt.status) == (None, "scheduled")


@pytest.mark.parametrize("when", ["every day at 9am", "at 2026-01-01 09:00"])
async def test_a_resumption_keeps_what_has_begun_and_is_not_due_yet_by_its_jitter(lab: Lab, when: str) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        prompt = (await scheduler.schedule("x", when, jitter=4 * 3600)).prompt
        assert prompt.next_nominal is not None
        assert prompt.next_at is not None
        await scheduler.clock.sleep(9 * 3600 + 60)
        assert prompt.next_nominal < scheduler.clock.now() < prompt.next_at - 60_000
        await scheduler.pause(prompt.id)
        await scheduler.clock.sleep(10)
        answer = await scheduler.resume(prompt.id)
        assert answer.passed is None
        assert answer.prompt.next_at == prompt.next_at


async def test_a_one_shot_whose_time_passed_in_the_pause_has_nothing_to_resume(lab: Lab) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        prompt = await new(scheduler, "in 1h")
        await scheduler.pause(prompt)
        await scheduler.clock.sleep(3601)
        assert "has nothing left to come" in (await refusal(scheduler.resume(prompt))).message
        await scheduler.edit(prompt, force=True, when="in 1h")
        assert (await scheduler.resume(prompt)).prompt.status == "scheduled"


async def test_only_a_paused_prompt_is_resumed(lab: Lab) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        prompt = await new(scheduler)
        error = await refusal(scheduler.resume(prompt))
        assert error.message == f"prompt {prompt[-8:]} is active: only a paused one can be resumed"


# skip and unskip

NINE = "2026-01-03 09:00"


@pytest.mark.parametrize(
    "named",
    [
        NINE,
        "2026-01-03T09:00",
        "2026-01-03T09:00:00Z",
        "2026-01-03T10:00+01:00",
        "2026-01-03 10:00 Europe/Berlin",
        "1767430800000",
        1767430800000,
        datetime.fromisoformat("2026-01-03T09:00"),
        datetime.fromisoformat("2026-01-03T04:00-05:00"),
    ],
    ids=str,
)
async def test_an_occurrence_is_named_in_any_notation(lab: Lab, named: Any) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        prompt = await new(scheduler, "every day at 9am")
        skipped = await scheduler.skip(prompt, named)
        assert skipped.nominal == 1767430800000
        assert skipped.prompt.skips == (1767430800000,)
        assert 1767430800000 not in [occurrence.nominal for occurrence in skipped.upcoming]
        assert 1767430800000 in [o.nominal for o in (await scheduler.unskip(prompt, named)).upcoming]


@pytest.mark.parametrize("named", ["2026-01-03 09:01", "2026-01-03 21:00", 1767430800001])
async def test_what_is_no_occurrence_is_refused_with_the_next_ones(lab: Lab, named: Any) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        prompt = await new(scheduler, "every day at 9am")
        error = await refusal(scheduler.skip(prompt, named), InvalidInput)
        assert error.message == f"{named!r} is no occurrence of this prompt"
        assert (error.hint or "").startswith("the next ones: 2026-01-01 09:00:00")


@pytest.mark.parametrize("named", [10**30, -(10**30), "9" * 30], ids=str)
async def test_what_lies_beyond_all_years_is_refused(lab: Lab, named: Any) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        prompt = await new(scheduler, "every day at 9am")
        error = await refusal(scheduler.skip(prompt, named), InvalidInput)
        assert error.message == f"{named!r} is out of range"
        assert error.hint == "1900 to 9988"


@pytest.mark.parametrize("named", ["", "soon", "9am", "2026-13-01"])
async def test_what_is_no_time_at_all_is_refused(lab: Lab, named: str) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        prompt = await new(scheduler)
        assert "is not a date or time" in (await refusal(scheduler.skip(prompt, named), InvalidInput)).message


async def test_what_is_to_be_skipped_already_or_was_not_is_said_so(lab: Lab) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        prompt = await new(scheduler, "every day at 9am")
        await scheduler.skip(prompt, NINE)
        assert "is to be skipped already" in (await refusal(scheduler.skip(prompt, NINE))).message
        await scheduler.unskip(prompt, NINE)
        assert "was not to be skipped" in (await refusal(scheduler.unskip(prompt, NINE))).message


async def test_the_next_one_is_the_next_that_would_fire(lab: Lab) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        prompt = await new(scheduler, "every 1h")
        first, second = [await scheduler.skip(prompt, "next") for _ in range(2)]
        assert second.nominal == first.nominal + HOUR
        assert second.upcoming[0].nominal == first.nominal + 2 * HOUR


async def test_it_is_too_late_to_skip_what_has_fired_or_was_before_the_prompt(lab: Lab) -> None:
    async with lab:
        at = await scene(lab)
        prompt = await at.add("every day at 00:01")
        await at.sleep(120)
        fired = (await at.fire(prompt)).nominal
        error = await refusal(at.scheduler.skip(prompt, fired))
        assert error.message.endswith("is succeeded already: it is too late to skip it")
        young = await at.add("every day at 9am")
        assert "is not to come" in (await refusal(at.scheduler.skip(young, "2025-12-31 09:00"))).message


# fires


async def fired(lab: Lab) -> tuple[Any, str, Any]:
    at = await scene(lab)
    prompt = await at.add("every day at 00:01")
    await at.sleep(70)
    return at, prompt, await at.fire(prompt)


async def test_a_fire_is_found_by_any_notation_of_its_time(lab: Lab) -> None:
    async with lab:
        at, prompt, fire = await fired(lab)
        part = prompt[-8:]
        for reference in (
            fire.id,
            fire.id.lower(),
            f"{part}@{fire.nominal}",
            f"{part}@2026-01-01 00:01",
            f"{part}@2026-01-01T00:01:00+00:00",
            f"{part}@2026-01-01T01:01+01:00",
            f"{part}@2026-01-01 01:01 Europe/Berlin",
            part,
            prompt,
            f" {part} ",
        ):
            assert (await at.scheduler.fire(reference)).id == fire.id, reference


async def test_a_manual_run_is_found_by_the_end_of_its_id_and_is_the_last_one(lab: Lab) -> None:
    async with lab:
        at, prompt, _ = await fired(lab)
        run = await at.scheduler.run_now(prompt)
        assert (await at.scheduler.fire(f"{prompt[-8:]}+{run.id[-6:].lower()}")).id == run.id
        assert (await at.scheduler.fire(prompt)).id == run.id


async def test_a_time_at_which_nothing_fired_is_not_found(lab: Lab) -> None:
    async with lab:
        at, prompt, fire = await fired(lab)
        for wrong in ("2026-01-01 00:02", "2026-01-02", str(fire.nominal - 1), "9" * 30):
            error = await refusal(at.scheduler.fire(f"{prompt[-8:]}@{wrong}"), NotFound)
            assert error.message == f"there is no fire {f'{prompt[-8:]}@{wrong}'!r}"
        await refusal(at.scheduler.fire(f"{prompt[-8:]}@soon"), InvalidInput)


async def test_a_time_that_fits_several_fires_is_refused_and_they_are_named(lab: Lab) -> None:
    async with lab:
        at = await scene(lab)
        prompt = await at.add("every 7s")
        await at.sleep(130)
        error = await refusal(at.scheduler.fire(f"{prompt[-8:]}@2026-01-01 00:01"), InvalidInput)
        assert f"could be 9 fires: {prompt}@" in error.message
        exact = await at.scheduler.fire(f"{prompt[-8:]}@2026-01-01 00:01:03")
        assert exact.nominal == 1767225663000


async def test_a_prompt_that_has_not_fired_has_no_last_fire(lab: Lab) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        prompt = await new(scheduler)
        assert (await refusal(scheduler.fire(prompt), NotFound)).message == f"prompt {prompt[-8:]} has not fired"


async def test_a_fire_that_ended_is_run_once_more_by_the_present_definition(lab: Lab) -> None:
    async with lab:
        at, prompt, fire = await fired(lab)
        await at.scheduler.edit(prompt, force=True, text="new")
        again = await at.scheduler.rerun(fire.id)
        assert (again.rerun_of, again.trigger, again.by) == (fire.id, "manual", "api")
        await at.sleep(1)
        assert at.runner.texts == ["hello", "new"]
        assert (await at.scheduler.fire(fire.id, with_prompt=True)).text == "hello"


async def test_a_fire_that_has_not_ended_is_not_run_once_more(lab: Lab) -> None:
    async with lab:
        at = await scene(lab, Worker(600))
        prompt = await at.add("in 1s")
        await at.sleep(2)
        fire = await at.fire(prompt)
        error = await refusal(at.scheduler.rerun(prompt))
        assert (error.message, error.hint) == (f"fire {fire.id} is running", "`fire cancel` stops it")
        assert (await at.scheduler.cancel_fire(prompt)).cancel_requested
        await at.sleep(1)
        assert (
            await refusal(at.scheduler.cancel_fire(fire.id))
        ).message == f"fire {fire.id} has ended already: cancelled"


# records that were set aside

FAULTS: dict[str, dict[str, str] | None] = {
    "unreadable JSON": {"doc": "{"},
    "a cron that is none": {"doc": '{"text": "x", "schedule": {"kind": "cron", "expression": "whenever"}}'},
    "a number that is none": {"seq": "many", "last_nominal": "never"},
    "no version": {"version": ""},
    "no record": None,
}


async def broken(lab: Lab, scheduler: Scheduler, fault: dict[str, str] | None, *, found: bool) -> str:
    prompt = await new(scheduler, "in 3s")
    if fault is None:
        damage(lab, f"prompt:{prompt}")
    else:
        lab.inspector.hset(f"{lab.prefix}prompt:{prompt}", mapping=fault)
    if found:
        await lab.daemon(scheduler.store, RecordingRunner(), **CALM)
        await scheduler.clock.sleep(6)
        assert [one.id for one in await scheduler.quarantined()] == [prompt]
    return prompt


@pytest.mark.parametrize("found", [True, False], ids=["found", "not found yet"])
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
async def test_a_broken_record_is_repaired_by_an_edit(lab: Lab, fault: dict[str, str] | None, found: bool) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        prompt = await broken(lab, scheduler, fault, found=found)
        edited = await scheduler.edit(prompt, force=True, text="mended", when="in 1h", timezone="UTC")
        assert (edited.prompt.text, edited.prompt.status) == ("mended", "scheduled")
        assert edited.prompt.next_at == scheduler.clock.now() + HOUR
        assert await scheduler.quarantined() == []
        assert [one.id for one in (await scheduler.list()).items] == [prompt]


@pytest.mark.parametrize("found", [True, False], ids=["found", "not found yet"])
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
async def test_a_broken_record_can_be_cancelled(lab: Lab, fault: dict[str, str] | None, found: bool) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        prompt = await broken(lab, scheduler, fault, found=found)
        await scheduler.cancel(prompt)
        assert await scheduler.quarantined() == []
        assert "due:default" not in lab.keys()


@pytest.mark.unaccounted
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
async def test_what_a_broken_record_cannot_do_is_refused_with_what_would_help(
    lab: Lab, fault: dict[str, str] | None
) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        prompt = await broken(lab, scheduler, fault, found=False)
        for call in (
            scheduler.pause(prompt),
            scheduler.resume(prompt),
            scheduler.skip(prompt, "next"),
            scheduler.run_now(prompt),
        ):
            error = await refusal(call, StoreUnusable)
            assert error.message.startswith(f"prompt {prompt[-8:]} cannot be read: ")
            assert error.hint == "`edit` with a text and a time repairs it, `cancel` removes it"


async def test_a_broken_record_without_a_text_is_not_repaired_by_half(lab: Lab) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        prompt = await broken(lab, scheduler, {"doc": "{"}, found=True)
        error = await refusal(scheduler.edit(prompt, force=True, text="mended"), InvalidInput)
        assert error.message == "schedule: Field required (it is {'text': 'mended'})"


async def test_a_quarantined_record_that_can_be_read_says_that_it_is_quarantined(lab: Lab) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        prompt = await scheduler.get(await new(scheduler))
        await scheduler.store.quarantine(prompt, "broken")
        for call in (scheduler.pause(prompt.id), scheduler.skip(prompt.id, "next"), scheduler.run_now(prompt.id)):
            assert f"prompt {prompt.id[-8:]} is quarantined" in (await refusal(call)).message
        edited = await scheduler.edit(prompt.id, version=1, text="x")
        assert (edited.prompt.status, await scheduler.quarantined()) == ("active", [])


async def test_a_record_of_a_newer_release_is_not_edited(lab: Lab) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        prompt = await new(scheduler)
        lab.inspector.hset(f"{lab.prefix}prompt:{prompt}", "doc", '{"schema": 99, "text": "x"}')
        error = await refusal(scheduler.edit(prompt, force=True, text="x", when="in 1h"), StoreUnusable)
        assert "was written by a newer release" in error.message


async def test_an_armed_prompt_that_lost_what_is_next_is_repaired_by_any_edit(lab: Lab) -> None:
    async with lab:
        scheduler = await a_scheduler(lab)
        prompt = await new(scheduler)
        lab.inspector.hset(f"{lab.prefix}prompt:{prompt}", mapping={"next_at": "", "next_nominal": ""})
        edited = await scheduler.edit(prompt, version=1, text="x")
        assert edited.prompt.next_at is not None


async def test_an_edit_just_before_an_occurrence_that_the_new_schedule_names_too_does_not_lose_it(lab: Lab) -> None:
    async with lab:
        at = await scene(lab)
        prompt = await at.add("every day at 00:10")
        await at.sleep(10 * 60 - 0.1)  # it is claimed, and in hand
        assert (await at.fire(prompt)).status == "running"
        await at.scheduler.edit(prompt, force=True, jitter=1)
        await at.sleep(2)
        assert len(at.runner.fires) == 1


async def test_who_changes_something_is_told_by_name(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        ann, bob = Scheduler(store, timezone="UTC", actor="ann"), Scheduler(store, timezone="UTC", actor="agent:bob")
        prompt = (await ann.schedule("x", "every 1h")).prompt
        assert prompt.created_by == (await bob.get(prompt.id)).created_by == "ann"
        fire = await bob.run_now(prompt.id)
        assert (fire.by, fire.cancelled_by) == ("agent:bob", None)
        stopped = await ann.cancel_fire(fire.id)
        assert (stopped.by, stopped.cancelled_by) == ("agent:bob", "ann")
        await bob.edit(prompt.id, version=1, text="y", when="every 2h", labels={"a": "b"})
        [edited] = await ann.spans(prompt.id)
        assert (edited.kind, edited.by, edited.changed) == ("edited", "agent:bob", ("text", "schedule", "labels"))
        assert edited.values["text"] == ("x", "y")
        assert edited.values["labels"] == ({}, {"a": "b"})
        before, after = edited.values["schedule"]
        assert (before["every_ms"], after["every_ms"]) == (HOUR, 2 * HOUR)


@pytest.mark.parametrize("actor", ["", "  ", "a\nb", "\x1b[31m", "x" * 257])
async def test_who_has_no_name_to_show_is_refused(lab: Lab, actor: str) -> None:
    async with lab:
        with pytest.raises(InvalidInput, match="names no actor"):
            Scheduler(await lab.store(), actor=actor)
