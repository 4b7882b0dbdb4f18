"""What the package answers, held against what `zone_walk` found by walking. Each check raises where they differ.

They are asked about one stretch of one zone's time, and used three times: on a few stretches by `make test`, on all
changes of all zones by `make nightly`, and with broken code, to see that they bite.
"""

from __future__ import annotations

import random
from bisect import bisect_left, bisect_right
from datetime import date

from scheduled_prompts.prompt import Definition
from scheduled_prompts.schedule import Cron, Interval, Once, RandomWindow, Schedule, latest_between, next_after, zone
from scheduled_prompts.schedule.quiet import next_quiet, quiet_since, quiet_until
from scheduled_prompts.schedule.zones import to_instant
from scheduled_prompts.upcoming import (
    first_due_with,
    first_occurrence,
    last_due_with,
    latest_named,
    next_named,
    occurrences,
)
from tests.schedule.wall_clock_oracle import read_clock
from tests.schedule.zone_walk import DAY, HOUR, Walk, wall_date

_NEAR = 3 * HOUR * 1000
FIXED = (
    "30 2 * * *",
    "0 0 * * *",
    "1 0 * * *",
    "15 0,23 * * *",
    "0,30 0-4 * * *",
    "45 1,2 * * 0#5",
    "30 1 L * *",
    "0 9 1-7 * 1",
    "59 23 30,31 12 *",
    "0 3 29-31 3,10 0",
)
WILDCARD = (
    "*/15 * * * *",
    "0 * * * *",
    "*/20 2 * * *",
    "30 */2 * * *",
    "1 */1 * * 0",
    "* 0 * * 6",
    "45 */23 L * *",
    "*/30 0-3 */2 3,4,9-11 *",
)
DENSE = ("* * * * *", "0-59 0-23 * * *", "*/2 0-23/1 * * 1-5,6,7")
QUIET = (
    "22:00-07:00",
    "00:00-00:30",
    "02:15-02:45",
    "23:30-02:30",
    "00:01-23:59",
    "01:00-02:00,02:00-03:30,23:00-24:00",
)
WINDOWS = (
    RandomWindow(start=60, end=240, times=7),
    RandomWindow(start=120, end=180, times=60),
    RandomWindow(start=1380, end=90, times=3),
    RandomWindow(start=0, end=1440, times=4, weekdays=(5, 6)),
    RandomWindow(start=150, end=149, times=9, weekdays=(6, 0, 3)),
    RandomWindow(start=0, end=1, times=60),
    RandomWindow(start=1439, end=0, times=60, weekdays=(4, 5, 6)),
)


def check_cron(walk: Walk, expression: str, *, restarts: int, every_weeks: int = 1, anchor: date | None = None) -> int:
    """Forwards, backwards, and from any instant on. Returns how many occurrences there were."""
    cron = Cron(expression=expression, every_weeks=every_weeks, anchor=anchor)
    expected = [each * 1000 for each in walk.occurrences(expression, every_weeks, anchor)]
    _check_sequence(cron, walk, expected, restarts)
    return len(expected)


def check_interval(walk: Walk, every: int, anchor: int) -> None:
    first, last = walk.start * 1000, walk.end * 1000
    expected, at = [], anchor * 1000
    while at < last:
        if at >= first and at > anchor * 1000:
            expected.append(at)
        at += every * 1000
    _check_sequence(Interval(every_ms=every * 1000, anchor=anchor * 1000), walk, expected, restarts=5)


def check_one_shots(walk: Walk) -> None:
    """Each full quarter of an hour on the clock, read or not, as a one-shot in wall time."""
    for wall in range(min(walk.walls) // DAY * DAY + 2 * DAY, max(walk.walls) - 2 * DAY, 900):
        expected = walk.first_instant(wall) * 1000
        once = Once(wall=read_clock("UTC", wall * 1000))
        assert next_after(once, expected - 1, timezone=walk.zone, seed="") == expected, (walk.zone, once)
        assert next_after(once, expected, timezone=walk.zone, seed="") is None
        assert to_instant(read_clock("UTC", wall * 1000), walk.zone) == expected


def check_window(walk: Walk, window: RandomWindow, seed: str) -> int:
    """Each window of the stretch holds its draws, nothing lies outside, and no restart draws anew."""
    bounds = [
        walk.window(midnight, window.start, window.end)
        for midnight in walk.midnights()
        if wall_date(midnight).weekday() in window.weekdays
    ]
    first, last = walk.start * 1000, walk.end * 1000
    drawn = _forwards(window, walk.zone, seed, first, last)
    inside = 0
    for start, end in bounds:
        draws = [each for each in drawn if start * 1000 <= each < end * 1000]
        inside += len(draws)
        assert all((each - start * 1000) % 1000 == 0 for each in draws)
        if first <= start * 1000 and end * 1000 <= last:
            assert len(draws) == min(window.times, end - start), (walk.zone, window, start)
    assert inside == len(drawn), (walk.zone, window, "outside of every window")
    _check_sequence(window, walk, drawn, restarts=20, seed=seed)
    return inside


def check_quiet(walk: Walk, periods: str, *, looks: int) -> None:
    """Quiet is what the clock reads: until when, since when, and when it is so next."""
    tz = zone(walk.zone)
    quiet = walk.quiet(periods)
    changes = [i for i in range(1, len(quiet)) if quiet[i] != quiet[i - 1]]
    draw = random.Random(f"{walk.zone}{walk.start}{periods}")
    lowest, highest = (bisect_left(walk.instants, each) for each in (walk.start, walk.end))
    places = [place + near for place in changes for near in (-1, 0) if lowest <= place + near < highest]
    places += [draw.randrange(lowest, highest) for _ in range(looks)]
    for place in places:
        at = walk.instants[place] * 1000 + draw.choice((0, 1, walk.instants.step * 1000 - 1))
        after = bisect_right(changes, place)
        following = walk.instants[changes[after]] * 1000 if after < len(changes) else None
        if not quiet[place]:
            assert quiet_until(periods, tz, at) is None, (walk.zone, periods, at)
            expected = at + DAY * 1000 if following is None else min(following, at + DAY * 1000)
            assert next_quiet(periods, tz, at) == expected, (walk.zone, periods, at)
        else:
            assert following is not None
            assert quiet_until(periods, tz, at) == following, (walk.zone, periods, at)
            since = walk.instants[changes[after - 1]] * 1000
            assert quiet_since(periods, tz, at) == since, (walk.zone, periods, at)


def check_due(walk: Walk, expression: str, draw: random.Random) -> int:
    """A prompt with quiet hours, jitter and a window: what will fire, when it is due, and with which others."""
    every = [each * 1000 for each in walk.occurrences(expression)]
    periods, policy = draw.choice(QUIET), draw.choice(("skip", "defer"))
    jitter = draw.choice((0, 0, 90, 7_200, 86_400))
    start = draw.choice((None, draw.randrange(walk.start, walk.end) * 1000))
    end = draw.choice((None, (start or walk.start * 1000) + draw.randrange(1, 48 * HOUR) * 1000))
    definition = Definition(
        text="x",
        schedule=Cron(expression=expression),
        timezone=walk.zone,
        quiet=periods,
        quiet_policy=policy,
        jitter=jitter,
        start_at=start,
        end_at=end,
    )
    told = (walk.zone, walk.start, definition)
    named = [each for each in every if (start is None or each >= start) and (end is None or each < end)]
    assert _named_forwards(definition, walk) == named, told
    assert _named_backwards(definition, walk) == named, told

    quiet = walk.quiet(periods)
    base = {each: _not_before(walk, quiet, each) for each in every}
    groups: dict[int, list[int]] = {}
    for each in named:
        if policy == "defer":
            groups.setdefault(base[each], []).append(each)
        elif base[each] == each:
            groups[each] = [each]
    # What the end of the stretch cuts through is left out.
    whole = {due: group for due, group in groups.items() if due < (walk.end - DAY) * 1000 and group[0] > _edge(walk)}
    for due, group in whole.items():
        for each in group:
            at = first_occurrence(definition, each - 1, "p")
            assert at is not None
            assert at.nominal == each, told
            _check_due_of(definition, walk, quiet, every, due, at.due, told)
            if policy == "defer":
                assert first_due_with(definition, each, "p") == group[0], (told, each)
                assert last_due_with(definition, each, "p") == group[-1], (told, each)
    fires = [group[-1] for group in whole.values()]
    if fires:
        after = next(iter(whole.values()))[0] - 1
        found = occurrences(definition, after, len(fires), "p")
        assert [each.nominal for each in found] == fires, told
        assert len({each.due for each in found}) == len(found), told
        assert sorted(found, key=lambda each: each.due) == found, told
    return len(fires)


def _check_due_of(
    definition: Definition, walk: Walk, quiet: list[bool], every: list[int], start: int, due: int, told: object
) -> None:
    assert start <= due <= start + definition.jitter_ms, told
    following = bisect_right(every, start)
    if due > start:
        assert following == len(every) or due < every[following], told
        first, last = (bisect_right(walk.instants, each // 1000) - 1 for each in (start, due))
        assert not any(quiet[first : last + 1]), told


def _edge(walk: Walk) -> int:
    """What falls in quiet hours that began before the stretch belongs to a group of which a part is unknown."""
    return (walk.start + DAY) * 1000


def _not_before(walk: Walk, quiet: list[bool], instant: int) -> int:
    place = bisect_left(walk.instants, instant // 1000)
    while quiet[place]:
        place += 1
    return walk.instants[place] * 1000


def _named_forwards(definition: Definition, walk: Walk) -> list[int]:
    found, at = [], walk.start * 1000 - 1
    while (instant := next_named(definition, at, "p")) is not None and instant < walk.end * 1000:
        found.append(instant)
        at = instant
    return found


def _named_backwards(definition: Definition, walk: Walk) -> list[int]:
    found, until = [], walk.end * 1000 - 1
    while (instant := latest_named(definition, walk.start * 1000 - 1, until, "p")) is not None:
        found.append(instant)
        until = instant - 1
    return found[::-1]


def _check_sequence(schedule: Schedule, walk: Walk, expected: list[int], restarts: int, seed: str = "") -> None:
    first, last = walk.start * 1000, walk.end * 1000
    told = (walk.zone, schedule, walk.start)
    assert _forwards(schedule, walk.zone, seed, first, last) == expected, told
    found, until = [], last - 1
    while (instant := latest_between(schedule, first - 1, until, timezone=walk.zone, seed=seed)) is not None:
        assert instant <= until, told
        found.append(instant)
        until = instant - 1
    assert found[::-1] == expected, told
    draw = random.Random(f"{told}")
    middle = (first + last) // 2  # where the clock changes
    instants = [draw.randrange(first, last) for _ in range(restarts)]
    instants += [draw.randrange(max(first, middle - _NEAR), min(last, middle + _NEAR)) for _ in range(restarts)]
    instants += [each - early for each in draw.sample(expected, min(restarts, len(expected))) for early in (0, 1)]
    for instant in instants:
        if not first <= instant < last:
            continue
        place = bisect_right(expected, instant)
        following = next_after(schedule, instant, timezone=walk.zone, seed=seed)
        if place < len(expected):
            assert following == expected[place], (told, instant)
        else:
            assert following is None or following >= last, (told, instant)
        previous = latest_between(schedule, first - 1, instant, timezone=walk.zone, seed=seed)
        assert previous == (expected[place - 1] if place else None), (told, instant)


def _forwards(schedule: Schedule, timezone: str, seed: str, first: int, last: int) -> list[int]:
    found, at = [], first - 1
    while (instant := next_after(schedule, at, timezone=timezone, seed=seed)) is not None and instant < last:
        assert instant > at, (timezone, schedule, at, "not strictly after")
        found.append(instant)
        at = instant
    return found
