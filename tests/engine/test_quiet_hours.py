"""Quiet hours: what falls in them is skipped, or moved to their end."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduled_prompts.engine.due import claim_of
from scheduled_prompts.errors import InvalidSchedule
from scheduled_prompts.fire import FireStatus
from scheduled_prompts.policies import OwnerPolicies
from scheduled_prompts.prompt import Definition, PromptStatus, ScheduledPrompt
from scheduled_prompts.schedule import Cron, Interval, zone
from scheduled_prompts.schedule.quiet import quiet_until
from scheduled_prompts.scheduler import Scheduler
from scheduled_prompts.upcoming import (
    coming,
    due_at,
    first_due_with,
    first_occurrence,
    last_due_with,
    next_named,
    occurrences,
)
from tests.conftest import Lab
from tests.engine.scenes import scene
from tests.engine.test_due import ID

LONG_SPANS: dict[str, Any] = {"watch_period": 60.0, "heartbeat_period": 900.0}
HOUR = 3_600_000
MINUTE = 60_000
NIGHT = {"quiet": "22:00-07:00", "timezone": "Europe/Berlin"}


def instant(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def a_prompt(schedule: Any, *, created: int, **fields: Any) -> ScheduledPrompt:
    bare = ScheduledPrompt(
        text="x", schedule=schedule, id=ID, status=PromptStatus.ACTIVE, created_at=created, updated_at=created, **fields
    )
    first = first_occurrence(bare, created, ID)
    assert first is not None
    return bare.model_copy(update={"next_nominal": first.nominal, "next_at": first.due})


EVENING = instant("2026-01-10T20:30+01:00")


def at(hour: int, minute: int = 0) -> int:
    """In the night that begins with EVENING."""
    day = "2026-01-10" if hour >= 12 else "2026-01-11"
    return instant(f"{day}T{hour:02}:{minute:02}+01:00")


def test_with_skip_only_what_is_not_quiet_is_to_come() -> None:
    prompt = a_prompt(Cron(expression="0 * * * *"), created=EVENING, **NIGHT)
    assert [o.nominal for o in coming(prompt, 3)] == [at(21), at(7), at(8)]
    prompt = a_prompt(Cron(expression="0 * * * *"), created=at(22, 30), **NIGHT)
    assert (prompt.next_nominal, prompt.next_at) == (at(23), at(23))
    item = claim_of(prompt, at(23), at(23))
    assert item is not None
    assert (item["skip"], item["next_nominal"]) == ("quiet", str(at(0)))


def test_with_defer_what_is_quiet_is_due_at_the_end_and_keeps_its_nominal_time() -> None:
    prompt = a_prompt(Cron(expression="30 2 * * *"), created=EVENING, **NIGHT, quiet_policy="defer")
    assert (prompt.next_nominal, prompt.next_at) == (at(2, 30), at(7))
    assert claim_of(prompt, at(3), at(3)) is None
    item = claim_of(prompt, at(7), at(7))
    assert item is not None
    assert (item["nominal"], item["due"], item["skip"]) == (str(at(2, 30)), str(at(7)), "")
    assert (item["missed_from"], item["quiet_from"]) == ("", "")


def test_of_those_deferred_together_the_latest_fires_and_the_others_are_one_range() -> None:
    prompt = a_prompt(Cron(expression="30 * * * *"), created=at(22), **NIGHT, quiet_policy="defer")
    assert [(o.nominal, o.due) for o in coming(prompt, 2)] == [(at(6, 30), at(7)), (at(7, 30), at(7, 30))]
    for now in (at(7) - 100, at(7), at(7, 29)):  # ahead of time, on time, late
        item = claim_of(prompt, now, at(7, 29))
        assert item is not None
        assert (item["nominal"], item["missed_from"]) == (str(at(6, 30)), "")
        assert item["quiet_from"] == str(at(22, 30))
        assert item["next_nominal"] == str(at(7, 30))


def test_what_is_named_for_the_end_itself_is_one_with_what_was_deferred_to_it() -> None:
    prompt = a_prompt(Cron(expression="0 * * * *"), created=at(22, 30), **NIGHT, quiet_policy="defer", jitter=600)
    item = claim_of(prompt, at(7), at(7, 10))
    assert item is not None
    assert (item["nominal"], item["quiet_from"], item["next_nominal"]) == (str(at(7)), str(at(23)), str(at(8)))
    assert {due_at(prompt, at(hour)) for hour in (23, 0, 3, 6, 7)} == {int(item["due"])}


def test_after_downtime_what_was_missed_and_what_was_deferred_are_told_apart() -> None:
    prompt = a_prompt(Cron(expression="0 * * * *"), created=EVENING, **NIGHT, quiet_policy="defer")
    item = claim_of(prompt, at(7, 30), at(7, 30))
    assert item is not None
    assert (item["missed_from"], item["missed_until"]) == (str(at(21)), str(at(22)))
    assert (item["quiet_from"], item["nominal"]) == (str(at(22)), str(at(7)))
    item = claim_of(prompt, at(8, 30), at(8, 30))
    assert item is not None
    assert (item["missed_from"], item["missed_until"], item["quiet_from"]) == (str(at(21)), str(at(8)), "")


def test_back_in_the_quiet_hours_what_is_deferred_waits_for_their_end() -> None:
    prompt = a_prompt(Cron(expression="0 * * * *"), created=EVENING, **NIGHT, quiet_policy="defer", grace=12 * 3600)
    item = claim_of(prompt, at(3), at(3))
    assert item is not None
    assert (item["nominal"], item["next_nominal"], item["next_at"]) == (str(at(21)), str(at(22)), str(at(7)))


@pytest.mark.parametrize("misfire", ["once", "all"])
def test_a_month_of_nights_costs_no_more_than_one(misfire: str) -> None:
    schedule = Interval(every_ms=1000, anchor=EVENING)
    prompt = a_prompt(schedule, created=EVENING, **NIGHT, quiet_policy="defer", misfire=misfire)
    item = claim_of(prompt, at(3) + 30 * 24 * HOUR, at(3) + 30 * 24 * HOUR)
    assert item is not None
    assert int(item["nominal"]) <= at(22) + 30 * 24 * HOUR


def test_jitter_carries_nothing_into_quiet_hours() -> None:
    for minute in range(60):
        prompt = a_prompt(Cron(expression=f"{minute} 21 * * *"), created=EVENING, **NIGHT, jitter=7200)
        assert prompt.next_nominal is not None
        assert prompt.next_at is not None
        assert prompt.next_nominal <= prompt.next_at < at(22)


def test_a_deferred_occurrence_that_is_skipped_takes_those_before_it_along() -> None:
    prompt = a_prompt(Cron(expression="0 * * * *"), created=at(22, 30), **NIGHT, quiet_policy="defer", skips=(at(7),))
    assert coming(prompt, 1)[0].nominal == at(8)
    item = claim_of(prompt, at(7), at(7))
    assert item is not None
    assert (item["nominal"], item["skip"], item["quiet_from"]) == (str(at(7)), "requested", str(at(23)))


crons = st.builds(
    "{} {} * * *".format,
    st.sampled_from(["0", "30", "*/20", "59"]),
    st.sampled_from(["*", "*/3", "1,2,3", "23", "2-7"]),
)


@settings(max_examples=40, deadline=None)
@given(
    crons,
    st.sampled_from(["22:00-07:00", "01:30-02:30", "02:00-03:00,12:00-13:00", "23:59-03:01"]),
    st.sampled_from(["2026-03-28T12:00Z", "2026-10-24T12:00Z", "2026-01-10T12:00Z"]),
    st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]),
    st.sampled_from([0, 300, 7200]),
)
def test_what_is_to_come_is_what_a_walk_through_the_day_finds(
    cron: str, quiet: str, start: str, timezone: str, jitter: float
) -> None:
    """Opposite policies over the same days: what one skips, the other moves to the end."""
    after = instant(start)
    fields: dict[str, Any] = {"text": "x", "schedule": Cron(expression=cron), "timezone": timezone, "jitter": jitter}
    every = occurrences(Definition(**fields), after, 80, ID)
    until = every[-1].nominal
    rules = zone(timezone)
    ends = {nominal: quiet_until(quiet, rules, nominal) for nominal, _ in every}
    loud = [nominal for nominal, end in ends.items() if end is None]
    skipping = Definition(**fields, quiet=quiet)
    found = [o for o in occurrences(skipping, after, len(loud), ID) if o.nominal <= until]
    assert [o.nominal for o in found] == loud
    deferring = Definition(**fields, quiet=quiet, quiet_policy="defer")
    groups: dict[int, list[int]] = {}
    for nominal, end in ends.items():
        groups.setdefault(end or nominal, []).append(nominal)
    complete = [group for due, group in groups.items() if due < until]
    deferred = occurrences(deferring, after, len(complete), ID)
    assert [o.nominal for o in deferred] == [group[-1] for group in complete]
    for group, occurrence in zip(complete, deferred, strict=True):
        assert {last_due_with(deferring, nominal, ID) for nominal in group} == {group[-1]}
        assert first_due_with(deferring, group[-1], ID) <= group[0]
        assert occurrence.due >= group[-1]
    for occurrence in found + deferred:
        assert quiet_until(quiet, rules, occurrence.due) is None
    dues = [o.due for o in deferred]
    assert dues == sorted(set(dues))


async def test_skipped_at_night_deferred_to_the_morning_and_without_quiet_hours_on_time(lab: Lab) -> None:
    async with lab:
        s = await scene(lab, **LONG_SPANS)
        begins = s.now // MINUTE * MINUTE + 3 * MINUTE
        clock = [datetime.fromtimestamp(begins / 1000 + 60 * m, zone("UTC")).strftime("%H:%M") for m in (0, 4)]
        quiet = f"{clock[0]}-{clock[1]}"
        skipping = await s.add("* * * * *", quiet=quiet)
        deferring = await s.add("* * * * *", quiet=quiet, quiet_policy="defer")
        neither = await s.add("* * * * *")
        await s.sleep(10 * 60)
        skipped = [fire for fire in await s.fires(skipping) if fire.status is FireStatus.SKIPPED]
        assert [fire.nominal for fire in skipped] == [begins + m * MINUTE for m in (3, 2, 1, 0)]
        assert {fire.reason for fire in skipped} == {"quiet"}
        ran = {fire.nominal: fire for fire in await s.fires(deferring)}
        assert not ran.keys() & {begins + m * MINUTE for m in range(4)}
        assert FireStatus.SKIPPED not in {fire.status for fire in ran.values()}
        [span] = [span for span in await s.scheduler.spans(deferring) if span.kind == "missed"]
        assert (span.reason, span.start, span.end) == ("quiet", begins, begins + 4 * MINUTE)
        assert {begins + m * MINUTE for m in range(4)} <= {fire.nominal for fire in await s.fires(neither)}


async def test_an_owners_quiet_hours_are_those_of_prompts_that_say_none(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        owners = {"anna": OwnerPolicies(quiet="22:00-07:00", quiet_policy="defer")}
        s = Scheduler(store, timezone="UTC", owners=owners)
        hers = (await s.schedule("x", "every 1h", owner="anna")).prompt
        assert (hers.quiet, hers.quiet_policy) == ("22:00-07:00", "defer")
        assert (await s.schedule("x", "every 1h", owner="ben")).prompt.quiet is None
        other = (await s.schedule("x", "every 1h", owner="anna", quiet="12:00-13:00", quiet_policy="skip")).prompt
        assert (other.quiet, other.quiet_policy) == ("12:00-13:00", "skip")
        assert (await s.edit(other.id, force=True, quiet=None)).prompt.quiet == "22:00-07:00"
        assert (await s.edit(other.id, force=True, quiet="none")).prompt.quiet_hours is None


async def test_quiet_hours_that_swallow_all_are_refused(lab: Lab) -> None:
    async with lab:
        s = await lab.scheduler(await lab.store())
        with pytest.raises(InvalidSchedule, match=r"lies in the quiet hours \(22:00-07:00\)"):
            await s.schedule("x", "every day at 23:00", quiet="22:00-07:00")
        prompt = (await s.schedule("x", "every day at 23:00", quiet="22:00-07:00", quiet_policy="defer")).prompt
        with pytest.raises(InvalidSchedule, match="lies in the quiet hours"):
            await s.edit(prompt.id, force=True, quiet_policy="skip")


async def test_a_deferred_occurrence_is_found_by_when_it_is_due(lab: Lab) -> None:
    async with lab:
        s = await lab.scheduler(await lab.store())
        prompt = (await s.schedule("x", "30 * * * *", quiet="00:00-06:15", quiet_policy="defer")).prompt
        due = next(o for o in s.upcoming(prompt, 30) if o.due != o.nominal)
        said = prompt.local(due.due).strftime("%Y-%m-%d %H:%M")
        assert said.endswith("06:15")
        assert (await s.skip(prompt.id, said)).nominal == due.nominal
        assert due.nominal not in {o.nominal for o in s.upcoming(await s.get(prompt.id), 30)}


async def test_a_pause_in_quiet_hours_keeps_what_is_deferred_to_their_end(lab: Lab) -> None:
    async with lab:
        s = await scene(lab, **LONG_SPANS)
        begins = s.now // MINUTE * MINUTE + 2 * MINUTE
        clock = [datetime.fromtimestamp(begins / 1000 + 60 * m, zone("UTC")).strftime("%H:%M") for m in (0, 10)]
        at = datetime.fromtimestamp(begins / 1000 + 60, zone("UTC"))
        prompt = await s.add(f"{at.minute} {at.hour} * * *", quiet="-".join(clock), quiet_policy="defer")
        await s.sleep(5 * 60)
        await s.scheduler.pause(prompt)
        await s.sleep(60)
        resumed = await s.scheduler.resume(prompt)
        assert resumed.passed is None
        await s.sleep(8 * 60)
        fire = await s.fire(prompt)
        assert (fire.nominal, fire.due) == (begins + MINUTE, begins + 10 * MINUTE)
        assert fire.status is FireStatus.SUCCEEDED


@settings(max_examples=30, deadline=None)
@given(
    crons,
    st.sampled_from(["22:00-07:00", "01:30-02:30,12:00-13:00", "23:59-03:01"]),
    st.sampled_from(["skip", "defer"]),
    st.sampled_from(["once", "skip", "all"]),
    st.sampled_from([0, 1500]),
    st.lists(st.sampled_from([0, 0, 0, 1, 40, 300, 1500]), min_size=5, max_size=25),
)
def test_claim_after_claim_accounts_for_each_occurrence_once(
    cron: str, quiet: str, policy: Any, misfire: Any, jitter: float, late: list[int]
) -> None:
    """`late`: by how many minutes each claim comes after what is next is due."""
    start = instant("2026-03-28T12:00Z")
    prompt = a_prompt(
        Cron(expression=cron),
        created=start,
        timezone="Europe/Berlin",
        quiet=quiet,
        quiet_policy=policy,
        misfire=misfire,
        jitter=jitter,
        grace=7200,
    )
    told: list[int] = []
    bare = prompt.model_copy(update={"quiet": None, "jitter": 0.0})

    def named(first: int, end: int) -> list[int]:
        found = []
        while (nominal := next_named(bare, first - 1, ID)) is not None and nominal < end:
            found.append(nominal)
            first = nominal + 1
        return found

    for minutes in late:
        assert prompt.next_at is not None
        on_time = coming(prompt, 1)
        item = claim_of(prompt, prompt.next_at + minutes * MINUTE, prompt.next_at + minutes * MINUTE)
        assert item is not None
        nominal = int(item["nominal"])
        if not minutes and not item["skip"]:
            assert (nominal, int(item["due"])) == on_time[0]
        if item["missed_from"]:
            told += named(int(item["missed_from"]), int(item["missed_until"]))
        if item["quiet_from"]:
            assert policy == "defer"
            told += named(int(item["quiet_from"]), nominal)
        told.append(nominal)
        if policy == "skip" and quiet_until(quiet, zone("Europe/Berlin"), nominal) is not None:
            assert item["skip"] == "quiet"
        prompt = prompt.model_copy(
            update={"next_nominal": int(item["next_nominal"]), "next_at": int(item["next_at"]), "last_nominal": nominal}
        )
    assert told == named(start + 1, told[-1] + 1)
