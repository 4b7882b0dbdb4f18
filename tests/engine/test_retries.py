"""When a failed attempt is made again."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from scheduled_prompts.engine.retries import retry_delay
from scheduled_prompts.fire import Fire, FireStatus
from scheduled_prompts.policies import DEFAULT_RETRY_DELAYS
from scheduled_prompts.prompt import Definition
from scheduled_prompts.schedule import Once
from scheduled_prompts.testing import RecordingRunner
from tests.conftest import Lab
from tests.engine.scenes import scene


def definition(**fields: Any) -> Definition:
    return Definition(text="x", schedule=Once(at=1), **fields)


def fire(failures: int, fire_id: str = "01KDVDNA000016QAMMAQHYE1M2@1") -> Fire:
    return Fire(
        id=fire_id,
        prompt_id=fire_id[:26],
        version=1,
        status=FireStatus.RUNNING,
        nominal=1,
        due=1,
        runner="log",
        platform="default",
        failures=failures,
    )


def test_the_delays_are_2_min_10_min_30_min_and_2_h() -> None:
    assert DEFAULT_RETRY_DELAYS == (120, 600, 1_800, 7_200)


@pytest.mark.parametrize(("failures", "delay"), list(enumerate(DEFAULT_RETRY_DELAYS)))
def test_a_delay_is_spread_by_a_quarter_to_either_side_and_no_further(failures: int, delay: float) -> None:
    drawn = [retry_delay(definition(), fire(failures, f"{number:026}@1")) or 0 for number in range(2_000)]
    assert delay * 0.75 <= min(drawn) < delay * 0.76
    assert delay * 1.24 < max(drawn) <= delay * 1.25
    assert sum(drawn) / len(drawn) == pytest.approx(delay, rel=0.02)


def test_a_delay_is_the_same_whoever_computes_it_and_another_after_each_failure() -> None:
    same = definition(retry_delays=[100])
    delays = [retry_delay(same, fire(failures)) for failures in range(4)]
    assert delays == [retry_delay(same, fire(failures)) for failures in range(4)]
    assert len(set(delays)) == 4


def test_after_four_retries_it_is_over() -> None:
    assert retry_delay(definition(), fire(3)) is not None
    assert retry_delay(definition(), fire(4)) is None
    assert retry_delay(definition(), fire(4), asked=1) is None


def test_a_prompt_can_have_its_own_retries() -> None:
    assert retry_delay(definition(retries=0), fire(0)) is None
    own = definition(retries=10, retry_delays=[10, 20])
    assert 15 <= (retry_delay(own, fire(9)) or 0) <= 25  # the last one serves for all that follow


def test_what_a_runner_asks_for_is_not_spread_and_has_a_limit() -> None:
    assert retry_delay(definition(), fire(0), asked=0) == 0
    assert retry_delay(definition(), fire(0), asked=11.5) == 11.5
    assert retry_delay(definition(), fire(0), asked=float("inf")) == 30 * 86_400


async def test_a_prompt_that_always_fails_is_tried_five_times_within_three_hours_and_a_half(lab: Lab) -> None:
    async with lab:
        at = await scene(lab, RecordingRunner(ValueError("no")), watch_period=60, heartbeat_period=900)
        prompt = await at.add("in 1m")
        await at.sleep(3.6 * 3600)
        starts = [f.started_at for f in at.runner.fires if f.started_at is not None]
        assert [f.attempt for f in at.runner.fires] == [1, 2, 3, 4, 5]
        assert len({f.id for f in at.runner.fires}) == 1
        waits = [(b - a) / 1000 for a, b in itertools.pairwise(starts)]
        for waited, delay in zip(waits, DEFAULT_RETRY_DELAYS, strict=True):
            assert delay * 0.75 <= waited <= delay * 1.25 + 61  # found by the look, once a minute here
        ended = await at.fire(prompt)
        assert (ended.status, ended.failures, ended.error) == ("failed", 5, "ValueError: no")
        assert (await at.scheduler.get(prompt)).failures == 1


async def test_a_retry_that_succeeds_ends_the_failures_in_a_row(lab: Lab) -> None:
    answers = iter([ValueError("once"), "fine"])

    def answer(_: Fire) -> str:
        given = next(answers)
        if isinstance(given, Exception):
            raise given
        return given

    async with lab:
        at = await scene(lab, RecordingRunner(answer))
        prompt = await at.add("in 1s", retry_delays=[2])
        await at.sleep(8)
        ended = await at.fire(prompt)
        assert (ended.status, ended.attempt, ended.failures) == ("succeeded", 2, 1)
        assert ended.retry_at is None
        assert ended.error is None
        assert (await at.scheduler.get(prompt)).failures == 0


async def test_a_recurring_prompt_goes_on_while_one_of_its_fires_waits_for_a_retry(lab: Lab) -> None:
    async with lab:
        at = await scene(lab, RecordingRunner(lambda f: 1 / 0 if f.nominal == first else "fine"))
        prompt = await at.add("every 2s")
        first = (await at.scheduler.get(prompt)).next_nominal
        await at.sleep(7)
        assert [f.status for f in await at.fires(prompt)] == ["succeeded", "succeeded", "retrying"]
