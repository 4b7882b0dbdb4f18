"""Errors are answers: a code, what was wrong, and what would be right, for whoever has the tools and nothing else."""

from __future__ import annotations

import ast
import time
from pathlib import Path

import pytest
import structlog
from structlog.testing import capture_logs

import scheduled_prompts
from scheduled_prompts.caller import Caller, Scope
from scheduled_prompts.errors import StoreUnreachable, StoreUnusable
from scheduled_prompts.limits import Limits
from scheduled_prompts.scheduler import Scheduler
from scheduled_prompts.store import Store
from scheduled_prompts.tools import Tools
from scheduled_prompts.tools.language import A_PERSON, TOOLS, hint_of, message_of
from tests.conftest import Lab
from tests.tools.scenes import ANN, BEN, Checked, conforms, tools_over

HOUSE = Path(scheduled_prompts.__file__).parent
HEARD = ("schedule", "scheduler", "limits.py", "prompt.py", "policies.py", "budgets.py", "names.py", "store/halting.py")
"""Where the errors are made that an agent can be the cause of."""


def texts_of_errors() -> list[tuple[str, str]]:
    """What every error says to an agent, as it is written: (where, text), hints and messages."""
    found: list[tuple[str, str]] = []
    for room in HEARD:
        path = HOUSE / room
        for file in [path] if path.is_file() else sorted(path.rglob("*.py")):
            for node in ast.walk(ast.parse(file.read_text("utf-8"))):
                if isinstance(node, ast.keyword) and node.arg == "hint":
                    found += [
                        (f"{file.name}:{text.lineno}", hint_of(str(text.value)) or "") for text in _texts(node.value)
                    ]
                elif isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and node.exc.args:
                    messages = [text for argument in node.exc.args for text in _texts(argument)]
                    found += [(f"{file.name}:{text.lineno}", message_of(str(text.value))) for text in messages]
    return found


def _texts(node: ast.AST) -> list[ast.Constant]:
    return [part for part in ast.walk(node) if isinstance(part, ast.Constant) and isinstance(part.value, str)]


def test_no_error_speaks_the_language_of_the_command_line() -> None:
    texts = texts_of_errors()
    assert len(texts) > 150
    assert any("update_scheduled_prompt" in text for _, text in texts)
    commands = {f"`{word}" for word in (*TOOLS, "doctor", "start-all", "fire")}
    for where, text in texts:
        assert not any(command in text for command in commands), f"{where}: {text}"
        assert "--" not in text, f"{where}: {text}"
        assert "in the settings" not in text, f"{where}: {text}"


@pytest.mark.parametrize(
    ("hint", "said"),
    [
        ("`list` shows the prompts there are", "list_scheduled_prompts shows the prompts there are"),
        (
            "`run` fires it now, `edit --when` gives it another time, `cancel` ends it",
            "run_scheduled_prompt_now fires it now, update_scheduled_prompt with when gives it another time, "
            "cancel_scheduled_prompt ends it",
        ),
        ("`doctor` says why, `edit` repairs it", "update_scheduled_prompt repairs it"),
        ("`start-all` lets all go on", A_PERSON),
        (
            "cancel or pause one of them, wait until one has ended, or raise the limit in the settings",
            "cancel or pause one of them, or wait until one has ended",
        ),
        ("let it come less often, or lower the limit in the settings", "let it come less often"),
        (
            "give another time, or other hours; --quiet-policy defer fires when they end",
            "give another time, or other hours",
        ),
        (
            "give the zone apart (`--tz Europe/Berlin`), or an instant with offset: “2026-12-01T09:00:00+01:00”",
            "give the zone apart (timezone='Europe/Berlin'), or an instant with offset: “2026-12-01T09:00:00+01:00”",
        ),
    ],
)
def test_hints_are_said_in_the_language_of_the_tools(hint: str, said: str) -> None:
    assert hint_of(hint) == said


async def test_what_is_not_found_is_answered_with_what_is_there_the_likeliest_first(server_lab: Lab) -> None:
    async with server_lab:
        ann = Checked(tools_over(await server_lab.store()).bound(ANN))
        error = await ann.refused("get_scheduled_prompt", id="issues")
        assert error["code"] == "not_found"
        assert "schedule_prompt makes one" in error["hint"]
        for name in ("water the plants", "issue summary", "backup"):
            await ann.ask("schedule_prompt", prompt=name, when="in 20m", name=name, key=name.replace(" ", "-"))
        await ann.ask("cancel_scheduled_prompt", id="backup")
        error = await ann.refused("get_scheduled_prompt", id="isue summary")
        assert error["message"] == "you have no scheduled prompt 'isue summary'"
        assert error["hint"].index("“issue summary” key issue-summary") < error["hint"].index("“water the plants”")
        assert "backup" not in error["hint"]


async def test_what_is_somebody_elses_is_refused_as_what_is_not_there(lab: Lab) -> None:
    async with lab:
        tools = tools_over(await lab.store())
        ann, ben = Checked(tools.bound(ANN)), Checked(tools.bound(BEN))
        asked = _counting(tools.scheduler.store)
        made = await ann.ask("schedule_prompt", prompt="secret", when="in 20m", name="plan", key="plan")
        prompt_id = made["scheduled_prompt"]["id"]
        absent = prompt_id[:-1] + ("0" if prompt_id[-1] != "0" else "1")
        for said, instead in [(prompt_id, absent), (prompt_id[-8:], absent[-8:]), ("plan", "plam")]:
            await ben.refused("get_scheduled_prompt", id=instead)  # now the server knows the scripts
            asked.clear()
            theirs = await ben.refused("get_scheduled_prompt", id=said)
            trips = len(asked)
            asked.clear()
            nobodys = await ben.refused("get_scheduled_prompt", id=instead)
            assert {**theirs, "message": theirs["message"].replace(said, instead)} == nobodys
            assert trips == len(asked) > 0


def _counting(store: Store) -> list[str]:
    """The commands that are sent to the server, as they are."""
    sent: list[str] = []
    pool = store.transport.client.connection_pool
    take = pool.get_connection

    async def counted(*arguments: object, **more: object) -> object:
        sent.append("one")
        return await take(*arguments, **more)

    pool.get_connection = counted
    return sent


async def test_several_of_one_name_are_named_and_none_is_taken(server_lab: Lab) -> None:
    async with server_lab:
        ann = Checked(tools_over(await server_lab.store()).bound(ANN))
        first = await ann.ask("schedule_prompt", prompt="one", when="in 20m", name="report")
        second = await ann.ask("schedule_prompt", prompt="two", when="in 20m", name="report")
        error = await ann.refused("cancel_scheduled_prompt", id="report")
        ends = [each["scheduled_prompt"]["id"][-8:] for each in (first, second)]
        assert all(end in error["message"] for end in ends)
        assert "by its id" in error["hint"]
        await ann.ask("cancel_scheduled_prompt", id=ends[0])
        shown = await ann.ask("get_scheduled_prompt", id="report")  # the one that lives
        assert shown["scheduled_prompt"]["prompt"] == "two"


async def test_the_number_of_a_line_is_no_part_of_an_id(server_lab: Lab) -> None:
    async with server_lab:
        ann = Checked(tools_over(await server_lab.store()).bound(ANN))
        made = await ann.ask("schedule_prompt", prompt="one", when="in 20m")
        prompt_id = made["scheduled_prompt"]["id"]
        for said in (prompt_id[0], prompt_id[-1], prompt_id[-3:]):
            assert (await ann.refused("cancel_scheduled_prompt", id=said))["code"] == "not_found"
        await ann.ask("cancel_scheduled_prompt", id=prompt_id[-4:])


async def test_a_full_limit_is_answered_with_what_fills_it(server_lab: Lab) -> None:
    async with server_lab:
        ann = Checked(tools_over(await server_lab.store(), limits=Limits(active_per_owner=2)).bound(ANN))
        await ann.ask("schedule_prompt", prompt="one", when="in 20m", key="first")
        await ann.ask("schedule_prompt", prompt="the other one", when="in 30m")
        error = await ann.refused("schedule_prompt", prompt="a third", when="in 40m")
        assert error["code"] == "limit_reached"
        assert "active_per_owner = 2" in error["message"]
        assert "key first" in error["hint"]
        assert "“the other one”" in error["hint"]
        assert "cancel_scheduled_prompt({" in error["hint"]
        assert "settings" not in error["hint"]


async def test_too_near_is_answered_with_how_near_it_may_be(server_lab: Lab) -> None:
    async with server_lab:
        ann = Checked(tools_over(await server_lab.store(), limits=Limits(min_interval=60)).bound(ANN))
        error = await ann.refused("schedule_prompt", prompt="look", when="every 10s")
        assert error["code"] == "limit_reached"
        assert "every 60 s, not more often" in error["message"]
        assert error["hint"] == "let it come less often"


async def test_what_a_caller_has_no_scope_for_is_no_tool_of_its(server_lab: Lab) -> None:
    async with server_lab:
        reader = Caller(owner="ann", agent="secretary", scopes=frozenset({Scope.READ}))
        ann = Checked(tools_over(await server_lab.store()).bound(reader))
        error = await ann.refused("schedule_prompt", prompt="look", when="in 20m")
        assert error["code"] == "forbidden"
        assert error["message"] == "schedule_prompt is not among your tools: it takes the scope write"
        assert error["hint"].startswith(
            "your tools are: list_scheduled_prompts, get_scheduled_prompt, preview_schedule"
        )


async def test_a_runner_that_is_not_the_callers_is_forbidden(server_lab: Lab) -> None:
    async with server_lab:
        ann = Checked(tools_over(await server_lab.store()).bound(ANN))
        error = await ann.refused("schedule_prompt", prompt="look", when="in 20m", runner="command")
        assert error["code"] == "forbidden"
        assert "it may use: log" in error["hint"]


async def test_a_store_that_does_not_answer_is_told_of_without_its_address(
    server_lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with server_lab:
        tools = tools_over(await server_lab.store())
        structlog.reset_defaults()

        async def away(*_: object, **__: object) -> None:
            raise StoreUnreachable("redis://:password@host does not answer", hint="is the server running?")

        monkeypatch.setattr(Store, "create_for", away)
        with capture_logs() as logs:
            answer = await tools.call("schedule_prompt", {"prompt": "look", "when": "in 20m"}, ANN)
        conforms("schedule_prompt", answer)
        assert answer["error"]["code"] == "store_unreachable"
        assert "whether anything was changed is not known" in answer["error"]["message"]
        assert "list_scheduled_prompts" in answer["error"]["hint"]
        assert "redis" not in str(answer)
        assert [entry["event"] for entry in logs] == ["tool_without_store"]


async def test_a_store_that_cannot_be_used_is_told_of_without_its_reason_and_a_prompt_with_it(
    server_lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with server_lab:
        tools = tools_over(await server_lab.store())
        reasons = iter(
            [
                StoreUnusable("redis://10.0.0.7 has no space left", hint="raise maxmemory"),
                StoreUnusable("prompt 7XKDM2QP cannot be read: …", hint="`edit` with a text and a time repairs it"),
            ]
        )

        async def unusable(*_: object, **__: object) -> None:
            raise next(reasons)

        monkeypatch.setattr(Scheduler, "list", unusable)
        ann = Checked(tools.bound(ANN))
        error = await ann.refused("list_scheduled_prompts")
        assert (error["code"], error["hint"]) == ("store_unusable", A_PERSON)
        assert "10.0.0.7" not in str(error)
        error = await ann.refused("list_scheduled_prompts")
        assert error["message"] == "prompt 7XKDM2QP cannot be read: …"
        assert error["hint"] == "update_scheduled_prompt with a text and a time repairs it"


async def test_what_nobody_foresaw_is_an_answer_and_a_line_in_the_log(
    server_lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with server_lab:
        tools = tools_over(await server_lab.store())
        structlog.reset_defaults()

        async def broken(*_: object, **__: object) -> None:
            raise ZeroDivisionError("in the engine room")

        monkeypatch.setattr(Scheduler, "list", broken)
        with capture_logs() as logs:
            answer = await tools.call("list_scheduled_prompts", None, ANN)
        conforms("list_scheduled_prompts", answer)
        assert answer["error"]["code"] == "internal_error"
        assert "engine room" not in str(answer)
        [entry] = logs
        assert (entry["event"], entry["tool"], entry["exc_info"]) == ("tool_failed", "list_scheduled_prompts", True)


@pytest.mark.parametrize(
    "arguments",
    [
        "[" * 100_000,
        '{"prompt": ' * 10_000,
        {"prompt": "x" * 40_000, "when": "in 20m"},
        {"prompt": "\ud800", "when": "in 20m"},
        {"prompt": "x", "when": "every day at 9am " * 10_000},
        {"prompt": "x", "when": "in 20m", "max_fires": 10**400},
        {"prompt": "x", "when": "in 20m", "max_fires": "9" * 5000},
        {"prompt": "x", "when": "in 20m", "max_cost": "1e999999999"},
        {"prompt": "x", "when": "in 20m", "max_cost": float("nan")},
        {"prompt": "x", "when": {"a": {"b": [{}] * 1000}}},
        {"prompt": {"text": {"text": "x"}}, "when": b"in 20m"},
        {1: 2, None: 3, ("a",): object()},
        {"prompt": "x", "when": "in 20m", "timezone": "../../etc/passwd"},
        {"prompt": "x", "when": "in 20m", "key": "a:b {c}"},
        {"prompt": "x", "when": "in 20m", "name": "x" * 100_000},
        {"prompt": "x", "when": "every day at 9am", "end_at": "9999-99-99"},
        {"prompt": "x", "when": "every day at 9am", "end_at": "in 200 years"},
        {"prompt": "x", "when": "every day at 9am", "schedule": {"frequency": {"daily": 1}}},
        {"id": "x" * 100_000},
        {"self": 1, "call": 2, "name": 3, "arguments": 4},
        b"{}",
        42,
        True,
    ],
    ids=lambda given: repr(given)[:40],
)
async def test_whatever_is_given_is_answered(arguments: object) -> None:
    tools = Checked(Tools(Scheduler("memory:answers", timezone="UTC")).bound(ANN))
    for name in ("schedule_prompt", "preview_schedule"):
        answer = await tools.tools._tools.call(name, arguments, ANN)  # type: ignore[arg-type]
        conforms(name, answer)
        assert not answer["ok"]
        assert answer["error"]["code"] not in ("internal_error", "store_unreachable")
        assert len(str(answer)) < 3_000


async def test_what_is_far_too_long_is_refused_without_comparing_it_with_everything(server_lab: Lab) -> None:
    """The comparison would take minutes, in which the server, or the daemon, does nothing else."""
    async with server_lab:
        tools = Tools(await server_lab.scheduler(await server_lab.store(), "UTC"))
        for _ in range(5):
            await tools.call("schedule_prompt", {"prompt": "x", "when": "in 2h", "name": "report of " * 25}, ANN)
        busy = time.process_time()
        long = "report of " * 20_000
        for name, said in (
            ("get_scheduled_prompt", {"id": long}),
            ("schedule_prompt", {"prompt": "x", "when": "in 2h", "misfire": long}),
            ("schedule_prompt", {"prompt": "x", "when": "in 2h", long: "x"}),
            ("schedule_prompt", {f"argument_{number}": "x" for number in range(20_000)}),
            (long, {}),
        ):
            answer = await tools.call(name, said, ANN)
            assert not answer["ok"]
            assert len(str(answer)) < 5_000
        assert time.process_time() - busy < 1.5


async def test_what_is_nested_or_counted_beyond_all_bounds_is_refused_in_words(server_lab: Lab) -> None:
    async with server_lab:
        tools = Tools(await server_lab.scheduler(await server_lab.store(), "UTC"))
        made = await tools.call("schedule_prompt", {"prompt": "x", "when": "every day at 9am"}, ANN)
        which = made["scheduled_prompt"]["id"]
        moments: tuple[object, ...] = ("9" * 30, "9" * 5_000, 10**400, -(10**30))
        for name, said in (
            *(("schedule_prompt", {"prompt": "x", "when": deep * 50_000}) for deep in ('{"a":', "[", '{"text": ')),
            *(("skip_occurrence", {"id": which, "occurrence": moment}) for moment in moments),
            *(
                ("explain_scheduled_prompt", {"id": which, argument: moment})
                for argument in ("at", "since", "until")
                for moment in moments
            ),
        ):
            answer = await tools.call(name, said, ANN)
            assert answer["error"]["code"] in ("invalid_input", "invalid_schedule"), (name, str(said)[:80])
