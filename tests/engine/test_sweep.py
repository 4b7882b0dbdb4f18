"""The sweep makes certain what timers make punctual; hydration is the first one."""

from __future__ import annotations

import pytest

from scheduled_prompts.engine.rules import apply_new_rules
from scheduled_prompts.schedule import Once
from scheduled_prompts.scheduler.exporting import entry_of
from scheduled_prompts.store import Store
from scheduled_prompts.testing import RecordingRunner
from tests.conftest import Lab
from tests.engine.faults import counted, unsteady_store
from tests.engine.scenes import CALM, Scene, Worker, scene


def deafen(at: Scene) -> None:
    """Messages of new prompts do not arrive any more."""
    at.daemon._hear = lambda _: None  # type: ignore[method-assign]


async def test_a_prompt_that_nobody_was_told_of_is_found_by_the_sweep_and_starts_on_time(lab: Lab) -> None:
    async with lab:
        at = await scene(lab, sweep_period=10)
        await at.sleep(1)
        deafen(at)
        prompt = await at.add("in 15s")
        await at.sleep(20)
        assert (await at.fire(prompt)).lateness_ms == 0


async def test_a_prompt_that_nobody_was_told_of_and_is_due_before_the_sweep_is_a_quarter_of_a_second_late(
    lab: Lab,
) -> None:
    async with lab:
        at = await scene(lab, sweep_period=60, watch_period=0.25)
        await at.sleep(1)
        deafen(at)
        prompt = await at.add("in 3s")
        await at.sleep(5)
        assert 250 <= ((await at.fire(prompt)).lateness_ms or 0) <= 510


async def test_a_restart_arms_what_is_due_soon(lab: Lab) -> None:
    async with lab:
        at = await scene(lab)
        await at.daemon.__aexit__()
        soon, late = await at.add("in 90s"), await at.add("in 3h")
        again = await lab.daemon(at.store, at.runner, **CALM)
        assert len(again.timers) == 1
        await at.sleep(100)
        assert (await at.fire(soon)).lateness_ms == 0
        assert await at.fires(late) == []


async def test_what_lies_beyond_the_horizon_is_armed_by_a_later_sweep(lab: Lab) -> None:
    async with lab:
        at = await scene(lab, sweep_period=10, watch_period=5)
        await at.add("in 45s")
        await at.sleep(5)
        assert len(at.daemon.timers) == 0
        await at.sleep(30)
        assert len(at.daemon.timers) == 1
        await at.sleep(15)
        assert at.runner.fires[0].lateness_ms is None or at.runner.fires[0].lateness_ms == 0
        assert at.runner.fires[0].started_at == at.runner.fires[0].due


async def test_hydration_reads_what_is_due_soon_not_what_exists(lab: Lab) -> None:
    async with lab:
        store, client = await unsteady_store(lab)
        scheduler = await lab.scheduler(store)

        async def cost_of_a_start() -> int:
            async with counted(client) as spent:
                daemon = await lab.daemon(store, Worker(), **CALM)
            await daemon.__aexit__()
            return spent.total() - spent["extend"]

        few = await cost_of_a_start()
        for number in range(100):
            await scheduler.schedule("x", Once(at=store.clock.now() + 86_400_000 + number))
        assert await cost_of_a_start() <= few + 2  # the platform's page, and its first message
        for number in range(50):
            await scheduler.schedule("x", Once(at=store.clock.now() + 60_000 + number))
        assert await cost_of_a_start() <= few + 2  # a page of ids and times; no prompt is read before its time


async def test_a_sweep_sees_more_than_a_page(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scheduled_prompts.engine.sweep.PAGE", 10)
    async with lab:
        at = await scene(lab)
        await at.daemon.__aexit__()
        for number in range(35):
            await at.add("in 1m", platform="chat" if number % 3 else "mail")
        again = await lab.daemon(at.store, at.runner, **CALM)
        assert len(again.timers) == 35


async def test_a_sweep_goes_past_what_cannot_be_claimed_here(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scheduled_prompts.engine.sweep.PAGE", 5)
    monkeypatch.setattr("scheduled_prompts.engine.claiming.BATCH", 5)
    async with lab:
        at = await scene(lab)
        await at.daemon.__aexit__()
        for _ in range(23):
            await at.add("in 1s", runner="anothers")
        mine = await at.add("in 2s")
        await at.sleep(5)
        await lab.daemon(at.store, at.runner, **CALM)
        await at.sleep(2)
        assert at.runner.texts == ["hello"]
        assert (await at.fire(mine)).status == "succeeded"


async def test_while_the_ready_queue_is_deep_what_is_due_stays_in_the_due_index(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with lab:
        at = await scene(lab, Worker(3), slots=1)
        room = at.daemon.worker.room
        # As if a daemon with one slot were content with three fires in the queue, rather than with a thousand.
        monkeypatch.setattr(at.daemon.claimer, "_room", lambda: room() - 997)
        prompts = [await at.add("in 1s") for _ in range(12)]
        await at.sleep(2)

        def ready() -> int:
            return sum(len(v) for name, v in lab.keys().items() if name.startswith("ready:"))

        def due() -> int:
            return len(lab.keys().get("due:default", []))

        assert 1 <= ready() <= 4
        assert due() >= 7
        last = prompts[-1]
        if lab.inspector.zscore(f"{lab.prefix}due:default", last) is not None:
            assert (await at.scheduler.cancel(last)).ended == 0  # nothing was frozen
            prompts.remove(last)
        await at.sleep(40)
        assert sorted(fire.prompt_id for fire in at.runner.begun) == sorted(prompts)
        assert due() == 0


async def test_a_clock_that_steps_is_measured_again_and_what_became_due_fires(lab: Lab) -> None:
    async with lab:
        at = await scene(lab, watch_period=1)
        prompt = await at.add("in 10m")
        clock = at.store.clock
        measured = 0
        stepped = False

        async def measure_clock() -> None:
            nonlocal measured, stepped
            measured += 1
            if stepped:
                clock._offset_ms += 600_000
                stepped = False

        at.store.measure_clock = measure_clock  # type: ignore[method-assign]
        clock.stepped = lambda: stepped  # type: ignore[method-assign]
        await at.sleep(5)
        assert measured == 0
        stepped = True
        await at.sleep(2)
        assert measured >= 1
        assert (await at.fire(prompt)).status == "succeeded"


async def _as_if_computed_with_other_rules(lab: Lab, store: Store) -> None:
    lab.inspector.hset(f"{lab.prefix}meta", "rules", "2020a 1.0")


async def test_new_zone_rules_move_what_is_next_once(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        scheduler = await lab.scheduler(store)
        daily = (await scheduler.schedule("x", "every day at 9am", timezone="Europe/Berlin")).prompt
        wall = (await scheduler.schedule("x", "at 2026-07-01 09:00", timezone="Europe/Berlin")).prompt
        every = (await scheduler.schedule("x", "every 2h")).prompt
        # What an older tzdata computed: an hour off.
        for prompt in (daily, wall):
            assert prompt.next_nominal is not None
            wrong = prompt.next_nominal + 3_600_000
            lab.inspector.hset(f"{lab.prefix}prompt:{prompt.id}", mapping={"next_nominal": wrong, "next_at": wrong})
            lab.inspector.zadd(f"{lab.prefix}due:default", {prompt.id: wrong})
        await _as_if_computed_with_other_rules(lab, store)
        assert await apply_new_rules(store) == 2
        assert [(await scheduler.get(p.id)).next_at for p in (daily, wall, every)] == [
            daily.next_at,
            wall.next_at,
            every.next_at,
        ]
        assert (await scheduler.get(daily.id)).version == daily.version
        assert await apply_new_rules(store) == 0


async def test_the_same_rules_cost_one_read(lab: Lab) -> None:
    async with lab:
        store, client = await unsteady_store(lab)
        scheduler = await lab.scheduler(store)
        for _ in range(5):
            await scheduler.schedule("x", "every day at 9am")
        async with counted(client) as spent:
            assert await apply_new_rules(store) == 0
        assert spent.total() == 1


async def test_new_rules_never_bring_back_what_was_claimed(lab: Lab) -> None:
    async with lab:
        at = await scene(lab)
        prompt = await at.add("every 10s")
        await at.sleep(12)
        stored = await at.scheduler.get(prompt)
        await _as_if_computed_with_other_rules(lab, at.store)
        assert await apply_new_rules(at.store) == 0
        assert (await at.scheduler.get(prompt)).next_nominal == stored.next_nominal
        assert len(at.runner.fires) == 1


async def test_new_rules_never_bring_back_what_a_pause_an_edit_or_an_import_put_behind(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        scheduler = await lab.scheduler(store)
        paused, edited, moved = [(await scheduler.schedule("x", "every day at 9am")).prompt.id for _ in range(3)]
        entry = entry_of(await scheduler.get(moved))
        await scheduler.pause(paused)
        await store.clock.sleep(5 * 86_400)
        lab.inspector.delete(f"{lab.prefix}prompt:{moved}")
        await scheduler.import_prompts({"schema": 1, "prompts": [entry]})
        await scheduler.resume(paused)
        await scheduler.edit(edited, force=True, when="every day at 8am")
        before = [(await scheduler.get(prompt)).next_at for prompt in (paused, edited, moved)]
        assert all(due is not None and due > store.clock.now() for due in before)
        await _as_if_computed_with_other_rules(lab, store)
        assert await apply_new_rules(store) == 0
        assert [(await scheduler.get(prompt)).next_at for prompt in (paused, edited, moved)] == before


async def test_new_rules_leave_what_is_overdue_to_be_fired(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        scheduler = await lab.scheduler(store)
        prompt = (await scheduler.schedule("x", "every day at 9am")).prompt
        await store.clock.sleep(2 * 86_400)
        await scheduler.skip(prompt.id, store.clock.now() // 86_400_000 * 86_400_000 + 5 * 86_400_000 + 9 * 3_600_000)
        await _as_if_computed_with_other_rules(lab, store)
        assert await apply_new_rules(store) == 0
        assert (await scheduler.get(prompt.id)).next_nominal == prompt.next_nominal


async def test_new_rules_skip_what_cannot_be_read(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        scheduler = await lab.scheduler(store)
        bad = (await scheduler.schedule("x", "every day at 9am")).prompt.id
        good = (await scheduler.schedule("x", "every day at 9am")).prompt
        assert good.next_nominal is not None
        wrong = good.next_nominal + 60_000
        lab.inspector.hset(f"{lab.prefix}prompt:{bad}", "doc", "{")
        lab.inspector.hset(f"{lab.prefix}prompt:{good.id}", mapping={"next_nominal": wrong, "next_at": wrong})
        lab.inspector.zadd(f"{lab.prefix}due:default", {good.id: wrong})
        await _as_if_computed_with_other_rules(lab, store)
        assert await apply_new_rules(store) == 1
        assert (await scheduler.get(good.id)).next_nominal == good.next_nominal


async def test_a_daemon_applies_new_rules_when_it_starts_and_arms_by_them(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        scheduler = await lab.scheduler(store)
        prompt = (await scheduler.schedule("x", "* * * * *")).prompt
        assert prompt.next_nominal is not None
        wrong = prompt.next_nominal + 3_600_000
        lab.inspector.hset(f"{lab.prefix}prompt:{prompt.id}", mapping={"next_nominal": wrong, "next_at": wrong})
        lab.inspector.zadd(f"{lab.prefix}due:default", {prompt.id: wrong})
        await _as_if_computed_with_other_rules(lab, store)
        runner = RecordingRunner()
        await lab.daemon(store, runner, **CALM)
        await store.clock.sleep(65)
        assert [fire.nominal for fire in runner.fires] == [prompt.next_nominal]
