"""What programs are told: one JSON document, and the exit code."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path
from typing import Any

import pytest

from scheduled_prompts.fire import Fire
from scheduled_prompts.scheduler import Scheduler
from tests.cli.cli_driver import CommandLine


def test_add_answers_with_the_prompt_and_what_is_upcoming(cli: CommandLine) -> None:
    answer = cli.json("add", "say hello", "--when", "every day at 9am", "--tz", "Europe/Berlin")
    assert answer["created"] is True
    assert answer["prompt"]["text"] == "say hello"
    assert answer["prompt"]["timezone"] == "Europe/Berlin"
    assert len(answer["upcoming"]) == 5
    assert all("T09:00:00.000+0" in each["nominal"] for each in answer["upcoming"])


def test_add_takes_every_option(cli: CommandLine) -> None:
    prompt = cli.json(
        *("add", "check", "--when", "every 2h", "--runner", "echo", "--platform", "slack", "--owner", "anna"),
        *("--agent", "a1", "--conversation", "c1", "--name", "Check it", "--key", "k1", "--label", "team=ops"),
        *("--label", "env=a=b", "--priority", "70", "--timeout", "10m", "--retries", "10s,1m,5m"),
        *("--on-crash", "interrupt", "--jitter", "1m30s", "--misfire", "all", "--grace", "2h", "--catch-up-limit", "3"),
    )["prompt"]
    expected = {
        "runner": "echo",
        "platform": "slack",
        "owner": "anna",
        "agent": "a1",
        "conversation": "c1",
        "name": "Check it",
        "key": "k1",
        "labels": {"team": "ops", "env": "a=b"},
        "priority": 70,
        "timeout": 600.0,
        "retries": 3,
        "retry_delays": [10.0, 60.0, 300.0],
        "on_crash": "interrupt",
        "jitter": 90.0,
        "misfire": "all",
        "grace": 7200.0,
        "catch_up_limit": 3,
    }
    assert {name: prompt[name] for name in expected} == expected


def test_a_count_of_retries_leaves_the_usual_delays(cli: CommandLine) -> None:
    prompt = cli.json("add", "x", "--when", "in 1h", "--retries", "2")["prompt"]
    assert (prompt["retries"], prompt["retry_delays"][0]) == (2, 120.0)


def test_the_settings_name_runner_platform_and_zone(cli: CommandLine, tmp_path: Path) -> None:
    config = tmp_path / "own.toml"
    config.write_text('runner = "echo"\nplatform = "slack"\ntimezone = "Asia/Tokyo"\n')
    prompt = cli.json("add", "x", "--when", "in 1h", "--config", str(config))["prompt"]
    assert (prompt["runner"], prompt["platform"], prompt["timezone"]) == ("echo", "slack", "Asia/Tokyo")


def test_the_text_is_read_from_standard_input(cli: CommandLine) -> None:
    answer = cli.json("add", "-", "--when", "in 1h", stdin="first\nsecond ü\n".encode())
    assert answer["prompt"]["text"] == "first\nsecond ü"


def test_a_second_prompt_with_the_same_key_is_not_created(cli: CommandLine) -> None:
    first = cli.json("add", "x", "--when", "in 1h", "--key", "k")
    second = cli.json("add", "y", "--when", "in 1h", "--key", "k")
    assert second["created"] is False
    assert second["prompt"]["id"] == first["prompt"]["id"]
    assert "text" in second["differs"]


def test_a_store_that_is_forgotten_is_warned_about(cli: CommandLine) -> None:
    answer = cli("add", "x", "--when", "in 1h", "--json")
    assert "forgotten" in answer.document["warning"]
    assert "warning: memory:" in answer.err


def test_list_pages_and_filters(cli: CommandLine) -> None:
    ids = [
        cli.json("add", f"p{i}", "--when", "in 1h", "--owner", "anna" if i % 2 else "ben")["prompt"]["id"]
        for i in range(4)
    ]
    first = cli.json("list", "--limit", "3")
    rest = cli.json("list", "--limit", "3", "--cursor", first["cursor"])
    assert [item["id"] for item in first["items"] + rest["items"]] == ids[::-1]
    assert rest["cursor"] is None
    assert {item["owner"] for item in cli.json("list", "--owner", "anna")["items"]} == {"anna"}
    assert cli.json("list", "--status", "paused") == {"items": [], "cursor": None, "unreadable": [], "halted": None}


def test_global_options_stand_before_and_behind_the_command(cli: CommandLine) -> None:
    prompt_id = cli.json("add", "x", "--when", "in 1h")["prompt"]["id"]
    before = cli("--store", cli.store, "--json", "list")
    behind = cli("list", "--json", "--store", cli.store)
    assert before.document["items"][0]["id"] == behind.document["items"][0]["id"] == prompt_id
    elsewhere = cli("--store", "memory:nobody", "--json", "list", "--store", cli.store)
    assert elsewhere.document["items"][0]["id"] == prompt_id, "the one behind the command counts"


def test_show_finds_a_prompt_by_a_part_of_its_id(cli: CommandLine) -> None:
    prompt = cli.json("add", "x", "--when", "every 2h")["prompt"]
    shown = cli.json("show", prompt["id"][-8:].lower())
    assert shown["id"] == prompt["id"]
    assert len(shown["upcoming"]) == 5
    assert shown["missed"] == []


def test_cancel_answers_with_the_prompt_and_counts(cli: CommandLine) -> None:
    prompt = cli.json("add", "x", "--when", "every 2h")["prompt"]
    cli.json("run", prompt["id"])
    answer = cli.json("cancel", prompt["id"][-8:])
    assert answer["prompt"]["status"] == "cancelled"
    assert (answer["ended"], answer["asked_to_stop"]) == (1, 0)
    assert cli.json("show", prompt["id"])["upcoming"] == []
    again = cli("cancel", prompt["id"], "--json")
    assert (again.code, again.document["error"]["code"]) == (4, "conflict")


def test_history_tells_what_became_of_a_run(cli: CommandLine) -> None:
    prompt_id = cli.json("add", "say hello", "--when", "every 2h")["prompt"]["id"]
    queued = cli.json("run", prompt_id)
    assert (queued["trigger"], queued["status"], queued["prompt_id"]) == ("manual", "queued", prompt_id)
    texts: list[str] = []

    def echo(fire: Fire) -> str:
        texts.append(fire.text)
        return fire.text.upper()

    cli.serve(echo, lambda: bool(texts))
    [fire] = cli.json("history", prompt_id)["items"]
    assert (fire["status"], fire["result"]["text"], fire["attempt"]) == ("succeeded", "SAY HELLO", 1)
    assert fire["id"] == queued["id"]


def test_preview_stores_nothing(cli: CommandLine) -> None:
    answer = cli.json("preview", "every day at 2:30", "--tz", "Europe/Berlin", "--from", "2026-03-28", "--count", "3")
    assert [each["nominal"] for each in answer["upcoming"]] == [
        "2026-03-28T02:30:00.000+01:00",
        "2026-03-29T03:00:00.000+02:00",
        "2026-03-30T02:30:00.000+02:00",
    ]
    assert answer["schedule"]["text"] == "every day at 02:30 Europe/Berlin"
    assert cli.json("list")["items"] == []


@pytest.mark.parametrize("start", ["2026-03-28T12:00", "2026-03-28T12:00+01:00", "2026-03-28 11:00Z"])
def test_preview_counts_from_a_time(cli: CommandLine, start: str) -> None:
    answer = cli.json("preview", "every 1h", "--tz", "Europe/Berlin", "--from", start, "--count", "1")
    assert answer["upcoming"][0]["nominal"] == "2026-03-28T13:00:00.000+01:00"


def test_a_wait_that_takes_too_long_leaves_the_prompt(cli: CommandLine) -> None:
    answer = cli("add", "x", "--when", "in 1h", "--wait", "--wait-timeout", "0.05", "--json")
    assert answer.code == 1
    assert answer.document["error"]["code"] == "wait_timeout"
    assert cli.json("show", answer.document["prompt"]["id"])["status"] == "scheduled"


def test_a_wait_for_a_run_that_takes_too_long_tells_the_fire(cli: CommandLine) -> None:
    prompt_id = cli.json("add", "x", "--when", "in 1h")["prompt"]["id"]
    answer = cli("run", prompt_id, "--wait", "--wait-timeout", "0.05", "--json")
    assert (answer.code, answer.document["error"]["code"]) == (1, "wait_timeout")
    assert answer.document["fire"]["prompt_id"] == prompt_id


def test_waiting_for_what_was_cancelled_ends(cli: CommandLine) -> None:
    prompt_id = cli.json("add", "x", "--when", "in 1h", "--key", "k")["prompt"]["id"]

    async def cancel_soon() -> None:
        await asyncio.sleep(0.05)
        async with Scheduler(cli.store) as scheduler:
            await scheduler.cancel(prompt_id)

    threading.Thread(target=lambda: asyncio.run(cancel_soon())).start()
    answer = cli("add", "x", "--when", "in 1h", "--key", "k", "--wait", "--wait-timeout", "5", "--json")
    assert (answer.code, answer.document["error"]["code"]) == (1, "failed")
    assert "was cancelled before it fired" in answer.document["error"]["message"]


def test_version_and_its_document(cli: CommandLine) -> None:
    assert cli("--version").out == "scheduled-prompts 0.1.0\n"
    assert cli.json("--version") == {"version": "0.1.0"}


def test_an_unexpected_error_is_one_line(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    def explode(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError("of all things")

    monkeypatch.setattr("scheduled_prompts.cli.session.load_settings", explode)
    answer = cli("list")
    assert answer.code == 1
    assert answer.err.splitlines()[0] == "error: unexpected: ZeroDivisionError: of all things"
    assert "Traceback" not in answer.err
    assert cli("list", "--json").document["error"]["code"] == "unexpected"
    monkeypatch.setenv("SCHEDULED_PROMPTS_DEBUG", "1")
    assert "Traceback" in cli("list").err


def test_an_interrupted_command_ends_with_130(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr("scheduled_prompts.cli.session.load_settings", interrupt)
    answer = cli("list", "--json")
    assert (answer.code, answer.document["error"]["code"]) == (130, "interrupted")


def test_json_in_a_pipe_is_one_line(cli: CommandLine) -> None:
    answer = cli("preview", "in 20m", "--json")
    assert answer.out.count("\n") == 1
    assert json.loads(answer.out)["upcoming"]
