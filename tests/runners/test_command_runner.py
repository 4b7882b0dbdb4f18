"""Real processes: what a command is given, and what becomes of its answer."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from scheduled_prompts.errors import InvalidConfig
from scheduled_prompts.fire import CUT_MARK, MAX_ERROR_CHARACTERS, MAX_RESULT_BYTES, Fire
from scheduled_prompts.money import Usage
from scheduled_prompts.runners.command import CommandError, CommandRunner
from scheduled_prompts.runners.contract import Permanent, Runner
from tests.runners.commands import NOMINAL, PROMPT_ID, a_fire, run, shell


def python(script: str, **options: Any) -> CommandRunner:
    return CommandRunner([sys.executable, "-I", "-S", "-c", script], **options)


def test_a_command_runner_is_a_runner() -> None:
    assert isinstance(CommandRunner(["cat"]), Runner)


def test_the_text_goes_in_and_stdout_is_the_result() -> None:
    assert run(CommandRunner(["cat"]), a_fire("Wie geht's? 🌞\n\n")) == "Wie geht's? 🌞\n\n"


def from_an_agent(text: str = "What is new?") -> Fire:
    fire = a_fire(text)
    assert fire.prompt is not None
    return fire.model_copy(update={"prompt": fire.prompt.model_copy(update={"agent": "planner"})})


def test_an_agents_text_goes_in_in_its_fence_unless_that_is_not_wanted() -> None:
    fire = from_an_agent()
    assert run(CommandRunner(["cat"]), fire) == fire.fenced_text
    assert "What is new?" in fire.fenced_text != fire.text
    assert run(CommandRunner(["cat"], fence=False), fire) == "What is new?"
    with pytest.raises(InvalidConfig, match="fence must be true or false, not 'no'"):
        CommandRunner(["cat"], fence="no")  # type: ignore[arg-type]


def test_the_fire_file_has_the_text_both_ways_and_says_whose_it_is() -> None:
    fire = from_an_agent()
    prompt = json.loads(run(shell('cat "$SCHEDULED_PROMPTS_FIRE_FILE"'), fire))["prompt"]
    assert (prompt["text"], prompt["fenced_text"]) == ("What is new?", fire.fenced_text)
    assert prompt["scheduled_by"] == "agent:planner"
    prompt = json.loads(run(shell('cat "$SCHEDULED_PROMPTS_FIRE_FILE"')))["prompt"]
    assert (prompt["fenced_text"], prompt["scheduled_by"]) == ("What is new?", None)


def test_a_text_larger_than_a_pipe_arrives_whole() -> None:
    text = "x" * 32_768
    assert run(shell("sleep 0.1; wc -c"), a_fire(text)).strip() == "32768"


def test_a_command_that_says_nothing_succeeds_with_an_empty_text() -> None:
    assert run(CommandRunner(["true"])) == ""


def test_a_command_that_does_not_read_stdin_is_fine() -> None:
    assert run(shell("exec <&-; echo done"), a_fire("x" * 32_768)) == "done\n"
    assert run(shell("sleep 0.05; echo done"), a_fire("x" * 32_768)) == "done\n"


def test_the_environment_names_the_fire() -> None:
    script = 'echo "$SCHEDULED_PROMPTS_FIRE_ID $SCHEDULED_PROMPTS_PROMPT_ID $SCHEDULED_PROMPTS_NOMINAL'
    script += ' $SCHEDULED_PROMPTS_DUE $SCHEDULED_PROMPTS_ATTEMPT"'
    assert run(shell(script)).split() == [a_fire().id, PROMPT_ID, str(NOMINAL), str(NOMINAL + 1_500), "2"]


def test_the_fire_file_is_private_and_holds_the_fire_and_its_prompt(tmp_path: Path) -> None:
    name = tmp_path / "name"
    mode = tmp_path / "mode"
    script = f'cd {tmp_path}; echo "$SCHEDULED_PROMPTS_FIRE_FILE" > name; '
    script += 'stat -c %a "$SCHEDULED_PROMPTS_FIRE_FILE" > mode; cat "$SCHEDULED_PROMPTS_FIRE_FILE"'
    fire = json.loads(run(shell(script)))
    assert mode.read_text().strip() == "600"
    assert fire["id"] == a_fire().id
    assert fire["prompt_id"] == PROMPT_ID
    assert (fire["trigger"], fire["status"], fire["attempt"]) == ("schedule", "running", 2)
    assert fire["nominal"] == "2026-12-01T09:00:00.000+01:00"
    assert fire["due"] == "2026-12-01T09:00:01.500+01:00"
    assert fire["prompt"]["text"] == "What is new?"
    assert fire["prompt"]["schedule"]["kind"] == "interval"
    assert not Path(name.read_text().strip()).exists()


def test_env_adds_to_the_daemons_and_cannot_hide_the_fire(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FROM_DAEMON", "kept")
    runner = shell(
        'echo "$FROM_DAEMON $MINE $SCHEDULED_PROMPTS_ATTEMPT"',
        env={"MINE": "added", "SCHEDULED_PROMPTS_ATTEMPT": "99"},
    )
    assert run(runner) == "kept added 2\n"


def test_cwd_is_where_it_runs(tmp_path: Path) -> None:
    assert Path(run(CommandRunner(["pwd"], cwd=tmp_path)).strip()).resolve() == tmp_path.resolve()


def test_no_shell_sees_the_arguments() -> None:
    assert run(CommandRunner(["echo", "$HOME; *"])) == "$HOME; *\n"


def test_a_long_output_is_cut_with_a_mark_and_does_not_hang() -> None:
    result = asyncio.run(python("import sys; sys.stdout.write('é' * 5_000_000)").run(a_fire()))
    assert result.truncated
    assert result.text is not None
    assert result.text.endswith(CUT_MARK)
    assert MAX_RESULT_BYTES - 4 < len(result.text.encode()) <= MAX_RESULT_BYTES
    assert set(result.text.removesuffix(CUT_MARK)) == {"é"}


def test_an_output_of_exactly_the_limit_is_whole() -> None:
    result = asyncio.run(python(f"print('x' * {MAX_RESULT_BYTES}, end='')").run(a_fire()))
    assert not result.truncated
    assert result.text == "x" * MAX_RESULT_BYTES


def test_output_that_is_not_utf_8_is_kept_readable() -> None:
    assert run(shell("printf 'a\\377b'")) == "a�b"


def test_a_failure_names_the_exit_code_and_what_stderr_said() -> None:
    with pytest.raises(CommandError, match=r"'sh' ended with exit code 3: no such model$"):
        run(shell("echo no such model >&2; exit 3"))


def test_a_failure_without_a_word_says_so() -> None:
    with pytest.raises(CommandError, match="'false' ended with exit code 1; it wrote nothing to stderr"):
        run(CommandRunner(["false"]))


def test_a_failure_by_signal_names_the_signal() -> None:
    with pytest.raises(CommandError, match="was ended by SIGKILL"):
        run(shell("kill -9 $$"))


def test_the_end_of_a_long_stderr_is_what_the_error_shows() -> None:
    with pytest.raises(CommandError) as caught:
        run(python("import sys; sys.stderr.write('x' * 10_000_000 + 'the reason'); sys.exit(1)"))
    assert str(caught.value).endswith("xxxthe reason")
    assert len(str(caught.value)) <= MAX_ERROR_CHARACTERS


def test_what_a_command_says_on_stderr_is_no_failure() -> None:
    assert run(shell("echo careful >&2; echo fine")) == "fine\n"


def test_a_missing_program_warns_at_start_and_fails_for_good() -> None:
    with capture_logs() as logs:
        runner = CommandRunner(["no-such-program-anywhere"])
    assert [line["log_level"] for line in logs] == ["warning"]
    assert "no-such-program-anywhere" in str(logs)
    with pytest.raises(Permanent, match="'no-such-program-anywhere' was not found on PATH"):
        run(runner)


def test_a_program_that_is_installed_later_is_found(tmp_path: Path) -> None:
    program = tmp_path / "late"
    runner = CommandRunner([str(program)])
    with pytest.raises(Permanent, match="does not exist"):
        run(runner)
    program.write_text("#!/bin/sh\necho here\n")
    with pytest.raises(Permanent, match="is not executable"):
        run(runner)
    program.chmod(0o755)
    assert run(runner) == "here\n"


def test_a_script_whose_interpreter_is_missing_says_so(tmp_path: Path) -> None:
    program = tmp_path / "script"
    program.write_text("#!/no/such/interpreter\n")
    program.chmod(0o755)
    with pytest.raises(Permanent, match="first line"):
        run(CommandRunner([str(program)]))


def test_a_missing_working_directory_fails_for_good(tmp_path: Path) -> None:
    with pytest.raises(Permanent, match="working directory"):
        run(CommandRunner(["cat"], cwd=tmp_path / "gone"))


@pytest.mark.parametrize(
    ("options", "message", "hint"),
    [
        ({"argv": "cat -n"}, "argv must be a list of texts, not the text 'cat -n'", 'argv = ["cat", "-n"]'),
        ({"argv": []}, "argv must be a list of texts with at least one", 'argv = ["cat"]'),
        ({"argv": 7}, "argv must be a list", 'argv = ["cat"]'),
        ({"argv": ["sleep", 5]}, "item 2 is 5", '"5"'),
        ({"argv": [""]}, "empty text where the program should be", ""),
        ({"argv": ["a\0b"]}, "NUL", ""),
        ({"argv": ["cat"], "cwd": 3}, "cwd must be the path of a directory", ""),
        ({"argv": ["cat"], "env": ["A=1"]}, "env must be a table", "env = {"),
        ({"argv": ["cat"], "env": {"PORT": 80}}, "PORT must be a text, not 80", '"80"'),
        ({"argv": ["cat"], "env": {"A=B": "c"}}, "'A=B' cannot be the name", ""),
        ({"argv": ["cat"], "kill_after": -1}, "kill_after must be a number of seconds", ""),
        ({"argv": ["cat"], "kill_after": "5"}, "kill_after must be a number of seconds", ""),
        ({"argv": ["cat"], "kill_after": True}, "kill_after must be a number of seconds", ""),
        ({"argv": ["cat"], "kill_after": float("nan")}, "kill_after must be a number of seconds", ""),
    ],
)
def test_options_that_cannot_be_used_are_refused(options: dict[str, Any], message: str, hint: str) -> None:
    with pytest.raises(InvalidConfig, match=re.escape(message)) as caught:
        CommandRunner(**options)
    assert hint in (caught.value.hint or "")


USAGE = 'echo "$USED" > "$SCHEDULED_PROMPTS_USAGE_FILE"; '


@pytest.mark.parametrize(
    ("used", "usage"),
    [
        ("", None),
        ('{"tokens_in": 1200, "tokens_out": 300}', Usage(tokens_in=1200, tokens_out=300)),
        ('{"cost": "0.0375", "currency": "EUR"}', Usage(cost=Decimal("0.0375"), currency="EUR")),
        ('{"cost": 0.1}', Usage(cost=Decimal("0.1"))),
        ('{"cost": -1}', None),
        ('{"price": 1}', None),
        ("twelve", None),
    ],
)
def test_a_command_says_what_it_used(used: str, usage: Usage | None) -> None:
    result = asyncio.run(shell(USAGE + "echo done", env={"USED": used}).run(a_fire()))
    assert (result.text, result.usage) == ("done\n", usage)


def test_a_command_that_fails_says_what_it_used_too() -> None:
    with pytest.raises(CommandError) as caught:
        run(shell(USAGE + "exit 1", env={"USED": '{"cost": 1}'}))
    assert caught.value.usage == Usage(cost=Decimal(1))
