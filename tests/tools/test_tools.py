"""Each tool does what it says, and says what it did: in fields, and in words what will happen next."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from scheduled_prompts.approval import Approval
from scheduled_prompts.caller import Caller, Scope
from scheduled_prompts.engine.daemon import Daemon
from scheduled_prompts.fire import Fire
from scheduled_prompts.limits import Limits
from scheduled_prompts.scheduler import Scheduler
from scheduled_prompts.testing import LONG_SPANS, RecordingRunner
from scheduled_prompts.tools import Tools
from scheduled_prompts.tools.catalogue import ALL
from tests.conftest import Lab
from tests.tools.scenes import ANN, BEN, Checked, conforms, tools_over

WEEKDAYS = {"prompt": "summarise the issues", "when": "every weekday at 9am"}
NAMES = [
    "schedule_prompt",
    "list_scheduled_prompts",
    "get_scheduled_prompt",
    "update_scheduled_prompt",
    "cancel_scheduled_prompt",
    "pause_scheduled_prompt",
    "resume_scheduled_prompt",
    "run_scheduled_prompt_now",
    "skip_occurrence",
    "preview_schedule",
    "list_fires",
    "explain_scheduled_prompt",
    "cleanup_expired_prompts",
]
DAY_MS = 86_400_000


async def test_what_is_scheduled_says_when_it_runs_next_with_zone_and_weekday(server_lab: Lab) -> None:
    async with server_lab:
        ann = Checked(tools_over(await server_lab.store()).bound(ANN))
        answer = await ann.ask("schedule_prompt", **WEEKDAYS, name="issues")
        assert answer["created"] is True
        assert answer["scheduled_prompt"]["prompt"] == "summarise the issues"
        assert answer["scheduled_prompt"]["created_by"] == "agent:secretary"
        assert answer["timezone"] == "Europe/Berlin"
        assert [each["due"] for each in answer["upcoming"]] == [
            f"2026-01-{day:02}T09:00:00.000+01:00" for day in (1, 2, 5, 6, 7)
        ]
        assert [each["weekday"] for each in answer["upcoming"]][:3] == ["Thursday", "Friday", "Monday"]
        assert "“issues”" in answer["message"]
        assert "It runs next Thu 2026-01-01 09:00 +01:00 (in 8 h), then Fri 2026-01-02 09:00" in answer["message"]
        assert answer["unserved"] == "no daemon is running"
        assert "no daemon is running" in answer["message"]


async def test_what_a_daemon_serves_is_not_said_to_wait_for_one_and_runs(server_lab: Lab) -> None:
    async with server_lab:
        store = await server_lab.store()
        runner = RecordingRunner("done")
        await server_lab.daemon(store, runner, **LONG_SPANS.model_dump())
        ann = Checked(tools_over(store).bound(ANN))
        answer = await ann.ask("schedule_prompt", prompt="look", when="in 20m", key="look")
        assert answer["unserved"] is None
        assert "nothing would run it" not in answer["message"]
        await store.clock.sleep(1201)
        assert runner.texts == ["look"]
        fires = await ann.ask("list_fires", id="look")
        [fire] = fires["fires"]
        assert (fire["status"], fire["result"]) == ("succeeded", "done")
        shown = await ann.ask("get_scheduled_prompt", id="look")
        assert shown["fires"] == [fire]
        assert "It is over" in shown["message"]
        assert "Its last run: succeeded, 0 ms late." in shown["message"]
        assert fires["message"].endswith(": succeeded, 0 ms late")


async def test_what_has_no_name_goes_by_its_text_as_answers_quote_it(server_lab: Lab) -> None:
    async with server_lab:
        ann = Checked(tools_over(await server_lab.store()).bound(ANN))
        text = "Look whether the build of the release branch is green again,\nand say so in the channel"
        [one, *_] = [await ann.ask("schedule_prompt", prompt=each, when="in 20m") for each in (text, "other", "named")]
        await ann.ask("update_scheduled_prompt", id="named", name="three")
        quoted = one["message"].split("“")[1].split("”")[0]
        assert quoted.endswith("…")
        for said in (text, quoted, f"“{quoted}”"):
            shown = await ann.ask("get_scheduled_prompt", id=said)
            assert shown["scheduled_prompt"]["id"] == one["scheduled_prompt"]["id"]
        for said in ("named", "Look", quoted[:-1]):
            assert (await ann.refused("get_scheduled_prompt", id=said))["code"] == "not_found"
        await ann.ask("schedule_prompt", prompt="OTHER", when="in 30m")
        assert (await ann.refused("cancel_scheduled_prompt", id="other"))["code"] == "invalid_input"


async def test_the_same_key_again_makes_nothing_new_and_says_what_differs(server_lab: Lab) -> None:
    async with server_lab:
        ann = Checked(tools_over(await server_lab.store()).bound(ANN))
        first = await ann.ask("schedule_prompt", **WEEKDAYS, key="issues")
        again = await ann.ask(
            "schedule_prompt", prompt="summarise the issues", when="every weekday at 10am", key="issues"
        )
        assert again["created"] is False
        assert again["differs"] == ["when"]
        assert again["scheduled_prompt"]["id"] == first["scheduled_prompt"]["id"]
        assert "Nothing new was made" in again["message"]
        assert "update_scheduled_prompt" in again["message"]
        assert len((await ann.ask("list_scheduled_prompts"))["scheduled_prompts"]) == 1


async def test_limits_are_told_with_how_much_of_them_is_used(lab: Lab) -> None:
    async with lab:
        limits = Limits(active_per_owner=3, active_per_conversation=2, fires_per_owner=50, min_interval=60)
        caller = ANN.model_copy(update={"conversation": "c1"})
        ann = Checked(tools_over(await lab.store(), limits=limits).bound(caller))
        answer = await ann.ask("schedule_prompt", **WEEKDAYS)
        told = {limit["name"]: (limit["used"], limit["most"]) for limit in answer["limits"]}
        assert told["active_per_owner"] == (1, 3)
        assert told["active_per_conversation"] == (1, 2)
        assert told["fires_per_owner"] == (0, 50)
        assert told["min_interval"] == (None, 60)
        assert "1 of 3 active scheduled prompts are in use" in answer["message"]
        assert "0 of 50 runs in 24 h are used up" in answer["message"]
        assert "runs come at least 60 s apart" in answer["message"]


async def test_runs_of_the_last_24_hours_count_against_their_limit(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        limits = Limits(fires_per_owner=50)
        tools = tools_over(store, limits=limits)
        ann = Checked(tools.bound(ANN))
        async with Daemon(store, runners={"log": RecordingRunner()}, settings=LONG_SPANS, limits=limits):
            await ann.ask("schedule_prompt", prompt="look", when="every 10m", max_fires=3)
            await store.clock.sleep(1801)
        limits_then = (await ann.ask("list_scheduled_prompts"))["limits"]
        assert {"name": "fires_per_owner", "most": 50.0, "used": 3} in limits_then
        await store.clock.sleep(86_400)
        limits_later = (await ann.ask("list_scheduled_prompts"))["limits"]
        assert {"name": "fires_per_owner", "most": 50.0, "used": 0} in limits_later


async def test_a_list_goes_on_page_by_page_and_shows_what_is_the_callers_alone(server_lab: Lab) -> None:
    async with server_lab:
        tools = tools_over(await server_lab.store())
        ann, ben = Checked(tools.bound(ANN)), Checked(tools.bound(BEN))
        for number in range(5):
            await ann.ask("schedule_prompt", prompt=f"task {number}", when="in 20m")
        seen: list[str] = []
        cursor = None
        for _ in range(3):
            page = await ann.ask("list_scheduled_prompts", limit=2, cursor=cursor)
            seen += [record["prompt"] for record in page["scheduled_prompts"]]
            cursor = page["cursor"]
        assert (sorted(seen), cursor) == ([f"task {number}" for number in range(5)], None)
        theirs = await ben.ask("list_scheduled_prompts")
        assert theirs["scheduled_prompts"] == []
        assert theirs["message"].startswith("You have no scheduled prompts.")


async def test_an_update_changes_what_is_said_and_nothing_else(server_lab: Lab) -> None:
    async with server_lab:
        ann = Checked(tools_over(await server_lab.store()).bound(ANN))
        await ann.ask("schedule_prompt", **WEEKDAYS, name="issues", key="issues", end_at="2026-02-01")
        answer = await ann.ask("update_scheduled_prompt", id="issues", when="every weekday at 10am")
        assert answer["changed"] == ["when"]
        record = answer["scheduled_prompt"]
        assert (record["name"], record["end_at"]) == ("issues", "2026-02-01T00:00:00.000+01:00")
        assert answer["upcoming"][0]["due"] == "2026-01-01T10:00:00.000+01:00"
        again = await ann.ask("update_scheduled_prompt", id="issues", when="every weekday at 10am")
        assert again["changed"] == []
        assert "is so already" in again["message"]
        taken_back = await ann.ask("update_scheduled_prompt", id="issues", remove="end_at, name")
        assert sorted(taken_back["changed"]) == ["end_at", "name"]
        assert taken_back["scheduled_prompt"]["end_at"] is None


async def test_an_update_holds_where_somebody_changed_it_meanwhile_unless_it_names_a_version(server_lab: Lab) -> None:
    async with server_lab:
        ann = Checked(tools_over(await server_lab.store()).bound(ANN))
        made = await ann.ask("schedule_prompt", **WEEKDAYS, key="issues")
        version = made["scheduled_prompt"]["version"]
        await ann.ask("update_scheduled_prompt", id="issues", prompt="another")
        error = await ann.refused("update_scheduled_prompt", id="issues", prompt="a third", version=str(version))
        assert error["code"] == "version_conflict"
        assert "get_scheduled_prompt" in error["hint"]
        await ann.ask("update_scheduled_prompt", id="issues", prompt="a third")
        assert (await ann.ask("get_scheduled_prompt", id="issues"))["scheduled_prompt"]["prompt"] == "a third"


async def test_updates_at_the_same_time_all_hold(server_lab: Lab) -> None:
    async with server_lab:
        ann = Checked(tools_over(await server_lab.store()).bound(ANN))
        await ann.ask("schedule_prompt", **WEEKDAYS, key="issues")
        await asyncio.gather(
            ann.ask("update_scheduled_prompt", id="issues", prompt="another"),
            ann.ask("update_scheduled_prompt", id="issues", name="title"),
            ann.ask("update_scheduled_prompt", id="issues", max_fires=7),
        )
        record = (await ann.ask("get_scheduled_prompt", id="issues"))["scheduled_prompt"]
        assert (record["prompt"], record["name"], record["max_fires"]) == ("another", "title", 7)


async def test_a_pause_stands_until_it_is_taken_back(server_lab: Lab) -> None:
    async with server_lab:
        ann = Checked(tools_over(await server_lab.store()).bound(ANN))
        await ann.ask("schedule_prompt", **WEEKDAYS, key="issues")
        paused = await ann.ask("pause_scheduled_prompt", id="issues", note="on holiday")
        assert paused["scheduled_prompt"]["status"] == "paused"
        assert "(on holiday): resume_scheduled_prompt lets it run again" in paused["message"]
        error = await ann.refused("pause_scheduled_prompt", id="issues")
        assert error["code"] == "conflict"
        resumed = await ann.ask("resume_scheduled_prompt", id="issues")
        assert "It runs next Thu 2026-01-01 09:00" in resumed["message"]
        error = await ann.refused("resume_scheduled_prompt", id="issues")
        assert "only a paused one can be resumed" in error["message"]


async def test_one_occurrence_is_left_out_and_comes_back(server_lab: Lab) -> None:
    async with server_lab:
        ann = Checked(tools_over(await server_lab.store()).bound(ANN))
        await ann.ask("schedule_prompt", **WEEKDAYS, key="issues")
        skipped = await ann.ask("skip_occurrence", id="issues", occurrence="2026-01-02 09:00")
        assert skipped["occurrence"] == "2026-01-02T09:00:00.000+01:00"
        assert "does not run on Fri 2026-01-02" in skipped["message"]
        assert [each["due"][:10] for each in skipped["upcoming"][:2]] == ["2026-01-01", "2026-01-05"]
        back = await ann.ask("skip_occurrence", id="issues", occurrence="2026-01-02 09:00", undo=True)
        assert "runs after all" in back["message"]
        assert [each["due"][:10] for each in back["upcoming"][:2]] == ["2026-01-01", "2026-01-02"]


async def test_a_run_beside_the_schedule_leaves_that_as_it_is(server_lab: Lab) -> None:
    async with server_lab:
        ann = Checked(tools_over(await server_lab.store()).bound(ANN))
        made = await ann.ask("schedule_prompt", **WEEKDAYS, key="issues")
        ran = await ann.ask("run_scheduled_prompt_now", id="issues")
        assert ran["fire"]["status"] == "queued"
        assert ran["fire"]["trigger"] == "manual"
        assert "no daemon is running" in ran["message"]
        shown = await ann.ask("get_scheduled_prompt", id="issues")
        assert shown["upcoming"] == made["upcoming"]


async def test_cancelled_is_for_good_and_is_said_to_be(server_lab: Lab) -> None:
    async with server_lab:
        ann = Checked(tools_over(await server_lab.store()).bound(ANN))
        await ann.ask("schedule_prompt", **WEEKDAYS, key="issues")
        await ann.ask("run_scheduled_prompt_now", id="issues")
        cancelled = await ann.ask("cancel_scheduled_prompt", id="issues")
        assert (cancelled["ended"], cancelled["asked_to_stop"]) == (1, 0)
        assert "will not run again. 1 run that waited will not start." in cancelled["message"]
        error = await ann.refused("cancel_scheduled_prompt", id="issues")
        assert error["code"] == "conflict"


async def test_an_explanation_tells_every_time_and_one(server_lab: Lab) -> None:
    async with server_lab:
        store = await server_lab.store()
        await server_lab.daemon(store, RecordingRunner(), **LONG_SPANS.model_dump())
        ann = Checked(tools_over(store).bound(ANN))
        await ann.ask("schedule_prompt", prompt="look", when="every hour at :15", key="look")
        await ann.ask("skip_occurrence", id="look")
        await store.clock.sleep(2 * 3600)
        answer = await ann.ask("explain_scheduled_prompt", id="look")
        assert answer["outcomes"] == {"skipped": 1, "succeeded": 1, "upcoming": 5}
        assert "1 skipped, 1 succeeded" in answer["message"]
        assert [row["outcome"] for row in answer["rows"]][:2] == ["skipped", "succeeded"]
        why = await ann.ask("explain_scheduled_prompt", id="look", at="2026-01-01 01:15")
        assert "leave it out" in why["message"]
        nothing = await ann.ask("explain_scheduled_prompt", id="look", at="2026-01-01 02:20")
        assert nothing["rows"] == []
        assert "2026-01-01T02:15:00.000+01:00" in nothing["nearest"]


async def test_a_preview_makes_nothing(server_lab: Lab) -> None:
    async with server_lab:
        ann = Checked(tools_over(await server_lab.store()).bound(ANN))
        before = server_lab.keys()
        shown = await ann.ask("preview_schedule", when="every month on the last day at 17:00", count=7)
        assert len(shown["upcoming"]) == 7
        assert shown["upcoming"][0]["due"] == "2026-01-31T17:00:00.000+01:00"
        assert shown["when"] == "every month on the last day at 17:00"
        assert "Nothing was scheduled." in shown["message"]
        quiet = await ann.ask("preview_schedule", when="every day at 23:00", quiet="22:00-07:00")
        assert quiet["upcoming"] == []
        assert server_lab.keys() == before


async def test_a_cleanup_deletes_what_is_the_callers_and_over_alone(lab: Lab) -> None:
    async with lab:
        store = await lab.store()
        tools = tools_over(store)
        ann, ben = Checked(tools.bound(ANN)), Checked(tools.bound(BEN))
        nobody = Checked(tools.bound(Caller(agent="secretary", scopes=frozenset(Scope))))
        for who in (ann, ben, nobody):
            await who.ask("schedule_prompt", **WEEKDAYS, key="over")
            await who.ask("cancel_scheduled_prompt", id="over")
            await who.ask("schedule_prompt", **WEEKDAYS, key="goes-on")
        assert (await ann.ask("cleanup_expired_prompts"))["deleted_prompts"] == 0
        await store.clock.sleep(31 * 86_400)
        answer = await ann.ask("cleanup_expired_prompts", days="30")
        assert answer["deleted_prompts"] == 1
        assert "Deleted 1 scheduled prompt that ended more than 30 days ago" in answer["message"]
        assert [p["key"] for p in (await ann.ask("list_scheduled_prompts"))["scheduled_prompts"]] == ["goes-on"]
        assert len((await ben.ask("list_scheduled_prompts"))["scheduled_prompts"]) == 2
        assert (await nobody.ask("cleanup_expired_prompts"))["deleted_prompts"] == 1
        assert len((await ben.ask("list_scheduled_prompts"))["scheduled_prompts"]) == 2


async def test_what_a_person_is_to_approve_is_said_to_wait_for_that(server_lab: Lab) -> None:
    async with server_lab:
        store = await server_lab.store()
        scheduler = Scheduler(store, timezone="Europe/Berlin", approval=Approval(agents=("*",)))
        ann = Checked(Tools(scheduler).bound(ANN))
        made = await ann.ask("schedule_prompt", **WEEKDAYS, key="issues")
        record = made["scheduled_prompt"]
        assert (record["status"], record["approval"]) == ("pending_approval", "pending")
        assert record["approval_until"] == "2026-01-08T01:00:00.000+01:00"
        assert made["upcoming"] == []
        assert "It waits for a person to approve it" in made["message"]
        assert "by Thu 2026-01-08 01:00 +01:00, it is cancelled. You cannot approve it." in made["message"]
        assert len((await ann.ask("list_scheduled_prompts", status="pending_approval"))["scheduled_prompts"]) == 1
        await scheduler.approve(record["id"])
        shown = await ann.ask("get_scheduled_prompt", id="issues")
        assert shown["scheduled_prompt"]["approval"] == "approved"
        assert "It runs next Thu 2026-01-01 09:00" in shown["message"]
        other = await ann.ask("schedule_prompt", prompt="another", when="in 20m", key="other")
        await scheduler.reject(other["scheduled_prompt"]["id"], "too late for that")
        shown = await ann.ask("get_scheduled_prompt", id="other")
        assert "A person rejected it: too late for that." in shown["message"]


async def test_in_a_fire_an_agent_retimes_itself_and_is_told_what_it_may_not_do(server_lab: Lab) -> None:
    async with server_lab:
        store = await server_lab.store()
        answers: list[dict[str, Any]] = []

        async def turn(fire: Fire) -> str:
            tools = fire.tools
            assert tools is not None
            for name, arguments in [
                ("get_scheduled_prompt", {"id": "self"}),
                ("schedule_prompt", {"prompt": "look again", "when": "in 2 hours", "key": "look"}),
                ("schedule_prompt", {"prompt": "another", "when": "in 2 hours", "key": "other"}),
                ("run_scheduled_prompt_now", {"id": "self"}),
            ]:
                answers.append(await tools.call(name, arguments))
                conforms(name, answers[-1])
            return "done"

        await server_lab.daemon(store, RecordingRunner(turn), **LONG_SPANS.model_dump())
        ann = Checked(tools_over(store).bound(ANN))
        made = await ann.ask("schedule_prompt", prompt="look", when="in 1h", key="look")
        await store.clock.sleep(3601)
        itself, retimed, other, ran = answers
        assert itself["scheduled_prompt"]["id"] == made["scheduled_prompt"]["id"]
        assert "Its last run: running: you are in it." in itself["message"]
        assert (retimed["created"], retimed["retimed"]) == (False, True)
        assert "has that key and now has this text and time" in retimed["message"]
        assert retimed["scheduled_prompt"]["id"] == made["scheduled_prompt"]["id"]
        assert retimed["scheduled_prompt"]["prompt"] == "look again"
        assert {"name": "max_depth", "most": 0.0, "used": 0} in retimed["limits"]
        assert retimed["message"].endswith("; this run may re-time itself, and schedule nothing new.")
        assert other["error"]["code"] == "limit_reached"
        assert "update_scheduled_prompt with id='self'" in other["error"]["hint"]
        assert ran["error"]["code"] == "forbidden"
        explained = await ann.ask("explain_scheduled_prompt", id="look")
        [refused] = explained["conduct"]
        assert "tried to schedule a prompt; refused" in refused
        assert refused in explained["message"]
        assert len((await ann.ask("list_scheduled_prompts"))["scheduled_prompts"]) == 1


async def test_everything_stopped_is_said(server_lab: Lab) -> None:
    async with server_lab:
        store = await server_lab.store()
        tools = tools_over(store)
        await server_lab.daemon(store, RecordingRunner(), **LONG_SPANS.model_dump())
        ann = Checked(tools.bound(ANN))
        await tools.scheduler.stop_all("secret note")
        answer = await ann.ask("schedule_prompt", **WEEKDAYS)
        assert answer["unserved"] == "a person has stopped everything"
        assert "secret note" not in str(answer)
        error = await ann.refused("run_scheduled_prompt_now", id=answer["scheduled_prompt"]["id"])
        assert error["code"] == "all_stopped"


async def test_arguments_may_be_keywords_and_a_mapping(server_lab: Lab) -> None:
    async with server_lab:
        tools = tools_over(await server_lab.store()).bound(ANN)
        answer = await tools.call("schedule_prompt", WEEKDAYS, name="issues")
        assert answer["scheduled_prompt"]["name"] == "issues"


def test_the_tools_are_thirteen_and_each_is_told_of_by_its_schema_alone() -> None:
    assert list(ALL) == NAMES
    for tool in ALL.values():
        for argument in tool.spec.arguments:
            schema = argument.schema()
            assert schema.keys() <= {"type", "enum", "minimum", "maximum", "description"}
            assert schema["type"] in ("string", "integer", "number", "boolean")
            assert len(schema["description"]) > 10


@pytest.mark.parametrize("scopes", [{Scope.READ}, {Scope.READ, Scope.WRITE}, {Scope.CLEANUP}, set()])
def test_a_caller_is_shown_what_it_has_the_scope_for(scopes: set[Scope]) -> None:
    tools = Tools(Scheduler("memory:never-opened"))
    shown = tools.specs(ANN.model_copy(update={"scopes": frozenset(scopes)}))
    assert {spec.name for spec in shown} == {name for name, tool in ALL.items() if tool.spec.scope in scopes}
    assert all(spec.name != "cleanup_expired_prompts" for spec in tools.specs(Caller()))


def test_a_caller_is_shown_a_runner_where_it_has_a_choice_and_in_a_fire_how_it_may_call_itself() -> None:
    tools = Tools(Scheduler("memory:never-opened"))

    def arguments(caller: Caller) -> dict[str, str]:
        return {a.name: a.description for spec in tools.specs(caller) for a in spec.arguments}

    assert "runner" not in arguments(ANN)
    assert "runner" in arguments(ANN.model_copy(update={"runners": ("log", "mail")}))
    assert "'self'" not in arguments(ANN)["id"]
    assert "'self'" in arguments(ANN.model_copy(update={"fire": "X" * 26 + "@1", "attempt": 1}))["id"]


async def test_a_tool_call_that_is_made_again_makes_nothing_again(lab: Lab) -> None:
    async with lab:
        tools = tools_over(await lab.store()).bound(ANN)
        call = Checked(tools.for_tool_call("call_1"))
        first = await call.ask("schedule_prompt", **WEEKDAYS)
        again = await call.ask("schedule_prompt", **WEEKDAYS)
        assert again["scheduled_prompt"]["id"] == first["scheduled_prompt"]["id"]
        # Some servers number their calls from one: what says something else is no repetition.
        other = await call.ask("schedule_prompt", prompt="another", when="in 20m")
        assert other["scheduled_prompt"]["id"] != first["scheduled_prompt"]["id"]
        assert len((await Checked(tools).ask("list_scheduled_prompts"))["scheduled_prompts"]) == 2
