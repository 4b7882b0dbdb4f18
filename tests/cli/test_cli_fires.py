"""`fire show`, `fire cancel`, `fire rerun`, on a real server."""

from __future__ import annotations

import asyncio
import re
import time

import pytest

from scheduled_prompts.fire import Fire
from scheduled_prompts.runners.contract import Permanent
from scheduled_prompts.store import Store
from scheduled_prompts.store.records import ALL, Serves
from tests.cli.cli_driver import CommandLine
from tests.cli.cli_told import add, refused, refused_as, set_field


@pytest.fixture(name="cli")
def on_a_server(server_cli: CommandLine) -> CommandLine:
    return server_cli


def upper(fire: Fire) -> str:
    return fire.text.upper()


def ran(cli: CommandLine, prompt_id: str) -> str:
    """The id of a run that has ended well."""
    with cli.serving(log=upper):
        return str(cli.json("run", prompt_id, "--wait")["id"])


def test_fire_show_tells_all(cli: CommandLine) -> None:
    prompt_id = add(cli, "say hello\nand more")
    fire_id = ran(cli, prompt_id)
    shown = cli("fire", "show", fire_id).out
    names = [line[2:11].strip() for line in shown.splitlines()[1:]]
    assert [name for name in names if name] == [
        *("status", "trigger", "nominal", "started", "ended", "attempts", "daemon", "runner", "id", "version"),
        *("text", "result"),
    ]
    assert "  trigger   manual" in shown
    assert f"  id        {fire_id}" in shown
    assert shown.endswith("  result    SAY HELLO\n            AND MORE\n")


def test_fire_show_has_the_definition_it_ran_for_programs(cli: CommandLine) -> None:
    prompt_id = add(cli)
    fire_id = ran(cli, prompt_id)
    cli.json("edit", prompt_id, "--force", "--text", "another text", "--tz", "Asia/Tokyo")
    fire = cli.json("fire", "show", fire_id)
    assert (fire["prompt"]["text"], fire["prompt"]["timezone"], fire["version"]) == ("say hello", "Europe/Berlin", 1)
    assert (fire["status"], fire["result"]["text"], fire["attempt"]) == ("succeeded", "SAY HELLO", 1)
    assert "say hello" in cli("fire", "show", fire_id).out


def test_what_history_shows_can_be_pasted(cli: CommandLine) -> None:
    prompt_id = add(cli, "tick", "every 1s")
    seen: list[str] = []
    cli.serve(lambda fire: seen.append(fire.id) or "ok", lambda: len(seen) >= 1)  # type: ignore[func-returns-value]
    cli("run", prompt_id)
    titles, *rows = cli("history", prompt_id).out.splitlines()
    assert "FIRE" in titles
    ids = [fire["id"] for fire in cli.json("history", prompt_id)["items"]]
    assert len(ids) == len(rows) >= 2
    for row, fire_id in zip(rows, ids, strict=True):
        [reference] = [word for word in row.split() if word.startswith(prompt_id[-8:])]
        assert len(reference) < 24
        assert cli.json("fire", "show", reference)["id"] == fire_id
    assert cli.json("fire", "show", prompt_id[-8:])["id"] in ids, "a prompt's id means its last fire"


def test_a_failure_shows_its_error(cli: CommandLine) -> None:
    prompt_id = add(cli, "x", "every 2h", "--retries", "0")

    def break_down(fire: Fire) -> str:
        raise Permanent("it broke\nbadly")

    with cli.serving(log=break_down):
        cli("run", prompt_id, "--wait")
    shown = cli("fire", "show", prompt_id).out
    assert "  status    failed (permanent)" in shown
    assert "  attempts  1\n" in shown
    assert shown.endswith("  error     it broke\n            badly\n")


def test_a_fire_that_is_tried_again_says_when_and_how_often(cli: CommandLine) -> None:
    prompt_id = add(cli, "x", "every 2h", "--retries", "50ms,1h")

    def break_down(fire: Fire) -> str:
        raise RuntimeError("not yet")

    cli("run", prompt_id)
    cli.serve(break_down, lambda: cli.json("fire", "show", prompt_id)["failures"] == 2)
    shown = cli("fire", "show", prompt_id).out
    assert "  status    retrying" in shown
    assert re.search(r"  retry     \w{3} .*, in \d+ min\n", shown)
    assert "  attempts  2 (2 failures)" in shown
    assert cli("fire", "cancel", prompt_id).out.endswith("not yet\n")


def test_a_fire_that_waits_is_cancelled(cli: CommandLine) -> None:
    prompt_id = add(cli)
    fire_id = cli.json("run", prompt_id)["id"]
    answer = cli.json("fire", "cancel", fire_id)
    assert (answer["id"], answer["status"]) == (fire_id, "cancelled")
    second = cli("run", prompt_id).out.split("fire show ")[1].split()[0]
    assert cli("fire", "cancel", second).out.startswith(f"cancelled {second}: say hello")
    assert "  status    cancelled (this fire alone)" in cli("fire", "show", second).out
    assert "already" in refused(cli("fire", "cancel", second), 4)
    assert refused_as(cli("fire", "cancel", second, "--json"), 4) == "conflict"


def test_a_fire_that_runs_is_asked_to_stop(cli: CommandLine) -> None:
    prompt_id = add(cli)
    cli("run", prompt_id)
    taken_by_somebody(cli)
    answer = cli("fire", "cancel", prompt_id)
    assert (answer.code, answer.out.splitlines()[1]) == (0, "  it runs, and is asked to stop")
    assert "  status    running, asked to stop" in cli("fire", "show", prompt_id).out
    fire = cli.json("fire", "cancel", prompt_id)
    assert (fire["status"], fire["cancel_requested"]) == ("running", True)


def taken_by_somebody(cli: CommandLine) -> None:
    async def take() -> None:
        async with Store(cli.store) as store:
            assert (await store.take(1, lease_ms=60_000, daemon="somebody", serves=Serves((ALL,), (ALL,)))).leases

    asyncio.run(take())


def test_a_fire_is_run_again_and_waited_for(cli: CommandLine) -> None:
    prompt_id = add(cli)
    first = ran(cli, prompt_id)
    cli("edit", prompt_id, "--force", "--text", "once more")
    with cli.serving(log=upper):
        again = cli.json("fire", "rerun", first, "--wait", "--wait-timeout", "10")
        told = cli("fire", "rerun", first, "--wait")
    assert (again["rerun_of"], again["trigger"], again["result"]["text"]) == (first, "manual", "ONCE MORE")
    assert (told.code, told.out.splitlines()[-1]) == (0, "ONCE MORE")
    assert f"manual, to repeat {prompt_id[-8:]}+" in cli("fire", "show", prompt_id).out


def test_a_rerun_that_nobody_serves_is_warned_of(cli: CommandLine) -> None:
    first = ran(cli, add(cli))
    time.sleep(0.01)
    answer = cli("fire", "rerun", first)
    assert answer.out.startswith("queued ")
    assert "warning: no daemon is running" in answer.err
    waited = cli("fire", "rerun", first, "--wait", "--wait-timeout", "0.05", "--json")
    assert refused_as_failed(waited.code, waited.document) == "wait_timeout"


def refused_as_failed(code: int, document: dict[str, dict[str, str]]) -> str:
    assert code == 1
    assert document["fire"]["status"] == "queued"
    return document["error"]["code"]


def test_a_fire_of_a_prompt_that_cannot_be_read_is_shown_without_it(cli: CommandLine) -> None:
    prompt_id = add(cli)
    fire_id = ran(cli, prompt_id)
    set_field(cli, prompt_id, doc="{")
    assert cli.json("fire", "show", fire_id)["prompt"] is None
    assert "  text      (cannot be read)" in cli("fire", "show", fire_id).out


@pytest.mark.parametrize("word", ["show", "cancel", "rerun"])
def test_a_fire_that_is_not_there_is_told_in_one_line(cli: CommandLine, word: str) -> None:
    prompt_id = add(cli)
    other = add(cli)
    for reference, code, kind in (
        ("ZZZZZZZZ", 3, "not_found"),
        (prompt_id, 3, "not_found"),
        (f"{prompt_id}@1764576000000", 3, "not_found"),
        (f"{prompt_id[-8:]}@2031-01-01T09:00", 3, "not_found"),
        (f"{prompt_id[-8:]}+ABC", 3, "not_found"),
        (f"{prompt_id[-8:]}@soon", 2, "invalid_input"),
        (other[:6], 2, "invalid_input"),
        ("", 3, "not_found"),
    ):
        refused(cli("fire", word, reference), code)
        assert refused_as(cli("fire", word, reference, "--json"), code) == kind


def test_what_has_not_ended_or_was_cancelled_is_not_run_again(cli: CommandLine) -> None:
    prompt_id = add(cli)
    fire_id = cli.json("run", prompt_id)["id"]
    assert "`fire cancel` stops it" in refused(cli("fire", "rerun", fire_id), 4)
    cli("cancel", prompt_id)
    assert "is cancelled" in refused(cli("fire", "rerun", fire_id), 4)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("fire",), "Missing command"),
        (("fire", "bogus", "X"), "bogus"),
        (("fire", "show"), "REF"),
        (("fire", "rerun", "X", "--wait-timeout", "1s"), "--wait"),
        (("history", "X", "--limit", "many"), "'--limit': it should be a valid integer (it is 'many')"),
    ],
)
def test_a_wrong_word_is_a_usage_error(cli: CommandLine, words: tuple[str, ...], said: str) -> None:
    assert said.lower() in refused(cli(*words), 2).lower()
