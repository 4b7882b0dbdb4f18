"""What a runner does, and what is written of it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from scheduled_prompts.fire import MAX_RESULT_BYTES, Fire, Result
from scheduled_prompts.runners.contract import Permanent, Retry
from scheduled_prompts.testing import RecordingRunner
from tests.conftest import Lab
from tests.engine.scenes import Worker, scene


async def test_a_text_is_kept_as_the_result(lab: Lab) -> None:
    async with lab:
        at = await scene(lab, RecordingRunner("forty-two"))
        fire_id = await at.add("in 1s")
        await at.sleep(2)
        fire = await at.fire(fire_id)
        assert (fire.status, fire.reason, fire.error) == ("succeeded", None, None)
        assert fire.result == Result(text="forty-two")


async def test_a_runner_that_says_nothing_succeeds_without_a_result(lab: Lab) -> None:
    async with lab:
        at = await scene(lab, RecordingRunner(None))
        prompt = await at.add("in 1s")
        await at.sleep(2)
        fire = await at.fire(prompt)
        assert (fire.status, fire.result) == ("succeeded", None)


async def test_silent_and_yielded_are_marks_on_a_success(lab: Lab) -> None:
    async with lab:
        at = await scene(lab, RecordingRunner(Result(silent=True, yielded=True)))
        prompt = await at.add("in 1s")
        await at.sleep(2)
        fire = await at.fire(prompt)
        assert fire.status == "succeeded"
        assert fire.result == Result(silent=True, yielded=True)


async def test_a_result_is_cut_to_64_kib_and_says_so(lab: Lab) -> None:
    async with lab:
        at = await scene(lab, RecordingRunner("ä" * MAX_RESULT_BYTES))
        prompt = await at.add("in 1s")
        await at.sleep(2)
        result = (await at.fire(prompt)).result
        assert result is not None
        assert result.text is not None
        assert result.truncated
        assert MAX_RESULT_BYTES - 4 < len(result.text.encode()) <= MAX_RESULT_BYTES
        assert result.text.endswith("cut]")


async def test_an_answer_of_another_type_fails_at_once_and_names_the_type(lab: Lab) -> None:
    async with lab:
        at = await scene(lab, RecordingRunner(lambda _: 42))
        prompt = await at.add("in 1s")
        await at.sleep(2)
        fire = await at.fire(prompt)
        assert (fire.status, fire.reason, fire.attempt) == ("failed", "permanent", 1)
        assert fire.error == "the runner answered with a int; a Result, a text or None is expected"


async def test_an_exception_is_a_failure_that_is_tried_again(lab: Lab) -> None:
    async with lab:
        at = await scene(lab, RecordingRunner(ValueError("no such city")))
        prompt = await at.add("in 1s")
        await at.sleep(2)
        fire = await at.fire(prompt)
        assert (fire.status, fire.reason, fire.failures) == ("retrying", "failed", 1)
        assert fire.error == "ValueError: no such city"


async def test_permanent_fails_at_once(lab: Lab) -> None:
    async with lab:
        at = await scene(lab, RecordingRunner(Permanent("the account is closed")))
        prompt = await at.add("in 1s")
        await at.sleep(2)
        fire = await at.fire(prompt)
        assert (fire.status, fire.reason, fire.error) == ("failed", "permanent", "the account is closed")
        assert (await at.scheduler.get(prompt)).failures == 1


async def test_retry_after_is_taken_as_it_is(lab: Lab) -> None:
    async with lab:
        at = await scene(lab, RecordingRunner(Retry("busy", after=7)))
        prompt = await at.add("in 1s")
        await at.sleep(2)
        fire = await at.fire(prompt)
        assert fire.status == "retrying"
        assert fire.retry_at is not None
        assert fire.ended_at is None
        assert fire.retry_at - fire.due == 7_000
        await at.sleep(7)
        assert [f.attempt for f in at.runner.fires] == [1, 2]


async def test_retry_counts_as_a_failure_within_the_retries(lab: Lab) -> None:
    async with lab:
        at = await scene(lab, RecordingRunner(Retry("busy", after=1)))
        prompt = await at.add("in 1s", retries=2)
        await at.sleep(10)
        fire = await at.fire(prompt)
        assert (fire.status, fire.attempt, fire.failures, fire.error) == ("failed", 3, 3, "busy")


async def test_an_attempt_that_takes_too_long_times_out_and_is_tried_again(lab: Lab) -> None:
    async with lab:
        at = await scene(lab, Worker())
        prompt = await at.add("in 1s", timeout=3, retries=1, retry_delays=[1])
        await at.sleep(5)
        assert (await at.fire(prompt)).reason == "timed_out"
        await at.sleep(5)
        fire = await at.fire(prompt)
        assert (fire.status, fire.attempt, fire.error) == ("timed_out", 2, "did not end within 3 s")
        assert at.runner.cancelled == [fire.id, fire.id]


async def test_a_timeout_error_of_the_runners_own_is_an_ordinary_failure(lab: Lab) -> None:
    async with lab:
        at = await scene(lab, RecordingRunner(TimeoutError("the model did not answer")))
        prompt = await at.add("in 1s", retries=0)
        await at.sleep(2)
        fire = await at.fire(prompt)
        assert (fire.status, fire.error) == ("failed", "TimeoutError: the model did not answer")


async def test_at_most_once_a_timed_out_attempt_is_not_run_again(lab: Lab) -> None:
    async with lab:
        at = await scene(lab, Worker())
        prompt = await at.add("in 1s", timeout=2, on_crash="interrupt", retry_delays=[1])
        await at.sleep(10)
        assert at.runner.attempts == [1]
        assert (await at.fire(prompt)).status == "timed_out"


async def test_a_runner_that_turns_its_timeout_into_an_error_has_timed_out_all_the_same(lab: Lab) -> None:
    async def work(fire: Fire) -> None:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            raise RuntimeError("the connection broke") from None

    async with lab:
        at = await scene(lab, RecordingRunner(work))
        prompt = await at.add("in 1s", timeout=2, on_crash="interrupt", retry_delays=[1])
        await at.sleep(10)
        assert len(at.runner.fires) == 1
        assert (await at.fire(prompt)).status == "timed_out"


async def test_a_runner_that_ends_its_work_although_its_time_is_over_has_succeeded(lab: Lab) -> None:
    async with lab:
        at = await scene(lab, Worker(5, swallow=1))
        prompt = await at.add("in 1s", timeout=2)
        await at.sleep(10)
        assert (await at.fire(prompt)).status == "succeeded"


async def test_a_synchronous_function_is_a_runner(lab: Lab) -> None:
    async with lab:
        at = await scene(lab, {"log": lambda fire: fire.text.upper()})
        prompt = await at.add("in 1s", "hello")
        await at.sleep(5)
        assert (await at.fire(prompt)).result == Result(text="HELLO")


class _Unspeakable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


class _HalfMade(Retry):
    def __init__(self) -> None: ...


@pytest.mark.parametrize(
    "error",
    [
        _Unspeakable(),
        _HalfMade(),
        Retry("later", after=float("inf")),
        Retry("later", after=1e300),
        ValueError("\udcff is no text"),
        ValueError("x" * 1_000_000),
        StopAsyncIteration(),
        ExceptionGroup("several", [ValueError("one"), KeyError("two")]),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_no_exception_of_a_runner_harms_the_daemon(lab: Lab, error: Exception) -> None:
    async with lab:
        at = await scene(lab, {"log": RecordingRunner(error), "good": RecordingRunner("fine")})
        bad, good = await at.add("in 1s"), await at.add("in 2s", runner="good")
        await at.sleep(5)
        assert (await at.fire(good)).status == "succeeded"
        fire = await at.fire(bad)
        assert fire.status in ("retrying", "failed")
        assert fire.error
        assert len(fire.error) <= 4_000


class _Leaving:
    def __init__(self, error: BaseException) -> None:
        self.error = error
        self.calls = 0

    async def run(self, fire: Fire) -> None:
        self.calls += 1
        raise self.error


@pytest.mark.parametrize("error", [SystemExit(3), asyncio.CancelledError(), GeneratorExit()], ids=repr)
async def test_a_runner_can_end_its_own_fire_only(lab: Lab, error: BaseException) -> None:
    """`sys.exit`, or a cancellation that nobody asked for, is a failure like any other: it neither stops the daemon
    nor starts again at once."""
    async with lab:
        leaving = _Leaving(error)
        at = await scene(lab, {"log": leaving, "good": RecordingRunner("fine")})
        bad, good = await at.add("in 1s"), await at.add("in 2s", runner="good")
        await at.sleep(4)
        assert (await at.fire(good)).status == "succeeded"
        assert leaving.calls == 1
        fire = await at.fire(bad)
        assert (fire.status, fire.failures) == ("retrying", 1)


async def test_a_runner_may_use_timeouts_and_groups_of_its_own(lab: Lab) -> None:
    async def work(fire: Fire) -> Any:
        async def too_long() -> None:
            async with asyncio.timeout(1):
                await asyncio.sleep(10)

        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(too_long())
                group.create_task(asyncio.sleep(100))
        except ExceptionGroup as errors:
            return f"its own {type(errors.exceptions[0]).__name__}"

    async with lab:
        at = await scene(lab, RecordingRunner(work))
        prompt = await at.add("in 1s", timeout=5)
        await at.sleep(4)
        assert (await at.fire(prompt)).result == Result(text="its own TimeoutError")
