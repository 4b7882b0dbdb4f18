"""The walk of `zone_walk` is worth something if it notices broken code: each mutation here has to be caught by it."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import date

import pytest

from scheduled_prompts import upcoming
from scheduled_prompts.schedule import cron, occurrences, offsets, quiet, readings, window_draws
from scheduled_prompts.schedule.draws import draw as right_draw
from tests.schedule import walk_checks
from tests.schedule.walk_checks import (
    WINDOWS,
    check_cron,
    check_due,
    check_interval,
    check_one_shots,
    check_quiet,
    check_window,
)
from tests.schedule.zone_walk import HOUR, Walk, changes, walk_around

Mutation = Callable[[pytest.MonkeyPatch], None]


def fold() -> Walk:
    return walk_around("Europe/Berlin", changes("Europe/Berlin", 2026, 2026)[1], 36)


def gap() -> Walk:
    return walk_around("Europe/Berlin", changes("Europe/Berlin", 2026, 2026)[0], 36)


def half_an_hour() -> Walk:
    return walk_around("Australia/Lord_Howe", changes("Australia/Lord_Howe", 2026, 2026)[1], 36)


@pytest.fixture(autouse=True)
def _nothing_remembered():
    def forget() -> None:
        for cache in (offsets._block, cron.parse, occurrences._minutes, window_draws._draws):
            cache.cache_clear()

    forget()
    yield
    forget()


def _twice_in_the_repeated_hour(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(readings, "highest_reading", offsets.reading)


def _before_the_end_of_the_gap(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(readings, "first_reaching", lambda tz, wall: _unclamped(tz, wall))


def _unclamped(tz, wall: int) -> int:
    span = offsets.span_at(tz, wall - offsets.DAY)
    while wall >= span.end + span.offset:
        span = offsets.span_at(tz, span.end)
    return wall - span.offset


def _no_change_is_seen(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(offsets, "_end_of_offset", lambda tz, low, high, offset: high)


def _changes_on_full_hours_only(patch: pytest.MonkeyPatch) -> None:
    right = offsets._end_of_offset
    hour = 3_600_000
    patch.setattr(offsets, "_end_of_offset", lambda *args: -(-right(*args) // hour) * hour)


def _all_fixed(patch: pytest.MonkeyPatch) -> None:
    right = cron.CronMinutes.__init__

    def init(self, *args) -> None:
        right(self, *args)
        self.fixed_time = True

    patch.setattr(cron.CronMinutes, "__init__", init)


def _none_fixed(patch: pytest.MonkeyPatch) -> None:
    right = cron.CronMinutes.__init__

    def init(self, *args) -> None:
        right(self, *args)
        self.fixed_time = False

    patch.setattr(cron.CronMinutes, "__init__", init)


def _at_or_after(patch: pytest.MonkeyPatch) -> None:
    right = readings.first_after
    patch.setattr(readings, "first_after", lambda minutes, tz, after: right(minutes, tz, after - 1))


def _before_and_not_at(patch: pytest.MonkeyPatch) -> None:
    right = readings.last_upto
    patch.setattr(readings, "last_upto", lambda minutes, tz, after, until: right(minutes, tz, after, until - 1))


def _either_day_though_one_is_starred(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(cron, "_day_rules", lambda fields: [(fields.day, cron.ANY_WEEKDAY), (cron.ANY_DAY, fields.weekday)])


def _weeks_that_begin_on_sunday(patch: pytest.MonkeyPatch) -> None:
    day = offsets.DAY
    patch.setattr(cron, "_week", lambda wall: (wall + 4 * day) // (7 * day))


@pytest.mark.parametrize(
    ("mutation", "walk", "expression"),
    [
        (_twice_in_the_repeated_hour, fold, "30 2 * * *"),
        (_before_the_end_of_the_gap, gap, "30 2 * * *"),
        (_no_change_is_seen, gap, "30 2 * * *"),
        (_changes_on_full_hours_only, half_an_hour, "*/20 * * * *"),
        (_all_fixed, fold, "*/30 2 * * *"),
        (_none_fixed, fold, "30 2 * * *"),
        (_none_fixed, gap, "30 2 * * *"),
        (_at_or_after, gap, "0 * * * *"),
        (_before_and_not_at, gap, "0 * * * *"),
        (_either_day_though_one_is_starred, gap, "0 0 */3 * 0"),
    ],
)
def test_a_cron_that_goes_wrong_is_noticed(
    monkeypatch: pytest.MonkeyPatch, mutation: Mutation, walk: Callable[[], Walk], expression: str
):
    stretch = walk()
    check_cron(stretch, expression, restarts=40)
    _forget_all()
    mutation(monkeypatch)
    with pytest.raises(AssertionError):
        check_cron(stretch, expression, restarts=40)


def test_a_rhythm_of_weeks_that_goes_wrong_is_noticed(monkeypatch: pytest.MonkeyPatch):
    stretch = gap()  # a Sunday
    check_cron(stretch, "0 9 * * *", restarts=0, every_weeks=2, anchor=date(2026, 3, 29))
    _forget_all()
    _weeks_that_begin_on_sunday(monkeypatch)
    with pytest.raises(AssertionError):
        check_cron(stretch, "0 9 * * *", restarts=0, every_weeks=2, anchor=date(2026, 3, 29))


def test_an_interval_that_counts_from_now_is_noticed(monkeypatch: pytest.MonkeyPatch):
    check_interval(fold(), 17 * 60, fold().start - 100)
    monkeypatch.setattr(walk_checks, "next_after", lambda schedule, after, **_: after + schedule.every_ms)
    with pytest.raises(AssertionError):
        check_interval(fold(), 17 * 60, fold().start - 100)


def test_a_window_that_draws_anew_at_each_restart_is_noticed(monkeypatch: pytest.MonkeyPatch):
    other = random.Random(1)
    monkeypatch.setattr(window_draws, "_draws", _draws_by_chance(other))
    with pytest.raises(AssertionError):
        check_window(fold(), WINDOWS[0], "p")


def _draws_by_chance(chance: random.Random):
    def draws(seed: str, day: int, times: int, start: int, end: int) -> tuple[int, ...]:
        return tuple(sorted(start + second * 1000 for second in chance.sample(range((end - start) // 1000), times)))

    return draws


def test_a_window_measured_on_the_wall_is_noticed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(window_draws, "first_reaching", lambda tz, wall: wall - offsets.span_at(tz, wall).offset)
    with pytest.raises(AssertionError):
        check_window(gap(), WINDOWS[1], "p")


def test_a_one_shot_in_the_repeated_hour_that_comes_late_is_noticed(monkeypatch: pytest.MonkeyPatch):
    right = offsets.first_reaching
    late = 2 * HOUR * 1000
    monkeypatch.setattr(offsets, "first_reaching", lambda tz, wall: right(tz, wall + late) - late)
    with pytest.raises(AssertionError):
        check_one_shots(fold())


def test_quiet_hours_mapped_once_a_day_are_noticed(monkeypatch: pytest.MonkeyPatch):
    right = quiet.span_at
    monkeypatch.setattr(
        quiet, "span_at", lambda tz, at: right(tz, at // offsets.DAY * offsets.DAY)._replace(end=10**15)
    )
    with pytest.raises(AssertionError):
        check_quiet(fold(), "02:15-02:45", looks=5)


@pytest.mark.parametrize("wrong", ["jitter into the next", "not deferred", "the first of a group"])
def test_a_prompt_that_is_due_at_the_wrong_time_is_noticed(monkeypatch: pytest.MonkeyPatch, wrong: str):
    def look() -> None:
        walk = walk_around("Europe/Berlin", fold().start + 36 * HOUR, 60)
        assert sum(check_due(walk, "30 * * * *", random.Random(seed)) for seed in range(12)) > 0

    look()
    if wrong == "jitter into the next":
        monkeypatch.setattr(
            upcoming, "due_of", lambda nominal, *, jitter_ms, next_nominal, seed: nominal + right_draw(b"j", jitter_ms)
        )
    elif wrong == "not deferred":
        monkeypatch.setattr(upcoming, "_deferred_to", lambda definition, nominal: None)
    else:
        monkeypatch.setattr(upcoming, "last_due_with", lambda definition, nominal, seed: nominal)
    with pytest.raises(AssertionError):
        look()


def _forget_all() -> None:
    for cache in (offsets._block, cron.parse, occurrences._minutes, window_draws._draws):
        cache.cache_clear()
