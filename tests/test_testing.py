"""What `scheduled_prompts.testing` promises to those who write tests with it."""

from __future__ import annotations

import asyncio
import re
import textwrap
import time

import pytest

import scheduled_prompts
from scheduled_prompts import Daemon, Scheduler, Store, testing
from scheduled_prompts.clock import Clock
from scheduled_prompts.fire import Fire, FireStatus, Result
from scheduled_prompts.testing import RecordingRunner, VirtualClock, VirtualTimeLoop, run_virtual
from tests.conftest import Lab


def a_fire(number: int = 1) -> Fire:
    return Fire(
        id=f"01KDVDNA000016QAMMAQHYE1M2@{number}",
        prompt_id="01KDVDNA000016QAMMAQHYE1M2",
        version=1,
        status=FireStatus.RUNNING,
        nominal=number,
        due=number,
        runner="log",
        platform="default",
    )


def test_the_example_of_the_module_works_as_it_is_written() -> None:
    assert testing.__doc__ is not None
    [code] = re.findall(r"\n    async def main.*run_virtual\(main\(\)\)\n", testing.__doc__, re.DOTALL)
    names = {name: getattr(testing, name) for name in ("VirtualClock", "RecordingRunner", "run_virtual", "LONG_SPANS")}
    exec(textwrap.dedent(code), names | {name: getattr(scheduled_prompts, name) for name in scheduled_prompts.__all__})


def test_a_day_takes_no_time() -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        began = loop.time()
        await asyncio.sleep(86_400)
        return loop.time() - began

    began = time.monotonic()
    assert run_virtual(main()) == 86_400
    assert time.monotonic() - began < 5


def test_what_is_to_happen_happens_in_its_order() -> None:
    async def main() -> list[int]:
        seen: list[int] = []

        async def after(seconds: int) -> None:
            await asyncio.sleep(seconds)
            seen.append(seconds)

        async with asyncio.TaskGroup() as group:
            for seconds in (30, 10, 20, 3_600):
                group.create_task(after(seconds))
        return seen

    assert run_virtual(main()) == [10, 20, 30, 3_600]


def test_timeouts_are_virtual_too() -> None:
    async def main() -> None:
        async with asyncio.timeout(3_600):
            await asyncio.sleep(7_200)

    with pytest.raises(TimeoutError):
        run_virtual(main())


def test_time_stands_still_while_a_thread_works() -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        ticking = asyncio.create_task(asyncio.sleep(1_000))
        began = loop.time()
        await asyncio.to_thread(time.sleep, 0.05)
        ticking.cancel()
        return loop.time() - began

    assert run_virtual(main()) < 1


def test_time_stands_still_while_a_function_of_a_runner_works_in_its_thread() -> None:
    def work(fire: Fire) -> str:
        time.sleep(0.05)
        return "done"

    async def main() -> tuple[str, int | None]:
        clock = VirtualClock()
        async with Store("memory:sync", clock=clock) as store, Daemon(store, runners={"log": work}):
            scheduler = Scheduler(store, timezone="UTC")
            prompt = (await scheduler.schedule("hello", "in 1s", timeout=2, retries=0)).prompt.id
            await clock.sleep(5)
            [fire] = (await scheduler.history(prompt)).items
            assert fire.ended_at is not None
            return fire.status, fire.ended_at - fire.due

    assert run_virtual(main()) == ("succeeded", 0)


async def test_time_stands_still_while_a_command_is_on_its_way(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        ticking = asyncio.create_task(asyncio.sleep(1_000))
        began = store.clock.now()
        for _ in range(20):
            await store.platforms()
        assert store.clock.now() == began
        ticking.cancel()


def test_a_virtual_clock_starts_where_it_is_told_and_follows_the_loop() -> None:
    async def main() -> list[int]:
        clock = VirtualClock("2030-06-01T12:00:00+02:00")
        begun = clock.now()
        await clock.sleep(1.5)
        return [begun, clock.now() - begun]

    assert run_virtual(main()) == [1_906_538_400_000, 1_500]


def test_two_clocks_on_one_loop_go_together() -> None:
    async def main() -> bool:
        first, second = VirtualClock(), VirtualClock(seed=1)
        await first.sleep(100)
        return first.now() == second.now() and first.virtual

    assert run_virtual(main())


def test_a_virtual_clock_on_an_ordinary_loop_is_refused() -> None:
    async def main() -> None:
        with pytest.raises(RuntimeError, match="run your coroutine with run_virtual"):
            VirtualClock()

    asyncio.run(main())


def test_the_same_seed_gives_the_same_run() -> None:
    async def main(seed: int, name: str) -> list[str]:
        async with Store(f"memory:{name}", clock=VirtualClock(seed=seed)) as store:
            scheduler = Scheduler(store, timezone="UTC")
            return [(await scheduler.schedule("x", "in 1h")).prompt.id for _ in range(3)]

    first, again, other = (run_virtual(main(seed, name)) for seed, name in [(1, "a"), (1, "b"), (2, "c")])
    assert first == again
    assert first != other


def test_a_callback_at_an_instant_comes_then_and_not_before() -> None:
    async def main() -> list[int]:
        clock = VirtualClock()
        start = clock.now()
        seen: list[int] = []
        for delay in (7, 1_003, 59_999):
            clock.call_at(start + delay, lambda: seen.append(clock.now() - start))
        clock.call_at(start + 500, lambda: seen.append(-1)).cancel()
        await clock.sleep(120)
        return seen

    assert run_virtual(main()) == [7, 1_003, 59_999]


def test_a_namespace_made_for_virtual_time_is_refused_in_real_time() -> None:
    async def virtual() -> None:
        async with Store("memory:two times", clock=VirtualClock()):
            pass

    async def real() -> None:
        with pytest.raises(scheduled_prompts.StoreUnusable, match="was made for virtual time"):
            await Store("memory:two times").open()

    run_virtual(virtual())
    asyncio.run(real())


def test_the_recording_runner_remembers_and_answers() -> None:
    async def main() -> None:
        for answer, expected in [
            (None, None),
            ("text", "text"),
            (Result(silent=True), Result(silent=True)),
            (lambda fire: fire.id, a_fire().id),
        ]:
            runner = RecordingRunner(answer)
            assert await runner.run(a_fire()) == expected
            assert runner.fires == [a_fire()]

        async def slowly(fire: Fire) -> str:
            await asyncio.sleep(10)
            return "late"

        assert await RecordingRunner(slowly).run(a_fire()) == "late"
        failing = RecordingRunner(ValueError("no"))
        with pytest.raises(ValueError, match="no"):
            await failing.run(a_fire())
        assert len(failing.fires) == 1

    run_virtual(main())


async def test_the_loop_of_these_tests_is_virtual() -> None:
    assert isinstance(asyncio.get_running_loop(), VirtualTimeLoop)


@pytest.mark.real_time
async def test_the_real_clock_follows_the_server_and_keeps_the_best_of_several_measurements() -> None:
    clock = Clock()
    asked = 0

    async def server_time() -> float:
        nonlocal asked
        asked += 1
        if asked != 3:
            await asyncio.sleep(0.01)  # a slow road, and a wrong answer
            return 0.0
        return time.time() * 1000 + 5_000

    drift = await clock.measure(server_time)
    assert asked == 5
    assert 4_990 < drift < 5_010
    assert abs(clock.now() - time.time() * 1000 - 5_000) < 20
    assert not clock.stepped()


@pytest.mark.real_time
async def test_a_step_of_the_local_clock_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    now = time.time
    monkeypatch.setattr("scheduled_prompts.clock.time.time", lambda: now() + 0.02)
    assert not clock.stepped()
    monkeypatch.setattr("scheduled_prompts.clock.time.time", lambda: now() - 60)
    assert clock.stepped()


@pytest.mark.real_time
async def test_a_real_callback_never_comes_before_its_instant() -> None:
    clock = Clock()
    early: list[int] = []
    for delay in range(1, 30):
        due = clock.now() + delay
        clock.call_at(due, lambda due=due: early.append(due) if clock.now() < due else None)  # type: ignore[misc]
    await asyncio.sleep(0.05)
    assert early == []
