"""Inside a fire: a runner has the tools of the agent whose fire it is, as long as the attempt runs."""

from __future__ import annotations

import asyncio
import copy
import itertools
import pickle
import threading
from collections.abc import Callable
from typing import Any

import pytest

from scheduled_prompts import Caller, Daemon, Fire, Limits, Policies, Scheduler, Scope
from scheduled_prompts.budgets import Budgets
from scheduled_prompts.engine.inside import NO_TOKEN, InsideFire
from scheduled_prompts.testing import LONG_SPANS, RecordingRunner
from scheduled_prompts.tokens import Rules
from tests.conftest import Lab
from tests.engine.faults import unsteady_store
from tests.engine.scenes import scene

SELDOM = {"watch_period": 3600, "heartbeat_period": 3600, "sweep_period": 3600}
"""How often a daemon looks around, where days are to pass."""
ANN: dict[str, Any] = {"owner": "ann", "agent": "planner", "conversation": "c1"}
LIST = "list_scheduled_prompts"


def names(answer: dict[str, Any]) -> set[str]:
    assert answer["ok"], answer
    return {record["prompt"] for record in answer["scheduled_prompts"]}


def inside_of(fire: Fire) -> InsideFire:
    assert isinstance(fire.inside, InsideFire)
    return fire.inside


async def test_a_runner_acts_as_the_agent_whose_fire_it_is(lab: Lab) -> None:
    callers: list[Caller] = []

    async def work(fire: Fire) -> str:
        callers.append(inside_of(fire).tools.caller)
        return "done"

    async with lab:
        at = await scene(lab, work)
        prompt = await at.add(**ANN, platform="chat")
        await at.sleep(6)
        fire = await at.fire(prompt)
        assert fire.status == "succeeded"
        [caller] = callers
        assert (caller.owner, caller.agent, caller.conversation, caller.platform) == ("ann", "planner", "c1", "chat")
        assert (caller.fire, caller.attempt, caller.runners) == (fire.id, 1, ())
        assert caller.scopes == {Scope.READ, Scope.WRITE}


async def test_a_fire_books_its_own_next_turn_until_it_need_not_come_again(lab: Lab) -> None:
    answers: list[dict[str, Any]] = []

    async def work(fire: Fire) -> str:
        turn = len(answers) + 1
        if turn < 4:
            answers.append(
                await fire.tools.call("schedule_prompt", prompt=f"turn {turn + 1}", when="in 2h", key="turns")
            )
            assert answers[-1]["ok"], answers[-1]
        return fire.text

    async with lab:
        at = await scene(lab, work, **SELDOM)
        prompt = await at.add("in 5s", "turn 1", key="turns", **ANN)
        await at.sleep(7 * 3600)
        fires = await at.fires(prompt)
        assert [fire.result.text for fire in fires if fire.result] == ["turn 4", "turn 3", "turn 2", "turn 1"]
        [only] = (await at.scheduler.list()).items
        assert (only.id, only.status) == (prompt, "executed")
        gaps = {round((later.due - earlier.due) / 1000) for later, earlier in itertools.pairwise(fires)}
        assert gaps <= {7200, 7201}


async def test_what_an_agent_makes_of_a_persons_text_is_its_words_from_then_on(lab: Lab) -> None:
    runner = RecordingRunner()
    async with lab:
        at = await scene(lab, runner)
        prompt = await at.add("every 1m", "as I wrote it", owner="ann")
        planner = at.scheduler.as_caller(Caller(owner="ann", agent="planner"))
        await planner.edit(prompt, force=True, when="every 2m")
        assert (await at.scheduler.get(prompt)).agent is None, "another time is no other text"
        edited = await planner.edit(prompt, force=True, text="obey")
        assert (edited.changed, edited.prompt.agent) == (["agent", "text"], "planner")
        await at.sleep(125)
        [fire] = runner.fires
        assert (fire.scheduled_by, fire.text) == ("agent:planner", "obey")
        assert fire.fenced_text != "obey"


async def test_a_fire_that_would_multiply_is_told_why_it_cannot(lab: Lab) -> None:
    answers: list[dict[str, Any]] = []

    async def work(fire: Fire) -> None:
        answers.append(await fire.tools.call("schedule_prompt", prompt="two of me", when="in 1h"))
        answers.append(await fire.tools.call("schedule_prompt", prompt="two of me", when="in 1h", key="twin"))

    async with lab:
        at = await scene(lab, work)
        await at.add(**ANN)
        await at.sleep(6)
        assert [answer["error"]["code"] for answer in answers] == ["limit_reached"] * 2
        assert len((await at.scheduler.list()).items) == 1


def in_its_task(fire: Fire) -> Any:
    return fire.tools.call(LIST)


def in_a_thread(fire: Fire) -> Any:
    return fire.tools.blocking.call(LIST)


def in_a_thread_with_a_loop_of_its_own(fire: Fire) -> Any:
    return asyncio.run(fire.tools.call(LIST))


async def in_a_worker_thread_of_an_async_runner(fire: Fire) -> Any:
    return await asyncio.to_thread(fire.tools.blocking.call, LIST)


async def for_a_tool_call(fire: Fire) -> Any:
    return await fire.tools.for_tool_call("call-1").call(LIST)


def for_a_tool_call_in_a_thread(fire: Fire) -> Any:
    return fire.tools.blocking.for_tool_call("call-1").call(LIST)


@pytest.mark.parametrize(
    "call",
    [
        in_its_task,
        in_a_thread,
        in_a_thread_with_a_loop_of_its_own,
        in_a_worker_thread_of_an_async_runner,
        for_a_tool_call,
        for_a_tool_call_in_a_thread,
    ],
)
async def test_the_tools_answer_wherever_the_runner_works(lab: Lab, call: Callable[[Fire], Any]) -> None:
    answers: list[dict[str, Any]] = []

    def work(fire: Fire) -> Any:
        answer = call(fire)
        if not asyncio.iscoroutine(answer):
            answers.append(answer)
            return "done"

        async def awaited() -> str:
            answers.append(await answer)
            return "done"

        return awaited()

    async with lab:
        at = await scene(lab, work)
        prompt = await at.add(text="mine", owner="ann")
        await at.add("in 1h", text="of somebody else", owner="bob")
        await at.sleep(6)
        assert (await at.fire(prompt)).status == "succeeded"
        assert names(answers[0]) == {"mine"}


async def test_who_would_wait_for_the_loop_in_the_loop_is_told_so(lab: Lab) -> None:
    async def work(fire: Fire) -> str:
        return str(fire.tools.blocking.call(LIST))

    async with lab:
        at = await scene(lab, work)
        prompt = await at.add(retries=0)
        await at.sleep(6)
        assert "await fire.tools.call" in str((await at.fire(prompt)).error)


async def test_a_tool_that_a_fire_may_not_use_is_not_shown_and_refused(lab: Lab) -> None:
    seen: list[Any] = []

    async def work(fire: Fire) -> str:
        seen.append({spec.name for spec in fire.tools.specs})
        seen.append({spec.name for spec in fire.tools.blocking.specs})
        seen.append(await fire.tools.call("cleanup_expired_prompts"))
        return "done"

    async with lab:
        at = await scene(lab, work)
        await at.add()
        await at.sleep(6)
        assert seen[0] == seen[1]
        assert "schedule_prompt" in seen[0]
        assert not {"cleanup_expired_prompts", "run_scheduled_prompt_now"} & seen[0]
        assert seen[2]["error"]["code"] == "forbidden"


async def test_the_tools_end_with_the_attempt(lab: Lab) -> None:
    runner = RecordingRunner()
    async with lab:
        at = await scene(lab, runner)
        await at.add()
        await at.sleep(6)
        [fire] = runner.fires
        for tools in (fire.tools, fire.tools.for_tool_call("call-1")):
            answer = await tools.call(LIST)
            assert (answer["ok"], answer["error"]["code"]) == (False, "forbidden")
            assert "has ended" in answer["error"]["message"]
        assert (await asyncio.to_thread(fire.tools.blocking.call, LIST))["error"]["code"] == "forbidden"


async def test_a_thread_that_goes_on_after_the_timeout_can_do_nothing_more(lab: Lab) -> None:
    timed_out = threading.Event()
    answers: list[dict[str, Any]] = []
    threads: list[threading.Thread] = []

    def go_on(fire: Fire) -> None:
        timed_out.wait(10)
        answers.append(fire.tools.blocking.call("schedule_prompt", prompt="again", when="in 1h"))

    async def work(fire: Fire) -> None:
        threads.append(threading.Thread(target=go_on, args=(fire,)))
        threads[0].start()
        await asyncio.sleep(3600)

    async with lab:
        at = await scene(lab, work)
        prompt = await at.add(timeout=5.0, retries=0)
        await at.sleep(15)
        assert (await at.fire(prompt)).status == "timed_out"
        timed_out.set()
        await asyncio.to_thread(threads[0].join, 10)
        assert answers[0]["error"]["code"] == "forbidden"
        assert len((await at.scheduler.list()).items) == 1


def test_a_thread_that_outlives_its_daemon_does_not_wait_for_ever() -> None:
    told: list[str] = []
    threads: list[threading.Thread] = []
    gone = threading.Event()

    def call_when_all_is_gone(inside: InsideFire) -> None:
        gone.wait(10)
        inside.is_over = False  # it had begun its call just before
        try:
            inside.tools.blocking.call(LIST)
        except RuntimeError as error:
            told.append(str(error))

    async def main() -> None:
        begun = asyncio.Event()

        async def work(fire: Fire) -> None:
            assert isinstance(fire.inside, InsideFire)
            _ = fire.tools
            begun.set()
            threads.append(threading.Thread(target=call_when_all_is_gone, args=(fire.inside,)))
            threads[0].start()

        async with Scheduler("memory:outlived") as scheduler:
            await scheduler.schedule("x", "in 1s")
            async with Daemon(scheduler.store, runners={"log": work}):
                await begun.wait()

    asyncio.run(main())
    gone.set()
    threads[0].join(10)
    assert told == ["the daemon has ended"]


async def test_a_fire_that_is_only_read_has_no_tools(lab: Lab) -> None:
    runner = RecordingRunner()
    async with lab:
        at = await scene(lab, runner)
        prompt = await at.add()
        await at.sleep(6)
        with pytest.raises(LookupError, match="not in the hands of a runner"):
            _ = (await at.fire(prompt)).tools
        assert await (await at.fire(prompt)).environment() == {}


async def test_what_is_inside_is_no_part_of_the_record(lab: Lab) -> None:
    runner = RecordingRunner()
    async with lab:
        at = await scene(lab, runner)
        await at.add()
        await at.sleep(6)
        [fire] = runner.fires
        bare = Fire.model_validate(fire.model_dump())
        assert fire == bare
        assert "inside" not in fire.model_dump_json()
        assert "inside" not in repr(fire)
        assert pickle.loads(pickle.dumps(fire)) == bare, "for pools of processes"
        with pytest.raises(LookupError):
            _ = pickle.loads(pickle.dumps(fire)).tools
        assert copy.deepcopy(fire).inside is fire.inside
        assert fire.model_copy(update={"attempt": 2}).inside is fire.inside


async def test_what_is_scheduled_inside_follows_the_rules_of_the_daemon(lab: Lab) -> None:
    seen: list[Scheduler] = []

    async def work(fire: Fire) -> None:
        seen.append(inside_of(fire).tools._tools.scheduler)

    async with lab:
        store = await lab.store()
        limits, policies = Limits(active_per_owner=3), Policies(timeout=7.0)
        daemon = Daemon(
            store, runners={"log": work}, settings=LONG_SPANS, limits=limits, policies=policies, timezone="Asia/Tokyo"
        )
        await lab.stack.enter_async_context(daemon)
        await (await lab.scheduler(store)).schedule("x", "in 5s")
        await store.clock.sleep(6)
        assert (seen[0].limits, seen[0].policies, seen[0].timezone) == (limits, policies, "Asia/Tokyo")


async def test_a_fire_that_does_not_ask_gets_nothing_made(lab: Lab) -> None:
    runner = RecordingRunner()
    async with lab:
        at = await scene(lab, runner)
        await at.add()
        await at.sleep(6)
        inside = inside_of(runner.fires[0])
        assert "tools" not in vars(inside)
        assert "toolbox" not in vars(inside._insides)
        assert "secret" not in lab.keys()["meta"], "nor is anything written"


async def test_a_child_gets_what_it_needs_to_act_as_the_fires_agent(lab: Lab) -> None:
    found: list[dict[str, str]] = []
    claims: list[Any] = []

    async def work(fire: Fire) -> None:
        found.append(await fire.environment())
        if found[-1]["SCHEDULED_PROMPTS_TOKEN"] != NO_TOKEN:
            claims.append(await at.store.claims_of(found[-1]["SCHEDULED_PROMPTS_TOKEN"]))

    async with lab:
        at = await scene(lab, work)
        prompt = await at.add(**ANN, timeout=60.0)
        await at.sleep(6)
        assert (await at.fire(prompt)).status == "succeeded"
        [environment] = found
        if lab.url.startswith("memory:"):
            assert environment == {"SCHEDULED_PROMPTS_TOKEN": NO_TOKEN}, "no other process can reach it"
            return
        token = environment.pop("SCHEDULED_PROMPTS_TOKEN")
        assert environment == {
            "SCHEDULED_PROMPTS_STORE": lab.url,
            "SCHEDULED_PROMPTS_NAMESPACE": lab.namespace,
            "SCHEDULED_PROMPTS_TIMEZONE": at.daemon.worker._insides.scheduler.timezone,
        }
        fire = await at.fire(prompt)
        assert fire.started_at is not None
        assert (claims[0].caller.fire, claims[0].rules) == (fire.id, Rules(budgets=Budgets(timezone="UTC")))
        assert claims[0].expires_at == fire.started_at + 60_000, "at most its timeout"
        assert token not in str(lab.keys())


async def test_a_store_that_is_away_delays_no_child_and_makes_none_an_operator(lab: Lab) -> None:
    found: list[tuple[str, float]] = []

    async def ask(fire: Fire, *, away: bool) -> None:
        client.away = away
        begun = at.now
        token = (await fire.environment())["SCHEDULED_PROMPTS_TOKEN"]
        found.append(("none" if token == NO_TOKEN else "a token", (at.now - begun) / 1000))
        client.away = False

    async def work(fire: Fire) -> None:
        await ask(fire, away=True)
        await ask(fire, away=False)
        await asyncio.sleep(61)
        await ask(fire, away=True)

    async with lab:
        store, client = await unsteady_store(lab)
        store.transport.connection._url = lambda: "redis://somewhere"
        at = await scene(lab, work, store=store)
        prompt = await at.add()
        await at.sleep(80)
        assert (await at.fire(prompt)).status == "succeeded"
        assert [token for token, _ in found] == ["none", "a token", "a token"], "a secret that was read is kept"
        assert max(took for _, took in found) < 1.0
