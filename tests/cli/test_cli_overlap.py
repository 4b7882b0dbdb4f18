"""Overlap, order and concurrency, as a person types, reads and keeps them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.cli_driver import CommandLine

WANTED = {
    "overlap": "queue",
    "queue_limit": 3,
    "origin": "goal",
    "priority": 75,
    "concurrency_key": "gpu",
    "concurrency": 2,
}
OPTIONS = ["--overlap", "queue", "--queue-limit", "3", "--origin", "goal", "--concurrency-key", "gpu"]
IN_A_FILE = 'overlap = "queue"\nqueue_limit = 3\norigin = "goal"\nconcurrency_key = "gpu"\nconcurrency = 2\n'


def policies(prompt: dict[str, object]) -> dict[str, object]:
    return {name: prompt[name] for name in WANTED}


def test_they_are_typed_shown_and_cleared(cli: CommandLine) -> None:
    prompt = cli.json("add", "x", "--when", "every 2h", *OPTIONS, "--concurrency", "2")["prompt"]
    assert policies(prompt) == WANTED
    shown = cli("show", prompt["id"]).out
    assert "75 (goal)" in shown
    assert "2 at once of all with gpu" in shown
    cleared = [word for name in ("overlap", "origin", "concurrency-key") for word in ("--clear", name)]
    edited = cli.json("edit", prompt["id"], "--force", *cleared)["prompt"]
    assert (edited["overlap"], edited["priority"], edited["concurrency_key"]) == ("skip", 50, None)


def test_a_file_an_export_and_the_settings_say_them_too(
    cli: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "prompts.toml"
    file.write_text('set = "s"\n[prompts.a]\nwhen = "every 2h"\ntext = "x"\n' + IN_A_FILE)
    assert cli("apply", str(file)).code == 0
    [applied] = cli.json("list")["items"]
    assert policies(applied) == WANTED
    kept = tmp_path / "export.json"
    assert cli("export", "--output", str(kept)).code == 0
    assert '"concurrency_key":"gpu"' in kept.read_text().replace(" ", "")
    settings = tmp_path / "settings.toml"
    settings.write_text("[policies]\n" + IN_A_FILE)
    monkeypatch.setenv("SCHEDULED_PROMPTS_CONFIG", str(settings))
    assert policies(cli.json("add", "y", "--when", "every 2h")["prompt"]) == WANTED


@pytest.mark.parametrize(
    ("options", "wrong"),
    [
        (["--overlap", "often"], "often"),
        (["--queue-limit", "0"], "queue_limit: it should be greater than or equal to 1 (it is 0)"),
        (["--concurrency-key", "a b"], "concurrency_key"),
        (["--concurrency", "0"], "concurrency: it should be greater than or equal to 1 (it is 0)"),
        (["--origin", "whim"], "whim"),
    ],
)
def test_what_cannot_be_is_refused(cli: CommandLine, options: list[str], wrong: str) -> None:
    answer = cli("add", "x", "--when", "every 2h", *options)
    assert answer.code == 2
    assert wrong in answer.err
