"""The seed names: the engine in a host's own loop, over the host's own client."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

import background_tasks
from scheduled_prompts import (
    Limits,
    Once,
    Scheduler,
    cleanup_expired_prompts,
    hosting,
    hydrate_scheduled_prompts,
    set_bot_runner,
    tick_scheduled_prompts,
)
from scheduled_prompts.runners.contract import Permanent, Retry
from scheduled_prompts.store.connection import connect
from tests.conftest import Lab
from tests.hosting_lab import Bot, Host, bare_client

pytestmark = pytest.mark.usefixtures("clean_host")

MINUTE = 60_000


@pytest.mark.real_time
async def test_a_cron_prompt_whose_boundary_passed_fires_once(lab: Lab, decoded: bool) -> None:
    redis = bare_client(lab, decoded=decoded)
    bot = Bot()
    set_bot_runner(bot)
    scheduler = await Scheduler(redis, timezone="UTC").open()
    prompt = (await scheduler.schedule("hello", "0 0 * * *", grace=86_400.0)).prompt
    assert prompt.next_nominal is not None
    passed = prompt.next_nominal - 24 * 60 * MINUTE
    lab.inspector.hset(f"{lab.prefix}prompt:{prompt.id}", mapping={"next_nominal": passed, "next_at": passed})
    lab.inspector.zadd(f"{lab.prefix}due:default", {prompt.id: passed})

    await tick_scheduled_prompts(redis)
    await tick_scheduled_prompts(redis)

    assert bot.texts == ["hello"]
    [fire] = (await scheduler.history(prompt.id)).items
    assert (fire.status, fire.nominal, fire.attempt) == ("succeeded", passed, 1)
    assert fire.result is not None
    assert fire.result.text == "done"
    assert (await scheduler.get(prompt.id)).next_nominal == prompt.next_nominal
    await redis.aclose()


@pytest.mark.real_time
async def test_a_one_time_prompt_ends_as_executed(lab: Lab, decoded: bool) -> None:
    redis = bare_client(lab, decoded=decoded)
    set_bot_runner(Bot())
    scheduler = await Scheduler(redis, timezone="UTC").open()
    prompt = (await scheduler.schedule("hello", Once(at=scheduler.clock.now() + 50))).prompt
    await asyncio.sleep(0.06)
    await tick_scheduled_prompts(redis)
    assert (await scheduler.get(prompt.id)).status == "executed"
    answer = json.loads(await cleanup_expired_prompts(redis))
    assert answer["success"] is True
    assert (await scheduler.get(prompt.id)).status == "executed"
    await redis.aclose()


async def test_the_bot_is_handed_the_fire_and_the_prompt_as_a_command_finds_them(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Host(lab, monkeypatch) as host:
        bot = Bot()
        set_bot_runner(bot)
        prompt = await host.add(
            "in 10s", "say hello", owner="ann", conversation="c7", labels={"mood": "merry"}, platform="telegram"
        )
        due = host.clock.now() + 10_000
        await host.clock.sleep(11)
        await tick_scheduled_prompts(host.redis)
        [payload] = bot.payloads
        assert payload["prompt_id"] == prompt
        assert payload["id"] == f"{prompt}@{due}"
        assert payload["due"] == "2026-01-01T00:00:10.000+00:00"
        assert (payload["attempt"], payload["platform"]) == (1, "telegram")
        assert payload["prompt"]["text"] == "say hello"
        assert payload["prompt"]["owner"] == "ann"
        assert payload["prompt"]["conversation"] == "c7"
        assert payload["prompt"]["labels"] == {"mood": "merry"}
        assert json.loads(json.dumps(payload)) == payload


async def test_a_bot_need_not_be_async(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    class Plain:
        def handle_webhook(self, payload: dict[str, Any]) -> str:
            return payload["prompt"]["text"].upper()

    async with Host(lab, monkeypatch) as host:
        set_bot_runner(Plain())
        prompt = await host.add("in 1s", "hello")
        await host.clock.sleep(2)
        await tick_scheduled_prompts(host.redis)
        [fire] = (await host.scheduler.history(prompt)).items
        assert fire.result is not None
        assert fire.result.text == "HELLO"


async def test_whatever_else_a_bot_answers_is_a_success(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Host(lab, monkeypatch) as host:
        set_bot_runner(Bot(answer=object()))
        prompt = await host.add("in 1s")
        await host.clock.sleep(2)
        await tick_scheduled_prompts(host.redis)
        assert await host.statuses(prompt) == ["succeeded"]


@pytest.mark.parametrize(
    ("error", "status"),
    [(ValueError("no"), "retrying"), (Retry("later", after=5), "retrying"), (Permanent("never"), "failed")],
    ids=["error", "retry", "permanent"],
)
async def test_an_exception_of_the_bot_is_a_failure(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, error: Exception, status: str
) -> None:
    async with Host(lab, monkeypatch) as host:
        set_bot_runner(Bot(answer=error))
        prompt = await host.add("in 1s", retry_delays=[1])
        await host.clock.sleep(2)
        await tick_scheduled_prompts(host.redis)
        assert await host.statuses(prompt) == [status]


async def test_a_retry_is_made_by_a_later_tick(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Host(lab, monkeypatch) as host:
        bot = Bot(answer=Retry("later", after=5))
        set_bot_runner(bot)
        prompt = await host.add("in 1s")
        await host.clock.sleep(2)
        await tick_scheduled_prompts(host.redis)
        bot.answer = "fine"
        await host.clock.sleep(6)
        await tick_scheduled_prompts(host.redis)
        assert [payload["attempt"] for payload in bot.payloads] == [1, 2]
        assert await host.statuses(prompt) == ["succeeded"]


async def test_a_host_keeps_to_the_limits_of_the_fleet(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Host(lab, monkeypatch) as host:
        bot = Bot()
        set_bot_runner(bot, limits=Limits(fires_per_owner=1))
        prompts = [await host.add("in 10s", owner="ann") for _ in range(2)]
        await host.clock.sleep(20)
        await tick_scheduled_prompts(host.redis)
        assert bot.texts == ["hello"]
        statuses = [status for prompt in prompts for status in await host.statuses(prompt)]
        assert sorted(statuses) == ["retrying", "succeeded"]


class Blocking:
    """A bot that blocks, and takes the tools of the agent whose fire it is."""

    def __init__(self) -> None:
        self.callers: list[Any] = []

    def handle_webhook(self, payload: dict[str, Any], *, tools: Any) -> str:
        self.callers.append(tools.caller)
        return str(tools.blocking.call("get_scheduled_prompt", id=payload["prompt_id"])["scheduled_prompt"]["prompt"])


async def test_a_bot_that_takes_tools_gets_those_of_the_agent_whose_fire_it_is(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Host(lab, monkeypatch) as host:
        bot = Blocking()
        set_bot_runner(bot)
        prompt = await host.add("in 10s", "say it", owner="ann", agent="planner")
        await host.clock.sleep(20)
        await tick_scheduled_prompts(host.redis)
        [fire] = (await host.scheduler.history(prompt)).items
        assert fire.result is not None
        assert fire.result.text == "say it"
        [caller] = bot.callers
        assert (caller.owner, caller.agent, caller.fire, caller.attempt) == ("ann", "planner", fire.id, 1)


@pytest.mark.parametrize("wrong", [object(), "bot", lambda payload: None])
def test_a_bot_runner_without_handle_webhook_is_refused(wrong: Any) -> None:
    with pytest.raises(TypeError, match="a bot runner has a method handle_webhook"):
        set_bot_runner(wrong)


async def test_overlapping_ticks_fire_once(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Host(lab, monkeypatch) as host:
        bot = Bot(takes=2)
        set_bot_runner(bot)
        for number in range(5):
            await host.add("in 1s", f"{number}")
        await host.clock.sleep(2)
        await asyncio.gather(*(tick_scheduled_prompts(host.redis) for _ in range(4)))
        assert sorted(bot.texts) == ["0", "1", "2", "3", "4"]
        assert len(hosting._engines) == 1


async def test_a_tick_returns_when_what_is_due_has_ended(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Host(lab, monkeypatch) as host:
        set_bot_runner(Bot(takes=5))
        prompt = await host.add("in 1s")
        await host.clock.sleep(2)
        began = host.clock.now()
        await tick_scheduled_prompts(host.redis)
        assert 5_000 <= host.clock.now() - began < 6_000
        assert await host.statuses(prompt) == ["succeeded"]


async def test_nothing_is_left_running_when_nothing_is_in_hand(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Host(lab, monkeypatch) as host:
        set_bot_runner(Bot())
        before = asyncio.all_tasks()
        await host.add("in 1s")
        await host.clock.sleep(2)
        await tick_scheduled_prompts(host.redis)
        assert asyncio.all_tasks() == before


async def test_what_is_near_starts_on_time_between_two_ticks(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Host(lab, monkeypatch) as host:
        set_bot_runner(Bot())
        once, every = await host.add("in 20s"), await host.add("every 7s")
        await tick_scheduled_prompts(host.redis)
        await host.clock.sleep(50)
        fires = (await host.scheduler.history(once)).items + (await host.scheduler.history(every)).items
        assert len(fires) == 8
        assert {fire.lateness_ms for fire in fires} == {0}


async def test_errors_of_the_store_are_logged_not_raised(lab: Lab) -> None:
    redis = Redis(host="127.0.0.1", port=1)
    set_bot_runner(Bot())
    with capture_logs() as logs:
        await tick_scheduled_prompts(redis)
        assert await hydrate_scheduled_prompts(redis, ["default"]) == 0
        answer = json.loads(await cleanup_expired_prompts(redis))
    assert {entry["event"] for entry in logs} == {"tick_failed", "hydration_failed"}
    assert list(answer) == ["error"]
    assert "does not answer" in answer["error"]


async def test_hydration_counts_what_it_arms(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Host(lab, monkeypatch) as host:
        bot = Bot()
        set_bot_runner(bot)
        for seconds in (30, 40, 50):
            await host.add(f"in {seconds}s")
        await host.add("in 3h", "not imminent")
        assert await hydrate_scheduled_prompts(host.redis, ["default"]) == 3
        assert await hydrate_scheduled_prompts(host.redis, ["default"]) == 3
        await host.clock.sleep(60)
        assert bot.texts == ["hello"] * 3


async def test_hydration_keeps_to_its_limit_and_takes_what_is_due_first(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Host(lab, monkeypatch) as host:
        bot = Bot()
        set_bot_runner(bot)
        for seconds in (50, 10, 30, 20, 40):
            await host.add(f"in {seconds}s", f"{seconds}")
        assert await hydrate_scheduled_prompts(host.redis, ["default"], 2) == 2
        await host.clock.sleep(60)
        assert bot.texts == ["10", "20"]
        assert await hydrate_scheduled_prompts(host.redis, ["default"], limit=0) == 0
        assert await hydrate_scheduled_prompts(host.redis, ["default"], limit=-1) == 0


async def test_hydration_arms_the_active_platforms_only(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Host(lab, monkeypatch) as host:
        bot = Bot()
        set_bot_runner(bot)
        for platform in ("telegram", "slack", "matrix"):
            await host.add("in 10s", platform, platform=platform)
        assert await hydrate_scheduled_prompts(host.redis, {"telegram", "slack", "unheard-of"}) == 2
        assert await hydrate_scheduled_prompts(host.redis, []) == 0
        await host.clock.sleep(20)
        assert sorted(bot.texts) == ["slack", "telegram"]


async def test_hydration_fires_what_is_overdue_at_once(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Host(lab, monkeypatch) as host:
        bot = Bot()
        set_bot_runner(bot)
        await host.add("in 1s")
        await host.clock.sleep(100)
        assert await hydrate_scheduled_prompts(host.redis, ["default"]) == 1
        await host.clock.sleep(0.1)
        assert bot.texts == ["hello"]
        await host.clock.sleep(1)


@pytest.mark.real_time
async def test_hydration_works_on_a_bare_client(lab: Lab, decoded: bool) -> None:
    redis = bare_client(lab, decoded=decoded)
    bot = Bot()
    set_bot_runner(bot)
    scheduler = await Scheduler(redis, timezone="UTC").open()
    prompt = (await scheduler.schedule("hello", Once(at=scheduler.clock.now() + 200))).prompt.id
    assert await hydrate_scheduled_prompts(redis, ["default"]) == 1
    for _ in range(200):
        await asyncio.sleep(0.02)
        if bot.texts and (fires := (await scheduler.history(prompt)).items) and fires[0].status.has_ended:
            break
    assert bot.texts == ["hello"]
    [fire] = (await scheduler.history(prompt)).items
    assert fire.status == "succeeded"
    assert fire.lateness_ms is not None
    assert fire.lateness_ms >= 0
    await asyncio.sleep(0.1)
    await redis.aclose()


def test_two_event_loops_one_after_the_other(lab: Lab) -> None:
    """As a host does that calls `asyncio.run` for each job."""
    bot = Bot()
    set_bot_runner(bot)

    async def job(text: str) -> None:
        redis = bare_client(lab)
        scheduler = await Scheduler(redis, timezone="UTC").open()
        prompt = (await scheduler.schedule(text, "in 1h")).prompt.id
        await scheduler.run_now(prompt)
        await tick_scheduled_prompts(redis)
        await redis.aclose()

    for text in ("first", "second", "third"):
        asyncio.run(job(text))
    assert bot.texts == ["first", "second", "third"]
    assert len(hosting._engines) == 1  # those of loops that are closed are forgotten


async def test_cleanup_deletes_what_ended_before_the_days_to_keep_and_says_so(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, decoded: bool
) -> None:
    async with Host(lab, monkeypatch, decoded=decoded) as host:
        set_bot_runner(Bot())
        prompt = await host.add("in 1s")
        await host.clock.sleep(2)
        await tick_scheduled_prompts(host.redis)
        await host.clock.sleep(8 * 86_400)
        kept = json.loads(await cleanup_expired_prompts(host.redis))
        assert kept == {
            "success": True,
            "message": "deleted 0 prompts and 0 fires that ended more than 30 days ago",
            "days_kept": 30,
        }
        assert len((await host.scheduler.history(prompt)).items) == 1
        gone = json.loads(await cleanup_expired_prompts(host.redis, days_to_keep=7))
        assert gone == {
            "success": True,
            "message": "deleted 1 prompts and 1 fires that ended more than 7 days ago",
            "days_kept": 7,
        }
        assert (await host.scheduler.list()).items == []


@pytest.mark.parametrize("days", [-1, 1.5, "7", None, True])
async def test_cleanup_refuses_what_is_no_number_of_days(days: Any) -> None:
    answer = json.loads(await cleanup_expired_prompts(Redis(), days_to_keep=days))
    assert answer == {"error": f"days_to_keep={days!r} is not a number of days (0 or more)"}


async def test_cleanup_refuses_days_that_no_calendar_has() -> None:
    answer = json.loads(await cleanup_expired_prompts(connect("memory:days").client, days_to_keep=10**400))
    assert answer["error"].endswith("is out of range")


async def test_the_background_tasks_have_names_periods_and_seven_days(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert {name: task.period for name, task in background_tasks.BACKGROUND_TASKS.items()} == {
        "scheduled_prompt_tick": 60,
        "scheduled_prompt_cleanup": 3600,
    }
    async with Host(lab, monkeypatch) as host:
        bot = Bot()
        set_bot_runner(bot)
        await host.add("in 1s")
        await host.clock.sleep(2)
        await background_tasks.scheduled_prompt_tick(host.redis)
        assert bot.texts == ["hello"]
        await host.clock.sleep(7 * 86_400 + 10)
        assert json.loads(await background_tasks.scheduled_prompt_cleanup(host.redis))["days_kept"] == 7
        assert (await host.scheduler.list()).items == []


async def test_the_background_tasks_run_until_cancelled(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Host(lab, monkeypatch) as host:
        bot = Bot()
        set_bot_runner(bot)
        prompt = await host.add("every 30s")
        running = asyncio.create_task(background_tasks.run_background_tasks(host.redis))
        await host.clock.sleep(200)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        fires = (await host.scheduler.history(prompt)).items
        assert len(fires) == 6
        assert {fire.lateness_ms for fire in fires} == {0}
