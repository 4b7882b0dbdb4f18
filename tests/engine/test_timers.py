"""Timers: when they ring."""

from __future__ import annotations

from scheduled_prompts.engine.timers import LEAD_MS, LONGEST_LEAD_MS, TRUST_MS, Timers
from scheduled_prompts.testing import VirtualClock

Rings = list[tuple[str, int, int]]


def timers_and_rings() -> tuple[VirtualClock, Timers, Rings]:
    """A ring is (prompt, how long before its due time, the instant)."""
    clock = VirtualClock()
    rings: Rings = []
    return clock, Timers(clock, lambda prompt, due: rings.append((prompt, due - clock.now(), clock.now()))), rings


async def test_a_timer_rings_once_a_little_before_the_due_time() -> None:
    clock, timers, rings = timers_and_rings()
    timers.arm("a", clock.now() + 60_000)
    await clock.sleep(120)
    assert [(prompt, lead) for prompt, lead, _ in rings] == [("a", LEAD_MS)]
    assert len(timers) == 0


async def test_what_is_overdue_already_rings_at_once_but_not_within_the_call() -> None:
    clock, timers, rings = timers_and_rings()
    timers.arm("a", clock.now() - 5_000)
    assert rings == []
    await clock.sleep(0.001)
    assert [prompt for prompt, *_ in rings] == ["a"]


async def test_arming_again_for_the_same_time_changes_nothing() -> None:
    clock, timers, rings = timers_and_rings()
    due = clock.now() + 10_000
    timers.arm("a", due)
    timers.arm("a", due)
    assert timers.lead(due) == LEAD_MS
    await clock.sleep(20)
    assert len(rings) == 1


async def test_arming_for_another_time_moves_the_timer() -> None:
    clock, timers, rings = timers_and_rings()
    start = clock.now()
    timers.arm("a", start + 10_000)
    timers.arm("a", start + 40_000)
    await clock.sleep(20)
    assert rings == []
    timers.arm("a", start + 30_000)
    await clock.sleep(40)
    assert [instant - start for *_, instant in rings] == [30_000 - LEAD_MS]


async def test_a_disarmed_timer_does_not_ring() -> None:
    clock, timers, rings = timers_and_rings()
    timers.arm("a", clock.now() + 10_000)
    timers.disarm("a")
    timers.disarm("never armed")
    await clock.sleep(20)
    assert rings == []
    assert len(timers) == 0


async def test_clear_silences_all() -> None:
    clock, timers, rings = timers_and_rings()
    for number in range(10):
        timers.arm(f"p{number}", clock.now() + 1_000 * number)
    timers.clear()
    await clock.sleep(20)
    assert rings == []


async def test_a_crowd_rings_earlier_all_of_it_and_the_lead_has_a_limit() -> None:
    clock, timers, rings = timers_and_rings()
    due = clock.now() + 60_000
    for number in range(2_000):
        timers.arm(f"p{number}", due)
    await clock.sleep(120)
    leads = {lead for _, lead, _ in rings}
    assert leads == {LEAD_MS + 500}
    for number in range(20_000):
        timers.arm(f"p{number}", clock.now() + 60_000)
    assert timers.lead(clock.now() + 60_000) == LONGEST_LEAD_MS


async def test_a_crowd_that_gathers_late_is_noticed_by_those_who_were_there_first() -> None:
    clock, timers, rings = timers_and_rings()
    due = clock.now() + 60_000
    timers.arm("first", due)
    await clock.sleep(56)
    for number in range(4_000):
        timers.arm(f"p{number}", due)
    await clock.sleep(10)
    assert {lead for _, lead, _ in rings} == {LEAD_MS + 1_000}


async def test_a_crowd_is_forgotten_when_the_last_of_it_has_rung() -> None:
    clock, timers, _ = timers_and_rings()
    due = clock.now() + 10_000
    for number in range(100):
        timers.arm(f"p{number}", due)
    await clock.sleep(20)
    assert timers.lead(due) == LEAD_MS
    assert (dict(timers._crowd), dict(timers._still_armed)) == ({}, {})


async def test_no_timer_is_trusted_for_longer_than_half_a_minute() -> None:
    clock, timers, rings = timers_and_rings()
    timers.arm("a", clock.now() + 3_600_000)
    await clock.sleep(60)
    clock._offset_ms += 3_500_000  # the clock is put forward, and nobody says so
    await clock.sleep(TRUST_MS / 1000)
    await clock.sleep(TRUST_MS / 1000 + 1)
    assert [prompt for prompt, *_ in rings] == ["a"]


async def test_a_clock_put_back_delays_a_timer_rather_than_making_it_early() -> None:
    clock, timers, rings = timers_and_rings()
    due = clock.now() + 20_000
    timers.arm("a", due)
    await clock.sleep(5)
    clock._offset_ms -= 60_000
    await clock.sleep(60)
    assert rings == []
    await clock.sleep(30)
    assert [lead for _, lead, _ in rings] == [LEAD_MS]


async def test_after_a_step_of_the_clock_every_timer_looks_again() -> None:
    clock, timers, rings = timers_and_rings()
    start = clock.now()
    timers.arm("soon", start + 25_000)
    timers.arm("later", start + 100_000)
    clock._offset_ms += 50_000
    timers.look_again()
    await clock.sleep(0.001)
    assert [prompt for prompt, *_ in rings] == ["soon"]
    assert len(timers) == 1
