"""What a claim decides."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from scheduled_prompts.engine.due import claim_of
from scheduled_prompts.prompt import PromptStatus, ScheduledPrompt
from scheduled_prompts.schedule import Cron, Interval, Once, RandomWindow, next_after
from scheduled_prompts.store.records import ClaimItem
from scheduled_prompts.upcoming import due_at, next_occurrence
from tests.conftest import Lab
from tests.engine.scenes import CALM, scene

ID = "01KDVDNA000016QAMMAQHYE1M2"
DAY = 86_400_000
HOUR = 3_600_000


def instant(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


MIDNIGHT = instant("2026-01-01T00:00:00Z")


def a_prompt(schedule: Any, *, created: int = MIDNIGHT, **fields: Any) -> ScheduledPrompt:
    """As `schedule` makes it."""
    once = isinstance(schedule, Once)
    bare = ScheduledPrompt(
        text="x",
        schedule=schedule,
        id=ID,
        status=PromptStatus.SCHEDULED if once else PromptStatus.ACTIVE,
        created_at=created,
        updated_at=created,
        **fields,
    )
    first = next_occurrence(bare, created)
    assert first is not None
    return bare.model_copy(update={"next_nominal": first.nominal, "next_at": first.due})


def claim(prompt: ScheduledPrompt, now: int, ahead: int = 0) -> ClaimItem:
    item = claim_of(prompt, now, now + ahead)
    assert item is not None
    return item


def next_of(item: ClaimItem) -> tuple[str, str, str]:
    return item["next_nominal"], item["next_at"], item["next_status"]


def test_what_is_not_due_is_not_claimed() -> None:
    prompt = a_prompt(Cron(expression="0 9 * * *"))
    assert claim_of(prompt, MIDNIGHT + 9 * HOUR - 2_001, MIDNIGHT + 9 * HOUR - 1) is None


def test_what_is_due_within_the_lead_is_claimed_ahead() -> None:
    item = claim(a_prompt(Cron(expression="0 9 * * *")), MIDNIGHT + 9 * HOUR - 2_000, 2_000)
    assert item["fire"] == f"{ID}@{MIDNIGHT + 9 * HOUR}"
    assert next_of(item) == (str(MIDNIGHT + 33 * HOUR), str(MIDNIGHT + 33 * HOUR), "")
    assert (item["missed_from"], item["missed_until"]) == ("", "")


def test_a_one_shot_leaves_nothing_to_come() -> None:
    item = claim(a_prompt(Once(at=MIDNIGHT + 1)), MIDNIGHT + DAY)
    assert (item["nominal"], item["due"]) == (str(MIDNIGHT + 1), str(MIDNIGHT + 1))
    assert next_of(item) == ("", "", "executed")


def test_of_several_that_have_passed_the_latest_fires_and_the_rest_is_one_missed_range() -> None:
    item = claim(a_prompt(Cron(expression="0 * * * *")), MIDNIGHT + 5 * HOUR + 1)
    assert item["nominal"] == str(MIDNIGHT + 5 * HOUR)
    assert (item["missed_from"], item["missed_until"]) == (str(MIDNIGHT + HOUR), str(MIDNIGHT + 5 * HOUR))
    assert item["next_nominal"] == str(MIDNIGHT + 6 * HOUR)


def test_one_that_is_merely_late_has_missed_nothing() -> None:
    item = claim(a_prompt(Cron(expression="0 * * * *")), MIDNIGHT + 2 * HOUR - 1)
    assert (item["nominal"], item["missed_from"]) == (str(MIDNIGHT + HOUR), "")


def test_an_occurrence_claimed_ahead_does_not_make_the_one_before_it_missed() -> None:
    """Late for the first, and the second is due within the lead: the first fires now, the second in its turn."""
    item = claim(a_prompt(Cron(expression="0 * * * *")), MIDNIGHT + 2 * HOUR - 100, 2_000)
    assert (item["nominal"], item["next_nominal"]) == (str(MIDNIGHT + HOUR), str(MIDNIGHT + 2 * HOUR))


def test_an_interval_keeps_its_anchor_however_late_it_is() -> None:
    item = claim(a_prompt(Interval(every_ms=7_000, anchor=MIDNIGHT)), MIDNIGHT + 100_000)
    assert item["nominal"] == str(MIDNIGHT + 98_000)
    assert (item["missed_from"], item["missed_until"]) == (str(MIDNIGHT + 7_000), str(MIDNIGHT + 98_000))
    assert item["next_nominal"] == str(MIDNIGHT + 105_000)


def test_years_of_missed_occurrences_cost_no_more_than_a_few() -> None:
    item = claim(a_prompt(Interval(every_ms=1_000, anchor=MIDNIGHT)), MIDNIGHT + 3_000 * DAY)
    assert item["nominal"] == str(MIDNIGHT + 3_000 * DAY)
    item = claim(a_prompt(Cron(expression="* * * * *"), jitter=30), MIDNIGHT + 3_000 * DAY)
    assert int(item["nominal"]) >= MIDNIGHT + 3_000 * DAY - 60_000


def test_a_window_draws_the_same_whenever_it_is_claimed() -> None:
    schedule = RandomWindow(times=3, start=9 * 60, end=17 * 60)
    prompt = a_prompt(schedule)
    late = claim(prompt, MIDNIGHT + 2 * DAY)
    draws = []
    after = MIDNIGHT
    for _ in range(6):
        following = next_after(schedule, after, timezone="UTC", seed=ID)
        assert following is not None
        after = following
        draws.append(after)
    assert prompt.next_nominal == draws[0]
    assert late["nominal"] == str(draws[5])
    assert (late["missed_from"], late["missed_until"]) == (str(draws[0]), str(draws[5]))


@pytest.mark.parametrize("minutes_late", range(0, 200, 7))
def test_with_jitter_nothing_is_claimed_before_it_is_due_and_every_occurrence_is_accounted_for(
    minutes_late: int,
) -> None:
    prompt = a_prompt(Cron(expression="*/10 * * * *"), jitter=300)
    accounted: list[int] = []
    now = MIDNIGHT + minutes_late * 60_000
    while (item := claim_of(prompt, now, now)) is not None:
        nominal, due = int(item["nominal"]), int(item["due"])
        assert nominal <= due == due_at(prompt, nominal) <= now
        if item["missed_from"]:
            accounted += range(int(item["missed_from"]), int(item["missed_until"]), 600_000)
        accounted.append(nominal)
        prompt = prompt.model_copy(
            update={"next_nominal": int(item["next_nominal"]), "next_at": int(item["next_at"]), "last_nominal": nominal}
        )
    expected = [n for n in range(MIDNIGHT + 600_000, now + 1, 600_000) if due_at(prompt, n) <= now]
    assert accounted == expected


@pytest.mark.parametrize("status", [PromptStatus.PAUSED, PromptStatus.CANCELLED, PromptStatus.EXECUTED])
def test_only_what_is_scheduled_or_active_is_claimed(status: PromptStatus) -> None:
    prompt = a_prompt(Cron(expression="0 9 * * *")).model_copy(update={"status": status})
    assert claim_of(prompt, MIDNIGHT + 2 * DAY, MIDNIGHT + 2 * DAY) is None


def test_the_claim_says_what_it_read() -> None:
    prompt = a_prompt(Cron(expression="0 9 * * *"), priority=80, platform="telegram", runner="bot")
    item = claim(prompt.model_copy(update={"version": 3, "seq": 12}), MIDNIGHT + DAY)
    assert (item["version"], item["seq"], item["status"]) == ("3", "12", "active")
    assert (item["platform"], item["runner"]) == ("telegram", "bot")
    assert (item["priority"], item["trigger"]) == ("80", "schedule")


async def test_a_prompt_due_while_no_daemon_was_there_fires_once_and_late(lab: Lab) -> None:
    async with lab:
        at = await scene(lab)
        await at.daemon.__aexit__()
        prompt = await at.add("in 10s")
        await at.sleep(100)
        await lab.daemon(at.store, at.runner, **CALM)
        await at.sleep(1)
        fire = await at.fire(prompt)
        assert fire.status == "succeeded"
        assert fire.lateness_ms is not None
        assert 90_000 <= fire.lateness_ms < 90_100


async def test_occurrences_missed_while_no_daemon_was_there_are_one_range_and_the_latest_fires(lab: Lab) -> None:
    async with lab:
        at = await scene(lab)
        start = at.now
        await at.daemon.__aexit__()
        prompt = await at.add("* * * * *")
        await at.sleep(10 * 60 + 30)
        await lab.daemon(at.store, at.runner, **CALM)
        await at.sleep(5)
        assert [fire.nominal - start for fire in at.runner.fires] == [600_000]
        [span] = await at.store.spans(prompt)
        assert (span.kind, span.start, span.end, span.reason) == ("missed", start + 60_000, start + 600_000, "late")
        await at.sleep(60)
        assert [fire.nominal - start for fire in at.runner.fires] == [600_000, 660_000]
        assert at.runner.fires[1].lateness_ms is None or at.runner.fires[1].lateness_ms == 0
