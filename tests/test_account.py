"""The account tells every occurrence once, with what became of it; `why` answers in one sentence."""

from __future__ import annotations

import time
from typing import Any

import pytest

from scheduled_prompts.errors import InvalidInput
from scheduled_prompts.fire import Fire
from scheduled_prompts.scheduler import Scheduler
from scheduled_prompts.scheduler.explaining import Explained
from scheduled_prompts.scheduler.exporting import entry_of
from tests.conftest import Lab
from tests.engine.scenes import Worker, scene

DAY, HOUR, TEN_MINUTES = 86_400, 3_600, 600
LOOKS: dict[str, Any] = {"watch_period": 60.0, "heartbeat_period": 60.0}
"""Virtual time are paid for by the look."""
NINE = "every day at 09:00"
EVERY_TEN = "5-55/10 * * * *"


def outcomes(answer: Explained) -> list[tuple[str, int]]:
    return [(row.outcome, row.number) for row in answer.rows]


async def add(scheduler: Scheduler, when: str, **fields: Any) -> str:
    return (await scheduler.schedule("hello", when, **fields)).prompt.id


async def without_a_daemon(lab: Lab) -> Scheduler:
    return await lab.scheduler(await lab.store())


async def test_each_occurrence_has_its_row(lab: Lab) -> None:
    async with lab:
        at = await scene(lab, **LOOKS)
        prompt = await at.add(EVERY_TEN)
        await at.sleep(2 * TEN_MINUTES)
        await at.scheduler.pause(prompt, "holiday")
        await at.sleep(2 * TEN_MINUTES)
        await at.scheduler.resume(prompt)
        await at.sleep(TEN_MINUTES)
        await at.scheduler.skip(prompt, "next")
        answer = await at.scheduler.explain(prompt)
        assert outcomes(answer) == [
            *[("succeeded", 1), ("succeeded", 1), ("paused", 2), ("succeeded", 1), ("skipped", 1)],
            *[("upcoming", 1)] * 4,
        ]
        why = await at.scheduler.why(prompt, "2026-01-01T00:35")
        assert why.sentence == (
            "It did not run: the prompt was paused by api "
            "from Thu 2026-01-01 00:20 +00:00 to Thu 2026-01-01 00:40 +00:00 (holiday)."
        )
        why = await at.scheduler.why(prompt, "2026-01-01T00:15")
        assert why.sentence == "It ran at Thu 2026-01-01 00:15:00.000 +00:00 (0 ms late) and succeeded."
        why = await at.scheduler.why(prompt, "2026-01-01T00:10")
        assert why.row is None
        assert why.sentence == (
            "The schedule names nothing at Thu 2026-01-01 00:10 +00:00; "
            "the nearest are Thu 2026-01-01 00:05 +00:00 and Thu 2026-01-01 00:15 +00:00."
        )


async def test_what_was_due_when_it_was_edited_is_told_by_the_schedule_of_that_time(lab: Lab) -> None:
    async with lab:
        scheduler = await without_a_daemon(lab)
        prompt = await add(scheduler, NINE)
        await scheduler.clock.sleep(2.5 * DAY)
        await scheduler.edit(prompt, force=True, when="every day at 10:00")
        await scheduler.edit(prompt, force=True, when="every day at 11:00")
        answer = await scheduler.explain(prompt)
        assert outcomes(answer) == [("edited", 3), *[("upcoming", 1)] * 5]
        why = await scheduler.why(prompt, "2026-01-02T11:00")
        assert why.sentence == (
            "The schedule was edited at Sat 2026-01-03 12:00 +00:00 by api: before that it was every day at 09:00 UTC, "
            "which does not name Fri 2026-01-02 11:00 +00:00; "
            "the nearest are Fri 2026-01-02 09:00 +00:00 and Sat 2026-01-03 09:00 +00:00."
        )


async def test_what_was_paused_or_overdue_when_it_was_cancelled_is_told(lab: Lab) -> None:
    async with lab:
        scheduler = await without_a_daemon(lab)
        overdue, paused = await add(scheduler, NINE), await add(scheduler, NINE)
        await scheduler.pause(paused)
        await scheduler.clock.sleep(2.5 * DAY)
        for prompt in (overdue, paused):
            await scheduler.cancel(prompt)
        month = {"until": "2026-01-11"}
        assert outcomes(await scheduler.explain(overdue, **month)) == [("cancelled", 10)]
        assert outcomes(await scheduler.explain(paused, **month)) == [("paused", 3), ("cancelled", 7)]
        await scheduler.clock.sleep(2 * DAY)
        said = [(await scheduler.why(overdue, f"2026-01-0{day}T09:00")).sentence for day in (2, 5, 6)]
        assert said == [
            "It was due, and not fired yet, when the prompt was cancelled at Sat 2026-01-03 12:00 +00:00 by api.",
            "It did not run: the prompt was cancelled at Sat 2026-01-03 12:00 +00:00 by api.",
            "It does not run: the prompt was cancelled at Sat 2026-01-03 12:00 +00:00 by api.",
        ]


async def test_a_month_without_a_daemon_is_one_row(lab: Lab) -> None:
    async with lab:
        scheduler = await without_a_daemon(lab)
        prompt = await add(scheduler, "* * * * *")
        await scheduler.clock.sleep(30 * DAY)
        answer = await scheduler.explain(prompt, since="2026-01-01T00:01")
        overdue, following, *_ = answer.rows
        assert (overdue.outcome, overdue.exact, overdue.last - overdue.first) == (
            "overdue",
            False,
            (30 * DAY - 60) * 1000,
        )
        assert overdue.number >= 10_000
        assert (following.outcome, following.first) == ("upcoming", overdue.last + 60_000)


async def test_what_retention_deleted_is_forgotten_not_lost(lab: Lab) -> None:
    async with lab:
        at = await scene(lab, **LOOKS, keep_fires=3)
        prompt = await at.add(EVERY_TEN)
        await at.sleep(7 * TEN_MINUTES)
        answer = await at.scheduler.explain(prompt)
        assert outcomes(answer)[:4] == [("forgotten", 4), *[("succeeded", 1)] * 3]
        await at.scheduler.cancel(prompt)


async def test_what_ran_when_it_was_edited_and_is_deleted_since_is_forgotten(lab: Lab) -> None:
    async with lab:
        at = await scene(lab, **LOOKS, keep_fires=2)
        prompt = await at.add(EVERY_TEN)
        await at.sleep(TEN_MINUTES / 2 - 0.1)  # it is claimed by now
        await at.scheduler.edit(prompt, force=True, jitter=30)
        await at.sleep(4 * TEN_MINUTES)
        answer = await at.scheduler.explain(prompt)
        assert len(at.runner.fires) == 4
        assert outcomes(answer)[:3] == [("forgotten", 2), *[("succeeded", 1)] * 2]


async def test_a_manual_run_has_a_row_of_its_own_and_a_failure_says_why(lab: Lab) -> None:
    def fail(fire: Fire) -> str:
        raise RuntimeError("the model is away\nsee the log")

    async with lab:
        at = await scene(lab, **LOOKS)
        at.runner.answer = fail
        prompt = await at.add(EVERY_TEN, retries=0)
        await at.sleep(TEN_MINUTES)
        await at.scheduler.run_now(prompt)
        await at.sleep(1)
        answer = await at.scheduler.explain(prompt)
        assert [(row.outcome, row.fire and row.fire.trigger) for row in answer.rows][:2] == [
            ("failed", "schedule"),
            ("failed", "manual"),
        ]
        why = await at.scheduler.why(prompt, "2026-01-01T00:05")
        assert why.sentence == (
            "It ran at Thu 2026-01-01 00:05:00.000 +00:00 (0 ms late) and failed: RuntimeError: the model is away."
        )


async def test_what_came_while_all_was_stopped_was_missed_for_that(lab: Lab) -> None:
    async with lab:
        at = await scene(lab, **LOOKS)
        prompt = await at.add(EVERY_TEN)
        await at.scheduler.stop_all("the bill")
        await at.sleep(3 * TEN_MINUTES)
        stopped = await at.scheduler.explain(prompt)
        assert outcomes(stopped)[0] == ("overdue", 3)
        assert (await at.scheduler.why(prompt, "2026-01-01T00:15")).sentence == (
            "It is overdue: all is stopped by api (the bill)."
        )
        await at.scheduler.start_all()
        await at.sleep(TEN_MINUTES)
        assert outcomes(await at.scheduler.explain(prompt))[0] == ("missed", 2)
        assert (await at.scheduler.why(prompt, "2026-01-01T00:15")).sentence == (
            "It was missed: all was stopped by api from Thu 2026-01-01 00:00 +00:00 to Thu 2026-01-01 00:30 +00:00 "
            "(the bill)."
        )


async def test_of_several_in_one_minute_the_first_is_told_as_such(lab: Lab) -> None:
    async with lab:
        scheduler = await without_a_daemon(lab)
        prompt = await add(scheduler, "every 20 seconds")
        await scheduler.pause(prompt)
        await scheduler.clock.sleep(DAY)
        paused = "It did not run: the prompt is paused by api since Thu 2026-01-01 00:00 +00:00"
        minute = (await scheduler.why(prompt, "2026-01-01T00:05")).sentence
        assert minute == f"{paused}; it is the first of 3 named then."
        assert (await scheduler.why(prompt, "2026-01-01T00:05:20")).sentence == f"{paused}."


async def test_before_it_was_made_there_was_nothing(lab: Lab) -> None:
    async with lab:
        scheduler = await without_a_daemon(lab)
        prompt = await add(scheduler, NINE)
        answer = await scheduler.explain(prompt, since="2025-12-25", until="2026-01-03")
        assert outcomes(answer) == [("before_creation", 7), ("upcoming", 1), ("upcoming", 1)]
        with pytest.raises(InvalidInput):
            await scheduler.explain(prompt, since="2026-02-01", until="2026-01-01")


async def test_an_occurrence_is_found_by_when_it_ran_too(lab: Lab) -> None:
    async with lab:
        at = await scene(lab, **LOOKS)
        prompt = await at.add(EVERY_TEN, jitter=240)
        await at.sleep(TEN_MINUTES)
        fire = await at.fire(prompt)
        due = time.strftime("%Y-%m-%dT%H:%M", time.gmtime(fire.due / 1000))
        found = await at.scheduler.why(prompt, due)
        assert found.row is not None
        assert found.row.fire is not None
        assert found.row.fire.id == fire.id


async def test_what_passed_before_an_import_is_told_where_it_came_from(lab: Lab) -> None:
    async with lab:
        scheduler = await without_a_daemon(lab)
        prompt = await add(scheduler, NINE)
        await scheduler.clock.sleep(1.5 * DAY)
        document = {"schema": 1, "prompts": [entry_of(await scheduler.get(prompt))]}
        await scheduler.clock.sleep(2 * DAY)
        async with Scheduler(f"memory:{lab.namespace}", clock=scheduler.clock, timezone="UTC") as elsewhere:
            await elsewhere.import_prompts(document)
            answer = await elsewhere.explain(prompt)
            assert outcomes(answer) == [("missed", 4), *[("upcoming", 1)] * 5]
            assert (await elsewhere.why(prompt, "2026-01-02T09:00")).sentence == (
                "It was missed: it passed before the prompt was imported."
            )


async def test_what_was_overdue_while_a_record_was_set_aside_is_told(lab: Lab) -> None:
    async with lab:
        scheduler = await without_a_daemon(lab)
        prompt = await add(scheduler, NINE)
        await scheduler.clock.sleep(DAY)
        assert await scheduler.store.quarantine(await scheduler.get(prompt), "its zone is gone")
        await scheduler.clock.sleep(DAY)
        assert outcomes(await scheduler.explain(prompt)) == [("quarantined", 2)]
        assert (await scheduler.why(prompt, "2026-01-02T09:00")).sentence == (
            "It did not run: the prompt's record was set aside Fri 2026-01-02 00:00 +00:00 (its zone is gone)."
        )
        await scheduler.edit(prompt, force=True, when=NINE)
        assert outcomes(await scheduler.explain(prompt)) == [("quarantined", 2), *[("upcoming", 1)] * 5]


async def test_who_has_no_time_for_more_says_how_many_at_least(lab: Lab) -> None:
    async with lab:
        scheduler = await without_a_daemon(lab)
        prompt = await add(scheduler, "* * * * *")
        answer = await scheduler.explain(prompt, until="2027-01-01")
        *_, rest = answer.rows
        assert (rest.outcome, rest.exact, rest.last) == ("upcoming", False, answer.until - 60_000)


async def test_what_is_caught_up_with_in_turn_says_so(lab: Lab) -> None:
    async with lab:
        scheduler = await without_a_daemon(lab)
        prompt = await add(scheduler, EVERY_TEN, misfire="all")
        await scheduler.clock.sleep(2 * TEN_MINUTES)
        at = await scene(lab, Worker(HOUR), store=scheduler.store)
        await at.sleep(TEN_MINUTES / 4)
        assert [outcome for outcome, _ in outcomes(await scheduler.explain(prompt))][:2] == ["running", "overdue"]
        assert (await scheduler.why(prompt, "2026-01-01T00:15")).sentence == (
            "It is overdue: it runs when the one before has ended."
        )
