"""Windows, quiet hours and the words for policies, as a person types and reads them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.cli_driver import CommandLine

WORDS = (
    "at most 1 at a time, skipped if more than 1 h late, tried again up to 4 times, "
    "paused when it fails 5 times in a row"
)


def test_a_window_is_typed_and_told(cli: CommandLine) -> None:
    window = ["--start", "2090-01-02", "--end", "2090-01-05 12:00 Europe/London", "--max-fires", "2"]
    answer = cli("add", "x", "--when", "every day at 9am", "--tz", "Europe/Berlin", "--key", "k", *window)
    assert answer.code == 0, answer
    assert (
        "does    from 2090-01-02 00:00 +01:00 until 2090-01-05 13:00 +01:00, at most 2 times, at most 1 at a time"
        in answer.out
    )
    assert answer.out.count("09:00 +01:00") == 2
    prompt = cli.json("list")["items"][0]
    assert (prompt["start_at"], prompt["end_at"]) == ("2090-01-02T00:00:00.000+01:00", "2090-01-05T13:00:00.000+01:00")
    assert (prompt["max_fires"], prompt["fired"]) == (2, 0)
    edited = cli("edit", prompt["id"], "--force", "--clear", "start", "--clear", "max-fires", "--end", "2090-02-01")
    assert edited.code == 0, edited
    assert "start at   Mon 2090-01-02 00:00 +01:00 → none" in edited.out
    assert "max fires  2 → none" in edited.out
    shown = cli("show", prompt["id"]).out
    assert f"does      until 2090-02-01 00:00 +01:00, {WORDS}" in shown


def test_quiet_hours_are_typed_and_told(cli: CommandLine) -> None:
    answer = cli("add", "x", "--when", "every hour at :30", "--quiet", "22:00-7:00", "--quiet-policy", "defer")
    assert "what falls between 22:00 and 07:00 waits until 07:00" in answer.out
    prompt = cli.json("list")["items"][0]
    assert (prompt["quiet"], prompt["quiet_policy"]) == ("22:00-07:00", "defer")
    wrong = cli("add", "x", "--when", "every 1h", "--quiet", "22-7")
    assert wrong.code == 2
    assert "quiet: '22-7' is no time of day from–to, such as 22:00-07:00" in wrong.err


@pytest.mark.parametrize(
    ("options", "wrong"),
    [
        (["--start", "soon"], "start_at: 'soon' is not a date or time"),
        (["--end", "2001-01-01"], "the end, 2001-01-01 00:00:00+01:00, has passed"),
        (["--start", "2090-01-02", "--end", "2090-01-01"], "the end, 2090-01-01 00:00:00+"),
        (["--start", "2090-01-02", "--end", "2090-01-01"], "is not after the start, 2090-01-02 00:00:00+"),
        (["--max-fires", "0"], "max_fires: "),
        (["--quiet", "00:00-24:00"], "the whole day"),
    ],
)
def test_what_leaves_nothing_is_refused(cli: CommandLine, options: list[str], wrong: str) -> None:
    answer = cli("add", "x", "--when", "every day at 9am", *options)
    assert (answer.code, cli.json("list")["items"]) == (2, [])
    assert wrong in answer.err


def test_preview_takes_policies_and_says_what_they_do(cli: CommandLine) -> None:
    schedule = ("every weekday at 9am", "--tz", "Europe/Berlin")
    said = cli.json("preview", *schedule, "--from", "2090-01-01", "--max-fires", "3")
    assert ", ".join(said["words"]) == f"every weekday at 09:00 Europe/Berlin, at most 3 times, {WORDS}"
    assert len(said["upcoming"]) == 3
    plain = cli("preview", *schedule)
    assert plain.out.startswith(f"every weekday at 09:00 Europe/Berlin\n  does  {WORDS}\n  next  ")
    assert cli.json("preview", "in 5m")["words"][1:] == ["however late", "tried again up to 4 times"]
    assert "nothing of it would fire" in cli("preview", "every day at 9am", "--quiet", "08:00-10:00").out


def test_explain_begins_with_what_the_prompt_does(cli: CommandLine) -> None:
    cli("add", "x", "--when", "every day at 9am", "--tz", "Europe/Berlin", "--budget-day", "2", "--key", "k")
    prompt = cli.json("list")["items"][0]["id"]
    said = f"every day at 09:00 Europe/Berlin, {WORDS}, at most 2.00 USD a day"
    assert cli("explain", prompt).out.splitlines()[1] == f"  {said}"
    assert ", ".join(cli.json("explain", prompt)["words"]) == said


def test_files_and_settings_say_windows_too(cli: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = tmp_path / "settings.toml"
    settings.write_text(
        '[policies]\nend_at = "2095-01-01T00:00:00Z"\nmax_cost = "0.5"\n'
        '[owners.anna]\nquiet = "22:00-07:00"\n[budgets]\ncurrency = "EUR"\n'
    )
    monkeypatch.setenv("SCHEDULED_PROMPTS_CONFIG", str(settings))
    prompts = tmp_path / "prompts.toml"
    prompts.write_text(
        'owner = "anna"\n[defaults]\ntimezone = "UTC"\n'
        '[prompts.a]\ntext = "a"\nwhen = "every 2h"\nstart_at = 2090-01-01\nmax_fires = 3\n'
        '[prompts.b]\ntext = "b"\nwhen = "every 2h"\nstart_at = "2090-01-01 09:00"\nend_at = 2090-02-01T00:00:00Z\n'
        'quiet = "12:00-13:00"\nquiet_policy = "defer"\n'
    )
    assert cli("apply", str(prompts)).code == 0
    a, b = sorted(cli.json("list")["items"], key=lambda prompt: str(prompt["key"]))
    assert (a["start_at"], a["end_at"]) == ("2090-01-01T00:00:00.000+00:00", "2095-01-01T00:00:00.000+00:00")
    assert (a["max_fires"], a["quiet"]) == (3, "22:00-07:00")
    assert (b["start_at"], b["end_at"]) == ("2090-01-01T09:00:00.000+00:00", "2090-02-01T00:00:00.000+00:00")
    assert (b["quiet"], b["quiet_policy"]) == ("12:00-13:00", "defer")
    assert "= a" in cli("apply", str(prompts)).out
    prompts.write_text(prompts.read_text().replace("2090-02-01T00:00:00Z", "2090-03-01T00:00:00Z"))
    assert "~ b  end_at: 2090-02-01 00:00 +00:00 → 2090-03-01 00:00 +00:00" in cli("apply", str(prompts)).out
    prompts.write_text(prompts.read_text().replace("2090-03-01T00:00:00Z", '"soon"'))
    refused = cli("apply", str(prompts))
    assert refused.code == 2
    assert "prompts.b.end_at: 'soon' is not a date or time" in refused.err
    said = cli.json("preview", "every 1h")["words"]
    assert "at most 0.50 EUR each time" in said
    assert "until 2095-01-01" in ", ".join(said)
