"""When a failed attempt is made again."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from scheduled_prompts.engine.retries import is_worth_another_try, retry_delay
from scheduled_prompts.fire import Fire, FireStatus
from scheduled_prompts.policies import DEFAULT_RETRY_DELAYS
from scheduled_prompts.prompt import Definition
from scheduled_prompts.runners.contract import Permanent, Retry
from scheduled_prompts.schedule import Once
from scheduled_prompts.testing import RecordingRunner
from tests.conftest import Lab
from tests.engine.scenes import Worker, scene


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


@pytest.mark.parametrize(
    ("factor", "delays"), [(1, [10, 20, 20, 20, 20]), (2, [10, 20, 40, 80, 160]), (1.5, [10, 20, 30, 45, 67.5])]
)
def test_behind_the_last_of_the_delays_each_grows_by_the_factor(factor: float, delays: list[float]) -> None:
    own = definition(retries=9, retry_delays=[10, 20], retry_factor=factor, retry_jitter=0)
    assert [retry_delay(own, fire(failures)) for failures in range(5)] == delays


def test_no_delay_grows_beyond_thirty_days() -> None:
    own = definition(retries=100, retry_delays=[1], retry_factor=100, retry_jitter=0)
    assert retry_delay(own, fire(99)) == 30 * 86_400
    assert retry_delay(definition(retries=9, retry_delays=[0], retry_factor=2), fire(8)) == 0


@pytest.mark.parametrize(("jitter", "least", "most"), [(0, 100, 100), (0.1, 90, 110), (1, 0, 200)])
def test_a_prompt_says_how_far_its_delays_are_spread(jitter: float, least: float, most: float) -> None:
    own = definition(retry_delays=[100], retry_jitter=jitter)
    drawn = [retry_delay(own, fire(0, f"{number:026}@1")) or 0 for number in range(500)]
    assert least <= min(drawn) <= least + 1
    assert most - 1 <= max(drawn) <= most


class Flaky(ConnectionError):
    """An error of somebody's own."""


def from_(cause: Exception) -> Retry:
    error = Retry("again")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("words", "error", "again"),
    [
        (("error", "timeout"), Flaky(), True),
        (("error", "timeout"), None, True),
        (("error",), None, False),
        (("timeout",), None, True),
        (("timeout",), Flaky(), False),
        (("timeout",), TimeoutError(), False),  # what it waited for took too long, not the attempt
        (("TimeoutError",), TimeoutError(), True),
        (("Flaky",), Flaky(), True),
        (("ConnectionError",), Flaky(), True),
        (("OSError",), Flaky(), True),
        (("Flaky",), ConnectionError(), False),
        (("ValueError", "ConnectionError"), Flaky(), True),
        (("Retry",), Retry("again"), True),
        (("ConnectionError",), Retry("again"), False),
        (("ConnectionError",), from_(Flaky()), True),
    ],
)
def test_a_prompt_says_what_is_tried_again(words: tuple[str, ...], error: Exception | None, again: bool) -> None:
    assert is_worth_another_try(definition(retry_on=words), error) is again


@pytest.mark.parametrize(
    ("raised", "words", "attempts", "end"),
    [
        (ValueError("no"), ("ConnectionError",), 1, ("failed", "not_retried")),
        (ValueError("no"), ("ValueError",), 3, ("failed", None)),
        (Flaky("no"), ("ConnectionError",), 3, ("failed", None)),
        (Retry("later"), ("ConnectionError",), 1, ("failed", "not_retried")),
        (Retry("later", after=1), ("ConnectionError",), 3, ("failed", None)),
        (Permanent("never"), ("error", "Permanent"), 1, ("failed", "permanent")),
        (None, ("error",), 1, ("timed_out", "not_retried")),
        (None, ("timeout",), 3, ("timed_out", None)),
    ],
)
async def test_what_is_not_to_be_tried_again_ends_at_once(
    lab: Lab, raised: Exception | None, words: tuple[str, ...], attempts: int, end: tuple[str, str | None]
) -> None:
    async with lab:
        runner = Worker() if raised is None else RecordingRunner(raised)
        at = await scene(lab, runner)
        prompt = await at.add("in 1s", retries=2, retry_delays=[1], retry_on=words, timeout=1)
        await at.sleep(12)
        ended = await at.fire(prompt)
        assert ((ended.status, ended.reason), ended.attempt) == (end, attempts)


async def test_who_has_no_retries_is_not_told_of_them(lab: Lab) -> None:
    async with lab:
        at = await scene(lab, RecordingRunner(ValueError("no")))
        prompt = await at.add("in 1s", retries=0, retry_on=("timeout",))
        await at.sleep(3)
        assert (await at.fire(prompt)).reason is None


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
        assert [f.status for f in await at.fires(prompt)] == ["succeeded", "succeeded", "failed"]
